package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/rules"
)

func rulesCommand() *cobra.Command {
	return group(&cobra.Command{Use: "rules", Short: "Work with rule files"}, ruleCheckCommand(), ruleTestCommand())
}

func ruleCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Print everything that is wrong with rule files; exits 1 if anything is",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no rule file is named, expected: freshet rules check FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			set, problems, err := rules.Load(args)
			if err != nil {
				return err
			}
			faults := printProblems(cmd.ErrOrStderr(), problems)
			if faults > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", plural(faults, "fault"))
				return statusError(1)
			}
			files := map[string]bool{} // a folder or a glob stands for several
			for _, r := range set.Rules {
				files[r.File] = true
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s in %s, no fault\n", plural(len(set.Rules), "rule"), plural(len(files), "file"))
			return nil
		},
	}
}

// loadRules loads rule files and prints what is wrong with them; it fails if any has a fault.
func loadRules(out io.Writer, files []string) (*rules.Set, error) {
	if len(files) == 0 {
		return &rules.Set{}, nil
	}
	set, problems, err := rules.Load(files)
	if err != nil {
		return nil, err
	}
	if faults := printProblems(out, problems); faults > 0 {
		fmt.Fprintf(out, "%s in the rule files\n", plural(faults, "fault"))
		return nil, statusError(1)
	}
	return set, nil
}

// printProblems prints problems and returns how many of them are errors.
func printProblems(out io.Writer, problems []rules.Problem) (faults int) {
	color := isTerminal(out)
	for _, p := range problems {
		if p.Severity == rules.Error {
			faults++
		}
		fmt.Fprintln(out, p.Render(color))
	}
	return faults
}

// isTerminal says whether out shows colours: it is a character device and NO_COLOR is unset.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
