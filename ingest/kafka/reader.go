package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// ReadPartition calls f for every committed record of a partition from the oldest to the end as it is when the call is
// made, and returns how many there were through f's calls alone: none for an empty partition. Records that compaction
// has removed and control records are passed over. It waits for brokers that are away until ctx ends. An error of f ends
// it and is returned. The Message is valid during the call only; its Key and Value may be kept.
func (c *Client) ReadPartition(ctx context.Context, topic string, partition int32, f func(*Message) error) error {
	tp := topicPartition{topic, partition}
	if err := c.readPartition(ctx, tp, Oldest(), sarama.ReadCommitted, f); err != nil {
		return fmt.Errorf("reading topic %s partition %d: %w", topic, partition, err)
	}
	return nil
}

// ReadSettled is ReadPartition from a start on, to the end of all that is written when the call is made: transactions
// that are open then are waited for, so that what was committed behind their beginning is not missed. Whatever is written
// in one transaction with offsets has to be read so: the end of a transaction reaches one partition before another, and
// who knows the offsets already may find it still open here.
func (c *Client) ReadSettled(ctx context.Context, topic string, partition int32, from Start, f func(*Message) error) error {
	tp := topicPartition{topic, partition}
	if err := c.readPartition(ctx, tp, from, sarama.ReadUncommitted, f); err != nil {
		return fmt.Errorf("reading topic %s partition %d: %w", topic, partition, err)
	}
	return nil
}

// readPartition reads committed records; isolation is that of the end.
func (c *Client) readPartition(ctx context.Context, tp topicPartition, from Start, isolation sarama.IsolationLevel, f func(*Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cl, err := c.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer disconnect(cl)
	end, err := c.offsetIn(ctx, cl, tp, sarama.OffsetNewest, isolation)
	if err != nil {
		return err
	}
	first, err := c.position(ctx, cl, tp, from)
	if err != nil {
		return err
	}
	// Fetching and decoding go on while f works.
	answers := make(chan fetched, 2)
	var failed error
	go func() {
		defer close(answers)
		failed = c.pump(ctx, cl, tp, first, end, answers)
	}()
	for a := range answers {
		err := a.each(tp, first, func(m *Message) error {
			if m.Offset >= end {
				return nil
			}
			return f(m)
		})
		if err != nil {
			cancel()
			for range answers { // until the goroutine has ended
			}
			return err
		}
	}
	return failed
}

// pump fetches a partition from an offset to another into a channel.
func (c *Client) pump(ctx context.Context, cl sarama.Client, tp topicPartition, from, to int64, answers chan<- fetched) error {
	s := &source{offset: from, maxBytes: answerBytes}
	for wait := newBackoff(20*time.Millisecond, time.Second); s.offset < to; {
		a, err := s.ask(cl, tp)
		switch {
		case errors.Is(err, errPosition):
			// Retention has removed records meanwhile.
			if s.offset, err = c.offset(ctx, cl, tp, sarama.OffsetOldest); err != nil {
				return err
			}
			continue
		case over(ctx, err):
			return ctx.Err()
		case err != nil:
			s.why.failed(c, tp, err)
			_ = cl.RefreshMetadata(tp.topic)
			if !wait.sleep(ctx) {
				return ctx.Err()
			}
			continue
		}
		wait.reset()
		c.health.good()
		select {
		case answers <- a:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ask makes one request to the leader of a partition.
func (s *source) ask(cl sarama.Client, tp topicPartition) (fetched, error) {
	b, epoch, err := cl.LeaderAndEpoch(tp.topic, tp.id)
	if err != nil {
		return fetched{}, err
	}
	req := newFetchRequest(fetchWaitBrief)
	req.AddBlock(tp.topic, tp.id, s.offset, s.maxBytes, epoch)
	res, err := b.Fetch(req)
	if err != nil {
		return fetched{}, err
	}
	return s.read(res.GetBlock(tp.topic, tp.id))
}
