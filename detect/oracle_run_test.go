package detect

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// run judges a group by itself.
func (g *oracleGroup) run(last int64) []string { return runOracle([]*oracleGroup{g}, last) }

// runOracle judges groups step by step, all of them at once.
func runOracle(groups []*oracleGroup, last int64) (out []string) {
	start := int64(math.MaxInt64)
	for _, g := range groups {
		start = min(start, g.prepare())
	}
	for step := start + 1; step <= last; step++ {
		var here []*oracleGroup
		for _, g := range groups {
			if g.enter(step) {
				here = append(here, g)
			} else if g.expected {
				g.vigil(step)
			}
		}
		askModels(here, step)
		for _, g := range here {
			g.leave(step)
		}
	}
	for _, g := range groups {
		out = append(out, g.out...)
	}
	return out
}

// prepare returns the first pane.
func (g *oracleGroup) prepare() (start int64) {
	r := g.rule
	g.lookback, g.missingIs = g.reach(g.steps(r.Window)), oracleMissing(r)
	for _, read := range r.When.Reads {
		back := g.back(read)
		g.lookback = max(g.lookback, g.reach(g.window(read))+back+bucket(back, 4096)/2)
		if read.Stat == expr.StatAbsent && g.back(read) == 0 && r.OnMissing == rules.MissingDefault {
			g.missingIs = rules.MissingZero
		}
	}
	longest := int64(0)
	for _, m := range r.When.Models {
		longest = max(longest, g.modelReach(m))
	}
	g.lookback += longest
	if slices.ContainsFunc(r.When.Aggregates, func(a expr.Aggregate) bool { return a.Func == expr.Counter }) {
		g.lookback = max(g.lookback, g.reach(g.steps(r.Window))+g.steps(10*time.Minute))
	}
	if slices.ContainsFunc(r.When.Aggregates, func(a expr.Aggregate) bool { return a.Func == expr.Values }) {
		g.lookback = max(g.lookback, g.steps(30*24*time.Hour))
	}
	slices.SortStableFunc(g.records, func(a, b seen) int { return cmp.Compare(g.pane(a), g.pane(b)) })
	g.panes = map[int64]bool{}
	start = int64(math.MaxInt64)
	for _, s := range g.records {
		g.panes[g.pane(s)] = true
		start = min(start, g.pane(s))
	}
	if g.expected {
		start = min(start, g.since0)
	}
	return start
}

// enter brings a group to a step; it is false for one that is not there.
func (g *oracleGroup) enter(step int64) bool {
	if g.panes[step-1] {
		if !g.alive {
			g.alive = true
			g.lifeFrom, g.samples = step, nil
			g.inputs = make([][]float64, len(g.rule.When.Models))
			g.distances = make([][]float64, len(g.rule.When.Models))
			g.around = make([][2]float64, len(g.rule.When.Models))
		}
		g.newest = step - 1
		g.takeSamples(step)
	}
	if g.alive {
		g.frame, g.missing = g.reads(step)
	}
	return g.alive
}

func (g *oracleGroup) complete() int64 { return g.first + g.steps(g.rule.Window) }

// leave judges the group.
func (g *oracleGroup) leave(step int64) {
	r := g.rule
	young := time.Duration(step-g.lifeFrom)*r.Interval < r.NewGroupDelay
	if (step >= g.complete() || r.When.Monotone) && (!young || g.active()) {
		switch {
		case !g.missing || g.missingIs == rules.MissingZero:
			g.judge(step, g.frame, g.effective(g.frame))
		case g.missingIs == rules.MissingFire:
			g.judge(step, g.frame, len(r.When.Conditions)-1)
		case g.missingIs == rules.MissingResolve && g.active():
			g.told = max(g.fires(), 0)
			g.emit(step, finding.Resolved, g.frame, "no data")
			g.levels = nil
		}
	}
	if g.newest < step-g.lookback {
		unjudged := g.missingIs == rules.MissingKeep && g.missing
		old := time.Duration(step-g.newest-1)*r.Interval >= cmp.Or(r.ForgetAfter, 24*time.Hour)
		if !g.expected && g.active() && old && (g.levels[0].cleared == 0 || unjudged) {
			reason := "forgotten"
			if unjudged {
				reason = "no data"
			}
			g.told = max(g.fires(), 0)
			g.emit(step, finding.Resolved, g.frame, reason)
			g.levels = nil
		}
		g.alive = g.active() && !g.expected
		g.ended = step
		if g.expected {
			g.samples = nil
		}
	}
	if !g.active() {
		g.samples = nil
	}
}
