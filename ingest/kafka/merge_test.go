package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// A topic is read in the order of time across its partitions, and ends where it ended when reading began.
func TestReadTopic(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 4, nil) // the last partition stays empty
		const records = 3000
		begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		put := func(n int) {
			t.Helper()
			var messages []kafka.Message
			for i := range n {
				messages = append(messages, kafka.Message{
					Topic: topic, Partition: int32(i % 3), Value: fmt.Appendf(nil, "%d %01000d", i, 0), Time: begin.Add(time.Duration(i) * time.Second),
				})
			}
			if err := client.Produce(t.Context(), messages...); err != nil {
				t.Fatal(err)
			}
		}
		got := func(from kafka.Start) []string {
			t.Helper()
			var values []string
			err := client.ReadTopic(t.Context(), topic, from, func(m *kafka.Message) error {
				var n string
				_, _ = fmt.Sscan(string(m.Value), &n)
				values = append(values, n)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return values
		}
		numbers := func(from, to int) (out []string) {
			for i := from; i < to; i++ {
				out = append(out, fmt.Sprint(i))
			}
			return out
		}
		if found := got(kafka.Oldest()); found != nil {
			t.Errorf("found %q in an empty topic", found)
		}
		put(records)
		for name, test := range map[string]struct {
			from kafka.Start
			want []string
		}{
			"oldest": {kafka.Oldest(), numbers(0, records)},
			"newest": {kafka.Newest(), nil},
			"time":   {kafka.At(begin.Add(2990 * time.Second)), numbers(2990, records)},
			"last":   {kafka.Last(2), numbers(records-6, records)},
		} {
			if found := got(test.from); !slices.Equal(found, test.want) {
				t.Errorf("%s: found %d records %.200q, want %d", name, len(found), found, len(test.want))
			}
		}

		n := 0
		err := client.ReadTopic(t.Context(), topic, kafka.Oldest(), func(*kafka.Message) error {
			if n++; n == 1 {
				put(30) // comes after the end
			}
			return nil
		})
		if err != nil || n != records {
			t.Errorf("read %d records, want %d; %v", n, records, err)
		}

		fault := errors.New("enough")
		n = 0
		err = client.ReadTopic(t.Context(), topic, kafka.Oldest(), func(*kafka.Message) error {
			if n++; n == 10 {
				return fault
			}
			return nil
		})
		if !errors.Is(err, fault) || n != 10 {
			t.Errorf("after %d records: %v", n, err)
		}
		if err := client.ReadTopic(t.Context(), kafkatest.Name("none"), kafka.Oldest(), nil); err != nil {
			t.Errorf("a topic that is not there: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = client.ReadTopic(ctx, topic, kafka.Oldest(), func(*kafka.Message) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stopped: %v", err)
		}
	})
}
