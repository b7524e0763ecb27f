package otlp

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest"
)

// perMessage is how many records the Collector's batch processor may put into one Kafka message here.
const perMessage = 100

func shopResource(r pcommon.Resource) {
	r.Attributes().PutStr("service.name", "checkout")
	r.Attributes().PutStr("service.namespace", "shop")
	r.Attributes().PutStr("service.version", "1.4.2")
	r.Attributes().PutStr("host.name", "node-17")
	r.Attributes().PutStr("deployment.environment.name", "prod")
	r.Attributes().PutStr("k8s.pod.name", "checkout-6d5f7c9b4-x2x8q")
}

func shopAttributes(m pcommon.Map, i int) {
	m.PutStr("http.request.method", "POST")
	m.PutStr("http.route", "/api/v1/orders/{id}")
	m.PutInt("http.response.status_code", int64(200+i%4*100))
	m.PutStr("url.scheme", "https")
	m.PutStr("client.address", "10.12.7.41")
	m.PutStr("user.id", fmt.Sprintf("u-%06d", i))
	m.PutDouble("cart.total", 129.95)
	m.PutBool("cart.gift", false)
	m.PutStr("thread.name", "worker-4")
	m.PutStr("code.function.name", "charge")
}

func shopLogs(n int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	shopResource(rl.Resource())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("shop/checkout")
	for i := range n {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(1_780_000_000_000_000_000 + i*1_000_000))
		lr.SetObservedTimestamp(lr.Timestamp() + 1000)
		lr.SetSeverityNumber(plog.SeverityNumberError)
		lr.SetSeverityText("ERROR")
		lr.Body().SetStr("charging the card failed: upstream timed out")
		lr.SetTraceID(pcommon.TraceID{1, 2, 3, byte(i)})
		lr.SetSpanID(pcommon.SpanID{4, byte(i)})
		shopAttributes(lr.Attributes(), i)
	}
	return ld
}

func shopTraces(n int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	shopResource(rs.Resource())
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("shop/checkout")
	for i := range n {
		span := ss.Spans().AppendEmpty()
		span.SetName("POST /api/v1/orders/{id}")
		span.SetTraceID(pcommon.TraceID{1, 2, 3, byte(i)})
		span.SetSpanID(pcommon.SpanID{4, byte(i)})
		span.SetParentSpanID(pcommon.SpanID{5, byte(i)})
		span.SetKind(ptrace.SpanKindServer)
		span.SetStartTimestamp(1_780_000_000_000_000_000)
		span.SetEndTimestamp(1_780_000_000_120_000_000)
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage("upstream timed out")
		shopAttributes(span.Attributes(), i)
		event := span.Events().AppendEmpty()
		event.SetName("exception")
		event.SetTimestamp(1_780_000_000_110_000_000)
		event.Attributes().PutStr("exception.type", "TimeoutError")
		event.Attributes().PutStr("exception.message", "no answer from payment after 100 ms")
	}
	return td
}

func shopMetrics(n int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	shopResource(rm.Resource())
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("shop/checkout")
	gauge := sm.Metrics().AppendEmpty()
	gauge.SetName("system.cpu.utilization")
	gauge.SetUnit("1")
	gauge.SetEmptyGauge()
	duration := sm.Metrics().AppendEmpty()
	duration.SetName("http.server.request.duration")
	duration.SetUnit("s")
	duration.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range n / 2 {
		p := gauge.Gauge().DataPoints().AppendEmpty()
		p.SetStartTimestamp(1_780_000_000_000_000_000)
		p.SetTimestamp(1_780_000_060_000_000_000)
		p.SetDoubleValue(float64(i) / 100)
		p.Attributes().PutStr("cpu.mode", "user")
		p.Attributes().PutInt("cpu.logical_number", int64(i))
		h := duration.Histogram().DataPoints().AppendEmpty()
		h.SetStartTimestamp(1_780_000_000_000_000_000)
		h.SetTimestamp(1_780_000_060_000_000_000)
		h.SetCount(100)
		h.SetSum(12.5)
		h.BucketCounts().FromRaw([]uint64{10, 20, 30, 20, 10, 5, 3, 2})
		h.ExplicitBounds().FromRaw([]float64{.005, .01, .025, .05, .1, .25, .5})
		h.Attributes().PutStr("http.route", "/api/v1/orders/{id}")
		h.Attributes().PutInt("http.response.status_code", 200)
	}
	return md
}

type workload struct {
	name    string
	decoder ingest.Decoder
	value   []byte
	records int
}

func workloads(tb testing.TB) []workload {
	tb.Helper()
	logs, err1 := new(plog.ProtoMarshaler).MarshalLogs(shopLogs(perMessage))
	spans, err2 := new(ptrace.ProtoMarshaler).MarshalTraces(shopTraces(perMessage))
	metrics, err3 := new(pmetric.ProtoMarshaler).MarshalMetrics(shopMetrics(perMessage))
	jsonLogs, err4 := new(plog.JSONMarshaler).MarshalLogs(shopLogs(perMessage))
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		tb.Fatal(err1, err2, err3, err4)
	}
	return []workload{
		{"logs", new(Logs), logs, perMessage},
		{"spans", new(Traces), spans, 2 * perMessage},
		{"metrics", new(Metrics), metrics, perMessage},
		{"logs_json", &JSON{Signal: ingest.Logs}, jsonLogs, perMessage},
	}
}

// TestSteadyStateAllocatesNothing holds for messages whose memory the batch has by now, also when their sizes vary.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, w := range workloads(t)[:3] {
		t.Run(w.name, func(t *testing.T) {
			var b ingest.Batch
			allocs := testing.AllocsPerRun(20, func() {
				if err := w.decoder.Decode(w.value, &b); err != nil || len(b.Records) != w.records {
					t.Fatalf("%v, %d records, expected %d", err, len(b.Records), w.records)
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations per message, expected none", allocs)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, w := range workloads(b) {
		b.Run(w.name, func(b *testing.B) {
			var batch ingest.Batch
			b.ReportAllocs()
			b.SetBytes(int64(len(w.value)))
			for b.Loop() {
				if err := w.decoder.Decode(w.value, &batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*w.records), "ns/record")
			b.ReportMetric(float64(len(w.value))/float64(w.records), "B/record")
		})
	}
}
