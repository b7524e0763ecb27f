package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// A task that fails is opened anew from the committed offset, and nothing it had not handed over is written; the other
// partitions go on.
func TestTaskFails(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"open", "process", "take"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			cluster := kafkatest.Embedded(t, broker.Options{})
			client := cluster.Client(t)
			in, out := cluster.Topic(t, client, 2, nil), cluster.Topic(t, client, 2, nil)
			var claims, closed list[int64]
			var failed bool // of partition 0's tasks, which come one after the other
			fail := func(here string, c kafka.Claim) error {
				if c.Partition == 0 && where == here && !failed {
					failed = true
					return errors.New("a fault of the task")
				}
				return nil
			}
			runStage(t, client, kafka.Stage{
				Group: "g", Instance: "a", Topics: []string{in},
				Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
					if err := fail("open", c); err != nil {
						return nil, err
					}
					if c.Partition == 0 {
						claims.add(c.Offset)
					}
					var held []kafka.Message
					return &fake{
						process: func(m *kafka.Message) error {
							held = append(held, kafka.Message{Topic: out, Partition: c.Partition, Value: m.Value})
							if strings.HasPrefix(string(m.Value), "bad") {
								return fail("process", c)
							}
							return nil
						},
						take: func() (kafka.Output, error) {
							for _, m := range held {
								if strings.HasPrefix(string(m.Value), "bad") {
									if err := fail("take", c); err != nil {
										return kafka.Output{}, err
									}
								}
							}
							o := kafka.Output{Messages: held}
							held = nil
							return o, nil
						},
						closed: func() { closed.add(c.Offset) },
					}, nil
				},
			})
			produce(t, client, in, 0, "a", "b")
			within(t, 10*time.Second, "the first output", func() bool { return len(read(t, client, out, 0)) == 2 })
			produce(t, client, in, 0, "c", "bad", "d")
			produce(t, client, in, 1, "other")
			within(t, 10*time.Second, "all output", func() bool { return len(read(t, client, out, 0)) >= 5 })
			if got := read(t, client, out, 0); !slices.Equal(got, []string{"a", "b", "c", "bad", "d"}) {
				t.Errorf("found %q", got)
			}
			if got := read(t, client, out, 1); !slices.Equal(got, []string{"other"}) {
				t.Errorf("partition 1: found %q", got)
			}
			if all := claims.all(); where != "open" && (len(all) != 2 || all[1] != 2 && all[1] != 3) {
				t.Errorf("partition 0 was opened at %v", all)
			}
		})
	}
}

// A topic that is not there yet is waited for, and so are partitions that are added later.
func TestNewTopicsAndPartitions(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic, later := cluster.Topic(t, client, 1, nil), kafkatest.Name("later")
		var got, opened list[string]
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("grow"), Instance: "a", Topics: []string{topic, later},
			Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
				opened.add(fmt.Sprintf("%t %d/%d", c.Topic == later, c.Partition, c.Partitions))
				return &fake{process: func(m *kafka.Message) error { got.add(string(m.Value)); return nil }}, nil
			},
		})
		produce(t, client, topic, 0, "first")
		within(t, 10*time.Second, "the first record", func() bool { return len(got.all()) == 1 })
		if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: later, Partitions: 1}}); err != nil {
			t.Fatal(err)
		}
		produce(t, client, later, 0, "second")
		within(t, 10*time.Second, "the record of the new topic", func() bool { return len(got.all()) == 2 })
		grow(t, cluster, topic, 2)
		within(t, 10*time.Second, "the new partition", func() bool { return slices.Contains(opened.all(), "false 1/2") })
		produce(t, client, topic, 1, "third")
		within(t, 10*time.Second, "the record of the new partition", func() bool { return len(got.all()) == 3 })
		if all := opened.all(); len(all) != 3 {
			t.Errorf("opened %q: partitions that were there were opened again", all)
		}
	})
}

func grow(t *testing.T, cluster kafkatest.Cluster, topic string, partitions int32) {
	t.Helper()
	if err := admin(t, cluster).CreatePartitions(topic, partitions, nil, false); err != nil {
		t.Fatal(err)
	}
}

// admin returns what does to a cluster what the client does not.
func admin(t *testing.T, cluster kafkatest.Cluster) sarama.ClusterAdmin {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	a, err := sarama.NewClusterAdmin(cluster.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// Messages larger than a fetch, a batch and Kafka's default limit pass through a stage unharmed.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		config := map[string]string{"max.message.bytes": "33554432"}
		in, out := cluster.Topic(t, client, 2, config), cluster.Topic(t, client, 1, config)
		large := make([]byte, 20<<20)
		for i := range large {
			large[i] = byte(i * i >> 7) // does not shrink to nothing
		}
		err := client.Produce(t.Context(), kafka.Message{Topic: in, Partition: 0, Value: []byte("small")},
			kafka.Message{Topic: in, Partition: 0, Value: large, Headers: []kafka.Header{{Key: "h", Value: "v"}}},
			kafka.Message{Topic: in, Partition: 1, Value: []byte("small")})
		if err != nil {
			t.Fatal(err)
		}
		var held []kafka.Message
		var mu sync.Mutex
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("large"), Instance: "a", Topics: []string{in},
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				return &fake{
					process: func(m *kafka.Message) error {
						mu.Lock()
						defer mu.Unlock()
						held = append(held, kafka.Message{Topic: out, Value: m.Value, Headers: m.Headers})
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
		var sizes []int
		within(t, 20*time.Second, "the output", func() bool {
			sizes = nil
			err := client.ReadPartition(t.Context(), out, 0, func(m *kafka.Message) error {
				sizes = append(sizes, len(m.Value))
				if len(m.Value) == len(large) {
					if string(m.Value) != string(large) || len(m.Headers) != 1 || m.Headers[0] != (kafka.Header{Key: "h", Value: "v"}) {
						t.Errorf("the large message changed; headers %v", m.Headers)
					}
				}
				return nil
			})
			return err == nil && len(sizes) == 3
		})
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{5, 5, 20 << 20}) {
			t.Errorf("found messages of %v bytes", sizes)
		}
		err = client.Produce(t.Context(), kafka.Message{Topic: in, Value: make([]byte, 33<<20)})
		if err == nil || !strings.Contains(err.Error(), in) {
			t.Errorf("a message over the limit: %v", err)
		}
	})
}

// A partition is taken up again in the middle of a batch of records, where its commit was: a slow task commits parts of
// a batch, then fails.
func TestTaskFailsInsideBatch(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprint(i))
	}
	produce(t, client, in, 0, want...)
	var claims list[int64]
	failed := false
	runStage(t, client, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in}, FlushInterval: 10 * time.Millisecond,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			claims.add(c.Offset)
			var held []kafka.Message
			return &fake{
				process: func(m *kafka.Message) error {
					if string(m.Value) == "50" && !failed {
						failed = true
						return errors.New("a fault of the task")
					}
					time.Sleep(3 * time.Millisecond) // so that flushes come in between
					held = append(held, kafka.Message{Topic: out, Value: m.Value})
					return nil
				},
				take: func() (kafka.Output, error) {
					o := kafka.Output{Messages: held}
					held = nil
					return o, nil
				},
			}, nil
		},
	})
	within(t, 10*time.Second, "all output", func() bool { return len(read(t, client, out, 0)) >= len(want) })
	if got := read(t, client, out, 0); !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
	if all := claims.all(); len(all) != 2 || all[1] == 0 || all[1] > 50 {
		t.Errorf("the partition was opened at %v", all)
	}
}

// What could not be committed goes out again, before what came later.
func TestAbortedOutputGoesFirst(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
	var mu sync.Mutex
	var messages []kafka.Message
	say := func(v string) {
		mu.Lock()
		defer mu.Unlock()
		messages = append(messages, kafka.Message{Topic: out, Value: []byte(v)})
	}
	opened := make(chan kafka.Claim, 1)
	runStage(t, client, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in}, FlushInterval: 5 * time.Millisecond,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			opened <- c
			return &fake{take: func() (kafka.Output, error) {
				mu.Lock()
				defer mu.Unlock()
				o := kafka.Output{Messages: messages}
				messages = nil
				return o, nil
			}}, nil
		},
	})
	<-opened
	var want []string
	for i := range 5 {
		fault := cluster.Embedded.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.InvalidProducerEpoch})
		first, second := fmt.Sprint("first ", i), fmt.Sprint("second ", i)
		want = append(want, first, second)
		say(first)
		if err := fault.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		say(second)
		within(t, 10*time.Second, "the output", func() bool { return len(read(t, client, out, 0)) >= len(want) })
	}
	if got := read(t, client, out, 0); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// A missing permission and a missing topic do not end a stage: they are told, and the output waits for them.
func TestOutputRefused(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 1, nil), kafkatest.Name("later")
	log := &logBook{}
	member := kafkatest.NewClientWith(t, kafka.Config{Brokers: cluster.Brokers, TransactionTimeout: time.Second}, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	var held []kafka.Message
	var mu sync.Mutex
	runStage(t, member, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in},
		Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
			return &fake{
				process: func(m *kafka.Message) error {
					mu.Lock()
					defer mu.Unlock()
					held = append(held, kafka.Message{Topic: out, Value: m.Value})
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
	fault := cluster.Embedded.Cluster().Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1,
		When: func(r kmsg.Request) bool { return r.(*kmsg.InitProducerIDRequest).TransactionalID != nil },
	})
	produce(t, client, in, 0, "a")
	within(t, 10*time.Second, "the permission is missed", func() bool { return log.count("output cannot be written") == 1 })
	fault.Remove()
	within(t, 15*time.Second, "the topic is missed", func() bool { return strings.Contains(log.String(), out) })
	if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: out, Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the output", func() bool { return log.count("output is written again") == 1 })
	if got := read(t, client, out, 0); !slices.Equal(got, []string{"a"}) {
		t.Errorf("found %q", got)
	}
}

// The committed offset is not in the partition any more: what retention deleted meanwhile is passed over, and a topic
// that was made anew is read from where a new group would read it, also while the stage runs.
func TestPositionIsGone(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 1, nil)
		var got list[string]
		stage := kafka.Stage{
			Group: kafkatest.Name("gone"), Instance: "a", Topics: []string{topic}, LeaveOnStop: true,
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				return &fake{process: func(m *kafka.Message) error { got.add(string(m.Value)); return nil }}, nil
			},
		}
		expect := func(what string, values ...string) {
			t.Helper()
			within(t, 20*time.Second, what, func() bool { return slices.Equal(got.all(), values) })
		}
		stop := runStage(t, client, stage)
		produce(t, client, topic, 0, "a", "b")
		expect("the first records", "a", "b")
		stop()
		produce(t, client, topic, 0, "deleted", "deleted", "c")
		admin := admin(t, cluster)
		if err := admin.DeleteRecords(topic, map[int32]int64{0: 4}); err != nil {
			t.Fatal(err)
		}
		runStage(t, client, stage)
		expect("the record after the gap", "a", "b", "c")
		within(t, 20*time.Second, "the commit", func() bool {
			r, err := admin.ListConsumerGroupOffsets(stage.Group, map[string][]int32{topic: {0}})
			return err == nil && r.GetBlock(topic, 0).Offset == 5
		})
		if err := admin.DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, "the topic is gone and made anew", func() bool {
			r, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: topic, Partitions: 1}})
			return err == nil && r[0].Created
		})
		produce(t, client, topic, 0, "new")
		expect("the record of the new topic", "a", "b", "c", "new")
	})
}
