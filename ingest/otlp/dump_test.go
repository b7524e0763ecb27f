package otlp

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/ingest"
)

// dump writes every field of the records, so that two batches can be compared and a difference be read. Doubles are
// written with their bits: NaN equals itself and 0 differs from -0.
func dump(records []ingest.Record) string {
	var b strings.Builder
	for i := range records {
		r := &records[i]
		fmt.Fprintf(&b, "%d %s time=%d name=%q trace=%q span=%q parent=%q\n", r.Index, r.Signal, r.Time, r.Name, r.TraceID,
			r.SpanID, r.ParentSpanID)
		fmt.Fprintf(&b, "  resource %q%s\n", r.Resource.SchemaURL, dumpAttrs(r.Resource.Attributes))
		fmt.Fprintf(&b, "  scope %q %q%s\n", r.Scope.Name, r.Scope.Version, dumpAttrs(r.Scope.Attributes))
		fmt.Fprintf(&b, "  attributes%s\n", dumpAttrs(r.Attributes))
		fmt.Fprintf(&b, "  severity %d %q body %s\n", r.Severity, r.SeverityText, dumpValue(r.Body))
		fmt.Fprintf(&b, "  kind %d status %d %q duration %s\n", r.SpanKind, r.StatusCode, r.StatusMessage,
			dumpFloat(r.Duration))
		if p := r.Point; p != nil {
			fmt.Fprintf(&b, "  point %d unit=%q description=%q cumulative=%v monotonic=%v start=%d no_value=%v value=%s\n",
				p.Type, p.Unit, p.Description, p.Cumulative, p.Monotonic, p.StartTime, p.NoValue, dumpValue(p.Value))
			fmt.Fprintf(&b, "    count=%d sum=%s %v min=%s %v max=%s %v buckets=%d bounds=%s\n", p.Count, dumpFloat(p.Sum), p.HasSum,
				dumpFloat(p.Min), p.HasMin, dumpFloat(p.Max), p.HasMax, p.Buckets, dumpFloats(p.Bounds))
			if e := p.Exponential; e != nil {
				fmt.Fprintf(&b, "    exponential %d %d %s %d %d %d %d\n", e.Scale, e.ZeroCount, dumpFloat(e.ZeroThreshold),
					e.PositiveOffset, e.Positive, e.NegativeOffset, e.Negative)
			}
			for _, q := range p.Quantiles {
				fmt.Fprintf(&b, "    quantile %s %s\n", dumpFloat(q.Quantile), dumpFloat(q.Value))
			}
		}
	}
	return b.String()
}

func dumpAttrs(attrs ingest.Attrs) string {
	var b strings.Builder
	for _, a := range attrs {
		fmt.Fprintf(&b, " %q=%s", a.Key, dumpValue(a.Value))
	}
	return b.String()
}

func dumpValue(v ingest.Value) string {
	if v.Kind == ingest.Double {
		f, _ := v.Number()
		return dumpFloat(f)
	}
	return fmt.Sprintf("%d:%q", v.Kind, v.AppendText(nil))
}

func dumpFloat(f float64) string { return fmt.Sprintf("%v(%x)", f, math.Float64bits(f)) }

func dumpFloats(fs []float64) string {
	var b strings.Builder
	for _, f := range fs {
		b.WriteString(dumpFloat(f))
	}
	return b.String()
}

// equal fails the test with the first lines that differ.
func equal(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var gl, wl string
		if i < len(g) {
			gl = g[i]
		}
		if i < len(w) {
			wl = w[i]
		}
		if gl != wl {
			t.Fatalf("line %d differs\n got: %s\nwant: %s", i+1, gl, wl)
		}
	}
}
