package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const (
	fetchBytes     = 1 << 20 // asked for per partition, and the most that may wait unprocessed for more to be asked for
	fetchMaxBytes  = 96 << 20
	answerBytes    = 8 << 20                // asked for per answer
	fetchWait      = 250 * time.Millisecond // the longest that a broker waits for new records
	fetchWaitBrief = 10 * time.Millisecond  // the same, while some partitions are left out because they are behind
	fetchDepth     = 16                     // answers that may wait unprocessed
)

// fetched is what one answer of a broker holds of a partition.
type fetched struct {
	batches []*sarama.RecordBatch // those to be processed, in order
	next    int64                 // the position after all that was answered, also what is not to be processed
	stable  int64                 // the last stable offset when the broker answered
	end     int64                 // the end of the partition, open transactions included
	first   int64                 // the oldest offset of the partition
	asked   time.Time             // when the request was sent
	bytes   int64
	err     error // the position is not in the partition
}

// each calls f for the records from a position on. The Message is only valid during the call; its key and value stay
// valid, and are slices of the broker's answer.
func (a *fetched) each(tp topicPartition, from int64, f func(*Message) error) error {
	m := Message{Topic: tp.topic, Partition: tp.id}
	for _, b := range a.batches {
		for _, r := range b.Records {
			m.Offset = b.FirstOffset + r.OffsetDelta
			if m.Offset < from {
				continue
			}
			m.Time = b.FirstTimestamp.Add(r.TimestampDelta)
			if b.LogAppendTime {
				m.Time = b.MaxTimestamp
			}
			m.Key, m.Value, m.Headers = r.Key, r.Value, headers(r.Headers)
			if err := f(&m); err != nil {
				return err
			}
		}
	}
	return nil
}

func headers(hs []*sarama.RecordHeader) []Header {
	if len(hs) == 0 {
		return nil
	}
	out := make([]Header, len(hs))
	for i, h := range hs {
		out[i] = Header{Key: string(h.Key), Value: string(h.Value)}
	}
	return out
}

// source is a partition that is being fetched. offset and maxBytes belong to the goroutine of its leader.
type source struct {
	offset   int64
	maxBytes int32
	answers  chan fetched
	waiting  atomic.Int64 // bytes in answers
	stopped  atomic.Bool  // after an err, until it is added anew
	why      puzzle
}

// fetcher reads partitions, read committed, each into a channel.
type fetcher struct {
	c      *Client
	router *router[*source]
	brake  *Brake // nil, or what holds all partitions
}

func newFetcher(c *Client, cl sarama.Client) *fetcher {
	f := &fetcher{c: c, router: newRouter[*source](c, cl)}
	f.router.ready = func(r *routed[*source]) bool {
		s := r.state
		return !f.brake.held() && !s.stopped.Load() && len(s.answers) < fetchDepth && s.waiting.Load() < fetchBytes
	}
	f.router.serve = f.serve
	return f
}

// add fetches a partition from an offset on.
func (f *fetcher) add(tp topicPartition, offset int64) *routed[*source] {
	return f.router.add(tp, &source{offset: offset, maxBytes: fetchBytes, answers: make(chan fetched, fetchDepth)})
}

// took says that an answer has been processed.
func (f *fetcher) took(r *routed[*source], a *fetched) {
	left := r.state.waiting.Add(-a.bytes)
	if left < fetchBytes && left+a.bytes >= fetchBytes || len(r.state.answers) == fetchDepth-1 {
		f.router.wake(r)
	}
}

func (f *fetcher) serve(ctx context.Context, b *sarama.Broker, rs []*routed[*source], all bool) error {
	wait := fetchWait
	if !all {
		wait = fetchWaitBrief
	}
	req := newFetchRequest(wait)
	for _, r := range rs {
		req.AddBlock(r.topic, r.id, r.state.offset, r.state.maxBytes, r.epoch)
	}
	asked := time.Now()
	res, err := b.Fetch(req)
	if err != nil {
		return err
	}
	if err := check(sarama.KError(res.ErrorCode)); err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	for _, r := range rs {
		a, err := r.state.read(res.GetBlock(r.topic, r.id))
		switch {
		case err == nil:
			r.state.why = puzzle{}
			f.router.served(r)
		case errors.Is(err, errPosition):
			r.state.stopped.Store(true)
		case errors.Is(err, sarama.ErrIncompleteResponse):
			continue // the answer was full before it came to this partition
		default:
			if ctx.Err() == nil {
				r.state.why.failed(f.c, r.topicPartition, err)
			}
			f.router.moved(r)
			continue
		}
		a.asked = asked
		r.state.waiting.Add(a.bytes)
		r.state.answers <- a // ready has seen room, and nobody else sends
	}
	return nil
}

func newFetchRequest(wait time.Duration) *sarama.FetchRequest {
	return &sarama.FetchRequest{
		Version: 11, MinBytes: 1, MaxBytes: answerBytes, MaxWaitTime: int32(wait / time.Millisecond), // 250 at most
		Isolation: sarama.ReadCommitted, SessionEpoch: -1,
	}
}

// errPosition says that the position is before the oldest record or after the end of the partition.
var errPosition = errors.New("the position is not in the partition")

// read takes an answer for the partition and moves its offset on.
func (s *source) read(block *sarama.FetchResponseBlock) (fetched, error) {
	if block == nil {
		return fetched{}, sarama.ErrIncompleteResponse
	}
	a := fetched{next: s.offset, stable: block.LastStableOffset, end: block.HighWaterMarkOffset, first: block.LogStartOffset}
	if block.Err == sarama.ErrOffsetOutOfRange {
		a.err = errPosition
		return a, errPosition
	}
	if err := check(block.Err); err != nil {
		return a, err
	}
	aborted := slices.SortedFunc(slices.Values(block.AbortedTransactions), func(x, y *sarama.AbortedTransaction) int {
		return cmp.Compare(x.FirstOffset, y.FirstOffset)
	})
	skip := map[int64]bool{} // producers inside an aborted transaction
	partial := block.Partial
	for _, set := range block.RecordsSet {
		b := set.RecordBatch
		if b == nil {
			return a, fmt.Errorf("a message in the format of before Kafka 0.11: %w", sarama.ErrUnsupportedVersion)
		}
		if b.PartialTrailingRecord {
			partial = true
			break
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= b.LastOffset() {
			skip[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		a.next = max(a.next, b.LastOffset()+1)
		switch {
		case b.Control:
			if aborts(b) {
				delete(skip, b.ProducerID)
			}
		case b.IsTransactional && skip[b.ProducerID]:
		default:
			a.batches = append(a.batches, b)
			for _, r := range b.Records {
				a.bytes += int64(len(r.Key) + len(r.Value))
			}
		}
	}
	switch {
	case a.next > s.offset:
		s.maxBytes = fetchBytes
	case partial: // the batch is larger than what was asked for
		s.maxBytes = min(2*s.maxBytes, fetchMaxBytes)
	case s.offset < block.LastStableOffset:
		// What compaction left of the batches here holds no records.
		a.next = max(a.next, afterEmpty(block, s.offset))
	}
	s.offset = a.next
	return a, nil
}

// aborts says whether a control batch ends a transaction without committing it.
func aborts(b *sarama.RecordBatch) bool {
	const abort = 0
	return len(b.Records) > 0 && len(b.Records[0].Key) >= 4 && binary.BigEndian.Uint16(b.Records[0].Key[2:]) == abort
}

// afterEmpty returns the offset after batches without records at a position. Sarama counts over them while it decodes an
// answer, but only its own consumer is let know; so the field is read by reflection. Should it be gone one day, the
// position moves on one by one, which is slower and as right. An answer without any batch, which the limit on the size of
// an answer may cause, leaves the position as it is.
func afterEmpty(block *sarama.FetchResponseBlock, position int64) int64 {
	f := reflect.ValueOf(block).Elem().FieldByName("recordsNextOffset")
	if f.Kind() != reflect.Pointer || f.Type().Elem().Kind() != reflect.Int64 {
		return position + 1
	}
	if f.IsNil() {
		return position
	}
	return f.Elem().Int()
}
