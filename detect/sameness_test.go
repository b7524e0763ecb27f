package detect

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// run is one run of the whole detector over the logs, with flushes, interleaving and restarts at random.
type run struct {
	t         *testing.T
	rnd       *rand.Rand
	set       *rules.Set
	logs      []sourceLog
	paneParts int32
	panes     [][][]byte  // per pane partition, the values in order
	flushes   [][][]flush // beside panes: what each value was made of
	disturbed bool
}

// flush is what one source gave to one value of the panes topic: the messages from one to another, the end excluded.
type flush struct {
	source   int
	from, to int
	idle     bool // and that there are no more
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
	x.panes, x.flushes = make([][][]byte, x.paneParts), make([][][]flush, x.paneParts)
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
	var made []flush
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
				x.flushes[p] = append(x.flushes[p], made)
			}
		}
		batch, made = nil, nil
	}
	take := func(i int, r *reader) {
		batch = append(batch, r.acc.Take())
		made = append(made, flush{i, r.committed, r.next, r.idle})
		r.committed, r.metadata = r.next, r.acc.Metadata()
		if x.disturbed && x.rnd.IntN(8) == 0 {
			r.acc.Shed()
		}
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
			take(i, r)
		}
		if x.rnd.IntN(3) == 0 && !r.idle {
			take(i, r)
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
	case !again && f.Rule == TooManyGroups:
		o.settled[f.ID] = string(full)
		o.lines = append(o.lines, tooManyText(f))
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
		if x.rnd.IntN(8) == 0 {
			e.Shed()
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
		out.reached[w.Rule] = w.Time
	}
	if late := e.Stats().LatePanes; late > 0 {
		x.t.Errorf("%d panes were late in stage 2", late)
	}
}

func TestSameFindingsAsOracle(t *testing.T) {
	cases := 400
	if testing.Short() || raced {
		cases = 60
	}
	total, early, overflows, explained := 0, 0, 0, 0
	for seed := range cases {
		f, e, o, x := sameness(t, uint64(seed), randomRule)
		total, early, overflows, explained = total+f, early+e, overflows+o, explained+x
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d settled findings, %d early ones, %d about too many groups, %d explained in %d cases", total, early, overflows, explained, cases)
	if total < 10*cases || early < cases/3 || overflows < cases/2 || explained < cases/2 {
		t.Errorf("%d findings, %d early ones, %d about too many groups, %d explained in %d cases: the cases test too little",
			total, early, overflows, explained, cases)
	}
}

func sameness(t *testing.T, seed uint64, rule func(*rand.Rand, int, time.Duration) *rules.Rule) (settled, early, overflows, explained int) {
	t.Helper()
	lines, early := samenessLines(t, seed, rule)
	for _, line := range lines {
		if strings.HasPrefix(line, TooManyGroups) {
			overflows++
		}
		if strings.Contains(line, `"explanation"`) {
			explained++
		}
	}
	return len(lines), early, overflows, explained
}

// samenessLines returns the settled findings of one case, as the oracle and the detector have them, and how many early ones
// there were.
func samenessLines(t *testing.T, seed uint64, rule func(*rand.Rand, int, time.Duration) *rules.Rule) (lines []string, early int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 7))
	set := &rules.Set{Version: rnd.Uint64()}
	base := []time.Duration{time.Second, 5 * time.Second, time.Minute, time.Hour}[rnd.IntN(4)]
	for i := range 1 + rnd.IntN(5) {
		r := rule(rnd, i, base)
		set.Rules = append(set.Rules, r)
		if rnd.IntN(3) == 0 {
			set.Rules = append(set.Rules, sibling(rnd, r))
		}
	}
	logs := randomLogs(rnd, base)
	x := &run{t: t, rnd: rnd, set: set, logs: logs, paneParts: int32(1 + rnd.IntN(3)), disturbed: seed%4 > 0}
	x.accumulate()
	var want []string
	for _, r := range set.Rules {
		if r.MaxGroups > 0 {
			want = append(want, x.oracleOfFew(r)...)
			continue
		}
		want = append(want, x.oracleFindings(r)...)
	}
	sort.Strings(want)
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
	return out.lines, len(out.early)
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
