package detect

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// tally is what stage 1 holds of one rule, or of several whose panes are the same.
type tally struct {
	rule               *rules.Rule   // the first of them
	rules              []*rules.Rule // all of them
	aggregates         []expr.Aggregate
	clock              window.Clock
	interval, lateness int64
	class              *keyClass
	partitions         int32 // of freshet.panes
	// everyRecord: also a record that no aggregate takes makes its group known. See needsEveryRecord.
	everyRecord bool
	profiler    *profiler
	plan        explain.Plan
	// evidence says, per aggregate, whether a record that it takes is evidence for the rule.
	evidence []bool

	groups map[string]*tallyGroup
	// hand is the group of the run of records in hand; see keyClass.
	hand struct {
		run   uint64
		group *tallyGroup
	}
	dirty                        []*tallyGroup
	free                         []*tallyPane
	cells, dirtyCells, freeCells []*cell
	// What the record in hand gives, per aggregate.
	taken   []bool
	values  []ingest.Value
	scratch []byte
	buckets []pane.Bucket

	selected, matched, unmatched, late uint64
}

// tallyGroup is one group, interned; panes are its open ones, the most recently used last.
type tallyGroup struct {
	key       string
	partition int32
	dirty     bool
	used      int64 // highest pane start
	panes     []*tallyPane
}

type tallyPane struct {
	start, end int64 // end excluded
	dirty      bool
	pane       *pane.Pane
	// cell has the samples of the step, nil before the first record that may enter. A record may while its hash is below
	// the limit.
	cell  *cell
	limit uint64
}

// maxSparePanes is how many panes a rule keeps for reuse beyond one for each group.
const maxSparePanes = 1024

// outcome says what became of a record.
type outcome uint8

const (
	tallyNothing outcome = iota // it does not belong to the rule
	tallyLate                   // it came too late
	tallyTaken
	tallyFirst // taken, the first of its pane since the last flush
)

func newTally(r *rules.Rule, class *keyClass, p *profiler, plan explain.Plan, partitions int32) (*tally, error) {
	if err := checkRule(r); err != nil {
		return nil, err
	}
	n := len(r.When.Aggregates)
	return &tally{
		rule: r, rules: []*rules.Rule{r}, aggregates: r.When.Aggregates, clock: clockOf(r), interval: int64(r.Interval), lateness: int64(r.Lateness),
		class: class, partitions: partitions, profiler: p, plan: plan,
		everyRecord: needsEveryRecord(r), evidence: evidenceOf(r.When.Aggregates),
		groups: map[string]*tallyGroup{}, taken: make([]bool, n), values: make([]ingest.Value, n),
	}, nil
}

// panesOf returns what the panes of a rule are known by.
func panesOf(r *rules.Rule) uint64 { return cmp.Or(r.Panes, r.ID) }

// shared says whether the panes of a rule are those of the tally.
func (t *tally) shared(r *rules.Rule) bool {
	return r.Panes != 0 && r.Panes == t.rule.Panes && needsEveryRecord(r) == t.everyRecord
}

// checkRule says what would make a rule impossible to run; the rule loader gives no such rule.
func checkRule(r *rules.Rule) error {
	switch {
	case r.When == nil || len(r.When.Conditions) == 0:
		return fmt.Errorf("rule %s: no condition", r.Name)
	case r.Interval <= 0:
		return fmt.Errorf("rule %s: interval is %s, expected more than 0", r.Name, r.Interval)
	case r.Window <= 0:
		return fmt.Errorf("rule %s: window is %s, expected more than 0", r.Name, r.Window)
	}
	for _, read := range r.When.Reads {
		if read.Aggregate < 0 || read.Aggregate >= len(r.When.Aggregates) {
			return fmt.Errorf("rule %s: condition reads aggregate %d of %d", r.Name, read.Aggregate, len(r.When.Aggregates))
		}
	}
	_, err := newPane(r)
	if err != nil {
		return fmt.Errorf("rule %s: %w", r.Name, err)
	}
	return nil
}

func kindsOf(r *rules.Rule) []pane.Kind {
	kinds := make([]pane.Kind, len(r.When.Aggregates))
	for i := range r.When.Aggregates {
		kinds[i] = kindOf(r.When.Aggregates[i].Func)
	}
	return kinds
}

func kindOf(f expr.Func) pane.Kind {
	switch f {
	case expr.Count:
		return pane.KindCount
	case expr.Moments:
		return pane.KindMoments
	case expr.Min:
		return pane.KindMin
	case expr.Max:
		return pane.KindMax
	case expr.Last:
		return pane.KindLast
	case expr.Distinct:
		return pane.KindDistinct
	case expr.Sketch:
		return pane.KindSketch
	case expr.Counter:
		return pane.KindCounter
	case expr.Histogram:
		return pane.KindHistogram
	case expr.SeriesLast:
		return pane.KindSeriesLast
	case expr.SeriesAvg:
		return pane.KindSeriesAvg
	case expr.SeriesMin:
		return pane.KindSeriesMin
	case expr.SeriesMax:
		return pane.KindSeriesMax
	case expr.Sequence:
		return pane.KindSequence
	case expr.Values:
		return pane.KindValues
	default:
		return 0
	}
}

// needsEveryRecord says whether a group must be known by any record that `where` lets through, even one that no
// aggregate takes. That is so where a silent known group is judged as zero (count(p) < 5), but not where such a
// judgement can never matter: a condition that only becomes more true with records and is false without any.
func needsEveryRecord(r *rules.Rule) bool {
	p := r.When
	switch {
	case r.Missing() == rules.MissingFire || r.NewGroupDelay > 0:
		return true
	case r.Missing() != rules.MissingZero:
		return false
	case !p.Monotone || len(p.Models) > 0:
		return true
	default:
		f := &expr.Frame{Reads: make([]float64, len(p.Reads)), By: make([]ingest.Value, len(r.By))}
		return p.Holding(f) >= 0
	}
}

// evidenceOf says which aggregates make a record evidence: those that choose among records, by filter or by argument,
// where there are any, else all. So the samples of count(error) / count() > 0.1 are errors.
func evidenceOf(aggregates []expr.Aggregate) []bool {
	evidence := make([]bool, len(aggregates))
	chooses := false
	for i, a := range aggregates {
		evidence[i] = a.Filter != nil || a.Arg != nil
		chooses = chooses || evidence[i]
	}
	if !chooses {
		for i := range evidence {
			evidence[i] = true
		}
	}
	return evidence
}

// add adds a record of time at to its pane, when the partition has reached the time reached, both by the rule's clock.
func (t *tally) add(r *ingest.Record, origin *ingest.Origin, at, reached int64) outcome {
	if t.rule.Where != nil && !t.rule.Where(r) {
		return tallyNothing
	}
	t.selected++
	if t.profiler.chosen {
		t.sampleAll(r, at, reached)
	}
	taken, evidence := t.measure(r)
	if !taken && !t.everyRecord {
		return tallyNothing
	}
	key, run, ok := t.class.of(r)
	if !ok {
		t.unmatched++
		return tallyNothing
	}
	if t.closed(at, reached) {
		t.late++
		return tallyLate
	}
	t.matched++
	if t.hand.run != run || t.hand.group == nil {
		t.hand.run, t.hand.group = run, t.groupOf(key)
	}
	g := t.hand.group
	p := t.paneOf(g, at)
	t.apply(p.pane, r, origin, at, evidence)
	if evidence && t.profiler.hash < p.limit {
		t.sampleMatching(g, p, key, r)
	}
	if p.dirty {
		return tallyTaken
	}
	p.dirty = true
	if !g.dirty {
		g.dirty = true
		t.dirty = append(t.dirty, g)
	}
	return tallyFirst
}

func (t *tally) groupOf(key []byte) *tallyGroup {
	g := t.groups[string(key)]
	if g == nil {
		g = &tallyGroup{key: string(key), partition: t.partitionOf(key)}
		t.groups[g.key] = g
	}
	return g
}

// closed says whether the pane of a time is closed: the partition's own has passed its end by the lateness.
func (t *tally) closed(at, reached int64) bool {
	end := reached - t.lateness
	return at < end && (floorDiv(at, t.interval)+1)*t.interval <= end
}

// measure asks every aggregate whether it takes the record, and for which value.
func (t *tally) measure(r *ingest.Record) (taken, evidence bool) {
	for i := range t.aggregates {
		a := &t.aggregates[i]
		ok := a.Filter == nil || a.Filter(r)
		if ok && a.Arg != nil {
			v := a.Arg(r)
			t.values[i] = v
			ok = usable(a.Func, v) || a.Func == expr.Histogram && v.Kind != ingest.Missing && hasBuckets(r.Point)
		}
		t.taken[i] = ok
		taken = taken || ok
		evidence = evidence || (ok && t.evidence[i])
	}
	return taken, evidence
}

// usable says whether an aggregate takes a value.
func usable(f expr.Func, v ingest.Value) bool {
	switch f {
	case expr.Count:
		return true
	case expr.Last, expr.Distinct, expr.Sequence, expr.Values:
		return v.Kind != ingest.Missing
	case expr.Moments, expr.Min, expr.Max, expr.Sketch, expr.Counter, expr.Histogram, expr.SeriesLast, expr.SeriesAvg, expr.SeriesMin, expr.SeriesMax:
		x, ok := v.Number()
		return ok && !math.IsNaN(x)
	default:
		return false
	}
}

// paneOf returns the open pane of a time and moves it to the end of the list, where it is found at once.
func (t *tally) paneOf(g *tallyGroup, at int64) *tallyPane {
	last := len(g.panes) - 1
	for i := last; i >= 0; i-- {
		if p := g.panes[i]; at >= p.start && at < p.end {
			g.panes[i], g.panes[last] = g.panes[last], p
			return p
		}
	}
	var p *tallyPane
	if n := len(t.free); n > 0 {
		p, t.free = t.free[n-1], t.free[:n-1]
	} else {
		// The kinds were checked when the tally was made.
		empty, _ := newPane(t.rule)
		p = &tallyPane{pane: empty}
	}
	p.start = floorDiv(at, t.interval) * t.interval
	p.end = p.start + t.interval
	p.cell, p.limit = nil, noLimit
	g.used = max(g.used, p.start)
	g.panes = append(g.panes, p)
	return p
}

// apply gives the record in hand to the aggregates that take it.
func (t *tally) apply(p *pane.Pane, r *ingest.Record, origin *ingest.Origin, at int64, evidence bool) {
	for i, taken := range t.taken {
		if taken {
			t.give(p.Aggregates[i], i, r, origin, at)
		}
	}
	if !evidence {
		return
	}
	e := &p.Evidence
	e.Add(0, at, origin.Offset)
	if !e.Wants(at) {
		return
	}
	s := e.Sample(pane.Sample{Time: at, Offset: origin.Offset, Index: int32(r.Index)}, nil)
	if s != nil {
		s.Trace = append(s.Trace, cut(r.TraceID, pane.MaxText)...)
		s.Text = appendText(s.Text, r)
	}
}

func (t *tally) give(a pane.Aggregate, i int, r *ingest.Record, origin *ingest.Origin, at int64) {
	switch a := a.(type) {
	case *pane.Count:
		a.Add()
	case *pane.Moments:
		a.Add(number(t.values[i]))
	case *pane.Min:
		a.Add(number(t.values[i]))
	case *pane.Max:
		a.Add(number(t.values[i]))
	case *pane.Sketch:
		a.Add(number(t.values[i]))
	case *pane.Last:
		a.Add(placeOf(r, origin, at), number(t.values[i]))
	case *pane.Counter:
		if r.Point != nil && r.Point.Delta() {
			a.Delta.Add(number(t.values[i]))
			return
		}
		a.Add(t.profiler.seriesOf(r), pane.CounterPoint{Place: pointOf(r, origin), Start: startOf(r), Value: number(t.values[i])})
	case *pane.Histogram:
		t.giveHistogram(a, i, r, origin)
	case *pane.Series:
		t.giveSeries(a, i, r, origin, at)
	case *pane.Distinct:
		t.scratch = t.values[i].AppendText(t.scratch[:0])
		a.Add(xxhash.Sum64(t.scratch))
	case *pane.Values:
		t.scratch = t.values[i].AppendText(t.scratch[:0])
		a.Add(xxhash.Sum64(t.scratch))
	case *pane.Sequence:
		what := t.values[i].Int()
		if what&expr.SequenceFirst != 0 {
			a.Add(placeOf(r, origin, at))
		}
		if what&expr.SequenceSecond != 0 {
			a.End(placeOf(r, origin, at))
		}
	}
}

// number returns a value as a double: true is 1, and what is no number is NaN.
func number(v ingest.Value) float64 {
	if v.Kind == ingest.Bool {
		if v.Bool() {
			return 1
		}
		return 0
	}
	x, _ := v.Number()
	return x
}

// appendGroup appends the group's panes as entries of a block and leaves them empty.
func (t *tally) appendGroup(b []byte, g *tallyGroup) []byte {
	g.dirty = false
	for _, p := range g.panes {
		if !p.dirty {
			continue
		}
		p.dirty = false
		b = binary.AppendUvarint(b, uint64(len(g.key)))
		b = append(b, g.key...)
		b = binary.AppendVarint(b, floorDiv(p.start, t.interval))
		t.scratch = p.pane.Append(t.scratch[:0], p.start)
		b = binary.AppendUvarint(b, uint64(len(t.scratch)))
		b = append(b, t.scratch...)
		p.pane.Flushed()
	}
	return b
}

// sweep lets go of panes that are over and of quiet groups. All groups are clean when it is called.
func (t *tally) sweep(reached int64) {
	t.hand.group = nil
	keep := min(t.lateness, keepPane)
	for key, g := range t.groups {
		kept := g.panes[:0]
		for _, p := range g.panes {
			if p.end+keep > reached {
				kept = append(kept, p)
				continue
			}
			p.pane.Reset()
			p.cell = nil
			t.free = append(t.free, p)
		}
		clear(g.panes[len(kept):])
		g.panes = kept
		if len(kept) == 0 && g.used+t.lateness+keepGroup < reached {
			delete(t.groups, key)
		}
	}
	// Panes are kept for reuse: all that one sweep lets go of where they are few, about as many as the groups otherwise.
	if spare := len(t.groups) + maxSparePanes; len(t.free) > spare {
		clear(t.free[spare:])
		t.free = t.free[:spare]
	}
}

// forget lets go of all groups: their deltas are written, and what they still know only saves bytes.
func (t *tally) forget() {
	t.hand.group = nil
	clear(t.groups)
	clear(t.free)
	t.free = t.free[:0]
}
