package kafka

import (
	"time"

	"github.com/IBM/sarama"
)

// batch is one record batch for one partition. It is encoded once; a retry sends the same bytes with the same sequence
// number, so that the broker writes it once.
type batch struct {
	topicPartition
	records *sarama.RecordBatch
	bytes   int
	at      int   // place of the first message among those of a transaction
	err     error // of the last try
}

// identity is what the brokers know an idempotent producer by.
type identity struct {
	id    int64
	epoch int16
}

// size is what a message takes in a batch, at most.
func size(m *Message) int {
	n := 36 + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += 10 + len(h.Key) + len(h.Value)
	}
	return n
}

// newBatch makes a batch of at least one message, all for the same partition. A message without a time gets now.
func newBatch(tp topicPartition, msgs []Message, codec sarama.CompressionCodec, now time.Time) *batch {
	b := &batch{topicPartition: tp, records: &sarama.RecordBatch{
		Version:              2,
		Codec:                codec,
		CompressionLevel:     sarama.CompressionLevelDefault,
		PartitionLeaderEpoch: -1,
		LastOffsetDelta:      int32(len(msgs) - 1), // bounded by the bytes of a batch
		Records:              make([]*sarama.Record, len(msgs)),
	}}
	rb := b.records
	records := make([]sarama.Record, len(msgs))
	for i := range msgs {
		m, r := &msgs[i], &records[i]
		at := m.Time
		if at.IsZero() {
			at = now
		}
		at = at.Truncate(time.Millisecond)
		if i == 0 {
			rb.FirstTimestamp, rb.MaxTimestamp = at, at
		}
		if at.After(rb.MaxTimestamp) {
			rb.MaxTimestamp = at
		}
		r.TimestampDelta = at.Sub(rb.FirstTimestamp)
		r.OffsetDelta = int64(i)
		r.Key, r.Value = m.Key, m.Value
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, &sarama.RecordHeader{Key: []byte(h.Key), Value: []byte(h.Value)})
		}
		rb.Records[i] = r
		b.bytes += size(m)
	}
	if b.bytes < 512 {
		rb.Codec = sarama.CompressionNone // it would not shrink
	}
	return b
}

// stamp gives the batch its place in the sequence of a producer.
func (b *batch) stamp(p identity, sequence int32, transactional bool) {
	b.records.ProducerID, b.records.ProducerEpoch, b.records.FirstSequence = p.id, p.epoch, sequence
	b.records.IsTransactional = transactional
}

// nextSequence returns the sequence number after n more records; it wraps as Kafka's does.
func nextSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & 0x7fffffff) // masked to 31 bits
}

// produce sends batches, at most one per partition, to a broker and sets the err of each. It returns an error only for
// the connection; then no batch has an answer.
func produce(b *sarama.Broker, batches []*batch, transactionalID *string) error {
	req := &sarama.ProduceRequest{Version: 8, RequiredAcks: sarama.WaitForAll, Timeout: 10_000, TransactionalID: transactionalID}
	for _, x := range batches {
		req.AddBatch(x.topic, x.id, x.records)
	}
	res, err := b.Produce(req)
	if err != nil {
		return err
	}
	for _, x := range batches {
		block := res.GetBlock(x.topic, x.id)
		switch {
		case block == nil:
			x.err = sarama.ErrIncompleteResponse
		case block.Err == sarama.ErrDuplicateSequenceNumber: // an earlier try had been written
			x.err = nil
		default:
			x.err = check(block.Err)
		}
	}
	return nil
}

// wrote counts what a batch wrote.
func (m *metrics) wrote(b *batch) {
	m.producedRecords.WithLabelValues(b.topic).Add(float64(len(b.records.Records)))
	m.producedBytes.WithLabelValues(b.topic).Add(float64(b.bytes))
}
