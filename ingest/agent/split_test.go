package agent

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The oracle of all splits: each record is written as one line that holds all it belongs to. No line may be lost,
// repeated or changed, and lines of a resource keep their order.

func flatResource(r pcommon.Resource, schema string) string {
	return fmt.Sprint(r.Attributes().AsRaw(), schema, r.DroppedAttributesCount())
}

func flatScope(s pcommon.InstrumentationScope, schema string) string {
	return fmt.Sprint(s.Name(), s.Version(), s.Attributes().AsRaw(), schema)
}

func flatLogs(ld plog.Logs) (lines []string) {
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				lines = append(lines, fmt.Sprint(flatResource(rl.Resource(), rl.SchemaUrl()), " / ", flatScope(sl.Scope(), sl.SchemaUrl()), " / ",
					r.Timestamp(), r.SeverityNumber(), r.Body().AsString(), r.Attributes().AsRaw()))
			}
		}
	}
	return lines
}

func flatSpans(td ptrace.Traces) (lines []string) {
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				lines = append(lines, fmt.Sprint(flatResource(rs.Resource(), rs.SchemaUrl()), " / ", flatScope(ss.Scope(), ss.SchemaUrl()), " / ",
					s.SpanID(), s.Name(), s.Attributes().AsRaw(), s.Events().Len()))
			}
		}
	}
	return lines
}

func flatMetrics(md pmetric.Metrics) (lines []string) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				head := fmt.Sprint(flatResource(rm.Resource(), rm.SchemaUrl()), " / ", flatScope(sm.Scope(), sm.SchemaUrl()), " / ",
					m.Name(), m.Unit(), m.Description(), m.Type(), m.Metadata().AsRaw())
				add := func(points ...any) { lines = append(lines, fmt.Sprint(head, points)) }
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					for _, p := range m.Gauge().DataPoints().All() {
						add(p.Attributes().AsRaw(), p.DoubleValue())
					}
				case pmetric.MetricTypeSum:
					for _, p := range m.Sum().DataPoints().All() {
						add(m.Sum().IsMonotonic(), m.Sum().AggregationTemporality(), p.Attributes().AsRaw(), p.IntValue())
					}
				case pmetric.MetricTypeHistogram:
					for _, p := range m.Histogram().DataPoints().All() {
						add(m.Histogram().AggregationTemporality(), p.Attributes().AsRaw(), p.Sum(), p.BucketCounts().AsRaw())
					}
				case pmetric.MetricTypeExponentialHistogram:
					for _, p := range m.ExponentialHistogram().DataPoints().All() {
						add(m.ExponentialHistogram().AggregationTemporality(), p.Attributes().AsRaw(), p.Count(), p.Positive().BucketCounts().AsRaw())
					}
				case pmetric.MetricTypeSummary:
					for _, p := range m.Summary().DataPoints().All() {
						add(p.Attributes().AsRaw(), p.Count(), p.Sum())
					}
				case pmetric.MetricTypeEmpty:
				}
			}
		}
	}
	return lines
}

func randomText(rng *rand.Rand, limit int) string { return strings.Repeat("x", rng.IntN(limit+1)) }

func randomResource(rng *rand.Rand, r pcommon.Resource) {
	r.Attributes().PutStr("service.name", fmt.Sprint("s", rng.IntN(3)))
	if rng.IntN(2) == 0 {
		r.Attributes().PutInt("n", int64(rng.IntN(2)))
	}
}

func randomLogs(rng *rand.Rand) plog.Logs {
	ld := plog.NewLogs()
	for range rng.IntN(5) {
		rl := ld.ResourceLogs().AppendEmpty()
		randomResource(rng, rl.Resource())
		rl.SetSchemaUrl(randomText(rng, 3))
		for range rng.IntN(3) {
			sl := rl.ScopeLogs().AppendEmpty()
			sl.Scope().SetName(randomText(rng, 20))
			for range rng.IntN(20) {
				r := sl.LogRecords().AppendEmpty()
				r.SetTimestamp(pcommon.Timestamp(rng.Uint64()))
				r.Body().SetStr(randomText(rng, 300))
				r.Attributes().PutInt("i", rng.Int64())
			}
		}
	}
	return ld
}

func randomSpans(rng *rand.Rand) ptrace.Traces {
	td := ptrace.NewTraces()
	for range rng.IntN(5) {
		rs := td.ResourceSpans().AppendEmpty()
		randomResource(rng, rs.Resource())
		for range rng.IntN(3) {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetVersion(randomText(rng, 20))
			for range rng.IntN(20) {
				s := ss.Spans().AppendEmpty()
				s.SetSpanID(pcommon.SpanID{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), 1})
				s.SetName(randomText(rng, 300))
				s.Events().AppendEmpty().SetName("e")
			}
		}
	}
	return td
}

func randomMetrics(rng *rand.Rand) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for range rng.IntN(4) {
		rm := md.ResourceMetrics().AppendEmpty()
		randomResource(rng, rm.Resource())
		for range rng.IntN(3) {
			sm := rm.ScopeMetrics().AppendEmpty()
			sm.Scope().Attributes().PutStr("k", randomText(rng, 10))
			for range rng.IntN(5) {
				m := sm.Metrics().AppendEmpty()
				m.SetName(fmt.Sprint("m", rng.IntN(10)))
				m.SetUnit(randomText(rng, 3))
				m.SetDescription(randomText(rng, 100))
				m.Metadata().PutStr("md", randomText(rng, 5))
				n := rng.IntN(30)
				attributes := func(a pcommon.Map) { a.PutStr("a", fmt.Sprint(rng.Uint64(), randomText(rng, 200))) }
				switch rng.IntN(5) {
				case 0:
					g := m.SetEmptyGauge()
					for range n {
						p := g.DataPoints().AppendEmpty()
						p.SetDoubleValue(rng.Float64())
						attributes(p.Attributes())
					}
				case 1:
					s := m.SetEmptySum()
					s.SetIsMonotonic(rng.IntN(2) == 0)
					s.SetAggregationTemporality(pmetric.AggregationTemporality(1 + rng.IntN(2)))
					for range n {
						p := s.DataPoints().AppendEmpty()
						p.SetIntValue(rng.Int64())
						attributes(p.Attributes())
					}
				case 2:
					h := m.SetEmptyHistogram()
					h.SetAggregationTemporality(pmetric.AggregationTemporality(1 + rng.IntN(2)))
					for range n {
						p := h.DataPoints().AppendEmpty()
						p.SetSum(rng.Float64())
						p.BucketCounts().FromRaw([]uint64{rng.Uint64(), 2})
						p.ExplicitBounds().FromRaw([]float64{1})
						attributes(p.Attributes())
					}
				case 3:
					h := m.SetEmptyExponentialHistogram()
					h.SetAggregationTemporality(pmetric.AggregationTemporality(1 + rng.IntN(2)))
					for range n {
						p := h.DataPoints().AppendEmpty()
						p.SetCount(rng.Uint64())
						p.Positive().BucketCounts().FromRaw([]uint64{1, rng.Uint64()})
						attributes(p.Attributes())
					}
				default:
					s := m.SetEmptySummary()
					for range n {
						p := s.DataPoints().AppendEmpty()
						p.SetCount(rng.Uint64())
						attributes(p.Attributes())
					}
				}
			}
		}
	}
	return md
}

// checkSplit compares a parcel with the lines that were put in. decode returns the lines of a message and the keys that
// its resources should have.
func checkSplit(t *testing.T, name string, want []string, p *parcel, limit int, decode func([]byte) ([]string, []uint64)) {
	t.Helper()
	if p.records+p.rejected != len(want) {
		t.Fatalf("%s: %d records and %d rejected of %d", name, p.records, p.rejected, len(want))
	}
	counts := map[string]int{}
	order := map[string][]string{} // by key
	for _, line := range want {
		counts[line]++
	}
	bytes := 0
	for _, m := range p.messages {
		bytes += len(m.Value)
		if len(m.Value) > limit {
			t.Fatalf("%s: a message has %d bytes, the limit is %d", name, len(m.Value), limit)
		}
		lines, keys := decode(m.Value)
		if len(lines) == 0 {
			t.Fatalf("%s: a message is empty", name)
		}
		for _, k := range keys {
			if fmt.Sprintf("%016x", k) != string(m.Key) {
				t.Fatalf("%s: a resource of key %016x is in a message of key %s", name, k, m.Key)
			}
		}
		for _, line := range lines {
			counts[line]--
		}
		order[string(m.Key)] = append(order[string(m.Key)], lines...)
	}
	missing := 0
	for line, n := range counts {
		if n < 0 {
			t.Fatalf("%s: a record came twice or changed: %s", name, line)
		}
		missing += n
	}
	if missing != p.rejected {
		t.Fatalf("%s: %d records are missing, %d were rejected", name, missing, p.rejected)
	}
	if bytes != p.bytes {
		t.Fatalf("%s: %d bytes counted, %d written", name, p.bytes, bytes)
	}
	for key, lines := range order {
		kept := map[string]int{}
		for _, l := range lines {
			kept[l]++
		}
		var same []string
		for _, l := range want {
			if kept[l] > 0 {
				kept[l]--
				same = append(same, l)
			}
		}
		if !slices.Equal(same, lines) {
			t.Fatalf("%s: records of key %s are out of order", name, key)
		}
	}
}

func TestSplitLosesAndRepeatsNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 1500 {
		limit := []int{200, 400, 1500, 10_000, 1 << 20}[rng.IntN(5)]
		d := testDelivery(&fakeKafka{}, nil)
		d.maxRecord = limit
		name := fmt.Sprintf("case %d, limit %d", i, limit)

		ld := randomLogs(rng)
		want := flatLogs(ld)
		p, err := d.logs(ld)
		if err != nil {
			t.Fatal(err)
		}
		checkSplit(t, name+", logs", want, p, limit, func(b []byte) ([]string, []uint64) {
			ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b)
			if err != nil {
				t.Fatal(err)
			}
			var keys []uint64
			for _, rl := range ld.ResourceLogs().All() {
				keys = append(keys, resourceKey(rl.Resource()))
			}
			return flatLogs(ld), keys
		})

		td := randomSpans(rng)
		want = flatSpans(td)
		if p, err = d.spans(td); err != nil {
			t.Fatal(err)
		}
		checkSplit(t, name+", spans", want, p, limit, func(b []byte) ([]string, []uint64) {
			td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
			if err != nil {
				t.Fatal(err)
			}
			var keys []uint64
			for _, rs := range td.ResourceSpans().All() {
				keys = append(keys, resourceKey(rs.Resource()))
			}
			return flatSpans(td), keys
		})

		md := randomMetrics(rng)
		want = flatMetrics(md)
		if p, err = d.points(md); err != nil {
			t.Fatal(err)
		}
		checkSplit(t, name+", metrics", want, p, limit, func(b []byte) ([]string, []uint64) {
			md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(b)
			if err != nil {
				t.Fatal(err)
			}
			var keys []uint64
			for _, rm := range md.ResourceMetrics().All() {
				keys = append(keys, resourceKey(rm.Resource()))
			}
			return flatMetrics(md), keys
		})
	}
}

func TestResourceKey(t *testing.T) {
	key := func(attributes map[string]any, order []string) uint64 {
		r := pcommon.NewResource()
		for _, k := range order {
			v, err := attributes[k], error(nil)
			if err = r.Attributes().PutEmpty(k).FromRaw(v); err != nil {
				t.Fatal(err)
			}
		}
		return resourceKey(r)
	}
	a := map[string]any{"service.name": "checkout", "n": 1, "list": []any{"x", 2}}
	names := slices.Sorted(maps.Keys(a))
	backward := slices.Clone(names)
	slices.Reverse(backward)
	if key(a, names) != key(a, backward) {
		t.Error("the order of attributes shows in the key")
	}
	seen := map[uint64]string{}
	for _, other := range []map[string]any{
		{"service.name": "checkout"}, {"service.name": "payment"}, {"service.name": "1"}, {"service.name": 1},
		{"a": "b", "c": "d"}, {"a": "bc", "d": ""}, {},
	} {
		k := key(other, slices.Sorted(maps.Keys(other)))
		if seen[k] != "" {
			t.Errorf("%v and %s have the same key", other, seen[k])
		}
		seen[k] = fmt.Sprint(other)
	}
}

func TestConfiguredAttributesAreAddedWhereMissing(t *testing.T) {
	d := testDelivery(&fakeKafka{}, func(c *Config) { c.ResourceAttributes = map[string]string{"team": "shop", "service.name": "none"} })
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	p, err := d.logs(ld)
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(p.messages[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	if a := got.ResourceLogs().At(0).Resource().Attributes().AsRaw(); a["team"] != "shop" || a["service.name"] != "checkout" {
		t.Errorf("the resource is %v", a)
	}
}
