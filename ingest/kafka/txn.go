package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// outcome is what became of a transaction.
type outcome uint8

const (
	aborted outcome = iota
	committed
	unknown // the end of it was asked for, and the answer was lost
)

// txn is a transactional producer. One goroutine uses it.
type txn struct {
	c     *Client
	cl    sarama.Client
	log   *slog.Logger
	id    string // transactional id
	group string
	codec sarama.CompressionCodec
	// exclusive: other processes use the same id, each in its time. Whoever has taken it over is not fenced in turn. confirm
	// returns errTaken where the group has given the partitions to others, leased says that it cannot have: they are asked before
	// each new epoch, as not every broker notices.
	exclusive bool
	confirm   func(sarama.Client) error
	leased    func() bool

	identity  identity
	ready     bool // no transaction is open under the identity
	sequences map[topicPartition]int32
	counts    map[string]int32 // partitions of topics written to by key
	asked     time.Time
	limit     int        // bytes of a batch of several messages
	rounds    [][]*batch // of the last transaction
}

func newTxn(c *Client, cl sarama.Client, log *slog.Logger, id, group string) *txn {
	t := &txn{c: c, cl: cl, log: log, id: id, group: group, identity: identity{-1, -1}, limit: maxBatchBytes}
	t.codec, _ = codec(c.cfg.Compression)
	return t
}

// ownership is the generation of the group under which offsets are committed.
type ownership struct {
	memberID   string
	instance   *string
	generation int32
}

// commit writes messages and offsets in one transaction. It takes at most about the transaction timeout, unless the
// brokers keep it waiting for the answer to its very end. The error says why it was aborted or is unknown.
func (t *txn) commit(ctx context.Context, own ownership, msgs []Message, offsets map[string][]*sarama.PartitionOffsetMetadata) (outcome, error) {
	try, cancel := context.WithTimeout(ctx, t.c.cfg.TransactionTimeout)
	defer cancel()
	if !t.ready {
		if err := t.begin(try); err != nil {
			return aborted, fmt.Errorf("asking for a producer epoch: %w", err)
		}
	}
	t.ready = false
	if err := t.write(try, own, msgs, offsets); err != nil {
		return aborted, t.taken(err)
	}
	asked := false
	err := t.coordinate(try, func(b *sarama.Broker) error {
		asked = true
		res, err := b.EndTxn(&sarama.EndTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: t.identity.id, ProducerEpoch: t.identity.epoch, TransactionResult: true,
		})
		if err != nil {
			return err
		}
		return check(res.Err)
	})
	switch {
	case err == nil:
		t.ready = true
		return committed, nil
	case t.exclusive && classify(err) == fenced:
		return aborted, t.taken(err) // or committed: whoever goes on reads what is
	case asked:
		return unknown, fmt.Errorf("ending the transaction: %w", err)
	default:
		return aborted, fmt.Errorf("ending the transaction: %w", err)
	}
}

// count counts what the last transaction wrote, which is known to be committed.
func (t *txn) count() {
	for _, round := range t.rounds {
		for _, b := range round {
			t.c.m.wrote(b)
		}
	}
	t.rounds = nil
}

// write does all of a transaction but its end.
func (t *txn) write(ctx context.Context, own ownership, msgs []Message, offsets map[string][]*sarama.PartitionOffsetMetadata) error {
	t.rounds = nil
	rounds, err := t.batches(ctx, msgs)
	if err != nil {
		return err
	}
	t.rounds = rounds
	if len(rounds) > 0 {
		if err := t.addPartitions(ctx, rounds[0]); err != nil {
			return fmt.Errorf("adding partitions to the transaction: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	offsetsDone := make(chan error, 1)
	go func() {
		err := t.addOffsets(ctx, own, offsets)
		if err != nil {
			cancel()
		}
		offsetsDone <- err
	}()
	var produceErr error
	for _, round := range rounds {
		if produceErr = t.send(ctx, round); produceErr != nil {
			cancel()
			break
		}
	}
	offsetsErr := <-offsetsDone
	// The one that failed first cancelled the other.
	if produceErr != nil && !errors.Is(produceErr, context.Canceled) {
		return fmt.Errorf("writing: %w", produceErr)
	}
	if offsetsErr != nil {
		return fmt.Errorf("committing offsets: %w", offsetsErr)
	}
	return produceErr
}

// taken says what being fenced means where the id is shared. No epoch is asked for then: not every broker would refuse one
// to a process that has only been slow to notice.
func (t *txn) taken(err error) error {
	if t.exclusive && classify(err) == fenced {
		return fmt.Errorf("%w: %w", errTaken, err)
	}
	return err
}

// takeOver takes the id from whoever had it: what it left open is aborted, and it can write nothing more.
func (t *txn) takeOver(ctx context.Context) error {
	t.identity = identity{-1, -1}
	if err := t.begin(ctx); err != nil {
		return fmt.Errorf("taking over the transactional id %s: %w", t.id, err)
	}
	return nil
}

// begin takes a new epoch, which aborts what may be open under the old one and fences whoever uses it.
func (t *txn) begin(ctx context.Context) error {
	err := t.coordinate(ctx, func(b *sarama.Broker) error {
		if err := t.may(); err != nil {
			return err
		}
		res, err := b.InitProducerID(&sarama.InitProducerIDRequest{
			Version: 4, TransactionalID: &t.id, TransactionTimeout: t.c.cfg.TransactionTimeout,
			ProducerID: t.identity.id, ProducerEpoch: t.identity.epoch,
		})
		if err != nil {
			return err
		}
		switch err := check(res.Err); {
		case err == nil:
			t.identity = identity{res.ProducerID, res.ProducerEpoch}
			return nil
		case t.identity.id >= 0 && !errors.Is(err, sarama.ErrConcurrentTransactions) && (classify(err) == fenced || classify(err) == abortable):
			// The coordinator aborted our transaction for being slow, or another process has the same name. The group
			// decides who may commit, so it is safe to begin anew.
			t.c.m.failed(fenced)
			if t.exclusive {
				return t.taken(sarama.ErrProducerFenced)
			}
			t.identity = identity{-1, -1}
			return sarama.ErrConcurrentTransactions // to be tried again
		default:
			return err
		}
	})
	if err != nil {
		return err
	}
	t.ready, t.sequences = true, map[topicPartition]int32{}
	return nil
}

// may says whether a new epoch may be taken now.
func (t *txn) may() error {
	switch {
	case !t.exclusive:
		return nil
	case t.identity.id >= 0:
		return t.confirm(t.cl)
	case t.leased(): // what is to be taken over was given to this process within a session
		return nil
	default:
		return errUnconfirmed
	}
}

// coordinate makes a request to the coordinator of the transactional id until it is answered with anything but an error
// that passes, or ctx ends.
func (t *txn) coordinate(ctx context.Context, f func(*sarama.Broker) error) error {
	return t.persist(ctx, func() error {
		b, err := t.cl.TransactionCoordinator(t.id)
		if err != nil {
			return err
		}
		return f(b)
	}, func() { _ = t.cl.RefreshTransactionCoordinator(t.id) })
}

// persist tries f until it succeeds, fails with an error that does not pass, or ctx ends; refresh is called after errors
// of class connection.
func (t *txn) persist(ctx context.Context, f func() error, refresh func()) error {
	for wait := newBackoff(5*time.Millisecond, 500*time.Millisecond); ; {
		err := f()
		switch {
		case err == nil:
			t.c.health.good()
			return nil
		case ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case errors.Is(err, sarama.ErrConcurrentTransactions): // the one before is being completed
		case classify(err) == connection:
			t.c.failed(err)
			refresh()
		default:
			t.c.failed(err)
			return err
		}
		if !wait.sleep(ctx) {
			return errors.Join(err, ctx.Err())
		}
	}
}

func (t *txn) addPartitions(ctx context.Context, first []*batch) error {
	req := &sarama.AddPartitionsToTxnRequest{
		Version: 3, TransactionalID: t.id, ProducerID: t.identity.id, ProducerEpoch: t.identity.epoch,
		TopicPartitions: map[string][]int32{},
	}
	for _, b := range first {
		req.TopicPartitions[b.topic] = append(req.TopicPartitions[b.topic], b.id)
	}
	return t.coordinate(ctx, func(b *sarama.Broker) error {
		res, err := b.AddPartitionsToTxn(req)
		if err != nil {
			return err
		}
		return worst(res.Errors)
	})
}

// addOffsets adds the group to the transaction and hands its coordinator the offsets, where there are any.
func (t *txn) addOffsets(ctx context.Context, own ownership, offsets map[string][]*sarama.PartitionOffsetMetadata) error {
	if len(offsets) == 0 {
		return nil
	}
	err := t.coordinate(ctx, func(b *sarama.Broker) error {
		res, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: t.identity.id, ProducerEpoch: t.identity.epoch, GroupID: t.group,
		})
		if err != nil {
			return err
		}
		return check(res.Err)
	})
	if err != nil {
		return err
	}
	return t.persist(ctx, func() error {
		b, err := t.cl.Coordinator(t.group)
		if err != nil {
			return err
		}
		res, err := b.TxnOffsetCommit(&sarama.TxnOffsetCommitRequest{
			Version: 3, TransactionalID: t.id, GroupID: t.group, ProducerID: t.identity.id, ProducerEpoch: t.identity.epoch,
			GenerationID: own.generation, MemberID: own.memberID, GroupInstanceID: own.instance, Topics: offsets,
		})
		if err != nil {
			return err
		}
		return worst(res.Topics)
	}, func() { _ = t.cl.RefreshCoordinator(t.group) })
}

// worst returns the error that decides about an answer: one that does not pass before one that does, and that before one which
// only says that others failed.
func worst(errs map[string][]*sarama.PartitionError) error {
	rank := func(err error) int {
		switch {
		case errors.Is(err, sarama.ErrOperationNotAttempted):
			return 1
		case classify(err) == connection:
			return 2
		}
		return 3
	}
	var found error
	weight := 0
	for _, topic := range slices.Sorted(maps.Keys(errs)) {
		for _, e := range errs[topic] {
			if err := check(e.Err); err != nil && rank(err) > weight {
				found, weight = fmt.Errorf("topic %s partition %d: %w", topic, e.Partition, err), rank(err)
			}
		}
	}
	return found
}

// batches makes batches of messages and returns them in rounds: each has at most one batch for a partition.
func (t *txn) batches(ctx context.Context, msgs []Message) ([][]*batch, error) {
	if time.Since(t.asked) > 10*time.Second {
		t.counts, t.asked = map[string]int32{}, time.Now()
	}
	byPartition := map[topicPartition][]Message{}
	for i := range msgs {
		m := &msgs[i]
		if n := size(m); n > maxMessageBytes {
			return nil, &refusal{i, fmt.Errorf("a message for topic %s has %d bytes, more than the %d that are allowed: %w", m.Topic, n, maxMessageBytes, sarama.ErrMessageSizeTooLarge)}
		}
		tp := topicPartition{m.Topic, m.Partition}
		if tp.id < 0 {
			n, err := t.partitions(ctx, m.Topic)
			if err != nil {
				return nil, err
			}
			tp.id = keyPartition(m.Key, n)
		}
		placed := *m
		placed.Offset = int64(i) // which is of no use in a message that is written
		byPartition[tp] = append(byPartition[tp], placed)
	}
	var rounds [][]*batch
	now := time.Now()
	for _, tp := range slices.SortedFunc(maps.Keys(byPartition), topicPartition.compare) {
		rest := byPartition[tp]
		for round := 0; len(rest) > 0; round++ {
			n, bytes := 1, size(&rest[0])
			for n < len(rest) && bytes+size(&rest[n]) <= t.limit {
				bytes += size(&rest[n])
				n++
			}
			b := newBatch(tp, rest[:n], t.codec, now)
			b.at = int(rest[0].Offset) // as many as there are messages
			b.stamp(t.identity, t.sequences[tp], true)
			t.sequences[tp] = nextSequence(t.sequences[tp], n)
			rest = rest[n:]
			if round == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[round] = append(rounds[round], b)
		}
	}
	return rounds, nil
}

func (t *txn) partitions(ctx context.Context, topic string) (int32, error) {
	if n := t.counts[topic]; n > 0 {
		return n, nil
	}
	err := t.persist(ctx, func() error {
		n, err := partitions(t.cl, topic)
		if err == nil && n == 0 {
			err = fmt.Errorf("topic %s does not exist: %w", topic, sarama.ErrUnknownTopicOrPartition)
		}
		t.counts[topic] = n
		return err
	}, func() {})
	return t.counts[topic], err
}

// send writes batches, each for another partition, to their leaders until all are acknowledged.
func (t *txn) send(ctx context.Context, left []*batch) error {
	for wait := newBackoff(10*time.Millisecond, 500*time.Millisecond); ; {
		t.sendOnce(left)
		var again []*batch
		var passing error
		for _, b := range left {
			switch {
			case b.err == nil:
			case ctx.Err() == nil && classify(b.err) == connection:
				t.c.failed(b.err)
				passing = b.err
				again = append(again, b)
			case tooLarge(b.err) && len(b.records.Records) > 1:
				t.limit = min(t.limit, b.bytes) / 2 // the topic allows less than Kafka's default
				return fmt.Errorf("topic %s partition %d: %w", b.topic, b.id, errSmaller)
			case tooLarge(b.err):
				t.c.failed(b.err)
				return &refusal{b.at, fmt.Errorf("topic %s partition %d: a message of %d bytes: %w", b.topic, b.id, b.bytes, b.err)}
			default:
				t.c.failed(b.err)
				return errors.Join(fmt.Errorf("topic %s partition %d: %w", b.topic, b.id, b.err), ctx.Err())
			}
		}
		if len(again) == 0 {
			return nil
		}
		topics := make([]string, len(again))
		for i, b := range again {
			topics[i] = b.topic
		}
		if !wait.sleep(ctx) {
			return errors.Join(ctx.Err(), passing)
		}
		_ = t.cl.RefreshMetadata(topics...)
		left = again
	}
}

// sendOnce sends batches to their leaders, all brokers at once, and sets the err of each.
func (t *txn) sendOnce(batches []*batch) {
	byLeader := map[*sarama.Broker][]*batch{}
	for _, x := range batches {
		b, err := t.cl.Leader(x.topic, x.id)
		if err != nil {
			x.err = err
			continue
		}
		byLeader[b] = append(byLeader[b], x)
	}
	var wg sync.WaitGroup
	for b, xs := range byLeader {
		wg.Go(func() {
			if err := produce(b, xs, &t.id); err != nil {
				for _, x := range xs {
					x.err = err
				}
			}
		})
	}
	wg.Wait()
}
