package pipeline_test

import (
	"math"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

const chartRules = `
groups:
  - name: shop
    interval: 1s
    window: 3s
    lateness: 1s
    rules:
      - {alert: Orders, from: events, topic: PREFIX-orders, by: [service.name], when: count() >= 30, labels: {severity: warning}}
`

// A finding that people are told of carries how its measure went, up to the very step that it is about.
func TestFindingsCarryTheirChart(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		r := newRig(t, cluster, reloadConfig, chartRules)
		r.start(everything)
		r.follow()
		beat := 0
		r.every(200*time.Millisecond, func() {
			if beat++; beat > 40 && beat < 55 { // for three seconds, after eight that are calm
				r.send("-orders", "pay", 0, 0, 0, 0, 0, 0)
				return
			}
			r.send("-orders", "pay", 0)
		})
		r.within(40*time.Second, "Orders fires and ends", func() bool {
			return len(r.all("Orders")) >= 2 && r.all("Orders")[1] == "resolved"
		})
		r.mu.Lock()
		defer r.mu.Unlock()
		told := 0
		for _, f := range r.found {
			if f.Rule != "Orders" || f.State == finding.Pending {
				continue
			}
			told++
			c := f.Chart
			if c == nil || f.Value == nil {
				t.Fatalf("the %s finding, settled: %t, of value %v has the chart %v", f.State, f.Settled, f.Value, c)
			}
			n := len(c.Values)
			end := c.Start.Add(time.Duration(float64(n-1) * c.Step * float64(time.Second)))
			if !end.Equal(f.WindowEnd) || c.Values[n-1] == nil || math.Abs(*c.Values[n-1]-*f.Value) > 1e-9 {
				t.Errorf("the %s finding, settled: %t, says %v at %s, and its chart of %d points ends at %s", f.State, f.Settled, *f.Value, f.WindowEnd, n, end)
			}
			if !c.Above || c.Step != 1 || len(c.Thresholds) != n || *c.Thresholds[n-1] != 30 || c.Lower != nil {
				t.Errorf("the chart is %+v, expected the rule's threshold, once a second", c)
			}
			if first := c.Values[0]; first == nil || *first >= 30 {
				t.Errorf("the chart begins with %v, expected the time before it fired", first)
			}
		}
		if told < 2 {
			t.Errorf("%d findings", told)
		}
	})
}
