package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// thousandRules returns a file of rules as people write them, no two alike.
func thousandRules() []byte {
	kinds := []string{
		`        from: logs
        where: deployment.environment == "prod" && body.contains("timeout %d")
        by: [service.name, host.name]
        when: count(severity >= ERROR) > %d
        for: 30s
`,
		`        from: spans
        where: kind == SERVER && http.route == "/api/%d"
        by: [service.name]
        window: 5m
        let:
          errors: count(status == ERROR)
          ratio: errors / count()
        when:
          warning: count() >= 50 && ratio > 0.05
          critical: count() >= %d && ratio > 0.2
        until: ratio < 0.01
`,
		`        from: metrics
        by: [host.name, {mountpoint: system.filesystem.mountpoint}]
        interval: 10s
        window: 5m
        when: max(metric("disk.%d")) > %d && max(metric("disk")).forecast("4h", "6h") >= 1
`,
		`        from: events
        topic: orders_%d
        by: [customer.country]
        when: count() >= 10 && avg(order.total) > %d * avg(order.total).offset("1d")
        keep_firing_for: 2m
`,
	}
	var b strings.Builder
	for i := range 1000 {
		if i%50 == 0 {
			fmt.Fprintf(&b, "  - name: group%d\n    rules:\n", i)
		}
		fmt.Fprintf(&b, "      - alert: Rule%d\n", i)
		fmt.Fprintf(&b, kinds[i%len(kinds)], i, i+1)
		b.WriteString(`        labels: {team: shop}
        annotations:
          summary: '{{ $value | humanize }} is more than {{ $threshold }}'
          runbook_url: https://example.com/runbooks/shop
`)
	}
	return []byte("groups:\n" + b.String())
}

// BenchmarkCheckThousandRules is what `freshet rules check` does with a large rule file.
func BenchmarkCheckThousandRules(b *testing.B) {
	content := thousandRules()
	least := time.Duration(1<<63 - 1)
	for b.Loop() {
		begun := time.Now()
		set, problems := CheckFiles([]File{{Name: "rules.yaml", Content: content}})
		least = min(least, time.Since(begun))
		if set == nil || len(problems) > 0 {
			b.Fatal(printed(problems[:1]))
		}
	}
	fmt.Printf("figure: rules_check_thousand_rules %.3f s\n", least.Seconds())
}
