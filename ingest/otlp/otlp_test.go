package otlp

import (
	"math"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest"
)

// encodings gives the same export in both encodings with their decoders, so that each test is about both.
func encodings(t *testing.T, data any) []workload {
	t.Helper()
	var proto, json []byte
	var errs [2]error
	var decoder ingest.Decoder
	var signal ingest.Signal
	switch d := data.(type) {
	case plog.Logs:
		proto, errs[0] = new(plog.ProtoMarshaler).MarshalLogs(d)
		json, errs[1] = new(plog.JSONMarshaler).MarshalLogs(d)
		decoder, signal = new(Logs), ingest.Logs
	case ptrace.Traces:
		proto, errs[0] = new(ptrace.ProtoMarshaler).MarshalTraces(d)
		json, errs[1] = new(ptrace.JSONMarshaler).MarshalTraces(d)
		decoder, signal = new(Traces), ingest.Spans
	case pmetric.Metrics:
		proto, errs[0] = new(pmetric.ProtoMarshaler).MarshalMetrics(d)
		json, errs[1] = new(pmetric.JSONMarshaler).MarshalMetrics(d)
		decoder, signal = new(Metrics), ingest.Metrics
	}
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	return []workload{
		{name: "otlp_proto", decoder: decoder, value: proto},
		{name: "otlp_json", decoder: &JSON{Signal: signal}, value: json},
	}
}

// decodeBoth runs check on the records of both encodings.
func decodeBoth(t *testing.T, data any, check func(t *testing.T, records []ingest.Record)) {
	t.Helper()
	for _, e := range encodings(t, data) {
		t.Run(e.name, func(t *testing.T) {
			var b ingest.Batch
			if err := e.decoder.Decode(e.value, &b); err != nil {
				t.Fatal(err)
			}
			check(t, b.Records)
		})
	}
}

func TestLogRecord(t *testing.T) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("https://example.org/schema")
	rl.Resource().Attributes().PutStr("service.name", "payment")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib")
	sl.Scope().SetVersion("2")
	sl.Scope().Attributes().PutStr("short", "yes")
	lr := sl.LogRecords().AppendEmpty()
	lr.SetObservedTimestamp(7)
	lr.SetSeverityText("Warning")
	lr.SetEventName("card.declined")
	lr.Body().SetStr("declined")
	lr.SetTraceID(pcommon.TraceID{0xAB, 15: 0x01})
	lr.SetSpanID(pcommon.SpanID{7: 0xff})
	tags := lr.Attributes().PutEmptySlice("tags")
	tags.AppendEmpty().SetStr("a\"b")
	tags.AppendEmpty().SetInt(-1)
	tags.AppendEmpty().SetDouble(math.NaN())
	tags.AppendEmpty()
	nested := lr.Attributes().PutEmptyMap("nested")
	nested.PutEmptyBytes("raw").FromRaw([]byte{1, 2})
	nested.PutEmptyMap("inner").PutBool("ok", true)
	decodeBoth(t, ld, func(t *testing.T, records []ingest.Record) {
		if len(records) != 1 {
			t.Fatalf("%d records, expected 1", len(records))
		}
		r := records[0]
		if r.Signal != ingest.Logs || r.Time != 7 || r.Severity != 13 || r.Name != "card.declined" {
			t.Errorf("signal %s, time %d, severity %d, name %q", r.Signal, r.Time, r.Severity, r.Name)
		}
		if r.TraceID != "ab000000000000000000000000000001" || r.SpanID != "00000000000000ff" {
			t.Errorf("trace %q, span %q", r.TraceID, r.SpanID)
		}
		if r.Resource.SchemaURL != "https://example.org/schema" || r.Scope.Name != "lib" || r.Scope.Version != "2" {
			t.Errorf("resource %+v, scope %+v", r.Resource, r.Scope)
		}
		for key, want := range map[string]string{
			"service.name": "payment", "short": "yes", "tags": `["a\"b",-1,"NaN",null]`,
			"nested": `{"raw":"AQI=","inner":{"ok":true}}`, "absent": "",
		} {
			if got := r.Lookup(key).Text(); got != want {
				t.Errorf("%s is %s, expected %s", key, got, want)
			}
		}
	})
}

func TestSeverityAndTimeOfLogs(t *testing.T) {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, severity := range []struct {
		number plog.SeverityNumber
		text   string
		time   pcommon.Timestamp
	}{{17, "info", 5}, {0, "crit", 5}, {0, "my level", 5}, {99, "WARN", 5}, {-1, "", math.MaxUint64}} {
		lr := records.AppendEmpty()
		lr.SetSeverityNumber(severity.number)
		lr.SetSeverityText(severity.text)
		lr.SetTimestamp(severity.time)
		lr.SetObservedTimestamp(6)
	}
	decodeBoth(t, ld, func(t *testing.T, records []ingest.Record) {
		want := []struct {
			severity int32
			time     int64
		}{{17, 5}, {18, 5}, {0, 5}, {13, 5}, {0, 0}}
		for i, r := range records {
			if r.Severity != want[i].severity || r.Time != want[i].time || r.Index != i {
				t.Errorf("record %d (index %d): severity %d, time %d, expected %+v", i, r.Index, r.Severity, r.Time, want[i])
			}
		}
	})
}

func TestSpanThenItsEvents(t *testing.T) {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, name := range []string{"first", "second"} {
		span := spans.AppendEmpty()
		span.SetName(name)
		span.SetTraceID(pcommon.TraceID{1})
		span.SetSpanID(pcommon.SpanID{2})
		span.SetParentSpanID(pcommon.SpanID{3})
		span.SetKind(ptrace.SpanKindClient)
		span.SetStartTimestamp(1_000_000_000)
		span.SetEndTimestamp(2_500_000_000)
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage("no")
		for _, event := range []string{"retry", "exception"} {
			e := span.Events().AppendEmpty()
			e.SetName(event)
			e.SetTimestamp(2_000_000_000)
			e.Attributes().PutStr("of", name)
		}
		span.Links().AppendEmpty().Attributes().PutStr("link", "x")
	}
	decodeBoth(t, td, func(t *testing.T, records []ingest.Record) {
		var names []string
		for i, r := range records {
			names = append(names, r.Signal.String()+" "+r.Name)
			if r.Index != i || r.TraceID != "01000000000000000000000000000000" || r.SpanID != "0200000000000000" {
				t.Errorf("record %d: index %d, trace %q, span %q", i, r.Index, r.TraceID, r.SpanID)
			}
			if r.Signal == ingest.SpanEvents && (r.Time != 2_000_000_000 || r.Attributes.Get("of").Text() != records[i/3*3].Name) {
				t.Errorf("event %d: time %d, attributes %v", i, r.Time, r.Attributes)
			}
		}
		want := "spans first,span_events retry,span_events exception,spans second,span_events retry,span_events exception"
		if got := strings.Join(names, ","); got != want {
			t.Fatalf("got %s", got)
		}
		s := records[0]
		if s.Time != 2_500_000_000 || s.Duration != 1.5 || s.SpanKind != 3 || s.StatusCode != 2 || s.StatusMessage != "no" ||
			s.ParentSpanID != "0300000000000000" || s.Attributes.Get("link").Kind != ingest.Missing {
			t.Errorf("span %+v", s)
		}
	})
}

func TestSpanTimes(t *testing.T) {
	for _, c := range []struct {
		start, end uint64
		time       int64
		duration   float64
	}{
		{1e9, 3e9, 3e9, 2},
		{0, 3e9, 3e9, 0},
		{1e9, 0, 1e9, 0},
		{3e9, 1e9, 1e9, 0},
		{0, 0, 0, 0},
	} {
		if time, duration := spanTime(c.start, c.end); time != c.time || duration != c.duration {
			t.Errorf("start %d, end %d: time %d, duration %v, expected %d and %v", c.start, c.end, time, duration, c.time,
				c.duration)
		}
	}
}

func TestPointsOfAllTypes(t *testing.T) {
	md := pmetric.NewMetrics()
	metrics := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	add := func(name string) pmetric.Metric {
		m := metrics.AppendEmpty()
		m.SetName(name)
		m.SetUnit("s")
		m.SetDescription("what it is")
		m.Metadata().PutStr("prometheus.type", "x")
		return m
	}
	gauge := add("gauge").SetEmptyGauge().DataPoints()
	gauge.AppendEmpty().SetIntValue(-3)
	gauge.AppendEmpty().SetDoubleValue(2.5)
	gauge.AppendEmpty().SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	stale := gauge.AppendEmpty()
	stale.SetIntValue(9)
	stale.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	stale.Exemplars().AppendEmpty().SetIntValue(1)

	sum := add("sum").SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	sum.DataPoints().AppendEmpty().SetIntValue(40)

	histogram := add("histogram").SetEmptyHistogram()
	histogram.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	h := histogram.DataPoints().AppendEmpty()
	h.SetCount(3)
	h.SetSum(4)
	h.SetMin(0.5)
	h.BucketCounts().FromRaw([]uint64{1, 2})
	h.ExplicitBounds().FromRaw([]float64{1})
	h.Attributes().PutStr("k", "v")
	h.SetStartTimestamp(1)
	h.SetTimestamp(2)
	broken := histogram.DataPoints().AppendEmpty()
	broken.SetCount(5)
	broken.BucketCounts().FromRaw([]uint64{1, 2})
	broken.ExplicitBounds().FromRaw([]float64{1, 2, 3})

	exponential := add("exponential").SetEmptyExponentialHistogram()
	exponential.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	e := exponential.DataPoints().AppendEmpty()
	e.SetCount(6)
	e.SetMax(9)
	e.SetScale(-2)
	e.SetZeroCount(1)
	e.SetZeroThreshold(0.25)
	e.Positive().SetOffset(-7)
	e.Positive().BucketCounts().FromRaw([]uint64{1, 300, 2})
	e.Negative().SetOffset(5)
	e.Negative().BucketCounts().FromRaw([]uint64{4})

	s := add("summary").SetEmptySummary().DataPoints().AppendEmpty()
	s.SetCount(7)
	s.SetSum(70)
	q := s.QuantileValues().AppendEmpty()
	q.SetQuantile(0.99)
	q.SetValue(12)
	add("empty")

	decodeBoth(t, md, func(t *testing.T, records []ingest.Record) {
		want := `gauge gauge -3
gauge gauge 2.5
gauge gauge missing
gauge gauge missing
sum sum 40 cumulative monotonic
histogram histogram count=3 sum=4 min=0.5 buckets=[1 2] bounds=[1] time=2 start=1 k=v
histogram histogram count=5 buckets=[] bounds=[]
exponential exponential count=6 max=9 cumulative scale=-2 zero=1 0.25 positive=-7 [1 300 2] negative=5 [4]
summary summary count=7 sum=70 quantiles=[{0.99 12}]
`
		equal(t, describePoints(records), want)
		for _, r := range records {
			if r.Point.Unit != "s" || r.Point.Description != "what it is" {
				t.Errorf("%s: unit %q, description %q", r.Name, r.Point.Unit, r.Point.Description)
			}
		}
		if !records[2].Point.NoValue || !records[3].Point.NoValue || records[0].Point.NoValue {
			t.Error("the flag of a point without a recorded value is lost or made up")
		}
	})
}

func TestErrorsSayWhere(t *testing.T) {
	logs, err := new(plog.ProtoMarshaler).MarshalLogs(shopLogs(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		decoder ingest.Decoder
		value   []byte
		fault   ingest.Fault
		want    string
	}{
		{"cut", new(Logs), logs[:100], ingest.Truncated, "otlp_proto: a field of a request at byte 0 of 100 is cut short"},
		{"metrics", new(Metrics), logs, ingest.Malformed, "otlp_proto: a field of a metric's data at byte 11 of"},
		{"short id", new(Logs), lenField(1, lenField(2, lenField(2, lenField(9, []byte("abc"))))), ingest.Malformed,
			"an id at byte 8 of 11 has 3 bytes, expected 16"},
		{"cut JSON", &JSON{Signal: ingest.Logs}, []byte(`{"resourceLogs":[`), ingest.Truncated, "ends too early, after 17 bytes"},
		{"two JSON values", &JSON{Signal: ingest.Logs}, []byte(`{"resourceLogs":[]} {}`), ingest.Malformed, "at byte 21 of 22"},
		{"wrong JSON", &JSON{Signal: ingest.Logs}, []byte(`{"resourceLogs":7}`), ingest.Malformed, "no OTLP logs"},
		{"too many", &JSON{Signal: ingest.Logs, MaxRecords: 1},
			[]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}`), ingest.TooLarge, "more than 1 records"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ingest.Batch{Records: make([]ingest.Record, 3)}
			err := c.decoder.Decode(c.value, &b)
			if err == nil || ingest.FaultOf(err) != c.fault || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v with the fault %s, expected %s with %q", err, ingest.FaultOf(err), c.fault, c.want)
			}
			if len(b.Records) != 0 {
				t.Errorf("%d records are left", len(b.Records))
			}
		})
	}
}
