package ruletest

import (
	"strings"
	"testing"
)

// Whatever part of an expectation is wrong, the test fails, and says so at the right place.
func TestWrongExpectationsFail(t *testing.T) {
	for _, test := range []struct {
		old, wrong string
		line       int
		says       string
	}{
		{"at: 1m45s\n", "at: 1m44s\n", 9, "- ErrorSpike {service_name: shop, severity: critical} firing"},
		{"at: 5m\n", "at: 2m10s\n", 16, "+ ErrorSpike {service_name: shop, severity: critical} firing since 1m45s, value 5"},
		{"labels: {service_name: shop, severity: critical}\n", "labels: {service_name: pay, severity: critical}\n", 9, "- ErrorSpike {service_name: pay, severity: critical} firing"},
		{"labels: {service_name: shop, severity: critical}\n", "labels: {service_name: shop}\n", 9, "- ErrorSpike {service_name: shop} firing"},
		{"state: firing\n", "state: pending\n", 9, "- ErrorSpike {service_name: shop, severity: critical} pending"},
		{"value: 5\n", "value: 6\n", 9, "firing, value 6"},
		{"value: 5\n", "value: 5.1\n            tolerance: 1%\n", 9, "value 5.1 (off by 1% at most)"},
		{"'shop: 5 errors in a minute'", "'shop: 6 errors in a minute'", 9, "+     summary: shop: 5 errors in a minute"},
		{"alerts: []", "alerts: [{alert: ErrorSpike, labels: {service_name: pay, severity: critical}}]", 16, "- ErrorSpike {service_name: pay, severity: critical} firing"},
		{"          - alert: ErrorSpike\n", "          - {alert: ErrorSpike, labels: {service_name: pay, severity: critical}}\n          - alert: ErrorSpike\n", 9, "- ErrorSpike {service_name: pay, severity: critical} firing"},
		{"firing, at: 1m45s", "firing, at: 1m50s", 18, "+ 1m45s   ErrorSpike {service_name: shop, severity: critical} firing"},
		{"state: resolved", "state: firing", 18, "- 2m15s   ErrorSpike {service_name: shop, severity: critical} firing"},
		{"value: 4, reason: ''", "value: 3, reason: ''", 18, "- 2m15s   ErrorSpike {service_name: shop, severity: critical} resolved, value 3"},
		{"reason: ''", "reason: no data", 18, "resolved, value 4, no data"},
		{spike[strings.Index(spike, "      - {alert: ErrorSpike, state: resolved"):], "", 18, "+ 2m15s   ErrorSpike {service_name: shop, severity: critical} resolved, value 4"},
	} {
		changed := strings.Replace(spike, test.old, test.wrong, 1)
		if changed == spike {
			t.Fatalf("%q is not in the test", test.old)
		}
		r := run(t, oneRule, changed)
		if len(r.Failures) != 1 {
			t.Errorf("with %q there are %d failures:\n%s", test.wrong, len(r.Failures), failures(r))
			continue
		}
		if f := r.Failures[0]; f.Place.Line != test.line || f.Place.File != "a_test.yaml" || !strings.Contains(f.String(), test.says) {
			t.Errorf("with %q it fails at line %d, want %d and %q:\n%s", test.wrong, f.Place.Line, test.line, test.says, f)
		}
	}
}

// A tolerance lets a value be off by as much, and no more.
func TestTolerance(t *testing.T) {
	for value, good := range map[string]bool{
		"5": true, "5.0000000000001": true, "5.01": false, "5.05, tolerance: 1%": true, "5.06, tolerance: 1%": false,
		"4.5, tolerance: 0.5": true, "4.4, tolerance: 0.5": false, "5, tolerance: 0": true,
	} {
		r := run(t, oneRule, strings.Replace(spike, "critical}, value: 5}", "critical}, value: "+value+"}", 1))
		if (len(r.Failures) == 0) != good {
			t.Errorf("value: %s passes: %t\n%s", value, !good, failures(r))
		}
	}
}

// A failure says what the rule made of the records where there is no measure to show.
func TestFailuresExplain(t *testing.T) {
	ruleFile := `
groups:
  - name: g
    rules:
      - {alert: Filtered, from: logs, where: body == "x", by: [service.name], when: count() > 0}
      - {alert: Grouped, from: logs, by: [host.name], when: count() > 0}
      - {alert: Other, from: logs, by: [service.name], when: count() > 100}
      - {alert: Silent, from: logs, by: [service.name], when: absent()}
      - {alert: Spans, from: spans, when: count() > 0}
`
	for alert, says := range map[string]string{
		"{alert: Filtered, labels: {service_name: a}}": `of 10 logs none passes its where: body == "x"`,
		"{alert: Grouped, labels: {host_name: a}}":     "of 10 logs it counted 0; 10 lack what it groups by",
		"{alert: Other, labels: {service_name: b}}":    "there is no such group; there are {service_name: a}",
		"{alert: Silent, labels: {service_name: a}}":   "its condition has no number to show",
		"{alert: Spans}": "the test has no spans",
	} {
		r := run(t, ruleFile, "rule_files: [r]\ntests: [{name: n, logs: [{at: 1m..2m, count: 10, service.name: a}], expect: [{at: 2m, alerts: ["+alert+"]}]}]")
		if text := failures(r); !strings.Contains(text, says) {
			t.Errorf("%s: the failure does not say %q:\n%s", alert, says, text)
		}
	}
}

// The failure of a whole file, as a person sees it.
func TestFailuresAsText(t *testing.T) {
	t.Chdir("testdata")
	f, problems, err := Load("failures_test.yaml", options())
	if err != nil || f == nil {
		t.Fatal(err, printed(problems))
	}
	var b strings.Builder
	for _, test := range f.Tests {
		r, err := test.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("# " + test.Name + "\n" + failures(r))
	}
	golden(t, "failures.txt", b.String())
}
