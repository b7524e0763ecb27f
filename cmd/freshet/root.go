package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "freshet",
		Short: "Watch telemetry on Kafka; one alert within a second of a spike",
		Long: `freshet reads logs, metrics, traces and JSON events from Kafka, judges them by rules over sliding windows,
and sends one alert to Slack or a webhook when something rises, falls, stops or changes.

Begin with:  freshet demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())
	})
	return group(root, demoCommand(), runCommand(), rulesCommand(), configCommand(), receiversCommand(), topicsCommand(), tailCommand(),
		deadLetterCommand(), silenceCommand(), whyCommand(), versionCommand())
}

// group gives parent its commands. Alone it shows its help; a command that is none of them fails, where the library would
// show the help and end with 0.
func group(parent *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	parent.AddCommand(commands...)
	parent.SuggestionsMinimumDistance = 2
	parent.DisableFlagsInUseLine = true
	parent.Args = cobra.ArbitraryArgs
	parent.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
		}
		return fmt.Errorf("no command %q; %s", pathBelow(cmd)+args[0], hint)
	}
	return parent
}

// noArguments is for commands that take flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flag("config") != nil {
		hint = "; --config names the configuration file"
	}
	return fmt.Errorf("%stakes no arguments, found %q%s", pathBelow(cmd), args[0], hint)
}

// pathBelow names a command as it is typed after the program's name, with a space behind; the root is "".
func pathBelow(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath()+" ", cmd.Root().Name()+" ")
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "freshet version %s\n", version())
		},
	}
}

// version is the module's version as the Go toolchain recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}

// newLogger writes freshet's own log to standard error.
func newLogger(c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked with the configuration
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// loadConfig reads the file of --config, prints everything that is wrong with it and fails if anything is.
func loadConfig(cmd *cobra.Command, path string) (*config.Config, error) {
	if path == "" {
		return config.Default(), nil
	}
	return loadBy(cmd, config.Load, path)
}

// loadBy is loadConfig with a way to load.
func loadBy(cmd *cobra.Command, load func(string) (*config.Config, []config.Fault, error), path string) (*config.Config, error) {
	cfg, faults, err := load(path)
	if missing, ok := errors.AsType[*fs.PathError](err); ok && missing.Path == path {
		return nil, fmt.Errorf("%w; --config names another file", err)
	}
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		printFaults(cmd.ErrOrStderr(), faults)
		return nil, statusError(1)
	}
	return cfg, nil
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
