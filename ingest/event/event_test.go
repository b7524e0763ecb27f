package event

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

func decodeJSON(t *testing.T, value string) []ingest.Record {
	t.Helper()
	var b ingest.Batch
	if err := (&JSON{Signal: ingest.Logs}).Decode([]byte(value), &b); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return b.Records
}

// summary writes what was recognised, leaving out what was not.
func summary(r ingest.Record) string {
	var b strings.Builder
	if r.Time != 0 {
		b.WriteString(time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano))
	}
	if r.Severity != 0 {
		fmt.Fprintf(&b, " severity=%d", r.Severity)
	}
	for _, f := range [][2]string{
		{"level", r.SeverityText}, {"name", r.Name}, {"trace", r.TraceID}, {"span", r.SpanID}, {"parent", r.ParentSpanID},
		{"body", r.Body.Text()},
	} {
		if f[1] != "" {
			fmt.Fprintf(&b, " %s=%s", f[0], f[1])
		}
	}
	return strings.TrimSpace(b.String())
}

// TestProducers holds messages as their producers write them.
func TestProducers(t *testing.T) {
	for _, c := range []struct {
		name, value, want string
		attributes        map[string]string
	}{
		{
			"kafka-python", `{"number": 17, "timestamp": 1780000000.1234567}`,
			"2026-05-28T20:26:40.1234567Z", map[string]string{"number": "17", "timestamp": "1780000000.1234567"},
		},
		{
			"kafka-python, isoformat and NaN", `{"value": NaN, "time": "2026-08-01T12:00:00.000123", "ok": true}`,
			"2026-08-01T12:00:00.000123Z", map[string]string{"value": "NaN", "ok": "true"},
		},
		{
			"Fluent Bit, Kubernetes",
			`{"@timestamp":1780000000.5,"time":"2026-05-28T20:26:41.25Z","stream":"stderr","_p":"F","log":"ERROR no card",` +
				`"kubernetes":{"pod_name":"pay-1","labels":{"app.kubernetes.io/name":"pay"},"container_name":"pay"}}`,
			"2026-05-28T20:26:41.25Z body=ERROR no card",
			map[string]string{"kubernetes.pod_name": "pay-1", "kubernetes.labels.app.kubernetes.io/name": "pay", "log": "ERROR no card"},
		},
		{
			"Vector", `{"file":"/var/log/app.log","host":"a","message":"started","source_type":"file","timestamp":"2026-08-01T12:00:00.123456789Z"}`,
			"2026-08-01T12:00:00.123456789Z body=started", map[string]string{"source_type": "file"},
		},
		{
			"Filebeat",
			`{"@timestamp":"2026-08-01T12:00:00.123Z","@metadata":{"beat":"filebeat","type":"_doc"},"message":"denied",` +
				`"log":{"offset":12,"file":{"path":"/a.log"},"level":"warning"},"ecs":{"version":"8.0.0"},"event":{"dataset":"app.log"},` +
				`"trace":{"id":"0AF7651916CD43DD8448EB211C80319C"},"tags":["a","b"]}`,
			"2026-08-01T12:00:00.123Z severity=13 level=warning trace=0af7651916cd43dd8448eb211c80319c body=denied",
			map[string]string{"log.offset": "12", "log.file.path": "/a.log", "tags": `["a","b"]`, "event.dataset": "app.log"},
		},
		{
			"Telegraf", `{"fields":{"usage_idle":91.5},"name":"cpu","tags":{"host":"a"},"timestamp":1780000000}`,
			"2026-05-28T20:26:40Z", map[string]string{"fields.usage_idle": "91.5", "tags.host": "a", "name": "cpu"},
		},
		{
			"Debezium",
			`{"payload":{"before":null,"after":{"id":7,"total":12.5},"source":{"db":"shop","ts_ms":1780000000000},"op":"c","ts_ms":1780000000321}}`,
			"2026-05-28T20:26:40Z", map[string]string{"payload.after.total": "12.5", "payload.op": "c", "payload.before": ""},
		},
		{
			"pino", `{"level":50,"time":1780000000123,"pid":1,"hostname":"a","msg":"boom"}`,
			"2026-05-28T20:26:40.123Z severity=17 body=boom", map[string]string{"level": "50"},
		},
		{
			"zap", `{"level":"info","ts":1780000000.25,"caller":"a.go:1","msg":"ready"}`,
			"2026-05-28T20:26:40.25Z severity=9 level=info body=ready", nil,
		},
		{
			"slog", `{"time":"2026-08-01T14:00:00.5+02:00","level":"WARN","msg":"slow","took":1500000000}`,
			"2026-08-01T12:00:00.5Z severity=13 level=WARN body=slow", map[string]string{"took": "1500000000"},
		},
		{
			"structlog", `{"event":"user login","level":"critical","timestamp":"2026-08-01T12:00:00Z","user":"ann"}`,
			"2026-08-01T12:00:00Z severity=18 level=critical body=user login", nil,
		},
		{
			"Python logging", `{"asctime":"2026-08-01 12:00:00,123","levelname":"ERROR","levelno":40,"message":"x",` +
				`"otelTraceID":"0","otelSpanID":"00f067aa0ba902b7"}`,
			"2026-08-01T12:00:00.123Z severity=17 level=ERROR span=00f067aa0ba902b7 body=x", nil,
		},
		{
			"Log4j 2", `{"instant":{"epochSecond":1780000000,"nanoOfSecond":7},"level":"FATAL","message":"m","contextMap":{}}`,
			"2026-05-28T20:26:40.000000007Z severity=21 level=FATAL body=m", map[string]string{"contextMap": "{}"},
		},
		{
			"GELF", `{"version":"1.1","host":"a","short_message":"down","timestamp":1780000000.5,"level":3,"_user":"ann"}`,
			"2026-05-28T20:26:40.5Z severity=17 body=down", nil,
		},
		{
			"journald", `{"__REALTIME_TIMESTAMP":"1780000000000001","PRIORITY":"4","MESSAGE":"low disk"}`,
			"2026-05-28T20:26:40.000001Z severity=13 body=low disk", nil,
		},
		{
			"Google Cloud", `{"severity":"NOTICE","textPayload":"hi","timestamp":{"seconds":1780000000,"nanos":5}}`,
			"2026-05-28T20:26:40.000000005Z severity=10 level=NOTICE body=hi", nil,
		},
		{
			"Serilog", `{"@t":"2026-08-01T12:00:00.1Z","@l":"Error","@mt":"{User} failed","@m":"ann failed","User":"ann"}`,
			"2026-08-01T12:00:00.1Z severity=17 level=Error body=ann failed", nil,
		},
		{
			"MongoDB", `{"t":{"$date":"2026-08-01T12:00:00.180+00:00"},"s":"E","c":"NETWORK","id":22943,"msg":"closed"}`,
			"2026-08-01T12:00:00.18Z severity=17 level=E body=closed", nil,
		},
		{
			"OpenTelemetry's names",
			`{"timestamp":"1780000000000000000","severity_number":18,"severity_text":"error","body":"b","traceId":"4bf92f3577b34da6a3ce929d0e0e4736",` +
				`"spanId":"00f067aa0ba902b7","event":{"name":"payment.failed"}}`,
			"2026-05-28T20:26:40Z severity=18 level=error name=payment.failed trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7 body=b", nil,
		},
		{
			"W3C trace context", `{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`,
			"trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7", nil,
		},
		{
			"a business event with words that mean other things",
			`{"level":"gold","date":"2026-08-01","time":12.5,"event":{"type":"sale"},"priority":"high","trace_id":"order-7","status":"error"}`,
			"level=gold", map[string]string{"priority": "high", "status": "error", "event.type": "sale"},
		},
		{"a level and a severity", `{"level":"gold","severity":"ERROR"}`, "severity=17 level=ERROR", nil},
		{"a game's level", `{"level":3}`, "", map[string]string{"level": "3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			records := decodeJSON(t, c.value)
			if len(records) != 1 {
				t.Fatalf("%d records, expected 1", len(records))
			}
			if got := summary(records[0]); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			for key, want := range c.attributes {
				if got := records[0].Lookup(key).Text(); got != want {
					t.Errorf("%s is %q, expected %q", key, got, want)
				}
			}
		})
	}
}

func TestSeveralRecordsInAMessage(t *testing.T) {
	for _, value := range []string{
		`[{"n":1},{"n":2},{"n":3}]`, "{\"n\":1}\n{\"n\":2}\r\n{\"n\":3}\n", `{"n":1}{"n":2} [{"n":3}]`, ` [ { "n" : 1 } , {"n":2}]{"n":3}`,
	} {
		records := decodeJSON(t, value)
		if len(records) != 3 {
			t.Fatalf("%q: %d records, expected 3", value, len(records))
		}
		for i, r := range records {
			if r.Index != i || r.Lookup("n").Int() != int64(i+1) || r.Signal != ingest.Logs || r.Resource == nil || r.Scope == nil {
				t.Errorf("%q: record %d is %+v", value, i, r)
			}
		}
	}
	for _, value := range []string{"", " \n", "[]", "[] []"} {
		if records := decodeJSON(t, value); len(records) != 0 {
			t.Errorf("%q: %d records, expected none", value, len(records))
		}
	}
}

func TestNesting(t *testing.T) {
	deep := func(levels int, open, inner, end string) string {
		return strings.Repeat(open, levels) + inner + strings.Repeat(end, levels)
	}
	r := decodeJSON(t, deep(18, `{"a":`, "1", "}"))[0]
	if got := r.Attributes.Get(strings.Repeat("a.", 16) + "a"); got.Kind != ingest.Map || got.Str != `{"a":1}` {
		t.Errorf("an object 17 levels down is %v", got)
	}
	if got := decodeJSON(t, `{"a":[1, {"b":NaN},"NaN\"",-Infinity]}`)[0].Lookup("a").Str; got != `[1, {"b":"NaN"},"NaN\"","-Infinity"]` {
		t.Errorf("a list with NaN is %s", got)
	}
	var b ingest.Batch
	if err := new(JSON).Decode([]byte(`{"a":`+deep(600, "[", "", "]")+"}"), &b); ingest.FaultOf(err) != ingest.Malformed {
		t.Errorf("600 levels: %v, expected the fault malformed", err)
	}
	// A long key above many fields would be copied for each of them.
	hostile := `{"` + strings.Repeat("k", 1<<20) + `":{` + strings.Repeat(`"a":1,`, 1<<18) + `"a":1}}`
	if err := new(JSON).Decode([]byte(hostile), &b); ingest.FaultOf(err) != ingest.TooLarge || len(b.Records) != 0 {
		t.Errorf("a long key above many fields: %v, expected the fault too_large", err)
	}
}

func TestFaultsOfJSON(t *testing.T) {
	for _, c := range []struct {
		value string
		fault ingest.Fault
		want  string
	}{
		{`{"a":1`, ingest.Truncated, "decoding json: the JSON ends too early, after 6 bytes: expected a comma or }"},
		{`{"a":"x`, ingest.Truncated, "expected the end of a string"},
		{`{"a":tru`, ingest.Truncated, "expected true"},
		{`{"a":-`, ingest.Truncated, "expected a value"},
		{`{"a" 1}`, ingest.Malformed, "decoding json: no valid JSON at byte 5 of 7: expected a colon"},
		{`{"a":01}`, ingest.Malformed, "at byte 5 of 8: expected a value"},
		{`{"a":1,}`, ingest.Malformed, "at byte 7 of 8: expected a key in quotes"},
		{`{'a':1}`, ingest.Malformed, "at byte 1 of 7: expected a key in quotes"},
		{`[1,2]`, ingest.Malformed, "at byte 1 of 5: expected an object"},
		{`{"a":1} x`, ingest.Malformed, "at byte 8 of 9: expected an object"},
		{`"text"`, ingest.Malformed, "expected an object"},
		{`{"a":"\x"}`, ingest.Malformed, "expected an escape"},
		{"{\"a\":\"\n\"}", ingest.Malformed, "expected no control character in a string"},
		{`{}{}{}`, ingest.TooLarge, "more than 2 records in one message"},
	} {
		b := ingest.Batch{Records: make([]ingest.Record, 2)}
		err := (&JSON{Signal: ingest.Events, MaxRecords: 2}).Decode([]byte(c.value), &b)
		if err == nil || ingest.FaultOf(err) != c.fault || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v with the fault %s, expected %s with %q", c.value, err, ingest.FaultOf(err), c.fault, c.want)
		}
		if len(b.Records) != 0 {
			t.Errorf("%s: %d records are left", c.value, len(b.Records))
		}
	}
}

var shopEvent = []byte(`{"timestamp":"2026-08-01T12:00:00.123456Z","level":"ERROR","message":"charging the card failed: upstream timed out",` +
	`"service":{"name":"checkout","version":"1.4.2"},"http":{"method":"POST","route":"/api/v1/orders/{id}","status":502},` +
	`"user_id":"u-004711","cart_total":129.95,"gift":false,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","attempt":3,"tags":["a","b"]}`)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	var b ingest.Batch
	json, text := &JSON{Signal: ingest.Logs}, &Text{Signal: ingest.Logs}
	line := []byte("2026-08-01T12:00:00Z ERROR charging the card failed")
	if allocs := testing.AllocsPerRun(20, func() {
		if json.Decode(shopEvent, &b) != nil || text.Decode(line, &b) != nil {
			t.Fatal("rejected")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, expected none", allocs)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name    string
		decoder ingest.Decoder
		value   []byte
	}{
		{"json", &JSON{Signal: ingest.Events}, shopEvent},
		{"text", &Text{Signal: ingest.Logs}, []byte("2026-08-01T12:00:00.123Z ERROR [main] charging the card failed: upstream timed out")},
	} {
		b.Run(c.name, func(b *testing.B) {
			var batch ingest.Batch
			b.ReportAllocs()
			b.SetBytes(int64(len(c.value)))
			for b.Loop() {
				if err := c.decoder.Decode(c.value, &batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/record")
		})
	}
}
