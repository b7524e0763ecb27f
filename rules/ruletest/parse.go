package ruletest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// fileReader reads a file of tests.
type fileReader struct {
	document *rules.Document
	options  Options
	settings settings
	rules    *rules.Set // nil when they have faults
	names    map[string]bool
	file     *File
}

// Parse reads a file of tests; load reads the rule files that it names. The file is nil when there is an error among the
// problems.
func Parse(name string, content []byte, o Options, load func(patterns []string) (*rules.Set, []rules.Problem, error)) (*File, []rules.Problem) {
	r := &fileReader{
		document: rules.NewDocument(name, content, documentKind()), options: o, names: map[string]bool{},
		settings: settings{start: defaultStart(), partitions: defaultPartitions, seed: defaultSeed},
		file:     &File{Name: name},
	}
	var others []rules.Problem
	if root, ok := r.document.Root(); ok {
		others = r.read(root, load)
	}
	problems := slices.Concat(others, r.document.Problems())
	if slices.ContainsFunc(problems, func(p rules.Problem) bool { return p.Severity == rules.Error }) {
		return nil, problems
	}
	r.file.Rules = r.rules
	return r.file, problems
}

func (r *fileReader) read(root rules.Field, load func([]string) (*rules.Set, []rules.Problem, error)) (others []rules.Problem) {
	if root.Shape() == rules.ListShape {
		root.Fault("a file of tests is a mapping that begins with rule_files:, and this is a list", "")
		return nil
	}
	var ruleFiles, tests rules.Field
	for _, f := range root.Fields("a file of tests", fileKeys) {
		switch f.Key() {
		case "rule_files":
			ruleFiles = f
		case "tests":
			tests = f
		default:
			r.settings.read(f)
		}
	}
	before := r.document.Faults()
	switch {
	case ruleFiles.Is():
		others = r.load(ruleFiles, load)
	case before == 0:
		root.Fault("the file does not say which rules it tests", "add rule_files: [rules.yaml]")
	}
	if !tests.Is() || len(tests.Items()) == 0 {
		if before == 0 {
			root.Fault("the file has no tests", "add tests: with at least one - name: …")
		}
		return others
	}
	for _, item := range tests.Items() {
		r.test(item)
	}
	return others
}

// load reads the rule files and returns their problems.
func (r *fileReader) load(f rules.Field, load func([]string) (*rules.Set, []rules.Problem, error)) []rules.Problem {
	var patterns []string
	items := f.Items()
	if len(items) == 0 {
		f.Fault("`rule_files` is empty", "as in rule_files: [rules.yaml]")
		return nil
	}
	before := r.document.Faults()
	for _, item := range items {
		s, ok := item.Scalar()
		if !ok {
			continue
		}
		patterns = append(patterns, s.Text)
		if _, _, err := load([]string{s.Text}); err != nil {
			s.Fault(0, len(s.Text), err.Error(), "rule files are named from the folder of the tests on")
		}
	}
	if r.document.Faults() > before {
		return nil
	}
	set, problems, err := load(patterns)
	if err != nil {
		f.Fault(err.Error(), "")
		return nil
	}
	r.rules = set
	return problems
}

// testReader reads one test.
type testReader struct {
	*fileReader
	settings

	test *Test
	// moments are the times at which something is expected.
	moments []expectedAt
}

type expectedAt struct {
	at    time.Duration
	field rules.Field
}

func (r *fileReader) test(f rules.Field) {
	t := &testReader{fileReader: r, settings: r.settings, test: &Test{Place: f.Place(), options: r.options, rules: &rules.Set{}}}
	if r.rules != nil {
		t.test.rules = r.rules
	}
	before := r.document.Faults()
	fields := f.Fields("a test", testKeys)
	for _, field := range fields {
		if field.Key() == "name" {
			if s, ok := field.Scalar(); ok {
				t.test.Name, t.test.Place = s.Text, field.Place()
			}
		}
	}
	r.document.About(t.test.Name)
	defer r.document.About("")
	for _, field := range fields {
		switch {
		case slices.Contains(settingKeys, field.Key()):
			t.settings.read(field)
		case field.Key() == "rules":
			t.choose(field)
		}
	}
	t.test.start, t.test.partitions = t.start, t.partitions
	expects := false
	for _, field := range fields {
		expects = t.content(field) || expects
	}
	t.finish(f)
	if r.document.Faults() == before {
		switch {
		case t.test.Name == "":
			f.Fault("a test needs a name", "add name: an error spike pages once")
		case r.names[t.test.Name]:
			f.Fault("there is another test of this name", "choose another name")
		case !expects:
			f.Fault("the test expects nothing", "add expect: or transitions:")
		}
	}
	r.names[t.test.Name] = true
	r.file.Tests = append(r.file.Tests, t.test)
}

// content reads what a test sends and expects; it returns whether it is an expectation.
func (t *testReader) content(f rules.Field) (expects bool) {
	streams := map[string]func(rules.Field){"logs": t.logs, "metrics": t.metrics, "spans": t.spans, "events": t.events, "findings": t.findings}
	switch key := f.Key(); key {
	case "logs", "metrics", "spans", "events", "findings":
		signal, _ := ingest.ParseSignal(key)
		t.checkSignal(f, signal)
		for _, item := range f.Items() {
			streams[key](item)
		}
	case "expect":
		for _, item := range f.Items() {
			t.expect(item)
		}
		return true
	case "transitions":
		t.transitions(f)
		return true
	}
	return false
}

// choose narrows the rules under test.
func (t *testReader) choose(f rules.Field) {
	if t.rules == nil {
		return
	}
	set := &rules.Set{Version: t.rules.Version}
	for _, item := range f.Items() {
		s, ok := item.Scalar()
		if !ok || !t.known(s, 0) {
			continue
		}
		t.test.named = append(t.test.named, s.Text)
	}
	for _, r := range t.rules.Rules {
		if slices.Contains(t.test.named, r.Name) {
			set.Rules = append(set.Rules, r)
		}
	}
	t.test.rules = set
}

// kind says what a rule makes.
type kind uint8

const (
	alerting  kind = iota + 1 // alerts, those of the detector itself among them
	recording                 // recorded values
)

// known reports a name that no rule of a kind under test has; kind 0 is any.
func (t *testReader) known(s rules.Scalar, of kind) bool {
	if t.rules == nil {
		return true
	}
	var names []string
	for _, r := range t.test.rules.Rules {
		if of == 0 || r.Records == (of == recording) {
			names = append(names, r.Name)
		}
	}
	what := map[kind]string{0: "has the name ", alerting: "makes an alert ", recording: "records "}[of]
	if of == alerting {
		names = append(names, detect.TooManyGroups)
	}
	if slices.Contains(names, s.Text) {
		return true
	}
	hint := "there are " + strings.Join(names, ", ")
	if len(names) == 0 || len(names) > 8 {
		hint = ""
	}
	if near := expr.Nearest(s.Text, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if slices.ContainsFunc(t.rules.Rules, func(r *rules.Rule) bool { return r.Name == s.Text }) {
		hint = "`rules` of this test leaves it out"
	}
	s.Fault(0, len(s.Text), "no rule under test "+what+s.Text, hint)
	return false
}

// checkSignal warns of records that no rule under test reads.
func (t *testReader) checkSignal(f rules.Field, signal ingest.Signal) {
	if t.rules == nil || slices.ContainsFunc(t.test.rules.Rules, func(r *rules.Rule) bool {
		return r.From == signal || r.From == ingest.SpanEvents && signal == ingest.Spans
	}) {
		return
	}
	f.Warn("no rule under test reads "+signal.String(), "")
}

// checkTopic reports a topic of events that no rule under test reads.
func (t *testReader) checkTopic(s rules.Scalar) {
	if t.rules == nil {
		return
	}
	topics := t.test.rules.Topics()
	if slices.Contains(topics, s.Text) || len(topics) == 0 {
		return
	}
	hint := "they read " + strings.Join(topics, ", ")
	if near := expr.Nearest(s.Text, topics); near != "" {
		hint = "did you mean " + near + "?"
	}
	s.Fault(0, len(s.Text), "no rule under test reads the topic "+s.Text, hint)
}

// finish decides when the test ends.
func (t *testReader) finish(f rules.Field) {
	records, step, byArrival := 0, rules.DefaultInterval, false
	for _, r := range t.test.rules.Rules {
		step, byArrival = max(step, r.Interval), byArrival || r.Arrival
	}
	for _, s := range t.test.streams {
		t.test.end = max(t.test.end, s.end(t.start, step, byArrival))
		records += s.n
	}
	if records > mostRecords {
		f.Fault(fmt.Sprintf("the test has %d records, and at most %d are allowed", records, mostRecords), "")
	}
	for _, at := range t.moments {
		t.test.end = max(t.test.end, at.at)
		if t.endField.Is() && at.at > t.end {
			at.field.Fault("this is after the test's end, "+expr.FormatDuration(t.end), "let it end later, with end: "+expr.FormatDuration(at.at))
		}
	}
	if t.endField.Is() {
		t.test.end = t.end
	}
}
