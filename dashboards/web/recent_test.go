package web

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

var missing = math.NaN()

// numberOf returns a point of a chart as a number.
func numberOf(points []*float64, i int) float64 {
	if points == nil || points[i] == nil {
		return missing
	}
	return *points[i]
}

func alike(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// A chart that needs no thinning out is the measures up to the finding, each in its place, whatever the rule's interval and
// however many came after.
func TestRecentIsWhatWasObserved(t *testing.T) {
	for _, interval := range []time.Duration{5 * time.Second, 7 * time.Second, time.Minute, time.Hour} {
		charts := NewCharts(ChartsOptions{})
		begin := time.Unix(0, (start.UnixNano()/int64(interval)+1)*int64(interval)) // as steps of event time are
		const n = 40
		value := func(i int) float64 {
			if i%9 == 4 {
				return missing
			}
			return float64(i*i%31) - 7
		}
		for i := range n {
			charts.Observe(Measure{Rule: "r", Group: "g", Unit: "s", Interval: interval, Point: Point{
				Time: begin.Add(time.Duration(i) * interval), Value: value(i), Threshold: -3, Band: &Band{value(i) - 1, missing},
			}})
		}
		const last = 29
		c := charts.Recent("r", "g", Point{Time: begin.Add(last * interval), Value: missing, Threshold: missing})
		if c == nil || len(c.Values) != last+1 || c.Step != interval.Seconds() || !c.Start.Equal(begin) || c.Above || c.Unit != "s" || c.Upper != nil {
			t.Fatalf("every %s: the chart is %+v, expected %d points from %s on", interval, c, last+1, begin)
		}
		for i := range last + 1 {
			if got := numberOf(c.Values, i); !alike(got, value(i)) || numberOf(c.Thresholds, i) != -3 || !alike(numberOf(c.Lower, i), value(i)-1) {
				t.Errorf("every %s: point %d is %v of %v, lower %v, expected %v", interval, i, got, numberOf(c.Thresholds, i), numberOf(c.Lower, i), value(i))
			}
		}
	}
}

// An early finding is ahead of what was observed, and its value is the last point all the same.
func TestRecentEndsWithTheFinding(t *testing.T) {
	charts := NewCharts(ChartsOptions{})
	for i := range 10 {
		observe(charts, "r", "g", start.Add(time.Duration(i)*5*time.Second), float64(i))
	}
	c := charts.Recent("r", "g", Point{Time: start.Add(60 * time.Second), Value: 140, Threshold: 100})
	if c == nil || len(c.Values) != 13 || numberOf(c.Values, 12) != 140 || numberOf(c.Thresholds, 12) != 100 || c.Values[11] != nil || !c.Above {
		t.Fatalf("the chart is %+v, expected 10 points, two missing ones and 140", c)
	}
	if c := charts.Recent("r", "g", Point{Time: start.Add(45 * time.Second), Value: 140}); numberOf(c.Values, 9) != 9 {
		t.Errorf("the last point is %v, expected what was observed", numberOf(c.Values, 9))
	}
	for name, c := range map[string]*finding.Chart{
		"another group": charts.Recent("r", "h", Point{Time: start}), "another rule": charts.Recent("s", "g", Point{Time: start}),
		"one point": charts.Recent("r", "g", Point{Time: start, Value: 3}), "long before": charts.Recent("r", "g", Point{Time: start.Add(-time.Hour), Value: 3}),
		"a clock ahead": charts.Recent("r", "g", Point{Time: start.Add(1e6 * time.Hour), Value: 3}),
	} {
		if c != nil {
			t.Errorf("%s has the chart %+v, expected none", name, c)
		}
	}
	charts.Clear()
	if charts.Recent("r", "g", Point{Time: start}) != nil {
		t.Error("there is a chart after all was forgotten")
	}
}

// A long chart has at most 120 points, the greatest and the least value among them and the newest at its end, and a bounded
// size.
func TestLongChartsKeepTheirExtremes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		charts := NewCharts(ChartsOptions{Resolution: time.Second})
		n := 2 + random.IntN(1800)
		low, high := math.Inf(1), math.Inf(-1)
		end := start.Add(time.Duration(n-1) * time.Second)
		value := missing
		for i := range n {
			if value = random.NormFloat64() * 1e-3; random.IntN(7) == 0 && i < n-1 {
				value = missing
			}
			if !math.IsNaN(value) {
				low, high = min(low, value), max(high, value)
			}
			charts.Observe(Measure{Rule: "r", Group: "g", Interval: time.Second, Point: Point{
				Time: start.Add(time.Duration(i) * time.Second), Value: value, Threshold: random.Float64(), Band: &Band{value - random.Float64(), value + random.Float64()},
			}})
		}
		c := charts.Recent("r", "g", Point{Time: end})
		if c == nil {
			continue
		}
		if len(c.Values) > mostRecent || n > mostRecent && len(c.Values) < mostRecent/2 {
			t.Fatalf("%d points of %d", len(c.Values), n)
		}
		if got := c.Start.Add(time.Duration(float64(len(c.Values)-1) * c.Step * float64(time.Second))); got.Sub(end).Abs() > time.Millisecond {
			t.Errorf("the chart of %d points ends at %s, expected %s", n, got, end)
		}
		gotLow, gotHigh := math.Inf(1), math.Inf(-1)
		for i := range c.Values {
			if x := numberOf(c.Values, i); !math.IsNaN(x) {
				gotLow, gotHigh = min(gotLow, x), max(gotHigh, x)
			}
		}
		near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(b) }
		if newest := numberOf(c.Values, len(c.Values)-1); !near(gotLow, low) || !near(gotHigh, high) || !near(newest, value) {
			t.Errorf("of %d points from %v to %v, the last %v, there are left %v to %v, %v", n, low, high, value, gotLow, gotHigh, newest)
		}
		b, err := json.Marshal(c)
		if err != nil || len(b) > 8_000 {
			t.Errorf("the chart has %d bytes (%v), expected at most 8,000", len(b), err)
		}
	}
}

// Of a rule that is judged once an hour the last measures are held, though they are older than what the page shows.
func TestSlowRulesHavePointsToo(t *testing.T) {
	charts := NewCharts(ChartsOptions{})
	for i := range 300 {
		charts.Observe(Measure{Rule: "slow", Group: "g", Above: true, Interval: time.Hour, Point: Point{
			Time: start.Add(time.Duration(i) * time.Hour), Value: float64(i), Threshold: 1000,
		}})
		observe(charts, "quick", "g", start.Add(time.Duration(i)*time.Hour), 1)
	}
	c := charts.Recent("slow", "g", Point{Time: start.Add(299 * time.Hour)})
	if c == nil || len(c.Values) != leastPoints || numberOf(c.Values, 0) != 180 || c.Step != 3600 {
		t.Fatalf("the chart is %+v, expected the last %d hours", c, leastPoints)
	}
	for _, s := range charts.Series(time.Time{}) {
		if len(s.Points) != 1 {
			t.Errorf("the page is given %d points of %s, expected that of the last half hour", len(s.Points), s.Rule)
		}
	}
	charts.Observe(Measure{Rule: "quick", Group: "g", Point: Point{Time: start.Add(299*time.Hour + 31*time.Minute)}})
	for _, s := range charts.Series(time.Time{}) {
		if s.Rule == "slow" {
			t.Errorf("the page is given %+v, which has no point within the last half hour", s)
		}
	}
	if l := charts.rules["quick"].lines["g"]; len(l.points) > 360 {
		t.Errorf("%d points of a quick rule are held, expected half an hour", len(l.points))
	}
}

// A band is held where something is expected, and costs nothing where not.
func TestChartsHoldBands(t *testing.T) {
	charts := NewCharts(ChartsOptions{})
	for i := range 400 {
		m := Measure{Rule: "r", Group: "g", Above: true, Point: Point{Time: start.Add(time.Duration(i) * 5 * time.Second), Value: float64(i), Threshold: 9}}
		if i >= 380 {
			m.Band = &Band{float64(i - 1), float64(i + 1)}
		}
		charts.Observe(m)
		if charts.rules["r"].lines["g"].bands != nil && i < 380 {
			t.Fatal("bands are held of a rule that expects nothing")
		}
	}
	points := charts.Series(time.Time{})[0].Points
	for _, p := range points {
		switch known := p.Value >= 380; {
		case known != (p.Band != nil):
			t.Errorf("point %v has the band %v", p.Value, p.Band)
		case known && (p.Band.Lower != p.Value-1 || p.Band.Upper != p.Value+1):
			t.Errorf("point %v has the band of another: %v", p.Value, *p.Band)
		}
	}
	if len(points) != 360 {
		t.Errorf("%d points, expected 360", len(points))
	}
}
