package detect

import (
	"math"

	"github.com/freshet-dev/freshet/detect/explain"
	"github.com/freshet-dev/freshet/rules"
)

// ruleState is what stage 2 holds of one rule.
type ruleState struct {
	rule    *rules.Rule
	plan    *plan
	scratch *scratch
	memory  *explain.Memory
	share   int // how many groups this partition may hold, 0 for any number

	progress
	overflow *overflow // nil while there is no overflow group
	crowds   *crowds   // nil where the rule compares no groups
	dirty    bool

	groups map[string]*group
	list   []*group
	alive  int // groups with a life
	// expected are the groups that the rule expects here, and since which step, noStep until the rule starts. restless: one of
	// them is in vigil and not settled, or may be.
	expected map[string]int64
	restless bool
	changed  []*group // for the next Changes
	// tombstones delete the segments of lives that ended.
	tombstones []Change
	// restored groups, and segments by group key and number, until all are settled.
	restored map[*group]restoredGroup
	segments map[string]map[segmentID][]byte
	// husks are the episodes of groups that were let go at the offset at which they were born.
	husks   map[string]uint32
	charted int
	// lowest is the first pane that the present Apply brought something for.
	lowest int64
	// overflowPanes is how many deltas the overflow group took since the evaluator was made.
	overflowPanes uint64
}

// progress is how far a rule has been evaluated. started: all sources have a marker. step is the last step that was
// evaluated: panes below it are closed. first is the first step from which on everything was read, complete the first at
// which the rule's window lies after that. gap: before first, not everything was read for a while, see hold.
type progress struct {
	started         bool
	step            int64
	first, complete int64
	gap             bool
}

// advanceFeed evaluates the steps of the feed's rules that have become complete.
func (e *Evaluator) advanceFeed(f *feed) {
	topics := e.awaited(f)
	at, ok := e.marks.Complete(topics, f.clock)
	if !ok {
		return
	}
	start, all := e.marks.Start(topics, f.clock, e.opts.Rules.Version)
	for _, r := range f.rules {
		switch {
		case !r.started && !all:
			continue
		case !r.started:
			r.start(start, floorDiv(at-r.plan.lateness, r.plan.interval))
			e.await(r, -floorDiv(-at, r.plan.interval))
		case all && r.held():
			r.dirty = true
			r.setStart(start)
		}
		e.advance(r, floorDiv(at-r.plan.lateness, r.plan.interval))
	}
}

// start begins the evaluation: every source is being read under the present rules, and was from the time given.
func (r *ruleState) start(from, watermark int64) {
	r.started, r.dirty = true, true
	r.setStart(from)
	// Every pane that is here, or will be, is still to be evaluated.
	r.step = watermark
	for _, g := range r.list {
		r.step = min(r.step, g.firstOpen())
	}
}

// since returns the time from which on everything was read.
func (r *ruleState) since() int64 {
	switch {
	case r.first <= math.MinInt64/2:
		return math.MinInt64
	case r.first == never:
		return math.MaxInt64
	default:
		return r.first * r.plan.interval
	}
}

func (r *ruleState) setStart(from int64) {
	if from == math.MinInt64 {
		r.first, r.complete = math.MinInt64/2, math.MinInt64/2
		return
	}
	r.first = -floorDiv(-from, r.plan.interval)
	r.complete = r.first + r.plan.own().Length
}

// advance evaluates all steps up to the watermark. Where no group has a life, and none that is expected wants to be judged, it
// goes to the next open pane at once.
func (e *Evaluator) advance(r *ruleState, watermark int64) {
	for r.step < watermark {
		next := r.step + 1
		if r.alive == 0 && !r.restless {
			next = watermark
			for _, g := range r.list {
				if first := g.firstOpen(); first != noPane {
					next = min(next, first+1)
				}
			}
		}
		r.step, r.dirty = next, true
		r.memory.Close(next)
		e.evaluate(r, next)
	}
}

// evaluate evaluates one step of all groups.
func (e *Evaluator) evaluate(r *ruleState, step int64) {
	r.charted, r.restless = 0, false
	if r.crowds != nil {
		e.evaluateCrowd(r, step)
		return
	}
	for i := 0; i < len(r.list); {
		g := r.list[i]
		before := g.life != nil
		gone := e.step(r, g, step)
		r.countLife(before, g.life != nil)
		if !gone {
			i++
			continue
		}
		last := len(r.list) - 1
		r.list[i], r.list[last] = r.list[last], nil
		r.list = r.list[:last]
		e.drop(r, g, step)
	}
}

func (r *ruleState) countLife(before, now bool) {
	switch {
	case now && !before:
		r.alive++
	case before && !now:
		r.alive--
	}
}

// drop lets a group go that is no longer in the list.
func (e *Evaluator) drop(r *ruleState, g *group, step int64) {
	delete(r.groups, g.key)
	r.touch(g)
	g.gone = true
	if g.birth == e.offset {
		if r.husks == nil {
			r.husks = map[string]uint32{}
		}
		r.husks[g.key] = g.episode
	}
	if _, ok := overflowPartition(g.key); ok {
		e.overflowEnds(r, step)
	}
}

// touch lists a group for the next Changes.
func (r *ruleState) touch(g *group) {
	if !g.dirty {
		g.dirty = true
		r.changed = append(r.changed, g)
	}
}
