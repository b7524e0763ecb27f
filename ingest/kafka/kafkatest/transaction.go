package kafkatest

import (
	"testing"

	"github.com/IBM/sarama"
)

// OpenTransaction writes a record in a transaction and leaves it open until commit is called, or the test ends.
func (c Cluster) OpenTransaction(t testing.TB, topic string, partition int32, key, value []byte) (commit func()) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	conf.Producer.Transaction.ID = Name("open")
	conf.Producer.Idempotent, conf.Net.MaxOpenRequests = true, 1
	conf.Producer.RequiredAcks, conf.Producer.Return.Successes = sarama.WaitForAll, true
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	p, err := sarama.NewSyncProducer(c.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.BeginTxn(); err != nil {
		t.Fatal(err)
	}
	m := &sarama.ProducerMessage{Topic: topic, Partition: partition, Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(value)}
	if _, _, err := p.SendMessage(m); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := p.CommitTxn(); err != nil {
			t.Fatal(err)
		}
	}
}
