package detect

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// benchRule counts errors per service over a window in steps of 5 s.
func benchRule(window time.Duration) *rules.Rule {
	p := simple(countOf(isError), expr.Read{Stat: expr.StatCount}, true, 1e9)
	p.Monotone, p.ZeroOnEmpty = true, true
	return &rules.Rule{
		Name: "Errors", Group: "bench", From: ingest.Logs, Interval: 5 * time.Second, Window: window,
		By: []rules.Key{{Label: "service", Value: attr("service"), Text: "service"}}, When: p, ID: 1,
	}
}

const benchStart = int64(1_800_000_000_000_000_000)

// benchBatch is a message of 100 logs of one service, every twentieth an error.
func benchBatch(service, records int) *ingest.Batch {
	b := new(ingest.Batch)
	res := &ingest.Resource{Attributes: ingest.Attrs{{Key: "service", Value: ingest.StringValue(fmt.Sprintf("service-%d", service))}}}
	for i := range records {
		r := ingest.Record{
			Signal: ingest.Logs, Index: i, Resource: res, Scope: &ingest.Scope{}, Severity: 9,
			Body: ingest.StringValue("payment of order 4711 declined by the bank: insufficient funds"),
			Attributes: ingest.Attrs{
				{Key: "v", Value: ingest.DoubleValue(float64(i*i%97) / 7)},
				{Key: "user", Value: ingest.StringValue(fmt.Sprintf("user-%d", i%10))},
			},
		}
		if i%20 == 0 {
			r.Severity = 17
		}
		b.Records = append(b.Records, r)
	}
	return b
}

func BenchmarkAccumulate(b *testing.B) {
	all := benchRule(time.Minute)
	all.ID, all.When = 2, &expr.Program{
		Aggregates: []expr.Aggregate{
			valueOf(expr.Moments, "v"), valueOf(expr.Max, "v"), valueOf(expr.Sketch, "v"), valueOf(expr.Distinct, "user"),
		},
		Reads: []expr.Read{{Stat: expr.StatAvg}}, Conditions: []expr.Condition{{Holds: func(*expr.Frame) bool { return false }}},
	}
	for _, c := range []struct {
		name  string
		rules []*rules.Rule
	}{
		{"count of errors", []*rules.Rule{benchRule(time.Minute)}},
		{"all aggregates", []*rules.Rule{all}},
	} {
		b.Run(c.name, func(b *testing.B) {
			a, err := NewAccumulator(AccumulatorOptions{Rules: &rules.Set{Rules: c.rules}, Source: Source{Topic: "logs"}, PanePartitions: 4})
			if err != nil {
				b.Fatal(err)
			}
			batches := make([]*ingest.Batch, 50)
			for i := range batches {
				batches[i] = benchBatch(i, 100)
			}
			b.ReportAllocs()
			now, n := benchStart, 0
			for i := 0; b.Loop(); i++ {
				batch := batches[i%len(batches)]
				for j := range batch.Records {
					batch.Records[j].Time = now
					now += 300_000 // 3,333 records a second
				}
				a.Add(batch, ingest.Origin{Topic: "logs", Offset: int64(i + 1), Timestamp: now})
				n += len(batch.Records)
				if i%10 == 9 {
					a.Take()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
		})
	}
}

// benchSections gives the sections of one step in which each of some groups has an error.
func benchSections(tb testing.TB, a *Accumulator, groups int, step int64) []byte {
	tb.Helper()
	at := step*int64(5*time.Second) + 1e9
	for g := range groups {
		batch := benchBatch(g, 1)
		batch.Records[0].Time = at
		a.Add(batch, ingest.Origin{Topic: "logs", Offset: step + 1, Timestamp: at})
	}
	a.Idle((step + 1) * int64(5*time.Second))
	var value []byte
	for _, s := range a.Take() {
		value = append(value, s.Value...)
	}
	return value
}

func benchPair(tb testing.TB, r *rules.Rule) (*Accumulator, *Evaluator) {
	tb.Helper()
	set := &rules.Set{Rules: []*rules.Rule{r}}
	a, err := NewAccumulator(AccumulatorOptions{Rules: set, Source: Source{Topic: "logs"}})
	if err != nil {
		tb.Fatal(err)
	}
	e, err := NewEvaluator(EvaluatorOptions{Rules: set, Topics: Topics{ingest.Logs: {"logs"}}, MeasureGroups: -1})
	if err != nil {
		tb.Fatal(err)
	}
	return a, e
}

// BenchmarkStep is one step with a new pane in each of 100 groups, with windows that are full.
func BenchmarkStep(b *testing.B) {
	cost := map[time.Duration]float64{}
	for _, window := range []time.Duration{time.Minute, 24 * time.Hour} {
		b.Run(window.String(), func(b *testing.B) {
			const groups = 100
			a, e := benchPair(b, benchRule(window))
			step := benchStart / int64(5*time.Second)
			apply := func() {
				if _, err := e.Apply(step, benchSections(b, a, groups, step)); err != nil {
					b.Fatal(err)
				}
				step++
			}
			for range int64(window / (5 * time.Second)) {
				apply()
			}
			values := make([][]byte, 0, 4096)
			for i := range 4096 {
				values = append(values, benchSections(b, a, groups, step+int64(i)))
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n == len(values) {
					b.StopTimer()
					for i := range values {
						values[i] = benchSections(b, a, groups, step+int64(i))
					}
					n = 0
					b.StartTimer()
				}
				if _, err := e.Apply(step, values[n]); err != nil {
					b.Fatal(err)
				}
				n++
				step++
			}
			cost[window] = float64(b.Elapsed().Nanoseconds()) / float64(b.N) / groups
			b.ReportMetric(cost[window], "ns/group")
		})
	}
	if minute, day := cost[time.Minute], cost[24*time.Hour]; minute > 0 && day > 0 {
		fmt.Printf("figure: step_24h_over_1m %.3f x\n", day/minute)
	}
}

// groupBytes measures what an active group of a count rule takes, one error in each step.
func groupBytes(tb testing.TB, groups int) float64 {
	tb.Helper()
	a, e := benchPair(tb, benchRule(time.Minute))
	step := benchStart / int64(5*time.Second)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	// The first groups warm up everything that is not theirs.
	values := make([][]byte, 30)
	for i := range values {
		values[i] = benchSections(tb, a, groups, step+int64(i))
	}
	before := heap()
	for i, v := range values {
		if _, err := e.Apply(int64(i), v); err != nil {
			tb.Fatal(err)
		}
	}
	e.Changes()
	after := heap()
	if n := e.Stats().Groups; n != groups {
		tb.Fatalf("%d groups, expected %d", n, groups)
	}
	runtime.KeepAlive(values)
	runtime.KeepAlive(a)
	return (after - before) / float64(groups)
}

func BenchmarkGroupMemory(b *testing.B) {
	var bytes float64
	for b.Loop() {
		bytes = groupBytes(b, 20_000)
	}
	b.ReportMetric(bytes, "B/group")
	fmt.Printf("figure: group_memory %.0f B\n", bytes)
}
