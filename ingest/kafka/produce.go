package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Produce writes messages and returns when the brokers have acknowledged all of them (acks=all). Messages of a partition
// are written in the order given, each once, however often a request has to be repeated; calls made at the same time
// share requests. A Message with a Partition of 0 or more goes there; ByKey has it chosen by the key. Its Time becomes
// the record's timestamp, the zero time means now; Offset is ignored.
//
// A broker that is away is waited for while ctx lives. When ctx ends before the acknowledgement, the error says so; then
// messages that were sent already may or may not have been written. Messages that the broker refuses (too large, no
// permission, no such partition) fail at once.
func (c *Client) Produce(ctx context.Context, msgs ...Message) error {
	p, err := c.start()
	if err != nil {
		return err
	}
	if len(msgs) == 0 {
		return nil
	}
	var (
		mu   sync.Mutex
		left = len(msgs)
		errs error
		done = make(chan struct{})
	)
	acked := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && errs == nil {
			errs = err
		}
		if left--; left == 0 {
			close(done)
		}
	}
	for i := range msgs {
		if err := p.put(ctx, msgs[i], acked); err != nil {
			acked(err)
		}
	}
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done: // at the same moment, and it says more
			if errs != nil {
				return fmt.Errorf("producing: %w", errs)
			}
			return nil
		default:
		}
		// What is in a request is acknowledged or not without us; what is not will be dropped.
		return fmt.Errorf("producing: not acknowledged: %w", errors.Join(ctx.Err(), c.health.reason()))
	}
	if errs != nil {
		return fmt.Errorf("producing: %w", errs)
	}
	return nil
}

// ProduceAsync writes a message as Produce does, but calls done, which may be nil, when it is acknowledged or cannot be
// written, and returns as soon as there is room in the buffer of 64 MiB. It is tried until the client is closed. done
// must not block; calls for messages of the same partition come in their order.
func (c *Client) ProduceAsync(msg Message, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	p, err := c.start()
	if err == nil {
		err = p.put(c.ctx, msg, done)
	}
	if err != nil {
		done(fmt.Errorf("producing: %w", err))
	}
}

// start makes the producer when it is first used.
func (c *Client) start() (*producer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if c.producer == nil {
		p, err := newProducer(c)
		if err != nil {
			return nil, err
		}
		c.producer = p
	}
	return c.producer, nil
}
