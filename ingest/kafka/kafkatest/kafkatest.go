// Package kafkatest gives tests their Kafka: always the embedded broker, and a real one as well when the variable
// FRESHET_TEST_BROKERS names it (deploy/kafka/kafka.sh starts one and sets it).
package kafkatest

import (
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// BrokersVariable is the environment variable with the addresses of a real Kafka, host:port, separated by commas.
const BrokersVariable = "FRESHET_TEST_BROKERS"

// Cluster is a Kafka to test against.
type Cluster struct {
	// Name is embedded or kafka.
	Name string
	// Brokers are its addresses.
	Brokers []string
	// Embedded is the broker itself, nil for a real Kafka.
	Embedded *broker.Broker
}

// Each runs a test as a subtest on a fresh embedded broker in memory, and on the real Kafka if there is one. A real Kafka
// is shared and keeps what tests write, so topics and groups need names of their own: see Name.
func Each(t *testing.T, f func(t *testing.T, c Cluster)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		f(t, Embedded(t, broker.Options{}))
	})
	if c, ok := Real(); ok {
		t.Run("kafka", func(t *testing.T) { f(t, c) })
	}
}

// Embedded starts a broker that ends with the test.
func Embedded(t testing.TB, o broker.Options) Cluster {
	t.Helper()
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return Cluster{Name: "embedded", Brokers: []string{b.Addr()}, Embedded: b}
}

// Real returns the real Kafka, if there is one.
func Real() (Cluster, bool) {
	v := os.Getenv(BrokersVariable)
	return Cluster{Name: "kafka", Brokers: strings.Split(v, ",")}, v != ""
}

// Name returns a name that no other topic or group has.
func Name(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:10]) }

// Client returns a client of the cluster that ends with the test. Its log goes to the test's.
func (c Cluster) Client(t testing.TB) *kafka.Client {
	t.Helper()
	return NewClient(t, kafka.Config{Brokers: c.Brokers})
}

// Topic makes a topic with a name of its own and returns the name.
func (c Cluster) Topic(t testing.TB, client *kafka.Client, partitions int32, config map[string]string) string {
	t.Helper()
	name := Name(strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()))
	if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: name, Partitions: partitions, Config: config}}); err != nil {
		t.Fatal(err)
	}
	return name
}

// NewClient returns a client with metrics of its own that ends with the test. Its log goes to the test's.
func NewClient(t testing.TB, cfg kafka.Config) *kafka.Client {
	t.Helper()
	return NewClientWith(t, cfg, Logger(t), prometheus.NewRegistry())
}

// NewClientWith is NewClient with a log and a registry of the test's own.
func NewClientWith(t testing.TB, cfg kafka.Config, log *slog.Logger, reg prometheus.Registerer) *kafka.Client {
	t.Helper()
	client, err := kafka.New(cfg, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// Logger returns a logger into the test's log, shown when the test fails.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
