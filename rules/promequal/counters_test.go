package promequal

import "time"

// counterPairs ask what counters grew by. The range is anchored, as Prometheus calls it: from the last sample before it to
// the last one in it, without extrapolation.
func counterPairs() []pair {
	all := `increase(metric("http.requests"))`
	failed := `increase(metric("http.requests"), http.response.status_code >= 500)`
	by := func(f, of string) string {
		return `sum by (service_name) (` + f + `(http_requests_total` + of + ` anchored))`
	}
	rate := func(of string) string { return by(`rate`, of) }
	// Sums of whole numbers are exact, so that ratios of them are the same to the last bit; sums of rates are not.
	grown := func(of string) string { return by(`increase`, of) }
	return []pair{
		{name: "Increase", promql: `increase(http_requests_total[5m] anchored) > 400`, when: all + ` > 400`, by: []string{"service.name", "host.name", "http.response.status_code"}, window: 5 * time.Minute},
		{name: "IncreaseBelow", promql: `increase(http_requests_total{http_response_status_code="200"}[5m] anchored) < 40`, where: `http.response.status_code == 200`, when: all + ` < 40`, by: []string{"service.name", "host.name", "http.response.status_code"}, window: 5 * time.Minute, missing: "resolve"},
		{name: "Rate", promql: `rate(http_requests_total[2m] anchored) > 2`, when: `rate(metric("http.requests")) > 2`, by: []string{"service.name", "host.name", "http.response.status_code"}, window: 2 * time.Minute},
		{name: "IncreaseOfService", promql: `sum by (service_name) (increase(http_requests_total[5m] anchored)) > 1000`, when: all + ` > 1000`, by: byService, window: 5 * time.Minute},
		{name: "IncreaseOfAll", promql: `sum(increase(http_requests_total[1m] anchored)) > 800`, when: all + ` > 800`, window: time.Minute},
		{name: "RateOfService", promql: rate(`[5m]`) + ` > 4.003`, when: `rate(metric("http.requests")) > 4.003`, by: byService, window: 5 * time.Minute},
		{name: "RateOfServiceEveryMinute", promql: rate(`[3m]`) + ` > 4.003`, when: `rate(metric("http.requests")) > 4.003`, by: byService, window: 3 * time.Minute, every: time.Minute},
		{name: "RateBelow", promql: rate(`[5m]`) + ` < 1.003`, when: `rate(metric("http.requests")) < 1.003`, by: byService, window: 5 * time.Minute, missing: "resolve"},
		{name: "RateOneTick", promql: `rate(http_requests_total{http_response_status_code="500"}[15s] anchored) > 1.2`, where: `http.response.status_code == 500`, when: `rate(metric("http.requests")) > 1.2`, by: []string{"service.name", "host.name", "http.response.status_code"}, window: tick},
		{name: "StatusCodes", promql: `sum by (service_name, http_response_status_code) (increase(http_requests_total[5m] anchored)) > 300`, when: all + ` > 300`, by: []string{"service.name", "http.response.status_code"}, window: 5 * time.Minute},
		{name: "ErrorRatio", promql: grown(`{http_response_status_code=~"5.."}[5m]`) + ` / ` + grown(`[5m]`) + ` > 0.2`, when: failed + ` / ` + all + ` > 0.2`, by: byService, window: 5 * time.Minute},
		{name: "ErrorRatioWithTraffic", promql: grown(`{http_response_status_code=~"5.."}[2m]`) + ` / ` + grown(`[2m]`) + ` > 0.1 and sum by (service_name) (increase(http_requests_total[2m] anchored)) >= 100`, when: all + ` >= 100 && ` + failed + ` / ` + all + ` > 0.1`, by: byService, window: 2 * time.Minute},
		{name: "BurnRate", promql: grown(`{http_response_status_code=~"5.."}[30m]`) + ` / ` + grown(`[30m]`) + ` > 0.1 and ` + grown(`{http_response_status_code=~"5.."}[5m]`) + ` / ` + grown(`[5m]`) + ` > 0.1`, when: failed + `.over("30m") / ` + all + `.over("30m") > 0.1 && ` + failed + ` / ` + all + ` > 0.1`, by: byService, window: 5 * time.Minute},
		{name: "TrafficTwiceAsHigh", promql: grown(`[5m]`) + ` > 2 * (` + grown(`[5m] offset 5m`) + ` > 0)`, when: all + `.previous() > 0 && ` + all + ` > 2 * ` + all + `.previous()`, by: byService, window: 5 * time.Minute},
		{name: "TrafficHalved", promql: grown(`[5m]`) + ` < 0.5 * ` + grown(`[5m] offset 10m`), when: all + ` < 0.5 * ` + all + `.offset("10m")`, by: byService, window: 5 * time.Minute, missing: "resolve"},
		{name: "RateAboveItsHalfHour", promql: rate(`[3m]`) + ` > 1.53 * ` + rate(`[30m]`), when: `rate(metric("http.requests")) > 1.53 * rate(metric("http.requests")).over("30m")`, by: byService, window: 3 * time.Minute},
		{name: "Stuck", promql: `increase(jobs_done_total[5m] anchored) == 0`, when: `increase(metric("jobs.done")) == 0`, by: bySeries, window: 5 * time.Minute, missing: "resolve"},
		{name: "Unstuck", promql: `increase(jobs_done_total[2m] anchored) != 0`, when: `increase(metric("jobs.done")) != 0`, by: bySeries, window: 2 * time.Minute},
	}
}
