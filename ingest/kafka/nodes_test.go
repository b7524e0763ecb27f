package kafka_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// One node after the other of a real cluster is killed and started again under load. It runs where kafka.sh gives three
// nodes:
//
//	deploy/kafka/kafka.sh with 3 -- go test ./ingest/kafka -run NodesKilled
func TestExactlyOnceOverNodesKilled(t *testing.T) {
	cluster, ok := kafkatest.Real()
	if !ok || len(cluster.Brokers) < 3 || os.Getenv("FRESHET_KAFKA_CLUSTER") == "" {
		return
	}
	script := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("../../deploy/kafka/kafka.sh", args...).CombinedOutput(); err != nil {
			t.Fatalf("kafka.sh %v: %v\n%s", args, err, out)
		}
	}
	client := cluster.Client(t)
	c := newCrowd(t, client, cluster)
	c.cfg.SessionTimeout = 6 * time.Second
	const n = 30_000
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		c.feed(t.Context(), client, n)
	}()
	c.start("0", true)
	c.start("1", true)
	for _, node := range []string{"1", "2", "3"} {
		time.Sleep(3 * time.Second)
		script("kill", node)
		time.Sleep(3 * time.Second)
		script("node", node)
	}
	<-fed
	c.check(client, n, 60*time.Second)
}
