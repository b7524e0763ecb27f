package detect

import (
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// alert is the state of an alert that is pending or firing: a hold for each condition of its rule. A severe condition
// counts for all that are less severe, so the first hold is that of the alert as a whole.
type alert struct {
	hold
	above      []hold // of the further severities; nil where the rule has one condition
	transition int64
	// labels are those of the episode's first settled finding: a label that shows a value must not change the alert.
	labels label.Set
}

// hold is how long a condition has held. since is the step at which it began, or noStep; cleared that since which it does
// not hold any more, or noStep.
type hold struct {
	since, cleared int64
	firing         bool
}

// holds says whether the condition is taken to hold at present.
func (h *hold) holds() bool { return h.since != noStep && h.cleared == noStep }

// move takes the judgement of a step.
func (h *hold) move(p *plan, step int64, holds bool) {
	switch {
	case holds:
		h.cleared = noStep
		if h.since == noStep {
			h.since = step
		}
		h.firing = h.firing || p.lasted(h.since, step, p.rule.For)
	case h.since != noStep:
		if h.cleared == noStep {
			h.cleared = step
		}
		if !h.firing || p.lasted(h.cleared, step, p.rule.KeepFiringFor) {
			*h = hold{since: noStep, cleared: noStep}
		}
	}
}

// newAlert returns the alert of a rule with so many conditions, none of which holds yet.
func newAlert(conditions int) *alert {
	none := hold{since: noStep, cleared: noStep}
	a := &alert{hold: none}
	for range conditions - 1 {
		a.above = append(a.above, none)
	}
	return a
}

// at returns the hold of a condition.
func (a *alert) at(level int) *hold {
	if level == 0 {
		return &a.hold
	}
	return &a.above[level-1]
}

// level returns the most severe condition for which the alert fires, -1 when it does for none.
func (a *alert) level() int {
	for i := len(a.above); i >= 0; i-- {
		if a.at(i).firing {
			return i
		}
	}
	return -1
}

// holding returns the most severe condition that the alert takes to hold, -1 for none.
func (a *alert) holding() int {
	for i := len(a.above); i >= 0; i-- {
		if a.at(i).holds() {
			return i
		}
	}
	return -1
}

// judge moves the group's alert between inactive, pending and firing, and between severities; level is the most severe
// condition that holds, -1 for none.
func (e *Evaluator) judge(r *ruleState, g *group, step int64, level int) {
	a := g.alert
	if a == nil {
		switch {
		case level >= 0:
			a = newAlert(len(r.rule.When.Conditions))
			g.alert = a
			g.episode++
			g.early = noStep
		case g.early != noStep && step >= g.early:
			// An early finding that its complete window does not bear out: the condition was not what it was taken for.
			g.episode++
			g.early = noStep
			g.alert = newAlert(1)
			g.alert.since, g.alert.transition = step, 1
			e.emit(r, g, step, finding.Resolved, 0, "")
			g.alert = nil
			return
		default:
			return
		}
	}
	before, began := a.level(), a.since == noStep
	since := a.since
	for i := range r.rule.When.Conditions {
		a.at(i).move(r.plan, step, i <= level)
	}
	switch now := a.level(); {
	case a.since == noStep:
		a.since = since // when the episode began
		e.emit(r, g, step, finding.Resolved, max(before, 0), "")
		g.alert = nil
	case now >= 0 && now != before:
		e.emit(r, g, step, finding.Firing, now, "")
	case began:
		e.emit(r, g, step, finding.Pending, level, "")
	}
}

// holding returns the most severe condition that holds at a step, -1 for none: one that the alert is in holds on until
// its `until` does.
func (r *ruleState) holding(a *alert) int {
	when, frame := r.rule.When, &r.scratch.frame
	level := when.Holding(frame)
	if a == nil {
		return level
	}
	for i := len(when.Conditions) - 1; i > level; i-- {
		if c := &when.Conditions[i]; c.Until != nil && a.at(i).holds() && !c.Until(frame) {
			return i
		}
	}
	return level
}
