package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/valyala/fastjson"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest/agent/tail"
)

func TestParseLine(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	stamp := at("2026-01-02T03:04:05.678Z")
	for _, c := range []struct {
		line, body, level string
		severity          int32
		time              time.Time
		trace, span       string
		attributes        map[string]any
	}{
		{line: "all is well", body: "all is well"},
		{line: "2026-01-02T03:04:05.678Z ERROR payment declined", level: "ERROR", severity: 17, time: stamp},
		{line: "[2026-01-02T04:04:05.678+01:00] [warn] slow", level: "warn", severity: 13, time: stamp},
		{line: "2026-01-02 03:04:05 ERROR no zone, no time", level: "ERROR", severity: 17},
		{line: "2026-13-02T03:04:05Z INFO no such month", level: "INFO", severity: 9},
		{line: `time=2026-01-02T03:04:05Z level=warning msg="disk is nearly full"`, level: "warning", severity: 13},
		{line: `lvl="crit" boom`, level: "crit", severity: 18},
		{line: "error: cannot open file", level: "error", severity: 17},
		{line: "W0102 03:04:05.000000       1 main.go:5] slow", level: "W", severity: 13},
		{line: "Exit 5 of the motorway", body: "Exit 5 of the motorway"},
		{line: "the info desk had an error today", body: "the info desk had an error today"},
		{line: "A is for apple, I for island", body: "A is for apple, I for island"},
		{line: "<FATAL> bad", level: "FATAL", severity: 21},
		{line: "a\xffb ERROR", body: "a\uFFFDb ERROR", level: "ERROR", severity: 17},
		{
			line: `{"time":"2026-01-02T03:04:05.678Z","level":"error","message":"no","order":{"id":"o1","items":[1,"x",{"y":null}]},"ok":false,"n":1.5,"i":7,"gone":null}`,
			body: "no", level: "error", severity: 17, time: stamp,
			attributes: map[string]any{"time": "2026-01-02T03:04:05.678Z", "level": "error", "message": "no", "order.id": "o1",
				"order.items": []any{int64(1), "x", map[string]any{"y": nil}}, "ok": false, "n": 1.5, "i": int64(7)},
		},
		{line: `{"ts":1767323045.678,"msg":"seconds"}`, body: "seconds", time: stamp, attributes: map[string]any{"ts": 1767323045.678, "msg": "seconds"}},
		{line: `{"timestamp":1767323045678,"msg":"ms"}`, body: "ms", time: stamp, attributes: map[string]any{"timestamp": int64(1767323045678), "msg": "ms"}},
		{line: `{"@timestamp":1767323045678000,"msg":"us"}`, body: "us", time: stamp, attributes: map[string]any{"@timestamp": int64(1767323045678000), "msg": "us"}},
		{line: `{"time":1767323045678000000,"msg":"ns"}`, body: "ns", time: stamp, attributes: map[string]any{"time": int64(1767323045678000000), "msg": "ns"}},
		{line: `{"time":"yesterday","number":1}`, body: `{"time":"yesterday","number":1}`, attributes: map[string]any{"time": "yesterday", "number": int64(1)}},
		{
			line: `{"trace_id":"5b8efff7-9803-8103-d269-b633813fc60c","span_id":"eee19b7ec3c1b174","msg":"x"}`, body: "x",
			trace: "5b8efff798038103d269b633813fc60c", span: "eee19b7ec3c1b174",
			attributes: map[string]any{"trace_id": "5b8efff7-9803-8103-d269-b633813fc60c", "span_id": "eee19b7ec3c1b174", "msg": "x"},
		},
		{line: `{"broken": `, body: `{"broken": `},
		{line: `{"trace_id":"short","span_id":"zz19b7ec3c1b174z"}`, attributes: map[string]any{"trace_id": "short", "span_id": "zz19b7ec3c1b174z"}},
	} {
		r := plog.NewLogRecord()
		var parser fastjson.Parser
		parseLine([]byte(c.line), &parser, r)
		if c.body == "" {
			c.body = c.line
		}
		if r.Body().Str() != c.body || r.SeverityText() != c.level || int32(r.SeverityNumber()) != c.severity {
			t.Errorf("%q: body %q, level %q (%d)", c.line, r.Body().Str(), r.SeverityText(), r.SeverityNumber())
		}
		if got := r.Timestamp(); (got == 0) != c.time.IsZero() || got != 0 && !got.AsTime().Equal(c.time) {
			t.Errorf("%q: time %s, want %s", c.line, got.AsTime(), c.time)
		}
		if r.TraceID().String() != c.trace || r.SpanID().String() != c.span {
			t.Errorf("%q: trace %s, span %s", c.line, r.TraceID(), r.SpanID())
		}
		if got, want := fmt.Sprint(r.Attributes().AsRaw()), fmt.Sprint(c.attributes); got != want {
			t.Errorf("%q: attributes %s, want %s", c.line, got, want)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"time":1,"level":"x","a":{"b":[1,{"c":2}]}}`))
	f.Add([]byte("2026-01-02T03:04:05Z [error] \xff level="))
	f.Fuzz(func(t *testing.T, line []byte) {
		ld := plog.NewLogs()
		var parser fastjson.Parser
		parseLine(line, &parser, ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
		b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b); err != nil {
			t.Fatal(err)
		}
		if room := 4*len(line) + 1000; len(b) > room {
			t.Errorf("a line of %d bytes became %d", len(line), len(b))
		}
	})
}

// TestFiles is the whole way from lines to the topic, over an outage, a rotation and a restart of the agent.
func TestFiles(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "app.log")
	configure := func(c *Config) {
		c.DataDir = data
		c.OTLP = OTLPConfig{}
		c.Limits.PollInterval = 20 * time.Millisecond
		c.Files = []FileConfig{{Include: []string{filepath.Join(dir, "*.log")}, StartAt: tail.Beginning, ServiceName: "app",
			ResourceAttributes: map[string]string{"deployment.environment.name": "prod"}}}
	}
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	bodies := func(a *running) (out []string) {
		for _, r := range a.kafka.records(t) {
			out = append(out, r.Body().Str())
		}
		return out
	}

	a := runAgent(t, configure)
	a.kafka.set(func(k *fakeKafka) { k.failures = 2 })
	write("2026-01-02T03:04:05Z ERROR one\ntwo\n")
	eventually(t, "the first lines", func() bool { return len(bodies(a)) == 2 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("three\n")
	eventually(t, "the line after the rotation", func() bool { return len(bodies(a)) == 3 })
	if got, want := bodies(a), []string{"2026-01-02T03:04:05Z ERROR one", "two", "three"}; !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q", got, want)
	}
	rl := a.kafka.logs(t)[0]
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(rl.Resource().Attributes().AsRaw()), fmt.Sprint(map[string]any{
		"service.name": "app", "host.name": host, "deployment.environment.name": "prod"}); got != want {
		t.Errorf("the resource is %s, want %s", got, want)
	}
	r := rl.ScopeLogs().At(0).LogRecords().At(0)
	if got := r.Attributes().AsRaw(); got["log.file.path"] != path || got["log.file.name"] != "app.log" || r.SeverityNumber() != plog.SeverityNumberError ||
		r.ObservedTimestamp() == 0 || r.Timestamp().AsTime().Year() != 2026 {
		t.Errorf("the record has %v, severity %d, times %s and %s", got, r.SeverityNumber(), r.Timestamp(), r.ObservedTimestamp())
	}
	a.stop()

	write("four\n")
	b := runAgent(t, configure)
	eventually(t, "the line written while no agent ran", func() bool { return len(bodies(b)) > 0 })
	b.stop()
	if got := bodies(b); !slices.Equal(got, []string{"four"}) {
		t.Errorf("after the restart %q, want four only", got)
	}
}
