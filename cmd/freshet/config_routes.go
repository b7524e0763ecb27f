package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules/label"
)

func configRoutesCommand() *cobra.Command {
	return group(&cobra.Command{Use: "routes", Short: "Show the routes of alerts, and try what becomes of an alert"},
		routesShowCommand(), routesTestCommand())
}

func routesShowCommand() *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the tree of routes with receivers and timing",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := flags.load(cmd)
			if err != nil {
				return err
			}
			return printRoutes(cmd.OutOrStdout(), cfg.Alert.RouteTree(cfg.Alert.Defaults()))
		},
	}
	flags.define(cmd)
	return cmd
}

// routesTest are the flags of `freshet config routes test`.
type routesTest struct {
	configFlags
	at, format, verify string
	alerts, silences   []string
	// alertsFile and silencesFrom are where more of them are.
	alertsFile, silencesFrom string
}

func routesTestCommand() *cobra.Command {
	t := routesTest{format: "text"}
	cmd := &cobra.Command{
		Use:   "test [LABEL=VALUE...]",
		Short: "Say which receivers are told of alerts with these labels, and what would mute them",
		Long: `Says which receivers are told of an alert with the labels LABEL=VALUE, in which group, and what would mute it:
silences, other alerts, time intervals. Several alerts that fire together are given by --alert or in a file.`,
		Example: `  freshet config routes test severity=critical team=db
  freshet config routes test --at 2026-11-28T03:00:00Z --alert 'alertname=Down host=a' --alert 'alertname=Slow host=a'
  freshet config routes test --config.file alertmanager.yml --verify.receivers=pager service=database`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.run(cmd, args)
		},
	}
	t.define(cmd)
	f := cmd.Flags()
	f.StringVar(&t.at, "at", "", "the `time` of the alerts, for time intervals and silences, as in 2026-11-28T03:00:00Z; by default now")
	f.StringArrayVar(&t.alerts, "alert", nil, "the `labels` of one of several alerts that fire together, as in 'alertname=Down host=a'")
	f.StringVar(&t.alertsFile, "alerts", "", "a YAML or JSON `file` with a list of alerts: their labels, or objects with labels as Alertmanager's API has them")
	f.StringArrayVar(&t.silences, "silence", nil, "`matchers` of a silence that is in force, as in 'team=db'")
	f.StringVar(&t.silencesFrom, "silences", "", "silences as Alertmanager's API has them: a `file or URL`")
	f.StringVar(&t.verify, "verify.receivers", "", "exit 1 unless exactly these `receivers`, separated by commas, are who the routes lead to, in this order")
	f.StringVar(&t.format, "format", t.format, "how to print: text or json")
	return cmd
}

func (t *routesTest) run(cmd *cobra.Command, args []string) error {
	if t.format != "text" && t.format != "json" {
		return fmt.Errorf("--format: %q is no format, expected text or json", t.format)
	}
	alerts, err := t.readAlerts(args)
	if err != nil {
		return err
	}
	at := time.Now()
	if t.at != "" {
		if at, err = time.Parse(time.RFC3339, t.at); err != nil {
			return fmt.Errorf("--at: expected a time such as 2026-11-28T03:00:00Z, found %q", t.at)
		}
	}
	silences, err := t.readSilences(cmd.Context(), at)
	if err != nil {
		return err
	}
	cfg, _, err := t.load(cmd)
	if err != nil {
		return err
	}
	setting := alert.Setting{Route: cfg.Alert.RouteTree(cfg.Alert.Defaults()), Inhibitions: cfg.Alert.Inhibitions(),
		Intervals: cfg.Alert.Intervals(), Silences: silences}
	routings := alert.Explain(setting, alerts, at)
	if t.format == "json" {
		err = writeRoutings(cmd.OutOrStdout(), routings, at)
	} else {
		err = printRoutings(cmd.OutOrStdout(), routings, silences)
	}
	if err != nil || t.verify == "" {
		return err
	}
	expected := strings.FieldsFunc(t.verify, func(r rune) bool { return r == ',' || r == ' ' })
	for _, r := range routings {
		if got := r.Receivers(); !slices.Equal(got, expected) {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: expected %s, the routes lead to %s\n", r.Labels, strings.Join(expected, ","), strings.Join(got, ","))
			err = statusError(1)
		}
	}
	return err
}

// readAlerts returns the labels of the alerts that arguments and flags name.
func (t *routesTest) readAlerts(args []string) ([]label.Set, error) {
	var out []label.Set
	if len(args) > 0 {
		labels, err := parseLabels(args)
		if err != nil {
			return nil, err
		}
		out = append(out, labels)
	}
	for _, text := range t.alerts {
		labels, err := parseLabels(splitLabels(text))
		if err != nil {
			return nil, fmt.Errorf("--alert: %w", err)
		}
		out = append(out, labels)
	}
	if t.alertsFile != "" {
		fromFile, err := readAlertsFile(t.alertsFile)
		if err != nil {
			return nil, err
		}
		out = append(out, fromFile...)
	}
	if len(out) == 0 {
		return nil, errors.New("no alert is given, expected labels as in: freshet config routes test severity=critical team=db")
	}
	return out, nil
}
