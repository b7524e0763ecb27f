package detect

import (
	"cmp"
	"math"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// forgetAfter is how long, in time of records, an alert is kept whose group sends nothing any more: an alert whose
// condition cannot be judged, or that fires because nothing comes.
const forgetAfter = 24 * time.Hour

// Reasons why an alert resolved that was not its condition.
const (
	reasonNoData    = "no data"
	reasonForgotten = "forgotten"
	reasonRemoved   = "rule removed"
)

// step evaluates one group of a rule at a step: the end of the window that is now complete. It returns whether the
// group is to be let go.
func (e *Evaluator) step(r *ruleState, g *group, step int64) (gone bool) {
	here, _, missing := e.enter(r, g, step)
	if !here {
		return e.vigil(r, g, step)
	}
	for i := r.observe(g, step, 0); i < len(r.plan.models); i = r.observe(g, step, i+1) {
		r.scratch.frame.Models[i] = math.NaN() // how the groups lay is not known any more
	}
	return e.leave(r, g, step, missing)
}

// enter brings a group to a step and computes the numbers of its condition, but for its models. A group without life is
// not here; closing says whether it closed a pane, missing whether all its windows are empty.
func (e *Evaluator) enter(r *ruleState, g *group, step int64) (here, closing, missing bool) {
	p, s := r.plan, r.scratch
	s.trail.reset()
	closing = g.firstOpen() == step-1
	if g.life == nil {
		if !closing {
			return false, false, false
		}
		g.life = p.beginLife(step)
	}
	l := g.life
	if closing {
		if err := e.closePane(r, g); err != nil {
			e.warn(r, err)
		}
	}
	if err := p.slide(l, step, s); err != nil {
		e.warn(r, err)
	}
	missing = r.fill(g, step)
	r.remember(l, step)
	return true, closing, missing
}

// leave judges a group that entered a step. It returns whether the group is to be let go.
func (e *Evaluator) leave(r *ruleState, g *group, step int64, missing bool) (gone bool) {
	whole := step >= r.complete
	if (whole || r.rule.When.Monotone) && (!r.plan.tooNew(g.life, step) || g.alert != nil) { // one that was expected may have an alert
		e.assess(r, g, step, missing, whole)
	}
	gone = e.endLife(r, g, step, missing)
	r.saveTrail(g)
	if (step+g.birth)%r.refreshAfter() == 0 {
		r.touch(g)
	}
	return gone
}

// assess judges the group at a step, as on_missing has it where none of its records is in a window. That records were not
// read for a while, so that a window is not whole, ends no alert.
func (e *Evaluator) assess(r *ruleState, g *group, step int64, missing, whole bool) {
	policy := r.plan.missing
	lacks := r.gap && !whole
	switch {
	case missing && (policy == rules.MissingKeep || lacks):
		return
	case r.rule.Records:
		if !missing || policy == rules.MissingZero {
			e.record(r, g, step)
		}
	case missing && policy == rules.MissingFire:
		e.judge(r, g, step, len(r.rule.When.Conditions)-1)
	case missing && policy == rules.MissingResolve:
		if g.alert != nil {
			e.emit(r, g, step, finding.Resolved, max(g.alert.level(), 0), reasonNoData)
			g.alert = nil
		}
	default:
		level := r.holding(g.alert)
		if lacks && g.alert != nil {
			if level < 0 {
				break
			}
			level = max(level, g.alert.holding())
		}
		e.judge(r, g, step, level)
	}
	e.chart(r, g, step)
}

// tooNew says whether a group is not to be judged yet.
func (p *plan) tooNew(l *life, step int64) bool {
	return p.newGroupDelay > 0 && step < l.more.born+p.newGroupDelay
}

// refreshAfter is after how many steps the record of a living group is written again: a restoration repeats the steps
// since then, and a group of a long window may have been quiet for weeks. The groups take turns.
const refreshAfter = 512

func (r *ruleState) refreshAfter() int64 {
	if r.crowds != nil {
		return crowdSteps
	}
	return refreshAfter
}

// closePane moves the pane that is complete into the windows and its evidence into the trail.
func (e *Evaluator) closePane(r *ruleState, g *group) error {
	p, s := r.plan, r.scratch
	index := g.firstOpen()
	s.since = r.since()
	if err := p.closePane(g, s, e.order); err != nil {
		return err
	}
	if s.pane.Evidence.Records == 0 {
		return nil
	}
	err := r.loadTrail(g, e.order)
	s.trail.add(index, p.own().Reach(), p.interval, &s.pane.Evidence, g.alert != nil, e.order)
	return err
}

// fill computes the numbers of the condition at a step from the aggregates over its windows. It returns whether all
// the windows that end at the step are empty.
func (r *ruleState) fill(g *group, step int64) (missing bool) {
	p, s := r.plan, r.scratch
	present := false
	for i, read := range p.reads {
		if read.back > 0 {
			s.frame.Reads[i] = r.lookBack(g.life, read, step-read.back)
			continue
		}
		s.frame.Reads[i] = p.value(read.planNumber, step, s)
		if read.stat == expr.StatFresh && (g.life == nil || (step-g.life.more.born)*p.interval < freshLearning) {
			s.frame.Reads[i] = math.NaN()
		}
		present = present || !s.totals[read.window][read.total].Empty()
	}
	keyValues(s.frame.By, g.key)
	return !present
}

// lookBack returns a number as it was at an earlier step. Before the group's life its windows were empty, which is
// known where they were complete.
func (r *ruleState) lookBack(l *life, read planRead, step int64) float64 {
	base := &r.plan.bases[read.base]
	step = base.Nearest(step)
	if step > r.step {
		return math.NaN()
	}
	if l != nil && l.more != nil {
		if x, ok := l.more.bases[read.base].At(step / base.Width); ok {
			return x
		}
	}
	if !r.isComplete(read.planNumber, step) {
		return math.NaN()
	}
	return r.scratch.empty[read.base]
}

// isComplete says whether the window of a number that ends at a step lies within what has been read.
func (r *ruleState) isComplete(n planNumber, step int64) bool {
	return step-r.plan.windows[n.window].Length >= r.first
}

// remember pushes the step's numbers into the histories.
func (r *ruleState) remember(l *life, step int64) {
	p, s := r.plan, r.scratch
	if l.more == nil {
		return
	}
	for i, b := range p.bases {
		if step%b.Width != 0 {
			continue
		}
		x := math.NaN()
		if r.isComplete(b.planNumber, step) {
			x = p.value(b.planNumber, step, s)
		}
		l.more.bases[i].Push(step/b.Width, x, b.Numbers)
	}
}

// lasted says whether a duration has passed between two steps.
func (p *plan) lasted(from, to int64, d time.Duration) bool {
	return (to-from)*p.interval >= int64(d)
}

// endLife ends the group's life when nothing is left to look at: the group is gone then, unless newer panes wait. An
// alert that is still active without any data is given up after forgetAfter, unless keep_firing_for is ending it. A group that
// is expected stays, and its alert.
func (e *Evaluator) endLife(r *ruleState, g *group, step int64, missing bool) (gone bool) {
	newest := g.life.newest
	if newest >= step-r.plan.lookback || r.gap && step < r.complete { // its records may be among those that are missing
		return false
	}
	expected := r.expects(g.key)
	if g.alert != nil && !expected {
		unjudged := r.plan.missing == rules.MissingKeep && missing
		if !r.plan.lasted(newest+1, step, cmp.Or(r.rule.ForgetAfter, forgetAfter)) || (g.alert.cleared != noStep && !unjudged) {
			return false
		}
		reason := reasonForgotten
		if unjudged {
			reason = reasonNoData
		}
		e.emit(r, g, step, finding.Resolved, max(g.alert.level(), 0), reason)
		g.alert = nil
	}
	r.dropSegments(g)
	g.life = nil
	r.touch(g)
	r.restless = r.restless || expected
	return g.firstOpen() == noPane && !expected
}

// foresee fires ahead of the watermark: when the condition holds over the records that are here, and more records can
// only make it more true, there is nothing to wait for. What an Apply brings nothing new for is left out: it was looked at
// before.
func (e *Evaluator) foresee(r *ruleState, g *group) {
	if g.gone || g.alert != nil || g.early != noStep || !r.started {
		return
	}
	s := r.scratch
	for rest := g.open; ; {
		o, after, ok := nextOpen(rest)
		if !ok {
			return
		}
		rest = after
		if o.index < r.lowest {
			continue
		}
		step := o.index + 1
		if err := r.plan.foresee(g, step, s); err != nil {
			e.warn(r, err)
			return
		}
		r.fill(g, step)
		clearModels(&s.frame)
		if level := r.rule.When.Holding(&s.frame); level >= 0 {
			e.emitEarly(r, g, step, level)
			return
		}
	}
}

func clearModels(f *expr.Frame) {
	for i := range f.Models {
		f.Models[i] = math.NaN()
	}
}
