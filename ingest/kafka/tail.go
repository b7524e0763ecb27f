package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Start is where Tail begins in each partition. The zero value is the end: only what is written from now on.
type Start struct {
	kind  startKind
	at    time.Time
	count int64
}

type startKind uint8

const (
	fromEnd startKind = iota
	fromOldest
	fromTime
	fromOffset
	fromLast
)

// Newest begins at the end of each partition.
func Newest() Start { return Start{} }

// Oldest begins at the oldest record of each partition.
func Oldest() Start { return Start{kind: fromOldest} }

// At begins at the first record of a time or later.
func At(t time.Time) Start { return Start{kind: fromTime, at: t} }

// Offset begins at an offset, or the nearest there is.
func Offset(n int64) Start { return Start{kind: fromOffset, count: n} }

// Last begins n offsets before the end of each partition.
func Last(n int64) Start { return Start{kind: fromLast, count: n} }

// Tail calls f for the committed records of all partitions of a topic, from a start on, as they are written, until ctx
// ends or f returns an error, which it then returns; it returns nil when ctx ends. Calls come one after the other, in
// order within a partition. Partitions that are added later are noticed within ten seconds and read from their oldest
// record. A topic that does not exist yet is waited for. The Message is valid during the call only; its Key and Value
// may be kept.
func (c *Client) Tail(ctx context.Context, topic string, from Start, f func(*Message) error) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cl, err := c.connect(ctx, nil)
	if err != nil {
		return fmt.Errorf("tailing topic %s: %w", topic, err)
	}
	defer disconnect(cl)
	t := &tail{c: c, cl: cl, topic: topic, f: f, fetcher: newFetcher(c, cl)}
	var wg sync.WaitGroup
	wg.Go(func() { t.fetcher.router.run(ctx) })
	wg.Go(func() { t.watch(ctx, &wg, from, cancel) })
	wg.Wait()
	if outer.Err() != nil {
		return nil
	}
	return fmt.Errorf("tailing topic %s: %w", topic, context.Cause(ctx))
}

type tail struct {
	c       *Client
	cl      sarama.Client
	topic   string
	fetcher *fetcher
	mu      sync.Mutex // f is called by one partition at a time
	f       func(*Message) error
}

// watch begins each partition when it is first seen.
func (t *tail) watch(ctx context.Context, wg *sync.WaitGroup, from Start, cancel context.CancelCauseFunc) {
	var have int32
	said := false
	for {
		n, err := partitions(t.cl, t.topic)
		if err != nil && ctx.Err() == nil {
			t.c.failed(err)
		}
		if err == nil && n == 0 && !said {
			said = true
			t.c.log.Warn("a topic that is to be read does not exist, waiting for it", "topic", t.topic)
		}
		for ; have < n; have++ {
			tp, start := topicPartition{t.topic, have}, from
			wg.Go(func() {
				if err := t.read(ctx, tp, start); err != nil {
					cancel(err)
				}
			})
		}
		if have > 0 || said {
			from = Oldest() // what comes later is new
		}
		pause := 5 * time.Second
		if have == 0 {
			pause = time.Second
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func (t *tail) read(ctx context.Context, tp topicPartition, from Start) error {
	offset, err := t.c.position(ctx, t.cl, tp, from)
	if err != nil {
		return err
	}
	for {
		r := t.fetcher.add(tp, offset)
		err := t.drain(ctx, r)
		t.fetcher.router.remove(r)
		if err != errPosition { //nolint:errorlint // the value itself, not one that a callback wrapped
			return err
		}
		if offset, err = t.c.position(ctx, t.cl, tp, Oldest()); err != nil {
			return err
		}
	}
}

func (t *tail) drain(ctx context.Context, r *routed[*source]) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-r.state.answers:
			if a.err != nil {
				return a.err
			}
			t.mu.Lock()
			err := a.each(r.topicPartition, 0, func(m *Message) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return t.f(m)
			})
			t.mu.Unlock()
			t.fetcher.took(r, &a)
			if err != nil {
				return err
			}
		}
	}
}

// position finds the offset of a start.
func (c *Client) position(ctx context.Context, cl sarama.Client, tp topicPartition, from Start) (int64, error) {
	switch from.kind {
	case fromOldest:
		return c.offset(ctx, cl, tp, sarama.OffsetOldest)
	case fromTime:
		return c.startOffset(ctx, cl, tp, from.at)
	case fromOffset, fromLast:
		first, err := c.offset(ctx, cl, tp, sarama.OffsetOldest)
		if err != nil {
			return 0, err
		}
		end, err := c.offset(ctx, cl, tp, sarama.OffsetNewest)
		if err != nil {
			return 0, err
		}
		at := from.count
		if from.kind == fromLast {
			at = end - from.count
		}
		return min(max(at, first), end), nil
	default:
		return c.offset(ctx, cl, tp, sarama.OffsetNewest)
	}
}
