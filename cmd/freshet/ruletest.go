package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/event"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/ruletest"
)

// ruleTests is `freshet rules test`.
type ruleTests struct {
	run     string
	junit   string
	verbose bool

	filter *regexp.Regexp
	out    io.Writer // what the tests say
	log    io.Writer // faults and warnings
	warned map[string]bool
}

func ruleTestCommand() *cobra.Command {
	var t ruleTests
	cmd := &cobra.Command{
		Use:   "test FILE... [--junit FILE] [--run REGEXP] [--verbose]",
		Short: "Run unit tests of rules; exits 1 if one fails, 2 if a file has faults",
		Long: `Run unit tests of rules: YAML files, named *_test.yaml, that say which records come when and which alerts
there are to be. They run through the detector itself, in the time of the records, so that a day takes milliseconds.

    rule_files: [shop.yaml]
    tests:
      - name: an error spike pages
        logs:
          - {at: 0s..10m every 500ms, service.name: shop, severity: ERROR, body: 'order {i} declined'}
        expect:
          - at: 5m
            alerts:
              - {alert: ErrorSpike, labels: {service_name: shop, severity: critical}}

FILE may be a glob, or a folder, of which the files named *_test.yaml are run. rules/README.md has all that tests may say.

Exits 0 if all pass, 1 if one fails, 2 if a file has faults or cannot be read.`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no file of tests is named, expected: freshet rules test FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			t.out, t.log = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return t.runFiles(cmd.Context(), args)
		},
	}
	cmd.Flags().StringVar(&t.junit, "junit", "", "also write the results to this file, as the XML of JUnit")
	cmd.Flags().StringVar(&t.run, "run", "", "run only the tests whose name this regular expression finds something in")
	cmd.Flags().BoolVarP(&t.verbose, "verbose", "v", false, "name all tests, with all that happened to alerts")
	return cmd
}

// runFiles runs files of tests. A file with faults does not keep the others from being run.
func (t *ruleTests) runFiles(ctx context.Context, args []string) error {
	var err error
	if t.filter, err = regexp.Compile(t.run); err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	names, err := ruletest.Find(args)
	if err != nil {
		return t.fault(err)
	}
	var report ruletest.Report
	var files []*ruletest.File
	for _, name := range names {
		f, problems, err := ruletest.Load(name, ruletest.Options{Events: &event.JSON{Signal: ingest.Events}})
		if err != nil {
			return t.fault(err)
		}
		result := ruletest.FileReport{Name: name}
		if faults := printProblems(t.log, t.newProblems(problems)); faults > 0 {
			result.Faults = slices.DeleteFunc(problems, func(p rules.Problem) bool { return p.Severity != rules.Error })
			fmt.Fprintf(t.out, "FAIL  %s  %s\n", name, plural(faults, "fault"))
			report.Files = append(report.Files, result)
			continue
		}
		files = append(files, f)
		if err := t.runFile(ctx, f, &result); err != nil {
			return err
		}
		if len(result.Tests) > 0 || t.run == "" {
			report.Files = append(report.Files, result)
		}
	}
	return t.end(&report, files)
}

// newProblems leaves out warnings that were printed: several files may test the same rules.
func (t *ruleTests) newProblems(problems []rules.Problem) (fresh []rules.Problem) {
	if t.warned == nil {
		t.warned = map[string]bool{}
	}
	for _, p := range problems {
		if text := p.String(); p.Severity == rules.Error || !t.warned[text] {
			t.warned[text] = true
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// fault says why nothing can be run.
func (t *ruleTests) fault(err error) error {
	fmt.Fprintln(t.log, "freshet:", err)
	return statusError(2)
}

func (t *ruleTests) runFile(ctx context.Context, f *ruletest.File, into *ruletest.FileReport) error {
	for _, test := range f.Tests {
		if !t.filter.MatchString(test.Name) {
			continue
		}
		began := time.Now()
		result, err := test.Run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		one := ruletest.TestReport{Test: test, Result: result, Elapsed: time.Since(began)}
		into.Tests = append(into.Tests, one)
		t.print(&one)
	}
	switch n, failed := len(into.Tests), into.Failed(); {
	case n == 0:
	case failed > 0:
		fmt.Fprintf(t.out, "FAIL  %s  %d of %s failed  %s\n", f.Name, failed, plural(n, "test"), elapsed(into.Elapsed()))
	default:
		fmt.Fprintf(t.out, "PASS  %s  %s  %s\n", f.Name, plural(n, "test"), elapsed(into.Elapsed()))
	}
	return nil
}

// print says what came of a test: of one that passed only when that was asked for.
func (t *ruleTests) print(r *ruletest.TestReport) {
	for _, w := range r.Warnings {
		fmt.Fprintf(t.log, "warning: %s: %s\n", r.Name, w)
	}
	word := "PASS"
	if len(r.Failures) > 0 {
		word = "FAIL"
	} else if !t.verbose {
		return
	}
	fmt.Fprintf(t.out, "--- %s: %s (%s)\n", word, r.Name, elapsed(r.Elapsed))
	if t.verbose {
		fmt.Fprintf(t.out, "    %s\n", plural(r.Records, "record"))
		for _, transition := range r.Transitions {
			fmt.Fprintf(t.out, "    %s\n", transition)
		}
	}
	for _, failure := range r.Failures {
		for line := range strings.SplitSeq(failure.String(), "\n") {
			fmt.Fprintln(t.out, strings.TrimRight("    "+line, " "))
		}
	}
}

func elapsed(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// end writes the report, says how many passed and which rules have no test, and decides the status.
func (t *ruleTests) end(report *ruletest.Report, files []*ruletest.File) error {
	if t.junit != "" {
		if err := writeJUnit(t.junit, report); err != nil {
			return t.fault(err)
		}
	}
	tests, failed, faulty := report.Tests(), report.Failed(), report.Faulty()
	if tests == 0 && faulty == 0 {
		return t.fault(fmt.Errorf("no test has a name that --run %s finds something in", t.run))
	}
	summary := fmt.Sprintf("%s in %s: %d passed, %d failed", plural(tests, "test"), plural(len(report.Files), "file"), tests-failed, failed)
	if faulty > 0 {
		summary += fmt.Sprintf("; %s with faults", plural(faulty, "file"))
	}
	fmt.Fprintln(t.out, summary)
	// With some of the tests left out nobody can tell.
	if t.run == "" && faulty == 0 {
		t.warnUntested(files)
	}
	switch {
	case faulty > 0:
		return statusError(2)
	case failed > 0:
		return statusError(1)
	default:
		return nil
	}
}

func (t *ruleTests) warnUntested(files []*ruletest.File) {
	untested := ruletest.Untested(files)
	if len(untested) == 0 {
		return
	}
	var names []string
	for _, r := range untested {
		names = append(names, fmt.Sprintf("%s (%s:%d)", r.Name, r.File, r.Line))
	}
	verb := "has"
	if len(names) > 1 {
		verb = "have"
	}
	fmt.Fprintf(t.log, "warning: %s %s no test: %s\n", plural(len(names), "rule"), verb, strings.Join(names, ", "))
}

func writeJUnit(name string, report *ruletest.Report) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	return errors.Join(report.WriteJUnit(f), f.Close())
}
