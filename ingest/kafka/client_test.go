package kafka_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  kafka.Config
		want []string // nothing for a good one
	}{
		{"least", kafka.Config{Brokers: []string{"a:9092"}}, nil},
		{"all", kafka.Config{
			Brokers: []string{"a:9092", "[::1]:9092"}, ClientID: "x", Compression: "zstd", TLS: kafka.TLS{ServerName: "kafka"},
			SASL: kafka.SASL{Mechanism: kafka.ScramSHA512, Username: "u", Password: "p"}, SessionTimeout: time.Minute,
		}, nil},
		{"empty", kafka.Config{}, []string{"at least one host:port"}},
		{"several", kafka.Config{
			Brokers: []string{"a", ":9092"}, Compression: "brotli", TLS: kafka.TLS{CertFile: "c"},
			SASL: kafka.SASL{Mechanism: "GSSAPI"}, SessionTimeout: time.Millisecond,
		}, []string{`found "a"`, `found ":9092"`, `"brotli"`, "key_file", `"GSSAPI"`, "session_timeout"}},
		{"no mechanism", kafka.Config{Brokers: []string{"a:1"}, SASL: kafka.SASL{Username: "u"}}, []string{"mechanism is missing"}},
		{"no user", kafka.Config{Brokers: []string{"a:1"}, SASL: kafka.SASL{Mechanism: kafka.Plain}}, []string{"username is missing", "password is missing"}},
	}
	for _, test := range tests {
		err := test.cfg.Validate()
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", test.name, err)
		}
		for _, want := range test.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: expected %q in %v", test.name, want, err)
			}
		}
	}
	_, err := kafka.New(kafka.Config{Brokers: []string{"a:1"}, TLS: kafka.TLS{CAFile: "/no/such/ca.pem"}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("a CA that is not there: %v", err)
	}
}

// logBook keeps the log's lines.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// freePort returns an address that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A broker that is away at the start, and goes away later, is waited for: said once each time, shown by Ready and the
// metric, and nothing that was to be written is lost.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	log, reg := &logBook{}, prometheus.NewRegistry()
	client := kafkatest.NewClientWith(t, kafka.Config{Brokers: []string{addr}}, slog.New(slog.NewTextHandler(log, nil)), reg)
	if err := client.Ready(); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("before anything: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	err := client.WaitReady(ctx)
	if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("waiting without a broker: %v", err)
	}
	if err := client.Ready(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("without a broker: %v", err)
	}
	o := broker.Options{DataDir: t.TempDir(), Listen: addr}
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if err := client.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.Ready(); err != nil {
		t.Error(err)
	}
	if log.count("cannot be reached") != 1 || log.count("Kafka is back") != 1 {
		t.Errorf("the log:\n%s", log)
	}
	if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: "in", Partitions: 1}, {Name: "out", Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	var held []kafka.Message
	var mu sync.Mutex
	var idle list[time.Time]
	runStage(t, client, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{"in"},
		Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
			return &fake{
				idle: idle.add,
				process: func(m *kafka.Message) error {
					mu.Lock()
					defer mu.Unlock()
					held = append(held, kafka.Message{Topic: "out", Value: m.Value})
					return nil
				},
				take: func() (kafka.Output, error) {
					mu.Lock()
					defer mu.Unlock()
					o := kafka.Output{Messages: held}
					held = nil
					return o, nil
				},
			}, nil
		},
	})
	produce(t, client, "in", 0, "before")
	within(t, 5*time.Second, "the first record", func() bool { return len(read(t, client, "out", 0)) == 1 })
	_ = b.Close()
	var acked list[error]
	for _, v := range []string{"during 1", "during 2"} {
		client.ProduceAsync(kafka.Message{Topic: "in", Partition: 0, Value: []byte(v)}, acked.add)
	}
	within(t, 10*time.Second, "the broker is missed", func() bool { return client.Ready() != nil })
	if err := client.Ready(); !strings.Contains(err.Error(), addr) {
		t.Error(err)
	}
	restarted := time.Now()
	if b, err = broker.Start(o); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the broker is back", func() bool { return client.Ready() == nil && len(acked.all()) == 2 })
	within(t, 10*time.Second, "the records", func() bool { return len(read(t, client, "out", 0)) == 3 })
	if got := read(t, client, "out", 0); !slices.Equal(got, []string{"before", "during 1", "during 2"}) {
		t.Errorf("found %q", got)
	}
	later := func() (after []time.Time) {
		return slices.DeleteFunc(idle.all(), func(at time.Time) bool { return at.Before(restarted) })
	}
	within(t, 20*time.Second, "the partition is idle", func() bool { return len(later()) > 0 })
	if d := later()[0].Sub(restarted); d < 5*time.Second {
		t.Errorf("idle %s after an outage, when producers may still hold records", d)
	}
	if log.count("cannot be reached") != 2 || log.count("Kafka is back") != 2 {
		t.Errorf("the log:\n%s", log)
	}
	want := `
# HELP freshet_kafka_connected 1 while the brokers answer, else 0.
# TYPE freshet_kafka_connected gauge
freshet_kafka_connected 1
# HELP freshet_kafka_produced_records_total Kafka records written: acknowledged by the brokers, and committed if in a transaction.
# TYPE freshet_kafka_produced_records_total counter
freshet_kafka_produced_records_total{topic="in"} 3
freshet_kafka_produced_records_total{topic="out"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "freshet_kafka_connected", "freshet_kafka_produced_records_total"); err != nil {
		t.Error(err)
	}
}

func TestSASL(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			cluster := kafkatest.Embedded(t, broker.Options{Users: []broker.User{{Mechanism: mechanism, Username: "freshet", Password: "secret"}}})
			try(t, kafka.Config{Brokers: cluster.Brokers, SASL: kafka.SASL{Mechanism: mechanism, Username: "freshet", Password: "secret"}})
			refuse(t, kafka.Config{Brokers: cluster.Brokers, SASL: kafka.SASL{Mechanism: mechanism, Username: "freshet", Password: "wrong-secret"}})
			refuse(t, kafka.Config{Brokers: cluster.Brokers})
		})
	}
	if brokers := os.Getenv("FRESHET_TEST_SASL_BROKERS"); brokers != "" {
		for _, mechanism := range []string{kafka.Plain, kafka.ScramSHA512} {
			t.Run("kafka/"+mechanism, func(t *testing.T) {
				t.Parallel()
				cfg := kafka.Config{Brokers: strings.Split(brokers, ","), SASL: kafka.SASL{
					Mechanism: mechanism, Username: os.Getenv("FRESHET_TEST_SASL_USERNAME"), Password: os.Getenv("FRESHET_TEST_SASL_PASSWORD"),
				}}
				try(t, cfg)
				cfg.SASL.Password = "wrong-secret"
				refuse(t, cfg)
			})
		}
	}
}

// try writes and reads a message.
func try(t *testing.T, cfg kafka.Config) {
	t.Helper()
	client := kafkatest.NewClient(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := client.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	topic := kafkatest.Cluster{}.Topic(t, client, 1, nil)
	produce(t, client, topic, 0, "x")
	if got := read(t, client, topic, 0); !slices.Equal(got, []string{"x"}) {
		t.Errorf("found %q", got)
	}
}

// refuse expects that the broker does not let the client in, and that no secret is told.
func refuse(t *testing.T, cfg kafka.Config) {
	t.Helper()
	log := &logBook{}
	client := kafkatest.NewClientWith(t, cfg, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := client.WaitReady(ctx)
	if err == nil {
		t.Error("a broker let a stranger in")
		return
	}
	if client.Ready() == nil {
		t.Error("the client says that it is ready")
	}
	if s := err.Error() + log.String(); strings.Contains(s, "wrong-secret") {
		t.Errorf("the password is told: %s", s)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, caFile := certificate(t, dir)
	cluster := kafkatest.Embedded(t, broker.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}})
	try(t, kafka.Config{Brokers: cluster.Brokers, TLS: kafka.TLS{CAFile: caFile}})
	try(t, kafka.Config{Brokers: cluster.Brokers, TLS: kafka.TLS{InsecureSkipVerify: true}})
	refuse(t, kafka.Config{Brokers: cluster.Brokers, TLS: kafka.TLS{Enabled: true}}) // signed by nobody we know
	refuse(t, kafka.Config{Brokers: cluster.Brokers, TLS: kafka.TLS{CAFile: caFile, ServerName: "elsewhere"}})
	refuse(t, kafka.Config{Brokers: cluster.Brokers})
}

// certificate makes one for 127.0.0.1 that signs itself, and writes it to a file.
func certificate(t *testing.T, dir string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestTopics(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		a, b := kafkatest.Name("a"), kafkatest.Name("b")
		specs := []kafka.TopicSpec{
			{Name: a, Partitions: 3, Replication: 1, Config: map[string]string{"cleanup.policy": "compact", "segment.bytes": "67108864"}},
			{Name: b, Partitions: 1},
		}
		diffs, err := client.VerifyTopics(t.Context(), specs)
		if err != nil || len(diffs) != 2 || diffs[0] != (kafka.Difference{Topic: a, Key: "topic", Want: "present", Have: "missing"}) {
			t.Errorf("before: %v, %v", diffs, err)
		}
		results, err := client.CreateTopics(t.Context(), specs)
		if err != nil || len(results) != 2 || !results[0].Created || !results[1].Created || results[0].Topic != a {
			t.Errorf("creating: %v, %v", results, err)
		}
		if diffs, err := client.VerifyTopics(t.Context(), specs); err != nil || len(diffs) != 0 {
			t.Errorf("after: %v, %v", diffs, err)
		}
		if results, err := client.CreateTopics(t.Context(), specs); err != nil || results[0].Created || results[0].Err != nil {
			t.Errorf("again: %v, %v", results, err)
		}
		specs[0] = kafka.TopicSpec{Name: a, Partitions: 4, Replication: 3, Config: map[string]string{
			"cleanup.policy": "delete", "segment.bytes": "67108864", "max.message.bytes": "1234",
		}}
		diffs, err = client.VerifyTopics(t.Context(), specs)
		if err != nil || len(diffs) != 4 {
			t.Fatalf("%v, %v", diffs, err)
		}
		for i, want := range []kafka.Difference{
			{Topic: a, Key: "partitions", Want: "4", Have: "3"},
			{Topic: a, Key: "replication.factor", Want: "3", Have: "1"},
			{Topic: a, Key: "cleanup.policy", Want: "delete", Have: "compact"},
			{Topic: a, Key: "max.message.bytes", Want: "1234", Have: diffs[3].Have},
		} {
			if diffs[i] != want {
				t.Errorf("difference %d: %v, want %v", i, diffs[i], want)
			}
		}
		results, err = client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: kafkatest.Name("c"), Partitions: 1, Replication: 7}, {Name: kafkatest.Name("d"), Partitions: 1}})
		if cluster.Embedded == nil && (err == nil || results[0].Err == nil || !strings.Contains(err.Error(), "more than there are brokers") || !results[1].Created) {
			t.Errorf("too many replicas: %v, %v", results, err)
		}
		if n, err := client.Partitions(t.Context(), a); n != 3 || err != nil {
			t.Errorf("%d partitions, %v", n, err)
		}
		if n, err := client.Partitions(t.Context(), "no-such-topic"); n != 0 || err != nil {
			t.Errorf("%d partitions of a topic that is not there, %v", n, err)
		}
	})
}
