package detect

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// The oracle is the same detector written as simply as can be: all records in memory, every window of every step added
// up anew, exact arithmetic, sorting instead of sketches' merging. It shares with the real one only the compiled rules
// and the meaning that the package's comments give.

// message is one Kafka message of a test.
type message struct {
	records   []ingest.Record
	timestamp int64
}

// sourceLog is one input partition: messages with offsets from first on; at the end it is idle at a time.
type sourceLog struct {
	source   Source
	first    int64
	messages []message
	idleAt   int64
}

// seen is a record that a rule counts.
type seen struct {
	r        *ingest.Record
	at       int64
	source   Source
	offset   int64
	taken    []bool
	evidence bool
}

const tolerance = int64(time.Minute)

func floorDivision(a, b int64) int64 { return (a - ((a%b)+b)%b) / b }

// oracleFindings returns the settled findings of one rule, as lines of text.
func oracleFindings(r *rules.Rule, logs []sourceLog) []string {
	width := int64(r.Interval)
	groups := map[string][]seen{}
	watermark, first := int64(math.MaxInt64), int64(math.MinInt64)
	for _, log := range logs {
		reached := int64(math.MinInt64)
		begun := false
		for i, m := range log.messages {
			offset := log.first + int64(i)
			for j := range m.records {
				rec := &m.records[j]
				at := rec.Time
				if at == 0 {
					at = m.timestamp
				}
				if at > m.timestamp+tolerance {
					continue
				}
				if !begun {
					begun = true
					if offset > 0 {
						first = max(first, at)
					}
				}
				late := reached != math.MinInt64 && (floorDivision(at, width)+1)*width <= reached-int64(r.Lateness)
				reached = max(reached, at)
				s, key, ok := oracleSee(r, rec)
				if late || !ok {
					continue
				}
				s.at, s.source, s.offset = at, log.source, offset
				groups[key] = append(groups[key], s)
			}
		}
		watermark = min(watermark, max(reached, log.idleAt))
	}
	firstStep := int64(math.MinInt64 / 2)
	if first != math.MinInt64 {
		firstStep = -floorDivision(-first, width)
	}
	var out []string
	for key, records := range groups {
		g := oracleGroup{rule: r, key: key, records: records, first: firstStep}
		out = append(out, g.run(floorDivision(watermark-int64(r.Lateness), width))...)
	}
	sort.Strings(out)
	return out
}

func oracleSee(r *rules.Rule, rec *ingest.Record) (s seen, key string, ok bool) {
	if rec.Signal != r.From || (r.Where != nil && !r.Where(rec)) {
		return s, "", false
	}
	s.r = rec
	any, chooses := false, false
	for _, a := range r.When.Aggregates {
		taken := a.Filter == nil || a.Filter(rec)
		if a.Arg != nil && taken {
			v := a.Arg(rec)
			_, isNumber := v.Number()
			taken = isNumber || (v.Kind != ingest.Missing && (a.Func == expr.Last || a.Func == expr.Distinct))
		}
		s.taken = append(s.taken, taken)
		any = any || taken
		chooses = chooses || a.Filter != nil || a.Arg != nil
	}
	for i, a := range r.When.Aggregates {
		s.evidence = s.evidence || (s.taken[i] && (!chooses || a.Filter != nil || a.Arg != nil))
	}
	if !any && !r.When.ZeroOnEmpty {
		return s, "", false
	}
	var texts []string
	for _, k := range r.By {
		v := k.Value(rec)
		if v.Kind == ingest.Missing {
			return s, "", false
		}
		texts = append(texts, v.Text())
	}
	return s, strings.Join(texts, "\x00"), true
}

type oracleGroup struct {
	rule    *rules.Rule
	key     string
	records []seen
	first   int64

	lifeFrom int64
	inputs   [][]float64 // per model, its inputs since the life began
	samples  []seen
	out      []string

	state   finding.State // "" is inactive
	since   int64
	cleared int64
}

func (g *oracleGroup) pane(s seen) int64 { return floorDivision(s.at, int64(g.rule.Interval)) }

func (g *oracleGroup) steps(d time.Duration) int64 {
	n := int64(d) / int64(g.rule.Interval)
	if int64(d)%int64(g.rule.Interval) != 0 {
		n++
	}
	return max(n, 1)
}

func (g *oracleGroup) window(read expr.Read) int64 {
	if read.Window == 0 {
		return g.steps(g.rule.Window)
	}
	return g.steps(read.Window)
}

func (g *oracleGroup) back(read expr.Read) int64 {
	return int64(read.Offset)/int64(g.rule.Interval) + int64(read.PreviousWindows)*g.window(read)
}

// between returns the records of the panes from one to another, the end excluded.
func (g *oracleGroup) between(from, to int64) []seen {
	var out []seen
	for _, s := range g.records {
		if p := g.pane(s); p >= from && p < to {
			out = append(out, s)
		}
	}
	return out
}

func (g *oracleGroup) run(last int64) []string {
	r := g.rule
	lookback, longest := g.steps(r.Window), int64(0)
	keeps := !r.When.ZeroOnEmpty
	for _, read := range r.When.Reads {
		lookback = max(lookback, g.window(read)+g.back(read))
		if read.Stat == expr.StatAbsent && g.back(read) == 0 {
			keeps = false
		}
	}
	for _, m := range r.When.Models {
		longest = max(longest, g.steps(m.History))
	}
	lookback += longest
	panes := map[int64]bool{}
	start := int64(math.MaxInt64)
	for _, s := range g.records {
		panes[g.pane(s)] = true
		start = min(start, g.pane(s))
	}
	complete := g.first + g.steps(r.Window)
	alive, newest := false, int64(0)
	for step := start + 1; step <= last; step++ {
		if panes[step-1] {
			if !alive {
				alive = true
				g.lifeFrom, g.inputs, g.samples = step, make([][]float64, len(r.When.Models)), nil
			}
			newest = step - 1
			g.takeSamples(step)
		}
		if !alive {
			continue
		}
		frame, missing := g.frame(step, complete)
		if (step >= complete || r.When.Monotone) && !(keeps && missing) {
			g.judge(step, frame)
		}
		if newest < step-lookback {
			unjudged := keeps && missing
			old := time.Duration(step-newest-1)*r.Interval >= 24*time.Hour
			if g.state != "" && old && (g.cleared == 0 || unjudged) {
				reason := "forgotten"
				if unjudged {
					reason = "no data"
				}
				g.emit(step, finding.Resolved, frame, reason)
				g.state = ""
			}
			alive = g.state != ""
		}
		if g.state == "" {
			g.samples = nil
		}
	}
	return g.out
}

func (g *oracleGroup) takeSamples(step int64) {
	var fresh []seen
	for _, s := range g.between(step-1, step) {
		if s.evidence {
			fresh = append(fresh, s)
		}
	}
	slices.SortFunc(fresh, func(a, b seen) int { return comparePlaces(a, b) })
	fresh = fresh[:min(len(fresh), 3)]
	if len(fresh) == 0 {
		return
	}
	g.samples = append(fresh, g.samples...)
	g.samples = g.samples[:min(len(g.samples), 3)]
}

func comparePlaces(a, b seen) int {
	for _, c := range []int64{a.at - b.at, int64(strings.Compare(a.source.Topic, b.source.Topic)),
		int64(a.source.Partition - b.source.Partition), a.offset - b.offset, int64(a.r.Index - b.r.Index)} {
		if c != 0 {
			return int(min(max(c, -1), 1))
		}
	}
	return 0
}

func (g *oracleGroup) frame(step, complete int64) (f *expr.Frame, missing bool) {
	when := g.rule.When
	f = &expr.Frame{Models: make([]float64, len(when.Models))}
	missing = true
	for _, read := range when.Reads {
		back, w := g.back(read), g.window(read)
		if back > 0 && step-back-w < g.first {
			f.Reads = append(f.Reads, math.NaN())
			continue
		}
		x, n := g.read(read, g.between(step-back-w, step-back))
		f.Reads = append(f.Reads, x)
		missing = missing && (back > 0 || n == 0)
	}
	for _, text := range strings.Split(g.key, "\x00") {
		f.By = append(f.By, ingest.StringValue(text))
	}
	f.By = f.By[:len(g.rule.By)]
	for i, m := range when.Models {
		x := math.NaN()
		if step >= complete {
			x = m.Input(f)
		}
		f.Models[i] = oracleScore(g.inputs[i], x, int(g.steps(m.History)))
		g.inputs[i] = append(g.inputs[i], x)
	}
	return f, missing
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
func (g *oracleGroup) read(read expr.Read, window []seen) (x float64, taken int) {
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
	seconds := float64(g.window(read)) * g.rule.Interval.Seconds()
	switch read.Stat {
	case expr.StatCount:
		return float64(taken), taken
	case expr.StatRate:
		return float64(taken) / seconds, taken
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

func (g *oracleGroup) judge(step int64, f *expr.Frame) {
	r := g.rule
	holds := r.When.Holds(f)
	passed := func(from int64, d time.Duration) bool { return time.Duration(step-from)*r.Interval >= d }
	switch g.state {
	case finding.Pending:
		switch {
		case !holds:
			g.emit(step, finding.Resolved, f, "")
			g.state = ""
		case passed(g.since, r.For):
			g.state, g.cleared = finding.Firing, 0
			g.emit(step, finding.Firing, f, "")
		}
	case finding.Firing:
		switch {
		case holds:
			g.cleared = 0
		default:
			if g.cleared == 0 {
				g.cleared = step
			}
			if passed(g.cleared, r.KeepFiringFor) {
				g.emit(step, finding.Resolved, f, "")
				g.state = ""
			}
		}
	default:
		if !holds {
			return
		}
		g.since, g.cleared, g.state = step, 0, finding.Firing
		if r.For > 0 {
			g.state = finding.Pending
		}
		g.emit(step, g.state, f, "")
	}
}

func (g *oracleGroup) emit(step int64, state finding.State, f *expr.Frame, reason string) {
	r := g.rule
	at := func(s int64) time.Time { return time.Unix(0, s*int64(r.Interval)).UTC() }
	w := g.steps(r.Window)
	out := finding.Finding{
		Rule: r.Name, Group: r.Group, State: state, Settled: true, Condition: r.When.Source, Reason: reason,
		WindowStart: at(step - w), WindowEnd: at(step), StartsAt: at(g.since),
	}
	m := map[string]string{label.AlertName: r.Name}
	for i, text := range strings.Split(g.key, "\x00") {
		if i < len(r.By) {
			m[r.By[i].Label] = text
		}
	}
	for _, t := range r.Labels {
		m[t.Name] = t.Text
	}
	out.Labels = label.FromMap(m)
	out.Fingerprint = out.Labels.Fingerprint()
	if state == finding.Resolved {
		out.EndsAt = at(step)
	}
	if r.When.Value != nil {
		out.Value = number64(r.When.Value(f))
	}
	if r.When.Threshold != nil {
		out.Threshold = number64(r.When.Threshold(f))
	}
	for _, s := range g.samples {
		if g.pane(s) >= step-w {
			out.Samples = append(out.Samples, finding.Sample{
				Topic: s.source.Topic, Partition: s.source.Partition, Offset: s.offset, Index: s.r.Index,
				Time: time.Unix(0, s.at).UTC(), Text: s.r.Body.Str,
			})
		}
	}
	out.Offsets = g.offsets(step, w)
	for _, s := range g.between(step-w, step) {
		if s.evidence && (out.FirstRecord.IsZero() || s.at < out.FirstRecord.UnixNano()) {
			out.FirstRecord = time.Unix(0, s.at).UTC()
		}
	}
	g.out = append(g.out, findingText(&out))
	if leavesOut(r) {
		out.Offsets = nil
		g.out[len(g.out)-1] = findingText(&out)
	}
}

// leavesOut says whether stage 1 leaves out records that no aggregate takes. Nothing shows that but ranges of offsets,
// which begin up to a window before the first record and then do so less often.
func leavesOut(r *rules.Rule) bool { return r.When.Monotone && r.When.ZeroOnEmpty }

// offsets covers the aligned blocks of the window's length in which the newest evidence lies, and the one before.
func (g *oracleGroup) offsets(step, w int64) []finding.OffsetRange {
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
		if block < newest-1 || (block+1)*w <= step-w {
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
	b, err := finding.Encode(&c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
