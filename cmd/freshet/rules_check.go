package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/rules"
)

func ruleCheckCommand() *cobra.Command {
	format, failOn := "text", rules.Error.String()
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Print everything that is wrong with rule files; exits 1 if anything is",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no rule file is named, expected: freshet rules check FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			fatal, err := rules.ParseSeverity(failOn)
			if err != nil {
				return fmt.Errorf("--fail-on: %w", err)
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("--format: %q is no format, expected text or json", format)
			}
			files, err := rules.Read(args)
			if err != nil {
				return err
			}
			set, problems := rules.CheckFiles(files)
			c := check{Files: len(files), Problems: problems}
			if set != nil {
				c.Rules = len(set.Rules)
			}
			if format == "json" {
				err = c.writeJSON(cmd.OutOrStdout())
			} else {
				c.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), set != nil)
			}
			if err == nil && c.count(fatal) > 0 {
				err = statusError(1)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "how to print problems: text, or json for editors and continuous integration")
	cmd.Flags().StringVar(&failOn, "fail-on", failOn, "the least severity that makes it exit 1: error, warning or note")
	return cmd
}

// check is what was found in rule files, in the form of --format json.
type check struct {
	Files    int             `json:"files"`
	Rules    int             `json:"rules"`
	Problems []rules.Problem `json:"problems"`
}

// count returns how many problems have the severity or a worse one.
func (c check) count(s rules.Severity) (n int) {
	for _, p := range c.Problems {
		if p.Severity <= s {
			n++
		}
	}
	return n
}

func (c check) writeJSON(out io.Writer) error {
	if c.Problems == nil {
		c.Problems = []rules.Problem{} // a list in any case
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// print prints the problems as a compiler does. Notes do not count, and wait until there is nothing worse to mend.
func (c check) print(out, errOut io.Writer, good bool) {
	problems := c.Problems
	if !good {
		problems = slices.DeleteFunc(slices.Clone(problems), func(p rules.Problem) bool { return p.Severity == rules.Note })
	}
	faults := printProblems(errOut, problems)
	warnings := ""
	if n := c.count(rules.Warning) - faults; n > 0 {
		warnings = ", " + plural(n, "warning")
	}
	if good {
		fmt.Fprintf(out, "%s in %s, no fault%s\n", plural(c.Rules, "rule"), plural(c.Files, "file"), warnings)
	} else {
		fmt.Fprintf(errOut, "%s%s\n", plural(faults, "fault"), warnings)
	}
}

func ruleSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of rule files, by which editors complete and explain them",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(rules.Schema())
			return err
		},
	}
}
