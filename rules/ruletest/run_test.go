package ruletest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect"
)

// spike is a test that passes, with all that one can expect.
const spike = `rule_files: [rules.yaml]
tests:
  - name: a spike pages
    logs:
      - {at: 1m..2m every 10s, service.name: shop, severity: ERROR, body: 'order {i} declined'}
      - {at: 0s..5m every 1s, service.name: shop, severity: INFO}
      - {at: 0s..5m every 1s, service.name: pay, severity: WARN}
    expect:
      - at: 1m45s
        alerts:
          - alert: ErrorSpike
            labels: {service_name: shop, severity: critical}
            state: firing
            value: 5
            annotations: {summary: 'shop: 5 errors in a minute'}
      - at: 5m
        alerts: []
    transitions:
      - {alert: ErrorSpike, state: firing, at: 1m45s, labels: {service_name: shop, severity: critical}, value: 5}
      - {alert: ErrorSpike, state: resolved, at: 2m15s, labels: {service_name: shop, severity: critical}, value: 4, reason: ''}
`

func TestGoodExpectationsPass(t *testing.T) {
	r := run(t, oneRule, spike)
	if len(r.Failures) > 0 {
		t.Errorf("failures:\n%s", failures(r))
	}
	if want := 6 + 300 + 300; r.Records != want {
		t.Errorf("%d records, want %d", r.Records, want)
	}
}

// What a rule does not depend on changes nothing: how records are spread over partitions, and how often the detector is
// asked.
func TestPartitionsAndStepsDoNotMatter(t *testing.T) {
	names, err := Find([]string{"../library"})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, name := range names {
		f, _, err := Load(name, options())
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range f.Tests {
			if test.end > 6*time.Hour || raced && test.end > 10*time.Minute {
				continue // a day in single steps takes a while
			}
			want := storyOf(t, test, manySteps, nil)
			compared += len(want)
			if got := storyOf(t, test, 1, nil); !slices.Equal(got, want) {
				t.Errorf("%s: with one step at once it is\n%s\ninstead of\n%s", test.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if got := storyOf(t, test, 1, func(detect.Measure) {}); !slices.Equal(got, want) {
				t.Errorf("%s: with measures it is\n%s\ninstead of\n%s", test.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, n := range []int32{1, 5} {
				test.partitions = n
				if got := storyOf(t, test, manySteps, nil); !slices.Equal(got, want) {
					t.Errorf("%s: with %d partitions it is\n%s\ninstead of\n%s", test.Name, n, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
	if compared < 40 && !raced || compared == 0 {
		t.Errorf("only %d transitions were compared", compared)
	}
}

func storyOf(t *testing.T, test *Test, steps int, measure func(detect.Measure)) (lines []string) {
	t.Helper()
	story, _, err := test.replayIn(t.Context(), steps, test.end, measure)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range story.findings {
		lines = append(lines, Transition{f.WindowEnd.Sub(test.start), f}.String())
	}
	return lines
}

// A record counts that comes no later than lateness after its time, on whatever partition.
func TestLateRecords(t *testing.T) {
	r := run(t, oneRule, `
rule_files: [rules.yaml]
tests:
  - name: late
    logs:
      - {at: 59s, count: 5, delay: 5s, service.name: in time, severity: ERROR}
      - {at: 59s, count: 5, delay: 6s, service.name: late, severity: ERROR}
      - {at: 59s, count: 4, service.name: one late, severity: ERROR}
      - {at: 59s, delay: 10m, service.name: one late, severity: ERROR}
    transitions:
      - {alert: ErrorSpike, state: firing, at: 1m, labels: {service_name: in time, severity: critical}}
      - {alert: ErrorSpike, state: resolved, at: 2m, labels: {service_name: in time, severity: critical}}
      - {alert: ErrorSpike, state: firing, at: 1m, labels: {service_name: late, severity: critical}}
`)
	if len(r.Failures) != 1 {
		t.Fatalf("failures:\n%s", failures(r))
	}
	text := failures(r)
	if strings.Count(text, "\n  - ") != 1 || strings.Contains(text, "\n  + ") || !strings.Contains(text, "of 15 logs it counted 9; 6 came too late") {
		t.Errorf("the failure is\n%s", text)
	}
}

// Rules by arrival count a record when it arrives, however old it is by then, and are judged until the step is over in which
// the last one does.
func TestRecordsCountWhenTheyArrive(t *testing.T) {
	const clocks = `
groups:
  - name: clocks
    from: logs
    interval: 1m
    by: [service.name]
    rules:
      - {alert: Sent, when: count() >= 5}
      - {alert: Came, time: arrival, when: count() >= 5}
      - {alert: Newest, time: arrival, by: app.name, when: last(severity) > 10}
      - {alert: Paused, time: arrival, when: absent()}
`
	for name, test := range map[string]string{
		"an hour late": `
    rules: [Sent, Came, Paused]
    logs:
      - {at: 50s, service.name: old, severity: INFO}
      - {at: 50s..55s every 1s, delay: 1h, service.name: old, severity: INFO}
    expect:
      - {at: 1h1m, alerts: [{alert: Came, labels: {service_name: old}, value: 5}]}
    transitions:
      - {alert: Paused, state: firing, at: 2m, labels: {service_name: old}}
      - {alert: Paused, state: resolved, at: 1h1m, labels: {service_name: old}}
      - {alert: Came, state: firing, at: 1h1m, labels: {service_name: old}}`,
		"overtaken": `
    rules: [Newest]
    logs:
      - {at: 10s, severity: INFO, attributes: {app.name: a}}
      - {at: 5s, delay: 10s, severity: ERROR, attributes: {app.name: a}}
    transitions: [{alert: Newest, state: firing, at: 1m, labels: {app_name: a}}]`,
		"the last step is judged": `
    rules: [Came, Sent]
    logs: [{at: 40s, delay: 30s, count: 5, service.name: late, severity: INFO}]
    transitions: [{alert: Came, state: firing, at: 2m, labels: {service_name: late}}]`,
	} {
		if r := run(t, clocks, "rule_files: [rules.yaml]\ntests:\n  - name: "+name+test); len(r.Failures) > 0 {
			t.Errorf("%s:\n%s", name, failures(r))
		}
	}
}

const signalRules = `
groups:
  - name: signals
    rules:
      - {alert: Scoped, from: logs, where: 'scope.name == "lib" && scope.version == "2"', by: [app.region], when: count() > 0}
      - {alert: Traced, from: logs, by: [trace_id, name], max_groups: 10, when: 'count(body.contains("\"n\":1")) > 0'}
      - {alert: Slow, from: spans, where: kind == SERVER && parent_span_id == "p", by: [name], when: 'max(duration, status == ERROR) > 0.4'}
      - {alert: Thrown, from: span_events, by: [exception.type, span_id], max_groups: 10, when: count(name == "exception") > 0}
      - {alert: NumberHigh, from: events, topic: numbers, by: [region.name], when: max(number) > 5}
      - {alert: Level, from: events, topic: numbers, when: count(severity >= ERROR) > 0}
      - {alert: Gauge, from: metrics, by: [host.name], when: last(metric("g")) > 5}
      - {alert: Grown, from: metrics, by: [app.kind], when: increase(metric("c")) >= 50}
      - {alert: Quantile, from: metrics, by: [app.kind], when: p99(metric("h")) > 0}
      - {alert: Unit, from: metrics, where: metric.unit == "By", when: sum(value) > 0}
      - {alert: Counted, from: metrics, by: [app.kind], when: increase(metric("s").count) >= 10}
`

// Every field of every signal arrives where rules look for it.
func TestSignals(t *testing.T) {
	r := run(t, signalRules, `
rule_files: [rules.yaml]
start: 2026-03-01
tests:
  - name: signals
    logs:
      - {at: 10s, scope: {name: lib, version: '2', attributes: {app.region: eu}}}
      - {at: 10s, trace_id: t1, name: job, body: {n: 1, list: [a, 2, true]}}
    spans:
      - at: 10s
        name: GET /
        kind: SERVER
        status: ERROR
        duration: 500ms
        parent_span_id: p
        span_id: s1
        events:
          - {name: exception, attributes: {exception.type: E}}
          - {name: exception, after: 100ms, attributes: {exception.type: F}}
          - {name: retry, attributes: {exception.type: G}}
    events:
      - {topic: numbers, at: 10s, json: {number: 6, region: {name: eu}, level: error}}
      - {topic: numbers, at: 10s, json: '{"number": "{i}7", "region": {"name": "us"}}'}
    metrics:
      - {name: g, resource: {host.name: a}, values: '6'}
      - {name: g, resource: {host.name: b}, values: '_ 6 stale', every: 10s}
      - {name: g, resource: {host.name: c}, unit: By, value: 1, at: 10s}
      - {name: c, type: sum, attributes: {app.kind: cumulative}, every: 1s, values: '100 120 150'}
      - {name: c, type: sum, attributes: {app.kind: started}, started: 1s, at: 2s, values: '50'}
      - {name: c, type: sum, temporality: delta, attributes: {app.kind: delta}, every: 1s, values: '20 20 20'}
      - {name: c, type: sum, attributes: {app.kind: unknown start}, values: '50'}
      - {name: h, temporality: delta, attributes: {app.kind: explicit}, at: 1s, histogram: {bounds: [1, 2], buckets: [1, 2, 3]}}
      - {name: h, temporality: delta, attributes: {app.kind: exponential}, at: 1s, exponential_histogram: {scale: 1, positive: {offset: 2, buckets: [1, 2]}}}
      - {name: s, attributes: {app.kind: summary}, every: 1s, at: 1s..3s, summary: {count: 10..20, sum: 1}}
    expect:
      - at: 15s
        alerts:
          - {alert: Scoped, labels: {app_region: eu}}
          - {alert: Traced, labels: {trace_id: t1, name: job}}
          - {alert: Slow, labels: {name: GET /}, value: 0.5}
          - {alert: Thrown, labels: {exception_type: E, span_id: s1}}
          - {alert: Thrown, labels: {exception_type: F, span_id: s1}}
          - {alert: NumberHigh, labels: {region_name: eu}, value: 6}
          - {alert: NumberHigh, labels: {region_name: us}, value: 7}
          - {alert: Level}
          - {alert: Gauge, labels: {host_name: a}}
          - {alert: Gauge, labels: {host_name: b}}
          - {alert: Grown, labels: {app_kind: cumulative}, value: 50}
          - {alert: Grown, labels: {app_kind: started}, value: 50}
          - {alert: Grown, labels: {app_kind: delta}, value: 60}
          - {alert: Quantile, labels: {app_kind: explicit}}
          - {alert: Quantile, labels: {app_kind: exponential}}
          - {alert: Unit}
          - {alert: Counted, labels: {app_kind: summary}, value: 10}
`)
	if len(r.Failures) > 0 {
		t.Errorf("failures:\n%s", failures(r))
	}
}

// One alert moves between severities, and its labels with it.
func TestSeverities(t *testing.T) {
	r := run(t, `
groups:
  - name: g
    rules:
      - alert: Queue
        from: metrics
        by: [host.name]
        when: {warning: last(metric("q")) > 10, critical: last(metric("q")) > 100}
        for: 10s
`, `
rule_files: [rules.yaml]
tests:
  - name: severities
    metrics: [{name: q, resource: {host.name: a}, every: 5s, values: '0x5 50x9 500x9 0x9'}]
    expect:
      - {at: 35s, alerts: [{alert: Queue, state: pending, labels: {host_name: a, severity: warning}}]}
      - {at: 1m, alert: Queue, alerts: [{alert: Queue, labels: {host_name: a, severity: warning}}]}
      - {at: 2m, alerts: [{alert: Queue, labels: {host_name: a, severity: critical}}]}
      - {at: 3m, alerts: []}
`)
	if len(r.Failures) > 0 {
		t.Errorf("failures:\n%s", failures(r))
	}
}

// Groups find a place in the order in which they come and go, as in production.
func TestTooManyGroups(t *testing.T) {
	ruleFile := strings.Replace(oneRule, "labels: {severity", "max_groups: 1\n        labels: {severity", 1)
	r := run(t, ruleFile, `
rule_files: [rules.yaml]
tests:
  - name: groups
    logs:
      - {at: 1m, count: 5, service.name: a, severity: ERROR}
      - {at: 3m, count: 5, service.name: b, severity: ERROR} # a has left
      - {at: 5m, count: 5, service.name: a, severity: ERROR}
      - {at: 5m, count: 5, service.name: b, severity: ERROR, delay: 1s}
    expect:
      - {at: 1m5s, alerts: [{alert: ErrorSpike, labels: {service_name: a, severity: critical}}]}
      - {at: 3m5s, alerts: [{alert: ErrorSpike, labels: {service_name: b, severity: critical}}]}
      - at: 5m5s
        alerts:
          - {alert: ErrorSpike, labels: {service_name: a, severity: critical}}
          - {alert: ErrorSpike, labels: {service_name: __overflow__, pane_partition: '0', severity: critical}}
          - {alert: FreshetTooManyGroups, labels: {rule: ErrorSpike, rule_group: shop, pane_partition: '0'}}
`)
	if len(r.Failures) > 0 {
		t.Errorf("failures:\n%s", failures(r))
	}
}

func TestTemplatesThatFailAreWarnedOf(t *testing.T) {
	ruleFile := strings.Replace(oneRule, "{{ $value }} errors", "{{ parseDuration $labels.service_name }} errors", 1)
	f, problems := tryParse(t, ruleFile, spike)
	if f == nil {
		t.Fatal(printed(problems))
	}
	r, err := f.Tests[0].Run(t.Context())
	if err != nil || len(r.Warnings) == 0 || !strings.Contains(r.Warnings[0], "ErrorSpike") {
		t.Errorf("warnings %v, %v", r.Warnings, err)
	}
}

func TestRunStops(t *testing.T) {
	f := parse(t, oneRule, "rule_files: [r]\ntests: [{name: n, logs: [{at: 0s..300d every 1h}], expect: [{at: 1h, alerts: []}]}]")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := f.Tests[0].Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the result is %v, %v", r, err)
	}
}

// Tests of one file do not depend on each other, nor on being run before.
func TestRunsRepeat(t *testing.T) {
	f := parse(t, signalRules, `
rule_files: [rules.yaml]
tests:
  - name: random
    events: [{topic: numbers, at: 0s..10m every 1s, jitter: 10s, json: {number: '{random 0..6}', region: {name: 'r{i%3}'}, level: '{cycle info*99|error}'}}]
    transitions: []
`)
	var stories []string
	for range 3 {
		r, err := f.Tests[0].Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stories = append(stories, fmt.Sprint(r.Transitions)+failures(r))
	}
	if len(stories[0]) < 1000 || stories[0] != stories[1] || stories[0] != stories[2] {
		t.Errorf("the runs differ:\n%s", strings.Join(stories, "\n----\n"))
	}
}

func TestRuleFilesAreFoundFromTheTests(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"rules/a.yaml":            oneRule,
		"rules/b.yaml":            strings.ReplaceAll(strings.ReplaceAll(oneRule, "name: shop", "name: other"), "ErrorSpike", "Other"),
		"tests/spike_test.yaml":   strings.Replace(spike, "[rules.yaml]", "[../rules/*.yaml]\nend: 5m", 1),
		"tests/missing_test.yaml": strings.Replace(spike, "[rules.yaml]", "[../rules/a.yaml, missing.yaml]", 1),
		"tests/faulty_test.yaml":  strings.Replace(spike, "[rules.yaml]", "[bad.yaml]", 1),
		"tests/bad.yaml":          strings.Replace(oneRule, "severity >=", "severty >=", 1),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, problems, err := Load(filepath.Join(dir, "tests/spike_test.yaml"), options())
	if err != nil || f == nil || len(f.Rules.Rules) != 2 {
		t.Fatalf("%v\n%s", err, printed(problems))
	}
	for name, says := range map[string]string{"missing": "missing_test.yaml:1:31: error: reading rules:", "faulty": "bad.yaml:8:21: error: ErrorSpike: `when`: logs have no field `severty`"} {
		f, problems, err = Load(filepath.Join(dir, "tests", name+"_test.yaml"), options())
		if err != nil || f != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), says) {
			t.Errorf("%s: %v %v\n%s", name, f, err, printed(problems))
		}
	}
	if _, _, err = Load(filepath.Join(dir, "tests/nothing_test.yaml"), options()); err == nil {
		t.Error("a file that is not there is loaded")
	}
}

const compositeRules = `
groups:
  - name: logs
    rules:
      - {alert: Errors, from: logs, by: [service.name], when: count(severity >= ERROR) >= 2, labels: {cluster: eu}, for: 10s}
  - name: composite
    rules:
      - {alert: Widespread, from: findings, by: [cluster], when: active(alertname == "Errors") >= 2}
      - {alert: Itself, from: findings, when: count(alertname == "Widespread") >= 1}
      - {alert: Costly, from: findings, by: [team], when: 'max(value, state == "firing") > 5'}
`

// Rules on findings see those of the others when they are found, and of their own none; findings may also be made up.
func TestAlertsAboutAlerts(t *testing.T) {
	r := run(t, compositeRules, `
rule_files: [rules.yaml]
tests:
  - name: composite
    logs:
      - {at: 1m..5m every 5s, service.name: '{cycle a|b}', severity: ERROR}
      - {at: 2m..5m every 5s, service.name: c, severity: ERROR}
    findings:
      - {at: 3m, alert: Bill, rule_group: money, labels: {team: x}, value: 6}
      - {at: 3m, alert: Bill, labels: {team: y}, value: 5}
      - {at: 3m, alert: Bill, labels: {team: z}, state: resolved, value: 6}
      - {at: 6m, alert: Errors, labels: {service_name: d, cluster: us}, state: '{cycle firing|resolved}'}
      - {at: 6m, count: 2, alert: Errors, labels: {service_name: '{i}', cluster: us}}
      - {at: [7m, 8m], alert: Errors, labels: {service_name: e, cluster: us}, state: '{cycle firing|resolved}'}
    expect:
      - {at: 1m20s, alert: Errors, alerts: [{labels: {service_name: a, cluster: eu}, state: pending}, {labels: {service_name: b, cluster: eu}, state: pending}]}
      # The second of them fires at 1m30s, which is known 5 s later.
      - {at: 1m35s, alert: Widespread, alerts: []}
      - {at: 1m40s, alert: Widespread, alerts: [{labels: {cluster: eu}, value: 2}]}
      - {at: [1m45s, 10m], alert: Itself, alerts: []}
      - {at: 3m5s, alert: Costly, alerts: [{labels: {team: x}, value: 6}]}
      - {at: 7m30s, alert: Widespread, alerts: [{labels: {cluster: us}, value: 3}]}
`)
	if len(r.Failures) > 0 {
		t.Errorf("failures:\n%s", failures(r))
	}
}

const recordingRules = `
groups:
  - name: recorded
    rules:
      - {record: errors, from: logs, by: [service.name], value: count(severity >= ERROR), labels: {team: x}}
      - {record: all, from: logs, value: count(), interval: 10s}
      - {alert: Many, from: logs, when: count() > 1000}
`

// Values of rules that record are those of the last step, exactly those of the names that are given.
func TestRecordedValues(t *testing.T) {
	const tests = `
rule_files: [rules.yaml]
tests:
  - name: recorded
    logs:
      - {at: 0s..5m every 1s, service.name: '{cycle a|b}', severity: '{cycle ERROR|WARN}'}
    expect:
      - at: 2m4s
        alerts: []
        recorded:
          - {record: errors, labels: {service_name: a, team: x}, value: 30}
          - {record: errors, labels: {service_name: b, team: x}, value: 0}
      - {at: 30s, recorded: [{record: all, value: 29, tolerance: 1}]}
`
	f := parse(t, recordingRules, tests)
	if r := run(t, recordingRules, tests); len(r.Failures) > 0 {
		t.Errorf("failures:\n%s", failures(r))
	}
	if got := Untested([]*File{f}); len(got) != 1 || got[0].Name != "Many" {
		t.Errorf("without a test are %v", got)
	}
	for wrong, says := range map[string]string{
		strings.Replace(tests, "value: 30", "value: 31", 1):                                                           "- errors {service_name: a, team: x}, value 31\n  + errors {service_name: a, team: x}, value 30\n",
		strings.Replace(tests, "          - {record: errors, labels: {service_name: b, team: x}, value: 0}\n", "", 1): "+ errors {service_name: b, team: x}, value 0\n",
		strings.Replace(tests, "value: 29, tolerance: 1", "value: 28, tolerance: 1", 1):                               "- all {}, value 28 (off by 1 at most)\n  + all {}, value 30\n",
		strings.Replace(tests, "service_name: b", "service_name: c", 1):                                               "- errors {service_name: c, team: x}, value 0\n",
	} {
		r := run(t, recordingRules, wrong)
		if text := failures(r); len(r.Failures) != 1 || !strings.Contains(text, says) || !strings.Contains(text, "\n  > ") && !strings.Contains(text, "no such group") {
			t.Errorf("the failure does not say %q:\n%s", says, text)
		}
	}
}
