package kafka_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// What a topic refuses for its size is made smaller, or left out and counted, in the last flush too; all else is written, in
// its order, and the input's offset is committed.
func TestOversized(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		in, other := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
		out := cluster.Topic(t, client, 1, map[string]string{"max.message.bytes": "20000"})
		registry := prometheus.NewRegistry()
		member := kafkatest.NewClientWith(t, kafka.Config{Brokers: cluster.Brokers}, kafkatest.Logger(t), registry)
		large := func(bytes int) []byte {
			b := make([]byte, bytes)
			for i := range b {
				b[i] = byte(rand.Uint32()) // does not shrink
			}
			return b
		}
		say := func(topic, key string, value []byte) kafka.Message {
			return kafka.Message{Topic: topic, Key: []byte(key), Value: value}
		}
		first := []kafka.Message{
			say(out, "a", nil), say(other, "b", nil), say(out, "cut", large(40_000)), say(out, "refused", large(40_000)),
			say(out, "enormous", make([]byte, 33<<20)), say(out, "unchanged", large(40_000)), say(other, "c", large(40_000)), say(out, "d", nil),
		}
		last := []kafka.Message{say(out, "e", nil), say(out, "refused", large(40_000)), say(out, "cut", large(40_000))}
		stage := kafka.Stage{
			Group: kafkatest.Name("oversized"), Instance: "a", Topics: []string{in}, LeaveOnStop: true,
			Oversized: func(m *kafka.Message) bool {
				if string(m.Key) == "cut" {
					m.Value = m.Value[:10]
				}
				return string(m.Key) != "refused" && string(m.Key) != "enormous"
			},
		}
		committed := make(chan struct{})
		claims := make(chan kafka.Claim, 2)
		stage.Open = func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			claims <- c
			var held []kafka.Message
			f := &finishing{finish: func(context.Context) { held, last = last, nil }}
			f.process = func(*kafka.Message) error { held = first; return nil }
			f.take = func() (kafka.Output, error) {
				o := kafka.Output{Messages: held}
				held = nil
				return o, nil
			}
			f.committed = func() {
				if committed != nil {
					close(committed)
					committed = nil
				}
			}
			return f, nil
		}
		done := committed
		stop := runStage(t, member, stage)
		produce(t, client, in, 0, "x")
		<-done
		keys := func(topic string) (keys []string) {
			t.Helper()
			err := client.ReadSettled(t.Context(), topic, 0, kafka.Oldest(), func(m *kafka.Message) error {
				keys = append(keys, string(m.Key))
				if string(m.Key) == "cut" && len(m.Value) != 10 {
					t.Errorf("%d bytes were written of what was cut to 10", len(m.Value))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return keys
		}
		if got := keys(out); !slices.Equal(got, []string{"a", "cut", "d"}) {
			t.Errorf("%q was written", got)
		}
		if got := keys(other); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("%q was written to the other topic", got)
		}
		stop()
		if got := keys(out); !slices.Equal(got, []string{"a", "cut", "d", "e", "cut"}) {
			t.Errorf("%q was written in the end", got)
		}
		if n := counted(t, registry, "freshet_kafka_left_out_records_total"); n != 4 {
			t.Errorf("%g records were counted as left out", n)
		}
		runStage(t, client, stage)
		<-claims
		if c := <-claims; c.Offset != 1 {
			t.Errorf("the next process begins at offset %d", c.Offset)
		}
	})
}

// counted is the sum of a counter.
func counted(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
