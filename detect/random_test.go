package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// attr reads an attribute, also of the resource.
func attr(name string) expr.RecordValue {
	return func(r *ingest.Record) ingest.Value { return r.Lookup(name) }
}

func isError(r *ingest.Record) bool { return r.Severity >= 17 }

func countOf(filter expr.Predicate) expr.Aggregate {
	return expr.Aggregate{Func: expr.Count, Filter: filter}
}

func valueOf(f expr.Func, name string) expr.Aggregate {
	return expr.Aggregate{Func: f, Arg: attr(name)}
}

func constant(x float64) func(*expr.Frame) float64 { return func(*expr.Frame) float64 { return x } }

func readAt(i int) func(*expr.Frame) float64 {
	return func(f *expr.Frame) float64 { return f.Reads[i] }
}

// simple is a condition of one read and a threshold.
func simple(a expr.Aggregate, read expr.Read, above bool, threshold float64) *expr.Program {
	return &expr.Program{
		Aggregates: []expr.Aggregate{a},
		Reads:      []expr.Read{read},
		Conditions: []expr.Condition{{
			Source: fmt.Sprintf("read(%d) above=%v %g", read.Stat, above, threshold),
			Holds: func(f *expr.Frame) bool {
				if above {
					return f.Reads[0] > threshold
				}
				return f.Reads[0] < threshold
			},
			Value: readAt(0), Threshold: constant(threshold), Above: above,
		}},
	}
}

// randomProgram returns one of the kinds of conditions that rules are made of. Those that look at more than the rule's
// window look back over a long time.
func randomProgram(rnd *rand.Rand, interval, long time.Duration) *expr.Program {
	few := float64(1 + rnd.IntN(6))
	switch rnd.IntN(24) {
	case 19, 20, 21, 22:
		return modelled(rnd, interval, long)
	case 0, 1:
		p := simple(countOf(isError), expr.Read{Stat: expr.StatCount}, true, few)
		p.Monotone, p.ZeroOnEmpty = true, true
		return p
	case 2:
		p := simple(countOf(nil), expr.Read{Stat: expr.StatCount}, false, few)
		p.ZeroOnEmpty = true
		return p
	case 3:
		return simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatAvg}, true, 10)
	case 4:
		p := simple(valueOf(expr.Max, "v"), expr.Read{Stat: expr.StatMax}, true, 60)
		p.Monotone = true
		return p
	case 5:
		p := simple(valueOf(expr.Min, "v"), expr.Read{Stat: expr.StatMin, Window: long}, false, -20)
		p.Monotone = true
		return p
	case 6:
		p := simple(valueOf(expr.Distinct, "user"), expr.Read{Stat: expr.StatDistinct}, true, few)
		p.Monotone, p.ZeroOnEmpty = true, true
		return p
	case 7:
		return simple(valueOf(expr.Sketch, "v"), expr.Read{Stat: expr.StatQuantile, Quantile: rnd.Float64()}, true, 10)
	case 8:
		return simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatStddev}, true, 25)
	case 9:
		return simple(valueOf(expr.Last, "v"), expr.Read{Stat: expr.StatLast, Window: long}, true, 5)
	case 10:
		return comparison(rnd, interval, long)
	case 11:
		p := simple(countOf(nil), expr.Read{Stat: expr.StatAbsent}, true, 0.5)
		p.Conditions[0].Value, p.Conditions[0].Threshold = nil, nil
		return p
	case 12:
		return unusual(rnd, interval, long)
	case 13:
		return ratio(rnd)
	case 15, 16:
		return ofPoints(rnd)
	case 17, 18:
		return ofOrder(rnd)
	case 14:
		p := simple(countOf(isError), expr.Read{Stat: expr.StatRate, Window: long}, true, few/(4*long.Seconds()))
		p.Monotone, p.ZeroOnEmpty = true, true
		return p
	default:
		p := simple(valueOf(expr.Moments, "v"), expr.Read{Stat: expr.StatSum}, true, 30)
		p.ZeroOnEmpty = true
		return p
	}
}

// comparison compares a count with its own past.
func comparison(rnd *rand.Rand, interval, long time.Duration) *expr.Program {
	then := expr.Read{Stat: expr.StatCount, PreviousWindows: 1}
	if rnd == nil || rnd.IntN(2) == 0 {
		then = expr.Read{Stat: expr.StatCount, Offset: long + interval/3, Window: 3 * interval}
	}
	return &expr.Program{
		Aggregates: []expr.Aggregate{countOf(nil)},
		Reads:      []expr.Read{{Stat: expr.StatCount}, then},
		Conditions: []expr.Condition{{
			Source:    "count() > 2 * count() then",
			Holds:     func(f *expr.Frame) bool { return f.Reads[0] > 2*f.Reads[1] },
			Value:     readAt(0),
			Threshold: func(f *expr.Frame) float64 { return 2 * f.Reads[1] },
		}},
		ZeroOnEmpty: true,
	}
}

// unusual asks a model about a sum.
func unusual(rnd *rand.Rand, interval, long time.Duration) *expr.Program {
	limit := 1 + 2*rnd.Float64()
	return &expr.Program{
		Aggregates: []expr.Aggregate{valueOf(expr.Moments, "v"), countOf(nil)},
		Reads:      []expr.Read{{Stat: expr.StatAvg}, {Aggregate: 1, Stat: expr.StatCount}},
		Models: []expr.Model{
			{Kind: expr.ZScore, History: 2 * long, Input: readAt(0)},
			{Kind: expr.ZScore, History: 10 * interval, Input: readAt(1)},
		},
		Conditions: []expr.Condition{{
			Source: "zscore",
			Holds:  func(f *expr.Frame) bool { return f.Models[0] > limit || f.Models[1] < -limit },
			Value:  func(f *expr.Frame) float64 { return f.Models[0] }, Threshold: constant(limit),
		}},
	}
}

func ratio(rnd *rand.Rand) *expr.Program {
	limit := rnd.Float64()
	share := func(f *expr.Frame) float64 { return f.Reads[0] / f.Reads[1] }
	return &expr.Program{
		Aggregates: []expr.Aggregate{countOf(isError), countOf(nil)},
		Reads:      []expr.Read{{Stat: expr.StatCount}, {Aggregate: 1, Stat: expr.StatCount}},
		Conditions: []expr.Condition{{
			Source: "ratio", Holds: func(f *expr.Frame) bool { return share(f) > limit }, Value: share, Threshold: constant(limit),
		}},
		ZeroOnEmpty: true,
	}
}

func randomRule(rnd *rand.Rand, id int, base time.Duration) *rules.Rule {
	interval := time.Duration(1+rnd.IntN(3)) * base
	long := time.Duration(1+rnd.IntN(20)) * interval
	if rnd.IntN(4) == 0 {
		long *= 10 // long enough for segments in the state
	}
	lengths := func(n int) time.Duration { return time.Duration(rnd.IntN(n)) * interval }
	r := &rules.Rule{
		Name: fmt.Sprintf("Rule%d", id), Group: "test", From: ingest.Logs, Interval: interval,
		Window: time.Duration(1+rnd.IntN(12)) * interval, Lateness: lengths(4), When: randomProgram(rnd, interval, long),
		ID: rnd.Uint64(), Labels: []rules.Template{{Name: "severity", Text: "page"}},
	}
	if rnd.IntN(4) == 0 {
		r.From = ingest.Events
	}
	r.Arrival = rnd.IntN(3) == 0
	if rnd.IntN(3) == 0 {
		r.Where = func(r *ingest.Record) bool { return r.Lookup("env").Str == "prod" }
	}
	if rnd.IntN(3) == 0 {
		r.For = lengths(4)
	}
	if rnd.IntN(3) == 0 {
		r.KeepFiringFor = lengths(5)
	}
	names := [][]string{nil, {"service"}, {"service", "code"}}[rnd.IntN(3)]
	for _, n := range names {
		r.By = append(r.By, rules.Key{Label: n, Value: attr(n), Text: n})
	}
	if len(names) > 0 && rnd.IntN(2) == 0 && !r.When.ComparesGroups() {
		r.MaxGroups = 1 + rnd.IntN(4)
	}
	if rnd.IntN(8) == 0 {
		makeFine(rnd, r, base)
	}
	if len(names) > 0 && rnd.IntN(3) == 0 {
		expectSome(rnd, r)
	}
	if rnd.IntN(3) == 0 && r.When.Conditions[0].Value != nil {
		grade(rnd, r)
	}
	if rnd.IntN(4) == 0 {
		r.OnMissing = rules.Missing(1 + rnd.IntN(4))
	}
	if rnd.IntN(6) == 0 {
		r.NewGroupDelay = lengths(5)
	}
	if rnd.IntN(4) == 0 {
		r.ForgetAfter = time.Duration(1+rnd.IntN(30)) * interval
	}
	return r
}

// sibling returns a rule that shares its panes with another and makes something else of them.
func sibling(rnd *rand.Rand, of *rules.Rule) *rules.Rule {
	of.Panes = rnd.Uint64()
	r := *of
	when := *of.When
	r.When, r.ID, r.Name = &when, rnd.Uint64(), of.Name+"Sibling"
	when.Conditions = slices.Clone(when.Conditions)
	r.Window += time.Duration(rnd.IntN(5)) * r.Interval
	r.For = time.Duration(rnd.IntN(4)) * r.Interval
	r.OnMissing = rules.Missing(rnd.IntN(5))
	if r.Labels != nil && r.When.Conditions[0].Value != nil && r.When.Conditions[0].Until == nil {
		grade(rnd, &r)
	}
	return &r
}

// grade gives a rule two severities, a recovery condition, or both.
func grade(rnd *rand.Rand, r *rules.Rule) {
	base := r.When.Conditions[0]
	beyond := func(f *expr.Frame, factor float64) bool {
		x, limit := base.Value(f), base.Threshold(f)
		if base.Above {
			return x > limit*factor
		}
		return x < limit/factor
	}
	more, over := base, func(f *expr.Frame) bool { return !base.Holds(f) && !beyond(f, 0.5) }
	more.Holds = func(f *expr.Frame) bool { return base.Holds(f) && beyond(f, 1.5) }
	more.Source += " by far"
	if rnd.IntN(2) == 0 {
		r.When.Conditions[0].Until, more.Until = over, over
	}
	if rnd.IntN(3) > 0 {
		r.Labels = nil // severity is the condition's
		r.When.Conditions[0].Severity, more.Severity = "warning", "critical"
		r.When.Conditions = append(r.When.Conditions, more)
	}
}

// makeFine gives a rule steps so short that its windows and what it looks back on are kept in buckets of several.
func makeFine(rnd *rand.Rand, r *rules.Rule, base time.Duration) {
	r.MaxGroups = 0 // the oracle goes over all steps at each flush where there are few groups
	r.Interval = base / 50
	r.Window = time.Duration(1+rnd.IntN(5000)) * r.Interval
	long := time.Duration(1+rnd.IntN(7000)) * r.Interval
	r.When = comparison(rnd, r.Interval, long)
	if rnd.IntN(3) > 0 {
		r.When = randomProgram(rnd, r.Interval, long)
	}
	// The oracle would take too long with a model that looks back so far.
	for len(r.When.Models) > 0 {
		r.When = randomProgram(rnd, r.Interval, long)
	}
}

func randomRecord(rnd *rand.Rand, at int64, index int) ingest.Record {
	r := ingest.Record{
		Signal: ingest.Logs, Index: index, Time: at, Resource: &ingest.Resource{}, Scope: &ingest.Scope{},
		Severity: int32(1 + rnd.IntN(24)), Body: ingest.StringValue(fmt.Sprintf("line %d", rnd.IntN(1000))),
	}
	if rnd.IntN(3) == 0 {
		r.Signal = ingest.Events
	}
	add := func(name string, v ingest.Value) {
		r.Attributes = append(r.Attributes, ingest.Attr{Key: name, Value: v})
	}
	if rnd.IntN(10) > 0 {
		r.Resource.Attributes = ingest.Attrs{{Key: "service", Value: ingest.StringValue([]string{"a", "b", "c"}[rnd.IntN(3)])}}
	}
	if rnd.IntN(4) > 0 {
		add("env", ingest.StringValue("prod"))
	}
	add("code", ingest.IntValue(int64(500+rnd.IntN(2))))
	add("user", ingest.StringValue(fmt.Sprint(rnd.IntN(30))))
	switch rnd.IntN(6) {
	case 0:
	case 1:
		add("v", ingest.StringValue("none"))
	case 2:
		add("v", ingest.DoubleValue(math.Ldexp(rnd.NormFloat64(), rnd.IntN(80)-40)))
	default:
		add("v", ingest.DoubleValue(rnd.NormFloat64()*40))
	}
	return r
}

// randomLogs makes the input partitions: time runs on with bursts and gaps, records are out of order, some of them too
// late, some with a clock that is ahead.
func randomLogs(rnd *rand.Rand, interval time.Duration) []sourceLog {
	n := 1 + rnd.IntN(3)
	logs := make([]sourceLog, n)
	step := int64(interval)
	epoch := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	var latest int64
	deploys := step * (10 + rnd.Int64N(20)) // the time between two
	for i := range logs {
		log := &logs[i]
		log.source = Source{Topic: "in", Partition: int32(i)}
		log.first = int64(rnd.IntN(2) * rnd.IntN(50))
		now := epoch + rnd.Int64N(5*step)
		for range 5 + rnd.IntN(60) {
			m := message{timestamp: now + rnd.Int64N(step)}
			for j := range 1 + rnd.IntN(8) {
				at := now - rnd.Int64N(3*step)
				switch rnd.IntN(40) {
				case 0:
					at = now - rnd.Int64N(30*step)
				case 1:
					at = m.timestamp + tolerance + 1 + rnd.Int64N(20*step)
				case 2:
					at = 0
				}
				m.records = append(m.records, randomRecord(rnd, at, j))
				version := "v0"
				if rnd.IntN(30) > 0 {
					version = fmt.Sprint("v", floorDivision(at-epoch, deploys))
				}
				own := &m.records[j].Attributes
				*own = append(*own, ingest.Attr{Key: "version", Value: ingest.StringValue(version)})
			}
			log.messages = append(log.messages, m)
			now += rnd.Int64N(2 * step)
			if rnd.IntN(25) == 0 {
				now += rnd.Int64N(60 * step)
			}
		}
		latest = max(latest, now)
	}
	for i := range logs {
		logs[i].idleAt = latest + rnd.Int64N(90*step)
	}
	if rnd.IntN(3) == 0 {
		makePoints(rnd, logs)
	}
	return logs
}
