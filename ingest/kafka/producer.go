package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// maxBuffered is how many bytes may wait for acknowledgement before ProduceAsync and Produce block.
const maxBuffered = 64 << 20

// producer writes idempotently, without transactions.
type producer struct {
	c      *Client
	codec  sarama.CompressionCodec
	router *router[*queue]
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	queues   map[topicPartition]*routed[*queue]
	identity identity
	known    bool // identity is set
	refused  bool // and that was said
	counts   map[string]int32
	asked    map[string]time.Time
	keyless  map[string]*spot // where messages without a key go now, by topic
	buffered int
	messages int
	room     chan struct{} // closed and made anew when the buffer shrinks
	idle     chan struct{} // closed when closing and nothing is left
	closing  bool
}

func newProducer(c *Client) (*producer, error) {
	ctx, cancel := context.WithCancel(c.ctx)
	cl, err := c.connect(ctx, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	p := &producer{
		c: c, cancel: cancel, ended: make(chan struct{}),
		queues: map[topicPartition]*routed[*queue]{},
		counts: map[string]int32{}, asked: map[string]time.Time{}, keyless: map[string]*spot{},
		room: make(chan struct{}), idle: make(chan struct{}),
	}
	p.codec, _ = codec(c.cfg.Compression)
	p.router = newRouter[*queue](c, cl)
	p.router.ready = func(r *routed[*queue]) bool { return r.state.messages.Load() > 0 }
	p.router.serve = p.serve
	go func() {
		defer close(p.ended)
		defer disconnect(cl)
		p.router.run(ctx)
	}()
	return p, nil
}

// put queues a message; it waits for room, and for the number of partitions if it has to choose one.
func (p *producer) put(ctx context.Context, m Message, done func(error)) error {
	n := size(&m)
	if n > maxMessageBytes {
		return fmt.Errorf("a message for topic %s has %d bytes, more than the %d that are allowed: %w", m.Topic, n, maxMessageBytes, sarama.ErrMessageSizeTooLarge)
	}
	count, err := p.partitions(ctx, m.Topic, m.Partition)
	if err != nil {
		return err
	}
	if m.Partition >= count {
		return fmt.Errorf("topic %s has %d partitions, there is no partition %d", m.Topic, count, m.Partition)
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	p.mu.Lock()
	for p.buffered > 0 && p.buffered+n > maxBuffered && !p.closing {
		p.sweep()
		room := p.room
		if p.buffered == 0 || p.buffered+n <= maxBuffered {
			break
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-room:
		}
		p.mu.Lock()
	}
	if p.closing {
		p.mu.Unlock()
		return errClosed
	}
	switch {
	case m.Partition >= 0:
	case m.Key != nil:
		m.Partition = keyPartition(m.Key, count)
	default:
		m.Partition = p.spot(m.Topic).take(n, count)
	}
	tp := topicPartition{m.Topic, m.Partition}
	p.buffered += n
	p.messages++
	r := p.queues[tp]
	if r == nil {
		r = p.router.add(tp, &queue{limit: maxBatchBytes})
		p.queues[tp] = r
	}
	r.state.waiting = append(r.state.waiting, pending{m, ctx, done})
	r.state.messages.Add(1)
	p.mu.Unlock()
	p.router.wake(r)
	return nil
}

// partitions returns the number of partitions of a topic, as it is known unless a partition is wanted that is not among
// them. It waits for a topic that does not exist yet.
func (p *producer) partitions(ctx context.Context, topic string, want int32) (int32, error) {
	said := false
	for wait := newBackoff(20*time.Millisecond, time.Second); ; {
		p.mu.Lock()
		n, at, closing := p.counts[topic], p.asked[topic], p.closing
		fresh := n > max(want, 0) && time.Since(at) < 30*time.Second
		if n > 0 && !fresh {
			p.asked[topic] = time.Now() // one caller asks anew, the others go on with what is known
		}
		p.mu.Unlock()
		if fresh {
			return n, nil
		}
		if closing {
			return 0, errClosed
		}
		found, err := partitions(p.router.cl, topic)
		if err == nil && found > 0 {
			p.mu.Lock()
			p.counts[topic], p.asked[topic] = found, time.Now()
			p.mu.Unlock()
			return found, nil
		}
		switch {
		case n > max(want, 0):
			return n, nil
		case over(ctx, err):
			return 0, ctx.Err()
		case err != nil:
			if k := p.c.failed(err); k == authorization || k == data {
				return 0, fmt.Errorf("topic %s: %w", topic, err)
			}
		case !said:
			said = true
			p.c.log.Warn("a topic that is to be written to does not exist, waiting for it", "topic", topic)
		}
		if !wait.sleep(ctx) {
			if err == nil {
				err = fmt.Errorf("topic %s does not exist", topic)
			}
			return 0, errors.Join(ctx.Err(), err)
		}
	}
}

// serve writes one batch for each of a broker's partitions.
func (p *producer) serve(_ context.Context, b *sarama.Broker, rs []*routed[*queue], _ bool) error {
	if err := p.identify(b); err != nil {
		return err
	}
	var batches []*batch
	var owners []*routed[*queue]
	total := 0
	p.mu.Lock()
	for _, r := range rs {
		if total > 0 && total+maxBatchBytes > maxMessageBytes {
			break // the rest is ready for the next request
		}
		switch {
		case r.state.flight == nil:
			p.load(r)
		case r.state.lost:
			r.state.lost = false
			p.stamp(r.state)
		}
		if x := r.state.flight; x != nil {
			batches, owners = append(batches, x), append(owners, r)
			total += x.bytes
		}
	}
	p.mu.Unlock()
	if len(batches) == 0 {
		return nil
	}
	if err := produce(b, batches, nil); err != nil {
		return err
	}
	for i, x := range batches {
		p.settle(owners[i], x)
	}
	return nil
}

// spot returns that of a topic. p.mu is held.
func (p *producer) spot(topic string) *spot {
	s := p.keyless[topic]
	if s == nil {
		s = &spot{}
		p.keyless[topic] = s
	}
	return s
}

// identify asks for a producer id if there is none.
func (p *producer) identify(b *sarama.Broker) error {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known {
		return nil
	}
	res, err := b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return err
	}
	if err := check(res.Err); err != nil {
		k := classify(err)
		p.mu.Lock()
		say := !p.refused && (k == authorization || k == data)
		p.refused = p.refused || say
		p.mu.Unlock()
		if say {
			p.c.log.Error("Kafka refuses to give the producer an id, trying again until it does", "err", err)
		}
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = false
	if !p.known {
		p.identity, p.known = identity{res.ProducerID, res.ProducerEpoch}, true
	}
	return nil
}

// settle takes a broker's answer to a batch.
func (p *producer) settle(r *routed[*queue], x *batch) {
	err := x.err
	if err != nil {
		switch k := p.c.failed(err); k {
		case connection:
			p.router.moved(r) // not the leader, not enough replicas, …: the same batch again
			return
		case abortable, fenced:
			// The broker has forgotten the producer, or expects another number: what this batch holds is not known to be
			// written, so it goes out again under a new id, in which every partition counts from 0.
			p.c.log.Warn("Kafka lost the sequence of a partition; records written just now may repeat", "topic", r.topic, "partition", r.id, "err", err)
			p.mu.Lock()
			if r.state.identity == p.identity {
				p.known = false
			}
			r.state.lost = true
			p.mu.Unlock()
			return
		default:
			if errors.Is(err, sarama.ErrMessageSizeTooLarge) && p.split(r.state) {
				return
			}
			err = fmt.Errorf("topic %s partition %d: %w", r.topic, r.id, err)
		}
	} else {
		p.router.served(r)
		p.c.m.wrote(x)
	}
	p.mu.Lock()
	q := r.state
	owners := q.owners
	q.flight, q.owners = nil, nil
	if err == nil {
		q.sequence = nextSequence(q.sequence, len(owners))
	}
	for _, w := range owners {
		p.release(q, w, err)
	}
	p.mu.Unlock()
}

// release tells the owner of a message its fate and makes room. p.mu is held; done must not block.
func (p *producer) release(q *queue, w pending, err error) {
	q.messages.Add(-1)
	p.buffered -= size(&w.msg)
	p.messages--
	close(p.room)
	p.room = make(chan struct{})
	if p.closing && p.messages == 0 {
		close(p.idle)
	}
	w.done(err)
}

// close waits for what is buffered, at most for a time, then ends.
func (p *producer) close(limit time.Duration) error {
	p.mu.Lock()
	p.closing = true
	left := p.messages
	close(p.room)
	p.room = make(chan struct{})
	p.mu.Unlock()
	var err error
	if left > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		select {
		case <-p.idle:
		case <-t.C:
			err = errors.New("closing the Kafka client: some messages were not acknowledged in time")
		}
	}
	p.cancel()
	<-p.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.queues {
		for _, w := range append(r.state.owners, r.state.waiting...) {
			w.done(errClosed)
		}
		r.state.owners, r.state.waiting = nil, nil
	}
	return err
}
