package detect

import (
	"encoding/binary"
	"fmt"
)

// A group's record is written whenever panes come, so it must be small however long its windows are. The past of a long
// one is cut into segments of 64 steps: each is written once, when it is over, and deleted when the look-back has
// passed it. The group's record holds what comes after the last of them.
const segmentSteps = 64

// segmented says whether a rule's groups are so long that their past is cut into segments.
func (p *plan) segmented() bool { return p.lookback > 2*segmentSteps }

// segmentOf returns the number of the segment that a step belongs to, with the pane that it closes.
func segmentOf(step int64) int64 { return floorDiv(step-1, segmentSteps) }

func segmentKey(rule uint64, number int64, key string) []byte {
	b := make([]byte, 0, 17+len(key))
	b = binary.BigEndian.AppendUint64(append(b, keySegment), rule)
	b = binary.BigEndian.AppendUint64(b, uint64(number))
	return append(b, key...)
}

// seal appends the segments of the group that are over and not yet written, and deletes those that are too old.
func (r *ruleState) seal(changes []Change, g *group) []Change {
	if g.life == nil || !r.plan.segmented() {
		return changes
	}
	m := g.life.more
	old := func(segment int64) bool { return (segment+1)*segmentSteps <= r.step-r.plan.lookback }
	for ; m.oldest < m.sealed && old(m.oldest); m.oldest++ {
		changes = append(changes, Change{Key: segmentKey(r.rule.ID, m.oldest, g.key)})
	}
	for ; (m.sealed+1)*segmentSteps <= r.step; m.sealed++ {
		if old(m.sealed) {
			m.oldest = m.sealed + 1
			continue
		}
		value := r.appendPast([]byte{stateVersion}, g.life, m.sealed*segmentSteps, (m.sealed+1)*segmentSteps)
		changes = append(changes, Change{segmentKey(r.rule.ID, m.sealed, g.key), value})
	}
	return changes
}

// dropSegments deletes what was written of a life that ends.
func (r *ruleState) dropSegments(g *group) {
	if !r.plan.segmented() {
		return
	}
	for m := g.life.more; m.oldest < m.sealed; m.oldest++ {
		r.tombstones = append(r.tombstones, Change{Key: segmentKey(r.rule.ID, m.oldest, g.key)})
	}
}

// appendPast appends the panes from one number on and before another, and the numbers of the steps that close them.
func (r *ruleState) appendPast(b []byte, l *life, from, to int64) []byte {
	b = l.log.Append(b, from, to)
	if l.more == nil {
		return b
	}
	for i := range l.more.bases {
		b = l.more.bases[i].Append(b, from, to)
	}
	for _, m := range l.more.models {
		// The newest number of a model is that of the last step that was evaluated.
		b = m.Append(b, int(min(r.step-from, maxSteps)), int(max(r.step-to, 0)))
	}
	return b
}

// readPast reads what appendPast wrote.
func (in *stateReader) readPast(p *plan, l *life) {
	in.decode(l.log.Decode)
	if l.more == nil {
		return
	}
	for i := range l.more.bases {
		in.decode(func(b []byte) ([]byte, error) { return l.more.bases[i].Decode(b, p.bases[i].steps) })
	}
	for _, m := range l.more.models {
		in.decode(m.Decode)
	}
}

// appendLife appends a life, but for what is sealed.
func (r *ruleState) appendLife(b []byte, l *life) []byte {
	b = binary.AppendVarint(b, l.log.Last())
	b = appendSized(b, l.trail)
	from := int64(-maxTime)
	if r.plan.segmented() {
		b = binary.AppendVarint(b, l.more.oldest)
		b = binary.AppendVarint(b, l.more.sealed)
		from = l.more.sealed * segmentSteps
	}
	return r.appendPast(b, l, from, maxTime)
}

// life reads what appendLife wrote. The sealed part comes from the segments, as far as there are any.
func (in *stateReader) life(p *plan, segments map[int64][]byte) *life {
	newest := in.varint("newest pane")
	trail := in.bytes("trail")
	l := p.beginLife(0)
	l.trail = append([]byte(nil), trail...)
	if p.segmented() {
		l.more.oldest, l.more.sealed = in.varint("segments"), in.varint("segments")
		if n := l.more.sealed - l.more.oldest; in.err == nil && (n < 0 || n > p.lookback/segmentSteps+2) {
			in.err = sectionFault("%d segments, expected at most %d", n, p.lookback/segmentSteps+2)
			return l
		}
		for k := l.more.oldest; k < l.more.sealed; k++ {
			if b := segments[k]; len(b) > 0 {
				past := &stateReader{reader{b: b}}
				past.readPast(p, l)
				if past.err != nil {
					in.err = past.err
					return l
				}
			}
		}
	}
	in.readPast(p, l)
	if in.err == nil && l.log.Len() == 0 {
		// The newest pane has left the windows; its number still tells how long the group has been quiet.
		l.log.Skip(newest)
	}
	return l
}

// restoreSegment takes a segment record. Its content is put in its place when the group is settled.
func (e *Evaluator) restoreSegment(key, value []byte) error {
	id, number, name := binary.BigEndian.Uint64(key[1:]), int64(binary.BigEndian.Uint64(key[9:])), string(key[17:])
	r := e.byID[id]
	if r == nil {
		e.orphan(key, value, nil)
		return nil
	}
	if len(value) == 0 {
		delete(r.segments[name], number)
		return nil
	}
	about := fmt.Sprintf("segment %d of rule %s", number, r.rule.Name)
	in, err := openState(value, about)
	if err != nil {
		return err
	}
	in.readPast(r.plan, r.plan.beginLife(0))
	if err := in.fault(about); err != nil {
		return err
	}
	if r.segments[name] == nil {
		r.segments[name] = map[int64][]byte{}
	}
	r.segments[name][number] = append([]byte(nil), value[1:]...)
	return nil
}
