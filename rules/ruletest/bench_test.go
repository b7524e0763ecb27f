package ruletest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/rules"
)

// tenRules are rules of all kinds, each of another signal or measure.
const tenRules = `
groups:
  - name: day
    rules:
      - {alert: Errors, from: logs, by: [service.name], when: count(severity >= ERROR) > 100}
      - {alert: ErrorRatio, from: logs, by: [service.name], window: 5m, when: count() >= 50 && count(severity >= ERROR) / count() > 0.9}
      - {alert: Unusual, from: logs, by: [service.name], window: 5m, when: 'count() >= 1000 && count().zscore("6h") > 6'}
      - {alert: Silent, from: logs, by: [service.name], window: 10m, when: absent()}
      - {alert: Slow, from: spans, by: [http.route], window: 5m, when: count() >= 10 && p95(duration) > 5}
      - {alert: Slower, from: spans, by: [http.route], when: 'p50(duration) > 3 * p50(duration).offset("1h")'}
      - {alert: Users, from: spans, when: distinct(user.id) > 5000}
      - {alert: CPU, from: metrics, by: [host.name], when: avg(metric("cpu")) > 0.95, for: 10m}
      - {alert: Requests, from: metrics, by: [host.name], when: rate(metric("requests")) > 1000}
      - {alert: Month, from: metrics, by: [host.name], when: 'max(metric("cpu")).over("30d") > 2'}
`

// aDay is a day of logs and spans each second and of metrics each quarter of a minute.
const aDay = `
rule_files: [rules.yaml]
tests:
  - name: a day
    logs:
      - {at: 0s..24h every 10s, service.name: shop, severity: '{cycle INFO*9|ERROR}', body: 'order {i}'}
    spans:
      - {at: 0s..24h every 10s, service.name: shop, kind: SERVER, duration: 50ms..1s, attributes: {http.route: /checkout, user.id: 'u{i%1000}'}}
    metrics:
      - {at: 0s..24h every 30s, name: cpu, resource: {host.name: '{cycle a|b}'}, value: '{random 0.1..0.9}'}
      - {at: 0s..24h every 30s, name: requests, type: sum, resource: {host.name: '{cycle a|b}'}, value: 0..100000}
    expect:
      - {at: 24h, alerts: []}
`

// BenchmarkDay shows that a test of 24 hours with ten rules takes less than a second: ns/op is that of the whole day.
func BenchmarkDay(b *testing.B) {
	f, problems := Parse("day_test.yaml", []byte(aDay), Options{}, func([]string) (*rules.Set, []rules.Problem, error) {
		set, problems := rules.Parse("rules.yaml", []byte(tenRules))
		return set, problems, nil
	})
	if f == nil {
		b.Fatal(problems)
	}
	records := 0
	for b.Loop() {
		result, err := f.Tests[0].Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if len(result.Failures) > 0 {
			b.Fatal(strings.TrimSpace(fmt.Sprint(result.Failures)))
		}
		records = result.Records
	}
	b.ReportMetric(float64(records), "records/day")
}
