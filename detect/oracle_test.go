package detect

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
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
	key      string // of its group
	at       int64
	source   Source
	offset   int64
	taken    []bool
	evidence bool
}

const tolerance = int64(time.Minute)

func floorDivision(a, b int64) int64 { return (a - ((a%b)+b)%b) / b }

// oracleTime returns when a record is for a rule; ok is false when it is not counted, because its clock is ahead.
func oracleTime(r *rules.Rule, rec *ingest.Record, m *message) (at int64, ok bool) {
	switch {
	case r.Arrival || rec.Time == 0:
		return m.timestamp, true
	default:
		return rec.Time, rec.Time <= m.timestamp+tolerance
	}
}

// oracleRead is what a rule counts of one input partition: per message its records, and the time reached after it.
type oracleRead struct {
	counted [][]seen
	reached []int64
	// first is the time of the first record where older ones were not read, else math.MinInt64.
	first int64
}

func oracleReads(r *rules.Rule, log *sourceLog) oracleRead {
	width := int64(r.Interval)
	out := oracleRead{first: math.MinInt64}
	reached := int64(math.MinInt64)
	begun := false
	for i, m := range log.messages {
		offset := log.first + int64(i)
		var counted []seen
		for j := range m.records {
			rec := &m.records[j]
			at, ok := oracleTime(r, rec, &m)
			if !ok {
				continue
			}
			if !begun && offset > 0 {
				out.first = at
			}
			begun = true
			late := reached != math.MinInt64 && (floorDivision(at, width)+1)*width <= reached-int64(r.Lateness)
			reached = max(reached, at)
			s, ok := oracleSee(r, rec)
			if late || !ok {
				continue
			}
			s.at, s.source, s.offset = at, log.source, offset
			counted = append(counted, s)
		}
		out.counted = append(out.counted, counted)
		out.reached = append(out.reached, reached)
	}
	return out
}

// oracleFirstStep is the first step from which on everything was read.
func oracleFirstStep(r *rules.Rule, reads []oracleRead) int64 {
	first := int64(math.MinInt64)
	for _, read := range reads {
		first = max(first, read.first)
	}
	if first == math.MinInt64 {
		return math.MinInt64 / 2
	}
	return -floorDivision(-first, int64(r.Interval))
}

// oracleFindings returns the settled findings of one rule, as lines of text.
func (x *run) oracleFindings(r *rules.Rule) []string {
	logs := x.logs
	groups := map[string][]seen{}
	watermark := int64(math.MaxInt64)
	var reads []oracleRead
	for i := range logs {
		read := oracleReads(r, &logs[i])
		reads = append(reads, read)
		for _, counted := range read.counted {
			for _, s := range counted {
				groups[s.key] = append(groups[s.key], s)
			}
		}
		watermark = min(watermark, max(read.reached[len(read.reached)-1], logs[i].idleAt))
	}
	var out []string
	explainer := x.explainer(r)
	last := floorDivision(watermark-int64(r.Lateness), int64(r.Interval))
	var all []*oracleGroup
	expected := map[string]int64{}
	for p := range x.paneParts {
		since, ok := x.expectedSince(r, reads, p)
		for _, key := range x.expectedIn(r, p) {
			if ok {
				expected[key] = since
				groups[key] = slices.Clip(groups[key])
			}
		}
	}
	for key, records := range groups {
		g := &oracleGroup{rule: r, key: key, records: records, first: oracleFirstStep(r, reads), explainer: explainer}
		g.since0, g.expected = expected[key]
		all = append(all, g)
	}
	if r.When.ComparesGroups() {
		out = runOracle(all, last)
		all = nil
	}
	for _, g := range all {
		out = append(out, g.run(last)...)
	}
	sort.Strings(out)
	return out
}

func oracleSee(r *rules.Rule, rec *ingest.Record) (s seen, ok bool) {
	if rec.Signal != r.From || (r.Where != nil && !r.Where(rec)) {
		return s, false
	}
	s.r = rec
	counted, chooses := false, false
	for _, a := range r.When.Aggregates {
		taken := a.Filter == nil || a.Filter(rec)
		if a.Arg != nil && taken {
			v := a.Arg(rec)
			_, isNumber := v.Number()
			taken = isNumber || (v.Kind != ingest.Missing && (a.Func == expr.Last || a.Func == expr.Distinct || a.Func == expr.Values || a.Func == expr.Sequence))
		}
		s.taken = append(s.taken, taken)
		counted = counted || taken
		chooses = chooses || a.Filter != nil || a.Arg != nil
	}
	for i, a := range r.When.Aggregates {
		s.evidence = s.evidence || (s.taken[i] && (!chooses || a.Filter != nil || a.Arg != nil))
	}
	if m := oracleMissing(r); !counted && m != rules.MissingZero && m != rules.MissingFire && r.NewGroupDelay == 0 {
		return s, false
	}
	var texts []string
	for _, k := range r.By {
		v := k.Value(rec)
		if v.Kind == ingest.Missing {
			return s, false
		}
		texts = append(texts, v.Text())
	}
	s.key = strings.Join(texts, "\x00")
	return s, true
}

type oracleGroup struct {
	rule    *rules.Rule
	key     string
	records []seen
	first   int64

	lifeFrom int64
	grown    map[int]map[*ingest.Record]float64 // by aggregate and record: what its series grew by up to it
	newest   int64
	inputs   [][]float64 // per model, its inputs since the life began
	// distances are those of a band's inputs from the seasonal numbers.
	distances [][]float64
	// around is, by model, what it expects at the step in hand and the deviation from it.
	around  [][2]float64
	samples []seen
	out     []string
	// explainer is nil where findings are of no interest.
	explainer *oracleExplainer
	memo      map[memoKey]memoValue

	since     int64
	levels    []oracleLevel // of the conditions, nil while inactive
	told      int           // the level that a finding is about
	lookback  int64
	missingIs rules.Missing
	panes     map[int64]bool
	frame     *expr.Frame // of the step in hand
	missing   bool
	// expected: the rule expects it, since a step.
	expected bool
	since0   int64
	// alive says whether the group is still looked at after the last step, ended is the step at which it no longer was.
	alive bool
	ended int64
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

// bucket is the least power of two of which so many cover a length.
func bucket(length, most int64) int64 {
	size := int64(1)
	for size*most < length {
		size *= 2
	}
	return size
}

// start rounds the old end of a window outward to a bucket, where it is longer than 1,024 steps.
func (g *oracleGroup) start(length, step int64) int64 {
	size := bucket(length, 1024)
	return floorDivision(step-length, size) * size
}

// reach is the most that a window may cover.
func (g *oracleGroup) reach(length int64) int64 { return length + bucket(length, 1024) - 1 }

// then is the step that a look back sees: where it goes back over more than 4,096 steps the nearest one of those kept.
func (g *oracleGroup) then(step, back int64) int64 {
	size := bucket(back, 4096)
	return floorDivision(step-back+size/2, size) * size
}

func (g *oracleGroup) back(read expr.Read) int64 {
	return int64(read.Offset)/int64(g.rule.Interval) + int64(read.PreviousWindows)*g.window(read)
}

// between returns the records of the panes from one to another, the end excluded. They are sorted by pane.
func (g *oracleGroup) between(from, to int64) []seen {
	before := func(pane int64) int {
		return sort.Search(len(g.records), func(i int) bool { return g.pane(g.records[i]) >= pane })
	}
	return g.records[before(from):before(to)]
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

// reads computes the frame but for its models.
func (g *oracleGroup) reads(step int64) (f *expr.Frame, missing bool) {
	when := g.rule.When
	f = &expr.Frame{Models: make([]float64, len(when.Models))}
	missing = true
	for _, read := range when.Reads {
		back, w := g.back(read), g.window(read)
		then := g.then(step, back)
		if back > 0 && then-w < g.first {
			f.Reads = append(f.Reads, math.NaN())
			continue
		}
		x, n := g.readOnce(read, g.start(w, then), then)
		if read.Stat == expr.StatFresh && time.Duration(step-g.lifeFrom)*g.rule.Interval < 24*time.Hour {
			x = math.NaN()
		}
		f.Reads = append(f.Reads, x)
		missing = missing && (back > 0 || n == 0)
	}
	for text := range strings.SplitSeq(g.key, "\x00") {
		f.By = append(f.By, ingest.StringValue(text))
	}
	f.By = f.By[:len(g.rule.By)]
	return f, missing
}

// readOnce is read, computed anew only where other records are in the window than when it was last asked.
func (g *oracleGroup) readOnce(read expr.Read, from, to int64) (x float64, taken int) {
	window := g.between(from, to)
	if len(window) == 0 {
		return g.read(read, window, to-from)
	}
	key := memoKey{read, to - from, &window[0], len(window)}
	known, ok := g.memo[key]
	if !ok {
		if g.memo == nil {
			g.memo = map[memoKey]memoValue{}
		}
		known.x, known.taken = g.read(read, window, to-from)
		g.memo[key] = known
	}
	return known.x, known.taken
}

type memoKey struct {
	read  expr.Read
	steps int64
	first *seen
	n     int
}

type memoValue struct {
	x     float64
	taken int
}
