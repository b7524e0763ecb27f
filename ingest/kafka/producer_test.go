package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// Many write at the same time over connections that break: each message is there once, in the order of its writer.
func TestProduceOnceOverLostAnswers(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 3, nil)
		shaky := cluster.Client(t)
		shaky.Wrap(func(nc net.Conn) net.Conn { return flaky{nc, 0.1} })
		const writers, each = 20, 100
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					m := kafka.Message{Topic: topic, Partition: kafka.ByKey, Key: fmt.Append(nil, "writer ", w), Value: fmt.Append(nil, i)}
					if err := shaky.Produce(t.Context(), m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		next := map[string]int{}
		for p := range int32(3) {
			err := client.ReadPartition(t.Context(), topic, p, func(m *kafka.Message) error {
				if want := strconv.Itoa(next[string(m.Key)]); string(m.Value) != want {
					t.Errorf("%s: found %s, want %s", m.Key, m.Value, want)
				}
				next[string(m.Key)]++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for w := range writers {
			if n := next[fmt.Sprint("writer ", w)]; n != each {
				t.Errorf("writer %d: %d of %d messages", w, n, each)
			}
		}
	})
}

func TestProduceAsync(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 4, nil)
		const n = 5000
		var acked list[int]
		var wg sync.WaitGroup
		wg.Add(n)
		for i := range n {
			client.ProduceAsync(kafka.Message{Topic: topic, Partition: kafka.ByKey, Value: fmt.Append(nil, i)}, func(err error) {
				defer wg.Done()
				if err != nil {
					t.Error(err)
				}
				acked.add(i)
			})
		}
		wg.Wait()
		var got []string
		spread := 0
		for p := range int32(4) {
			values := read(t, client, topic, p)
			got = append(got, values...)
			if len(values) > 0 {
				spread++
			}
		}
		if len(got) != n || len(acked.all()) != n {
			t.Errorf("%d written, %d acknowledged, want %d", len(got), len(acked.all()), n)
		}
		if spread < 2 {
			t.Errorf("messages without a key all went to one partition")
		}
		// What is in the buffer when the client closes is written.
		other := cluster.Client(t)
		for range 100 {
			other.ProduceAsync(kafka.Message{Topic: topic, Partition: 0, Value: []byte("last")}, nil)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		last := 0
		for _, v := range read(t, client, topic, 0) {
			if v == "last" {
				last++
			}
		}
		if last != 100 {
			t.Errorf("%d of 100 were written before the client closed", last)
		}
		refused := make(chan error, 1)
		other.ProduceAsync(kafka.Message{Topic: topic}, func(err error) { refused <- err })
		if err := <-refused; err == nil {
			t.Error("a closed client took a message")
		}
	})
}

// Errors that will not pass are told at once, with the topic; the messages after them go on.
func TestProduceRefused(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	topic := cluster.Topic(t, client, 1, nil)
	for _, fault := range []*kerr.Error{kerr.MessageTooLarge, kerr.TopicAuthorizationFailed, kerr.InvalidRecord} {
		cluster.Embedded.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: fault})
		err := client.Produce(t.Context(), kafka.Message{Topic: topic, Value: []byte("refused")})
		if err == nil || !strings.Contains(err.Error(), topic) {
			t.Errorf("%s: %v", fault.Message, err)
		}
		produce(t, client, topic, 0, fault.Message)
	}
	want := []string{kerr.MessageTooLarge.Message, kerr.TopicAuthorizationFailed.Message, kerr.InvalidRecord.Message}
	if got := read(t, client, topic, 0); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if err := client.Produce(t.Context(), kafka.Message{Topic: topic, Partition: 7}); err == nil || !strings.Contains(err.Error(), "partition 7") {
		t.Errorf("a partition that is not there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := client.Produce(ctx, kafka.Message{Topic: "no-such-topic"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no-such-topic does not exist") {
		t.Errorf("a topic that is not there: %v", err)
	}
}

// The broker loses what it knows of the producer; nothing is lost for that.
func TestProduceAfterLostSequence(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	topic := cluster.Topic(t, client, 2, nil)
	var want [2][]string
	for i := range 200 {
		if i%20 == 10 {
			cluster.Embedded.Cluster().Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Produce}, Topic: topic,
				Err: []*kerr.Error{kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch}[i/20%3],
			})
		}
		p := rand.IntN(2)
		want[p] = append(want[p], strconv.Itoa(i))
		produce(t, client, topic, int32(p), strconv.Itoa(i))
	}
	for p := range want {
		if got := read(t, client, topic, int32(p)); !slices.Equal(got, want[p]) {
			t.Errorf("partition %d: found %q, want %q", p, got, want[p])
		}
	}
}

// The time given to a message is the record's; without one it is the time of the call.
func TestProduceTime(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 1, nil)
		before := time.Now().Truncate(time.Millisecond)
		given := before.Add(-time.Hour)
		err := client.Produce(t.Context(),
			kafka.Message{Topic: topic, Time: given, Key: []byte("k"), Headers: []kafka.Header{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}}},
			kafka.Message{Topic: topic, Value: []byte{}},
			kafka.Message{Topic: topic, Time: given.Add(-time.Minute), Value: []byte("before the first of its batch")})
		if err != nil {
			t.Fatal(err)
		}
		var got []kafka.Message
		err = client.ReadPartition(t.Context(), topic, 0, func(m *kafka.Message) error { got = append(got, *m); return nil })
		if err != nil || len(got) != 3 {
			t.Fatalf("%d messages, %v", len(got), err)
		}
		if !got[0].Time.Equal(given) || !got[2].Time.Equal(given.Add(-time.Minute)) || got[1].Time.Before(before) || got[1].Time.After(time.Now()) {
			t.Errorf("times %s, %s, %s", got[0].Time, got[1].Time, got[2].Time)
		}
		if string(got[0].Key) != "k" || got[0].Value != nil || got[1].Key != nil || got[1].Value == nil {
			t.Errorf("null and empty were mixed up: %q %v, %v %v", got[0].Key, got[0].Value, got[1].Key, got[1].Value)
		}
		if fmt.Sprint(got[0].Headers) != "[{a 1} {a 2}]" {
			t.Errorf("headers %v", got[0].Headers)
		}
	})
}

// A topic that allows less than a batch usually holds gets smaller ones, from the producer and from stages.
func TestSmallTopicLimit(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := kafkatest.NewClient(t, kafka.Config{Brokers: cluster.Brokers, Compression: "none"})
		config := map[string]string{"max.message.bytes": "5000"}
		in, out := cluster.Topic(t, client, 1, config), cluster.Topic(t, client, 1, config)
		var want []string
		for i := range 60 {
			want = append(want, fmt.Sprint(i, strings.Repeat("x", 900)))
		}
		produce(t, client, in, 0, want...)
		if got := read(t, client, in, 0); !slices.Equal(got, want) {
			t.Errorf("%d of %d messages", len(got), len(want))
		}
		err := client.Produce(t.Context(), kafka.Message{Topic: in, Value: make([]byte, 6000)})
		if err == nil || !strings.Contains(err.Error(), in) {
			t.Errorf("a message that is too large: %v", err)
		}
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("small"), Instance: "a", Topics: []string{in},
			Open: relay(out),
		})
		within(t, 30*time.Second, "the output", func() bool { return len(read(t, client, out, 0)) >= len(want) })
		if got := read(t, client, out, 0); !slices.Equal(got, want) {
			t.Errorf("stage: %d of %d messages", len(got), len(want))
		}
	})
}
