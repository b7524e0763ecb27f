package detect

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/model"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// A rule that compares groups has all of them in one partition of freshet.panes. A step is evaluated in two passes: the
// first brings every group up to the step and fills its frame, then it is known how the groups lie, and the second
// judges them.
//
// A group that is restored repeats steps without the others, so the rule's record says how they lay at the last ones;
// the records of groups are written again all the sooner.

// crowdSteps is for how many steps it is known how the groups lay, and after how many steps the record of a living group
// is written again.
const crowdSteps = 64

// partitionOf returns which of n partitions of freshet.panes a group's panes go to.
func partitionOf(r *rules.Rule, key string, n int32) int32 {
	if r.When.ComparesGroups() {
		key = ""
	}
	return pane.Key{Rule: panesOf(r), Group: key}.Partition(n)
}

// crowds are how the groups of a rule lay at its last steps, for each model that compares them.
type crowds struct {
	models int
	steps  []crowdStep // oldest first
	values []float64
	frames []float64 // per group, its reads and models
	slots  []slot    // per group
}

type crowdStep struct {
	step int64
	of   []model.Crowd
}

// slot is what the first pass leaves of a group to the second. frame is the number of its frame.
type slot struct {
	frame                  int
	here, closing, missing bool
}

// newCrowds returns nil for a rule that compares no groups.
func newCrowds(r *rules.Rule) *crowds {
	if !r.When.ComparesGroups() {
		return nil
	}
	c := new(crowds)
	for _, m := range r.When.Models {
		if m.Kind == expr.Outlier {
			c.models++
		}
	}
	return c
}

// at returns how the groups lay at a step.
func (c *crowds) at(step int64, which int) (model.Crowd, bool) {
	for _, s := range slices.Backward(c.steps) {
		if s.step == step && which < len(s.of) {
			return s.of[which], true
		}
	}
	return model.Crowd{}, false
}

// begin makes room for a step and forgets the oldest.
func (c *crowds) begin(step int64) {
	if len(c.steps) < crowdSteps {
		c.steps = append(c.steps, crowdStep{step, make([]model.Crowd, 0, c.models)})
		return
	}
	oldest := c.steps[0].of[:0]
	copy(c.steps, c.steps[1:])
	c.steps[crowdSteps-1] = crowdStep{step, oldest}
}

// isPeer says whether a group is one of the crowd: the group of those beyond max_groups is not.
func isPeer(g *group) bool {
	_, overflow := overflowPartition(g.key)
	return !overflow
}

// evaluateCrowd evaluates one step of all groups of a rule that compares them.
func (e *Evaluator) evaluateCrowd(r *ruleState, step int64) {
	c := r.crowds
	c.begin(step)
	c.slots, c.frames = c.slots[:0], c.frames[:0]
	next := 0
	for i, g := range r.list {
		before := g.life != nil
		s := slot{frame: i}
		s.here, s.closing, s.missing = e.enter(r, g, step)
		if s.here {
			next = r.observe(g, step, 0)
		}
		r.countLife(before, g.life != nil)
		r.keepTrail(g)
		c.slots = append(c.slots, s)
		c.frames = append(append(c.frames, r.scratch.frame.Reads...), r.scratch.frame.Models...)
	}
	for next < len(r.plan.models) && slices.ContainsFunc(c.slots, func(s slot) bool { return s.here }) {
		next = r.compare(step, next)
	}
	now := &c.steps[len(c.steps)-1]
	for len(now.of) < c.models { // no group was here
		now.of = append(now.of, model.NewCrowd(nil))
	}
	for i := 0; i < len(r.list); {
		g, s := r.list[i], c.slots[i]
		gone := false
		if s.here {
			gone = e.leaveCrowd(r, g, step, s)
		} else {
			gone = e.vigil(r, g, step)
		}
		if !gone {
			i++
			continue
		}
		last := len(r.list) - 1
		r.list[i], r.list[last] = r.list[last], nil
		r.list, c.slots[i] = r.list[:last], c.slots[last]
		e.drop(r, g, step)
	}
}

// leaveCrowd judges a group that the first pass brought to the step.
func (e *Evaluator) leaveCrowd(r *ruleState, g *group, step int64, s slot) (gone bool) {
	r.scratch.trail.reset()
	r.loadFrame(g, s.frame)
	if s.closing {
		if err := r.loadTrail(g, e.order); err != nil {
			e.warn(r, err)
		}
	}
	gone = e.leave(r, g, step, s.missing)
	r.countLife(true, g.life != nil)
	return gone
}

// compare finds out how the groups lie for one model and asks the models after it. It returns the number of the next
// that compares them, or how many models there are.
func (r *ruleState) compare(step int64, which int) (next int) {
	c := r.crowds
	c.values = c.values[:0]
	for i, g := range r.list {
		if !c.slots[i].here || !isPeer(g) {
			continue
		}
		r.loadFrame(g, c.slots[i].frame)
		if x := r.rule.When.Models[which].Input(&r.scratch.frame); !math.IsNaN(x) && !math.IsInf(x, 0) {
			c.values = append(c.values, x)
		}
	}
	slices.Sort(c.values)
	now := &c.steps[len(c.steps)-1]
	now.of = append(now.of, model.NewCrowd(c.values))
	for i, g := range r.list {
		if !c.slots[i].here {
			continue
		}
		r.loadFrame(g, c.slots[i].frame)
		next = r.observe(g, step, which)
		copy(c.frames[c.slots[i].frame*r.frameSize()+len(r.plan.reads):], r.scratch.frame.Models)
	}
	return next
}

func (r *ruleState) frameSize() int { return len(r.plan.reads) + len(r.plan.models) }

// loadFrame makes the frame of a group ready in the rule's scratch.
func (r *ruleState) loadFrame(g *group, number int) {
	f, frame := r.crowds.frames[number*r.frameSize():], &r.scratch.frame
	copy(frame.Reads, f)
	copy(frame.Models, f[len(r.plan.reads):])
	keyValues(frame.By, g.key)
}

// append appends how the groups lay at the last steps.
func (c *crowds) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.steps)))
	for _, s := range c.steps {
		b = binary.AppendVarint(b, s.step)
		for _, crowd := range s.of {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(crowd.Median))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(crowd.Deviation))
		}
	}
	return b
}

func (r *stateReader) crowds(c *crowds) {
	n := r.uvarint("crowds")
	if n > crowdSteps {
		r.err = sectionFault("crowds of %d steps, expected at most %d", n, crowdSteps)
		return
	}
	c.steps = nil
	for range n {
		s := crowdStep{step: r.varint("crowd")}
		for range c.models {
			s.of = append(s.of, model.Crowd{
				Median: math.Float64frombits(r.fixed64("crowd")), Deviation: math.Float64frombits(r.fixed64("crowd")),
			})
		}
		c.steps = append(c.steps, s)
	}
}
