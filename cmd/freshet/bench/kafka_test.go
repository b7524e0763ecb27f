package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// writer produces messages, several at a time.
type writer struct {
	tb     testing.TB
	client *kafka.Client
	topic  string
	acks   chan error
	open   int // messages under way
}

func newWriter(tb testing.TB, client *kafka.Client, topic string) *writer {
	return &writer{tb: tb, client: client, topic: topic, acks: make(chan error, 1024)}
}

func (w *writer) write(number int, value []byte) {
	if w.open == cap(w.acks) {
		w.settle()
	}
	w.open++
	m := kafka.Message{Topic: w.topic, Partition: int32(number % partitions), Value: value}
	w.client.ProduceAsync(m, func(err error) { w.acks <- err })
}

func (w *writer) settle() {
	w.open--
	if err := <-w.acks; err != nil {
		w.tb.Fatal(err)
	}
}

func (w *writer) flush() {
	for w.open > 0 {
		w.settle()
	}
}

func newClient(tb testing.TB, brokers []string) *kafka.Client {
	tb.Helper()
	client, err := kafka.New(kafka.Config{Brokers: brokers, Compression: "none"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func makeTopic(tb testing.TB, client *kafka.Client, name string) {
	tb.Helper()
	if _, err := client.CreateTopics(tb.Context(), []kafka.TopicSpec{{Name: name, Partitions: partitions}}); err != nil {
		tb.Fatal(err)
	}
}

// config is freshet.yaml for a detector of a topic of logs; its own topics and groups are named by a namespace.
func config(tb testing.TB, brokers []string, namespace, logs, rules string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf(`
kafka: {brokers: [%s], namespace: %s, instance: %s}
http: {listen: "127.0.0.1:0"}
rules: {files: [%q]}
agent: {topics: {logs: %s, metrics: %s-metrics, spans: %s-spans}}
`, strings.Join(brokers, ", "), namespace, namespace, path, logs, namespace, namespace)
}

// group is a consumer group on a topic of the bench.
type group struct {
	tb     testing.TB
	client sarama.Client
	name   string
	topic  string
}

func newGroup(tb testing.TB, brokers []string, name, topic string) *group {
	tb.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	client, err := sarama.NewClient(brokers, conf)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return &group{tb, client, name, topic}
}

// begin commits offset 0, as if freshet had been there when the topic was empty: a first start would begin one window
// before now. A Kafka that was just started may not be ready for it yet.
func (g *group) begin() {
	g.tb.Helper()
	req := &sarama.OffsetCommitRequest{
		Version: 2, ConsumerGroup: g.name, ConsumerGroupGeneration: sarama.GroupGenerationUndefined, RetentionTime: -1,
	}
	for p := range int32(partitions) {
		req.AddBlock(g.topic, p, 0, 0, "")
	}
	var err error
	if !within(30*time.Second, 100*time.Millisecond, func() bool { err = g.commit(req); return err == nil }) {
		g.tb.Fatalf("committing the first offsets: %v", err)
	}
}

func (g *group) commit(req *sarama.OffsetCommitRequest) error {
	b, err := g.client.Coordinator(g.name)
	if err != nil {
		return err
	}
	res, err := b.CommitOffset(req)
	if err != nil {
		return err
	}
	for _, code := range res.Errors[g.topic] {
		if code != sarama.ErrNoError {
			return code
		}
	}
	return nil
}

// committed returns the sum of the committed offsets.
func (g *group) committed() int {
	g.tb.Helper()
	b, err := g.client.Coordinator(g.name)
	if err != nil {
		g.tb.Fatal(err)
	}
	res, err := b.FetchOffset(sarama.NewOffsetFetchRequest(sarama.V4_0_0_0, g.name, map[string][]int32{g.topic: {0, 1, 2, 3}}))
	if err != nil {
		g.tb.Fatal(err)
	}
	total := 0
	for p := range int32(partitions) {
		if block := res.GetBlock(g.topic, p); block != nil {
			total += int(max(0, block.Offset))
		}
	}
	return total
}

// arrival is a finding and when it came.
type arrival struct {
	*finding.Finding
	at time.Time
}

// watcher collects the findings of a namespace as they come.
type watcher struct {
	mu    sync.Mutex
	found []arrival
}

func watch(tb testing.TB, client *kafka.Client, namespace string) *watcher {
	tb.Helper()
	w := new(watcher)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() {
		done <- client.Tail(ctx, namespace+".findings", kafka.Oldest(), func(m *kafka.Message) error {
			at := time.Now()
			f, err := finding.Decode(m.Value)
			if err != nil || f.Update {
				return err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.found = append(w.found, arrival{f, at})
			return nil
		})
	}()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return w
}

func (w *watcher) all() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clip(w.found)
}

// settled returns the transitions of services that are settled.
func (w *watcher) settled() []transition {
	var out []transition
	for _, f := range w.all() {
		if !f.Settled || f.Rule != ruleName {
			continue
		}
		t := transition{Service: f.Labels.Get("service_name"), Firing: f.State == finding.Firing, At: f.WindowEnd}
		if t.Firing && f.Value != nil {
			t.Errors = int(*f.Value)
		}
		out = append(out, t)
	}
	return out
}

// eventually waits until ok, asking now and then, and fails the test when that takes too long.
func eventually(tb testing.TB, limit, every time.Duration, what string, ok func() bool) {
	tb.Helper()
	if !within(limit, every, ok) {
		tb.Fatalf("not within %s: %s", limit, what)
	}
}

// within waits until ok, and returns whether it came to that.
func within(limit, every time.Duration, ok func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	over := time.After(limit)
	for !ok() {
		select {
		case <-over:
			return false
		case <-tick.C:
		}
	}
	return true
}
