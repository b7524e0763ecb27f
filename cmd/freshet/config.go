package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

func configCommand() *cobra.Command {
	return group(&cobra.Command{Use: "config", Short: "Work with the configuration file"}, configCheckCommand(), configRoutesCommand())
}

// configFlags name the configuration: freshet.yaml, or a file of Alertmanager's alone, by the flag that amtool has.
type configFlags struct{ path, alertmanager string }

func (f *configFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "config", "freshet.yaml", "configuration `file`")
	cmd.Flags().StringVar(&f.alertmanager, "config.file", "", "an alertmanager.yml, in the place of --config: a `file`")
	cmd.MarkFlagsMutuallyExclusive("config", "config.file")
}

func (f *configFlags) load(cmd *cobra.Command) (cfg *config.Config, path string, err error) {
	if f.alertmanager != "" {
		cfg, err = loadBy(cmd, config.LoadAlertmanager, f.alertmanager)
		return cfg, f.alertmanager, err
	}
	cfg, err = loadConfig(cmd, f.path)
	return cfg, f.path, err
}

func configCheckCommand() *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Print everything that is wrong with the configuration and the files it names; exits 1 if anything is",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, path, err := flags.load(cmd)
			if err != nil {
				return err
			}
			var set *rules.Set
			if flags.alertmanager == "" {
				if set, _, err = loadRules(cmd.ErrOrStderr(), cfg.Rules.Files); err != nil {
					return err
				}
			}
			warnings := printRemarks(cmd.ErrOrStderr(), cfg, set)
			text := path + ": no fault"
			if warnings > 0 {
				text += ", " + plural(warnings, "warning")
			}
			counts := plural(len(cfg.Alert.Receivers), "receiver")
			if set != nil {
				counts = plural(len(set.Rules), "rule") + ", " + counts
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s; %s\n%s", text, counts, defaultsText(cfg))
			return nil
		},
	}
	flags.define(cmd)
	return cmd
}

// printRemarks prints what a valid configuration says without effect or cannot mean, and returns how many warnings that is.
func printRemarks(out io.Writer, cfg *config.Config, set *rules.Set) int {
	notes := cfg.Alert.Places(cfg.Alert.Notes())
	warnings := append(cfg.Alert.MissingFiles(), cfg.Alert.Places(cfg.Alert.Lint(yields(set)))...)
	printProblems(out, append(pipeline.Problems(warnings, rules.Warning), pipeline.Problems(notes, rules.Note)...))
	return len(warnings)
}

// yields says what the alerts of rules and of freshet itself are like.
func yields(set *rules.Set) []alert.Yield {
	if set == nil || len(set.Rules) == 0 {
		return nil
	}
	var out []alert.Yield
	for _, r := range set.Rules {
		if r.Records {
			continue
		}
		y := alert.Yield{Labels: map[string][]string{label.AlertName: {r.Name}}}
		for _, k := range r.By {
			y.Labels[k.Label] = nil
		}
		for _, l := range r.Labels {
			y.Labels[l.Name] = nil
			if !strings.Contains(l.Text, "{{") {
				y.Labels[l.Name] = []string{l.Text}
			}
		}
		if r.Graded() {
			y.Labels[label.Severity] = nil
			for _, c := range r.When.Conditions {
				y.Labels[label.Severity] = append(y.Labels[label.Severity], c.Severity)
			}
		}
		out = append(out, y)
	}
	own := []string{health.Behind, health.SourceStopped, health.Undecodable, health.LateRecords, health.ClockAhead, health.RuleMatchesNothing, detect.TooManyGroups}
	return append(out, alert.Yield{Labels: map[string][]string{
		label.AlertName: own, label.Severity: {"warning", "info"}, "topic": nil, "service_name": nil, "rule": nil, "rule_group": nil,
	}})
}

// defaultsText says which values the keys have that the alerter's part leaves out.
func defaultsText(cfg *config.Config) string {
	if cfg.Alert.ConfigFile == "" && cfg.Alert.Route == nil && len(cfg.Alert.Receivers) == 0 {
		return ""
	}
	d, whose := cfg.Alert.Defaults(), "freshet's"
	if cfg.Alert.ConfigFile != "" {
		whose = "Alertmanager's, as in " + cfg.Alert.ConfigFile
	}
	groupBy := "[" + strings.Join(d.GroupBy, ", ") + "]"
	resolved := "told"
	if !d.SlackSendResolved {
		resolved = "not told"
	}
	rhythm := "edits and ends do not wait for group_interval"
	if !d.Prompt {
		rhythm = "edits and ends wait for group_interval"
	}
	return fmt.Sprintf("defaults are %s: group_by %s, group_wait %s, group_interval %s, repeat_interval %s; Slack is %s of ends; %s\n", whose,
		groupBy, model.Duration(d.GroupWait), model.Duration(d.GroupInterval), model.Duration(d.RepeatInterval), resolved, rhythm)
}

// printFaults prints the faults of a configuration file as those of a rule file are printed.
func printFaults(out io.Writer, faults []config.Fault) {
	printProblems(out, pipeline.Problems(faults, rules.Error))
	fmt.Fprintln(out, plural(len(faults), "fault"))
}
