package format

import (
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest"
)

// messages holds one record of each signal in each of OTLP's encodings, as the Collector's Kafka exporter writes it.
type messages struct{ logs, logsJSON, metrics, metricsJSON, spans, spansJSON string }

func export(t *testing.T) messages {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "payment")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.Body().SetStr("declined")
	lr.SetTimestamp(5)
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("queue.size")
	m.SetUnit("1")
	m.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(3)
	td := ptrace.NewTraces()
	span := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetName("GET /")
	span.SetTraceID([16]byte{1})
	span.SetEndTimestamp(5)
	var out messages
	for _, e := range []struct {
		to      *string
		marshal func() ([]byte, error)
	}{
		{&out.logs, func() ([]byte, error) { return new(plog.ProtoMarshaler).MarshalLogs(ld) }},
		{&out.logsJSON, func() ([]byte, error) { return new(plog.JSONMarshaler).MarshalLogs(ld) }},
		{&out.metrics, func() ([]byte, error) { return new(pmetric.ProtoMarshaler).MarshalMetrics(md) }},
		{&out.metricsJSON, func() ([]byte, error) { return new(pmetric.JSONMarshaler).MarshalMetrics(md) }},
		{&out.spans, func() ([]byte, error) { return new(ptrace.ProtoMarshaler).MarshalTraces(td) }},
		{&out.spansJSON, func() ([]byte, error) { return new(ptrace.JSONMarshaler).MarshalTraces(td) }},
	} {
		b, err := e.marshal()
		if err != nil {
			t.Fatal(err)
		}
		*e.to = string(b)
	}
	return out
}

func TestChoice(t *testing.T) {
	x := export(t)
	spaced := " \n " + x.logsJSON
	snake := strings.ReplaceAll(x.logsJSON, "resourceLogs", "resource_logs")
	late := `{"note":{"resourceSpans":1},` + x.logsJSON[1:]
	for _, c := range []struct {
		signal ingest.Signal
		format Format
		value  string
		want   string // the text of the record, or the fault and part of the error
	}{
		{ingest.Logs, Auto, x.logs, "declined"},
		{ingest.Logs, Auto, x.logsJSON, "declined"},
		{ingest.Logs, Auto, spaced, "declined"},
		{ingest.Logs, Auto, snake, "declined"},
		{ingest.Logs, Auto, late, "declined"},
		{ingest.Logs, Auto, `{"msg":"hello"}`, "hello"},
		{ingest.Logs, Auto, `[{"msg":"hello"}]`, "hello"},
		{ingest.Logs, Auto, `{"attributes":{"resourceLogs":[]},"msg":"hello"}`, "hello"},
		{ingest.Logs, Auto, `{"resource":{"a":1},"msg":"hello"}`, "hello"},
		{ingest.Logs, Auto, "plain ERROR text", "plain ERROR text"},
		{ingest.Logs, Auto, "\nhello", "hello"},
		{ingest.Logs, Auto, "hé", "hé"},
		{ingest.Logs, Auto, "[error] no card", "[error] no card"},
		{ingest.Logs, Auto, "{main} started", "{main} started"},
		{ingest.Logs, Auto, "[", "truncated: ends too early"},
		{ingest.Metrics, Auto, x.metrics, "queue.size 3 1"},
		{ingest.Metrics, Auto, x.metricsJSON, "queue.size 3 1"},
		{ingest.Spans, Auto, x.spans, "GET / 0s"},
		{ingest.Spans, Auto, x.spansJSON, "GET / 0s"},
		{ingest.Events, Auto, `{"number":17}`, "number=17"},
		{ingest.Events, Auto, "42", "42"},
		{ingest.Events, Auto, `"text"`, `"text"`},

		{ingest.Logs, OTLPProto, x.logs, "declined"},
		{ingest.Spans, OTLPProto, x.spans, "GET / 0s"},
		{ingest.Logs, OTLPJSON, x.logsJSON, "declined"},
		{ingest.Logs, JSON, `{"msg":"hello"}`, "hello"},
		{ingest.Events, JSON, `{"msg":"hello"}`, "hello"},
		{ingest.Logs, Text, `{"msg":"hello"}`, `{"msg":"hello"}`},

		{ingest.Logs, Auto, x.metrics, "wrong_signal: the message holds OTLP metrics, but its topic is one of logs"},
		{ingest.Logs, Auto, x.metricsJSON, "wrong_signal: OTLP metrics"},
		{ingest.Events, JSON, x.logsJSON, "wrong_signal: OTLP logs"},
		{ingest.Logs, JSON, x.logsJSON, "unknown_format: bytes, expected flat JSON: the format of its topic should be otlp_json or auto"},
		{ingest.Logs, OTLPProto, x.logsJSON, "unknown_format: bytes, expected protobuf: the format of its topic should be otlp_json or auto"},
		{ingest.Metrics, OTLPProto, x.spans, "wrong_signal: OTLP spans"},
		{ingest.Metrics, OTLPJSON, x.logsJSON, "wrong_signal: OTLP logs"},
		{ingest.Spans, Auto, x.logs, "wrong_signal: OTLP logs"},
		{ingest.Events, Auto, x.logsJSON, "wrong_signal: OTLP logs"},
		{ingest.Events, Auto, x.spans, "wrong_signal: OTLP spans"},
		{ingest.Metrics, Auto, `{"number":17}`, "unknown_format: a JSON message of 13 bytes without the key resourceMetrics"},
		{ingest.Metrics, OTLPJSON, `{"number":17}`, "unknown_format: without the key resourceMetrics"},
		{ingest.Metrics, Auto, "plain text", "unknown_format: 10 bytes that begin with 0x706c61696e207465, expected OTLP metrics"},
		{ingest.Logs, Auto, "\xde\xad\xbe\xef", "unknown_format: 4 bytes that begin with 0xdeadbeef, expected OTLP logs"},
		{ingest.Logs, Auto, "\x68\x01", "unknown_format: 0x6801"},
		{ingest.Events, Auto, "\x00", "unknown_format: 1 bytes that begin with 0x00, expected JSON or text"},
		{ingest.Logs, Auto, x.logs[:len(x.logs)-1], "truncated: is cut short"},
		{ingest.Logs, OTLPProto, "plain text", "unknown_format: 10 bytes that begin with 0x706c61696e207465, expected OTLP logs as protobuf"},
		{ingest.Logs, OTLPProto, "\x0atext", "truncated: byte 0 of 5 is cut short"},
		{ingest.Logs, Auto, `{"msg":"hel`, "truncated: ends too early"},
		{ingest.Logs, Auto, `{"msg" 1}`, "malformed: expected a colon"},
		{ingest.Logs, Auto, x.logsJSON[:60], "truncated: ends too early"},
		{ingest.Logs, Text, "a\x00", "malformed: printable UTF-8 text"},
		{ingest.Logs, Auto, strings.Repeat("a", 301), "too_large: a message of 301 bytes, expected at most 300 (max_record_bytes)"},
		{ingest.Logs, Auto, strings.Repeat("{}", 5), "too_large: more than 4 records"},
	} {
		d, err := New(c.signal, c.format, Limits{MaxRecordBytes: 300, MaxRecords: 4})
		if err != nil {
			t.Fatal(err)
		}
		b := ingest.Batch{Records: make([]ingest.Record, 1)}
		err = d.Decode([]byte(c.value), &b)
		fault, part, isError := strings.Cut(c.want, ": ")
		switch {
		case err == nil && len(b.Records) == 1:
			if got := string(b.Records[0].AppendText(nil, 100)); got != c.want {
				t.Errorf("%s as %s: %q gives %q, expected %q", c.signal, c.format, c.value, got, c.want)
			}
			if b.Records[0].Signal != c.signal {
				t.Errorf("%s as %s: %q gives a record of %s", c.signal, c.format, c.value, b.Records[0].Signal)
			}
		case err == nil:
			t.Errorf("%s as %s: %q gives %d records, expected %s", c.signal, c.format, c.value, len(b.Records), c.want)
		case !isError || ingest.FaultOf(err).String() != fault || !strings.Contains(err.Error(), part):
			t.Errorf("%s as %s: %q gives %s: %v, expected %s", c.signal, c.format, c.value, ingest.FaultOf(err), err, c.want)
		case len(b.Records) != 0:
			t.Errorf("%s as %s: %q leaves %d records", c.signal, c.format, c.value, len(b.Records))
		}
	}
}

// TestNothing is about tombstones and exports of nothing.
func TestNothing(t *testing.T) {
	for _, c := range []struct {
		signal ingest.Signal
		format Format
		value  string
	}{
		{ingest.Logs, Auto, ""},
		{ingest.Logs, OTLPProto, ""},
		{ingest.Metrics, OTLPJSON, ""},
		{ingest.Events, JSON, ""},
		{ingest.Logs, Auto, "\x0a\x00"},
		{ingest.Logs, OTLPJSON, " {\n} "},
		{ingest.Logs, Auto, `{"resourceLogs":[]}`},
		{ingest.Events, Auto, "[]"},
		{ingest.Events, Auto, " \n"},
	} {
		d, err := New(c.signal, c.format, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		b := ingest.Batch{Records: make([]ingest.Record, 1)}
		if err := d.Decode([]byte(c.value), &b); err != nil || len(b.Records) != 0 {
			t.Errorf("%s as %s: %q gives %v and %d records, expected none", c.signal, c.format, c.value, err, len(b.Records))
		}
	}
}

func TestWhatATopicCannotBe(t *testing.T) {
	for _, c := range []struct {
		signal ingest.Signal
		format Format
		want   string
	}{
		{ingest.Events, OTLPProto, "format otlp_proto has no events, expected json, text or auto"},
		{ingest.Metrics, JSON, "format json has no metrics, expected otlp_proto, otlp_json or auto"},
		{ingest.SpanEvents, Auto, "they come with the spans"},
		{ingest.Unknown, Auto, "needs a signal"},
		{ingest.Logs, "avro", `unknown format "avro"`},
	} {
		if _, err := New(c.signal, c.format, Limits{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %s: %v, expected %q", c.signal, c.format, err, c.want)
		}
	}
	if f, err := Parse(""); f != Auto || err != nil {
		t.Errorf("the default is %q, %v", f, err)
	}
	if _, err := Parse("protobuf"); err == nil || !strings.Contains(err.Error(), "otlp_proto") {
		t.Errorf("protobuf: %v", err)
	}
}

// TestAutoTakesTurns decodes one format after the other into one batch, as a topic with several producers gives them.
func TestAutoTakesTurns(t *testing.T) {
	x := export(t)
	d, err := New(ingest.Logs, Auto, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var b ingest.Batch
	var texts []string
	for range 3 {
		for _, value := range []string{x.logs, `{"msg":"a\u0062","n":[1]}`, "text", x.logsJSON} {
			if err := d.Decode([]byte(value), &b); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(b.Records[0].Clone().AppendText(nil, 20)))
		}
	}
	if got := strings.Join(texts, " "); got != strings.TrimSpace(strings.Repeat("declined ab text declined ", 3)) {
		t.Errorf("got %s", got)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	x := export(t)
	d, err := New(ingest.Logs, Auto, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var b ingest.Batch
	messages := [][]byte{[]byte(x.logs), []byte(`{"msg":"hello","at":{"resource":1}}`), []byte("INFO ready")}
	if allocs := testing.AllocsPerRun(20, func() {
		for _, value := range messages {
			if d.Decode(value, &b) != nil || len(b.Records) != 1 {
				t.Fatal("rejected")
			}
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, expected none", allocs)
	}
}

// FuzzAuto asserts of any message: an error is a DecodeError that quotes no more than a few bytes, and leaves no record.
func FuzzAuto(f *testing.F) {
	for _, s := range []string{"\x0a\x00", `{"resourceLogs":[]}`, `{"a":1}`, "ERROR text", "\xde\xad"} {
		f.Add([]byte(s))
	}
	var decoders []ingest.Decoder
	for _, s := range []ingest.Signal{ingest.Logs, ingest.Metrics, ingest.Spans, ingest.Events} {
		d, err := New(s, Auto, Limits{})
		if err != nil {
			f.Fatal(err)
		}
		decoders = append(decoders, d)
	}
	var b ingest.Batch
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, d := range decoders {
			err := d.Decode(value, &b)
			if err != nil && (len(err.Error()) > 250 || len(b.Records) > 0) {
				t.Fatalf("%d records, %v", len(b.Records), err)
			}
			for i := range b.Records {
				if text := b.Records[i].AppendText(nil, 60); len(text) > 60 {
					t.Fatalf("a text of %d bytes", len(text))
				}
				b.Records[i].Clone()
			}
		}
	})
}
