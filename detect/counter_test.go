package detect

import (
	"math"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// metricFeed feeds metric points to the rules of a file and gives the values of the first rule's measure by step.
func metricFeed(t *testing.T, file string, points []ingest.Record) map[int64]float64 {
	t.Helper()
	set, problems := rules.Parse("rules.yaml", []byte(file))
	if set == nil {
		t.Fatal(problems)
	}
	a, err := NewAccumulator(AccumulatorOptions{Rules: set, Source: Source{Topic: "metrics"}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEvaluator(EvaluatorOptions{Rules: set, Topics: Topics{ingest.Metrics: {"metrics"}}})
	if err != nil {
		t.Fatal(err)
	}
	values := map[int64]float64{}
	for i := range points {
		a.Add(&ingest.Batch{Records: points[i : i+1]}, ingest.Origin{Topic: "metrics", Offset: int64(i), Timestamp: points[i].Time})
		if i == len(points)-1 {
			a.Idle(points[i].Time + int64(time.Minute))
		}
		for _, s := range a.Take() {
			res, err := e.Apply(int64(i), s.Value)
			if err != nil || len(res.Warnings) > 0 {
				t.Fatal(err, res.Warnings)
			}
			for _, m := range res.Measures {
				values[(m.Time-points[0].Time)/int64(time.Second)] = m.Value
			}
		}
	}
	return values
}

func point(second int, instance string, p ingest.Point) ingest.Record {
	at := time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC).UnixNano()
	p.StartTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	return ingest.Record{
		Signal: ingest.Metrics, Name: "x", Time: at, Point: &p, Scope: &ingest.Scope{},
		Resource: &ingest.Resource{Attributes: ingest.Attrs{{Key: "instance", Value: ingest.StringValue(instance)}}},
	}
}

const metricRule = `
groups:
  - name: m
    interval: 10s
    lateness: 0s
    window: 30s
    rules: [{alert: X, from: metrics, when: '`

func TestIncreaseOfCounters(t *testing.T) {
	var points []ingest.Record
	for i, pair := range [][2]float64{{100, 7}, {110, 7}, {130, 9}, {5, 10}, {8, 10}, {9, 10}} { // the fourth began anew
		for j, x := range pair {
			points = append(points, point(10*i, string(rune('a'+j)), ingest.Point{Type: ingest.Sum, Monotonic: true, Cumulative: true, Value: ingest.DoubleValue(x)}))
		}
	}
	got := metricFeed(t, metricRule+`increase(metric("x")) > 1000'}]`, points)
	for second, want := range map[int64]float64{20: 10, 30: 10 + 22, 40: 10 + 22 + 6, 50: 22 + 6 + 3, 60: 6 + 3 + 1, 70: 4} {
		if got[second] != want {
			t.Errorf("after %d s the counters grew by %v in 30 s, expected %v", second, got[second], want)
		}
	}
	sums := metricFeed(t, metricRule+`sum(last(metric("x"))) > 1000'}]`, points)
	for second, want := range map[int64]float64{10: 107, 20: 117, 40: 15, 60: 19, 80: 19} {
		if sums[second] != want {
			t.Errorf("after %d s the sum over the series is %v, expected %v", second, sums[second], want)
		}
	}
}

// An untyped counter of Prometheus comes as a gauge, and a summary has no temporality either.
func TestIncreaseWithoutTemporality(t *testing.T) {
	var gauges, summaries []ingest.Record
	for i, n := range []uint64{100, 110, 130, 5} {
		gauges = append(gauges, point(10*i, "a", ingest.Point{Type: ingest.Gauge, Value: ingest.DoubleValue(float64(n))}))
		summaries = append(summaries, point(10*i, "a", ingest.Point{Type: ingest.Summary, Count: n, Sum: float64(2 * n), HasSum: true}))
	}
	for _, test := range []struct {
		increase string
		points   []ingest.Record
		scale    float64
	}{
		{`metric("x")`, gauges, 1}, {`metric("x").count`, summaries, 1}, {`metric("x").sum`, summaries, 2},
	} {
		got := metricFeed(t, metricRule+"increase("+test.increase+`) > 1000'}]`, test.points)
		for second, want := range map[int64]float64{20: 10, 30: 30, 40: 35} {
			if want *= test.scale; got[second] != want {
				t.Errorf("after %d s increase(%s) is %v, expected %v", second, test.increase, got[second], want)
			}
		}
	}
}

func TestQuantileOfHistograms(t *testing.T) {
	bounds := []float64{0.1, 0.2, 0.4}
	var explicit, exponential []ingest.Record
	for i, n := range []uint64{50, 60, 80} {
		explicit = append(explicit, point(10*i, "a", ingest.Point{Type: ingest.Histogram, Cumulative: true, Bounds: bounds, Buckets: []uint64{1000, n, 0, 0}, Count: 1000 + n}))
		exponential = append(exponential, point(10*i, "a", ingest.Point{Type: ingest.ExponentialHistogram, Cumulative: true, Exponential: &ingest.Exponential{Scale: 0, PositiveOffset: 1, Positive: []uint64{n}}}))
	}
	got := metricFeed(t, metricRule+`p50(metric("x")) > 1000'}]`, explicit)
	if want := 0.15; math.Abs(got[30]-want) > 1e-12 {
		t.Errorf("the median of what a histogram grew by is %v, expected %v", got[30], want)
	}
	got = metricFeed(t, metricRule+`p50(metric("x")) > 1000'}]`, exponential)
	if want := math.Sqrt(8); math.Abs(got[30]-want) > 1e-12 {
		t.Errorf("the median of what an exponential histogram grew by is %v, expected %v", got[30], want)
	}
	got = metricFeed(t, metricRule+`rate(metric("x").count) > 1000'}]`, explicit)
	if want := 1.0; got[30] != want {
		t.Errorf("the histogram's count grew by %v a second, expected %v", got[30], want)
	}
}

func TestRulesThatRecord(t *testing.T) {
	set, problems := rules.Parse("rules.yaml", []byte(`
groups:
  - name: r
    interval: 10s
    lateness: 0s
    rules:
      - {record: cpu, from: metrics, by: [{instance: 'resource["instance"]'}], window: 20s, value: 'max(metric("x"))', labels: {team: shop}}
`))
	if set == nil {
		t.Fatal(problems)
	}
	a, err := NewAccumulator(AccumulatorOptions{Rules: set, Source: Source{Topic: "metrics"}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEvaluator(EvaluatorOptions{Rules: set, Topics: Topics{ingest.Metrics: {"metrics"}}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	for i, x := range []float64{3, 7} {
		p := point(10*i, "a", ingest.Point{Type: ingest.Gauge, Value: ingest.DoubleValue(x)})
		a.Add(&ingest.Batch{Records: []ingest.Record{p}}, ingest.Origin{Topic: "metrics", Offset: int64(i), Timestamp: p.Time})
	}
	a.Idle(start + int64(time.Minute))
	res, err := e.Apply(0, a.Take()[0].Value)
	if err != nil || len(res.Findings) > 0 {
		t.Fatal(err, res.Findings)
	}
	want := map[int64]float64{10: 3, 20: 7, 30: 7}
	if len(res.Recorded) != len(want) {
		t.Errorf("%+v", res.Recorded)
	}
	for _, r := range res.Recorded {
		at := (r.Time - start) / int64(time.Second)
		if r.Name != "cpu" || r.Value != want[at] || r.Labels.String() != `{instance="a", team="shop"}` {
			t.Errorf("after %d s %+v %s, expected %v", at, r, r.Labels, want[at])
		}
	}
}
