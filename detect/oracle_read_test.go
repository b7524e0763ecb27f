package detect

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

func comparePlaces(a, b seen) int {
	for _, c := range []int64{a.at - b.at, int64(strings.Compare(a.source.Topic, b.source.Topic)),
		int64(a.source.Partition - b.source.Partition), a.offset - b.offset, int64(a.r.Index - b.r.Index)} {
		if c != 0 {
			return int(min(max(c, -1), 1))
		}
	}
	return 0
}

func oracleScore(past []float64, x float64, history int) float64 {
	past = past[max(0, len(past)-history):]
	var known []float64
	for _, p := range past {
		if !math.IsNaN(p) && !math.IsInf(p, 0) {
			known = append(known, p)
		}
	}
	if len(known) < min(30, history) || math.IsNaN(x) || math.IsInf(x, 0) {
		return math.NaN()
	}
	med := sortedMedian(known)
	var distances []float64
	slices.Sort(known)
	sum := 0.0
	for _, k := range known {
		distances = append(distances, math.Abs(k-med))
		sum += math.Abs(k - med)
	}
	scale := 1.4826 * sortedMedian(distances)
	if scale == 0 {
		scale = 1.2533 * (sum / float64(len(known)))
	}
	switch {
	case x == med:
		return 0
	case scale == 0:
		return math.NaN()
	}
	return (x - med) / scale
}

func sortedMedian(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return s[len(s)/2-1]/2 + s[len(s)/2]/2
}

// read computes one number from the records of a window.
func (g *oracleGroup) read(read expr.Read, window []seen, steps int64) (x float64, taken int) {
	a := g.rule.When.Aggregates[read.Aggregate]
	var values []float64
	var latest *seen
	distinct := new(pane.Distinct)
	for _, s := range window {
		if !s.taken[read.Aggregate] {
			continue
		}
		taken++
		if latest == nil || comparePlaces(*latest, s) < 0 {
			latest = &s
		}
		if a.Arg == nil {
			continue
		}
		v := a.Arg(s.r)
		if n, ok := v.Number(); ok {
			values = append(values, n)
		}
		distinct.Add(xxhash.Sum64String(v.Text()))
	}
	seconds := time.Duration(steps) * g.rule.Interval
	switch a.Func {
	case expr.Counter:
		sum := bigSum(g.increases(read.Aggregate, window))
		if read.Stat == expr.StatRate {
			return sum / (float64(seconds) / 1e9), taken
		}
		return sum, taken
	case expr.Sequence:
		return countBefore(a, read.Aggregate, window), taken
	case expr.Values:
		return g.fresh(a, read.Aggregate, window), taken
	case expr.SeriesLast, expr.SeriesAvg, expr.SeriesMin, expr.SeriesMax:
		values = g.bySeries(a, read.Aggregate, window)
	default:
	}
	switch read.Stat {
	case expr.StatCount:
		return float64(taken), taken
	case expr.StatRate:
		return float64(taken) / (float64(seconds) / 1e9), taken
	case expr.StatAbsent:
		if taken == 0 {
			return 1, taken
		}
		return 0, taken
	case expr.StatSum:
		return bigSum(values), taken
	case expr.StatDistinct:
		return float64(distinct.Value()), taken
	case expr.StatLast:
		if latest == nil {
			return math.NaN(), taken
		}
		n, _ := a.Arg(latest.r).Number()
		return n, taken
	default:
	}
	if len(values) == 0 {
		return math.NaN(), taken
	}
	n := float64(len(values))
	switch read.Stat {
	case expr.StatAvg:
		return bigSum(values) / n, taken
	case expr.StatStddev:
		return bigDeviation(values), taken
	case expr.StatMin:
		return slices.Min(values), taken
	case expr.StatMax:
		return slices.Max(values), taken
	case expr.StatQuantile:
		slices.Sort(values)
		one := new(pane.Sketch)
		one.Add(values[int(read.Quantile*float64(len(values)-1))])
		return one.Quantile(0.5), taken
	default:
		panic(fmt.Sprintf("no such statistic: %d", read.Stat))
	}
}

func bigSum(values []float64) float64 {
	sum := new(big.Rat)
	for _, v := range values {
		sum.Add(sum, new(big.Rat).SetFloat64(v))
	}
	f, _ := sum.Float64()
	return f
}

func bigDeviation(values []float64) float64 {
	sum, squares := new(big.Rat), new(big.Rat)
	for _, v := range values {
		x := new(big.Rat).SetFloat64(v)
		sum.Add(sum, x)
		squares.Add(squares, new(big.Rat).Mul(x, x))
	}
	n := new(big.Rat).SetInt64(int64(len(values)))
	diff := new(big.Rat).Sub(n.Mul(n, squares), sum.Mul(sum, sum))
	f, _ := diff.Float64()
	return math.Sqrt(f) / float64(len(values))
}

func (g *oracleGroup) emit(step int64, state finding.State, f *expr.Frame, reason string) {
	r := g.rule
	when := r.When.Conditions[min(g.told, len(r.When.Conditions)-1)]
	at := func(s int64) time.Time { return time.Unix(0, s*int64(r.Interval)).UTC() }
	w := g.steps(r.Window)
	start := g.start(w, step)
	out := finding.Finding{
		Rule: r.Name, Group: r.Group, State: state, Settled: true, Condition: when.Source, Reason: reason,
		WindowStart: at(start), WindowEnd: at(step), StartsAt: at(g.since),
	}
	m := map[string]string{label.AlertName: r.Name}
	for i, text := range strings.Split(g.key, "\x00") {
		if i < len(r.By) {
			m[r.By[i].Label] = text
		} else if i > 0 {
			m["pane_partition"] = text // of an overflow group
		}
	}
	for _, t := range r.Labels {
		m[t.Name] = t.Text
	}
	out.Labels = label.FromMap(m)
	out.Fingerprint = out.Labels.Fingerprint()
	if when.Severity != "" {
		m[label.Severity] = when.Severity
		others := maps.Clone(m)
		delete(others, label.Severity)
		out.Labels, out.Fingerprint = label.FromMap(m), label.FromMap(others).Fingerprint()
	}
	if state == finding.Resolved {
		out.EndsAt = at(step)
	}
	if when.Value != nil {
		out.Value = number64(when.Value(f))
	}
	if when.Threshold != nil {
		out.Threshold = number64(when.Threshold(f))
	}
	out.Expected = g.foretold(when.Expects, f)
	for _, s := range g.samples {
		if g.pane(s) >= start {
			out.Samples = append(out.Samples, finding.Sample{
				Topic: s.source.Topic, Partition: s.source.Partition, Offset: s.offset, Index: s.r.Index,
				Time: time.Unix(0, s.at).UTC(), Text: s.r.Body.Str,
			})
		}
	}
	out.Offsets = g.offsets(step, start, g.reach(w))
	for _, s := range g.between(start, step) {
		if s.evidence && (out.FirstRecord.IsZero() || s.at < out.FirstRecord.UnixNano()) {
			out.FirstRecord = time.Unix(0, s.at).UTC()
		}
	}
	if g.explainer != nil && state != finding.Resolved {
		out.Explanation = g.explainer.explanation(g.key, step)
	}
	g.out = append(g.out, findingText(&out))
	if leavesOut(r) {
		out.Offsets = nil
		g.out[len(g.out)-1] = findingText(&out)
	}
}

// leavesOut says whether stage 1 leaves out records that no aggregate takes. Nothing shows that but ranges of offsets,
// which begin up to a window before the first record and then do so less often.
func leavesOut(r *rules.Rule) bool {
	return r.When.Monotone && oracleMissing(r) == rules.MissingZero && r.NewGroupDelay == 0
}

// offsets covers the aligned blocks, as long as the window can be, in which the newest evidence lies, and the one before.
func (g *oracleGroup) offsets(step, start, w int64) []finding.OffsetRange {
	newest, found := int64(0), false
	var mine []seen
	for _, s := range g.between(g.lifeFrom-1, step) {
		if s.evidence {
			mine = append(mine, s)
			newest, found = max(newest, floorDivision(g.pane(s), w)), true
		}
	}
	if !found {
		return nil
	}
	ranges := map[Source]*finding.OffsetRange{}
	for _, s := range mine {
		block := floorDivision(g.pane(s), w)
		if block < newest-1 || (block+1)*w <= start {
			continue
		}
		rg := ranges[s.source]
		if rg == nil {
			rg = &finding.OffsetRange{Topic: s.source.Topic, Partition: s.source.Partition, First: s.offset, Last: s.offset}
			ranges[s.source] = rg
		}
		rg.First, rg.Last = min(rg.First, s.offset), max(rg.Last, s.offset)
	}
	var out []finding.OffsetRange
	for _, rg := range ranges {
		out = append(out, *rg)
	}
	slices.SortFunc(out, func(a, b finding.OffsetRange) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition - b.Partition)
	})
	return out
}

func number64(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// findingText writes a finding without what depends on births.
func findingText(f *finding.Finding) string {
	c := *f
	c.ID, c.Birth, c.Episode, c.Transition = "x", 0, 0, 0
	if c.Expected != nil { // the last digits of a model may differ
		e := *c.Expected
		for _, x := range []**float64{&e.Value, &e.Lower, &e.Upper, &e.Subject} {
			if *x != nil {
				near := rounded(**x)
				*x = &near
			}
		}
		c.Expected = &e
	}
	b, err := finding.Encode(&c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
