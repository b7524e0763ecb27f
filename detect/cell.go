package detect

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// cell is the samples of one rule, one step and one pane partition, from which explanations are made: however many
// groups there are, a cell is bounded.
type cell struct {
	start, end    int64 // end excluded
	partition     int32
	dirty         bool
	matching, all explain.Sample
}

// profiler is what the rules of an accumulator share of the record in hand: its attributes are written once for all.
type profiler struct {
	explain.Profile
	hasher  explain.Hasher
	plan    explain.Plan
	message uint64
	choice  explain.Choice
	hash    uint64 // of the record in hand
	chosen  bool   // it stands for its message in the samples of all records
	series  seriesHash
}

func newProfiler(src Source, rules int) *profiler {
	return &profiler{hasher: explain.NewHasher(src.Topic, src.Partition), plan: explain.NewPlan(rules, true)}
}

// begin is called for each message, record for each of its records.
func (p *profiler) begin(origin *ingest.Origin, records int) {
	p.Begin(origin.Timestamp)
	p.message = p.hasher.Message(origin.Offset)
	p.choice = p.plan.Choose(p.message, records)
}

func (p *profiler) record(r *ingest.Record) {
	p.hash = explain.Hash(p.message, r.Index)
	p.series.done = false
	p.chosen = p.choice.Has(r.Index)
}

// choosy says whether every record that is evidence for a rule was chosen by a filter.
func choosy(r *rules.Rule) bool {
	for i, evidence := range evidenceOf(r.When.Aggregates) {
		if evidence && r.When.Aggregates[i].Filter == nil {
			return false
		}
	}
	return true
}

// sampleMatching takes a record that is evidence into the sample of its pane's cell.
func (t *tally) sampleMatching(g *tallyGroup, p *tallyPane, key []byte, r *ingest.Record) {
	if p.cell == nil {
		p.cell = t.cellOf(p.start, g.partition)
	}
	room := p.cell.matching.Offer(t.profiler.hash, key)
	if room == nil {
		p.limit = p.cell.matching.Limit(key)
		return
	}
	t.fill(room, key, r)
	t.soil(p.cell)
}

// sampleAll takes a record into the sample of all that `where` lets through.
func (t *tally) sampleAll(r *ingest.Record, at, reached int64) {
	if t.plan.All.Room == 0 || t.closed(at, reached) {
		return
	}
	key, _, ok := t.class.of(r)
	if !ok {
		return
	}
	c := t.cellOf(floorDiv(at, t.interval)*t.interval, t.partitionOf(key))
	if room := c.all.Offer(t.profiler.hash, key); room != nil {
		t.fill(room, key, r)
		t.soil(c)
	}
}

func (t *tally) partitionOf(key []byte) int32 {
	if g := t.groups[string(key)]; g != nil {
		return g.partition
	}
	return partitionOf(t.rule, string(key), t.partitions)
}

func (t *tally) fill(room *explain.Record, key []byte, r *ingest.Record) {
	shared, own := t.profiler.Of(r)
	room.Group = append(room.Group[:0], key...)
	room.Shared = append(room.Shared[:0], shared...)
	room.Own = append(room.Own[:0], own...)
}

func (t *tally) soil(c *cell) {
	if !c.dirty {
		c.dirty = true
		t.dirtyCells = append(t.dirtyCells, c)
	}
}

// cellOf returns the cell of the step that begins at a time.
func (t *tally) cellOf(start int64, partition int32) *cell {
	for _, c := range slices.Backward(t.cells) {
		if c.start == start && c.partition == partition {
			return c
		}
	}
	var c *cell
	if n := len(t.freeCells); n > 0 {
		c, t.freeCells = t.freeCells[n-1], t.freeCells[:n-1]
	} else {
		c = new(cell)
		c.matching.Sizes, c.all.Sizes = t.plan.Matching, t.plan.All
	}
	c.start, c.end, c.partition = start, start+t.interval, partition
	t.cells = append(t.cells, c)
	return c
}

// appendCell appends what is new in a cell: the step and, with its length, what both samples took.
func (t *tally) appendCell(b []byte, c *cell) []byte {
	c.dirty = false
	b = binary.AppendVarint(b, floorDiv(c.start, t.interval))
	t.scratch = c.matching.AppendUnsent(t.scratch[:0])
	t.scratch = c.all.AppendUnsent(t.scratch)
	return appendSized(b, t.scratch)
}

// sweepCells lets go of the cells of steps that are over.
func (t *tally) sweepCells(reached int64) {
	kept, keep := t.cells[:0], min(t.lateness, keepPane)
	for _, c := range t.cells {
		if c.end+keep > reached {
			kept = append(kept, c)
			continue
		}
		c.matching.Reset()
		c.all.Reset()
		t.freeCells = append(t.freeCells, c)
	}
	clear(t.cells[len(kept):])
	t.cells = kept
	if spare := len(t.cells) + 8; len(t.freeCells) > spare {
		clear(t.freeCells[spare:])
		t.freeCells = t.freeCells[:spare]
	}
}

// noLimit is that of a pane whose group has room in the sample.
const noLimit = math.MaxUint64
