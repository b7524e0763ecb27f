package web

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/rules/label"
)

var start = time.Unix(1_800_000_000, 0)

// observe adds a measure that fires above 100.
func observe(c *Charts, rule, group string, t time.Time, value float64) {
	c.Observe(Measure{Rule: rule, Group: group, Labels: label.New("group", group), Above: true,
		Point: Point{Time: t, Value: value, Threshold: 100, Firing: value > 100}})
}

func groups(series []Series) []string {
	var out []string
	for _, s := range series {
		out = append(out, s.Group)
	}
	return out
}

// The points are those of a plain table: for each five seconds the highest value, firing if any was.
func TestChartsAgreeWithATable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		charts := NewCharts(ChartsOptions{Retention: 2 * time.Minute, Resolution: 5 * time.Second})
		type cell struct {
			value  float64
			firing bool
		}
		table := make(map[int64]cell)
		var newest int64
		for range 400 {
			at := start.Add(time.Duration(random.IntN(300)) * time.Second)
			value := float64(random.IntN(150))
			bucket := at.Unix() / 5
			if newest = max(newest, bucket); bucket > newest-24 {
				before, known := table[bucket]
				c := cell{value, before.firing || value > 100}
				if known {
					c.value = max(value, before.value)
				}
				table[bucket] = c
			}
			observe(charts, "r", "g", at, value)
		}
		var want []Point
		for bucket := newest - 23; bucket <= newest; bucket++ {
			if c, known := table[bucket]; known {
				want = append(want, Point{Time: time.Unix(bucket*5, 0), Value: c.value, Threshold: 100, Firing: c.firing})
			}
		}
		got := charts.Series(time.Time{})
		if len(got) != 1 {
			t.Fatalf("%d series, expected 1", len(got))
		}
		if diff := cmp.Diff(want, got[0].Points); diff != "" {
			t.Fatalf("points differ (-table +charts):\n%s", diff)
		}
		peak := math.Inf(-1)
		for _, p := range want {
			peak = max(peak, nearness(bucket{0, p.Value, p.Threshold, p.Firing}, true))
		}
		if l := charts.rules["r"].lines["g"]; l.peak != peak {
			t.Fatalf("peak is %v, expected %v", l.peak, peak)
		}
	}
}

func TestChartsGivePointsSince(t *testing.T) {
	charts := NewCharts(ChartsOptions{})
	for i := range 10 {
		observe(charts, "r", "g", start.Add(time.Duration(i)*5*time.Second), float64(i))
	}
	points := charts.Series(start.Add(40 * time.Second))[0].Points
	if len(points) != 2 || points[0].Value != 8 {
		t.Errorf("points since the ninth are %v, expected the values 8 and 9", points)
	}
}

// A rule that fires below its threshold keeps the lowest of a bucket, and missing measures give way to known ones.
func TestChartsKeepTheValueNearestToFiring(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		above  bool
		values []float64
		want   float64
	}{
		{true, []float64{3, 9, 5}, 9},
		{false, []float64{3, 9, 5}, 3},
		{true, []float64{nan, 4}, 4},
		{false, []float64{4, nan}, 4},
	} {
		charts := NewCharts(ChartsOptions{})
		for _, v := range test.values {
			charts.Observe(Measure{Rule: "r", Group: "g", Above: test.above, Point: Point{Time: start, Value: v, Threshold: 7}})
		}
		points := charts.Series(time.Time{})[0].Points
		if len(points) != 1 || points[0].Value != test.want {
			t.Errorf("of %v, above=%v: %v, expected %v", test.values, test.above, points, test.want)
		}
	}
}

func TestChartsHoldTheGroupsNearestToFiring(t *testing.T) {
	charts := NewCharts(ChartsOptions{Groups: 5, Shown: 3})
	for step := range 20 {
		for g := range 40 {
			value := float64(g)
			if g == 7 && step == 12 {
				value = 400 // a group among the calm ones fires once
			}
			observe(charts, "r", fmt.Sprintf("g%02d", g), start.Add(time.Duration(step)*5*time.Second), value)
		}
	}
	series := charts.Series(time.Time{})
	if want := []string{"g07", "g38", "g39"}; !slices.Equal(groups(series), want) {
		t.Errorf("groups shown are %v, expected %v", groups(series), want)
	}
	if s := series[2]; s.Groups != 5 || !s.More || len(s.Points) != 20 {
		t.Errorf("the highest group has %d points, %d groups held, more=%v; expected 20, 5, true", len(s.Points), s.Groups, s.More)
	}
}

func TestChartsAreBounded(t *testing.T) {
	charts := NewCharts(ChartsOptions{Rules: 4, Groups: 10, Total: 25})
	for step := range 600 {
		for rule := range 8 {
			for group := range 12 {
				observe(charts, fmt.Sprint(rule), fmt.Sprint(group), start.Add(time.Duration(step)*5*time.Second), float64(group))
			}
		}
	}
	lines, points := 0, 0
	for name, r := range charts.rules {
		if len(r.lines) > 10 || len(r.lines) < 5 {
			t.Errorf("rule %s holds %d groups, expected a fair share of 25 over 4 rules, at most 10", name, len(r.lines))
		}
		lines += len(r.lines)
		for _, l := range r.lines {
			points = max(points, len(l.points))
		}
	}
	if len(charts.rules) != 4 || lines != 25 || charts.total != lines {
		t.Errorf("%d rules, %d groups, counted %d; expected 4, 25, 25", len(charts.rules), lines, charts.total)
	}
	if points != 360 {
		t.Errorf("%d points of a group, expected half an hour of 5 seconds: 360", points)
	}
}

func TestChartsForgetWhatIsSilent(t *testing.T) {
	charts := NewCharts(ChartsOptions{Retention: time.Minute, Rules: 1})
	observe(charts, "old", "g", start, 1)
	observe(charts, "new", "g", start, 1)
	if got := charts.Series(time.Time{}); len(got) != 1 || got[0].Rule != "old" {
		t.Errorf("series are %v, expected the rule that was there first", got)
	}
	observe(charts, "new", "g", start.Add(2*time.Minute), 1)
	observe(charts, "new", "g", start.Add(2*time.Minute+time.Second), 1)
	if got := charts.Series(time.Time{}); len(got) != 1 || got[0].Rule != "new" {
		t.Errorf("series are %v, expected that the silent rule made place", got)
	}
}

func TestChartsAreSafeForConcurrentUse(t *testing.T) {
	charts := NewCharts(ChartsOptions{Groups: 5, Total: 12})
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range 2000 {
				observe(charts, fmt.Sprint(i%4), fmt.Sprint(i%9), start.Add(time.Duration(i+worker)*time.Second), float64(i%200))
				if i%50 == 0 {
					charts.Series(start)
				}
			}
		})
	}
	wait.Wait()
	if n := len(charts.Series(time.Time{})); n == 0 || n > 12 {
		t.Errorf("%d series, expected 1 to 12", n)
	}
}

func TestChartsClear(t *testing.T) {
	charts := NewCharts(ChartsOptions{Total: 2})
	now := time.Unix(1_800_000_000, 0)
	observe(charts, "R", "a", now, 1)
	observe(charts, "R", "b", now, 2)
	charts.Clear()
	if got := charts.Series(time.Time{}); len(got) != 0 {
		t.Errorf("%d charts are left", len(got))
	}
	observe(charts, "R", "c", now, 1)
	observe(charts, "S", "d", now, 1)
	if got := charts.Series(time.Time{}); len(got) != 2 {
		t.Errorf("%d charts after it, want 2: there is room for two groups", len(got))
	}
}

func TestChartsOfRulesThatAreGone(t *testing.T) {
	charts := NewCharts(ChartsOptions{Total: 3})
	now := time.Unix(1_800_000_000, 0)
	observe(charts, "R", "a", now, 1)
	observe(charts, "R", "b", now, 2)
	observe(charts, "S", "c", now, 3)
	charts.Retain(map[string]bool{"S": true, "T": true})
	if got := charts.Series(time.Time{}); len(got) != 1 || got[0].Rule != "S" {
		t.Errorf("left are %v, expected the one of S", got)
	}
	observe(charts, "T", "d", now, 1)
	observe(charts, "T", "e", now, 1)
	if got := charts.Series(time.Time{}); len(got) != 3 {
		t.Errorf("%d charts after it, want 3: there is room again", len(got))
	}
}
