package detect

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/rules/label"
)

// orphan is state of a rule that is no longer in the set.
type orphan struct {
	key []byte
	// finding resolves the rule's alert, where one was active.
	finding *finding.Finding
}

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
	default:
		return stateFault("key of %d bytes is of no kind that is known", len(key))
	}
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
	marked := r.byte("mark")&sourceMarked != 0
	if marked {
		m.Partitions = r.int32("partitions")
		m.Time = r.varint("event time")
		m.Start = r.varint("start")
		m.Version = r.fixed64("version of the rules")
	}
	if err := r.fault("source"); err != nil {
		return err
	}
	if number >= maxSources || !sane(m.Time) {
		return stateFault("source %s has number %d and event time %d", src, number, m.Time)
	}
	for uint32(len(e.sources)) <= number {
		e.sources = append(e.sources, sourceState{})
	}
	e.sources[number] = sourceState{Source: src}
	e.numbers[src] = number
	if marked {
		e.marks.Observe(src.Topic, src.Partition, m)
	}
	return nil
}

func (e *Evaluator) restoreRule(key, value []byte) error {
	r := e.byID[binary.BigEndian.Uint64(key[1:])]
	if r == nil {
		e.orphan(key, value, nil)
		return nil
	}
	if len(value) == 0 {
		return nil
	}
	in, err := openState(value, "rule "+r.rule.Name)
	if err != nil {
		return err
	}
	flags := in.byte("flags")
	if r.started = flags&ruleStarted != 0; r.started {
		r.step = in.varint("step")
		r.first = in.varint("first step")
		r.complete = in.varint("first complete step")
	}
	if flags&ruleOverflow != 0 {
		r.overflowed = in.varint("overflow")
	}
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
	g, at, err := r.readGroup(name, value)
	if err != nil {
		return err
	}
	if held == nil {
		held = new(group)
		r.groups[name] = held
		r.list = append(r.list, held)
	}
	*held = *g
	r.restoredAt[held] = at
	return nil
}

// readGroup decodes a group and the step up to which it was evaluated.
func (r *ruleState) readGroup(name string, value []byte) (g *group, at int64, err error) {
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
		g.alert, _, _ = in.alert()
	}
	if flags&groupEarly != 0 {
		g.early = in.varint("early step")
	}
	g.open = append([]byte(nil), in.bytes("open panes")...)
	if flags&groupAlive != 0 {
		g.life = in.life(r.plan)
	}
	if in.err == nil && len(in.b) > 0 {
		return nil, 0, stateFault("%s: %d bytes too many", about, len(in.b))
	}
	if err := in.fault(about); err != nil {
		return nil, 0, err
	}
	return g, at, r.checkGroup(g, at)
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
	if newest := g.life.log.Last(); !r.saneStep(newest) {
		return stateFault("group of rule %s: newest pane %d is no time", r.rule.Name, newest)
	}
	if err := p.rebuild(g.life, at, s); err != nil {
		return stateFault("group of rule %s: %w", r.rule.Name, err)
	}
	s.trail.reset()
	if err := s.trail.load(g.life.trail, p.window*p.interval, nil); err != nil {
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
	a, interval, ruleGroup := in.alert()
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
	f.ID = findingID(binary.BigEndian.Uint64(key[1:]), string(key[9:]), f)
	e.orphan(key, value, f)
	return nil
}

// orphan notes the state of a rule that is gone; an empty value takes back what was noted.
func (e *Evaluator) orphan(key, value []byte, f *finding.Finding) {
	for i := range e.orphans {
		if string(e.orphans[i].key) == string(key) {
			e.orphans = append(e.orphans[:i], e.orphans[i+1:]...)
			break
		}
	}
	if len(value) > 0 {
		e.orphans = append(e.orphans, orphan{append([]byte(nil), key...), f})
	}
}

// settle completes a restoration: groups catch up with the steps that their rules have been evaluated to. A group's
// record is written only when panes come or its alert changes; in between its windows slid, which is repeated here.
func (e *Evaluator) settle() {
	if !e.unsettled {
		return
	}
	e.unsettled = false
	for i := range e.orphans {
		if f := e.orphans[i].finding; f != nil {
			e.result.Findings = append(e.result.Findings, f)
			e.orphans[i].finding = nil
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
		gone := false
		for step := r.restoredAt[g]; r.started && step < r.step && !gone; {
			step++
			if g.life == nil {
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
	clear(r.restoredAt)
	for _, f := range e.feeds {
		f.dirty = true
	}
}
