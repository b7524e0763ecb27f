package detect

import (
	"fmt"
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// plan says how stage 2 computes a rule's condition: all lengths are in steps, one step being the rule's interval.
type plan struct {
	rule               *rules.Rule
	interval, lateness int64
	kinds              []pane.Kind
	// counters are the aggregates of which it is known only when a pane is closed what goes into windows; see windowKind.
	counters []int
	// born: the first step of a group is to be known.
	born bool
	// lookback is how far back a step looks at all: beyond it nothing counts.
	lookback int64
	// windows are the shapes of the windows, one per length. The first is the rule's own.
	windows []*window.Shape
	reads   []planRead
	// bases are the numbers of which a history is kept, for reads that look back.
	bases  []planBase
	models []planModel
	pasts  []planPast
	// tiers are the parts of a group's past by the length of their buckets.
	tiers []planTier
	// early: the condition may fire before its window is complete.
	early bool
	// missing says what a group without records is judged as; newGroupDelay is in steps.
	missing       rules.Missing
	newGroupDelay int64
}

// planRead is one number of the condition: a statistic of an aggregate over a window, at the step itself or some steps
// back.
type planRead struct {
	planNumber
	back int64
	base int // index into plan.bases when back > 0
}

// planNumber is a statistic of an aggregate over a window.
type planNumber struct {
	window, total int // index into plan.windows, and into its aggregates
	stat          expr.Stat
	quantile      float64
}

// planBase is a number that is kept at some of the newest steps.
type planBase struct {
	planNumber
	window.Spacing
}

// maxSteps bounds any length in steps: 400 days at 100 ms.
const maxSteps = 400 * 24 * 3600 * 10

func newPlan(r *rules.Rule) (*plan, error) {
	if err := checkRule(r); err != nil {
		return nil, err
	}
	p := &plan{
		rule: r, interval: int64(r.Interval), lateness: int64(r.Lateness), kinds: kindsOf(r),
		early:   r.When.Monotone && r.For == 0 && len(r.When.Models) == 0 && r.NewGroupDelay == 0,
		missing: r.Missing(), newGroupDelay: -floorDiv(-int64(r.NewGroupDelay), int64(r.Interval)),
	}
	p.born = p.newGroupDelay > 0
	for i, k := range p.kinds {
		p.born = p.born || k == pane.KindValues
		if windowKind(k) != k {
			p.counters = append(p.counters, i)
			p.early = false // what a pane adds is known only when those before it are closed
		}
	}
	own := p.windowOf(p.steps(int64(r.Window)))
	p.windows[own].Interval = p.interval
	p.lookback = p.own().Reach()
	for _, read := range r.When.Reads {
		if err := p.addRead(read); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
	}
	p.lookback += p.addModels()
	if slices.Contains(p.kinds, pane.KindCounter) || slices.Contains(p.kinds, pane.KindHistogram) {
		p.lookback = max(p.lookback, p.own().Reach()+p.steps(counterMemory))
	}
	if slices.Contains(p.kinds, pane.KindValues) {
		p.lookback = max(p.lookback, p.steps(freshMemory))
	}
	p.addTiers()
	return p, nil
}

// own returns the shape of the rule's own window.
func (p *plan) own() *window.Shape { return p.windows[0] }

// steps returns a duration in steps, rounded up, at least one.
func (p *plan) steps(d int64) int64 { return max(1, -floorDiv(-d, p.interval)) }

func (p *plan) readLength(read expr.Read) int64 {
	if read.Window == 0 {
		return p.own().Length
	}
	return p.steps(int64(read.Window))
}

// windowOf returns the number of the window of a length, made when there is none.
func (p *plan) windowOf(steps int64) int {
	i := slices.IndexFunc(p.windows, func(w *window.Shape) bool { return w.Length == steps })
	if i < 0 {
		i = len(p.windows)
		p.windows = append(p.windows, window.NewShape(steps))
	}
	return i
}

func (p *plan) addRead(read expr.Read) error {
	steps := p.readLength(read)
	// An offset that is no multiple of the interval looks at the step before it.
	back := floorDiv(int64(read.Offset), p.interval) + int64(read.PreviousWindows)*steps
	if back < 0 || steps+back > maxSteps {
		return fmt.Errorf("looks back %d steps of %s, expected 0 to %d", steps+back, p.rule.Interval, maxSteps)
	}
	n := planNumber{window: p.windowOf(steps), stat: read.Stat, quantile: read.Quantile}
	reach := p.windows[n.window].Reach() + back
	var err error
	if n.total, err = p.windows[n.window].Add(read.Aggregate, windowKind(p.kinds[read.Aggregate])); err != nil {
		return err
	}
	out := planRead{planNumber: n, back: back}
	if back > 0 {
		spacing := window.NewSpacing(back)
		reach += spacing.Width / 2
		out.base = p.baseOf(n, spacing)
	} else if read.Stat == expr.StatAbsent && p.rule.OnMissing == rules.MissingDefault {
		// absent() has a value over an empty window.
		p.missing = rules.MissingZero
	}
	p.lookback = max(p.lookback, reach)
	p.reads = append(p.reads, out)
	return nil
}

// baseOf returns the history of a number, made when there is none, that keeps at least so many steps.
func (p *plan) baseOf(n planNumber, spacing window.Spacing) int {
	i := slices.IndexFunc(p.bases, func(b planBase) bool { return b.planNumber == n && b.Width == spacing.Width })
	if i < 0 {
		i = len(p.bases)
		p.bases = append(p.bases, planBase{n, spacing})
	}
	p.bases[i].Numbers = max(p.bases[i].Numbers, spacing.Numbers)
	return i
}

// value computes a number from the aggregates over the windows that end at a step.
func (p *plan) value(n planNumber, step int64, s *scratch) float64 {
	switch a := s.totals[n.window][n.total].(type) {
	case *pane.Count:
		switch n.stat {
		case expr.StatRate:
			return float64(a.N) / p.seconds(n, step)
		case expr.StatAbsent:
			if a.N == 0 {
				return 1
			}
			return 0
		default:
			return float64(a.N)
		}
	case *pane.Moments:
		switch n.stat {
		case expr.StatAvg:
			return a.Average()
		case expr.StatStddev:
			return a.Deviation()
		case expr.StatCount:
			return float64(a.N)
		case expr.StatRate:
			return a.Sum() / p.seconds(n, step)
		default:
			return a.Sum()
		}
	case *pane.Before:
		return float64(a.N)
	case *pane.Distribution:
		return a.Quantile(n.quantile)
	case *pane.Series:
		return overSeries(a, n.stat)
	case *pane.Sketch:
		return a.Quantile(n.quantile)
	case *pane.Distinct:
		return float64(a.Value())
	case interface{ Value() (float64, bool) }: // Min, Max, Last
		if x, ok := a.Value(); ok {
			return x
		}
	}
	return math.NaN()
}

// seconds returns the length of the window of a number that ends at a step.
func (p *plan) seconds(n planNumber, step int64) float64 {
	return float64((step-p.windows[n.window].Start(step))*p.interval) / 1e9
}

// overSeries computes a statistic of the numbers of all series.
func overSeries(s *pane.Series, stat expr.Stat) float64 {
	var m pane.Moments
	least, greatest := math.Inf(1), math.Inf(-1)
	for x := range s.Values {
		m.Add(x)
		least, greatest = min(least, x), max(greatest, x)
	}
	switch {
	case stat == expr.StatCount:
		return float64(m.N)
	case stat == expr.StatSum:
		return m.Sum()
	case m.N == 0:
		return math.NaN()
	case stat == expr.StatMin:
		return least
	case stat == expr.StatMax:
		return greatest
	case stat == expr.StatStddev:
		return m.Deviation()
	default:
		return m.Average()
	}
}

// scratch is what evaluating a rule uses again for every group and step.
type scratch struct {
	pane   *pane.Pane         // the pane that is merged or closed
	other  *pane.Pane         // a second one
	grown  *pane.Pane         // the first one as it goes into windows, with what its counters grew by
	totals [][]pane.Aggregate // per window of the step, the aggregates over it
	empty  []float64          // per base, its number over an empty window
	frame  expr.Frame
	since  int64 // time since which all was read
	bytes  []byte
	open   []byte
	trail  trail
	// deviations are those of the bands, for the models that come after them.
	deviations []float64
}

func newScratch(p *plan) *scratch {
	s := &scratch{
		frame: expr.Frame{
			Reads: make([]float64, len(p.reads)), Models: make([]float64, len(p.models)),
			By: make([]ingest.Value, len(p.rule.By)),
		},
	}
	s.deviations = make([]float64, len(p.models))
	// The kinds were checked when the plan was made.
	s.pane, _ = pane.NewPane(p.kinds)
	s.other, _ = pane.NewPane(p.kinds)
	s.grown = p.newGrown(s.pane)
	for _, w := range p.windows {
		s.totals = append(s.totals, w.Empty())
	}
	for _, b := range p.bases {
		s.empty = append(s.empty, p.value(b.planNumber, 0, s))
	}
	return s
}
