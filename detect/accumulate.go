package detect

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

const (
	// markerEvery is the most time of records, in nanoseconds, between two markers of a partition.
	markerEvery = int64(time.Second)
	// sweepEvery and keepGroup say how often, in time of records, idle groups are looked for and how long one is kept.
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
	opts      AccumulatorOptions
	tallies   []*tally
	index     [signals]index // by signal
	classes   []*keyClass
	profile   *profiler
	clocks    [window.Clocks]course
	now       [window.Clocks]moment // of the record in hand
	idle      int64                 // latest time at which the partition was idle, math.MinInt64 before the first
	hasMarked bool
	// asked says for each signal and clock whether some rule reads the signal by the clock.
	asked [signals][window.Clocks]bool

	pending int
	stats   accumulatorStats

	bodies [][]byte // per pane partition, reused
	blocks [][]byte
	cells  [][]byte
	touch  []int32
}

// signals is the number of signals, the unknown one included.
const signals = ingest.Findings + 1

// NewAccumulator returns the accumulator of one input partition. It fails on a rule that cannot be: no condition, no
// interval, an aggregate of unknown kind.
func NewAccumulator(opts AccumulatorOptions) (*Accumulator, error) {
	if opts.Rules == nil {
		return nil, errors.New("accumulator: no rules given")
	}
	opts.PanePartitions = max(opts.PanePartitions, 1)
	opts.Partitions = max(opts.Partitions, 1)
	a := &Accumulator{
		opts: opts, clocks: [...]course{newCourse(), newCourse()}, idle: math.MinInt64,
		bodies: make([][]byte, opts.PanePartitions), blocks: make([][]byte, opts.PanePartitions),
		cells: make([][]byte, opts.PanePartitions), profile: newProfiler(opts.Source, len(opts.Rules.Rules)),
		stats: newAccumulatorStats(),
	}
	input := cmp.Or(opts.Input, opts.Source.Topic)
	classes := map[string]*keyClass{}
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
		byPanes[r.Panes] = append(byPanes[r.Panes], t)
		a.enter(t)
	}
	if len(a.tallies) == 0 {
		a.clocks[window.EventTime].needed = true // how far it is shows all the same
	}
	return a, nil
}

// enter has a tally take part in what is read.
func (a *Accumulator) enter(t *tally) {
	a.tallies = append(a.tallies, t)
	if t.rule.From < signals {
		a.index[t.rule.From].add(t)
		a.asked[t.rule.From][t.clock] = true
	}
	c := &a.clocks[t.clock]
	c.needed = true
	if b := (boundary{t.interval, t.lateness}); !slices.Contains(c.boundaries, b) {
		c.boundaries = append(c.boundaries, b)
	}
}

// reached returns how far the partition is by a clock, math.MinInt64 while that is not known.
func (a *Accumulator) reached(clock window.Clock) int64 { return max(a.clocks[clock].high, a.idle) }

// Add takes the records of one Kafka message. Nothing of the batch is kept. It allocates only where it meets a new
// group or pane.
func (a *Accumulator) Add(batch *ingest.Batch, origin ingest.Origin) {
	a.profile.begin(&origin, len(batch.Records))
	if len(batch.Records) > 0 {
		a.arrive(origin.Timestamp, origin.Offset)
	}
	for i := range batch.Records {
		a.add(&batch.Records[i], &origin)
	}
	a.stats.serve(batch.Records)
}

func (a *Accumulator) add(r *ingest.Record, origin *ingest.Origin) {
	signal := min(r.Signal, signals-1)
	a.stats.records[signal]++
	a.tell(r, origin)
	if a.now[window.EventTime].out {
		byArrival := a.asked[signal][window.ArrivalTime]
		if a.asked[signal][window.EventTime] || !byArrival {
			a.stats.ahead.add(r, 1)
		}
		if !byArrival {
			return
		}
	}
	for _, c := range a.classes {
		c.next()
	}
	a.profile.record(r)
	late := false
	if r.Signal >= signals {
		return
	}
	for _, tallies := range a.index[r.Signal].find(r) {
		for _, tally := range tallies {
			m := &a.now[tally.clock]
			if m.out {
				continue
			}
			switch tally.add(r, origin, m.at, m.reached) {
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
}

// tell notes the event time of a record; it is out of time when its clock is ahead.
func (a *Accumulator) tell(r *ingest.Record, origin *ingest.Origin) {
	now := &a.now[window.EventTime]
	at := r.Time
	if at == 0 {
		at = origin.Timestamp
	}
	// Without a Kafka timestamp (very old message formats) there is nothing to hold the record's clock against.
	if origin.Timestamp <= 0 {
		a.arrive(at, origin.Offset)
	}
	if now.out = !sane(at) || (origin.Timestamp > 0 && at > origin.Timestamp+a.opts.ClockTolerance); now.out {
		return
	}
	a.clocks[window.EventTime].pass(now, at, origin.Offset, a.idle)
}

// arrive notes an arrival time.
func (a *Accumulator) arrive(at, offset int64) {
	now := &a.now[window.ArrivalTime]
	if now.out = at <= 0 || !sane(at); !now.out {
		a.clocks[window.ArrivalTime].pass(now, at, offset, a.idle)
	}
}

// Idle says that at the given time (Unix nanoseconds) the partition had been read to its end: time follows, by each clock.
func (a *Accumulator) Idle(at int64) {
	if !sane(at) {
		return
	}
	// A partition that is idle before its first record holds nothing from its starting point on.
	for c := range a.clocks {
		a.clocks[c].started = true
	}
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
		h.marker = Marker{Partitions: a.opts.Partitions, Rules: a.opts.Rules.Version}
		for c := range a.clocks {
			reached := a.reached(window.Clock(c))
			h.marker.Read[c] = window.Extent{Time: reached, Start: a.clocks[c].start}
			a.clocks[c].marked = reached
		}
	}
	head := appendHead(nil, &h)
	if due && !a.hasMarked {
		// Who evaluates other rules learns which of its own are not read here.
		head = appendSet(head, a.opts.Rules)
		a.hasMarked = true
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

// markerDue says whether stage 2 has something to learn from a marker.
func (a *Accumulator) markerDue() bool {
	for c := range a.clocks {
		if a.clocks[c].due(a.reached(window.Clock(c))) {
			return true
		}
	}
	return false
}

// sweep lets go of panes that are complete and of groups that have been quiet.
func (a *Accumulator) sweep() {
	var due [window.Clocks]bool
	for c := range a.clocks {
		due[c] = a.clocks[c].sweepDue(a.reached(window.Clock(c)))
	}
	for _, t := range a.tallies {
		if due[t.clock] {
			t.sweepCells(a.reached(t.clock))
		}
		switch {
		case len(t.groups) > maxTallyGroups:
			t.forget()
		case due[t.clock]:
			t.sweep(a.reached(t.clock))
		}
	}
}

// newPane returns an empty pane for the aggregates of a rule.
func newPane(r *rules.Rule) (*pane.Pane, error) { return pane.NewPane(kindsOf(r)) }
