package detect

import (
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// oracleLevel is one severity of an alert, which is an alert of its own but for what is told of it.
type oracleLevel struct {
	state          finding.State // "" while inactive
	since, cleared int64
}

func (g *oracleGroup) active() bool { return len(g.levels) > 0 && g.levels[0].state != "" }

// fires returns the most severe level that fires.
func (g *oracleGroup) fires() int {
	for i, l := range slices.Backward(g.levels) {
		if l.state == finding.Firing {
			return i
		}
	}
	return -1
}

// effective is the most severe condition that holds or has not been ended.
func (g *oracleGroup) effective(f *expr.Frame) int {
	level := -1
	for i, c := range g.rule.When.Conditions {
		lasts := len(g.levels) > 0 && g.levels[i].state != "" && g.levels[i].cleared == 0 && c.Until != nil && !c.Until(f)
		if c.Holds(f) || lasts {
			level = i
		}
	}
	return level
}

func (g *oracleGroup) judge(step int64, f *expr.Frame, level int) {
	r := g.rule
	passed := func(from int64, d time.Duration) bool { return time.Duration(step-from)*r.Interval >= d }
	was, fired := g.active(), g.fires()
	if !was {
		if level < 0 {
			return
		}
		g.levels, g.since = make([]oracleLevel, len(r.When.Conditions)), step
	}
	for i := range g.levels {
		l := &g.levels[i]
		switch holds := i <= level; {
		case holds && l.state == "":
			*l = oracleLevel{state: finding.Pending, since: step}
		case holds:
			l.cleared = 0
		case l.state == "":
		case l.cleared == 0:
			l.cleared = step
		}
		if l.state == finding.Pending && l.cleared == 0 && passed(l.since, r.For) {
			l.state = finding.Firing
		}
		if l.cleared != 0 && (l.state == finding.Pending || passed(l.cleared, r.KeepFiringFor)) {
			*l = oracleLevel{}
		}
	}
	g.told = g.fires()
	switch now := g.told; {
	case !g.active():
		g.told = max(fired, 0)
		g.emit(step, finding.Resolved, f, "")
		g.levels = nil
	case now >= 0 && now != fired:
		g.emit(step, finding.Firing, f, "")
	case !was:
		g.told = level
		g.emit(step, finding.Pending, f, "")
	}
}

// oracleMissing is what the rule does about groups without records.
func oracleMissing(r *rules.Rule) rules.Missing {
	switch {
	case r.OnMissing != rules.MissingDefault:
		return r.OnMissing
	case r.When.ZeroOnEmpty:
		return rules.MissingZero
	default:
		return rules.MissingKeep
	}
}
