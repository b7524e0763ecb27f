package rules

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/ingest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s has changed (-file +now); after a look write it with -update:\n%s", path, diff)
	}
}

func printed(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.Render(false) + "\n")
	}
	return b.String()
}

// Beside each *.bad.yaml stands what is printed about it.
func TestBadFiles(t *testing.T) {
	t.Chdir("testdata")
	files, err := filepath.Glob("*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		set, problems, err := Load([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		if set != nil || !slices.ContainsFunc(problems, faulty) {
			t.Errorf("%s is loaded", file)
		}
		golden(t, strings.TrimSuffix(file, "yaml")+"txt", printed(problems))
	}
}

func TestFiveFaultsAreAllReported(t *testing.T) {
	_, problems, err := Load([]string{"testdata/five.bad.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 5 {
		t.Errorf("%d problems, want 5:\n%s", len(problems), printed(problems))
	}
}

func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		set, problems, err := Load([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		if set == nil || len(set.Rules) == 0 {
			t.Errorf("%s is not loaded:\n%s", file, printed(problems))
		}
	}
}

func TestFullFile(t *testing.T) {
	set, problems, err := Load([]string{"testdata/full.good.yaml"})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, printed(problems))
	}
	type short struct {
		Name, Group, From, Topic, Where, When string
		By, Labels, Annotations               []string
		Line, Column, MaxGroups               int
		Interval, Window, For, Keep, Lateness time.Duration
	}
	var got []short
	for _, r := range set.Rules {
		s := short{
			Name: r.Name, Group: r.Group, From: r.From.String(), Topic: r.Topic, Where: r.WhereText, When: r.When.Text,
			Line: r.Line, Column: r.Column, MaxGroups: r.MaxGroups,
			Interval: r.Interval, Window: r.Window, For: r.For, Keep: r.KeepFiringFor, Lateness: r.Lateness,
		}
		for _, k := range r.By {
			s.By = append(s.By, k.Label+"="+k.Text)
		}
		for _, l := range r.Labels {
			s.Labels = append(s.Labels, l.Name+"="+l.Text)
		}
		for _, a := range r.Annotations {
			s.Annotations = append(s.Annotations, a.Name)
		}
		got = append(got, s)
	}
	const minute = time.Minute
	want := []short{
		{
			Name: "Everything", Group: "full", From: "events", Topic: "orders",
			Where:  `order.total > 100 && currency in ["EUR", "USD"]`,
			When:   `count() >= 10 && avg(order.total) > 1.5 * avg(order.total).offset("1d")`,
			By:     []string{"customer_country=customer.country", `hall=warehouse == "north" ? "n" : "s"`, `payment_method=attributes["payment.method"]`},
			Labels: []string{"severity={{ if gt $value 1000.0 }}critical{{ else }}warning{{ end }}", "team=shop"}, Annotations: []string{"summary", "description"},
			Line: 9, Column: 9, MaxGroups: 500, Interval: 5 * time.Second, Window: 10 * minute, For: minute, Keep: 90 * time.Second, Lateness: minute,
		},
		{Name: "Defaults", Group: "full", From: "logs", When: "absent()", Labels: []string{"severity=info", "team=shop"}, Line: 36, Column: 9, MaxGroups: DefaultMaxGroups, Interval: 10 * time.Second, Window: 5 * minute, Lateness: 30 * time.Second},
		{Name: "Anchored", Group: "full", From: "spans", When: "p95(duration) > 1", By: []string{"service_name=service.name"}, Labels: []string{"severity=info", "team=shop"}, Line: 37, Column: 9, MaxGroups: DefaultMaxGroups, Interval: 10 * time.Second, Window: 5 * minute, Lateness: 30 * time.Second},
		{Name: "Mapped", Group: "full", From: "metrics", When: `max(metric("system.cpu.utilization")) > 0.9`, By: []string{"host=host.name", `cpu=attributes["cpu"]`}, Labels: []string{"severity=info", "team=shop"}, Line: 42, Column: 9, MaxGroups: DefaultMaxGroups, Interval: 10 * time.Second, Window: 5 * minute, Lateness: 30 * time.Second},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if want := 24*time.Hour + 10*minute; set.LongestWindow() != want {
		t.Errorf("the longest window is %s, want %s", set.LongestWindow(), want)
	}
	if diff := cmp.Diff([]string{"orders"}, set.Topics()); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults(t *testing.T) {
	set, problems := Parse("x.yaml", []byte("groups: [{name: g, rules: [{alert: A, from: logs, when: count() > 1}]}]"))
	if set == nil {
		t.Fatal(printed(problems))
	}
	r := set.Rules[0]
	if r.Interval != 5*time.Second || r.Window != time.Minute || r.Lateness != 5*time.Second || r.MaxGroups != 100_000 || r.For != 0 || r.KeepFiringFor != 0 || r.Where != nil || r.By != nil {
		t.Errorf("the defaults are %+v", r)
	}
}

func TestTime(t *testing.T) {
	set, problems := Parse("x.yaml", []byte(`groups:
  - name: g
    time: arrival
    from: logs
    rules:
      - {alert: A, when: count() > 1}
      - {alert: B, when: count() > 2, time: event}
      - {alert: C, when: count() > 3, lateness: 5s}
      - {alert: D, when: count() > 4}
      - {alert: E, from: findings, when: count() > 5}
  - name: h
    rules:
      - {alert: F, from: logs, when: count() > 6, lateness: 0s, time: arrival}
`))
	if set == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	var got []string
	for _, r := range set.Rules {
		clock := "event"
		if r.Arrival {
			clock = "arrival"
		}
		got = append(got, r.Name+" "+clock+" "+r.Lateness.String())
	}
	want := []string{"A arrival 1s", "B event 5s", "C arrival 5s", "D arrival 1s", "E arrival 1s", "F arrival 0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	byTime := set.Rules
	if byTime[0].Panes != byTime[3].Panes || byTime[1].Panes == byTime[2].Panes {
		t.Error("panes are shared by rules that differ in time, or not by those that do not")
	}
}

// However the scalar is written, the fault stands at the word that is wrong.
func TestPositions(t *testing.T) {
	const head = "groups:\n  - name: g\n    rules:\n      - alert: A\n        from: logs\n        when: "
	for _, scalar := range []string{
		"count(severty > 1) > 1",
		"count(severty > 1) > 1 # comment",
		"count() > 1\n          && count(body == 'é' && severty > 1) > 1",
		"count() > 1\n\n\n          && count(severty > 1) > 1",
		"'count(body == ''é'' && severty > 1) > 1'",
		"'count(body == ''é''\n            && severty > 1) > 1'",
		`"count(body == \"\u00e9\x41\U0001F600\\t\" && severty > 1) > 1"`,
		"\"count() > 1 && \\\n           count(severty > 1) > 1\"",
		"|\n          count() > 1 &&\n\n            count(severty > 1) > 1\n",
		"|2-\n            count() > 1 &&\n          count(severty > 1) > 1\n",
		"|+ # comment\n          count() > 1 &&\n          count(severty > 1) > 1\n\n\n",
		">\n          count() > 1 &&\n          count(body == 'é' && severty > 1) > 1\n\n",
		">-\n          count() > 1 &&\n\n          count(severty > 1)\n            > 1",
		"!!str count(severty > 1) > 1",
		"&x count(severty > 1) > 1",
	} {
		for _, lineEnd := range []string{"\n", "\r\n"} {
			content := strings.ReplaceAll(head+scalar+"\n        for: 1m\n", "\n", lineEnd)
			_, problems := Parse("x.yaml", []byte(content))
			before := content[:strings.Index(content, "severty")]
			line := strings.Count(before, "\n") + 1
			column := utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
			if len(problems) != 1 || problems[0].Line != line || problems[0].Column != column || problems[0].Length != len("severty") {
				t.Errorf("%q: want one problem at %d:%d\n%s", content, line, column, printed(problems))
			}
		}
	}
}

func TestWarningsDoNotKeepAFileOut(t *testing.T) {
	set, problems, err := Load([]string{"testdata/warnings.good.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if set == nil || len(set.Rules) != 2 {
		t.Fatal("the file is not loaded")
	}
	golden(t, "testdata/warnings.good.txt", printed(problems))
}

func rule(t *testing.T, text string) *Rule {
	t.Helper()
	set, problems := Parse("x.yaml", []byte("groups:\n  - name: g\n    rules:\n      - "+text+"\n"))
	if set == nil {
		t.Fatal(printed(problems))
	}
	return set.Rules[0]
}

func TestIDIsTheMeaning(t *testing.T) {
	base := rule(t, "{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5}")
	for _, same := range []string{
		"{alert: A, from: logs, by: service.name, when: '(count(severity>=17))>5.0'}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5, window: 60s, interval: 5s, time: event, lateness: 5s, max_groups: 100000}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5, max_groups: 5}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5, labels: {x: y}, annotations: {summary: z}}",
	} {
		if r := rule(t, same); r.ID != base.ID {
			t.Errorf("%s has another ID", same)
		}
	}
	for _, other := range []string{
		"{alert: B, from: logs, by: [service.name], when: count(severity >= ERROR) > 5}",
		"{alert: A, from: logs, by: [host.name], when: count(severity >= ERROR) > 5}",
		"{alert: A, from: logs, when: count(severity >= ERROR) > 5}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 6}",
		"{alert: A, from: logs, by: [service.name], where: has(x.y), when: count(severity >= ERROR) > 5}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5, for: 1m}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5, time: arrival, lateness: 5s}",
		"{alert: A, from: logs, by: [service.name], when: count(severity >= ERROR) > 5, window: 2m}",
		"{alert: A, from: logs, by: [{service_name: host.name}], when: count(severity >= ERROR) > 5}",
	} {
		if r := rule(t, other); r.ID == base.ID {
			t.Errorf("%s has the same ID", other)
		}
	}
}

// State is kept under the ID: it may change only with a good reason.
func TestIDIsStable(t *testing.T) {
	r := rule(t, `{alert: A, from: spans, by: [service.name], where: kind == SERVER, when: 'count() >= 5 && p95(duration).over("1h") > 1.5'}`)
	if want := uint64(8483703175539675579); r.ID != want {
		t.Errorf("the ID is %d, want %d", r.ID, want)
	}
}

func TestByteOrderMark(t *testing.T) {
	if set, problems := Parse("x.yaml", []byte("\ufeffgroups: [{name: g, rules: [{alert: A, from: logs, when: count() > 1}]}]")); set == nil {
		t.Error(printed(problems))
	}
}

func TestIDsOfASetDiffer(t *testing.T) {
	set, problems := Parse("x.yaml", []byte(`groups:
  - name: g
    rules:
      - {alert: A, from: logs, when: count() > 5, labels: {severity: warning}}
      - {alert: A, from: logs, when: count() > 5, labels: {severity: critical}}
`))
	if set == nil {
		t.Fatal(printed(problems))
	}
	if set.Rules[0].ID == set.Rules[1].ID {
		t.Error("two rules share a state")
	}
}

func TestVersionChangesWithTextsAndLimits(t *testing.T) {
	parse := func(summary string) uint64 {
		set, problems := Parse("x.yaml", []byte("groups: [{name: g, rules: [{alert: A, from: logs, when: count() > 5, annotations: {summary: "+summary+"}}]}]"))
		if set == nil {
			t.Fatal(printed(problems))
		}
		return set.Version
	}
	if first, again, other := parse("a"), parse("a"), parse("b"); first != again || first == other {
		t.Error("the version does not follow the texts")
	}
	if parse("a}, max_groups: 7, labels: {x: y") == parse("a}, max_groups: 8, labels: {x: y") {
		t.Error("the version does not follow max_groups")
	}
}

func TestLoadPaths(t *testing.T) {
	dir := t.TempDir()
	for name, alert := range map[string]string{"b.yaml": "B", "a.yml": "A", "c.txt": "C"} {
		text := "groups: [{name: " + alert + ", rules: [{alert: " + alert + ", from: logs, when: count() > 5}]}]"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		paths []string
		want  string
	}{
		{[]string{dir}, "A B"},
		{[]string{filepath.Join(dir, "*.yaml"), filepath.Join(dir, "c.txt")}, "B C"},
		{[]string{filepath.Join(dir, "c.txt"), dir, filepath.Join(dir, "*.yml")}, "C A B"},
		{nil, ""},
	} {
		set, problems, err := Load(test.paths)
		if err != nil || set == nil {
			t.Errorf("%v: %v, %s", test.paths, err, printed(problems))
			continue
		}
		var names []string
		for _, r := range set.Rules {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%v gives %s, want %s", test.paths, got, test.want)
		}
	}
	for _, path := range []string{filepath.Join(dir, "none.yaml"), filepath.Join(dir, "*.json"), filepath.Join(dir, "[")} {
		if _, _, err := Load([]string{path}); err == nil {
			t.Errorf("%s is loaded", path)
		}
	}
}

func TestRulesRun(t *testing.T) {
	r := rule(t, `{alert: NumberHigh, from: events, topic: numbers, window: 10s, by: [host], when: max(number) > 100}`)
	record := &ingest.Record{
		Signal: ingest.Events, Resource: &ingest.Resource{}, Scope: &ingest.Scope{},
		Attributes: ingest.Attrs{{Key: "number", Value: ingest.IntValue(101)}, {Key: "host", Value: ingest.StringValue("a")}},
	}
	if got := r.When.Aggregates[0].Arg(record); got != ingest.DoubleValue(101) {
		t.Errorf("the aggregate takes %v", got)
	}
	if got := r.By[0].Value(record).Text(); got != "a" || r.By[0].Label != "host" {
		t.Errorf("the group is %s=%s", r.By[0].Label, got)
	}
}

// Tests of rules may stand beside them: they are no rules, wherever they are found. What only has the name of tests is read.
func TestTestsOfRulesAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	const one = "groups: [{name: %s, rules: [{alert: %s, from: logs, when: count() > 1}]}]\n"
	for name, content := range map[string]string{
		"a.yaml":      strings.ReplaceAll(one, "%s", "A"),
		"a_test.yaml": "# of a.yaml\nrule_files: [a.yaml]\ntests: []\n",
		"b_test.yml":  "tests: []\n",
		"c_test.yaml": strings.ReplaceAll(one, "%s", "C"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, paths := range [][]string{{dir}, {filepath.Join(dir, "*.y*ml")}, {
		filepath.Join(dir, "a.yaml"), filepath.Join(dir, "a_test.yaml"), filepath.Join(dir, "c_test.yaml"),
	}} {
		set, problems, err := Load(paths)
		if err != nil || set == nil || len(set.Rules) != 2 || set.Rules[1].Name != "C" {
			t.Errorf("%v: %v %v\n%s", paths, set, err, printed(problems))
		}
	}
	if _, _, err := Load([]string{filepath.Join(dir, "a_test.yaml")}); err == nil || !strings.Contains(err.Error(), "`freshet rules test`") {
		t.Errorf("tests alone: %v", err)
	}
}
