package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/rules"
)

func runCommand() *cobra.Command {
	var path, target string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run freshet: agent, detector and alerter in one process, or one of them",
		Long: `Run freshet's roles: the agent receives telemetry and produces it to Kafka, the detector judges it by the rules,
the alerter sends notifications. By default all run in one process, against the brokers of the configuration or an
embedded broker. With --target one role runs, so that many processes share one Kafka.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			targets, err := parseTargets(target)
			if err != nil {
				return err
			}
			cfg, err := loadConfig(cmd, path)
			if err != nil {
				return err
			}
			if faults := cfg.Alert.MissingFiles(); targets.Alert && len(faults) > 0 {
				printFaults(cmd.ErrOrStderr(), faults)
				return statusError(1)
			}
			if len(cfg.Kafka.Brokers) == 0 && !targets.All() {
				return errors.New("kafka.brokers is empty: a single target shares its Kafka with other processes, " +
					"so name the brokers; only `freshet demo` and `freshet run` of all targets embed one")
			}
			set, files, err := loadRules(cmd.ErrOrStderr(), cfg.Rules.Files)
			if err != nil {
				return err
			}
			collectLate(usualHeap)
			hangups := make(chan os.Signal, 1) // before anybody can have read that it runs
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			p, err := pipeline.New(pipeline.Options{
				Config: cfg, Rules: set, Files: files, Read: func() ([]rules.File, error) { return rules.Read(cfg.Rules.Files) },
				ConfigPath: path, Reconfigure: reconfigure(path, targets), Problems: problemPrinter(cmd.ErrOrStderr(), cfg.Log), Targets: targets, Log: newLogger(cfg.Log), Version: version(),
			})
			if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			go reloadOn(ctx, hangups, p)
			return p.Run(ctx)
		},
	}
	cmd.Flags().StringVar(&path, "config", "freshet.yaml", "configuration `file`")
	cmd.Flags().StringVar(&target, "target", "all", "what runs: `role`s agent, detect, alert (with commas between), or all")
	return cmd
}

// reconfigure returns what loads a configuration file anew, nil where there is none.
func reconfigure(path string, targets pipeline.Targets) func() (*config.Config, []config.Fault, error) {
	if path == "" {
		return nil
	}
	return func() (*config.Config, []config.Fault, error) {
		cfg, faults, err := config.Load(path)
		if targets.Alert && err == nil && len(faults) == 0 {
			faults = cfg.Alert.MissingFiles()
		}
		return cfg, faults, err
	}
}

// reloadOn has files reloaded at each signal until ctx ends. What comes of it is in the log.
func reloadOn(ctx context.Context, signals <-chan os.Signal, p *pipeline.Pipeline) {
	for {
		select {
		case <-signals:
			_ = p.Reload(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func parseTargets(text string) (pipeline.Targets, error) {
	var t pipeline.Targets
	names := strings.Split(text, ",")
	for _, name := range names {
		switch strings.TrimSpace(name) {
		case "all":
			t = pipeline.Targets{Agent: true, Detect: true, Alert: true}
		case "agent":
			t.Agent = true
		case "detect":
			t.Detect = true
		case "alert":
			t.Alert = true
		default:
			return t, fmt.Errorf("unknown target %q, expected agent, detect, alert or all", name)
		}
	}
	if slices.Contains(names, "all") && len(names) > 1 {
		return t, errors.New("target all stands alone")
	}
	return t, nil
}
