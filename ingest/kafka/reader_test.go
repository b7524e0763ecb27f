package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// A compacted topic that transactions wrote, some of them aborted, is read to its end: that ends with control records,
// and compaction leaves gaps and batches without records.
func TestReadPartitionOfCompactedTopic(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		in := cluster.Topic(t, client, 1, nil)
		state := cluster.Topic(t, client, 1, map[string]string{
			"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "100", "max.compaction.lag.ms": "100", "delete.retention.ms": "100",
		})
		if cluster.Embedded != nil {
			// Some transactions fail after their records were written, so that aborted records are among the others.
			cluster.Embedded.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.InvalidTxnState, Count: 5})
		}
		want := map[string]string{}
		var held []kafka.Message
		stop := runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("state"), Instance: "a", Topics: []string{in}, FlushInterval: 10 * time.Millisecond,
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				return &fake{
					process: func(m *kafka.Message) error {
						held = append(held, kafka.Message{Topic: state, Key: m.Key, Value: m.Value})
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
		for round := range 30 {
			for key := range 5 {
				k, v := fmt.Sprint("key ", key), fmt.Sprint("round ", round)
				want[k] = v
				if err := client.Produce(t.Context(), kafka.Message{Topic: in, Key: []byte(k), Value: []byte(v)}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(15 * time.Millisecond)
			if cluster.Embedded != nil && round == 20 {
				cluster.Embedded.Cluster().Compact()
			}
		}
		have := func() (map[string]string, int) {
			got, n := map[string]string{}, 0
			err := client.ReadPartition(t.Context(), state, 0, func(m *kafka.Message) error {
				got[string(m.Key)] = string(m.Value)
				n++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return got, n
		}
		equal := func() bool {
			got, _ := have()
			return fmt.Sprint(got) == fmt.Sprint(want)
		}
		within(t, 10*time.Second, "the last state", equal)
		stop()
		if cluster.Embedded != nil {
			cluster.Embedded.Cluster().Compact()
		}
		within(t, 20*time.Second, "compaction", func() bool {
			if !equal() {
				got, _ := have()
				t.Fatalf("found %v, want %v", got, want)
			}
			_, n := have()
			return n < 100
		})
	})
}

// Reading ends at the end of the moment, also of a partition that is empty, or was emptied.
func TestReadPartitionEnds(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 1, nil)
		if got := read(t, client, topic, 0); got != nil {
			t.Errorf("found %q in an empty partition", got)
		}
		var want []string
		for i := range 3000 {
			want = append(want, strings.Repeat("x", 1000)+fmt.Sprint(i))
		}
		produce(t, client, topic, 0, want...)
		if got := read(t, client, topic, 0); !slices.Equal(got, want) {
			t.Errorf("found %d records, want %d", len(got), len(want))
		}
		fault := errors.New("enough")
		n := 0
		err := client.ReadPartition(t.Context(), topic, 0, func(*kafka.Message) error {
			if n++; n == 10 {
				return fault
			}
			return nil
		})
		if !errors.Is(err, fault) || n != 10 {
			t.Errorf("after %d records: %v", n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := client.ReadPartition(ctx, "no-such-topic", 0, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a topic that is not there: %v", err)
		}
	})
}

func TestTail(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 2, nil)
		now := time.Now()
		for i := range 6 {
			m := kafka.Message{Topic: topic, Partition: int32(i % 2), Value: fmt.Append(nil, i), Time: now.Add(time.Duration(i-10) * time.Minute)}
			if err := client.Produce(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		tests := []struct {
			name string
			from kafka.Start
			want []string
		}{
			{"oldest", kafka.Oldest(), []string{"0", "1", "2", "3", "4", "5", "new"}},
			{"newest", kafka.Newest(), []string{"new"}},
			{"time", kafka.At(now.Add(-7 * time.Minute).Truncate(time.Millisecond)), []string{"3", "4", "5", "new"}},
			{"offset", kafka.Offset(2), []string{"4", "5", "new"}},
			{"offset too large", kafka.Offset(1000), []string{"new"}},
			{"last", kafka.Last(1), []string{"4", "5", "new"}},
			{"last of all", kafka.Last(1000), []string{"0", "1", "2", "3", "4", "5", "new"}},
		}
		got, ticks := make([]list[string], len(tests)), make([]atomic.Int64, len(tests))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, len(tests))
		for i, test := range tests {
			go func() {
				done <- client.Tail(ctx, topic, test.from, func(m *kafka.Message) error {
					if v := string(m.Value); v == "tick" {
						ticks[i].Add(1)
					} else {
						got[i].add(v)
					}
					return nil
				})
			}()
		}
		// Those that start before the end have read what is there, then those that start at the end hear a tick.
		for i, test := range tests {
			within(t, 10*time.Second, test.name+" to begin", func() bool { return len(got[i].all()) >= len(test.want)-1 })
		}
		for i, test := range tests {
			within(t, 10*time.Second, test.name+" to be at the end", func() bool {
				produce(t, client, topic, 0, "tick")
				return ticks[i].Load() > 0
			})
		}
		produce(t, client, topic, 0, "new")
		for i, test := range tests {
			within(t, 10*time.Second, test.name, func() bool { return len(got[i].all()) >= len(test.want) })
			all := got[i].all()
			slices.Sort(all)
			if !slices.Equal(all, test.want) {
				t.Errorf("%s: found %q, want %q", test.name, all, test.want)
			}
		}
		cancel()
		for range tests {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		fault := errors.New("enough")
		err := client.Tail(t.Context(), topic, kafka.Oldest(), func(*kafka.Message) error { return fault })
		if !errors.Is(err, fault) {
			t.Errorf("an error of the function: %v", err)
		}
	})
}

// A topic that comes later is read from its first record, and so are partitions.
func TestTailNewPartitions(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	topic := kafkatest.Name("later")
	asked := make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	cluster.Embedded.Cluster().ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Embedded.Cluster().KeepControl()
		for _, about := range r.(*kmsg.MetadataRequest).Topics {
			if *about.Topic == topic {
				once()
			}
		}
		return nil, nil, false
	})
	var got list[string]
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- client.Tail(ctx, topic, kafka.Newest(), func(m *kafka.Message) error { got.add(string(m.Value)); return nil })
	}()
	<-asked // for a topic that is not there yet
	if _, err := client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: topic, Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	produce(t, client, topic, 0, "a")
	within(t, 5*time.Second, "the topic", func() bool { return len(got.all()) == 1 })
	grow(t, cluster, topic, 2)
	produce(t, client, topic, 1, "b")
	within(t, 10*time.Second, "the partition", func() bool { return len(got.all()) == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
