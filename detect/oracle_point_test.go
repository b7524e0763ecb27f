package detect

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// series names the time series of a record.
func (s *seen) series() string {
	return fmt.Sprint(s.r.Name, s.r.Attributes, s.r.Resource.Attributes, s.r.Scope.Attributes)
}

// increases returns what counters grew by at the records of a window, those of which that is known.
func (g *oracleGroup) increases(aggregate int, window []seen) []float64 {
	if g.grown[aggregate] == nil {
		g.grow(aggregate)
	}
	var out []float64
	for _, s := range window {
		if x, ok := g.grown[aggregate][s.r]; ok {
			out = append(out, x)
		}
	}
	return out
}

func (g *oracleGroup) grow(aggregate int) {
	grown := map[*ingest.Record]float64{}
	if g.grown == nil {
		g.grown = map[int]map[*ingest.Record]float64{}
	}
	g.grown[aggregate] = grown
	interval := int64(g.rule.Interval)
	var points []seen
	for _, s := range g.records {
		if s.taken[aggregate] {
			points = append(points, s)
		}
	}
	own := func(s seen) int64 {
		if g.rule.Arrival && s.r.Time != 0 {
			return s.r.Time
		}
		return s.at
	}
	slices.SortFunc(points, func(a, b seen) int {
		return cmp.Or(cmp.Compare(g.pane(a), g.pane(b)), cmp.Compare(own(a), own(b)), comparePlaces(a, b))
	})
	value := func(s seen) float64 {
		x, _ := g.rule.When.Aggregates[aggregate].Arg(s.r).Number()
		return x
	}
	last := map[string]seen{}
	for _, s := range points {
		x, start := value(s), s.r.Point.StartTime
		if !s.r.Point.Cumulative {
			grown[s.r] = x
			continue
		}
		known := (g.pane(s) - g.lookback + 1) * interval
		before, ok := last[s.series()]
		ok = ok && before.at >= known
		switch {
		case ok && own(s) <= own(before):
			continue // it was overtaken
		case ok && (x < value(before) || start != before.r.Point.StartTime && start > own(before)):
			grown[s.r] = x
		case ok:
			grown[s.r] = x - value(before)
		case start != 0 && start < own(s) && start >= known && (g.first <= math.MinInt64/2 || start >= g.first*interval):
			grown[s.r] = x
		}
		last[s.series()] = s
	}
}

// bySeries returns one number for each time series of a window.
func (g *oracleGroup) bySeries(a expr.Aggregate, aggregate int, window []seen) []float64 {
	members := map[string][]seen{}
	for _, s := range window {
		if s.taken[aggregate] {
			members[s.series()] = append(members[s.series()], s)
		}
	}
	var out []float64
	for _, m := range members {
		slices.SortFunc(m, comparePlaces)
		var values []float64
		for _, s := range m {
			x, _ := a.Arg(s.r).Number()
			values = append(values, x)
		}
		switch a.Func {
		case expr.SeriesLast:
			out = append(out, values[len(values)-1])
		case expr.SeriesAvg:
			out = append(out, bigSum(values)/float64(len(values)))
		case expr.SeriesMin:
			out = append(out, slices.Min(values))
		default:
			out = append(out, slices.Max(values))
		}
	}
	return out
}

// makePoints turns the records of logs into points of some time series: counters that begin anew now and then, with and
// without a start, and such that tell what they grew by.
func makePoints(rnd *rand.Rand, logs []sourceLog) {
	var all []*ingest.Record
	for i := range logs {
		for j := range logs[i].messages {
			records := logs[i].messages[j].records
			for k := range records {
				if records[k].Time == 0 {
					records[k].Time = logs[i].messages[j].timestamp
				}
				all = append(all, &records[k])
			}
		}
	}
	slices.SortFunc(all, func(a, b *ingest.Record) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	type counter struct {
		value float64
		start int64
	}
	counters := map[string]*counter{}
	before := int64(math.MinInt64)
	for _, r := range all {
		r.Time = max(r.Time, before+1) // no two points are of one time
		before = r.Time
		kept := r.Attributes[:0]
		for _, a := range r.Attributes {
			if a.Key == "code" {
				kept = append(kept, a)
			}
		}
		kind := rnd.IntN(3)
		r.Attributes = append(kept, ingest.Attr{Key: "env", Value: ingest.StringValue("prod")}, ingest.Attr{Key: "kind", Value: ingest.IntValue(int64(kind))})
		r.Point = &ingest.Point{Type: ingest.Sum, Monotonic: true, Cumulative: kind != 0}
		id := fmt.Sprint(r.Attributes, r.Resource.Attributes)
		c := counters[id]
		if c == nil || rnd.IntN(15) == 0 {
			c = &counter{start: r.Time - rnd.Int64N(1e9)}
			if kind == 1 {
				c.start = 0
			}
			counters[id] = c
		}
		grew := math.Abs(rnd.NormFloat64()) * 20
		c.value += grew
		r.Point.StartTime, r.Point.Value = c.start, ingest.DoubleValue(c.value)
		if kind == 0 {
			r.Point.Value = ingest.DoubleValue(grew)
		}
	}
}

// ofPoints is a condition on counters or on series.
func ofPoints(rnd *rand.Rand) *expr.Program {
	value := func(r *ingest.Record) ingest.Value {
		if r.Point == nil {
			return ingest.Value{}
		}
		return r.Point.Value
	}
	functions := []expr.Func{expr.Counter, expr.Counter, expr.Counter, expr.SeriesLast, expr.SeriesAvg, expr.SeriesMin, expr.SeriesMax}
	f := functions[rnd.IntN(len(functions))]
	stats := []expr.Stat{expr.StatSum, expr.StatRate}
	if f != expr.Counter {
		stats = []expr.Stat{expr.StatSum, expr.StatAvg, expr.StatMin, expr.StatMax, expr.StatStddev}
	}
	p := simple(expr.Aggregate{Func: f, Arg: value, Text: "points"}, expr.Read{Stat: stats[rnd.IntN(len(stats))]}, true, 5+float64(rnd.IntN(100)))
	p.ZeroOnEmpty = f == expr.Counter
	return p
}
