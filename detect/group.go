package detect

import (
	"encoding/binary"
	"math"

	"github.com/freshet-dev/freshet/detect/model"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/rules/label"
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
	log    window.Log
	totals []window.Total
	more   *more  // nil where the rule needs none of it
	trail  []byte // encoded trail: where the records lie
}

// more is what rules need that have several windows, look back or ask models.
type more struct {
	// cursors are the old ends of the windows, without that of the longest, which is the front of the log.
	cursors []window.Cursor
	// bases and models hold one number per step.
	bases  []window.History
	models []*model.ZScore
	// The life up to the end of the segment before sealed stands in the state topic, from segment oldest on.
	oldest, sealed int64
}

// alert is the state of an alert that is pending or firing.
type alert struct {
	firing bool
	// since is the step at which the episode began; cleared that since which the condition does not hold, or noStep.
	since, cleared int64
	transition     int64
	// labels are those of the episode's first settled finding: a label that shows a value must not change the alert.
	labels label.Set
}

// beginLife makes the group ready for its first closed pane, that of a step.
func (p *plan) beginLife(step int64) *life {
	l := &life{totals: p.newTotals()}
	if len(p.lengths) == 1 && len(p.bases) == 0 && len(p.models) == 0 && !p.segmented() {
		return l
	}
	l.more = &more{cursors: make([]window.Cursor, len(p.lengths)-1), bases: make([]window.History, len(p.bases))}
	l.more.oldest = segmentOf(step)
	l.more.sealed = l.more.oldest
	for _, steps := range p.models {
		l.more.models = append(l.more.models, model.NewZScore(steps))
	}
	return l
}

// end returns where a window ends in the log, at its old end.
func (l *life) end(length int) window.Cursor {
	if length == 0 {
		return l.log.Front()
	}
	return l.more.cursors[length-1]
}

// cursors returns the ends of all windows but the longest.
func (l *life) cursors() []window.Cursor {
	if l.more == nil {
		return nil
	}
	return l.more.cursors
}

// startCursors sets them to the front of the log.
func (l *life) startCursors() {
	for k := range l.cursors() {
		l.more.cursors[k] = l.log.Front()
	}
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

// addOpen merges a delta, held in s.pane, into the group's open pane of that number.
func (p *plan) addOpen(g *group, index int64, s *scratch, order pane.Order) error {
	s.open = s.open[:0]
	rest := g.open
	placed := false
	for {
		o, after, ok := nextOpen(rest)
		if !ok {
			break
		}
		if !placed && o.index >= index {
			if o.index == index {
				if err := s.other.Decode(o.bytes, index*p.interval, order); err != nil {
					return err
				}
				s.pane.Merge(s.other, order)
				rest = after
			}
			s.bytes = s.pane.Append(s.bytes[:0], index*p.interval)
			s.open = appendOpen(s.open, index, s.bytes)
			placed = true
			continue
		}
		s.open = appendOpen(s.open, o.index, o.bytes)
		rest = after
	}
	if !placed {
		s.bytes = s.pane.Append(s.bytes[:0], index*p.interval)
		s.open = appendOpen(s.open, index, s.bytes)
	}
	g.open = fit(g.open, s.open)
	return nil
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

// closePane moves the first open pane, which is that of the step, into the log and the windows.
func (p *plan) closePane(g *group, s *scratch, order pane.Order) error {
	o, rest, _ := nextOpen(g.open)
	index := o.index
	err := s.pane.Decode(o.bytes, index*p.interval, order)
	s.open = append(s.open[:0], rest...)
	g.open = fit(g.open, s.open)
	if err != nil {
		return err
	}
	l := g.life
	s.bytes = appendFirst(s.bytes[:0], &s.pane.Evidence, index*p.interval)
	s.bytes = s.pane.AppendAggregates(s.bytes)
	empty := l.log.Len() == 0
	l.log.Push(index, s.bytes)
	if empty {
		l.startCursors()
	}
	for i, t := range p.totals {
		l.totals[i].Push(index, s.pane.Aggregates[t.aggregate])
	}
	return nil
}

// A log entry is the time of the first record, as its distance from the start of the pane plus one (0: none), followed
// by the aggregates.
func appendFirst(b []byte, e *pane.Evidence, start int64) []byte {
	if e.Records == 0 {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(e.First-start)+1)
}

func splitEntry(b []byte) (first uint64, aggregates []byte) {
	first, n := binary.Uvarint(b)
	return first, b[max(n, 0):]
}

// slide takes out of the windows that end at a step what has become too old.
func (p *plan) slide(l *life, step int64, s *scratch) error {
	front := l.log.Front()
	for k, length := range p.lengths {
		cursor := l.end(k)
		for {
			index, payload, after, ok := l.log.Next(cursor)
			if !ok || index >= step-length {
				break
			}
			cursor = after
			_, aggregates := splitEntry(payload)
			if err := s.leaving.DecodeAggregates(aggregates); err != nil {
				return err
			}
			for i, t := range p.totals {
				if t.length == k {
					l.totals[i].Pop(index, s.leaving.Aggregates[t.aggregate])
				}
			}
		}
		if k == 0 {
			front = cursor
		} else {
			l.more.cursors[k-1] = cursor
		}
	}
	if moved := l.log.Trim(front); moved > 0 {
		for k, c := range l.cursors() {
			l.more.cursors[k] = c.Moved(moved)
		}
	}
	return nil
}

// rebuild fills the windows from the log, as they were at a step. What segments hold beyond the longest window goes.
func (p *plan) rebuild(l *life, step int64, s *scratch) error {
	front := l.log.Front()
	for {
		index, _, after, ok := l.log.Next(front)
		if !ok || index >= step-p.lengths[0] {
			break
		}
		front = after
	}
	l.log.Trim(front)
	l.startCursors()
	for c := l.log.Front(); ; {
		index, payload, after, ok := l.log.Next(c)
		if !ok {
			return nil
		}
		_, aggregates := splitEntry(payload)
		if err := s.leaving.DecodeAggregates(aggregates); err != nil {
			return err
		}
		for k, length := range p.lengths[1:] {
			if index < step-length {
				l.more.cursors[k] = after
			}
		}
		for i, t := range p.totals {
			if index >= step-p.lengths[t.length] {
				l.totals[i].Push(index, s.leaving.Aggregates[t.aggregate])
			}
		}
		c = after
	}
}

// measure fills the aggregates over the windows that end at a step, once the windows have slid there.
func (p *plan) measure(l *life, step int64, s *scratch) {
	for i, t := range p.totals {
		s.totals[i].Reset()
		l.totals[i].From(step-p.lengths[t.length], s.totals[i])
	}
}

// foresee fills the aggregates over the windows that end at a later step, as far as their records are here: those of
// the closed panes and of the open ones before the step. Nothing is changed.
func (p *plan) foresee(g *group, step int64, s *scratch) error {
	for i := range p.totals {
		s.totals[i].Reset()
	}
	if l := g.life; l != nil {
		for i, t := range p.totals {
			start := step - p.lengths[t.length]
			if l.totals[i].From(start, s.totals[i]) {
				continue
			}
			if err := p.subtractOlder(l, t, start, s.totals[i], s); err != nil {
				return err
			}
		}
	}
	for rest := g.open; ; {
		o, after, ok := nextOpen(rest)
		if !ok || o.index >= step {
			return nil
		}
		rest = after
		if err := s.pane.DecodeSums(o.bytes); err != nil {
			return err
		}
		for i, t := range p.totals {
			if o.index >= step-p.lengths[t.length] {
				s.totals[i].Merge(s.pane.Aggregates[t.aggregate])
			}
		}
	}
}

// subtractOlder takes the closed panes before start out of an aggregate that holds the whole window.
func (p *plan) subtractOlder(l *life, t planTotal, start int64, a pane.Aggregate, s *scratch) error {
	held := a.(pane.Invertible)
	for c := l.end(t.length); ; {
		index, payload, after, ok := l.log.Next(c)
		if !ok || index >= start {
			return nil
		}
		_, aggregates := splitEntry(payload)
		if err := s.leaving.DecodeAggregates(aggregates); err != nil {
			return err
		}
		held.Subtract(s.leaving.Aggregates[t.aggregate])
		c = after
	}
}

// firstRecord returns the event time of the first matching record in the rule's window that ends at a step, 0 when
// there is none among the closed panes.
func (p *plan) firstRecord(l *life, step int64) int64 {
	if l == nil {
		return 0
	}
	for c := l.log.Front(); ; {
		index, payload, after, ok := l.log.Next(c)
		if !ok || index >= step {
			return 0
		}
		if first, _ := splitEntry(payload); first > 0 && index >= step-p.window {
			return index*p.interval + int64(first-1)
		}
		c = after
	}
}
