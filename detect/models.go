package detect

import (
	"math"
	"time"

	"github.com/freshet-dev/freshet/detect/model"
	"github.com/freshet-dev/freshet/rules/expr"
)

// planModel says how a model of the rule works. at is its place among those of its kind in a life; of that of a band.
type planModel struct {
	kind   expr.ModelKind
	at, of int
	steps  int64 // zscore: length of the history; changed: how long it remembers
	line   model.LineShape
	band   *model.BandShape
}

// planPast is a part of the past that models keep in buckets of their own.
type planPast struct{ width, lookback int64 }

// past is such a part of one life.
type past interface {
	Append(b []byte, from, to int64) []byte
	Decode(b []byte) ([]byte, error)
}

// otherModels are the models of a life but its z-scores.
type otherModels struct {
	lines   []model.Line
	bands   []model.Band
	changes []model.Change
	pasts   []past // of lines and bands, as in plan.pasts
}

// addModels plans the models and returns how far back the one that looks back farthest does.
func (p *plan) addModels() (longest int64) {
	var counts [expr.Outlier + 1]int
	for _, m := range p.rule.When.Models {
		out := planModel{kind: m.Kind, at: counts[m.Kind]}
		counts[m.Kind]++
		switch m.Kind {
		case expr.ZScore:
			out.steps = min(p.steps(int64(m.History)), model.MaxPoints)
			longest = max(longest, out.steps)
		case expr.Forecast:
			out.line = model.NewLineShape(p.steps(int64(m.History)), float64(m.Horizon)/float64(p.interval))
			longest = max(longest, p.addPast(out.line.Width, int64(out.line.Buckets)*out.line.Width))
		case expr.Changed:
			out.steps = p.steps(int64(m.History))
			longest = max(longest, out.steps)
		case expr.Band:
			season := int64(m.Season)
			if season > 0 {
				season = p.steps(season)
			}
			out.band = model.NewBandShape(p.steps(int64(m.History)), season, m.Season <= 24*time.Hour)
			longest = max(longest, p.addPast(out.band.LevelWidth, out.band.LevelReach()))
			if season > 0 {
				longest = max(longest, p.addPast(out.band.SeasonWidth, out.band.SeasonReach()))
			}
		case expr.BandDeviation:
			out.of = p.models[m.Of].at
		case expr.Outlier:
		}
		p.models = append(p.models, out)
	}
	return longest
}

func (p *plan) addPast(width, lookback int64) int64 {
	p.pasts = append(p.pasts, planPast{width, lookback})
	return lookback
}

// beginModels gives a life the models of the plan.
func (p *plan) beginModels(m *more) {
	var o otherModels
	for i := range p.models {
		switch out := &p.models[i]; out.kind {
		case expr.ZScore:
			m.models = append(m.models, model.NewZScore(int(out.steps)))
		case expr.Forecast:
			o.lines = append(o.lines, model.Line{})
		case expr.Changed:
			o.changes = append(o.changes, model.Change{})
		case expr.Band:
			o.bands = append(o.bands, model.Band{})
		case expr.BandDeviation, expr.Outlier:
		}
	}
	for i := range p.models {
		switch out := &p.models[i]; out.kind {
		case expr.Forecast:
			o.pasts = append(o.pasts, linePast{&o.lines[out.at], &out.line})
		case expr.Band:
			o.pasts = append(o.pasts, model.Level{Band: &o.bands[out.at], Shape: out.band})
			if out.band.Season > 0 {
				o.pasts = append(o.pasts, model.Season{Band: &o.bands[out.at], Shape: out.band})
			}
		default:
		}
	}
	if len(o.pasts)+len(o.changes) > 0 {
		m.others = &o
	}
}

// linePast is what a line keeps.
type linePast struct {
	*model.Line
	shape *model.LineShape
}

func (l linePast) Decode(b []byte) ([]byte, error) { return l.Line.Decode(l.shape, b) }

// observe asks the models from one on about a step and returns the number of the first that it could not ask, since
// the crowd of the step is not known yet.
func (r *ruleState) observe(g *group, step int64, from int) int {
	p, s, l := r.plan, r.scratch, g.life
	for i := from; i < len(p.models); i++ {
		m := &p.models[i]
		x := math.NaN()
		if input := r.rule.When.Models[i].Input; input != nil && step >= r.complete {
			x = input(&s.frame)
		}
		out := &s.frame.Models[i]
		switch m.kind {
		case expr.ZScore:
			*out = l.more.models[m.at].Observe(x)
		case expr.Forecast:
			*out = l.more.others.lines[m.at].Observe(&m.line, step, x)
		case expr.Changed:
			*out = l.more.others.changes[m.at].Observe(x, m.steps)
		case expr.Band:
			*out, s.deviations[m.at] = l.more.others.bands[m.at].Observe(m.band, step, x)
		case expr.BandDeviation:
			*out = s.deviations[m.of]
		case expr.Outlier:
			crowd, ok := r.crowds.at(step, m.at)
			if !ok {
				return i
			}
			*out = math.NaN()
			if isPeer(g) {
				*out = crowd.Score(x)
			}
		}
	}
	return len(p.models)
}

// appendChanges appends what is to be known of the models that keep no past.
func (m *more) appendChanges(b []byte) []byte {
	if m == nil || m.others == nil {
		return b
	}
	for i := range m.others.changes {
		b = m.others.changes[i].Append(b)
	}
	return b
}

func (in *stateReader) changes(m *more) {
	if m == nil || m.others == nil {
		return
	}
	for i := range m.others.changes {
		in.decode(m.others.changes[i].Decode)
	}
}
