package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// benchWindows are lengths of windows from exact ones to those in wide buckets.
func benchWindows() []time.Duration {
	return []time.Duration{time.Minute, 24 * time.Hour, 30 * 24 * time.Hour}
}

// BenchmarkWindowCost compares the cost of a step with windows of different lengths, all of them full: one new pane in
// each of 100 groups. They take turns, so that what else the machine does hits all of them alike.
func BenchmarkWindowCost(b *testing.B) {
	const groups, steps, rounds = 100, 512, 7
	for b.Loop() {
		var took [3][]float64
		var evaluators [3]*Evaluator
		var accumulators [3]*Accumulator
		first := benchStart / int64(5*time.Second)
		for i, window := range benchWindows() {
			accumulators[i], evaluators[i] = benchPair(b, benchRule(window))
			fillWindow(b, accumulators[i], evaluators[i], groups, first)
		}
		values := make([][]byte, steps)
		for range rounds {
			for i := range evaluators {
				for k := range values {
					values[k] = benchSections(b, accumulators[i], groups, first+int64(k))
				}
				start := time.Now()
				for k, v := range values {
					if _, err := evaluators[i].Apply(first+int64(k), v); err != nil {
						b.Fatal(err)
					}
				}
				took[i] = append(took[i], float64(time.Since(start).Nanoseconds())/steps/groups)
			}
			first += steps
		}
		minute := slices.Min(took[0])
		b.ReportMetric(minute, "ns/group")
		fmt.Printf("figure: window_step_1m %.0f ns\n", minute)
		fmt.Printf("figure: window_step_24h_over_1m %.2f ratio\n", slices.Min(took[1])/minute)
		fmt.Printf("figure: window_step_30d_over_1m %.2f ratio\n", slices.Min(took[2])/minute)
	}
}

// fillWindow gives a window that ends at a step a pane in each of its buckets.
func fillWindow(tb testing.TB, a *Accumulator, e *Evaluator, groups int, end int64) {
	tb.Helper()
	shape := e.rules[0].plan.own()
	for step := end - shape.Length; step < end; step += shape.Width {
		if _, err := e.Apply(step, benchSections(tb, a, groups, step)); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkLongGroupMemory measures what a group of a rule over 30 days takes when each of its buckets (43 minutes) has
// records: counts, and latencies of which the 99th percentile is asked for.
func BenchmarkLongGroupMemory(b *testing.B) {
	count := benchRule(30 * 24 * time.Hour)
	p99 := benchRule(30 * 24 * time.Hour)
	p99.When = simple(valueOf(expr.Sketch, "v"), expr.Read{Stat: expr.StatQuantile, Quantile: 0.99}, true, 1e9)
	users := benchRule(30 * 24 * time.Hour)
	users.When = simple(valueOf(expr.Distinct, "user"), expr.Read{Stat: expr.StatDistinct}, true, 1e9)
	over := benchRule(time.Minute)
	over.When = simple(countOf(isError), expr.Read{Stat: expr.StatCount, Window: 30 * 24 * time.Hour}, true, 1e9)
	for b.Loop() {
		for _, c := range []struct {
			name   string
			rule   *rules.Rule
			groups int
		}{{"count", count, 20}, {"count_over", over, 20}, {"p99", p99, 5}, {"distinct", users, 1}} {
			fmt.Printf("figure: group_30d_%s %.0f B\n", c.name, longGroupBytes(b, c.rule, c.groups))
		}
	}
}

func longGroupBytes(tb testing.TB, r *rules.Rule, groups int) float64 {
	tb.Helper()
	a, e := benchPair(tb, r)
	rnd := rand.New(rand.NewPCG(1, 2))
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	step := benchStart/int64(5*time.Second) + 7
	for range 1100 {
		for g := range groups {
			batch := benchBatch(g, 400)
			for i := range batch.Records {
				rec := &batch.Records[i]
				rec.Time, rec.Severity = step*int64(5*time.Second)+int64(i)*1e7, 17
				rec.Attributes[0].Value = ingest.DoubleValue(math.Exp(rnd.NormFloat64()) / 10)
				rec.Attributes[1].Value = ingest.StringValue(fmt.Sprint("user-", rnd.IntN(5000)))
			}
			a.Add(batch, ingest.Origin{Topic: "logs", Offset: step, Timestamp: step*int64(5*time.Second) + 5e9})
		}
		a.Idle((step + 1) * int64(5*time.Second))
		for _, s := range a.Take() {
			if _, err := e.Apply(step, s.Value); err != nil {
				tb.Fatal(err)
			}
		}
		e.Changes()
		step += 512
	}
	after := heap()
	if n := e.Stats().Groups; n != groups {
		tb.Fatalf("%d groups, expected %d", n, groups)
	}
	return (after - before) / float64(groups)
}
