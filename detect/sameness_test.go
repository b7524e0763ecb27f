package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// attr reads an attribute, also of the resource.
func attr(name string) expr.RecordValue {
	return func(r *ingest.Record) ingest.Value { return r.Lookup(name) }
}

func isError(r *ingest.Record) bool { return r.Severity >= 17 }

func countOf(filter expr.Predicate) expr.Aggregate {
	return expr.Aggregate{Func: expr.Count, Filter: filter}
}

func valueOf(f expr.Func, name string) expr.Aggregate {
	return expr.Aggregate{Func: f, Arg: attr(name)}
}

func constant(x float64) func(*expr.Frame) float64 { return func(*expr.Frame) float64 { return x } }

func readAt(i int) func(*expr.Frame) float64 {
	return func(f *expr.Frame) float64 { return f.Reads[i] }
}

// simple is a condition of one read and a threshold.
func simple(a expr.Aggregate, read expr.Read, above bool, threshold float64) *expr.Program {
	return &expr.Program{
		Source: fmt.Sprintf("read(%d) above=%v %g", read.Stat, above, threshold), Aggregates: []expr.Aggregate{a},
		Reads: []expr.Read{read},
		Holds: func(f *expr.Frame) bool {
			if above {
				return f.Reads[0] > threshold
			}
			return f.Reads[0] < threshold
		},
		Value: readAt(0), Threshold: constant(threshold), Above: above,
	}
}

// randomProgram returns one of the kinds of conditions that rules are made of.
func randomProgram(rnd *rand.Rand, interval time.Duration) *expr.Program {
	few := float64(1 + rnd.IntN(6))
	long := time.Duration(1+rnd.IntN(20)) * interval
	if rnd.IntN(4) == 0 {
		long *= 10 // long enough for segments in the state
	}
	switch rnd.IntN(16) {
	case 0, 1:
		p := simple(countOf(isError), expr.Read{Stat: expr.StatCount}, true, few)
		p.Monotone, p.ZeroOnEmpty = true, true
		return p
	case 2:
		p := simple(countOf(nil), expr.Read{Stat: expr.StatCount}, false, few)
		p.ZeroOnEmpty = true
		return p
	case 3:
		return simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatAvg}, true, 10)
	case 4:
		p := simple(valueOf(expr.Max, "v"), expr.Read{Stat: expr.StatMax}, true, 60)
		p.Monotone = true
		return p
	case 5:
		p := simple(valueOf(expr.Min, "v"), expr.Read{Stat: expr.StatMin, Window: long}, false, -20)
		p.Monotone = true
		return p
	case 6:
		p := simple(valueOf(expr.Distinct, "user"), expr.Read{Stat: expr.StatDistinct}, true, few)
		p.Monotone, p.ZeroOnEmpty = true, true
		return p
	case 7:
		return simple(valueOf(expr.Sketch, "v"), expr.Read{Stat: expr.StatQuantile, Quantile: rnd.Float64()}, true, 10)
	case 8:
		return simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatStddev}, true, 25)
	case 9:
		return simple(valueOf(expr.Last, "v"), expr.Read{Stat: expr.StatLast, Window: long}, true, 5)
	case 10:
		return comparison(rnd, interval, long)
	case 11:
		p := simple(countOf(nil), expr.Read{Stat: expr.StatAbsent}, true, 0.5)
		p.Value, p.Threshold = nil, nil
		return p
	case 12:
		return unusual(rnd, interval, long)
	case 13:
		return ratio(rnd)
	case 14:
		p := simple(countOf(isError), expr.Read{Stat: expr.StatRate, Window: long}, true, few/(4*long.Seconds()))
		p.Monotone, p.ZeroOnEmpty = true, true
		return p
	default:
		p := simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatSum}, true, 30)
		p.ZeroOnEmpty = true
		return p
	}
}

// comparison compares a count with its own past.
func comparison(rnd *rand.Rand, interval, long time.Duration) *expr.Program {
	then := expr.Read{Stat: expr.StatCount, PreviousWindows: 1}
	if rnd == nil || rnd.IntN(2) == 0 {
		then = expr.Read{Stat: expr.StatCount, Offset: long + interval/3, Window: 3 * interval}
	}
	return &expr.Program{
		Source: "count() > 2 * count() then", Aggregates: []expr.Aggregate{countOf(nil)},
		Reads:       []expr.Read{{Stat: expr.StatCount}, then},
		Holds:       func(f *expr.Frame) bool { return f.Reads[0] > 2*f.Reads[1] },
		Value:       readAt(0),
		Threshold:   func(f *expr.Frame) float64 { return 2 * f.Reads[1] },
		ZeroOnEmpty: true,
	}
}

// unusual asks a model about a sum.
func unusual(rnd *rand.Rand, interval, long time.Duration) *expr.Program {
	limit := 1 + 2*rnd.Float64()
	return &expr.Program{
		Source: "zscore", Aggregates: []expr.Aggregate{valueOf(expr.Moments, "v"), countOf(nil)},
		Reads: []expr.Read{{Stat: expr.StatAvg}, {Aggregate: 1, Stat: expr.StatCount}},
		Models: []expr.Model{
			{Kind: expr.ZScore, History: 2 * long, Input: readAt(0)},
			{Kind: expr.ZScore, History: 10 * interval, Input: readAt(1)},
		},
		Holds: func(f *expr.Frame) bool { return f.Models[0] > limit || f.Models[1] < -limit },
		Value: func(f *expr.Frame) float64 { return f.Models[0] }, Threshold: constant(limit),
	}
}

func ratio(rnd *rand.Rand) *expr.Program {
	limit := rnd.Float64()
	share := func(f *expr.Frame) float64 { return f.Reads[0] / f.Reads[1] }
	return &expr.Program{
		Source: "ratio", Aggregates: []expr.Aggregate{countOf(isError), countOf(nil)},
		Reads: []expr.Read{{Stat: expr.StatCount}, {Aggregate: 1, Stat: expr.StatCount}},
		Holds: func(f *expr.Frame) bool { return share(f) > limit },
		Value: share, Threshold: constant(limit), ZeroOnEmpty: true,
	}
}

func randomRule(rnd *rand.Rand, id int, base time.Duration) *rules.Rule {
	interval := time.Duration(1+rnd.IntN(3)) * base
	lengths := func(n int) time.Duration { return time.Duration(rnd.IntN(n)) * interval }
	r := &rules.Rule{
		Name: fmt.Sprintf("Rule%d", id), Group: "test", From: ingest.Logs, Interval: interval,
		Window: time.Duration(1+rnd.IntN(12)) * interval, Lateness: lengths(4), When: randomProgram(rnd, interval),
		ID: rnd.Uint64(), Labels: []rules.Template{{Name: "severity", Text: "page"}},
	}
	if rnd.IntN(4) == 0 {
		r.From = ingest.Events
	}
	if rnd.IntN(3) == 0 {
		r.Where = func(r *ingest.Record) bool { return r.Lookup("env").Str == "prod" }
	}
	if rnd.IntN(3) == 0 {
		r.For = lengths(4)
	}
	if rnd.IntN(3) == 0 {
		r.KeepFiringFor = lengths(5)
	}
	names := [][]string{nil, {"service"}, {"service", "code"}}[rnd.IntN(3)]
	for _, n := range names {
		r.By = append(r.By, rules.Key{Label: n, Value: attr(n), Text: n})
	}
	return r
}

func randomRecord(rnd *rand.Rand, at int64, index int) ingest.Record {
	r := ingest.Record{
		Signal: ingest.Logs, Index: index, Time: at, Resource: &ingest.Resource{}, Scope: &ingest.Scope{},
		Severity: int32(1 + rnd.IntN(24)), Body: ingest.StringValue(fmt.Sprintf("line %d", rnd.IntN(1000))),
	}
	if rnd.IntN(3) == 0 {
		r.Signal = ingest.Events
	}
	add := func(name string, v ingest.Value) {
		r.Attributes = append(r.Attributes, ingest.Attr{Key: name, Value: v})
	}
	if rnd.IntN(10) > 0 {
		r.Resource.Attributes = ingest.Attrs{{Key: "service", Value: ingest.StringValue([]string{"a", "b", "c"}[rnd.IntN(3)])}}
	}
	if rnd.IntN(4) > 0 {
		add("env", ingest.StringValue("prod"))
	}
	add("code", ingest.IntValue(int64(500+rnd.IntN(2))))
	add("user", ingest.StringValue(fmt.Sprint(rnd.IntN(30))))
	switch rnd.IntN(6) {
	case 0:
	case 1:
		add("v", ingest.StringValue("none"))
	case 2:
		add("v", ingest.DoubleValue(math.Ldexp(rnd.NormFloat64(), rnd.IntN(80)-40)))
	default:
		add("v", ingest.DoubleValue(rnd.NormFloat64()*40))
	}
	return r
}

// randomLogs makes the input partitions: time runs on with bursts and gaps, records are out of order, some of them too
// late, some with a clock that is ahead.
func randomLogs(rnd *rand.Rand, interval time.Duration) []sourceLog {
	n := 1 + rnd.IntN(3)
	logs := make([]sourceLog, n)
	step := int64(interval)
	epoch := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	var latest int64
	for i := range logs {
		log := &logs[i]
		log.source = Source{Topic: "in", Partition: int32(i)}
		log.first = int64(rnd.IntN(2) * rnd.IntN(50))
		now := epoch + rnd.Int64N(5*step)
		for range 5 + rnd.IntN(60) {
			m := message{timestamp: now + rnd.Int64N(step)}
			for j := range 1 + rnd.IntN(8) {
				at := now - rnd.Int64N(3*step)
				switch rnd.IntN(40) {
				case 0:
					at = now - rnd.Int64N(30*step)
				case 1:
					at = m.timestamp + tolerance + 1 + rnd.Int64N(20*step)
				case 2:
					at = 0
				}
				m.records = append(m.records, randomRecord(rnd, at, j))
			}
			log.messages = append(log.messages, m)
			now += rnd.Int64N(2 * step)
			if rnd.IntN(25) == 0 {
				now += rnd.Int64N(60 * step)
			}
		}
		latest = max(latest, now)
	}
	for i := range logs {
		logs[i].idleAt = latest + rnd.Int64N(90*step)
	}
	return logs
}

// run is one run of the whole detector over the logs, with flushes, interleaving and restarts at random.
type run struct {
	t         *testing.T
	rnd       *rand.Rand
	set       *rules.Set
	logs      []sourceLog
	paneParts int32
	panes     [][][]byte // per pane partition, the values in order
	disturbed bool
}

func (x *run) accumulator(log *sourceLog, metadata string) *Accumulator {
	a, err := NewAccumulator(AccumulatorOptions{
		Rules: x.set, Source: log.source, Partitions: int32(len(x.logs)), PanePartitions: x.paneParts, ClockTolerance: tolerance,
	})
	if err == nil {
		err = a.Restore(metadata)
	}
	if err != nil {
		x.t.Fatal(err)
	}
	return a
}

// accumulate runs stage 1 and fills the panes topic.
func (x *run) accumulate() {
	x.panes = make([][][]byte, x.paneParts)
	type reader struct {
		acc             *Accumulator
		next, committed int
		metadata        string
		idle            bool
	}
	readers := make([]*reader, len(x.logs))
	for i := range x.logs {
		readers[i] = &reader{acc: x.accumulator(&x.logs[i], "")}
	}
	var batch [][]Section
	publish := func() {
		joined := make([][]byte, x.paneParts)
		for _, sections := range batch {
			for _, s := range sections {
				joined[s.PanePartition] = append(joined[s.PanePartition], s.Value...)
			}
		}
		for p, v := range joined {
			if len(v) > 0 {
				x.panes[p] = append(x.panes[p], v)
			}
		}
		batch = nil
	}
	for open := len(readers); open > 0; {
		i := x.rnd.IntN(len(readers))
		r, log := readers[i], &x.logs[i]
		switch {
		case r.next < len(log.messages):
			m := log.messages[r.next]
			r.acc.Add(&ingest.Batch{Records: m.records}, ingest.Origin{
				Topic: log.source.Topic, Partition: log.source.Partition, Offset: log.first + int64(r.next), Timestamp: m.timestamp,
			})
			r.next++
		case !r.idle:
			r.acc.Idle(log.idleAt)
			r.idle = true
			open--
			batch = append(batch, r.acc.Take())
		}
		if x.rnd.IntN(3) == 0 && !r.idle {
			batch = append(batch, r.acc.Take())
			r.committed, r.metadata = r.next, r.acc.Metadata()
		}
		if x.disturbed && x.rnd.IntN(12) == 0 && !r.idle {
			// What was not committed is dropped and read again.
			r.acc = x.accumulator(log, r.metadata)
			r.next = r.committed
		}
		if x.rnd.IntN(2) == 0 {
			publish()
		}
	}
	publish()
}

// outcomes collects findings and checks that ids are what they promise to be.
type outcomes struct {
	settled map[string]string // id ► text
	early   map[string]*finding.Finding
	lines   []string
	// leavesOut names the rules whose offsets the oracle does not foretell.
	leavesOut map[string]bool
	// reached is the event time up to which a rule was evaluated.
	reached map[string]int64
}

func (o *outcomes) take(t *testing.T, f *finding.Finding) {
	t.Helper()
	full, err := finding.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Settled {
		o.early[f.ID] = f
		return
	}
	before, again := o.settled[f.ID]
	switch {
	case !again:
		o.settled[f.ID] = string(full)
		o.lines = append(o.lines, findingText(f))
		if o.leavesOut[f.Rule] {
			without := *f
			without.Offsets = nil
			o.lines[len(o.lines)-1] = findingText(&without)
		}
		checkSamples(t, f)
	case before != string(full):
		t.Fatalf("two findings have one id:\n%s\n%s", before, full)
	}
}

// checkSamples checks that every sample lies in one of the ranges.
func checkSamples(t *testing.T, f *finding.Finding) {
	t.Helper()
	for _, s := range f.Samples {
		if !slices.ContainsFunc(f.Offsets, func(r finding.OffsetRange) bool {
			return r.Topic == s.Topic && r.Partition == s.Partition && r.First <= s.Offset && s.Offset <= r.Last
		}) {
			t.Errorf("sample %v lies in none of the ranges %v", s, f.Offsets)
		}
	}
}

// evaluate runs stage 2 over one pane partition.
func (x *run) evaluate(partition int32, out *outcomes) {
	open := func() *Evaluator {
		e, err := NewEvaluator(EvaluatorOptions{
			Rules: x.set, Topics: Topics{ingest.Logs: {"in"}, ingest.Events: {"in"}}, Partition: partition,
			PanePartitions: x.paneParts, MeasureGroups: -1,
		})
		if err != nil {
			x.t.Fatal(err)
		}
		return e
	}
	e, store, committed := open(), map[string][]byte{}, 0
	for i := 0; i < len(x.panes[partition]); i++ {
		res, err := e.Apply(int64(i), x.panes[partition][i])
		if err != nil || len(res.Warnings) > 0 {
			x.t.Fatal(err, res.Warnings)
		}
		for _, f := range res.Findings {
			out.take(x.t, f)
		}
		if !x.disturbed {
			continue
		}
		if x.rnd.IntN(4) == 0 {
			for _, c := range e.Changes() {
				if store[string(c.Key)] = c.Value; c.Value == nil {
					delete(store, string(c.Key))
				}
			}
			committed = i + 1
		}
		if x.rnd.IntN(6) == 0 {
			e = open()
			for k, v := range store {
				if err := e.Restore([]byte(k), v); err != nil {
					x.t.Fatal(err)
				}
			}
			i = committed - 1
		}
	}
	for _, w := range e.Stats().Watermarks {
		out.reached[w.Rule] = w.EventTime
	}
	if late := e.Stats().LatePanes; late > 0 {
		x.t.Errorf("%d panes were late in stage 2", late)
	}
}

func TestSameFindingsAsOracle(t *testing.T) {
	cases := 400
	if testing.Short() {
		cases = 60
	}
	total, early := 0, 0
	for seed := range cases {
		f, e := sameness(t, uint64(seed))
		total, early = total+f, early+e
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d settled findings, %d early ones in %d cases", total, early, cases)
	if total < 10*cases || early < cases {
		t.Errorf("%d findings, %d early ones in %d cases: the cases test too little", total, early, cases)
	}
}

func sameness(t *testing.T, seed uint64) (settled, early int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 7))
	set := &rules.Set{Version: rnd.Uint64()}
	base := []time.Duration{time.Second, 5 * time.Second, time.Minute, time.Hour}[rnd.IntN(4)]
	for i := range 1 + rnd.IntN(5) {
		set.Rules = append(set.Rules, randomRule(rnd, i, base))
	}
	logs := randomLogs(rnd, base)
	var want []string
	for _, r := range set.Rules {
		want = append(want, oracleFindings(r, logs)...)
	}
	sort.Strings(want)
	x := &run{t: t, rnd: rnd, set: set, logs: logs, paneParts: int32(1 + rnd.IntN(3)), disturbed: seed%4 > 0}
	x.accumulate()
	out := &outcomes{settled: map[string]string{}, early: map[string]*finding.Finding{}, reached: map[string]int64{}, leavesOut: map[string]bool{}}
	for _, r := range set.Rules {
		out.leavesOut[r.Name] = leavesOut(r)
	}
	for p := range x.paneParts {
		x.evaluate(p, out)
	}
	sort.Strings(out.lines)
	compareLines(t, want, out.lines)
	for id, f := range out.early {
		if _, ok := out.settled[id]; !ok && f.WindowEnd.UnixNano() <= out.reached[f.Rule] {
			t.Errorf("the early finding %s of %s was never settled", id, f.WindowEnd)
		}
	}
	return len(out.lines), len(out.early)
}

func compareLines(t *testing.T, want, got []string) {
	t.Helper()
	missing, extra := difference(want, got), difference(got, want)
	if len(missing)+len(extra) == 0 {
		return
	}
	show := func(lines []string) string { return strings.Join(lines[:min(len(lines), 4)], "\n  ") }
	t.Errorf("%d findings wanted, %d got\nmissing %d:\n  %s\nnot wanted %d:\n  %s",
		len(want), len(got), len(missing), show(missing), len(extra), show(extra))
}

// difference returns the lines of a that b lacks, counting repetitions.
func difference(a, b []string) []string {
	counts := map[string]int{}
	for _, s := range b {
		counts[s]++
	}
	var out []string
	for _, s := range a {
		if counts[s]--; counts[s] < 0 {
			out = append(out, s)
		}
	}
	return out
}
