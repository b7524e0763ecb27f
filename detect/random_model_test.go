package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// rounded takes away what the detector and its oracle may compute with different last digits. Whether it rounds up or
// down is decided at no place that computing with rounded numbers leads to.
func rounded(x float64) float64 { return math.Round(x*1e6+0.2345678) / 1e6 }

func modelAt(i int) func(*expr.Frame) float64 {
	return func(f *expr.Frame) float64 { return rounded(f.Models[i]) }
}

// modelled asks one of the models that are no plain z-scores, some of them about what another says.
func modelled(rnd *rand.Rand, interval, long time.Duration) *expr.Program {
	steps := func(n int) time.Duration { return time.Duration(2+rnd.IntN(n)) * interval }
	p := &expr.Program{
		Aggregates: []expr.Aggregate{valueOf(expr.Moments, "v"), countOf(isError)},
		Reads:      []expr.Read{{Stat: expr.StatAvg}, {Aggregate: 1, Stat: expr.StatCount}},
	}
	average := func(f *expr.Frame) float64 { return min(max(f.Reads[0], -100), 100) }
	if rnd.IntN(3) == 0 {
		p.Aggregates, p.Reads, p.ZeroOnEmpty = p.Aggregates[1:], []expr.Read{{Stat: expr.StatCount}}, true
		average = readAt(0)
	}
	limit, judged := rnd.Float64()*4, 0
	switch rnd.IntN(4) {
	case 0:
		limit *= 10
		p.Models = []expr.Model{{Kind: expr.Forecast, History: long + 2*interval, Horizon: steps(30), Input: average}}
		if rnd.IntN(2) == 0 {
			p.Models = append(p.Models, expr.Model{Kind: expr.ZScore, History: 10 * interval, Input: modelAt(0)})
			limit, judged = 2, 1
		}
	case 1:
		p.Models = []expr.Model{{Kind: expr.Changed, History: steps(20), Input: average}}
		limit = 0.5
	case 2:
		plusOne := func(f *expr.Frame) float64 { return average(f) + 1 }
		band := expr.Model{Kind: expr.Band, History: steps(40), Input: plusOne}
		if rnd.IntN(2) == 0 {
			band.Season = steps(30)
		}
		p.Models = []expr.Model{{Kind: expr.Changed, History: steps(9), Input: average}, band, {Kind: expr.BandDeviation, Of: 1}}
		score := func(f *expr.Frame) float64 { return rounded((plusOne(f) - f.Models[1]) / f.Models[2]) }
		p.Models = append(p.Models, expr.Model{Kind: expr.ZScore, History: 5 * interval, Input: score})
		p.Conditions = []expr.Condition{{
			Source: "anomaly", Holds: func(f *expr.Frame) bool { return score(f) > limit }, Above: true,
			Value: score, Threshold: constant(limit), Expects: &expr.Expectation{Model: 1, Subject: plusOne, Unit: "s"},
		}}
		return p
	default:
		p.Models = []expr.Model{{Kind: expr.Outlier, Input: average}}
		if rnd.IntN(2) == 0 {
			p.Models = []expr.Model{
				{Kind: expr.ZScore, History: 10 * interval, Input: average}, {Kind: expr.Outlier, Input: modelAt(0)},
				{Kind: expr.Outlier, Input: average}, {Kind: expr.Changed, History: 9 * interval, Input: modelAt(1)},
				{Kind: expr.Forecast, History: 9 * interval, Horizon: interval, Input: modelAt(2)},
			}
			judged = 1 + rnd.IntN(4)
		}
		limit /= 4
	}
	value := modelAt(judged)
	var expects *expr.Expectation
	if kind := p.Models[judged].Kind; kind == expr.ZScore || kind == expr.Outlier {
		expects = &expr.Expectation{Model: judged, Subject: p.Models[judged].Input}
	}
	p.Conditions = []expr.Condition{{
		Source: "model", Holds: func(f *expr.Frame) bool { return value(f) > limit }, Above: true, Value: value, Threshold: constant(limit),
		Expects: expects,
	}}
	return p
}

// modelledRule is a random rule that asks a model, with windows so short that much happens.
func modelledRule(rnd *rand.Rand, id int, base time.Duration) *rules.Rule {
	r := randomRule(rnd, id, base)
	r.Interval = base
	r.Window = time.Duration(1+rnd.IntN(4)) * base
	r.When = modelled(rnd, base, time.Duration(1+rnd.IntN(150))*base)
	if r.When.ComparesGroups() {
		r.MaxGroups = 0
	}
	if rnd.IntN(2) == 0 {
		grade(rnd, r)
	}
	return r
}

func TestModelsAsOracle(t *testing.T) {
	cases := 150
	if testing.Short() || raced {
		cases = 30
	}
	total := 0
	for seed := range cases {
		n, _, _, _ := sameness(t, uint64(seed)+10_000, modelledRule)
		total += n
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d findings", total)
	if total < 20*cases {
		t.Errorf("%d findings in %d cases: the cases test too little", total, cases)
	}
}
