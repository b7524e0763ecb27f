package kafka

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// pending is a message on its way.
type pending struct {
	msg  Message
	ctx  context.Context // the life of the one request to write this message
	done func(error)
}

// queue is the way of a partition: at most one batch is under way, so that order and sequence need no more.
type queue struct {
	waiting  []pending
	flight   *batch    // to be sent again unchanged until it is acknowledged
	owners   []pending // of the flight
	limit    int       // bytes of a batch of several messages
	sequence int32
	identity identity     // that the sequence belongs to
	lost     bool         // the flight needs a new identity
	messages atomic.Int64 // waiting and in flight, for a look without the lock
}

// load makes a batch of what waits. p.mu is held.
func (p *producer) load(r *routed[*queue]) {
	q := r.state
	var msgs []Message
	bytes, n := 0, 0
	for _, w := range q.waiting {
		if w.ctx.Err() != nil {
			n++
			p.release(q, w, w.ctx.Err())
			continue
		}
		s := size(&w.msg)
		if len(msgs) > 0 && bytes+s > q.limit {
			break
		}
		n++
		bytes += s
		msgs = append(msgs, w.msg)
		q.owners = append(q.owners, w)
	}
	q.waiting = q.waiting[n:]
	if len(q.waiting) == 0 {
		q.waiting = nil
	}
	if len(msgs) == 0 {
		return
	}
	q.flight = newBatch(r.topicPartition, msgs, p.codec, time.Now())
	p.stamp(q)
	p.spot(r.topic).leave(r.id)
}

// sweep drops messages that nobody waits for any more. p.mu is held.
func (p *producer) sweep() {
	for _, r := range p.queues {
		q := r.state
		q.waiting = slices.DeleteFunc(q.waiting, func(w pending) bool {
			if w.ctx.Err() == nil {
				return false
			}
			p.release(q, w, w.ctx.Err())
			return true
		})
	}
}

// stamp gives the batch in flight its sequence. p.mu is held.
func (p *producer) stamp(q *queue) {
	if q.identity != p.identity {
		q.identity, q.sequence = p.identity, 0
	}
	q.flight.stamp(p.identity, q.sequence, false)
}

// split takes back a batch that is larger than its topic allows, so that its messages go in smaller ones. It returns false
// for a single message.
func (p *producer) split(q *queue) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(q.owners) < 2 {
		return false
	}
	q.limit = min(q.limit, q.flight.bytes) / 2
	q.waiting = append(q.owners, q.waiting...)
	q.flight, q.owners = nil, nil
	return true
}
