//go:build !race

package promequal

import "time"

var (
	bySeries  = []string{"service.name", "host.name"}
	byService = []string{"service.name"}
)

// gaugePairs ask the present value of a gauge, or one number of its window, series by series.
func gaugePairs() []pair {
	last := `last(metric("queue.size"))`
	return []pair{
		{name: "Above", promql: `queue_size > 80`, when: last + ` > 80`, by: bySeries, window: lookback},
		{name: "Below", promql: `queue_size < 12`, when: last + ` < 12`, by: bySeries, window: lookback},
		{name: "AtLeast", promql: `queue_size >= 64`, when: last + ` >= 64`, by: bySeries, window: lookback},
		{name: "AtMost", promql: `queue_size <= 40`, when: last + ` <= 40`, by: bySeries, window: lookback},
		{name: "Equal", promql: `node_ready == 0`, when: `last(metric("node.ready")) == 0`, by: bySeries, window: lookback},
		{name: "Unequal", promql: `node_ready != 1`, when: `last(metric("node.ready")) != 1`, by: bySeries, window: lookback, missing: "resolve"},
		{name: "AboveEveryMinute", promql: `queue_size > 80`, when: last + ` > 80`, by: bySeries, window: lookback, every: time.Minute},
		{name: "Between", promql: `queue_size > 30 and queue_size < 60`, when: last + ` > 30 && ` + last + ` < 60`, by: bySeries, window: lookback},
		{name: "Arithmetic", promql: `(queue_size - 40) * 2 > 50`, when: `(` + last + ` - 40) * 2 > 50`, by: bySeries, window: lookback},
		{name: "Modulo", promql: `temperature % 7 < -3`, when: `last(metric("temperature")) % 7 < -3`, by: bySeries, window: lookback},
		{name: "Negated", promql: `-temperature > 3`, when: `-last(metric("temperature")) > 3`, by: bySeries, window: lookback},
		{name: "Scalar", promql: `90 < queue_size`, when: `90 < ` + last, by: bySeries, window: lookback},
		{name: "TwoMetrics", promql: `queue_size / queue_capacity > 0.8`, when: last + ` / last(metric("queue.capacity")) > 0.8`, by: bySeries, window: lookback},
		{name: "Matcher", promql: `queue_size{host_name=~"cart-.*",service_name!="mail"} > 60`, where: `host.name.matches("^cart-") && service.name != "mail"`, when: last + ` > 60`, by: bySeries, window: lookback},
		{name: "ShortLookback", promql: `last_over_time(queue_size[1m]) > 60`, when: last + ` > 60`, by: bySeries, window: time.Minute},

		{name: "AvgOverTime", promql: `avg_over_time(queue_size[5m]) > 60`, when: `avg(metric("queue.size")) > 60`, by: bySeries, window: 5 * time.Minute},
		{name: "AvgOverTimeBelow", promql: `avg_over_time(queue_size[5m]) < 30`, when: `avg(metric("queue.size")) < 30`, by: bySeries, window: 5 * time.Minute},
		{name: "AvgOverTimeEveryMinute", promql: `avg_over_time(queue_size[3m]) > 60`, when: `avg(metric("queue.size")) > 60`, by: bySeries, window: 3 * time.Minute, every: time.Minute},
		{name: "MinOverTime", promql: `min_over_time(queue_size[4m]) > 30`, when: `min(metric("queue.size")) > 30`, by: bySeries, window: 4 * time.Minute},
		{name: "MaxOverTime", promql: `max_over_time(queue_size[4m]) < 50`, when: `max(metric("queue.size")) < 50`, by: bySeries, window: 4 * time.Minute},
		{name: "SumOverTime", promql: `sum_over_time(queue_size[2m]) > 500`, when: `sum(metric("queue.size")) > 500`, by: bySeries, window: 2 * time.Minute},
		{name: "SumOverTimeBelow", promql: `sum_over_time(queue_size[2m]) < 100`, when: `sum(metric("queue.size")) < 100`, by: bySeries, window: 2 * time.Minute, missing: "resolve"},
		{name: "CountOverTime", promql: `count_over_time(queue_size[5m]) < 15`, where: `metric.name == "queue.size"`, when: `count() < 15`, by: bySeries, window: 5 * time.Minute, missing: "resolve"},
		{name: "StddevOverTime", promql: `stddev_over_time(queue_size[5m]) > 20`, when: `stddev(metric("queue.size")) > 20`, by: bySeries, window: 5 * time.Minute},
		{name: "StddevOverTimeBelow", promql: `stddev_over_time(cpu_load[2m]) < 5`, when: `stddev(metric("cpu.load")) < 5`, by: bySeries, window: 2 * time.Minute},
		{name: "Spread", promql: `max_over_time(queue_size[5m]) - min_over_time(queue_size[5m]) > 50`, when: `max(metric("queue.size")) - min(metric("queue.size")) > 50`, by: bySeries, window: 5 * time.Minute},
		{name: "SpreadEveryMinute", promql: `max_over_time(queue_size[10m]) - min_over_time(queue_size[10m]) < 30`, when: `max(metric("queue.size")) - min(metric("queue.size")) < 30`, by: bySeries, window: 10 * time.Minute, every: time.Minute},
		{name: "MedianOverTime", promql: `quantile_over_time(0.5, mode[5m]) > 800`, when: `p50(metric("mode")) > 800`, by: bySeries, window: 5 * time.Minute},
		{name: "OneTick", promql: `max_over_time(queue_size[15s]) > 80`, when: `max(metric("queue.size")) > 80`, by: bySeries, window: tick},
	}
}
