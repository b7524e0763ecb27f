//go:build !race

package promequal

import "time"

// timingPairs wait before they fire, and before they are over.
func timingPairs() []pair {
	queue, load := `last(metric("queue.size")) > 60`, `last(metric("cpu.load")) > 60`
	return []pair{
		{name: "For", promql: `queue_size > 60`, when: queue, by: bySeries, window: lookback, hold: time.Minute},
		{name: "ForEveryMinute", promql: `queue_size > 60`, when: queue, by: bySeries, window: lookback, hold: 3 * time.Minute, every: time.Minute},
		{name: "ForBetweenSteps", promql: `queue_size > 60`, when: queue, by: bySeries, window: lookback, hold: 50 * time.Second},
		{name: "ForLessThanAStep", promql: `cpu_load > 60`, when: load, by: bySeries, window: lookback, hold: time.Second},
		{name: "Keep", promql: `queue_size > 60`, when: queue, by: bySeries, window: lookback, keep: 2 * time.Minute},
		{name: "KeepBetweenSteps", promql: `queue_size > 60`, when: queue, by: bySeries, window: lookback, keep: 100 * time.Second},
		{name: "KeepEveryMinute", promql: `queue_size > 60`, when: queue, by: bySeries, window: lookback, keep: 5 * time.Minute, every: time.Minute},
		{name: "ForAndKeep", promql: `cpu_load > 60`, when: load, by: bySeries, window: lookback, hold: 45 * time.Second, keep: time.Minute},
		{name: "KeepOverAGap", promql: `last_over_time(queue_size[30s]) > 60`, when: queue, by: bySeries, window: 30 * time.Second, keep: 3 * time.Minute},
		{name: "ForOfIncrease", promql: `sum by (service_name) (increase(http_requests_total[2m] anchored)) > 300`, when: `increase(metric("http.requests")) > 300`, by: byService, window: 2 * time.Minute, hold: time.Minute, keep: time.Minute},
		{name: "ForOfRatio", promql: `sum by (service_name) (increase(http_requests_total{http_response_status_code="500"}[2m] anchored)) / sum by (service_name) (increase(http_requests_total[2m] anchored)) > 0.1`, when: `increase(metric("http.requests"), http.response.status_code == 500) / increase(metric("http.requests")) > 0.1`, by: byService, window: 2 * time.Minute, hold: time.Minute},
	}
}
