package ruletest

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules"
)

// What Jenkins and GitLab read is there: the counts, a case for each test, and why it failed.
func TestJUnit(t *testing.T) {
	good := run(t, oneRule, spike)
	bad := run(t, oneRule, strings.Replace(spike, "value: 5\n", "value: 6\n", 1))
	named := func(name string, r *Result, elapsed time.Duration) TestReport {
		return TestReport{&Test{Name: name, Place: rules.Problem{Line: 3}}, r, elapsed}
	}
	report := Report{Files: []FileReport{
		{Name: "a_test.yaml", Tests: []TestReport{named("passes", good, 12*time.Millisecond), named("fails <&> \x00", bad, 1500*time.Millisecond)}},
		{Name: "b_test.yaml", Faults: []rules.Problem{{File: "b_test.yaml", Line: 2, Column: 1, Severity: rules.Error, Message: "no key `tess`", Source: "tess:"}}},
	}}
	if report.Tests() != 2 || report.Failed() != 1 || report.Faulty() != 1 {
		t.Errorf("%d tests, %d failed, %d files faulty", report.Tests(), report.Failed(), report.Faulty())
	}
	var b bytes.Buffer
	if err := report.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var read struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     float64  `xml:"time,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Tests int    `xml:"tests,attr"`
			Cases []struct {
				Name    string   `xml:"name,attr"`
				Class   string   `xml:"classname,attr"`
				Time    float64  `xml:"time,attr"`
				Failure []string `xml:"failure"`
				Error   []string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &read); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if read.Tests != 3 || read.Failures != 1 || read.Errors != 1 || read.Time != 1.512 || len(read.Suites) != 2 {
		t.Errorf("read as %+v", read)
	}
	cases := read.Suites[0].Cases
	if len(cases) != 2 || cases[0].Name != "passes" || cases[0].Class != "a_test.yaml" || cases[0].Time != 0.012 || cases[0].Failure != nil {
		t.Errorf("the cases are %+v", cases)
	}
	if f := cases[1].Failure; len(f) != 1 || !strings.Contains(f[0], "\n  - ErrorSpike") || !strings.HasPrefix(cases[1].Name, "fails <&> ") {
		t.Errorf("the failure is %+v", cases[1])
	}
	if e := read.Suites[1].Cases[0].Error; len(e) != 1 || !strings.Contains(e[0], "b_test.yaml:2:1: error: no key `tess`") {
		t.Errorf("the error is %q", e)
	}
}
