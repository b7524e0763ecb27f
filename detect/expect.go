package detect

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
)

// A rule may expect groups. Such a group is there from the start of the rule on, sent or not, and has its place whatever
// the rule's max_groups; it is in the one partition of freshet.panes in which its panes would be. While it has no life it
// is kept in vigil: judged at each step as a group whose windows are empty and that has no past. So it is never forgotten.
// What is known of it beside its alert is since when it is expected.
//
// When that is, no record says. It is the event time that all sources had reached when the last of them was heard of, a fact in
// the log; so a replay finds the same, while another division into sections may miss a group that never sent a little sooner
// or later.

// reasonUnexpected is why the alert of a group in vigil resolved that is not expected any more.
const reasonUnexpected = "not expected any more"

// expectedKeys returns the keys of the groups that a rule expects in a partition, not yet begun to be.
func expectedKeys(r *rules.Rule, partition, panePartitions int32) map[string]int64 {
	var keys map[string]int64
	for _, texts := range r.Expect {
		var b []byte
		for _, text := range texts {
			text = cut(text, maxKeyText)
			b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
		}
		key := string(b)
		if partitionOf(r, key, panePartitions) != partition {
			continue
		}
		if keys == nil {
			keys = map[string]int64{}
		}
		keys[key] = noStep
	}
	return keys
}

// expects says whether the rule expects the group of a key here.
func (r *ruleState) expects(key string) bool {
	_, ok := r.expected[key]
	return ok
}

// await makes the groups that are expected and not there, from a step on.
func (e *Evaluator) await(r *ruleState, since int64) {
	for _, key := range slices.Sorted(maps.Keys(r.expected)) {
		g := r.groups[key]
		if g != nil && r.expected[key] != noStep {
			continue
		}
		r.expected[key] = since
		if g == nil {
			g = &group{key: key, early: noStep, birth: e.offset, episode: r.husks[key]}
			r.groups[key] = g
			r.list = append(r.list, g)
		}
		r.touch(g)
	}
	r.restless = slices.ContainsFunc(r.list, func(g *group) bool {
		return g.life == nil && (g.alert != nil || g.firstOpen() == noPane || r.expects(g.key))
	})
}

// awaitMore makes the groups of a rule that is evaluated already. What is expected only now is so from what was reached on.
func (e *Evaluator) awaitMore(r *ruleState) {
	if r.started {
		e.await(r, r.step-floorDiv(-r.plan.lateness, r.plan.interval))
	}
}

// vigil judges a group without a life, if it is expected, at a step. It returns whether the group is to be let go, which it
// is when it is expected no more.
func (e *Evaluator) vigil(r *ruleState, g *group, step int64) (gone bool) {
	since, expected := r.expected[g.key]
	if !expected && g.alert == nil {
		return g.firstOpen() == noPane
	}
	r.scratch.trail.reset()
	r.fillEmpty(g, step)
	switch {
	case !expected:
		e.emit(r, g, step, finding.Resolved, max(g.alert.level(), 0), reasonUnexpected)
		g.alert = nil
		return g.firstOpen() == noPane
	case step >= r.complete && step >= since+max(r.plan.own().Length, r.plan.newGroupDelay):
		e.assess(r, g, step, true, true)
	}
	if (step+g.birth)%r.refreshAfter() == 0 {
		r.touch(g)
	}
	r.restless = r.restless || !r.settled(g, step)
	return false
}

// fillEmpty computes the numbers of the condition for a group that has nothing and of which nothing is remembered.
func (r *ruleState) fillEmpty(g *group, step int64) {
	for _, totals := range r.scratch.totals {
		for _, a := range totals {
			a.Reset()
		}
	}
	r.fill(g, step)
	clearModels(&r.scratch.frame)
}

// settled says whether nothing comes of judging a group in vigil again after a step, until a pane comes: its numbers are
// what they will be, and no time is running. Then steps can be passed over, of which there are many where a source begins
// with a record that is years old.
func (r *ruleState) settled(g *group, step int64) bool {
	p := r.plan
	if step < r.complete || step-p.lookback < r.first || step < r.expected[g.key]+max(p.own().Length, p.newGroupDelay) || g.early != noStep {
		return false
	}
	if g.alert == nil || p.missing == rules.MissingKeep {
		return true
	}
	for i := range r.rule.When.Conditions {
		if h := g.alert.at(i); h.since != noStep && (!h.firing || h.cleared != noStep) {
			return false
		}
	}
	return true
}
