package shop

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest/agent"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// topics is a producer that keeps what it is given.
type topics struct {
	mu   sync.Mutex
	msgs map[string][]kafka.Message
	down atomic.Bool
}

// Produce implements agent.Producer.
func (p *topics) Produce(_ context.Context, msgs ...kafka.Message) error {
	if p.down.Load() {
		return errors.New("no broker")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range msgs {
		p.msgs[m.Topic] = append(p.msgs[m.Topic], m)
	}
	return nil
}

func (p *topics) take(topic string) []kafka.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.msgs[topic])
}

// TestRunSendsToAgents has real agents, one per service, that are without Kafka at first.
func TestRunSendsToAgents(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	targets, produced := map[string]string{}, map[string]*topics{}
	for _, name := range Services() {
		cfg := agent.DefaultConfig()
		cfg.OTLP = agent.OTLPConfig{GRPC: "127.0.0.1:0"}
		p := &topics{msgs: map[string][]kafka.Message{}}
		p.down.Store(true)
		a, err := agent.New(cfg, p, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		targets[name], produced[name] = a.Addrs().GRPC.String(), p
		running.Go(func() {
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	running.Go(func() {
		if err := Run(ctx, New(Options{Seed: 1, RequestsPerSecond: 200}), targets, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	wait := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			if time.Since(began) > 30*time.Second {
				t.Fatal("waited too long for " + what)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	wait("the shop to run without Kafka", func() bool { return time.Since(began) > 500*time.Millisecond })
	for _, p := range produced {
		p.down.Store(false)
	}
	for name, p := range produced {
		for _, topic := range []string{"otlp_logs", "otlp_metrics", "otlp_spans"} {
			wait(name+" in "+topic, func() bool { return len(p.take(topic)) >= 2 })
		}
	}
	cancel()
	running.Wait()

	for name, p := range produced {
		first := time.Time{}
		for _, m := range p.take("otlp_logs") {
			ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, rl := range ld.ResourceLogs().All() {
				if got, _ := rl.Resource().Attributes().Get("service.name"); got.Str() != name {
					t.Errorf("the agent of %s received from %s", name, got.Str())
				}
				if at := rl.ScopeLogs().At(0).LogRecords().At(0).Timestamp().AsTime(); first.IsZero() || at.Before(first) {
					first = at
				}
			}
		}
		if first.Sub(began) > 400*time.Millisecond {
			t.Errorf("what %s sent while Kafka was away is lost: its first log is from %s after the start", name, first.Sub(began))
		}
	}
}

func TestRunNeedsAllTargets(t *testing.T) {
	err := Run(t.Context(), New(Options{}), map[string]string{Frontend: "127.0.0.1:1"}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error though three services have no agent")
	}
}
