package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/IBM/sarama"
)

// ReadTopic calls f for the committed records of all partitions of a topic, from a start on, to the end of each as it is
// when the call is made. Of the records that are next in their partitions the one with the earliest timestamp comes
// first, so that the order is that of time as far as the partitions have it. It waits for brokers that are away until ctx
// ends. An error of f ends it and is returned. A topic that does not exist has no records. The Message is valid during
// the call only; its Key and Value may be kept.
func (c *Client) ReadTopic(ctx context.Context, topic string, from Start, f func(*Message) error) error {
	if err := c.readTopic(ctx, topic, from, f); err != nil {
		return fmt.Errorf("reading topic %s: %w", topic, err)
	}
	return nil
}

func (c *Client) readTopic(ctx context.Context, topic string, from Start, f func(*Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	cl, err := c.connect(ctx, nil)
	if err != nil {
		cancel()
		return err
	}
	m := &merge{c: c, cl: cl, fetcher: newFetcher(c, cl)}
	var wg sync.WaitGroup
	wg.Go(func() { m.fetcher.router.run(ctx) })
	defer disconnect(cl)
	defer wg.Wait()
	defer cancel()
	n, err := partitions(cl, topic)
	if err != nil {
		c.failed(err)
		return err
	}
	for id := range n {
		if err := m.begin(ctx, topicPartition{topic, id}, from); err != nil {
			return err
		}
	}
	return m.run(ctx, f)
}

// merge reads partitions to their ends at the same time and gives out the earliest of their records.
type merge struct {
	c       *Client
	cl      sarama.Client
	fetcher *fetcher
	strands []*strand
}

// strand is a partition of a merge.
type strand struct {
	partition *routed[*source] // nil when it is read to its end
	position  int64
	end       int64
	waiting   []Message // those that have been read and not given out
}

// begin takes in a partition that is not at its end.
func (m *merge) begin(ctx context.Context, tp topicPartition, from Start) error {
	end, err := m.c.offset(ctx, m.cl, tp, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	first, err := m.c.position(ctx, m.cl, tp, from)
	if err != nil {
		return err
	}
	if first < end {
		m.strands = append(m.strands, &strand{partition: m.fetcher.add(tp, first), position: first, end: end})
	}
	return nil
}

func (m *merge) run(ctx context.Context, f func(*Message) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, s := range m.strands {
			if err := m.fill(ctx, s); err != nil {
				return err
			}
		}
		m.strands = slices.DeleteFunc(m.strands, func(s *strand) bool { return len(s.waiting) == 0 })
		if len(m.strands) == 0 {
			return nil
		}
		next := slices.MinFunc(m.strands, func(a, b *strand) int { return a.waiting[0].Time.Compare(b.waiting[0].Time) })
		if err := f(&next.waiting[0]); err != nil {
			return err
		}
		next.waiting = next.waiting[1:]
	}
}

// fill waits until a record of the partition is at hand, or until it is read to its end.
func (m *merge) fill(ctx context.Context, s *strand) error {
	for len(s.waiting) == 0 && s.partition != nil {
		var a fetched
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a = <-s.partition.state.answers:
		}
		tp := s.partition.topicPartition
		if errors.Is(a.err, errPosition) {
			// Retention has removed records meanwhile.
			m.fetcher.router.remove(s.partition)
			first, err := m.c.offset(ctx, m.cl, tp, sarama.OffsetOldest)
			if err != nil {
				return err
			}
			s.partition, s.position = m.fetcher.add(tp, first), first
			continue
		}
		_ = a.each(tp, s.position, func(msg *Message) error {
			if msg.Offset < s.end {
				s.waiting = append(s.waiting, *msg)
			}
			return nil
		})
		s.position = a.next
		m.fetcher.took(s.partition, &a)
		if s.position >= s.end {
			m.fetcher.router.remove(s.partition)
			s.partition = nil
		}
	}
	return nil
}
