package otlp

import (
	"fmt"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
)

// describePoints writes data points one a line, leaving out what is not set.
func describePoints(records []ingest.Record) string {
	types := [...]string{"none", "gauge", "sum", "histogram", "exponential", "summary"}
	var b strings.Builder
	for _, r := range records {
		p := r.Point
		fmt.Fprintf(&b, "%s %s", r.Name, types[p.Type])
		if p.Type == ingest.Gauge || p.Type == ingest.Sum {
			if p.Value.Kind == ingest.Missing {
				b.WriteString(" missing")
			} else {
				b.WriteString(" " + p.Value.Text())
			}
		} else {
			fmt.Fprintf(&b, " count=%d", p.Count)
		}
		for _, field := range []struct {
			name  string
			value float64
			has   bool
		}{{"sum", p.Sum, p.HasSum}, {"min", p.Min, p.HasMin}, {"max", p.Max, p.HasMax}} {
			if field.has {
				fmt.Fprintf(&b, " %s=%v", field.name, field.value)
			}
		}
		if p.Cumulative {
			b.WriteString(" cumulative")
		}
		if p.Monotonic {
			b.WriteString(" monotonic")
		}
		if p.Type == ingest.Histogram {
			fmt.Fprintf(&b, " buckets=%d bounds=%v", p.Buckets, p.Bounds)
		}
		if e := p.Exponential; e != nil {
			fmt.Fprintf(&b, " scale=%d zero=%d %v positive=%d %d negative=%d %d", e.Scale, e.ZeroCount, e.ZeroThreshold,
				e.PositiveOffset, e.Positive, e.NegativeOffset, e.Negative)
		}
		if len(p.Quantiles) > 0 {
			fmt.Fprintf(&b, " quantiles=%v", p.Quantiles)
		}
		if r.Time != 0 {
			fmt.Fprintf(&b, " time=%d start=%d", r.Time, p.StartTime)
		}
		for _, a := range r.Attributes {
			fmt.Fprintf(&b, " %s=%s", a.Key, a.Value.Text())
		}
		b.WriteByte('\n')
	}
	return b.String()
}
