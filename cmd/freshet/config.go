package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/rules"
)

func configCommand() *cobra.Command {
	var path string
	check := &cobra.Command{
		Use:   "check",
		Short: "Print everything that is wrong with the configuration and the files it names; exits 1 if anything is",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd, path)
			if err != nil {
				return err
			}
			set, _, err := loadRules(cmd.ErrOrStderr(), cfg.Rules.Files)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no fault; %s, %s\n", path,
				plural(len(set.Rules), "rule"), plural(len(cfg.Alert.Receivers), "receiver"))
			return nil
		},
	}
	check.Flags().StringVar(&path, "config", "freshet.yaml", "configuration `file`")
	return group(&cobra.Command{Use: "config", Short: "Work with the configuration file"}, check)
}

// printFaults prints the faults of a configuration file as those of a rule file are printed.
func printFaults(out io.Writer, faults []config.Fault) {
	problems := make([]rules.Problem, len(faults))
	for i, f := range faults {
		problems[i] = rules.Problem{
			File: f.File, Line: f.Line, Column: f.Column, Length: 1, Severity: rules.Error,
			Message: f.Message, Hint: f.Hint, Source: f.Source,
		}
		if f.Path != "" {
			problems[i].Message = f.Path + ": " + f.Message
		}
	}
	printProblems(out, problems)
	fmt.Fprintln(out, plural(len(faults), "fault"))
}
