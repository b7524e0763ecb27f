package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

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
	root.AddCommand(demoCommand(), runCommand(), rulesCommand(), configCommand(), topicsCommand())
	return root
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
	cfg, faults, err := config.Load(path)
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
