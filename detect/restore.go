package detect

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/rules/label"
)

// Restore takes one record of the state topic, in any order; a later record of a key replaces an earlier one, and an
// empty value removes it. An error wraps ErrState.
func (e *Evaluator) Restore(key, value []byte) error {
	e.unsettled = true
	switch {
	case len(key) == 5 && key[0] == keySource:
		return e.restoreSource(binary.BigEndian.Uint32(key[1:]), value)
	case len(key) == 9 && key[0] == keyRule:
		return e.restoreRule(key, value)
	case len(key) >= 9 && key[0] == keyGroup:
		return e.restoreGroup(key, value)
	case len(key) == 9+explain.KeySize && key[0] == keySample:
		return e.restoreSample(key, value)
	case len(key) >= segmentKeySize && key[0] == keySegment:
		return e.restoreSegment(key, value)
	default:
		return stateFault("key of %d bytes is of no kind that is known", len(key))
	}
}

// restoreSample takes a sample of a rule's memory.
func (e *Evaluator) restoreSample(key, value []byte) error {
	r := e.byID[binary.BigEndian.Uint64(key[1:])]
	if r == nil {
		e.orphan(key, value, nil)
		return nil
	}
	about := "sample of rule " + r.rule.Name
	if len(value) == 0 {
		if err := r.memory.Restore(key[9:], nil); err != nil {
			return stateFault("%s: %w", about, err)
		}
		return nil
	}
	in, err := openState(value, about)
	if err != nil {
		return err
	}
	if err := r.memory.Restore(key[9:], in.b); err != nil {
		return stateFault("%s: %w", about, err)
	}
	return nil
}

// maxSources bounds the numbers of sources that are taken for real.
const maxSources = 1 << 20

func (e *Evaluator) restoreSource(number uint32, value []byte) error {
	if len(value) == 0 {
		return nil
	}
	r, err := openState(value, "source")
	if err != nil {
		return err
	}
	src := Source{Topic: string(r.bytes("topic"))}
	src.Partition = r.int32("partition")
	var m window.Mark
	flags := r.byte("mark")
	marked := flags&sourceMarked != 0
	if marked {
		m.Foreign = flags&sourceForeign != 0
		m.Partitions = r.int32("partitions")
		for c := range m.Read {
			m.Read[c] = window.Extent{Time: r.varint("time"), Start: r.varint("start")}
		}
		m.Version = r.fixed64("version of the rules")
	}
	if err := r.fault("source"); err != nil {
		return err
	}
	for _, read := range m.Read {
		if number >= maxSources || !saneExtent(read) {
			return stateFault("source %s has number %d and was read from %d to %d", src, number, read.Start, read.Time)
		}
	}
	for uint32(len(e.sources)) <= number {
		e.sources = append(e.sources, sourceState{})
	}
	e.sources[number] = sourceState{Source: src}
	e.numbers[src] = number
	if marked {
		e.meet(src.Topic)
		e.marks.Observe(src.Topic, src.Partition, m)
	}
	return nil
}

func (e *Evaluator) restoreRule(key, value []byte) error {
	r := e.byID[binary.BigEndian.Uint64(key[1:])]
	if r == nil {
		return e.restoreOrphanRule(key, value)
	}
	if len(value) == 0 {
		return nil
	}
	in, err := openState(value, "rule "+r.rule.Name)
	if err != nil {
		return err
	}
	r.progress, r.overflow = in.rule(r.rule.ID, r.crowds)
	if in.err == nil && !r.saneStep(r.step) {
		return stateFault("rule %s was evaluated up to step %d, which is no time", r.rule.Name, r.step)
	}
	return in.fault("rule " + r.rule.Name)
}

func (r *ruleState) saneStep(step int64) bool {
	limit := maxTime / r.plan.interval
	return step > -limit && step < limit
}

func (e *Evaluator) restoreGroup(key, value []byte) error {
	id, name := binary.BigEndian.Uint64(key[1:]), string(key[9:])
	r := e.byID[id]
	if r == nil {
		return e.restoreOrphan(key, value)
	}
	held := r.groups[name]
	if len(value) == 0 {
		if held != nil {
			held.gone = true
		}
		return nil
	}
	g, at, err := r.readGroup(name, value, nil)
	if err != nil {
		return err
	}
	if held == nil {
		held = new(group)
		r.groups[name] = held
		r.list = append(r.list, held)
	}
	*held = *g
	r.restored[held] = restoredGroup{at: at}
	if r.plan.segmented() {
		// The segments may come later; the group is put together when all are there.
		r.restored[held] = restoredGroup{at, append([]byte(nil), value...)}
	}
	return nil
}

// readGroup decodes a group, with the segments of its past that are here, and the step up to which it was evaluated.
func (r *ruleState) readGroup(name string, value []byte, segments map[segmentID][]byte) (g *group, at int64, err error) {
	about := "group of rule " + r.rule.Name
	in, err := openState(value, about)
	if err != nil {
		return nil, 0, err
	}
	g = &group{key: name, early: noStep, stored: true}
	flags := in.byte("flags")
	at = in.varint("step")
	g.birth = in.varint("birth")
	g.episode = uint32(in.int32("episode"))
	if flags&groupAlert != 0 {
		g.alert, _, _ = in.alert(len(r.rule.When.Conditions))
	}
	if flags&groupEarly != 0 {
		g.early = in.varint("early step")
	}
	if flags&groupExpected != 0 {
		since := in.varint("expected since")
		if in.err == nil && !r.saneStep(since) {
			return nil, 0, stateFault("%s: expected since step %d, which is no time", about, since)
		}
		if r.expects(name) {
			r.expected[name] = since
		}
	}
	g.open = append([]byte(nil), in.bytes("open panes")...)
	if flags&groupAlive != 0 {
		g.life = in.life(r.plan, segments)
	}
	if in.err == nil && len(in.b) > 0 {
		return nil, 0, stateFault("%s: %d bytes too many", about, len(in.b))
	}
	if err := in.fault(about); err != nil {
		return nil, 0, err
	}
	return g, at, r.checkGroup(g, at)
}

// restoredGroup is what is kept of a restored group until it is settled: the step up to which it was evaluated and, of
// a rule with segments, its record.
type restoredGroup struct {
	at  int64
	raw []byte
}

// assemble puts a group together from its record and its segments. When they do not fit it goes on without the past.
func (e *Evaluator) assemble(r *ruleState, g *group, raw []byte) {
	whole, _, err := r.readGroup(g.key, raw, r.segments[g.key])
	if err != nil {
		e.warn(r, fmt.Errorf("a group starts without its past: %w", err))
		return
	}
	*g = *whole
}

// checkGroup decodes what a restored group holds, so that nothing of it can fail later, and fills its windows.
func (r *ruleState) checkGroup(g *group, at int64) error {
	p, s := r.plan, r.scratch
	before := int64(math.MinInt64)
	for rest := g.open; len(rest) > 0; {
		o, after, ok := nextOpen(rest)
		if !ok || o.index <= before || !r.saneStep(o.index) {
			return stateFault("group of rule %s: open panes are damaged", r.rule.Name)
		}
		if err := s.pane.Decode(o.bytes, o.index*p.interval, nil); err != nil {
			return stateFault("group of rule %s: open pane: %w", r.rule.Name, err)
		}
		before, rest = o.index, after
	}
	if !r.saneStep(at) {
		return stateFault("group of rule %s: step %d is no time", r.rule.Name, at)
	}
	if g.life == nil {
		return nil
	}
	if newest := g.life.newest; !r.saneStep(newest) {
		return stateFault("group of rule %s: newest pane %d is no time", r.rule.Name, newest)
	}
	for i, shape := range p.windows {
		if err := g.life.window(i).Restore(shape, at); err != nil {
			return stateFault("group of rule %s: %w", r.rule.Name, err)
		}
	}
	s.trail.reset()
	if err := s.trail.load(g.life.trail, p.own().Reach()*p.interval, nil); err != nil {
		return stateFault("group of rule %s: %w", r.rule.Name, err)
	}
	return nil
}

// restoreOrphan takes a group of a rule that is gone: its alert, where one is active, resolves.
func (e *Evaluator) restoreOrphan(key, value []byte) error {
	if len(value) == 0 {
		e.orphan(key, nil, nil)
		return nil
	}
	in, err := openState(value, "group of a removed rule")
	if err != nil {
		return err
	}
	flags := in.byte("flags")
	at, birth, episode := in.varint("step"), in.varint("birth"), int64(in.int32("episode"))
	if flags&groupAlert == 0 {
		e.orphan(key, value, nil)
		return in.fault("group of a removed rule")
	}
	a, interval, ruleGroup := in.alert(1)
	if err := in.fault("group of a removed rule"); err != nil {
		return err
	}
	if interval <= 0 || at > maxTime/interval || a.since > maxTime/interval || at < -maxTime/interval || a.since < -maxTime/interval {
		return stateFault("group of a removed rule was evaluated at step %d of %d ns, which is no time", at, interval)
	}
	end := time.Unix(0, at*interval).UTC()
	f := &finding.Finding{
		Rule: a.labels.Get(label.AlertName), Group: ruleGroup, State: finding.Resolved, Settled: true,
		Birth: birth, Episode: episode, Transition: a.transition + 1,
		Labels: a.labels, Fingerprint: a.labels.Fingerprint(),
		WindowStart: end, WindowEnd: end, StartsAt: time.Unix(0, a.since*interval).UTC(), EndsAt: end, Reason: reasonRemoved,
	}
	f.ID = findingID(binary.BigEndian.Uint64(key[1:]), false, string(key[9:]), f)
	e.orphan(key, value, f)
	return nil
}

// orphan notes the state of a rule that is gone and the finding that resolves its alert; an empty value takes back what
// was noted.
func (e *Evaluator) orphan(key, value []byte, f *finding.Finding) {
	if len(value) == 0 {
		delete(e.orphans, string(key))
		return
	}
	e.orphans[string(key)] = f
}

// settle completes a restoration: groups catch up with the steps that their rules have been evaluated to. A group's
// record is written only when panes come or its alert changes; in between its windows slid, which is repeated here.
func (e *Evaluator) settle() {
	if !e.unsettled {
		return
	}
	e.unsettled = false
	for _, key := range slices.Sorted(maps.Keys(e.orphans)) {
		if f := e.orphans[key]; f != nil {
			e.result.Findings = append(e.result.Findings, f)
			e.orphans[key] = nil
		}
	}
	for _, r := range e.rules {
		e.settleRule(r)
	}
}

func (e *Evaluator) settleRule(r *ruleState) {
	kept := r.list[:0]
	r.alive = 0
	// Charts were drawn when the steps were evaluated first.
	r.charted = math.MaxInt
	for _, g := range r.list {
		if g.gone {
			delete(r.groups, g.key)
			continue
		}
		if raw := r.restored[g].raw; raw != nil {
			e.assemble(r, g, raw)
		}
		gone := false
		for step := r.restored[g].at; r.started && step < r.step && !gone; {
			step++
			if g.life == nil && (!r.expects(g.key) || step > r.restored[g].at+1 && r.settled(g, step-1)) {
				if g.firstOpen() >= r.step {
					break
				}
				step = max(step, g.firstOpen()+1)
			}
			gone = e.step(r, g, step)
		}
		if gone {
			e.drop(r, g, r.step)
			continue
		}
		if g.life != nil {
			r.alive++
		}
		kept = append(kept, g)
	}
	clear(r.list[len(kept):])
	r.list = kept
	clear(r.restored)
	clear(r.segments)
	e.awaitMore(r)
	for _, f := range e.feeds {
		f.dirty = true
	}
}
