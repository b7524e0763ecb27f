//go:build !race

package promequal

import "time"

// absencePairs ask what is not there.
func absencePairs() []pair {
	return []pair{
		{name: "AbsentOverTime", promql: `absent_over_time(queue_size{service_name="pay",host_name="pay-0"}[2m])`, where: `metric.name == "queue.size" && host.name == "pay-0"`, when: `absent()`, by: bySeries, window: 2 * time.Minute},
		{name: "Absent", promql: `absent(queue_size{service_name="cart",host_name="cart-2"})`, where: `metric.name == "queue.size" && host.name == "cart-2"`, when: `absent()`, by: bySeries, window: lookback},
		{name: "AbsentService", promql: `absent_over_time(queue_size{service_name="mail"}[1m])`, where: `metric.name == "queue.size"  && service.name == "mail"`, when: `absent()`, by: byService, window: time.Minute},
		{name: "AbsentAfterOneScrape", promql: `absent_over_time(temperature{service_name="mail",host_name="mail-0"}[15s])`, where: `metric.name == "temperature" && service.name == "mail"`, when: `absent()`, by: bySeries, window: tick},
		{name: "AbsentFor", promql: `absent_over_time(http_requests_total{service_name="mail",http_response_status_code="500"}[1m])`, where: `metric.name == "http.requests" && http.response.status_code == 500 && service.name == "mail"`, when: `absent()`, by: []string{"service.name", "http.response.status_code"}, window: time.Minute, hold: 30 * time.Second},
		{name: "AnyHostAbsent", promql: `count_over_time(queue_size[2h]) unless count_over_time(queue_size[2m])`, where: `metric.name == "queue.size"`, when: `absent()`, by: bySeries, window: 2 * time.Minute},
		{name: "AnyHostAbsentEveryMinute", promql: `count_over_time(queue_size[2h]) unless count_over_time(queue_size[3m])`, where: `metric.name == "queue.size"`, when: `absent()`, by: bySeries, window: 3 * time.Minute, every: time.Minute},
		{name: "FewSeries", promql: `count by (service_name) (last_over_time(queue_size[30s])) < 3`, when: `count(last(metric("queue.size"))) < 3`, by: byService, window: 30 * time.Second, missing: "resolve"},
	}
}
