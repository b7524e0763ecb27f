package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest/kafka"
)

// fakeKafka is a Producer that keeps what it is given, and can be away or slow.
type fakeKafka struct {
	mu    sync.Mutex
	msgs  []kafka.Message
	calls int
	// failures is how many of the next calls fail, below 0 for all; half has such a call write half of its messages.
	failures int
	half     bool
	// hold, when not nil, keeps calls waiting until it is closed; each call that waits is told to holding.
	hold    chan struct{}
	holding chan struct{}
}

// Produce implements Producer.
func (k *fakeKafka) Produce(ctx context.Context, msgs ...kafka.Message) error {
	k.mu.Lock()
	hold, holding := k.hold, k.holding
	k.mu.Unlock()
	if hold != nil {
		holding <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.failures != 0 {
		k.failures--
		if k.half {
			k.msgs = append(k.msgs, msgs[:len(msgs)/2]...)
		}
		return errors.New("dial tcp 127.0.0.1:9092: connect: connection refused")
	}
	k.msgs = append(k.msgs, msgs...)
	return nil
}

func (k *fakeKafka) set(change func(*fakeKafka)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

func (k *fakeKafka) of(topic string) (out []kafka.Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.msgs {
		if m.Topic == topic {
			out = append(out, m)
		}
	}
	return out
}

func (k *fakeKafka) logs(t *testing.T) []plog.ResourceLogs {
	t.Helper()
	var out []plog.ResourceLogs
	for _, m := range k.of("otlp_logs") {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, rl := range ld.ResourceLogs().All() {
			out = append(out, rl)
		}
	}
	return out
}

// records returns the log records of a topic in their order.
func (k *fakeKafka) records(t *testing.T) (out []plog.LogRecord) {
	t.Helper()
	for _, rl := range k.logs(t) {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				out = append(out, r)
			}
		}
	}
	return out
}

func (k *fakeKafka) spans(t *testing.T) (out []ptrace.Span) {
	t.Helper()
	for _, m := range k.of("otlp_spans") {
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

func (k *fakeKafka) metrics(t *testing.T) (out []pmetric.Metric) {
	t.Helper()
	for _, m := range k.of("otlp_metrics") {
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, x := range sm.Metrics().All() {
					out = append(out, x)
				}
			}
		}
	}
	return out
}

// running is an agent that runs in a test.
type running struct {
	*Agent
	kafka *fakeKafka
	stop  func() // ends it and waits
}

// runAgent runs an agent on free ports until the test ends.
func runAgent(t *testing.T, change func(*Config)) *running {
	t.Helper()
	cfg := DefaultConfig()
	cfg.OTLP = OTLPConfig{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}
	cfg.DataDir = t.TempDir()
	if change != nil {
		change(&cfg)
	}
	r := &running{kafka: &fakeKafka{}}
	var err error
	r.Agent, err = New(cfg, r.kafka, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// testDelivery is a delivery without an agent around it.
func testDelivery(k *fakeKafka, change func(*Config)) *delivery {
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	return newDelivery(cfg, k, slog.New(slog.DiscardHandler), newMetrics(prometheus.NewRegistry()))
}

// eventually waits until something holds, and fails the test when it does not.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long for " + what)
		}
	}
}
