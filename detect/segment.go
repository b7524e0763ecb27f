package detect

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/freshet-dev/freshet/detect/model"
	"github.com/freshet-dev/freshet/rules/expr"
)

// A group's record is written whenever panes come, so it must be small however long its windows are. The past of a long
// one is cut into segments: each is written once, when it is over, and deleted when the look-back has passed it. The
// group's record holds what comes after the last of them.

// planTier is what a group holds in buckets of one length: windows, histories, and the models with the finest ones. A
// segment is 64 buckets of all of them.
type planTier struct {
	width, lookback int64
	windows, bases  []int
	models          bool
	pasts           []int
}

const segmentBuckets = 64

// sealed says that the life up to the end of the segment before next stands in the state topic, from segment oldest on.
type sealed struct{ oldest, next int64 }

// addTiers sorts the parts of the plan by the length of their buckets.
func (p *plan) addTiers() {
	tier := func(width, lookback int64) *planTier {
		i := slices.IndexFunc(p.tiers, func(t planTier) bool { return t.width == width })
		if i < 0 {
			i = len(p.tiers)
			p.tiers = append(p.tiers, planTier{width: width})
		}
		p.tiers[i].lookback = max(p.tiers[i].lookback, lookback)
		return &p.tiers[i]
	}
	for i, w := range p.windows {
		t := tier(w.Width, w.Reach())
		t.windows = append(t.windows, i)
	}
	for i, b := range p.bases {
		t := tier(b.Width, b.Width*int64(b.Numbers))
		t.bases = append(t.bases, i)
	}
	for _, m := range p.models {
		if m.kind == expr.ZScore {
			tier(1, m.steps).models = true
		}
	}
	for i, past := range p.pasts {
		t := tier(past.width, past.lookback)
		t.pasts = append(t.pasts, i)
	}
}

// segmented says whether a tier is so long that its past is cut into segments.
func (t *planTier) segmented() bool { return t.lookback > 2*t.segment() }

// segment returns the length of a segment in steps.
func (t *planTier) segment() int64 { return segmentBuckets * t.width }

// segmentOf returns the number of the segment that a step belongs to, with the pane that it closes.
func (t *planTier) segmentOf(step int64) int64 { return floorDiv(step-1, t.segment()) }

// old says whether a step looks at nothing of a segment any more.
func (t *planTier) old(segment, step int64) bool { return (segment+1)*t.segment() <= step-t.lookback }

// segmented says whether any tier is.
func (p *plan) segmented() bool {
	return slices.ContainsFunc(p.tiers, func(t planTier) bool { return t.segmented() })
}

// segmentID names a segment of a group.
type segmentID struct{ width, number int64 }

func segmentKey(rule uint64, id segmentID, key string) []byte {
	b := make([]byte, 0, segmentKeySize+len(key))
	b = binary.BigEndian.AppendUint64(append(b, keySegment), rule)
	b = binary.BigEndian.AppendUint64(b, uint64(id.width))
	b = binary.BigEndian.AppendUint64(b, uint64(id.number))
	return append(b, key...)
}

// segmentKeySize is the length of a segment's key without that of the group.
const segmentKeySize = 1 + 3*8

func splitSegmentKey(b []byte) (rule uint64, id segmentID, key string) {
	number := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	return number(0), segmentID{int64(number(1)), int64(number(2))}, string(b[segmentKeySize:])
}

// seal appends the segments of the group that are over and not yet written, and deletes those that are too old.
func (r *ruleState) seal(changes []Change, g *group) []Change {
	if g.life == nil || g.life.more == nil {
		return changes
	}
	for i := range r.plan.tiers {
		if t := &r.plan.tiers[i]; t.segmented() {
			changes = r.sealTier(changes, g, t, &g.life.more.sealed[i])
		}
	}
	return changes
}

func (r *ruleState) sealTier(changes []Change, g *group, t *planTier, at *sealed) []Change {
	key := func(number int64) []byte { return segmentKey(r.rule.ID, segmentID{t.width, number}, g.key) }
	for ; at.oldest < at.next && t.old(at.oldest, r.step); at.oldest++ {
		changes = append(changes, Change{Key: key(at.oldest)})
	}
	for ; (at.next+1)*t.segment() <= r.step; at.next++ {
		if t.old(at.next, r.step) {
			at.oldest = at.next + 1
			continue
		}
		value := r.appendPast([]byte{stateVersion}, t, g.life, at.next*segmentBuckets, (at.next+1)*segmentBuckets)
		changes = append(changes, Change{key(at.next), value})
	}
	return changes
}

// dropSegments deletes what was written of a life that ends.
func (r *ruleState) dropSegments(g *group) {
	if g.life.more == nil {
		return
	}
	for i, t := range r.plan.tiers {
		for at := &g.life.more.sealed[i]; at.oldest < at.next && t.segmented(); at.oldest++ {
			key := segmentKey(r.rule.ID, segmentID{t.width, at.oldest}, g.key)
			r.tombstones = append(r.tombstones, Change{Key: key})
		}
	}
}

// appendPast appends the buckets of a tier from one number on and before another, and the numbers of the steps that
// close their panes.
func (r *ruleState) appendPast(b []byte, t *planTier, l *life, from, to int64) []byte {
	for _, i := range t.windows {
		b = l.window(i).Append(b, from, to)
	}
	for _, i := range t.bases {
		b = l.more.bases[i].Append(b, from, to)
	}
	if t.models {
		for _, m := range l.more.models {
			// The newest number of a model is that of the last step that was evaluated.
			b = m.Append(b, int(min(r.step-from, model.MaxPoints)), int(max(r.step-to, 0)))
		}
	}
	for _, i := range t.pasts {
		b = l.more.others.pasts[i].Append(b, from, to)
	}
	return b
}

// readPast reads what appendPast wrote.
func (in *stateReader) readPast(p *plan, t *planTier, l *life) {
	for _, i := range t.windows {
		in.decode(l.window(i).Decode)
	}
	for _, i := range t.bases {
		in.decode(func(b []byte) ([]byte, error) { return l.more.bases[i].Decode(b, p.bases[i].Numbers) })
	}
	if t.models {
		for _, m := range l.more.models {
			in.decode(m.Decode)
		}
	}
	for _, i := range t.pasts {
		in.decode(l.more.others.pasts[i].Decode)
	}
}

// appendLife appends a life, but for what is sealed.
func (r *ruleState) appendLife(b []byte, l *life) []byte {
	b = binary.AppendVarint(b, l.newest)
	b = appendSized(b, l.trail)
	if r.plan.born {
		b = binary.AppendVarint(b, l.more.born)
	}
	for n, i := range r.plan.counters {
		b = l.more.priors[n].append(b, r.plan.kinds[i])
	}
	for i := range r.plan.tiers {
		t, from := &r.plan.tiers[i], int64(-maxTime)
		if t.segmented() {
			at := l.more.sealed[i]
			b = binary.AppendVarint(b, at.oldest)
			b = binary.AppendVarint(b, at.next)
			from = at.next * segmentBuckets
		}
		b = r.appendPast(b, t, l, from, maxTime)
	}
	return l.more.appendChanges(b)
}

// life reads what appendLife wrote. The sealed part comes from the segments, as far as there are any.
func (in *stateReader) life(p *plan, segments map[segmentID][]byte) *life {
	l := p.beginLife(0)
	l.newest = in.varint("newest pane")
	l.trail = append([]byte(nil), in.bytes("trail")...)
	if p.born {
		l.more.born = in.varint("first step")
	}
	for n, i := range p.counters {
		l.more.priors[n] = in.prior(p.kinds[i])
	}
	for i := range p.tiers {
		t := &p.tiers[i]
		if t.segmented() {
			l.more.sealed[i] = in.segments(p, t, l, segments)
		}
		in.readPast(p, t, l)
	}
	in.changes(l.more)
	return l
}

// segments reads which segments a tier has and puts them into the life.
func (in *stateReader) segments(p *plan, t *planTier, l *life, segments map[segmentID][]byte) sealed {
	at := sealed{in.varint("segments"), in.varint("segments")}
	if n, most := at.next-at.oldest, t.lookback/t.segment()+2; in.err == nil && (n < 0 || n > most) {
		in.err = sectionFault("%d segments, expected at most %d", n, most)
	}
	for k := at.oldest; k < at.next && in.err == nil; k++ {
		if b := segments[segmentID{t.width, k}]; len(b) > 0 {
			past := &stateReader{reader{b: b}}
			past.readPast(p, t, l)
			in.err = past.err
		}
	}
	return at
}

// restoreSegment takes a segment record. Its content is put in its place when the group is settled.
func (e *Evaluator) restoreSegment(key, value []byte) error {
	rule, id, name := splitSegmentKey(key)
	r := e.byID[rule]
	if r == nil {
		e.orphan(key, value, nil)
		return nil
	}
	if len(value) == 0 {
		delete(r.segments[name], id)
		return nil
	}
	about := fmt.Sprintf("segment %d of rule %s", id.number, r.rule.Name)
	in, err := openState(value, about)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.plan.tiers, func(t planTier) bool { return t.width == id.width && t.segmented() })
	if i < 0 {
		return stateFault("%s has buckets of %d steps, which the rule does not", about, id.width)
	}
	in.readPast(r.plan, &r.plan.tiers[i], r.plan.beginLife(0))
	if err := in.fault(about); err != nil {
		return err
	}
	if r.segments[name] == nil {
		r.segments[name] = map[segmentID][]byte{}
	}
	r.segments[name][id] = append([]byte(nil), value[1:]...)
	return nil
}
