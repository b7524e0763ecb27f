package chaos

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// cluster is a real Kafka of several nodes that a test may disturb:
//
//	FRESHET_KAFKA_PROXIED=1 deploy/kafka/kafka.sh with 3 -- go test ./cmd/freshet/chaos
type cluster struct {
	t       testing.TB
	brokers []string
	proxies []*proxy
	through []string // the addresses of the proxies
	client  *kafka.Client
	failing sync.Mutex // one node is away at a time, else no record could be written
}

// newCluster returns the Kafka with proxies, if there is one.
func newCluster(t testing.TB) (*cluster, bool) {
	t.Helper()
	through := os.Getenv("FRESHET_TEST_PROXIES")
	if through == "" {
		return nil, false
	}
	c := &cluster{t: t, brokers: strings.Split(os.Getenv("FRESHET_TEST_BROKERS"), ","), through: strings.Split(through, ",")}
	for i, target := range strings.Split(os.Getenv("FRESHET_TEST_PROXIED_BROKERS"), ",") {
		c.proxies = append(c.proxies, newProxy(t, c.through[i], target))
	}
	c.client = newClient(t, c.brokers)
	return c, true
}

func newClient(t testing.TB, brokers []string) *kafka.Client {
	t.Helper()
	client, err := kafka.New(kafka.Config{Brokers: brokers}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// node runs kafka.sh for a node, counted from 0.
func (c *cluster) node(command string, i int) error {
	script, err := filepath.Abs("../../../deploy/kafka/kafka.sh")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(c.t.Context(), script, command, strconv.Itoa(i+1)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafka.sh %s %d: %w\n%s", command, i+1, err, out)
	}
	return nil
}

// restart starts a node that was killed. On a busy machine it may take minutes until it is ready.
func (c *cluster) restart(i int) error {
	var err error
	for range 4 {
		if err = c.node("node", i); err == nil {
			return nil
		}
	}
	return err
}

// moveLeaders gives the partitions of a topic other leaders.
func (c *cluster) moveLeaders(topic string) (int, error) {
	return kafkatest.Cluster{Brokers: c.brokers}.MoveLeaders(topic)
}

// findings returns all that a namespace's findings topic holds.
func findings(t testing.TB, client *kafka.Client, namespace string) []*finding.Finding {
	t.Helper()
	var out []*finding.Finding
	err := client.ReadPartition(t.Context(), namespace+".findings", 0, func(m *kafka.Message) error {
		f, err := finding.Decode(m.Value)
		if f != nil && !f.Update {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
