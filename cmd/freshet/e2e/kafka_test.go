package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// cluster is a Kafka that a test uses, and the namespace that is its own there.
type cluster struct {
	name      string
	brokers   []string
	namespace string
	client    *kafka.Client
}

var clusters atomic.Int64

// onEachKafka runs a test on the embedded broker and on the real Kafka of FRESHET_TEST_BROKERS.
func onEachKafka(t *testing.T, test func(t *testing.T, k *cluster)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		b, err := broker.Start(broker.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		test(t, newCluster(t, "embedded", b.Addr()))
	})
	if servers := os.Getenv("FRESHET_TEST_BROKERS"); servers != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			test(t, newCluster(t, "real", strings.Split(servers, ",")...))
		})
	}
}

func newCluster(t testing.TB, name string, brokers ...string) *cluster {
	t.Helper()
	k := &cluster{name: name, brokers: brokers}
	k.namespace = "e2e" + strconv.FormatInt(time.Now().Unix(), 36) + strconv.FormatInt(clusters.Add(1), 36)
	var err error
	k.client, err = kafka.New(kafka.Config{Brokers: brokers}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.client.Close() })
	return k
}

// topic returns the name of a topic in the test's namespace.
func (k *cluster) topic(name string) string { return k.namespace + "_" + name }

// kafkaConfig is the part of freshet.yaml about Kafka.
func (k *cluster) kafkaConfig() string {
	return "kafka: {brokers: [" + strings.Join(k.brokers, ", ") + "], namespace: " + k.namespace + ", instance: " + k.namespace + "}\n"
}

// produce writes values to a topic as any producer would.
func (k *cluster) produce(t testing.TB, topic string, values ...[]byte) {
	t.Helper()
	messages := make([]kafka.Message, len(values))
	for i, v := range values {
		messages[i] = kafka.Message{Topic: topic, Partition: kafka.ByKey, Key: []byte(strconv.Itoa(i)), Value: v}
	}
	if err := k.client.Produce(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

// read returns all records of a topic.
func (k *cluster) read(t testing.TB, topic string) []kafka.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := k.client.Partitions(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var out []kafka.Message
	for p := range n {
		if err := k.client.ReadPartition(ctx, topic, p, func(m *kafka.Message) error {
			out = append(out, *m)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// findings returns the findings about a rule.
func (k *cluster) findings(t testing.TB, rule string) []*finding.Finding {
	t.Helper()
	var out []*finding.Finding
	for _, m := range k.read(t, k.namespace+".findings") {
		f, err := finding.Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		if f.Rule == rule && !f.Update {
			out = append(out, f)
		}
	}
	return out
}

// settled waits for the settled finding that a rule fires and returns its value; different ids of firing findings mean
// that it fired more than once, which fails the test.
func (k *cluster) settled(t testing.TB, rule string) float64 {
	t.Helper()
	var value *float64
	harness.Eventually(t, 60*time.Second, "a settled finding of "+rule, func() bool {
		for _, f := range k.findings(t, rule) {
			if f.State == finding.Firing && f.Settled {
				value = f.Value
			}
		}
		return value != nil
	})
	ids := map[string]bool{}
	for _, f := range k.findings(t, rule) {
		if f.State == finding.Firing {
			ids[f.ID] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("%s fired %d times: %v", rule, len(ids), ids)
	}
	return *value
}

// timestamp is a time as pdata has it.
func timestamp(at time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(at) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
