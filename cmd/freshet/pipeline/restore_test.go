package pipeline

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
	"github.com/freshet-dev/freshet/rules"
)

// The end of a transaction may reach the offsets of the group before it reaches the state. Who takes a partition over in
// between must not begin with the state of before, or what lies between the two offsets is never counted.
func TestStateIsRestoredBehindAnOpenTransaction(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	set, problems := rules.Parse("rules.yaml", []byte("groups: [{name: a, rules: [{alert: A, from: logs, when: count() > 1}]}]"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.HTTP.Listen = cluster.Brokers, "127.0.0.1:0"
	var log bytes.Buffer // written and read by one goroutine after the other
	p, err := New(Options{Config: cfg, Rules: set, Targets: Targets{Detect: true}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit := cluster.OpenTransaction(t, p.names.State, 0, []byte("key"), []byte("of no version"))
	opened := make(chan error, 1)
	go func() {
		_, err := p.openEvaluate(t.Context(), p.loaded.Load(), kafka.Claim{Topic: p.names.Panes, Partitions: p.panePartitions})
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("opened (%v) before the state was known", err)
	case <-time.After(300 * time.Millisecond):
	}
	commit()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "the saved state cannot be read") {
		t.Errorf("the state that was committed last was not read:\n%s", log.String())
	}
}
