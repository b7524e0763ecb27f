package detect

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/window"
)

// While rules change, some sources are still read under the old ones and some under the new, by this process or by
// others, and evaluators have the old or the new. Rules that both have go on as if nothing happened: their panes are the
// same. A rule that a source is not read for must not take its silence for a fact: a new one waits until all sources are
// read for it, and one that goes is held.

// never is the first step of a rule that is held.
const never = math.MaxInt64 / 2

// mark returns what to note of a marker.
func (e *Evaluator) mark(src Source, m Marker) window.Mark {
	mark := window.Mark{Partitions: m.Partitions, Read: m.Read, Version: m.Rules, Foreign: m.Rules != e.opts.Rules.Version}
	before, known := e.marks.Get(src.Topic, src.Partition)
	if !known || before.Version != mark.Version {
		return mark
	}
	for c, read := range before.Read {
		start := &mark.Read[c].Start
		*start = max(*start, read.Start)
		if before.Foreign && !mark.Foreign && read.Time != math.MinInt64 {
			// Panes of our rules were passed over. They were no farther ahead of their marker than a marker may be.
			*start = max(*start, read.Time+markerEvery)
		}
	}
	return mark
}

// holdUnlisted holds the rules that a source is no longer read for: those that are not among the ones listed, if they are
// listed, which nil says they are not.
func (e *Evaluator) holdUnlisted(src Source, m Marker, listed []byte) {
	if listed == nil || m.Rules == e.opts.Rules.Version {
		return
	}
	for _, f := range e.feeds {
		if !slices.Contains(f.topics, src.Topic) {
			continue
		}
		for _, r := range f.rules {
			if r.started && !lists(listed, r.rule.ID) {
				r.hold()
			}
		}
	}
}

// hold takes from a rule that it is known what its sources have: nothing resolves or is found for want of records until
// advanceFeed sees all of them read under the present rules again. Most often the rule is removed before.
func (r *ruleState) hold() {
	if r.held() {
		return
	}
	r.first, r.complete = never, never
	r.gap, r.dirty = true, true
	// A restoration repeats the steps since a group was written, and would do so without knowing of what was read.
	for _, g := range r.list {
		r.touch(g)
	}
}

func (r *ruleState) held() bool { return r.started && r.first == never }

// waiting returns how many rules wait until all that they read is read under the present rules.
func (e *Evaluator) waiting() int {
	n := 0
	for _, f := range e.feeds {
		topics := e.awaited(f)
		if _, known := e.marks.Complete(topics, f.clock); !known {
			continue
		}
		if _, all := e.marks.Start(topics, f.clock, e.opts.Rules.Version); all {
			continue
		}
		for _, r := range f.rules {
			if !r.started || r.held() {
				n++
			}
		}
	}
	return n
}
