//go:build !race

package promequal

import "time"

// aggregatePairs summarise the series of a service, or all.
func aggregatePairs() []pair {
	last := `last(metric("queue.size"))`
	return []pair{
		{name: "Sum", promql: `sum by (service_name) (queue_size) > 150`, when: `sum(` + last + `) > 150`, by: byService, window: lookback},
		{name: "SumBelow", promql: `sum by (service_name) (queue_size) < 50`, when: `sum(` + last + `) < 50`, by: byService, window: lookback, missing: "resolve"},
		{name: "SumOfAll", promql: `sum(queue_size) > 330`, when: `sum(` + last + `) > 330`, window: lookback},
		{name: "SumEveryMinute", promql: `sum by (service_name) (queue_size) > 150`, when: `sum(` + last + `) > 150`, by: byService, window: lookback, every: time.Minute},
		{name: "Avg", promql: `avg by (service_name) (queue_size) > 65`, when: `avg(` + last + `) > 65`, by: byService, window: lookback},
		{name: "Min", promql: `min by (service_name) (queue_size) > 30`, when: `min(` + last + `) > 30`, by: byService, window: lookback},
		{name: "Max", promql: `max by (service_name) (queue_size) < 50`, when: `max(` + last + `) < 50`, by: byService, window: lookback},
		{name: "Stddev", promql: `stddev by (service_name) (queue_size) > 25`, when: `stddev(` + last + `) > 25`, by: byService, window: lookback},
		{name: "Count", promql: `count by (service_name) (queue_size) < 2`, when: `count(` + last + `) < 2`, by: byService, window: lookback, missing: "resolve"},
		{name: "SumShortLookback", promql: `sum by (service_name) (last_over_time(queue_size[45s])) > 150`, when: `sum(` + last + `) > 150`, by: byService, window: 45 * time.Second},
		{name: "SumOfAvg", promql: `sum by (service_name) (avg_over_time(queue_size[3m])) > 140`, when: `sum(avg(metric("queue.size"))) > 140`, by: byService, window: 3 * time.Minute},
		{name: "MaxOfAvg", promql: `max by (service_name) (avg_over_time(queue_size[3m])) > 80`, when: `max(avg(metric("queue.size"))) > 80`, by: byService, window: 3 * time.Minute},
		{name: "MinOfMax", promql: `min by (service_name) (max_over_time(queue_size[3m])) > 60`, when: `min(max(metric("queue.size"))) > 60`, by: byService, window: 3 * time.Minute},
		{name: "AvgOfMin", promql: `avg by (service_name) (min_over_time(queue_size[3m])) > 45`, when: `avg(min(metric("queue.size"))) > 45`, by: byService, window: 3 * time.Minute},
		{name: "StddevOfAvg", promql: `stddev by (service_name) (avg_over_time(queue_size[3m])) > 20`, when: `stddev(avg(metric("queue.size"))) > 20`, by: byService, window: 3 * time.Minute},
		{name: "MaxOfService", promql: `max by (service_name) (max_over_time(queue_size[2m])) > 90`, when: `max(metric("queue.size")) > 90`, by: byService, window: 2 * time.Minute},
		{name: "AvgOfPoints", promql: `sum by (service_name) (sum_over_time(queue_size[5m])) / sum by (service_name) (count_over_time(queue_size[5m])) > 60`, when: `avg(metric("queue.size")) > 60`, by: byService, window: 5 * time.Minute},
		{name: "Points", promql: `sum by (service_name) (count_over_time(queue_size[5m])) < 30`, where: `metric.name == "queue.size"`, when: `count() < 30`, by: byService, window: 5 * time.Minute, missing: "resolve"},
		{name: "SumRatio", promql: `sum by (service_name) (queue_size) / sum by (service_name) (queue_capacity) > 0.7`, when: `sum(` + last + `) / sum(last(metric("queue.capacity"))) > 0.7`, by: byService, window: lookback},
		{name: "Versions", promql: `count by (service_name) (count by (service_name, service_version) (last_over_time(app_info[5m]))) > 1`, when: `distinct(service.version, metric.name == "app.info") > 1`, by: byService, window: 5 * time.Minute},
	}
}

// comparedPairs compare with another window, or several conditions.
func comparedPairs() []pair {
	avg := `avg(metric("queue.size"))`
	last, load := `last(metric("queue.size"))`, `last(metric("cpu.load"))`
	return []pair{
		{name: "Offset", promql: `queue_size - queue_size offset 10m > 40`, when: last + ` - ` + last + `.offset("10m") > 40`, by: bySeries, window: lookback},
		{name: "OffsetOfAvg", promql: `avg_over_time(queue_size[5m]) > 1.5 * avg_over_time(queue_size[5m] offset 15m)`, when: avg + ` > 1.5 * ` + avg + `.offset("15m")`, by: bySeries, window: 5 * time.Minute},
		{name: "OffsetAlone", promql: `max_over_time(queue_size[2m] offset 3m) > 80 and on (service_name, host_name) count_over_time(queue_size[2m])`, when: `count(metric("queue.size") > -1) > 0 && max(metric("queue.size")).offset("3m") > 80`, by: bySeries, window: 2 * time.Minute},
		{name: "Previous", promql: `avg_over_time(queue_size[4m]) > 1.3 * avg_over_time(queue_size[4m] offset 4m)`, when: avg + ` > 1.3 * ` + avg + `.previous()`, by: bySeries, window: 4 * time.Minute},
		{name: "Over", promql: `avg_over_time(queue_size[5m]) > 1.2 * avg_over_time(queue_size[30m])`, when: avg + ` > 1.2 * ` + avg + `.over("30m")`, by: bySeries, window: 5 * time.Minute},
		{name: "OverMin", promql: `queue_size > 2 * min_over_time(queue_size[20m])`, when: last + ` > 2 * min(metric("queue.size")).over("20m")`, by: bySeries, window: lookback},
		{name: "Changed", promql: `node_ready != node_ready offset 15s`, when: `changed(last(metric("node.ready")))`, by: bySeries, window: lookback},
		{name: "And", promql: `queue_size > 60 and cpu_load > 60`, when: last + ` > 60 && ` + load + ` > 60`, by: bySeries, window: lookback},
		{name: "Or", promql: `max by (service_name, host_name) (queue_size) > 90 or max by (service_name, host_name) (cpu_load) > 90`, when: last + ` > 90 || ` + load + ` > 90`, by: bySeries, window: lookback},
		{name: "Unless", promql: `cpu_load > 60 unless queue_size < 60`, when: load + ` > 60 && !(` + last + ` < 60)`, by: bySeries, window: lookback},
		{name: "AndOrUnless", promql: `(max by (service_name) (cpu_load) > 60 and avg by (service_name) (queue_size) > 40 or min by (service_name) (cpu_load) > 80) unless sum by (service_name) (queue_capacity) < 150`,
			when: `(max(` + load + `) > 60 && avg(` + last + `) > 40 || min(` + load + `) > 80) && !(count(last(metric("queue.capacity"))) > 0 && sum(last(metric("queue.capacity"))) < 150)`, by: byService, window: lookback},
		{name: "Forecast", promql: `predict_linear(cpu_load[30m:1m], 1800) > 120 and count_over_time(cpu_load[4h:1m]) > 15`, when: load + `.forecast("30m", "30m") > 120`, by: bySeries, window: lookback, every: time.Minute},
	}
}
