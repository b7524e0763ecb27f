//go:build !race

package promequal

import "time"

// histogramPairs ask quantiles and means of what histograms grew by. For native ones Prometheus has no anchored range: one
// that begins a scrape earlier has the same first and last sample, as long as no scrape is missing, and extrapolation makes
// all buckets of a series larger alike, which a quantile and a mean do not see. The limits are no
// numbers that the interpolation gives exactly: there the last bit would decide.
func histogramPairs() []pair {
	quantile := func(q, by, of string) string {
		return `histogram_quantile(` + q + `, sum by (` + by + `, le) (increase(http_duration_bucket` + of + ` anchored)))`
	}
	of := func(suffix string) string {
		return `sum by (service_name) (increase(http_duration_` + suffix + `[5m] anchored))`
	}
	sum, count := `increase(metric("http.duration").sum)`, `increase(metric("http.duration").count)`
	return []pair{
		{name: "P99", promql: quantile(`0.99`, `service_name`, `[5m]`) + ` > 2.03`, when: `p99(metric("http.duration")) > 2.03`, by: byService, window: 5 * time.Minute},
		{name: "P50", promql: quantile(`0.5`, `service_name`, `[5m]`) + ` > 0.31`, when: `p50(metric("http.duration")) > 0.31`, by: byService, window: 5 * time.Minute},
		{name: "P50Below", promql: quantile(`0.5`, `service_name`, `[5m]`) + ` < 0.21`, when: `p50(metric("http.duration")) < 0.21`, by: byService, window: 5 * time.Minute},
		{name: "P90OfSeries", promql: quantile(`0.9`, `service_name, host_name`, `[2m]`) + ` > 0.71`, when: `p90(metric("http.duration")) > 0.71`, by: bySeries, window: 2 * time.Minute},
		{name: "P95EveryMinute", promql: quantile(`0.95`, `service_name`, `[3m]`) + ` > 1.03`, when: `p95(metric("http.duration")) > 1.03`, by: byService, window: 3 * time.Minute, every: time.Minute},
		{name: "Quartile", promql: quantile(`0.25`, `service_name`, `[10m]`) + ` > 0.157`, when: `quantile(metric("http.duration"), 0.25) > 0.157`, by: byService, window: 10 * time.Minute},
		{name: "P90WithTraffic", promql: quantile(`0.9`, `service_name`, `[5m]`) + ` > 0.71 and ` + of(`count`) + ` >= 150`, when: count + ` >= 150 && p90(metric("http.duration")) > 0.71`, by: byService, window: 5 * time.Minute},
		{name: "P90AboveItsHalfHour", promql: quantile(`0.9`, `service_name`, `[5m]`) + ` > 1.5 * ` + quantile(`0.9`, `service_name`, `[30m]`), when: `p90(metric("http.duration")) > 1.5 * p90(metric("http.duration")).over("30m")`, by: byService, window: 5 * time.Minute},
		{name: "Mean", promql: of(`sum`) + ` / ` + of(`count`) + ` > 0.61`, when: sum + ` / ` + count + ` > 0.61`, by: byService, window: 5 * time.Minute},
		{name: "HistogramCount", promql: `rate(http_duration_count[5m] anchored) > 0.41`, when: `rate(metric("http.duration").count) > 0.41`, by: bySeries, window: 5 * time.Minute},
		{name: "NativeQuantile", promql: `histogram_quantile(0.937, increase(rpc_duration[5m15s])) > 1.03`, when: `quantile(metric("rpc.duration"), 0.937) > 1.03`, by: bySeries, window: 5 * time.Minute},
		{name: "NativeQuantileOfSeries", promql: `histogram_quantile(0.487, increase(rpc_duration[2m15s])) > 0.53`, when: `quantile(metric("rpc.duration"), 0.487) > 0.53`, by: bySeries, window: 2 * time.Minute},
		{name: "NativeMean", promql: `histogram_avg(increase(rpc_duration[5m15s])) > 1.47`, when: `increase(metric("rpc.duration").sum) / increase(metric("rpc.duration").count) > 1.47`, by: bySeries, window: 5 * time.Minute},
	}
}
