package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/rules"
)

func rulesCommand() *cobra.Command {
	return group(&cobra.Command{Use: "rules", Short: "Work with rule files"}, ruleCheckCommand(), ruleTestCommand(), ruleSchemaCommand())
}

// loadRules loads rule files and prints what is wrong with them; it fails if any has a fault.
func loadRules(out io.Writer, paths []string) (*rules.Set, []rules.File, error) {
	files, err := rules.Read(paths)
	if err != nil {
		return nil, nil, err
	}
	return checkRules(out, files)
}

// checkRules makes a set of files that were read; as loadRules.
func checkRules(out io.Writer, files []rules.File) (*rules.Set, []rules.File, error) {
	set, problems := rules.ParseFiles(files)
	if faults := printProblems(out, problems); faults > 0 {
		fmt.Fprintf(out, "%s in the rule files\n", plural(faults, "fault"))
		return nil, nil, statusError(1)
	}
	return set, files, nil
}

// problemPrinter prints problems of rule files that were found while freshet runs as those at its start, if the log is
// for people too; nil leaves them to the log.
func problemPrinter(out io.Writer, c config.Log) func([]rules.Problem) {
	if c.Format != "text" {
		return nil
	}
	return func(problems []rules.Problem) { printProblems(out, problems) }
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
