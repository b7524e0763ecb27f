package detect

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

const (
	// markerEvery is the most event time, in nanoseconds, between two markers of a partition.
	markerEvery = int64(time.Second)
	// sweepEvery and keepGroup say how often, in event time, idle groups are looked for and how long one is kept.
	// keepPane is how long a pane is at hand after its end. A record that comes later, within the lateness, opens it
	// anew: what a pane still knows after it was written only saves bytes, and catching up holds many.
	sweepEvery = int64(10 * time.Second)
	keepGroup  = int64(time.Minute)
	keepPane   = int64(5 * time.Second)
	// maxTallyGroups bounds the groups that one rule keeps interned beyond a flush.
	maxTallyGroups = 1 << 16
)

// Accumulator is stage 1 for one input partition: it matches records against the rules and adds them to panes. It is
// used by one goroutine. The order of use is Restore once, then any number of Add and Idle, and Take with Metadata for
// each flush.
type Accumulator struct {
	opts    AccumulatorOptions
	tallies []*tally
	index   [signals]index // by signal
	classes []*keyClass
	profile *profiler
	// boundaries are the different (interval, lateness) of the rules: a marker is due when event time crosses one.
	boundaries []boundary

	start   int64 // see Marker.Start
	started bool
	high    int64 // highest event time of a record, math.MinInt64 before the first
	idle    int64 // latest time at which the partition was idle, math.MinInt64 before the first

	marked    int64 // event time of the last marker
	hasMarked bool
	swept     int64

	pending int
	stats   accumulatorStats

	bodies [][]byte // per pane partition, reused
	blocks [][]byte
	cells  [][]byte
	touch  []int32
}

// signals is the number of signals, the unknown one included.
const signals = ingest.Findings + 1

type boundary struct{ interval, lateness int64 }

// NewAccumulator returns the accumulator of one input partition. It fails on a rule that cannot be: no condition, no
// interval, an aggregate of unknown kind.
func NewAccumulator(opts AccumulatorOptions) (*Accumulator, error) {
	if opts.Rules == nil {
		return nil, errors.New("accumulator: no rules given")
	}
	opts.PanePartitions = max(opts.PanePartitions, 1)
	opts.Partitions = max(opts.Partitions, 1)
	a := &Accumulator{
		opts: opts, high: math.MinInt64, idle: math.MinInt64, start: math.MinInt64,
		bodies: make([][]byte, opts.PanePartitions), blocks: make([][]byte, opts.PanePartitions),
		cells: make([][]byte, opts.PanePartitions), profile: newProfiler(opts.Source, len(opts.Rules.Rules)),
		stats: newAccumulatorStats(),
	}
	input := cmp.Or(opts.Input, opts.Source.Topic)
	classes := map[string]*keyClass{}
	seen := map[boundary]bool{}
	byPanes := map[uint64][]*tally{}
	for _, r := range opts.Rules.Rules {
		if r.From == ingest.Events && r.Topic != "" && r.Topic != input {
			continue
		}
		same := byPanes[r.Panes]
		if i := slices.IndexFunc(same, func(t *tally) bool { return t.shared(r) }); i >= 0 {
			if err := checkRule(r); err != nil {
				return nil, err
			}
			same[i].rules = append(same[i].rules, r)
			continue
		}
		text := byText(r.By)
		class := classes[text]
		if class == nil {
			class = &keyClass{by: r.By}
			classes[text] = class
			a.classes = append(a.classes, class)
		}
		t, err := newTally(r, class, a.profile, explain.NewPlan(len(opts.Rules.Rules), choosy(r)), opts.PanePartitions)
		if err != nil {
			return nil, err
		}
		a.tallies = append(a.tallies, t)
		byPanes[r.Panes] = append(byPanes[r.Panes], t)
		if r.From < signals {
			a.index[r.From].add(t)
		}
		if b := (boundary{t.interval, t.lateness}); !seen[b] {
			seen[b] = true
			a.boundaries = append(a.boundaries, b)
		}
	}
	return a, nil
}

// eventTime returns how far the partition is in event time; ok is false when nothing was read and it never was idle.
func (a *Accumulator) eventTime() (t int64, ok bool) {
	t = max(a.high, a.idle)
	return t, t != math.MinInt64
}

// Add takes the records of one Kafka message. Nothing of the batch is kept. It allocates only where it meets a new
// group or pane.
func (a *Accumulator) Add(batch *ingest.Batch, origin ingest.Origin) {
	a.profile.begin(&origin, len(batch.Records))
	for i := range batch.Records {
		a.add(&batch.Records[i], &origin)
	}
	a.stats.serve(batch.Records)
}

func (a *Accumulator) add(r *ingest.Record, origin *ingest.Origin) {
	a.stats.records[min(r.Signal, signals-1)]++
	t := r.Time
	if t == 0 {
		t = origin.Timestamp
	}
	// Without a Kafka timestamp (very old message formats) there is nothing to hold the record's clock against.
	if !sane(t) || (origin.Timestamp > 0 && t > origin.Timestamp+a.opts.ClockTolerance) {
		a.stats.ahead.add(r, 1)
		return
	}
	if !a.started {
		a.begin(t, origin.Offset)
	}
	for _, c := range a.classes {
		c.next()
	}
	a.profile.record(r)
	reached, known := a.eventTime()
	if !known {
		reached = t
	}
	late := false
	if r.Signal >= signals {
		return
	}
	for _, tallies := range a.index[r.Signal].find(r) {
		for _, tally := range tallies {
			switch tally.add(r, origin, t, reached) {
			case tallyLate:
				late = true
			case tallyFirst:
				a.pending++
			case tallyNothing, tallyTaken:
			}
		}
	}
	if late {
		a.stats.late.add(r, 1)
	}
	if t > a.high {
		a.high = t
	}
}

// begin notes where reading started. Before the first record of a partition there is nothing, so every window is
// complete; elsewhere windows are complete from the first record's time on.
func (a *Accumulator) begin(t, offset int64) {
	a.started = true
	if offset > 0 {
		a.start = t
	}
}

// Idle says that at the given time (Unix nanoseconds) the partition had been read to its end: event time follows.
func (a *Accumulator) Idle(at int64) {
	if !sane(at) {
		return
	}
	// A partition that is idle before its first record holds nothing from its starting point on.
	a.started = true
	a.idle = max(a.idle, at)
}

// Pending returns how many panes wait to be taken: a flush is worth while when it grows large.
func (a *Accumulator) Pending() int { return a.pending }

// Take hands over everything since the last call, at most one section per pane partition. It is empty when there is
// nothing to say. The values are the caller's.
func (a *Accumulator) Take() []Section {
	for _, t := range a.tallies {
		a.takeTally(t)
	}
	a.pending = 0
	due := a.markerDue()
	var sections []Section
	if due || len(a.touch) > 0 {
		sections = a.sections(due)
	}
	for _, p := range a.touch {
		a.bodies[p] = a.bodies[p][:0]
	}
	a.touch = a.touch[:0]
	a.sweep()
	return sections
}

// takeTally moves the rule's panes into the bodies of their pane partitions.
func (a *Accumulator) takeTally(t *tally) {
	for _, g := range t.dirty {
		p := g.partition
		a.blocks[p] = t.appendGroup(a.blocks[p], g)
	}
	for _, c := range t.dirtyCells {
		a.cells[c.partition] = t.appendCell(a.cells[c.partition], c)
	}
	for _, g := range t.dirty {
		a.takeBlock(t, g.partition)
	}
	for _, c := range t.dirtyCells {
		a.takeBlock(t, c.partition)
	}
	t.dirty, t.dirtyCells = t.dirty[:0], t.dirtyCells[:0]
}

// takeBlock moves what the rule has for a pane partition into its body, the first time that it is called.
func (a *Accumulator) takeBlock(t *tally, p int32) {
	if len(a.blocks[p])+len(a.cells[p]) == 0 {
		return
	}
	if len(a.bodies[p]) == 0 {
		a.touch = append(a.touch, p)
	}
	a.bodies[p] = appendRules(a.bodies[p], t.rules)
	a.bodies[p] = appendSized(a.bodies[p], a.blocks[p])
	a.bodies[p] = appendSized(a.bodies[p], a.cells[p])
	a.blocks[p], a.cells[p] = a.blocks[p][:0], a.cells[p][:0]
}

func (a *Accumulator) sections(due bool) []Section {
	h := sectionHead{source: a.opts.Source, hasMarker: due}
	if due {
		reached, _ := a.eventTime()
		h.marker = Marker{
			Partitions: a.opts.Partitions, EventTime: reached, Start: a.start, Rules: a.opts.Rules.Version,
		}
	}
	head := appendHead(nil, &h)
	if due {
		// Who evaluates other rules learns which of its own are not read here.
		if !a.hasMarked {
			head = appendSet(head, a.opts.Rules)
		}
		a.marked, a.hasMarked = h.marker.EventTime, true
	}
	if !due {
		sections := make([]Section, 0, len(a.touch))
		for _, p := range a.touch {
			sections = append(sections, Section{p, appendSection(nil, head, a.bodies[p])})
		}
		return sections
	}
	sections := make([]Section, len(a.bodies))
	for p := range a.bodies {
		sections[p] = Section{int32(p), appendSection(nil, head, a.bodies[p])}
	}
	return sections
}

// markerDue says whether stage 2 has something to learn from a marker: a pane of some rule may be complete, or a second
// has passed.
func (a *Accumulator) markerDue() bool {
	reached, ok := a.eventTime()
	switch {
	case !ok || (a.hasMarked && reached == a.marked):
		return false
	case !a.hasMarked || reached-a.marked >= markerEvery:
		return true
	}
	for _, b := range a.boundaries {
		if floorDiv(reached-b.lateness, b.interval) != floorDiv(a.marked-b.lateness, b.interval) {
			return true
		}
	}
	return false
}

// sweep lets go of panes that are complete and of groups that have been quiet.
func (a *Accumulator) sweep() {
	reached, ok := a.eventTime()
	due := ok && (reached-a.swept >= sweepEvery || a.swept > reached)
	for _, t := range a.tallies {
		if due {
			t.sweepCells(reached)
		}
		switch {
		case len(t.groups) > maxTallyGroups:
			t.forget()
		case due:
			t.sweep(reached)
		}
	}
	if due {
		a.swept = reached
	}
}

// newPane returns an empty pane for the aggregates of a rule.
func newPane(r *rules.Rule) (*pane.Pane, error) { return pane.NewPane(kindsOf(r)) }
