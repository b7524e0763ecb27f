package detect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// fleet is some processes, each with its own version of the rules, that share the partitions of an input and of the panes
// and give them to each other. What they do is as the loops of the stages would: what is not committed is done again.
type fleet struct {
	t         *testing.T
	rnd       *rand.Rand
	versions  []*rules.Set
	processes []int // the version of each
	inputs    []*fleetInput
	panes     []*fleetPanes
	found     []*finding.Finding
}

type fleetInput struct {
	partition      int32
	records        []ingest.Record
	arrivals       []int64
	owner, version int
	acc            *Accumulator
	next, offset   int // read so far, committed so far
	metadata       string
}

type fleetPanes struct {
	partition      int32
	log            [][]byte
	owner, version int
	eval           *Evaluator
	next, offset   int
	state          map[string][]byte
}

func newFleet(t *testing.T, rnd *rand.Rand, versions []*rules.Set, processes, panes int, inputs ...[]ingest.Record) *fleet {
	t.Helper()
	f := &fleet{t: t, rnd: rnd, versions: versions, processes: make([]int, processes)}
	for i, records := range inputs {
		f.inputs = append(f.inputs, &fleetInput{partition: int32(i), records: records, arrivals: fleetArrivals(records), owner: i % processes})
	}
	for i := range panes {
		f.panes = append(f.panes, &fleetPanes{partition: int32(i), owner: i % processes, state: map[string][]byte{}})
	}
	for _, in := range f.inputs {
		f.openInput(in)
	}
	for _, p := range f.panes {
		f.openPanes(p)
	}
	return f
}

func (f *fleet) openInput(in *fleetInput) {
	in.version = f.processes[in.owner]
	acc, err := NewAccumulator(AccumulatorOptions{
		Rules: f.versions[in.version], Source: Source{"logs", in.partition}, Partitions: int32(len(f.inputs)),
		PanePartitions: int32(len(f.panes)), ClockTolerance: 60 * sec,
	})
	if err == nil {
		err = acc.Restore(in.metadata)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	in.acc, in.next = acc, in.offset
}

func (f *fleet) openPanes(p *fleetPanes) {
	p.version = f.processes[p.owner]
	e, err := NewEvaluator(EvaluatorOptions{
		Rules: f.versions[p.version], Topics: Topics{ingest.Logs: {"logs"}}, Partition: p.partition, PanePartitions: int32(len(f.panes)),
	})
	for key, value := range p.state {
		if err == nil {
			err = e.Restore([]byte(key), value)
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
	p.eval, p.next = e, p.offset
}

func (f *fleet) read(in *fleetInput) {
	if in.next == len(in.records) {
		return
	}
	r := in.records[in.next]
	in.acc.Add(&ingest.Batch{Records: []ingest.Record{r}}, ingest.Origin{
		Topic: "logs", Partition: in.partition, Offset: int64(in.next), Timestamp: in.arrivals[in.next],
	})
	in.next++
}

// flush commits what an input has given.
func (f *fleet) flush(in *fleetInput) {
	for _, s := range in.acc.Take() {
		p := f.panes[s.PanePartition]
		p.log = append(p.log, s.Value)
	}
	in.offset, in.metadata = in.next, in.acc.Metadata()
}

func (f *fleet) apply(p *fleetPanes) {
	if p.next == len(p.log) {
		return
	}
	res, err := p.eval.Apply(int64(p.next), p.log[p.next])
	if err != nil {
		f.t.Fatal(err)
	}
	p.next++
	f.found = append(f.found, res.Findings...)
}

func (f *fleet) commit(p *fleetPanes) {
	for _, c := range p.eval.Changes() {
		if c.Value == nil {
			delete(p.state, string(c.Key))
		} else {
			p.state[string(c.Key)] = c.Value
		}
	}
	p.offset = p.next
}

// reload has a process go over to a version, as the pipeline does: stage 2 first.
func (f *fleet) reload(process, version int) {
	f.processes[process] = version
	for _, p := range f.panes {
		if p.owner == process {
			f.commit(p)
			f.openPanes(p)
		}
	}
	for _, in := range f.inputs {
		if in.owner == process {
			f.flush(in)
			f.openInput(in)
		}
	}
}

// drain has everything read and evaluated, and then idle until a time.
func (f *fleet) drain(until int64) {
	for _, in := range f.inputs {
		for in.next < len(in.records) {
			f.read(in)
		}
		f.flush(in)
		in.acc.Idle(until)
		f.flush(in)
	}
	for _, p := range f.panes {
		for p.next < len(p.log) {
			f.apply(p)
		}
	}
}

// settledText are the settled findings of a rule, each id once.
func (f *fleet) settledText(rule string) []string {
	var out []string
	seen := map[string]bool{}
	for _, x := range f.found {
		if x.Settled && x.Rule == rule && !seen[x.ID] {
			seen[x.ID] = true
			without := *x
			without.Explanation = nil // depends on how many rules there are
			out = append(out, findingText(&without))
		}
	}
	slices.Sort(out)
	return out
}

func namedRule(name string, id uint64, change func(r *rules.Rule)) *rules.Rule {
	r := errorRule()
	r.Name, r.ID, r.Interval, r.Window, r.Lateness = name, id, 5*time.Second, 20*time.Second, 5*time.Second
	change(r)
	return r
}

func few(n float64) *expr.Program {
	p := simple(countOf(nil), expr.Read{Stat: expr.StatCount}, false, n)
	p.ZeroOnEmpty = true
	return p
}

// fleetVersions are sets that share the first four rules; of the others each has some. All rules but one count records.
func fleetVersions() []*rules.Set {
	common := []*rules.Rule{
		namedRule("Many", 1, func(*rules.Rule) {}),
		namedRule("Few", 2, func(r *rules.Rule) { r.When = few(4) }),
		namedRule("FewArrive", 4, func(r *rules.Rule) { r.When, r.Arrival, r.Lateness = few(4), true, 0 }),
		namedRule("Lasting", 3, func(r *rules.Rule) { r.When, r.For, r.KeepFiringFor = few(6), 10*time.Second, 10*time.Second }),
	}
	comes := []*rules.Rule{
		namedRule("Arrive", 14, func(r *rules.Rule) { r.When, r.Arrival, r.Lateness = few(4), true, 0 }),
		namedRule("A", 11, func(r *rules.Rule) { r.When = few(5) }),
		namedRule("B", 12, func(r *rules.Rule) { r.When = few(3) }),
		namedRule("C", 13, func(r *rules.Rule) { // more than so many, which only grows
			r.When = simple(countOf(nil), expr.Read{Stat: expr.StatCount}, true, 7)
			r.When.Monotone, r.When.ZeroOnEmpty = true, true
		}),
	}
	set := func(version uint64, some ...int) *rules.Set {
		s := &rules.Set{Version: version, Rules: slices.Clone(common)}
		for _, i := range some {
			s.Rules = append(s.Rules, comes[i])
		}
		return s
	}
	return []*rules.Set{set(100, 0, 1, 3), set(101, 2), set(102, 0, 1, 2, 3), set(103, 3), set(104, 0, 1, 3), set(105, 0)}
}

// fleetRecords are those of a partition: services that send now more, now less, and a little out of order.
func fleetRecords(rnd *rand.Rand, seconds int) []ingest.Record {
	var out []ingest.Record
	for s := range seconds {
		for service := range 3 {
			if rnd.IntN(1000) < 250+200*((s/30+service)%3) {
				r := errorAt(fmt.Sprint("service-", service), max(0, float64(s)-3*rnd.Float64()))
				if rnd.IntN(2) == 0 {
					r.Severity = 9
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// fleetArrivals are the times at which records are written to Kafka: whole seconds, so that several are of one time.
func fleetArrivals(records []ingest.Record) []int64 {
	out, last := make([]int64, len(records)), int64(0)
	for i, r := range records {
		last = max(last, (r.Time/sec+1)*sec)
		out[i] = last
	}
	return out
}

// While processes change their rules one after the other, each when it likes, rules that all have find what they would
// without; what others find is true, and in the end all rules that are left are judged.
func TestRulesChangeAtDifferentTimes(t *testing.T) {
	cases := uint64(40)
	if testing.Short() || raced {
		cases = 20
	}
	firing, uncommon := 0, 0
	for seed := range cases {
		rnd := rand.New(rand.NewPCG(seed, 11))
		versions := fleetVersions()
		var inputs [][]ingest.Record
		for range 1 + rnd.IntN(3) {
			inputs = append(inputs, fleetRecords(rnd, 400))
		}
		panes := 1 + rnd.IntN(2)
		end := at0 + 900*sec
		calm := newFleet(t, rnd, versions[:1], 1, panes, inputs...)
		calm.drain(end)

		f := newFleet(t, rnd, versions, 1+rnd.IntN(3), panes, inputs...)
		f.disturb()
		last := rnd.IntN(len(versions))
		for process := range f.processes {
			f.reload(process, last)
		}
		f.drain(end)
		for _, rule := range []string{"Many", "Few", "FewArrive", "Lasting"} {
			compareLines(t, calm.settledText(rule), f.settledText(rule))
			firing += len(f.settledText(rule))
		}
		uncommon += f.checkTruth(inputs)
		for _, p := range f.panes {
			if n := p.eval.Stats().Waiting; n > 0 {
				t.Errorf("%d rules still wait", n)
			}
			for _, r := range p.eval.rules {
				if !r.started || r.held() || r.step < r.complete {
					t.Errorf("rule %s is not judged in the end: %+v", r.rule.Name, r.progress)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d, %d processes", seed, len(f.processes))
		}
	}
	t.Logf("%d settled findings of rules that stay, %d of rules that come and go, in %d cases", firing, uncommon, cases)
	if firing < 20*int(cases) || uncommon < 10*int(cases) {
		t.Error("the cases test too little")
	}
}

// disturb reads and evaluates most of the input while rules change, partitions move and processes crash.
func (f *fleet) disturb() {
	// All rules that stay have begun.
	for _, in := range f.inputs {
		f.read(in)
		f.flush(in)
	}
	for _, p := range f.panes {
		for p.next < len(p.log) {
			f.apply(p)
		}
		f.commit(p)
	}
	for range 3000 {
		in, p := f.inputs[f.rnd.IntN(len(f.inputs))], f.panes[f.rnd.IntN(len(f.panes))]
		switch n := f.rnd.IntN(1000); {
		case n < 500:
			f.read(in)
		case n < 650:
			f.flush(in)
		case n < 850:
			f.apply(p)
		case n < 950:
			f.commit(p)
		case n < 970:
			f.reload(f.rnd.IntN(len(f.processes)), f.rnd.IntN(len(f.versions)))
		case n < 980: // crashes: what is not committed is done again
			f.openInput(in)
		case n < 990:
			f.openPanes(p)
		case n < 995: // moves
			f.flush(in)
			in.owner = f.rnd.IntN(len(f.processes))
			f.openInput(in)
		default:
			f.commit(p)
			p.owner = f.rnd.IntN(len(f.processes))
			f.openPanes(p)
		}
	}
}

// checkTruth checks what rules that come and go found against all records, and returns how many findings there were.
func (f *fleet) checkTruth(inputs [][]ingest.Record) (n int) {
	f.t.Helper()
	for _, x := range f.found {
		if !x.Settled || x.Reason != "" || !slices.Contains([]string{"Arrive", "A", "B", "C"}, x.Rule) {
			continue
		}
		n++
		count := 0
		for _, records := range inputs {
			arrivals := fleetArrivals(records)
			for i := range records {
				at := time.Unix(0, records[i].Time)
				if x.Rule == "Arrive" {
					at = time.Unix(0, arrivals[i])
				}
				if records[i].Lookup("service.name").Text() == x.Labels.Get("service_name") && !at.Before(x.WindowStart) && at.Before(x.WindowEnd) {
					count++
				}
			}
		}
		switch got := int(*x.Value); {
		case x.Rule == "C": // is judged over its first windows too, of which less may have been read
			if got > count || (got > 7) != (x.State == finding.Firing) {
				f.t.Errorf("C is %s at %s with %d of %d records", x.State, x.WindowEnd, got, count)
			}
		case got != count:
			f.t.Errorf("%s is %s at %s with %d of %d records", x.Rule, x.State, x.WindowEnd, got, count)
		}
	}
	return n
}

// A rule that another process no longer has neither resolves nor fires for want of that process's records, also over a
// restart; when the other process has it again, it is judged from the first window on that was read whole.
func TestRuleThatASourceIsNotReadForIsHeld(t *testing.T) {
	many := namedRule("Many", 1, func(*rules.Rule) {})
	rare := namedRule("Rare", 2, func(r *rules.Rule) { r.When = few(2) })
	other := namedRule("Other", 3, func(r *rules.Rule) { r.When = few(0) }) // never
	for _, rest := range [][]*rules.Rule{{other}, nil} {
		holdAndRelease(t, newFleet(t, rand.New(rand.NewPCG(1, 1)), []*rules.Set{
			{Version: 100, Rules: []*rules.Rule{many, rare, other}}, {Version: 101, Rules: rest},
		}, 2, 1, []ingest.Record{errorAt("pay", 0)}, []ingest.Record{errorAt("pay", 1), errorAt("pay", 40), errorAt("pay", 102), errorAt("pay", 103)}), 3-len(rest))
	}
}

func holdAndRelease(t *testing.T, f *fleet, held int) {
	t.Helper()
	one, two, panes := f.inputs[0], f.inputs[1], f.panes[0]
	expect := func(want string) {
		t.Helper()
		f.commit(panes)
		f.openPanes(panes)
		for panes.next < len(panes.log) {
			f.apply(panes)
		}
		settled := slices.DeleteFunc(f.found, func(x *finding.Finding) bool { return !x.Settled })
		expectStory(t, Result{Findings: settled}, want)
		f.found = nil
	}
	idle := func(in *fleetInput, seconds int64) {
		f.flush(in)
		in.acc.Idle(at0 + seconds*sec)
		f.flush(in)
	}
	f.read(one)
	f.read(two)
	idle(one, 15)
	idle(two, 15)
	expect("pay firing at 5s value 2")
	f.reload(1, 1)
	f.read(two) // counts for Other at most
	idle(two, 60)
	idle(one, 60)
	expect("")
	if n := panes.eval.Stats().Waiting; n != held {
		t.Errorf("%d rules wait, expected %d", n, held)
	}
	f.reload(1, 0)
	idle(two, 70)
	idle(one, 70)
	// All that was read since 60 s is there, but no window is whole before 80 s.
	expect("")
	if n := panes.eval.Stats().Waiting; n != 0 {
		t.Errorf("%d rules wait though all is read for them again", n)
	}
	f.read(two)
	f.read(two)
	idle(two, 150)
	idle(one, 150)
	expect("pay resolved at 80s value 0; pay firing at 105s value 2; pay resolved at 125s value 0; " +
		"pay firing at 80s value 0; pay resolved at 105s value 2; pay firing at 125s value 0")
}
