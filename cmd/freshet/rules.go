package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/rules"
)

func rulesCommand() *cobra.Command {
	return group(&cobra.Command{Use: "rules", Short: "Work with rule files"}, ruleCheckCommand(), ruleSchemaCommand())
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
