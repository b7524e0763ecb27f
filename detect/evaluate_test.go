package detect

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// bed is a detector of one input and one pane partition, fed by hand.
type bed struct {
	t      *testing.T
	set    *rules.Set
	acc    *Accumulator
	eval   *Evaluator
	offset int64 // of the input
	panes  int64 // offset of the next panes record
}

func newBed(t *testing.T, rs ...*rules.Rule) *bed {
	t.Helper()
	b := &bed{t: t, set: ruleSet(rs...)}
	b.acc = accumulatorOf(t, b.set, 1)
	b.eval = evaluatorOf(t, b.set)
	return b
}

func evaluatorOf(t *testing.T, set *rules.Set) *Evaluator {
	t.Helper()
	e, err := NewEvaluator(EvaluatorOptions{Rules: set, Topics: Topics{ingest.Logs: {"logs"}, ingest.Events: {"logs"}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// feed gives the detector records, each written when its event time says, and returns what the flush leads to.
func (b *bed) feed(records ...ingest.Record) Result {
	b.t.Helper()
	for _, r := range records {
		add(b.acc, b.offset, float64(r.Time-at0)/1e9, r)
		b.offset++
	}
	return b.flush()
}

// idle says that nothing came until so many seconds after at0.
func (b *bed) idle(seconds float64) Result {
	b.t.Helper()
	b.acc.Idle(at0 + int64(seconds*1e9))
	return b.flush()
}

func (b *bed) flush() Result {
	b.t.Helper()
	var all Result
	for _, s := range b.acc.Take() {
		res, err := b.eval.Apply(b.panes, s.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		b.panes++
		all.Findings = append(all.Findings, res.Findings...)
		all.Measures = append(all.Measures, res.Measures...)
		all.Warnings = append(all.Warnings, res.Warnings...)
	}
	return all
}

// story writes findings in short: state, seconds after at0, value.
func story(findings []*finding.Finding) string {
	var lines []string
	for _, f := range findings {
		line := fmt.Sprintf("%s %s at %gs", f.Labels.Get("service_name"), f.State, float64(f.WindowEnd.UnixNano()-at0)/1e9)
		if f.Value != nil {
			line += fmt.Sprintf(" value %g", *f.Value)
		}
		if !f.Settled {
			line += " early"
		}
		if f.Reason != "" {
			line += " (" + f.Reason + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

func expectStory(t *testing.T, res Result, want string) {
	t.Helper()
	if got := story(res.Findings); got != want {
		t.Errorf("findings\n  %s\nexpected\n  %s", got, want)
	}
}

func TestEarlyThenSettledThenResolved(t *testing.T) {
	b := newBed(t, errorRule())
	expectStory(t, b.feed(errorAt("pay", 1)), "")
	early := b.feed(errorAt("pay", 2))
	expectStory(t, early, "pay firing at 5s value 2 early")
	expectStory(t, b.feed(errorAt("pay", 3), errorAt("pay", 4)), "")
	settled := b.idle(15)
	expectStory(t, settled, "pay firing at 5s value 4")
	e, s := early.Findings[0], settled.Findings[0]
	if e.ID != s.ID || e.Transition != s.Transition || e.Episode != s.Episode || e.Fingerprint != s.Fingerprint {
		t.Errorf("the early finding\n%+v\nand the settled one\n%+v\nare not the same transition", e, s)
	}
	resolved := b.idle(200)
	expectStory(t, resolved, "pay resolved at 25s value 0")
	if f := resolved.Findings[0]; !f.Newer(s) || f.ID == s.ID || !f.EndsAt.Equal(f.WindowEnd) || !f.StartsAt.Equal(s.StartsAt) {
		t.Errorf("the resolution %+v does not follow %+v", f, s)
	}
}

func TestFindingSaysWhereAndWhat(t *testing.T) {
	r := errorRule()
	r.Labels = []rules.Template{{Name: "severity", Text: "critical"}}
	r.Annotations = []rules.Template{{Name: "summary", Text: "{{ $labels.service_name }}: {{ $value }} of {{ $threshold }}"}}
	b := newBed(t, r)
	b.feed(errorAt("pay", 6.5), errorAt("pay", 7))
	f := b.idle(20).Findings[0]
	if got, want := f.Labels.String(), `{alertname="Errors", service_name="pay", severity="critical"}`; got != want {
		t.Errorf("labels %s, expected %s", got, want)
	}
	if f.Annotations["summary"] != "pay: 2 of 1" {
		t.Errorf("summary %q", f.Annotations["summary"])
	}
	want := finding.Sample{
		Topic: "logs", Time: time.Unix(0, at0+6500*int64(time.Millisecond)).UTC(), Text: "payment declined",
		TraceID: "0af7651916cd43dd8448eb211c80319c",
	}
	if len(f.Samples) != 2 || f.Samples[0] != want {
		t.Errorf("samples %+v, expected %+v first", f.Samples, want)
	}
	if !slices.Equal(f.Offsets, []finding.OffsetRange{{Topic: "logs", First: 0, Last: 1}}) || !f.FirstRecord.Equal(want.Time) {
		t.Errorf("offsets %+v, first record %s", f.Offsets, f.FirstRecord)
	}
	if f.Group != "shop" || f.Rule != "Errors" || f.WindowEnd.Sub(f.WindowStart) != 20*time.Second || *f.Threshold != 1 {
		t.Errorf("finding %+v", f)
	}
}

func TestPendingAndKeepFiring(t *testing.T) {
	r := errorRule()
	r.For, r.KeepFiringFor, r.Lateness = 10*time.Second, 15*time.Second, 0
	b := newBed(t, r)
	expectStory(t, b.feed(errorAt("pay", 1), errorAt("pay", 2)), "")
	expectStory(t, b.idle(5), "pay pending at 5s value 2")
	expectStory(t, b.idle(14), "")
	expectStory(t, b.idle(15), "pay firing at 15s value 2")
	// The records leave the window at 25 s; the alert fires on for 15 s more.
	expectStory(t, b.idle(39), "")
	expectStory(t, b.idle(41), "pay resolved at 40s value 0")
	// A condition that does not last never fires.
	r.For = time.Minute
	b = newBed(t, r)
	b.feed(errorAt("pay", 60.5), errorAt("pay", 61))
	expectStory(t, b.idle(120), "pay pending at 65s value 2; pay resolved at 85s value 0")
}

func TestAbsent(t *testing.T) {
	r := errorRule()
	r.Lateness = 0
	r.When = simple(countOf(nil), expr.Read{Stat: expr.StatAbsent}, true, 0.5)
	r.When.Conditions[0].Value, r.When.Conditions[0].Threshold = nil, nil
	b := newBed(t, r)
	expectStory(t, b.feed(errorAt("pay", 1)), "")
	expectStory(t, b.idle(24.9), "")
	expectStory(t, b.idle(30), "pay firing at 25s")
	expectStory(t, b.feed(errorAt("pay", 42), errorAt("pay", 50)), "pay resolved at 45s")
	expectStory(t, b.idle(75), "pay firing at 75s")
	// A group that never comes back is given up after a day.
	expectStory(t, b.idle(2*86400), "pay resolved at 86455s (forgotten)")
	if n := b.eval.Stats().Groups; n != 0 {
		t.Errorf("%d groups are held", n)
	}
}

func TestNoDataKeepsTheAlert(t *testing.T) {
	r := errorRule()
	r.Lateness = 0
	r.When = simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatAvg}, true, 10)
	b := newBed(t, r)
	rec := errorAt("pay", 1)
	rec.Attributes = ingest.Attrs{{Key: "v", Value: ingest.DoubleValue(50)}}
	b.feed(rec)
	expectStory(t, b.idle(5), "pay firing at 5s value 50")
	expectStory(t, b.idle(80000), "")
	expectStory(t, b.idle(90000), "pay resolved at 86405s (no data)")
}

func TestWindowsWaitForEveryPartition(t *testing.T) {
	set := ruleSet(errorRule())
	e := evaluatorOf(t, set)
	accs := make([]*Accumulator, 2)
	for i := range accs {
		var err error
		accs[i], err = NewAccumulator(AccumulatorOptions{
			Rules: set, Source: Source{"logs", int32(i)}, Partitions: 2, ClockTolerance: 60 * sec,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	apply := func(i int) Result {
		res, err := e.Apply(0, accs[i].Take()[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	add(accs[0], 0, 100, errorAt("pay", 1), errorAt("pay", 100))
	expectStory(t, apply(0), "")
	add(accs[1], 0, 2, errorAt("pay", 2))
	expectStory(t, apply(1), "pay firing at 5s value 2 early")
	accs[1].Idle(at0 + 14*sec)
	expectStory(t, apply(1), "")
	accs[1].Idle(at0 + 26*sec)
	expectStory(t, apply(1), "pay firing at 5s value 2")
	accs[1].Idle(at0 + 200*sec)
	expectStory(t, apply(1), "pay resolved at 25s value 0")
}

// TestFirstWindowIsWhole: where reading begins in the middle of a topic, a condition that could hold for want of records
// is judged only when its whole window was read.
func TestFirstWindowIsWhole(t *testing.T) {
	r := errorRule()
	r.Lateness = 0
	r.When = simple(countOf(nil), expr.Read{Stat: expr.StatCount}, false, 3)
	r.When.ZeroOnEmpty = true
	b := newBed(t, r)
	b.offset = 1000
	expectStory(t, b.feed(errorAt("pay", 1), errorAt("pay", 12), errorAt("pay", 24.9)), "")
	expectStory(t, b.idle(25), "pay firing at 25s value 2")
	// From the topic's beginning every window is whole.
	b = newBed(t, r)
	expectStory(t, b.feed(errorAt("pay", 1), errorAt("pay", 12), errorAt("pay", 24.9)), "pay firing at 5s value 1")
}

func TestTooManyGroups(t *testing.T) {
	r := errorRule()
	r.MaxGroups, r.Lateness = 2, 0
	b := newBed(t, r)
	res := b.feed(errorAt("a", 1), errorAt("b", 1), errorAt("c", 1), errorAt("d", 2))
	if len(res.Findings) != 2 {
		t.Fatalf("findings %s", story(res.Findings))
	}
	f := res.Findings[0]
	if f.Rule != TooManyGroups || f.State != finding.Firing || f.Labels.Get("rule") != "Errors" || *f.Threshold != 2 {
		t.Errorf("finding %+v", f)
	}
	if o := res.Findings[1]; o.Labels.Get("service_name") != OverflowGroup || *o.Value != 2 {
		t.Errorf("the overflow group: %+v", o)
	}
	b.idle(20)
	res = b.idle(100)
	last := res.Findings[len(res.Findings)-1]
	if last.Rule != TooManyGroups || last.State != finding.Resolved || last.Fingerprint != f.Fingerprint || !last.Newer(f) {
		t.Errorf("finding %+v", last)
	}
	// When the others are gone there is room again.
	if res = b.feed(errorAt("c", 101), errorAt("c", 102)); story(res.Findings) != "c firing at 105s value 2 early" {
		t.Errorf("findings %s", story(res.Findings))
	}
}

func TestMeasuresAreBoundedByGroups(t *testing.T) {
	r := errorRule()
	r.Lateness = 0
	b := newBed(t, r)
	var records []ingest.Record
	for i := range 200 {
		records = append(records, errorAt(fmt.Sprint("service-", i), 1))
	}
	records = append(records, errorAt("service-199", 1.5))
	b.feed(records...)
	measures := b.idle(5).Measures
	if len(measures) != defaultMeasureGroups+1 {
		t.Fatalf("%d measures, expected those of %d groups and of the one that fires", len(measures), defaultMeasureGroups)
	}
	m := measures[len(measures)-1]
	if m.Value != 2 || m.Threshold != 1 || !m.Firing || m.Time != at0+5*sec || m.Labels.Get("service_name") != "service-199" {
		t.Errorf("measure %+v", m)
	}
}

// TestLongSilenceIsSteppedOver: between 1970 and now lie 350 million steps.
func TestLongSilenceIsSteppedOver(t *testing.T) {
	r := errorRule()
	r.Lateness = 0
	b := newBed(t, r)
	old := errorAt("pay", 0)
	old.Time = 100 * sec
	b.feed(old)
	expectStory(t, b.feed(errorAt("pay", 1), errorAt("pay", 2)), "pay firing at 5s value 2 early")
	expectStory(t, b.idle(5), "pay firing at 5s value 2")
	if got := b.eval.Stats().Watermarks[0].Time; got != at0+5*sec {
		t.Errorf("evaluated up to %d", got)
	}
}

func TestGroupFitsIn512Bytes(t *testing.T) {
	if n := groupBytes(t, 5000); n > 512 {
		t.Errorf("an active group of a count rule takes %.0f bytes, expected at most 512", n)
	}
}

func TestImpossibleRulesAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*rules.Rule){
		"no condition": func(r *rules.Rule) { r.When = nil },
		"interval":     func(r *rules.Rule) { r.Interval = 0 },
		"window":       func(r *rules.Rule) { r.Window = 0 },
		"reads":        func(r *rules.Rule) { r.When.Reads[0].Aggregate = 3 },
		"kind":         func(r *rules.Rule) { r.When.Aggregates[0].Func = 99 },
		"looks back":   func(r *rules.Rule) { r.When.Reads[0].Offset = math.MaxInt64 / 2 },
	} {
		r := errorRule()
		spoil(r)
		_, err := NewEvaluator(EvaluatorOptions{Rules: ruleSet(r)})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "Errors") {
			t.Errorf("error %v, expected one that names the rule and says %q", err, name)
		}
	}
}

// TestRulesFromYAML runs compiled rules.
func TestRulesFromYAML(t *testing.T) {
	path := filepath.Join("testdata", "shop.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set, problems := rules.Parse(path, content)
	if set == nil {
		t.Fatal(problems)
	}
	b := newBed(t, set.Rules...)
	b.set = set
	b.acc, b.eval = accumulatorOf(t, set, 1), evaluatorOf(t, set)
	var got []string
	note := func(res Result) {
		for _, f := range res.Findings {
			if f.Settled {
				got = append(got, fmt.Sprintf("%s %s %s: %s", f.Rule, f.State, f.Labels.Get("service_name"), f.Annotations["summary"]))
			}
		}
	}
	for s := range 300 {
		r := errorAt("pay", float64(s))
		if s < 100 || s > 130 {
			r.Severity = 9
		}
		r.Attributes = ingest.Attrs{{Key: "duration", Value: ingest.DoubleValue(float64(1 + s%2))}}
		if s > 200 {
			r.Attributes[0].Value = ingest.DoubleValue(30)
		}
		note(b.feed(r))
	}
	note(b.idle(1000))
	want := []string{
		"ErrorSpike firing pay: pay: 15 errors in half a minute",
		"ErrorSpike resolved pay: pay: 6 errors in half a minute",
		"Slow firing pay: p50 is 29.89",
		"Silent firing pay: pay sends nothing",
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no finding %q among\n  %s", w, strings.Join(got, "\n  "))
		}
	}
}
