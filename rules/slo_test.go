package rules

import (
	"math"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules/expr"
)

// The burn rates are those of the SRE Workbook for 99.9 % in 30 days: 14.4, 6 and 1 times the budget.
func TestBurnRates(t *testing.T) {
	set, problems := Parse("slo.yaml", []byte(`
groups:
  - name: slo
    rules:
      - alert: Availability
        from: spans
        slo: {objective: 99.9%, good: count(status != ERROR), total: count()}
`))
	if set == nil {
		t.Fatal(problems)
	}
	when := set.Rules[0].When
	for _, test := range []struct {
		name   string
		failed map[time.Duration]float64 // share, by window; 0 elsewhere
		total  float64
		want   string
	}{
		{"all is well", nil, 10_000, ""},
		{"fast", map[time.Duration]float64{time.Hour: 0.0145, 5 * time.Minute: 0.0145}, 10_000, "critical"},
		{"fast, but over", map[time.Duration]float64{time.Hour: 0.0145}, 10_000, ""},
		{"not fast enough", map[time.Duration]float64{time.Hour: 0.0143, 5 * time.Minute: 0.0143}, 10_000, ""},
		{"fast, of few", map[time.Duration]float64{time.Hour: 0.0145, 5 * time.Minute: 0.0145}, 99, ""},
		{"for hours", map[time.Duration]float64{6 * time.Hour: 0.0061, 30 * time.Minute: 0.0061}, 10_000, "critical"},
		{"for days", map[time.Duration]float64{72 * time.Hour: 0.00101, 6 * time.Hour: 0.00101}, 10_000, "warning"},
		{"within the budget", map[time.Duration]float64{72 * time.Hour: 0.00099, 6 * time.Hour: 0.00099}, 10_000, ""},
	} {
		f := &expr.Frame{Reads: make([]float64, len(when.Reads))}
		for i, r := range when.Reads {
			f.Reads[i] = test.total
			if when.Aggregates[r.Aggregate].Filter != nil {
				f.Reads[i] *= 1 - test.failed[r.Window]
			}
		}
		got := ""
		if i := when.Holding(f); i >= 0 {
			got = when.Conditions[i].Severity
		}
		if got != test.want {
			t.Errorf("%s: %q, expected %q", test.name, got, test.want)
		}
		if rate := when.Conditions[0].Value(f); math.Abs(rate-test.failed[time.Hour]/0.001) > 1e-6 {
			t.Errorf("%s: the burn rate is %v", test.name, rate)
		}
	}
}
