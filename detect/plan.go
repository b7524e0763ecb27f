package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/freshet-dev/freshet/detect/model"
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
	// window is the rule's own window. lookback is how far back a step looks at all: beyond it nothing counts.
	window, lookback int64
	// lengths are the different lengths of windows, the longest first. totals are the aggregates over them.
	lengths []int64
	totals  []planTotal
	reads   []planRead
	// bases are the numbers of which a history is kept, for reads that look back.
	bases  []planBase
	models []int // length of the history of each
	// early: the condition may fire before its window is complete. keeps: over an empty window the alert stays as it is.
	early, keeps bool
}

// planTotal is one aggregate over one length of window.
type planTotal struct{ length, aggregate int }

// planRead is one number of the condition: a statistic of a total, at the step itself or some steps back.
type planRead struct {
	planNumber
	back int64
	base int // index into plan.bases when back > 0
}

// planNumber is a statistic of a total.
type planNumber struct {
	total    int
	stat     expr.Stat
	quantile float64
}

// planBase is a number of which the newest steps are kept.
type planBase struct {
	planNumber
	steps int
}

// maxSteps bounds any length in steps, so that a mistaken rule does not take all memory: 400 days at 5 s.
const maxSteps = 400 * 24 * 3600 / 5

func newPlan(r *rules.Rule) (*plan, error) {
	if err := checkRule(r); err != nil {
		return nil, err
	}
	p := &plan{
		rule: r, interval: int64(r.Interval), lateness: int64(r.Lateness), kinds: kindsOf(r),
		early: r.When.Monotone && r.For == 0 && len(r.When.Models) == 0, keeps: !r.When.ZeroOnEmpty,
	}
	p.window = p.steps(int64(r.Window))
	p.lookback = p.window
	p.addLength(p.window)
	for _, read := range r.When.Reads {
		p.addLength(p.readLength(read))
	}
	slices.SortFunc(p.lengths, func(a, b int64) int { return cmp.Compare(b, a) })
	for _, read := range r.When.Reads {
		if err := p.addRead(read); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
	}
	longest := 0
	for _, m := range r.When.Models {
		steps := int(min(p.steps(int64(m.History)), model.MaxPoints))
		p.models = append(p.models, steps)
		longest = max(longest, steps)
	}
	p.lookback += int64(longest)
	return p, nil
}

// steps returns a duration in steps, rounded up, at least one.
func (p *plan) steps(d int64) int64 { return max(1, -floorDiv(-d, p.interval)) }

func (p *plan) readLength(read expr.Read) int64 {
	if read.Window == 0 {
		return p.window
	}
	return p.steps(int64(read.Window))
}

func (p *plan) addLength(steps int64) {
	if !slices.Contains(p.lengths, steps) {
		p.lengths = append(p.lengths, steps)
	}
}

func (p *plan) addRead(read expr.Read) error {
	steps := p.readLength(read)
	// An offset that is no multiple of the interval looks at the step before it.
	back := floorDiv(int64(read.Offset), p.interval) + int64(read.PreviousWindows)*steps
	if back < 0 || steps+back > maxSteps {
		return fmt.Errorf("looks back %d steps of %s, expected 0 to %d", steps+back, p.rule.Interval, maxSteps)
	}
	p.lookback = max(p.lookback, steps+back)
	n := planNumber{p.totalOf(slices.Index(p.lengths, steps), read.Aggregate), read.Stat, read.Quantile}
	out := planRead{planNumber: n, back: back}
	if back > 0 {
		out.base = slices.IndexFunc(p.bases, func(b planBase) bool { return b.planNumber == n })
		if out.base < 0 {
			out.base = len(p.bases)
			p.bases = append(p.bases, planBase{planNumber: n})
		}
		p.bases[out.base].steps = max(p.bases[out.base].steps, int(back))
	} else if read.Stat == expr.StatAbsent {
		// absent() has a value over an empty window.
		p.keeps = false
	}
	p.reads = append(p.reads, out)
	return nil
}

func (p *plan) totalOf(length, aggregate int) int {
	t := planTotal{length, aggregate}
	if i := slices.Index(p.totals, t); i >= 0 {
		return i
	}
	p.totals = append(p.totals, t)
	return len(p.totals) - 1
}

// seconds returns the length of a total's window.
func (p *plan) seconds(total int) float64 {
	return float64(p.lengths[p.totals[total].length]*p.interval) / 1e9
}

// value computes a number from the aggregate over its window.
func (p *plan) value(n planNumber, a pane.Aggregate) float64 {
	switch a := a.(type) {
	case *pane.Count:
		switch n.stat {
		case expr.StatRate:
			return float64(a.N) / p.seconds(n.total)
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
		default:
			return a.Sum()
		}
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

// newTotals returns empty totals for a group.
func (p *plan) newTotals() []window.Total {
	totals := make([]window.Total, len(p.totals))
	for i, t := range p.totals {
		// The kinds were checked when the plan was made.
		totals[i], _ = window.NewTotal(p.kinds[t.aggregate])
	}
	return totals
}

// scratch is what evaluating a rule uses again for every group and step.
type scratch struct {
	pane    *pane.Pane       // the pane that is merged or closed
	other   *pane.Pane       // a second one
	leaving *pane.Pane       // the pane that leaves a window
	totals  []pane.Aggregate // the aggregates over the windows of the step
	empty   []float64        // per base, its number over an empty window
	frame   expr.Frame
	bytes   []byte
	open    []byte
	trail   trail
}

func newScratch(p *plan) *scratch {
	s := &scratch{
		totals: make([]pane.Aggregate, len(p.totals)),
		frame: expr.Frame{
			Reads: make([]float64, len(p.reads)), Models: make([]float64, len(p.models)),
			By: make([]ingest.Value, len(p.rule.By)),
		},
	}
	// The kinds were checked when the plan was made.
	s.pane, _ = pane.NewPane(p.kinds)
	s.other, _ = pane.NewPane(p.kinds)
	s.leaving, _ = pane.NewPane(p.kinds)
	for i, t := range p.totals {
		s.totals[i], _ = pane.New(p.kinds[t.aggregate])
	}
	for _, b := range p.bases {
		s.empty = append(s.empty, p.value(b.planNumber, s.totals[b.total]))
	}
	return s
}
