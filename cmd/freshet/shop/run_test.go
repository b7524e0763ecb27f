package shop

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest/agent"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// topics is a producer that keeps what it is given, or, while it is down, what it refused.
type topics struct {
	mu            sync.Mutex
	msgs, refused map[string][]kafka.Message
	down          bool
}

// Produce implements agent.Producer.
func (p *topics) Produce(_ context.Context, msgs ...kafka.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	into := p.msgs
	if p.down {
		into = p.refused
	}
	for _, m := range msgs {
		into[m.Topic] = append(into[m.Topic], m)
	}
	if p.down {
		return errors.New("no broker")
	}
	return nil
}

func (p *topics) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *topics) take(topic string) (taken, refused []kafka.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.msgs[topic]), slices.Clone(p.refused[topic])
}

// firstLog returns when the first of some logs was written; all must be of one service.
func firstLog(t *testing.T, service string, msgs []kafka.Message) (first time.Time) {
	t.Helper()
	for _, m := range msgs {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, rl := range ld.ResourceLogs().All() {
			if got, _ := rl.Resource().Attributes().Get("service.name"); got.Str() != service {
				t.Errorf("the agent of %s received from %s", service, got.Str())
			}
			if at := rl.ScopeLogs().At(0).LogRecords().At(0).Timestamp().AsTime(); first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	return first
}

// TestRunSendsToAgents has real agents, one per service, that are without Kafka at first.
func TestRunSendsToAgents(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	targets, produced := map[string]string{}, map[string]*topics{}
	for _, name := range Services() {
		cfg := agent.DefaultConfig()
		cfg.OTLP = agent.OTLPConfig{GRPC: "127.0.0.1:0"}
		p := &topics{msgs: map[string][]kafka.Message{}, refused: map[string][]kafka.Message{}}
		p.setDown(true)
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
	for name, p := range produced {
		wait(name+" to be without Kafka", func() bool { _, refused := p.take("otlp_logs"); return len(refused) > 0 })
	}
	for _, p := range produced {
		p.setDown(false)
	}
	for name, p := range produced {
		for _, topic := range []string{"otlp_logs", "otlp_metrics", "otlp_spans"} {
			wait(name+" in "+topic, func() bool { taken, _ := p.take(topic); return len(taken) >= 2 })
		}
	}
	cancel()
	running.Wait()

	for name, p := range produced {
		taken, refused := p.take("otlp_logs")
		if first, want := firstLog(t, name, taken), firstLog(t, name, refused); first.After(want) {
			t.Errorf("what %s sent while Kafka was away is lost: its first log is from %s after the first that was refused", name, first.Sub(want))
		}
	}
}

func TestRunNeedsAllTargets(t *testing.T) {
	err := Run(t.Context(), New(Options{}), map[string]string{Frontend: "127.0.0.1:1"}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error though three services have no agent")
	}
}
