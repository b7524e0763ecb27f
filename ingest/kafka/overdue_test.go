package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// A stage whose output is refused though the brokers answer is said to be overdue, with the reason, until it is written or the
// stage ends.
func TestOutputIsOverdue(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
	stop := runStage(t, client, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in}, FlushInterval: 5 * time.Millisecond,
		Open: relay(out),
	})
	produce(t, client, in, 0, "before")
	within(t, 10*time.Second, "the output", func() bool { return len(read(t, client, out, 0)) == 1 })
	soon := func() time.Time { return time.Now().Add(3 * time.Second) }
	later := func() time.Time { return time.Now().Add(time.Minute) }
	refuse := func() *kfake.FaultHandle {
		fault := cluster.Embedded.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: out, Err: kerr.NotEnoughReplicas, Count: -1})
		produce(t, client, in, 0, "refused")
		return fault
	}
	fault := refuse()
	within(t, 10*time.Second, "the reason", func() bool {
		err := client.Overdue(later())
		return err != nil && strings.HasPrefix(err.Error(), "the output of g cannot be committed since ") && strings.Contains(err.Error(), "replicas")
	})
	if err := client.Ready(); err != nil {
		t.Errorf("the brokers answer, and Ready says %v", err)
	}
	fault.Remove()
	within(t, 10*time.Second, "it is written", func() bool { return len(read(t, client, out, 0)) == 2 && client.Overdue(later()) == nil })

	fault = refuse()
	within(t, 10*time.Second, "the trouble", func() bool { return client.Overdue(later()) != nil })
	if err := client.Overdue(soon()); err != nil {
		t.Errorf("after some seconds: %v, expected that it is given time", err)
	}
	fault.Remove()
	stop()
	if err := client.Overdue(later()); err != nil {
		t.Errorf("after the stage has ended: %v", err)
	}
}
