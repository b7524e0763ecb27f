package ruletest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules"
)

// Report is what came of files of tests.
type Report struct{ Files []FileReport }

// FileReport is what came of one file.
type FileReport struct {
	Name  string
	Tests []TestReport
	// Faults are why the file could not be run.
	Faults []rules.Problem
}

// TestReport is what came of one test.
type TestReport struct {
	*Test
	*Result
	Elapsed time.Duration
}

// Failed returns how many tests of the file failed.
func (f *FileReport) Failed() (n int) {
	for _, t := range f.Tests {
		if len(t.Failures) > 0 {
			n++
		}
	}
	return n
}

// Elapsed returns how long the file's tests took.
func (f *FileReport) Elapsed() (d time.Duration) {
	for _, t := range f.Tests {
		d += t.Elapsed
	}
	return d
}

// Failed returns how many tests failed.
func (r *Report) Failed() (n int) {
	for i := range r.Files {
		n += r.Files[i].Failed()
	}
	return n
}

// Tests returns how many tests were run.
func (r *Report) Tests() (n int) {
	for i := range r.Files {
		n += len(r.Files[i].Tests)
	}
	return n
}

// Faulty returns how many files could not be run.
func (r *Report) Faulty() (n int) {
	for _, f := range r.Files {
		if len(f.Faults) > 0 {
			n++
		}
	}
	return n
}

// The elements of JUnit's XML that Jenkins and GitLab read. An error is a file that could not be run.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		File     string      `xml:"file,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string         `xml:"name,attr"`
		Class   string         `xml:"classname,attr"`
		File    string         `xml:"file,attr"`
		Line    int            `xml:"line,attr,omitempty"`
		Time    string         `xml:"time,attr"`
		Failure []junitProblem `xml:"failure"`
		Error   []junitProblem `xml:"error"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit's XML.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "freshet rules test"}
	total := time.Duration(0)
	for i := range r.Files {
		f := &r.Files[i]
		suite := f.junit()
		total += f.Elapsed()
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Suites = append(all.Suites, suite)
	}
	all.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	return nil
}

func (f *FileReport) junit() junitSuite {
	s := junitSuite{Name: f.Name, File: f.Name, Tests: len(f.Tests), Failures: f.Failed(), Time: seconds(f.Elapsed())}
	for _, t := range f.Tests {
		c := junitCase{Name: t.Name, Class: f.Name, File: f.Name, Line: t.Place.Line, Time: seconds(t.Elapsed)}
		if len(t.Failures) > 0 {
			// GitLab shows one failure of a case.
			var texts []string
			for _, failure := range t.Failures {
				texts = append(texts, failure.String())
			}
			first := t.Failures[0]
			message := fmt.Sprintf("%s:%d: %s", first.Place.File, first.Place.Line, strings.TrimSuffix(first.Message, ":"))
			c.Failure = []junitProblem{{Message: message, Type: "expectation", Text: strings.Join(texts, "\n\n")}}
		}
		s.Cases = append(s.Cases, c)
	}
	if len(f.Faults) > 0 {
		var texts []string
		for _, p := range f.Faults {
			texts = append(texts, p.Render(false))
		}
		s.Tests, s.Errors = s.Tests+1, 1
		s.Cases = append(s.Cases, junitCase{
			Name: f.Name, Class: f.Name, File: f.Name, Time: seconds(0),
			Error: []junitProblem{{Message: f.Faults[0].String(), Type: "fault", Text: strings.Join(texts, "\n")}},
		})
	}
	return s
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
