package detect

import (
	"encoding/binary"
	"slices"

	"github.com/freshet-dev/freshet/detect/pane"
)

// trail is where the records of a group lie. Offset ranges are kept for two blocks of time, each as long as the rule's
// window can be and aligned to that length: so they cover the window, and begin less than one window before it. Samples
// are kept while an alert is active, the newest panes' first; of an inactive group those of the newest pane are looked at
// only in the step that closes it.
type trail struct {
	block   int64 // number of the present block
	now     pane.Evidence
	before  pane.Evidence
	samples pane.Evidence // its Samples only
	newest  pane.Evidence // room for merging
	loaded  bool
}

func (t *trail) reset() {
	t.block, t.loaded = 0, false
	t.now.Reset()
	t.before.Reset()
	t.samples.Reset()
}

// load decodes a trail; times in it are relative to the present block, whose length in nanoseconds is given.
func (t *trail) load(b []byte, length int64, order pane.Order) error {
	t.reset()
	t.loaded = true
	if len(b) == 0 {
		return nil
	}
	block, n := binary.Varint(b)
	if n <= 0 {
		return stateFault("ends within a trail")
	}
	b = b[n:]
	for _, e := range []*pane.Evidence{&t.now, &t.before, &t.samples} {
		var err error
		if b, err = e.Decode(b, block*length, order); err != nil {
			t.reset()
			return err
		}
	}
	t.block = block
	return nil
}

func (t *trail) append(b []byte, length int64) []byte {
	b = binary.AppendVarint(b, t.block)
	for _, e := range []*pane.Evidence{&t.now, &t.before, &t.samples} {
		b = e.Append(b, t.block*length)
	}
	return b
}

// add takes the evidence of a pane that was closed. Older samples stay only where an alert is active.
func (t *trail) add(index, window, interval int64, e *pane.Evidence, active bool, order pane.Order) {
	if e.Records == 0 {
		return
	}
	block := floorDiv(index, window)
	if block != t.block || t.now.Records == 0 {
		if block == t.block+1 {
			t.before, t.now = t.now, t.before
		} else {
			t.before.Reset()
		}
		t.now.Reset()
		t.block = block
	}
	t.now.Merge(&pane.Evidence{Records: 1, First: index * interval, Ranges: e.Ranges}, order)
	t.now.Records, t.now.First = 1, block*window*interval // only the ranges are of use
	t.newest.Reset()
	t.newest.Merge(&pane.Evidence{Samples: e.Samples}, order)
	if active {
		fillSamples(&t.newest, newestFirst(t.samples.Samples, interval), order)
	}
	t.samples, t.newest = t.newest, t.samples
}

// fillSamples adds samples of older panes, in the order given, while there is room.
func fillSamples(into *pane.Evidence, older []pane.Sample, order pane.Order) {
	for _, s := range older {
		if len(into.Samples) == pane.MaxSamples {
			return
		}
		into.Merge(&pane.Evidence{Samples: []pane.Sample{s}}, order)
	}
}

// newestFirst orders samples by pane, the newest first, and within a pane by time.
func newestFirst(samples []pane.Sample, interval int64) []pane.Sample {
	out := slices.Clone(samples)
	slices.SortStableFunc(out, func(a, b pane.Sample) int {
		return int(floorDiv(b.Time, interval) - floorDiv(a.Time, interval))
	})
	return out
}

// loadTrail makes the group's trail ready in the rule's scratch, unless it is already.
func (r *ruleState) loadTrail(g *group, order pane.Order) error {
	t := &r.scratch.trail
	if t.loaded {
		return nil
	}
	var b []byte
	if g.life != nil {
		b = g.life.trail
	}
	return t.load(b, r.plan.own().Reach()*r.plan.interval, order)
}

// saveTrail keeps the trail with the group when it was loaded. Samples stay with active alerts only: a group that is
// quiet should be small.
func (r *ruleState) saveTrail(g *group) {
	if g.alert == nil {
		r.scratch.trail.samples.Reset()
	}
	r.keepTrail(g)
}

// keepTrail keeps the trail as it is until later in the step.
func (r *ruleState) keepTrail(g *group) {
	t := &r.scratch.trail
	if !t.loaded || g.life == nil {
		return
	}
	r.scratch.bytes = t.append(r.scratch.bytes[:0], r.plan.own().Reach()*r.plan.interval)
	g.life.trail = fit(g.life.trail, r.scratch.bytes)
}
