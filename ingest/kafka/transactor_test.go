package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// Of two programs under one name only the later one writes, and what it writes to several topics is there at once.
func TestTransactorFences(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		a, b := cluster.Topic(t, client, 2, nil), cluster.Topic(t, client, 1, nil)
		id := kafkatest.Name("id")
		begin := func() *kafka.Transactor {
			x, err := client.Transactor(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(x.Close)
			return x
		}
		first := begin()
		if err := first.Commit(t.Context(), kafka.Message{Topic: a, Partition: 1, Value: []byte("first")}); err != nil {
			t.Fatal(err)
		}
		second := begin()
		for range 2 {
			err := first.Commit(t.Context(), kafka.Message{Topic: a, Partition: 1, Value: []byte("fenced")})
			if !errors.Is(err, kafka.ErrFenced) {
				t.Fatalf("error %v of the one that was fenced, expected ErrFenced", err)
			}
		}
		for _, text := range []string{"one", "two"} {
			err := second.Commit(t.Context(),
				kafka.Message{Topic: a, Partition: 1, Value: []byte(text)}, kafka.Message{Topic: b, Partition: 0, Value: []byte(text)})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, client, a, 1); !slices.Equal(got, []string{"first", "one", "two"}) {
			t.Errorf("found %q in the first topic", got)
		}
		if got := read(t, client, b, 0); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("found %q in the second topic", got)
		}
	})
}

// A transaction that is refused leaves nothing behind, neither in the topic that took its part nor for those who read.
func TestTransactorAborts(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		large := cluster.Topic(t, client, 1, nil)
		small := cluster.Topic(t, client, 1, map[string]string{"max.message.bytes": "1000"})
		x, err := client.Transactor(t.Context(), kafkatest.Name("id"))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		// Batches are made smaller until the topic takes them, so many small messages are no fault.
		var many []kafka.Message
		for range 20 {
			many = append(many, kafka.Message{Topic: small, Value: []byte(noise(300))})
		}
		if err := x.Commit(t.Context(), many...); err != nil {
			t.Fatal(err)
		}
		if n := len(read(t, client, small, 0)); n != len(many) {
			t.Errorf("found %d small messages, want %d", n, len(many))
		}
		err = x.Commit(t.Context(), kafka.Message{Topic: large, Value: []byte("half")},
			kafka.Message{Topic: small, Value: []byte(noise(2000))})
		if !errors.Is(err, sarama.ErrMessageSizeTooLarge) {
			t.Fatalf("error %v, expected that a message is too large", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := client.ReadSettled(ctx, large, 0, kafka.Oldest(), func(m *kafka.Message) error {
			t.Errorf("found %q of a transaction that failed", m.Value)
			return nil
		}); err != nil {
			t.Errorf("the transaction is still open: %v", err)
		}
	})
}

// noise is a text that does not compress.
func noise(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(kafkatest.Name(""))
	}
	return b.String()[:n]
}

// What was committed behind the beginning of a transaction that is still open is read when that one has ended.
func TestReadSettledWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 1, nil)
		conf := sarama.NewConfig()
		conf.Version, conf.ClientID = sarama.V3_6_0_0, "slow"
		conf.Producer.Transaction.ID = kafkatest.Name("slow")
		conf.Producer.Idempotent, conf.Net.MaxOpenRequests = true, 1
		conf.Producer.RequiredAcks, conf.Producer.Return.Successes = sarama.WaitForAll, true
		slow, err := sarama.NewSyncProducer(cluster.Brokers, conf)
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		if err := slow.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := slow.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("open")}); err != nil {
			t.Fatal(err)
		}
		x, err := client.Transactor(t.Context(), kafkatest.Name("id"))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		if err := x.Commit(t.Context(), kafka.Message{Topic: topic, Value: []byte("behind")}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, client, topic, 0); got != nil {
			t.Fatalf("found %q before the open transaction ended", got)
		}
		var got list[string]
		done := make(chan error, 1)
		go func() {
			done <- client.ReadSettled(t.Context(), topic, 0, kafka.Oldest(), func(m *kafka.Message) error {
				got.add(string(m.Value))
				return nil
			})
		}()
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v, found %q", err, got.all())
		case <-time.After(300 * time.Millisecond):
		}
		if err := slow.CommitTxn(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.all(), []string{"open", "behind"}) {
			t.Errorf("found %q", got.all())
		}
	})
}
