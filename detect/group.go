package detect

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/model"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/detect/window"
)

// noPane stands for no pane number, noStep for no step.
const (
	noPane = math.MaxInt64
	noStep = math.MinInt64
)

// group is what stage 2 holds of one group of a rule. Its open panes, those that are not yet complete, wait encoded.
// While records are in sight it has a life: it begins when its first pane is complete and ends when nothing is left
// within the rule's look-back and no alert is active. After that it is as if it had never been, so it is let go.
//
// There may be a million groups: what most of them do not need stands behind a pointer.
type group struct {
	key string
	// open holds (pane number, pane) in order of the number.
	open  []byte
	life  *life
	alert *alert // nil while inactive
	birth int64
	// early is the step for which the next episode was announced before its window was complete, or noStep.
	early   int64
	episode uint32
	// dirty: it is listed for the next Changes. stored: its key is in the state topic. gone: it was let go. touched: it is
	// to be looked ahead at.
	dirty, stored, gone, touched bool
}

// firstOpen returns the number of the oldest open pane, or noPane.
func (g *group) firstOpen() int64 {
	if index, n := binary.Varint(g.open); n > 0 {
		return index
	}
	return noPane
}

// life is the closed panes of a group, and what is computed from them.
type life struct {
	own    window.Window // the rule's own window
	newest int64         // the newest pane
	more   *more         // nil where the rule needs none of it
	trail  []byte        // encoded trail: where the records lie
}

// more is what rules need that have several or long windows, look back or ask models.
type more struct {
	// windows are those of the plan but the first.
	windows []window.Window
	// bases and models hold one number per step.
	bases  []window.History
	models []*model.ZScore
	others *otherModels // nil where the rule asks no other models
	// sealed says for each tier which part of it stands in segments.
	sealed []sealed
	// born is the first step, where the plan asks for it.
	born int64
	// priors are what is known of the time before, for each of the plan's aggregates that are made when their pane is closed.
	priors []prior
}

// beginLife makes the group ready for its first closed pane, that of a step.
func (p *plan) beginLife(step int64) *life {
	l := &life{own: p.own().New(), newest: step - 1}
	if len(p.windows) == 1 && len(p.bases) == 0 && len(p.models) == 0 && !p.born && len(p.counters) == 0 && !p.segmented() {
		return l
	}
	l.more = &more{bases: make([]window.History, len(p.bases)), born: step}
	for range p.counters {
		l.more.priors = append(l.more.priors, newPrior())
	}
	for _, shape := range p.windows[1:] {
		l.more.windows = append(l.more.windows, shape.New())
	}
	p.beginModels(l.more)
	for _, t := range p.tiers {
		first := t.segmentOf(step)
		l.more.sealed = append(l.more.sealed, sealed{first, first})
	}
	return l
}

// window returns one of the life's windows, by its number in the plan.
func (l *life) window(number int) *window.Window {
	if number == 0 {
		return &l.own
	}
	return &l.more.windows[number-1]
}

// openPane is one entry of group.open.
type openPane struct {
	index int64
	bytes []byte
}

func nextOpen(b []byte) (p openPane, rest []byte, ok bool) {
	index, n := binary.Varint(b)
	if n <= 0 {
		return p, nil, false
	}
	size, m := binary.Uvarint(b[n:])
	if m <= 0 || uint64(len(b)-n-m) < size {
		return p, nil, false
	}
	from := n + m
	return openPane{index, b[from : from+int(size)]}, b[from+int(size):], true
}

func appendOpen(b []byte, index int64, encoded []byte) []byte {
	b = binary.AppendVarint(b, index)
	b = binary.AppendUvarint(b, uint64(len(encoded)))
	return append(b, encoded...)
}

// findOpen returns where in g.open the pane of a number stands, or would stand: from and to are equal when it is not there.
func (g *group) findOpen(index int64) (pane []byte, from, to int) {
	for rest := g.open; ; {
		o, after, ok := nextOpen(rest)
		at := len(g.open) - len(rest)
		switch {
		case !ok || o.index > index:
			return nil, at, at
		case o.index == index:
			return o.bytes, at, len(g.open) - len(after)
		}
		rest = after
	}
}

// addOpen merges a delta, held in s.pane, into the group's open pane of that number.
func (p *plan) addOpen(g *group, index int64, s *scratch, order pane.Order) error {
	have, from, to := g.findOpen(index)
	if from < to {
		if err := s.other.Decode(have, index*p.interval, order); err != nil {
			return err
		}
		s.pane.Merge(s.other, order)
	}
	s.bytes = s.pane.Append(s.bytes[:0], index*p.interval)
	s.open = appendOpen(s.open[:0], index, s.bytes)
	g.open = splice(g.open, from, to, s.open)
	return nil
}

// closeOpen takes the first open pane out.
func (g *group) closeOpen(rest []byte) {
	if len(rest) > fewBytes {
		g.open = rest // what lies before it goes with the next splice that needs room
		return
	}
	g.open = fit(g.open, rest)
}

// fewBytes of open panes are kept in memory of their exact size; more are those of a group that catches up, which are
// moved about as little as can be.
const fewBytes = 1024

// splice puts content in the place of b[from:to].
func splice(b []byte, from, to int, content []byte) []byte {
	n := len(b) - (to - from) + len(content)
	out := b[:len(b):cap(b)]
	switch {
	case n > cap(b) || (n <= fewBytes && cap(b) > 4*n+64):
		room := n
		if n > fewBytes {
			room += n / 4
		}
		out = append(make([]byte, 0, room), b[:from]...)
		out = append(out, content...)
		return append(out, b[to:]...)
	default:
		out = out[:max(n, len(b))]
		copy(out[from+len(content):], b[to:])
		copy(out[from:], content)
		return out[:n]
	}
}

// fit copies content into room, or into new memory when the room is too small or far too large.
func fit(room, content []byte) []byte {
	if len(content) > cap(room) || cap(room) > 4*len(content)+64 {
		if len(content) == 0 {
			return nil
		}
		room = make([]byte, 0, len(content))
	}
	return append(room[:0], content...)
}

// closePane moves the first open pane, which is that of the step, into the windows. It stays in s.pane.
func (p *plan) closePane(g *group, s *scratch, order pane.Order) error {
	o, rest, _ := nextOpen(g.open)
	index := o.index
	err := s.pane.Decode(o.bytes, index*p.interval, order)
	g.closeOpen(rest)
	if err != nil {
		return err
	}
	g.life.newest = index
	p.grow(g.life, index, s)
	for i, shape := range p.windows {
		err = errors.Join(err, g.life.window(i).Push(shape, index, s.grown))
	}
	return err
}

// slide takes out of the windows that end at a step what has become too old, and measures them.
func (p *plan) slide(l *life, step int64, s *scratch) (err error) {
	for i, shape := range p.windows {
		err = errors.Join(err, l.window(i).Slide(shape, step), l.window(i).Measure(shape, step, s.totals[i]))
	}
	return err
}

// foresee measures the windows that end at a later step, as far as their records are here: those of the closed panes
// and of the open ones before the step. Nothing is changed.
func (p *plan) foresee(g *group, step int64, s *scratch) error {
	for i, shape := range p.windows {
		if g.life == nil {
			for _, a := range s.totals[i] {
				a.Reset()
			}
		} else if err := g.life.window(i).Measure(shape, step, s.totals[i]); err != nil {
			return err
		}
	}
	for rest := g.open; ; {
		o, after, ok := nextOpen(rest)
		if !ok || o.index >= step {
			return nil
		}
		rest = after
		if !slices.ContainsFunc(p.windows, func(shape *window.Shape) bool { return o.index >= shape.Start(step) }) {
			continue
		}
		if err := s.pane.DecodeSums(o.bytes); err != nil {
			return err
		}
		for i, shape := range p.windows {
			shape.Merge(s.totals[i], step, o.index, s.pane)
		}
	}
}

// firstRecord returns the time of the first matching record in the rule's window that ends at a step, 0 when
// there is none among the closed panes.
func (p *plan) firstRecord(l *life, step int64) int64 {
	if l == nil {
		return 0
	}
	return l.own.First(p.own(), step)
}
