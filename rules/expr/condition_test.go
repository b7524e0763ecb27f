package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/ingest"
)

func mustKey(t *testing.T, source string, signal ingest.Signal) Key {
	t.Helper()
	k, faults := CompileKey(source, signal, nil)
	if faults != nil {
		t.Fatal(faults)
	}
	return *k
}

// shape of a program, for comparison.
type programShape struct {
	Aggregates []string
	Reads      []Read
	Models     []string
	Monotone   bool
	Zero       bool
	Unit       string
}

func TestConditionIsSplit(t *testing.T) {
	day := 24 * time.Hour
	tests := []struct {
		when string
		want programShape
	}{
		{`count(status == ERROR) > 5`, programShape{
			Aggregates: []string{"count if status == 2"}, Reads: []Read{{Stat: StatCount}}, Monotone: true, Zero: true,
		}},
		{`count() >= 50 && p99(duration) > 1.5 * p99(duration).offset("1d")`, programShape{
			Aggregates: []string{"count", "sketch duration"},
			Reads:      []Read{{Stat: StatCount}, {Aggregate: 1, Stat: StatQuantile, Quantile: 0.99}, {Aggregate: 1, Stat: StatQuantile, Quantile: 0.99, Offset: day}},
			Unit:       "s",
		}},
		// One summary serves several statistics.
		{`(avg(duration) - avg(duration).over("1h")) / stddev(duration).over("1h") > 3`, programShape{
			Aggregates: []string{"moments duration"},
			Reads:      []Read{{Stat: StatAvg}, {Stat: StatAvg, Window: time.Hour}, {Stat: StatStddev, Window: time.Hour}},
		}},
		{`p95(duration) > 1 || quantile(duration, 0.95) > 1 || p999(duration) > 5`, programShape{
			Aggregates: []string{"sketch duration"},
			Reads:      []Read{{Stat: StatQuantile, Quantile: 0.95}, {Stat: StatQuantile, Quantile: 0.999}},
			Unit:       "s",
		}},
		// over, offset and previous distribute over everything below.
		{`(count(status == ERROR) / count()).over("1h").previous() > 0.1`, programShape{
			Aggregates: []string{"count if status == 2", "count"},
			Reads:      []Read{{Stat: StatCount, Window: time.Hour, PreviousWindows: 1}, {Aggregate: 1, Stat: StatCount, Window: time.Hour, PreviousWindows: 1}},
			Zero:       true,
		}},
		{`rate().previous().previous().offset("1h").offset("30m") > 1`, programShape{
			Aggregates: []string{"count"}, Reads: []Read{{Stat: StatRate, PreviousWindows: 2, Offset: 90 * time.Minute}}, Zero: true,
		}},
		{`count().zscore() > 3 || count().zscore("6h") > 2 || count().zscore() > 9`, programShape{
			Aggregates: []string{"count"}, Reads: []Read{{Stat: StatCount}}, Zero: true,
			Models: []string{"zscore(count(), 1h, 0s/0s/0)", "zscore(count(), 6h, 0s/0s/0)"},
		}},
		// One band serves all that is asked of it, with its defaults written out or not.
		{`p95(duration) > p95(duration).upper("1d") && p95(duration).anomaly("1d", "1h") > 4 && p95(duration).expected() > 1`, programShape{
			Aggregates: []string{"sketch duration"}, Reads: []Read{{Stat: StatQuantile, Quantile: 0.95}}, Unit: "s",
			Models: []string{"band(p95(duration), 1d, 1h, 0s/0s/0)", "deviation of band(p95(duration), 1d, 1h, 0s/0s/0)", "band(p95(duration), 0s, 1h, 0s/0s/0)", "deviation of band(p95(duration), 0s, 1h, 0s/0s/0)"},
		}},
		{`changed(max(duration)) || max(duration).forecast("4h", "6h").over("10m") >= 1`, programShape{
			Aggregates: []string{"max duration"}, Reads: []Read{{Stat: StatMax}, {Stat: StatMax, Window: 10 * time.Minute}}, Unit: "s",
			Models: []string{"changed(max(duration), 1d, 0s/0s/0)", "forecast(max(duration), 4h, 6h, 10m0s/0s/0)"},
		}},
		{`avg(duration).zscore().outlier() > 3`, programShape{
			Aggregates: []string{"moments duration"}, Reads: []Read{{Stat: StatAvg}},
			Models: []string{"zscore(avg(duration), 1h, 0s/0s/0)", "outlier(avg(duration).zscore(), 0s/0s/0)"},
		}},
		{`absent()`, programShape{Aggregates: []string{"count"}, Reads: []Read{{Stat: StatAbsent}}, Zero: true}},
		{`distinct(user.id, status == OK) > 3 && sum(duration) > 2`, programShape{
			Aggregates: []string{"distinct user.id if status == 1", "moments duration"},
			Reads:      []Read{{Stat: StatDistinct}, {Aggregate: 1, Stat: StatSum}}, Zero: true,
		}},
		{`min(duration) < 0.1 || max(duration, kind == SERVER) >= 3`, programShape{
			Aggregates: []string{"min duration", "max duration if kind == 2"},
			Reads:      []Read{{Stat: StatMin}, {Aggregate: 1, Stat: StatMax}}, Monotone: true, Unit: "s",
		}},
		{`service.name == "slow" ? count() > 5 : count() > 10`, programShape{
			Aggregates: []string{"count"}, Reads: []Read{{Stat: StatCount}}, Monotone: true, Zero: true,
		}},
		{`count(last(duration, kind == SERVER)) < 3 || sum(last(duration, kind == SERVER)) > 9`, programShape{
			Aggregates: []string{"last by series duration if kind == 2"}, Reads: []Read{{Stat: StatCount}, {Stat: StatSum}}, Zero: true,
		}},
		{`last(duration) * 1000 > 3`, programShape{
			Aggregates: []string{"last duration"}, Reads: []Read{{Stat: StatLast}}, Unit: "s",
		}},
	}
	for _, test := range tests {
		p, faults := CompileCondition(test.when, Options{Signal: ingest.Spans, By: []Key{mustKey(t, "service.name", ingest.Spans)}, Interval: 5 * time.Second, Window: time.Minute})
		if faults != nil {
			t.Errorf("%s: %v", test.when, faults)
			continue
		}
		got := programShape{Reads: p.Reads, Monotone: p.Monotone, Zero: p.ZeroOnEmpty, Unit: p.Conditions[0].Unit}
		for _, a := range p.Aggregates {
			got.Aggregates = append(got.Aggregates, a.Text)
		}
		for _, m := range p.Models {
			got.Models = append(got.Models, m.Text)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.when, diff)
		}
	}
}

func TestMonotone(t *testing.T) {
	tests := []struct {
		when string
		want bool
	}{
		{`count() > 5`, true},
		{`5 <= count(status == ERROR)`, true},
		{`count() > 2 * 3 && rate() > 1`, true},
		{`count() * 2 + distinct(user.id) > 7`, true},
		{`count() / 60 > 1`, true},
		{`max(duration) - min(duration) > 1`, true},
		{`-min(duration) > -1`, true},
		{`count() > 5 || max(duration) > 1`, true},
		{`count().over("1h") > 5`, true},
		{`count() < 5`, false},
		{`!(count() < 5)`, false},
		{`count() == 5`, false},
		{`sum(duration) > 1`, false},
		{`avg(duration) > 1`, false},
		{`last(duration) > 1`, false},
		{`p99(duration) > 1`, false},
		{`max(duration) < 1`, false},
		{`min(duration) > 1`, false},
		{`count() > 5 && avg(duration) > 1`, false},
		{`count(status == ERROR) / count() > 0.1`, false},
		{`count() - count(status == ERROR) > 5`, false},
		{`count() * -1 > -5`, false},
		{`count() > count().previous()`, false},
		{`count().offset("1h") > 5`, false},
		{`count().zscore() > 5`, false},
		{`max(duration).forecast("1h", "1h") > 5`, false},
		{`changed(count())`, false},
		{`count() > count().upper()`, false},
		{`absent()`, false},
		{`count() % 5 > 3`, false},
		{`count() > 5 ? max(duration) > 1 : count() > 3`, false},
	}
	for _, test := range tests {
		p, faults := CompileCondition(test.when, Options{Signal: ingest.Spans})
		if faults != nil {
			t.Errorf("%s: %v", test.when, faults)
		} else if p.Monotone != test.want {
			t.Errorf("%s: monotone is %t, want %t", test.when, p.Monotone, test.want)
		}
	}
}

// read computes a read the dumb way, over all records given.
func read(p *Program, r Read, records []*ingest.Record, window time.Duration) float64 {
	a := p.Aggregates[r.Aggregate]
	count := 0.0
	var values []float64
	different := map[ingest.Value]bool{}
	for _, rec := range records {
		if a.Filter != nil && !a.Filter(rec) {
			continue
		}
		count++
		if a.Arg == nil {
			continue
		}
		v := a.Arg(rec)
		if v.Kind == ingest.Missing {
			continue
		}
		different[v] = true
		if f, ok := v.Number(); ok {
			values = append(values, f)
		}
	}
	sum, squares := 0.0, 0.0
	for _, f := range values {
		sum += f
		squares += f * f
	}
	n := float64(len(values))
	switch r.Stat {
	case StatCount:
		return count
	case StatRate:
		return count / window.Seconds()
	case StatDistinct:
		return float64(len(different))
	case StatSum:
		return sum
	case StatAbsent:
		if count == 0 {
			return 1
		}
		return 0
	default:
	}
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	switch r.Stat {
	case StatAvg:
		return sum / n
	case StatStddev:
		return math.Sqrt(max(squares/n-sum/n*sum/n, 0))
	case StatMin:
		return values[0]
	case StatMax:
		return values[len(values)-1]
	default: // a quantile, or last of records whose order is that of their durations
		return values[int(r.Quantile*(n-1))]
	}
}

func judge(p *Program, records []*ingest.Record, window time.Duration) *Frame {
	f := &Frame{By: []ingest.Value{ingest.StringValue("payment")}}
	for _, r := range p.Reads {
		f.Reads = append(f.Reads, read(p, r, records, window))
	}
	return f
}

// measure writes a random measure.
func (g generator) measure(depth int) string {
	if depth <= 0 || g.IntN(3) == 0 {
		filter := ""
		if g.IntN(2) == 0 {
			filter = ", status == ERROR"
		}
		switch g.IntN(5) {
		case 0:
			return fmt.Sprintf("count(duration > %d)", g.IntN(3))
		case 1:
			return "rate(status == ERROR)"
		case 2:
			return fmt.Sprint(g.IntN(9) - 3)
		default:
			name := []string{"min", "max", "sum", "avg", "distinct", "p50", "stddev"}[g.IntN(7)]
			return fmt.Sprintf("%s(duration%s)", name, filter)
		}
	}
	switch g.IntN(6) {
	case 0:
		return "-(" + g.measure(depth-1) + ")"
	case 1:
		return fmt.Sprintf(`(service.name == "payment" ? %s : %s)`, g.measure(depth-1), g.measure(depth-1))
	default:
		return fmt.Sprintf("(%s %s %s)", g.measure(depth-1), []string{"+", "-", "*", "/"}[g.IntN(4)], g.measure(depth-1))
	}
}

func (g generator) when(depth int) string {
	if depth <= 0 || g.IntN(2) == 0 {
		return fmt.Sprintf("(%s %s %s)", g.measure(depth), []string{">", ">=", "<", "<="}[g.IntN(4)], g.measure(depth-1))
	}
	switch g.IntN(5) {
	case 0:
		return "!" + g.when(depth-1)
	case 1:
		return fmt.Sprintf(`(service.name == "payment" ? %s : %s)`, g.when(depth-1), g.when(depth-1))
	default:
		return fmt.Sprintf("(%s %s %s)", g.when(depth-1), []string{"&&", "||"}[g.IntN(2)], g.when(depth-1))
	}
}

// A condition that is called monotone must never cease to hold while records come in, from none on.
func TestMonotoneIsTrue(t *testing.T) {
	g := generator{Rand: rand.New(rand.NewPCG(3, 5))}
	by := []Key{mustKey(t, "service.name", ingest.Spans)}
	monotone, becameTrue := 0, 0
	for range 6000 {
		when := g.when(2)
		if !strings.ContainsAny(when, "acpsrd") {
			continue
		}
		p, faults := CompileCondition(when, Options{Signal: ingest.Spans, By: by})
		if faults != nil {
			if strings.Contains(faults[0].Message, "no aggregate") {
				continue
			}
			t.Fatalf("%s: %v", when, faults)
		}
		if !p.Monotone {
			continue
		}
		monotone++
		var records []*ingest.Record
		held := p.Conditions[0].Holds(judge(p, nil, time.Minute))
		for range 12 {
			records = append(records, &ingest.Record{StatusCode: int32(g.IntN(3)), Duration: float64(g.IntN(17)-8) / 2, Resource: &ingest.Resource{}, Scope: &ingest.Scope{}})
			holds := p.Conditions[0].Holds(judge(p, records, time.Minute))
			if held && !holds {
				t.Fatalf("%s is called monotone, but ceases to hold with record %d", when, len(records))
			}
			if holds && !held {
				becameTrue++
			}
			held = holds
		}
	}
	if monotone < 100 || becameTrue < 30 {
		t.Errorf("only %d monotone conditions, of which %d became true: too few to tell", monotone, becameTrue)
	}
}

func TestJudgement(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		when             string
		reads, models    []float64
		holds            bool
		value, threshold float64
		above            bool
	}{
		{`count(status == ERROR) / count() > 0.1`, []float64{20, 100}, nil, true, 0.2, 0.1, true},
		{`count(status == ERROR) / count() > 0.1`, []float64{0, 0}, nil, false, nan, 0.1, true},
		{`count() >= 50 && p95(duration) > 2 * avg(duration)`, []float64{60, 3, 1}, nil, true, 3, 2, true},
		{`count().previous() >= 300 && count() / count().previous() < 0.2`, []float64{400, 40}, nil, true, 0.1, 0.2, false},
		{`count() >= 50`, []float64{60}, nil, true, 60, 50, true},
		{`50 < count()`, []float64{60}, nil, true, 60, 50, true},
		{`!(p95(duration) < 1)`, []float64{3}, nil, true, 3, 1, true},
		{`!(p95(duration) < 1)`, []float64{nan}, nil, true, nan, 1, true},
		{`p95(duration) != 1`, []float64{nan}, nil, true, nan, 1, false},
		{`p95(duration) == 1`, []float64{nan}, nil, false, nan, 1, false},
		{`count().zscore() > 3`, []float64{7}, []float64{4}, true, 4, 3, true},
		{`max(duration) > max(duration).upper("1d")`, []float64{20}, []float64{10, 2}, true, 20, 16, true},
		{`max(duration) < max(duration).lower("1d")`, []float64{3}, []float64{10, 2}, true, 3, 4, false},
		{`max(duration).anomaly() < -3`, []float64{3}, []float64{10, 2}, true, -3.5, -3, false},
		{`max(duration).anomaly() > 3`, []float64{3}, []float64{2, 0}, false, nan, 3, true},
		{`max(duration).anomaly() >= 0`, []float64{2}, []float64{2, 0}, true, 0, 0, true},
		{`changed(max(duration))`, []float64{3}, []float64{1}, true, 3, nan, false},
		{`count() >= 5 && changed(max(duration))`, []float64{5, 3}, []float64{0}, false, 3, nan, false},
		{`changed(max(duration))`, []float64{3}, []float64{nan}, false, 3, nan, false},
		{`(count().zscore() > 3 ? 2 : 1) > 1.5`, []float64{7}, []float64{4}, true, 4, 3, true},
		{`service.name == "payment" && max(duration) > (service.name == "x" ? 1 : 2)`, []float64{2.5}, nil, true, 2.5, 2, true},
		{`service.name in ["checkout"] && count() > 1`, []float64{2}, nil, false, 2, 1, true},
		{`has(service.name) && count() - 3 > 1`, []float64{5}, nil, true, 2, 1, true},
		{`-max(duration) % 2 < 0`, []float64{3}, nil, true, -1, 0, false},
		{`(extract(service.name, "^pay") == "pay" ? 1 : 5) < count()`, []float64{2}, nil, true, 2, 1, true},
		{`absent()`, []float64{1}, nil, true, nan, nan, false},
		{`absent() || count() > 3`, []float64{0, 3}, nil, false, 3, 3, true},
	}
	for _, test := range tests {
		p, faults := CompileCondition(test.when, Options{Signal: ingest.Spans, By: []Key{mustKey(t, "service.name", ingest.Spans)}})
		if faults != nil {
			t.Errorf("%s: %v", test.when, faults)
			continue
		}
		f := &Frame{Reads: test.reads, Models: test.models, By: []ingest.Value{ingest.StringValue("payment")}}
		if got := p.Conditions[0].Holds(f); got != test.holds {
			t.Errorf("%s of %v is %t, want %t", test.when, test.reads, got, test.holds)
		}
		value, threshold := nan, nan
		if p.Conditions[0].Value != nil {
			value, threshold = p.Conditions[0].Value(f), p.Conditions[0].Threshold(f)
		}
		if !alike(value, test.value) || !alike(threshold, test.threshold) || p.Conditions[0].Above != test.above {
			t.Errorf("%s reports %v of %v, above %t; want %v of %v, %t", test.when, value, threshold, p.Conditions[0].Above, test.value, test.threshold, test.above)
		}
		if n := testing.AllocsPerRun(50, func() { p.Conditions[0].Holds(f) }); n != 0 {
			t.Errorf("%s allocates %v times a judgement", test.when, n)
		}
	}
}

func alike(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-12
}

func TestNamesOfBy(t *testing.T) {
	for _, by := range []string{"service.name", "a.`b-c`", `attributes["x.y"]`, `resource["service.name"]`, "name"} {
		k := mustKey(t, by, ingest.Spans)
		for _, name := range []string{by, k.Label} {
			p, faults := CompileCondition(name+` == "x" && count() > 1`, Options{Signal: ingest.Spans, By: []Key{k}})
			if faults != nil {
				t.Errorf("by %s: %v", by, faults)
				continue
			}
			if !p.Conditions[0].Holds(&Frame{Reads: []float64{2}, By: []ingest.Value{ingest.StringValue("x")}}) {
				t.Errorf("by %s: %s does not read the key", by, p.Text)
			}
		}
	}
}

func TestModelInput(t *testing.T) {
	p, faults := CompileCondition(`(count(status == ERROR) / count()).zscore("2h") > 3`, Options{Signal: ingest.Spans})
	if faults != nil {
		t.Fatal(faults)
	}
	m := p.Models[0]
	if m.Kind != ZScore || m.History != 2*time.Hour {
		t.Errorf("the model is %v over %s", m.Kind, m.History)
	}
	if got := m.Input(&Frame{Reads: []float64{5, 20}}); got != 0.25 {
		t.Errorf("the model is fed %v, want 0.25", got)
	}
}

func TestArgumentsAreNumbers(t *testing.T) {
	p, faults := CompileCondition(`sum(order.total) > 1 && distinct(order.total) > 1 && max(extract(order.total, "[0-9.]+")) > 1`, Options{Signal: ingest.Events})
	if faults != nil {
		t.Fatal(faults)
	}
	r := &ingest.Record{Resource: &ingest.Resource{}, Scope: &ingest.Scope{}}
	for _, test := range []struct {
		in   ingest.Value
		want [3]ingest.Value
	}{
		{ingest.StringValue("12.5"), [3]ingest.Value{ingest.DoubleValue(12.5), ingest.StringValue("12.5"), ingest.DoubleValue(12.5)}},
		{ingest.StringValue("12.5 EUR"), [3]ingest.Value{{}, ingest.StringValue("12.5 EUR"), ingest.DoubleValue(12.5)}},
		{ingest.IntValue(3), [3]ingest.Value{ingest.DoubleValue(3), ingest.IntValue(3), {}}},
		{ingest.StringValue("many"), [3]ingest.Value{{}, ingest.StringValue("many"), {}}},
		{ingest.Value{}, [3]ingest.Value{}},
	} {
		r.Attributes = ingest.Attrs{{Key: "order.total", Value: test.in}}
		for i, a := range p.Aggregates {
			if got := a.Arg(r); got != test.want[i] {
				t.Errorf("%s takes %q as %v, want %v", a.Text, test.in.Text(), got, test.want[i])
			}
		}
	}
}

// Quantiles of a choice between metrics read those that are histograms as such.
func TestChoiceOfHistograms(t *testing.T) {
	const both = `has(metric("new")) ? metric("new") : metric("old")`
	histogram, number := ingest.BoolValue(true), ingest.DoubleValue(0.5)
	point := func(name string, p ingest.Point) *ingest.Record {
		return &ingest.Record{Signal: ingest.Metrics, Name: name, Resource: &ingest.Resource{}, Scope: &ingest.Scope{}, Point: &p}
	}
	explicit := ingest.Point{Type: ingest.Histogram, Bounds: []float64{1}, Buckets: []uint64{1, 2}}
	exponential := ingest.Point{Type: ingest.ExponentialHistogram, Exponential: &ingest.Exponential{}}
	gauge := ingest.Point{Type: ingest.Gauge, Value: number}
	for _, test := range []struct {
		when, aggregate string
		record          *ingest.Record
		want            ingest.Value
	}{
		{"p99(" + both + ") > 1", "histogram", point("new", explicit), histogram},
		{"p99(" + both + ") > 1", "histogram", point("old", exponential), histogram},
		{"p99(" + both + ") > 1", "histogram", point("old", gauge), number},
		{"p99(" + both + ") > 1", "histogram", point("other", explicit), ingest.Value{}},
		{"quantile(" + both + ", 0.5) > 1", "histogram", point("new", gauge), number},
		{`p50(x.y == 1 ? metric("a") : ` + both + `) > 1`, "histogram", point("new", explicit), histogram},
		{`p50(x.y == 1 ? metric("a") : ` + both + `) > 1`, "histogram", point("a", explicit), ingest.Value{}},
		{`p50(has(metric("a")) ? metric("a") : 2) > 1`, "histogram", point("a", explicit), histogram},
		{`p50(has(metric("a")) ? metric("a") : 2) > 1`, "histogram", point("b", explicit), ingest.DoubleValue(2)},
		{`p50(has(metric("a")) ? 2 : 3) > 1`, "sketch", point("a", explicit), ingest.DoubleValue(2)},
		{"max(" + both + ") > 1", "max", point("new", explicit), ingest.Value{}},
	} {
		p, faults := CompileCondition(test.when, Options{Signal: ingest.Metrics})
		if faults != nil {
			t.Fatal(faults)
		}
		a := p.Aggregates[0]
		if got := a.Arg(test.record); a.Func.String() != test.aggregate || got != test.want {
			t.Errorf("%s takes a point of %s as %v by %v, expected %v by %s", test.when, test.record.Name, got, a.Func, test.want, test.aggregate)
		}
	}
}
