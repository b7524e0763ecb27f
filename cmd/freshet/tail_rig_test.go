package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
