package detect

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/expr"
)

// modelReach is how many steps of the past a model looks at.
func (g *oracleGroup) modelReach(m expr.Model) int64 {
	history := g.steps(m.History)
	switch m.Kind {
	case expr.Forecast:
		width := bucket(history, 256)
		return (history/width + 2) * width
	case expr.Band:
		width := bucket(history, 128)
		reach := ((history+width-1)/width + 1) * width
		if m.Season > 0 {
			seasons, season, width := g.seasons(m)
			reach = max(reach, seasons*season+width)
		}
		return reach
	case expr.BandDeviation, expr.Outlier:
		return 0
	default:
		return history
	}
}

// askModels gives the groups of a step what their models say.
func askModels(here []*oracleGroup, step int64) {
	if len(here) == 0 {
		return
	}
	for i, m := range here[0].rule.When.Models {
		var crowd []float64
		for _, g := range here {
			x := math.NaN()
			if m.Input != nil && step >= g.complete() {
				x = m.Input(g.frame)
			}
			g.inputs[i] = append(g.inputs[i], x)
			if !math.IsNaN(x) && !math.IsInf(x, 0) {
				crowd = append(crowd, x)
			}
		}
		for _, g := range here {
			g.ask(i, m, step, crowd)
		}
	}
}

func (g *oracleGroup) ask(i int, m expr.Model, step int64, crowd []float64) {
	past, out := g.inputs[i], &g.frame.Models[i]
	last := len(past) - 1
	switch m.Kind {
	case expr.ZScore:
		history := int(g.steps(m.History))
		*out = oracleScore(past[:last], past[last], history)
		center, spread := oracleSpread(numbersOf(past[max(0, last-history):last]))
		g.around[i] = [2]float64{center, spread}
	case expr.Forecast:
		*out = g.oracleForecast(past, m, step)
	case expr.Changed:
		*out = math.NaN()
		for back := 1; back <= min(last, int(g.steps(m.History))) && !math.IsNaN(past[last]); back++ {
			if then := past[last-back]; !math.IsNaN(then) {
				*out = 0
				if then != past[last] {
					*out = 1
				}
				break
			}
		}
	case expr.Band:
		g.frame.Models[i], g.frame.Models[i+1] = g.oracleBand(i, m, step)
		g.around[i] = [2]float64{g.frame.Models[i], g.frame.Models[i+1]}
	case expr.BandDeviation: // set with the band
	case expr.Outlier:
		*out = math.NaN()
		x := past[last]
		if center, spread := oracleSpread(crowd); len(crowd) >= 3 && !math.IsNaN(x) {
			*out = (x - center) / max(spread, math.Abs(center)/100)
			g.around[i] = [2]float64{center, max(spread, math.Abs(center)/100)}
			if x == center {
				*out = 0
			}
		}
	}
}

// foretold is what the model of a condition expects, three deviations to both sides.
func (g *oracleGroup) foretold(x *expr.Expectation, f *expr.Frame) *finding.Band {
	if x == nil || math.IsNaN(f.Models[x.Model]) {
		return nil
	}
	center, spread := g.around[x.Model][0], g.around[x.Model][1]
	b := &finding.Band{Value: number64(center), Lower: number64(center - 3*spread), Upper: number64(center + 3*spread)}
	if x.Subject != nil {
		b.Subject = number64(x.Subject(f))
	}
	if b.Subject != nil {
		b.Unit = x.Unit
	}
	return b
}

func numbersOf(xs []float64) (out []float64) {
	for _, x := range xs {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			out = append(out, x)
		}
	}
	return out
}

// oracleSpread is the median and the robust deviation of numbers.
func oracleSpread(xs []float64) (center, spread float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	center = sortedMedian(xs)
	var off []float64
	total := 0.0
	for _, x := range slices.Sorted(slices.Values(xs)) {
		off = append(off, math.Abs(x-center))
		total += math.Abs(x - center)
	}
	if spread = 1.4826 * sortedMedian(off); spread == 0 {
		spread = 1.2533 * (total / float64(len(xs)))
	}
	return center, spread
}

func (g *oracleGroup) oracleForecast(past []float64, m expr.Model, step int64) float64 {
	history := g.steps(m.History)
	width := bucket(history, 256)
	start := floorDivision(step-history, width)*width + 1
	var ts, xs []float64
	for i, x := range past {
		if at := g.lifeFrom + int64(i); at >= start && !math.IsNaN(x) {
			ts, xs = append(ts, float64(at-step)), append(xs, x)
		}
	}
	if len(ts) < 2 || -2*ts[0] < float64(history-1) {
		return math.NaN()
	}
	n, meanT, meanX, products, squares := float64(len(ts)), 0.0, 0.0, 0.0, 0.0
	for i := range ts {
		meanT += ts[i] / n
		meanX += xs[i] / n
	}
	for i := range ts {
		products += (ts[i] - meanT) * (xs[i] - meanX)
		squares += (ts[i] - meanT) * (ts[i] - meanT)
	}
	return meanX + products/squares*(float64(m.Horizon/g.rule.Interval)-meanT)
}

func (g *oracleGroup) seasons(m expr.Model) (seasons, season, width int64) {
	season = g.steps(m.Season)
	parts := int64(288) // seven of a day at most
	if m.Season.Hours() > 24 {
		parts = 504
	}
	return 2016 / parts, season, (season + parts - 1) / parts
}

func (g *oracleGroup) oracleBand(i int, m expr.Model, step int64) (expected, deviation float64) {
	past := g.inputs[i]
	at := func(xs []float64, step int64) float64 {
		if k := step - g.lifeFrom; k >= 0 && k < int64(len(xs)) {
			return xs[k]
		}
		return math.NaN()
	}
	base := 0.0
	if m.Season > 0 {
		seasons, season, width := g.seasons(m)
		var same []float64
		for k := int64(1); k <= seasons; k++ {
			first := floorDivision(step-1-k*season, width)*width + 1
			total, n := 0.0, 0.0
			for t := first; t < first+width; t++ {
				if x := at(past, t); !math.IsNaN(x) {
					total += x
					n++
				}
			}
			if n > 0 {
				same = append(same, total/n)
			}
		}
		if base = math.NaN(); len(same) >= 2 {
			base = sortedMedian(same)
		}
	}
	history := g.steps(m.History)
	width := bucket(history, 128)
	count := (history + width - 1) / width
	var recent []float64
	for number := floorDivision(step-1, width) - count; number < floorDivision(step-1, width); number++ {
		for t := (number + 1) * width; t > number*width; t-- {
			if d := at(g.distances[i], t); !math.IsNaN(d) {
				recent = append(recent, d)
				break
			}
		}
	}
	g.distances[i] = append(g.distances[i], past[len(past)-1]-base)
	level, spread := oracleSpread(recent)
	if int64(len(recent)) < min(30, count) || math.IsNaN(base) {
		return math.NaN(), math.NaN()
	}
	return base + level, max(spread, math.Abs(base+level)/100)
}
