package pipeline

import (
	"math"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/dashboards/web"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// The chart of a rule that judges how unusual a measure is shows the measure in its own unit, where its findings have the
// distance; that of every finding is the one of its own group; and where memory is short there is none.
func TestIllustratedFindings(t *testing.T) {
	set, problems := rules.Parse("rules.yaml", []byte(`
groups:
  - name: g
    interval: 1s
    rules:
      - alert: Slow
        from: spans
        by: [service.name]
        window: 5s
        when: p95(duration).anomaly() > 4
        labels: {severity: warning}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	l := &loaded{rules: set, shapes: map[string]shape{"Slow": shapeOf(set.Rules[0])}}
	p := &Pipeline{charts: web.NewCharts(web.ChartsOptions{Resolution: time.Second})}
	at := time.Unix(1_800_000_000, 0)
	for i := range 30 {
		for s, service := range []string{"cart", "pay"} {
			p.observe(l, []detect.Measure{{
				Rule: "Slow", Labels: label.New("service_name", service), Time: at.Add(time.Duration(i) * time.Second).UnixNano(),
				Value: float64(i), Threshold: 4, Subject: float64(s) + 0.5, Limit: 2, Expected: 1, Lower: 0.25, Upper: 1.75,
			}})
		}
	}
	f := func(state finding.State, service string) *finding.Finding {
		value, threshold := 29.0, 4.0
		f := &finding.Finding{Rule: "Slow", State: state, WindowEnd: at.Add(29 * time.Second), Value: &value, Threshold: &threshold,
			Labels: label.New("alertname", "Slow", "service_name", service, "severity", "warning")}
		p.illustrate(l, f)
		return f
	}
	c := f(finding.Firing, "pay").Chart
	if c == nil || c.Unit != "s" || !c.Above || len(c.Values) != 30 || *c.Values[29] != 1.5 || *c.Thresholds[29] != 2 || *c.Lower[29] != 0.25 || *c.Upper[0] != 1.75 {
		t.Fatalf("the chart is %+v, expected 1.5 s of 2 s within 0.25 s to 1.75 s", c)
	}
	if c := f(finding.Resolved, "cart").Chart; c == nil || *c.Values[29] != 0.5 {
		t.Errorf("the chart of another group is %+v", c)
	}
	for name, f := range map[string]*finding.Finding{
		"a pending alert": f(finding.Pending, "pay"), "a group that is not held": f(finding.Firing, "mail"),
	} {
		if f.Chart != nil {
			t.Errorf("%s has a chart", name)
		}
	}
	p.thrift.uncharted.Store(true)
	p.charts.Clear()
	p.observe(l, []detect.Measure{{Rule: "Slow", Labels: label.New("service_name", "pay"), Time: at.UnixNano(), Expected: math.NaN()}})
	if f(finding.Firing, "pay").Chart != nil {
		t.Error("there is a chart though memory is short")
	}
	p.thrift.uncharted.Store(false)
	if f(finding.Firing, "pay").Chart != nil {
		t.Error("there is a chart of nothing")
	}
}
