package kafka_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// Topics that match a pattern are read from their oldest record on, whether they were there before or appear later;
// topics that do not match are left alone.
func TestTopicsOfAPattern(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		prefix := kafkatest.Name("orders") + "."
		create := func(topic string, partitions int32) {
			t.Helper()
			if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: topic, Partitions: partitions}}); err != nil {
				t.Fatal(err)
			}
		}
		create(prefix+"eu", 2)
		create("other-"+prefix+"eu", 1)
		produce(t, client, prefix+"eu", 1, "there before")
		produce(t, client, "other-"+prefix+"eu", 0, "not ours")
		match := func(topic string) bool { return strings.HasPrefix(topic, prefix) }
		var got list[string]
		stage := kafka.Stage{
			Group: kafkatest.Name("pattern"), Match: match, LeaveOnStop: true,
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				return &fake{process: func(m *kafka.Message) error {
					got.add(strings.TrimPrefix(m.Topic, prefix) + ": " + string(m.Value))
					return nil
				}}, nil
			},
		}
		for _, instance := range []string{"a", "b"} {
			s := stage
			s.Instance = instance
			runStage(t, client, s)
		}
		within(t, 10*time.Second, "the record that was there", func() bool { return len(got.all()) == 1 })
		create(prefix+"us", 3)
		for p := range int32(3) {
			produce(t, client, prefix+"us", p, "new")
		}
		// Brokers learn of a topic one after the other, which is not ours to hurry.
		within(t, 12*time.Second, "the records of the new topic", func() bool { return len(got.all()) == 4 })
		want := []string{"eu: there before", "us: new", "us: new", "us: new"}
		if all := slices.Sorted(slices.Values(got.all())); !slices.Equal(all, want) {
			t.Errorf("read %q, want %q", all, want)
		}
		counts, err := client.Topics(t.Context(), []string{prefix + "missing"}, match)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int32{prefix + "missing": 0, prefix + "eu": 2, prefix + "us": 3}; !maps.Equal(counts, want) {
			t.Errorf("the topics are %v, want %v", counts, want)
		}
	})
}

// A topic that is deleted, named or of a pattern, is let go, and does not hold up the others even when its task goes on
// having something to say.
func TestDeletedTopicIsLetGo(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		kept, named, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
		matched := cluster.Topic(t, client, 1, nil)
		var closed list[string]
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("deleted"), Instance: "a", Topics: []string{kept, named},
			Match: func(topic string) bool { return topic == matched },
			Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
				var last string
				return &fake{
					process: func(m *kafka.Message) error { last = string(m.Value); return nil },
					take: func() (kafka.Output, error) {
						return kafka.Output{Messages: []kafka.Message{{Topic: out, Value: []byte(c.Topic + " " + last)}}}, nil
					},
					closed: func() { closed.add(c.Topic) },
				}, nil
			},
		})
		said := func(text string) func() bool {
			return func() bool { return slices.Contains(read(t, client, out, 0), text) }
		}
		for _, topic := range []string{kept, named, matched} {
			produce(t, client, topic, 0, "x")
			within(t, 10*time.Second, topic+" is read", said(topic+" x"))
		}
		for _, topic := range []string{matched, named} {
			if err := admin(t, cluster).DeleteTopic(topic); err != nil {
				t.Fatal(err)
			}
			within(t, 30*time.Second, "the deleted topic is let go", func() bool { return slices.Contains(closed.all(), topic) })
			produce(t, client, kept, 0, "after "+topic)
			within(t, 20*time.Second, "the other topic goes on", said(kept+" after "+topic))
		}
		if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: named, Partitions: 1}}); err != nil {
			t.Fatal(err)
		}
		produce(t, client, named, 0, "anew")
		within(t, 20*time.Second, "the topic that is made anew", said(named+" anew"))
	})
}

// While a producer has a transaction open, what it wrote is not read and may be of any time: the partition is not idle.
func TestOpenTransactionIsNotIdle(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 1, nil)
		p := openTransactions(t, cluster)
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("open")}); err != nil {
			t.Fatal(err)
		}
		var events list[string]
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("open"), Instance: "a", Topics: []string{topic},
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				events.add("open")
				return &fake{
					process: func(m *kafka.Message) error { events.add(string(m.Value)); return nil },
					idle:    func(time.Time) { events.add("idle") },
				}, nil
			},
		})
		within(t, 10*time.Second, "the partition is opened", func() bool { return len(events.all()) > 0 })
		time.Sleep(1500 * time.Millisecond) // long enough for several answers, each of which could say idle
		if all := events.all(); len(all) != 1 {
			t.Errorf("while the transaction was open: %q", all)
		}
		if err := p.CommitTxn(); err != nil {
			t.Fatal(err)
		}
		within(t, 10*time.Second, "idle", func() bool { return slices.Contains(events.all(), "idle") })
		if all := events.all()[1:]; all[0] != "open" {
			t.Errorf("the partition was idle before the record was read: %q", all)
		}
	})
}

// openTransactions returns a producer that writes in transactions.
func openTransactions(t *testing.T, cluster kafkatest.Cluster) sarama.SyncProducer {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	conf.Producer.Idempotent, conf.Net.MaxOpenRequests, conf.Producer.RequiredAcks = true, 1, sarama.WaitForAll
	conf.Producer.Return.Successes, conf.Producer.Return.Errors = true, true
	conf.Producer.Transaction.ID = kafkatest.Name("open")
	p, err := sarama.NewSyncProducer(cluster.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}
