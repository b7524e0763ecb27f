package detect

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// countBefore counts the records that come before the last one of the others.
func countBefore(a expr.Aggregate, aggregate int, window []seen) float64 {
	var all []seen
	for _, s := range window {
		if s.taken[aggregate] {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, comparePlaces)
	n, before := 0, 0
	for _, s := range all {
		what := a.Arg(s.r).Int()
		if what&expr.SequenceSecond != 0 {
			before = n
		}
		if what&expr.SequenceFirst != 0 {
			n++
		}
	}
	return float64(before)
}

// fresh counts, by pane, the values that were in none of the panes of the 30 days before.
func (g *oracleGroup) fresh(a expr.Aggregate, aggregate int, window []seen) float64 {
	month := g.steps(30 * 24 * time.Hour)
	counted := map[int64]map[string]bool{}
	n := 0
	for _, s := range window {
		if !s.taken[aggregate] {
			continue
		}
		value, pane := a.Arg(s.r).Text(), g.pane(s)
		if counted[pane] == nil {
			counted[pane] = map[string]bool{}
		}
		if counted[pane][value] {
			continue
		}
		counted[pane][value] = true
		known := false
		for _, o := range g.between(pane-month, pane) {
			known = known || o.taken[aggregate] && a.Arg(o.r).Text() == value
		}
		if !known {
			n++
		}
	}
	return float64(n)
}

// ofOrder is a condition on the order of records, or on values that are new.
func ofOrder(rnd *rand.Rand) *expr.Program {
	if rnd.IntN(2) == 0 {
		p := simple(expr.Aggregate{Func: expr.Values, Arg: attr("user"), Text: "fresh"}, expr.Read{Stat: expr.StatFresh}, true, float64(rnd.IntN(4)))
		p.ZeroOnEmpty = true
		return p
	}
	p := simple(expr.Aggregate{Func: expr.Sequence, Text: "before", Arg: func(r *ingest.Record) ingest.Value {
		what := int64(0)
		if isError(r) {
			what |= expr.SequenceFirst
		}
		if r.Severity%3 == 0 {
			what |= expr.SequenceSecond
		}
		if what == 0 {
			return ingest.Value{}
		}
		return ingest.IntValue(what)
	}}, expr.Read{Stat: expr.StatBefore}, true, float64(rnd.IntN(4)))
	p.ZeroOnEmpty = true
	return p
}
