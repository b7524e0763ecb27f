package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// market is a Kafka with records of all signals, and the command that shows them.
type market struct {
	t      *testing.T
	client *kafka.Client
	config string
}

// noon is the time of the first record of each topic; each further one is a second later.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 123e6, time.UTC)

func newMarket(t *testing.T) *market {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	m := &market{t: t, config: filepath.Join(t.TempDir(), "freshet.yaml")}
	text := "kafka: {brokers: [" + b.Addr() + "]}\ningest: {topics: [{name: orders, signal: events}, {name: nginx, signal: logs, format: text}]}\n"
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.client, err = kafka.New(kafka.Config{Brokers: []string{b.Addr()}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.client.Close() })
	_, err = m.client.CreateTopics(t.Context(), []kafka.TopicSpec{
		{Name: "otlp_logs", Partitions: 1}, {Name: "otlp_spans", Partitions: 1}, {Name: "otlp_metrics", Partitions: 1},
		{Name: "orders", Partitions: 3}, {Name: "nginx", Partitions: 1}, {Name: "elsewhere", Partitions: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// put writes Kafka records, which take turns on the partitions, each a second after the one before.
func (m *market) put(topic string, partitions int, values ...string) {
	m.t.Helper()
	for i, v := range values {
		msg := kafka.Message{Topic: topic, Partition: int32(i % partitions), Value: []byte(v), Time: noon.Add(time.Duration(i) * time.Second)}
		if err := m.client.Produce(m.t.Context(), msg); err != nil {
			m.t.Fatal(err)
		}
	}
}

// open fills the topics.
func (m *market) open() {
	m.t.Helper()
	m.put("otlp_logs", 1, logMessage(m.t, "payment", noon), "\x00\x01\x1b[2J", logMessage(m.t, "cart", noon.Add(2*time.Second)))
	m.put("otlp_spans", 1, spanMessage(m.t))
	m.put("otlp_metrics", 1, metricMessage(m.t))
	var orders []string
	for i := range 7 {
		orders = append(orders, fmt.Sprintf(`{"user": "u%d", "total": %d, "msg": "order %d", "tags": ["a b",
			"c"]}`, i%2, 10*i, i))
	}
	m.put("orders", 3, append(orders, `{"user": `)...)
	m.put("nginx", 1, "GET / HTTP/1.1")
	m.put("elsewhere", 1, `{"number": 1}`)
}

func logMessage(t *testing.T, service string, at time.Time) string {
	t.Helper()
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	resource.Resource().Attributes().PutStr("host.name", "node-1")
	scope := resource.ScopeLogs().AppendEmpty()
	scope.Scope().SetName("shop")
	bad := scope.LogRecords().AppendEmpty()
	bad.SetTimestamp(pcommon.NewTimestampFromTime(at))
	bad.SetSeverityNumber(plog.SeverityNumberError)
	bad.SetSeverityText("ERROR")
	bad.SetTraceID([16]byte{1, 2, 3})
	bad.Body().SetStr("card declined")
	bad.Attributes().PutStr("http.route", "/pay now")
	bad.Attributes().PutInt("http.response.status_code", 502)
	good := scope.LogRecords().AppendEmpty()
	good.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Second)))
	good.SetSeverityNumber(plog.SeverityNumberInfo2)
	good.Body().SetStr("\x1b[31mpaid\x1b[0m\nat\u202e \u009bonce")
	return marshalled(t)(new(plog.ProtoMarshaler).MarshalLogs(logs))
}

func spanMessage(t *testing.T) string {
	t.Helper()
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "cart")
	span := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetName("GET /cart")
	span.SetKind(ptrace.SpanKindServer)
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(noon.Add(-1500 * time.Millisecond)))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(noon))
	span.Status().SetCode(ptrace.StatusCodeError)
	span.Status().SetMessage("too late")
	event := span.Events().AppendEmpty()
	event.SetName("exception")
	event.SetTimestamp(pcommon.NewTimestampFromTime(noon))
	event.Attributes().PutStr("exception.message", "boom")
	return marshalled(t)(new(ptrace.ProtoMarshaler).MarshalTraces(traces))
}

func metricMessage(t *testing.T) string {
	t.Helper()
	metrics := pmetric.NewMetrics()
	resource := metrics.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "host")
	list := resource.ScopeMetrics().AppendEmpty().Metrics()
	gauge := list.AppendEmpty()
	gauge.SetName("queue.size")
	gauge.SetUnit("{job}")
	point := gauge.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetIntValue(17)
	point.SetTimestamp(pcommon.NewTimestampFromTime(noon))
	point.Attributes().PutStr("queue", "mail")
	histogram := list.AppendEmpty()
	histogram.SetName("latency")
	histogram.SetUnit("s")
	h := histogram.SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	hp := h.DataPoints().AppendEmpty()
	hp.SetTimestamp(pcommon.NewTimestampFromTime(noon))
	hp.SetCount(3)
	hp.SetSum(1.5)
	hp.ExplicitBounds().FromRaw([]float64{1})
	hp.BucketCounts().FromRaw([]uint64{2, 1})
	return marshalled(t)(new(pmetric.ProtoMarshaler).MarshalMetrics(metrics))
}

func marshalled(t *testing.T) func([]byte, error) string {
	return func(b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// page is what a command prints, read while it runs.
type page struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// run runs freshet tail and returns what it prints on standard output and standard error.
func (m *market) run(args ...string) (out, errOut string, err error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	var o, e page
	err = m.tail(ctx, &o, &e, args...)
	if ctx.Err() != nil {
		m.t.Fatalf("%q did not end: %s%s", args, o.String(), e.String())
	}
	return o.String(), e.String(), err
}

func (m *market) tail(ctx context.Context, out, errOut *page, args ...string) error {
	root := rootCommand()
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetArgs(append([]string{"tail", "--config", m.config}, args...))
	return root.ExecuteContext(ctx)
}

// must is run to the end of a topic for what has to succeed.
func (m *market) must(args ...string) (out, errOut string) {
	m.t.Helper()
	out, errOut, err := m.run(append(args, "--follow=false")...)
	if err != nil {
		m.t.Fatalf("%q: %v\n%s%s", args, err, out, errOut)
	}
	return out, errOut
}

// at is how a line begins with a time so long after noon.
func at(seconds int) string {
	return noon.Add(time.Duration(seconds) * time.Second).Local().Format("2006-01-02 15:04:05.000")
}

func expectText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("printed\n%q\nwant\n%q", got, want)
	}
}

func TestTailLines(t *testing.T) {
	m := newMarket(t)
	m.open()
	out, errOut := m.must("otlp_logs")
	const trace = " trace_id=01020300000000000000000000000000 host.name=node-1\n"
	expectText(t, out, ""+
		at(0)+`  payment  ERROR  card declined  http.route="/pay now" http.response.status_code=502`+trace+
		at(1)+"  payment  INFO2  �[31mpaid�[0m at� �once  host.name=node-1\n"+
		at(1)+"  undecodable  otlp_logs/0@1  unknown_format: decoding auto: 6 bytes that begin with 0x00011b5b324a, expected OTLP logs as protobuf or JSON, flat JSON or text\n"+
		at(2)+`  cart     ERROR  card declined  http.route="/pay now" http.response.status_code=502`+trace+
		at(3)+"  cart     INFO2  �[31mpaid�[0m at� �once  host.name=node-1\n")
	expectText(t, errOut, "4 records read, 4 matched, 1 Kafka record could not be decoded\n")

	out, errOut = m.must("otlp_spans")
	expectText(t, out, at(0)+"  cart  GET /cart 1.5s ERROR too late  kind=SERVER\n"+at(0)+"  cart  exception: boom  exception.message=boom\n")
	expectText(t, errOut, "2 records read, 2 matched, 0 Kafka records could not be decoded\n")
	// Expressions are about one signal.
	out, errOut = m.must("otlp_spans", "--where", "duration > 1")
	expectText(t, out, at(0)+"  cart  GET /cart 1.5s ERROR too late  kind=SERVER\n")
	expectText(t, errOut, "1 record read, 1 matched, 0 Kafka records could not be decoded\n")
	out, _ = m.must("otlp_spans", "--signal", "span_events", "--where", `exception.message == "boom"`)
	expectText(t, out, at(0)+"  cart  exception: boom  exception.message=boom\n")

	out, _ = m.must("otlp_metrics")
	expectText(t, out, at(0)+"  host  queue.size 17 {job}  queue=mail\n"+at(0)+"  host  latency count=3 sum=1.5 s\n")

	// The partitions of a topic come in the order of time. What has no service or level has no column for it.
	out, errOut = m.must("orders", "--where", "total >= 20", "--limit", "3")
	var want strings.Builder
	for i := 2; i < 5; i++ {
		fmt.Fprintf(&want, "%s  order %d  user=u%d total=%d tags=[\"a b\",    \"c\"]\n", at(i), i, i%2, 10*i)
	}
	expectText(t, out, want.String())
	expectText(t, errOut, "5 records read, 3 matched, 0 Kafka records could not be decoded\n")

	out, _ = m.must("otlp_logs", "--where", "severity >= ERROR", "--color", "always", "--limit", "1")
	for _, coloured := range []string{faint + at(0) + reset, bold + "payment" + reset, red + "ERROR" + reset} {
		if !strings.Contains(out, coloured) {
			t.Errorf("colours: %q lacks %q", out, coloured)
		}
	}
}

func TestTailSource(t *testing.T) {
	m := newMarket(t)
	m.open()
	for _, test := range []struct{ args, out, note string }{
		{"nginx", "GET / HTTP/1.1", ""},
		{"nginx --signal logs", "GET / HTTP/1.1", ""},
		{"nginx --signal events", "GET / HTTP/1.1", "note: the detector reads topic nginx as logs, not as events"},
		{"elsewhere", "number=1", "note: the detector does not read topic elsewhere yet; it is shown as a rule with from: events"},
		{"elsewhere --signal logs", "number=1", "note: the detector does not read topic elsewhere yet; an entry of ingest.topics with signal: logs"},
		// Its format is text, which no metrics have: it is left aside.
		{"nginx --signal metrics", "undecodable", "note: the detector reads topic nginx as logs, not as metrics"},
	} {
		out, errOut := m.must(strings.Fields(test.args)...)
		if !strings.Contains(out, test.out) || !strings.HasPrefix(errOut, test.note) || (test.note == "") != !strings.Contains(errOut, "note:") {
			t.Errorf("%s: %q, %q; want %q, %q", test.args, out, errOut, test.out, test.note)
		}
	}
	// A rule names the topic, so the detector reads it.
	dir := filepath.Dir(m.config)
	rule := "groups: [{name: a, rules: [{alert: A, from: events, topic: elsewhere, when: count() > 1}]}]\n"
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.config)
	if err == nil {
		err = os.WriteFile(m.config, fmt.Appendf(text, "rules: {files: [%s]}\n", filepath.Join(dir, "rules.yaml")), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, errOut := m.must("elsewhere"); strings.Contains(errOut, "note:") {
		t.Errorf("a topic that a rule names: %q", errOut)
	}
}

func TestTailJSON(t *testing.T) {
	m := newMarket(t)
	m.open()
	out, _ := m.must("otlp_logs", "--json")
	if strings.ContainsAny(out, "\x1b\u009b\u202e\u007f") {
		t.Errorf("the terminal is steered by %q", out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines, want 5:\n%s", len(lines), out)
	}
	expectText(t, lines[0], `{"signal":"logs","time":"2026-05-01T12:00:00.123Z",`+
		`"resource":{"attributes":{"service.name":"payment","host.name":"node-1"}},"scope":{"name":"shop","attributes":{}},`+
		`"attributes":{"http.route":"/pay now","http.response.status_code":502},`+
		`"severity":17,"severity_text":"ERROR","body":"card declined","trace_id":"01020300000000000000000000000000",`+
		`"origin":{"topic":"otlp_logs","partition":0,"offset":0,"index":0,"timestamp":"2026-05-01T12:00:00.123Z"}}`)
	var second struct {
		Body   string
		Origin struct{ Offset, Index int }
	}
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil {
		t.Fatal(err)
	}
	if second.Body != "\x1b[31mpaid\x1b[0m\nat\u202e \u009bonce" || second.Origin.Index != 1 {
		t.Errorf("second record %+v", second)
	}
	expectText(t, lines[2], `{"fault":"unknown_format","error":"decoding auto: 6 bytes that begin with 0x00011b5b324a, expected OTLP logs as protobuf or JSON, flat JSON or text",`+
		`"origin":{"topic":"otlp_logs","partition":0,"offset":1,"timestamp":"2026-05-01T12:00:01.123Z"}}`)

	out, _ = m.must("otlp_spans", "--json", "--where", "true")
	expectText(t, out, `{"signal":"spans","time":"2026-05-01T12:00:00.123Z","resource":{"attributes":{"service.name":"cart"}},"scope":{"attributes":{}},"attributes":{},`+
		`"name":"GET /cart","kind":"SERVER","status":"ERROR","status_message":"too late","duration":1.5,`+
		`"origin":{"topic":"otlp_spans","partition":0,"offset":0,"index":0,"timestamp":"2026-05-01T12:00:00.123Z"}}`+"\n")

	out, _ = m.must("otlp_metrics", "--json")
	for _, part := range []string{
		`"attributes":{"queue":"mail"},"metric":{"name":"queue.size","unit":"{job}","type":"gauge"},"value":17,"origin":`,
		`"metric":{"name":"latency","unit":"s","type":"histogram","temporality":"cumulative"},"count":3,"sum":1.5,"bounds":[1],"buckets":[2,1],"origin":`,
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%s lacks %s", out, part)
		}
	}
	out, _ = m.must("orders", "--json", "--limit", "1")
	if !strings.Contains(out, `"attributes":{"user":"u0","total":0,"msg":"order 0","tags":["a b","c"]},"body":"order 0","origin":`) {
		t.Error(out)
	}
}

func TestTailGroups(t *testing.T) {
	m := newMarket(t)
	m.open()
	out, errOut := m.must("orders", "--by", `user, total >= 30 ? "much, much" : "little"`)
	expectLines(t, out, `
		COUNT SHARE PER SECOND user total >= 30 ? "much, much" : "little"
		2 28.6 % 0.286 u0 little
		2 28.6 % 0.286 u0 "much, much"
		2 28.6 % 0.286 u1 "much, much"
		1 14.3 % 0.143 u1 little`)
	expectText(t, errOut, "7 records read, 7 matched, 1 Kafka record could not be decoded\n")
	out, _ = m.must("otlp_logs", "--where", "severity >= ERROR", "--by", `severity_text,attributes["nothing"]`)
	expectLines(t, out, `
		COUNT SHARE PER SECOND severity_text attributes["nothing"]
		2 records in no group, for want of a value`)
	out, _ = m.must("orders", "--by", "user", "--where", "total < 30", "--json")
	expectText(t, out, `{"read":7,"matched":3,"undecodable":1,"ungrouped":0,"overflow":0,"seconds":7,"groups":[`+
		`{"by":{"user":"u0"},"count":2,"share":0.6666666666666666,"per_second":0.2857142857142857},`+
		`{"by":{"user":"u1"},"count":1,"share":0.3333333333333333,"per_second":0.14285714285714285}]}`+"\n")
}

func TestTailRefuses(t *testing.T) {
	m := newMarket(t)
	for _, test := range []struct {
		args []string
		hint string
	}{
		{[]string{}, "expected one topic, found 0 arguments"},
		{[]string{"a", "b"}, "expected one topic, found 2 arguments"},
		{[]string{"ordres"}, `topic "ordres" does not exist; did you mean orders?`},
		{[]string{"xyz"}, `topic "xyz" does not exist; there are elsewhere, nginx, orders, otlp_logs, otlp_metrics, otlp_spans`},
		{[]string{"orders", "--from", "yesterday"}, "--from: expected oldest, newest"},
		{[]string{"orders", "--limit", "-1"}, "--limit: expected"},
		{[]string{"orders", "--color", "red"}, "--color: expected auto, always or never"},
		{[]string{"orders", "--signal", "log"}, "--signal: unknown signal"},
	} {
		if _, _, err := m.run(test.args...); err == nil || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%q: %v, want %s", test.args, err, test.hint)
		}
	}
	out, errOut, err := m.run("otlp_logs", "--where", "body.contains(\"ü\") &&\n severty >= ERROR", "--by", "service.name, lower(body")
	if !errors.Is(err, statusError(1)) || out != "" {
		t.Errorf("%v, %q", err, out)
	}
	for _, part := range []string{
		"--where:2:2: error: logs have no field `severty`\n    2 |  severty >= ERROR\n      |  ^~~~~~~\n      = did you mean severity?",
		"--by:1:", "error: ", "    1 | service.name, lower(body\n",
	} {
		if !strings.Contains(errOut, part) {
			t.Errorf("faults\n%s\nlack\n%s", errOut, part)
		}
	}
}

// Followed, a topic shows what arrives, and an interrupt ends it with a summary.
func TestTailFollows(t *testing.T) {
	m := newMarket(t)
	m.open()
	for _, test := range []struct {
		args string
		old  bool // whether old records come first
	}{{"orders --from 1 --where total>=0", true}, {"orders", false}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out, errOut page
		done := make(chan error, 1)
		go func() { done <- m.tail(ctx, &out, &errOut, strings.Fields(test.args)...) }()
		// What is written before it has begun is not seen.
		for !strings.Contains(out.String(), "  new  total=1\n") {
			if ctx.Err() != nil {
				t.Fatalf("%s: nothing came: %s%s", test.args, out.String(), errOut.String())
			}
			m.put("orders", 1, `{"total": 1, "msg": "new"}`)
			time.Sleep(20 * time.Millisecond)
		}
		if old := strings.Contains(out.String(), "  order 5  "); old != test.old {
			t.Errorf("%s: old records shown: %v, want %v:\n%s", test.args, old, test.old, out.String())
		}
		cancel()
		if err := <-done; err != nil || !strings.Contains(errOut.String(), " could not be decoded\n") {
			t.Errorf("%s: %v, %q", test.args, err, errOut.String())
		}
	}
	// A limit ends it without an interrupt.
	out, errOut, err := m.run("orders", "--from", "oldest", "--limit", "2")
	if err != nil || strings.Count(out, "  order ") != 2 || !strings.Contains(errOut, " 2 matched") {
		t.Errorf("%v, %q, %q", err, out, errOut)
	}
	out, _, err = m.run("orders", "--from", "oldest", "--by", "user", "--where", "has(user)", "--limit", "7", "--json")
	if err != nil || !strings.Contains(out, `{"by":{"user":"u0"},"count":4,`) {
		t.Errorf("%v, %q", err, out)
	}
}
