package detect

import (
	"math"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/model"
	"github.com/freshet-dev/freshet/rules/expr"
)

// expectation is what is expected of a measure at a step; all is NaN where nothing is.
type expectation struct {
	model.Crowd         // what is expected, and the deviation from it
	subject     float64 // the measure where the condition's value is only its distance from that, else NaN
}

// foretells returns what the condition's model expects of a group at the step that the frame is of.
func (r *ruleState) foretells(g *group, step int64, c *expr.Condition) expectation {
	frame, x := &r.scratch.frame, c.Expects
	out := expectation{model.Crowd{Median: math.NaN(), Deviation: math.NaN()}, math.NaN()}
	if x == nil {
		return out
	}
	if x.Subject != nil {
		out.subject = x.Subject(frame)
	}
	// A model that was not asked at this step, or knew no answer, expects nothing.
	if g.life == nil || math.IsNaN(frame.Models[x.Model]) {
		return out
	}
	switch m := &r.plan.models[x.Model]; m.kind {
	case expr.Band:
		out.Crowd = model.Crowd{Median: frame.Models[x.Model], Deviation: frame.Models[x.Model+1]}
	case expr.ZScore:
		out.Crowd = g.life.more.models[m.at].Past()
	case expr.Outlier:
		crowd, ok := r.crowds.at(step, m.at)
		if ok {
			out.Crowd = crowd
		}
	case expr.Forecast, expr.Changed, expr.BandDeviation:
	}
	return out
}

// at returns the measure that lies so many deviations above what is expected.
func (x expectation) at(deviations float64) float64 { return x.Median + deviations*x.Deviation }

// draw adds what a chart shows: where the value is only how unusual another measure is, that one, against what the
// threshold is on its own scale.
func (m *Measure) draw(x expectation, of *expr.Expectation) {
	m.Subject, m.Limit = m.Value, m.Threshold
	m.Expected, m.Lower, m.Upper = x.Median, x.at(-expr.BandWidth), x.at(expr.BandWidth)
	if of != nil && of.Subject != nil {
		m.Subject, m.Limit = x.subject, x.at(m.Threshold)
	}
}

// band returns the expectation as findings tell it, nil where there is none.
func (x expectation) band(unit string) *finding.Band {
	b := &finding.Band{
		Value: finite(x.Median), Lower: finite(x.at(-expr.BandWidth)), Upper: finite(x.at(expr.BandWidth)), Subject: finite(x.subject),
	}
	if b.Value == nil {
		return nil
	}
	if b.Subject != nil {
		b.Unit = unit
	}
	return b
}
