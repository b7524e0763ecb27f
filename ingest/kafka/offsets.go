package kafka

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// topicPartition names a partition.
type topicPartition struct {
	topic string
	id    int32
}

func (tp topicPartition) compare(other topicPartition) int {
	if c := strings.Compare(tp.topic, other.topic); c != 0 {
		return c
	}
	return int(tp.id) - int(other.id)
}

// offsetAt asks the leader of a partition once for the first offset of a time (Unix milliseconds), or for
// sarama.OffsetOldest, or for sarama.OffsetNewest, which is the last stable offset. It returns -1 if no record is that
// late. Read uncommitted, OffsetNewest is the end of what is written, open transactions included.
func offsetAt(cl sarama.Client, tp topicPartition, at int64, isolation sarama.IsolationLevel) (int64, error) {
	b, err := cl.Leader(tp.topic, tp.id)
	if err != nil {
		return 0, err
	}
	req := sarama.NewOffsetRequest(cl.Config().Version)
	req.IsolationLevel = isolation
	req.AddBlock(tp.topic, tp.id, at, 1)
	res, err := b.GetAvailableOffsets(req)
	if err == nil {
		block := res.GetBlock(tp.topic, tp.id)
		if block == nil {
			return 0, sarama.ErrIncompleteResponse
		}
		if err = check(block.Err); err == nil {
			return block.Offset, nil
		}
	}
	_ = cl.RefreshMetadata(tp.topic)
	return 0, err
}

// offset is offsetAt, read committed, until it succeeds or ctx ends.
func (c *Client) offset(ctx context.Context, cl sarama.Client, tp topicPartition, at int64) (int64, error) {
	return c.offsetIn(ctx, cl, tp, at, sarama.ReadCommitted)
}

func (c *Client) offsetIn(ctx context.Context, cl sarama.Client, tp topicPartition, at int64, isolation sarama.IsolationLevel) (int64, error) {
	var why puzzle
	for wait := newBackoff(20*time.Millisecond, time.Second); ; {
		o, err := offsetAt(cl, tp, at, isolation)
		if err == nil {
			c.health.good()
			return o, nil
		}
		if over(ctx, err) {
			return 0, ctx.Err()
		}
		why.failed(c, tp, err)
		if !wait.sleep(ctx) {
			return 0, ctx.Err()
		}
	}
}

// startOffset returns the first offset at a time or later: the oldest for the zero time, the end if nothing is that
// late.
func (c *Client) startOffset(ctx context.Context, cl sarama.Client, tp topicPartition, at time.Time) (int64, error) {
	if at.IsZero() {
		return c.offset(ctx, cl, tp, sarama.OffsetOldest)
	}
	// The end is asked for first, so that a record written between the two questions is not skipped.
	end, err := c.offset(ctx, cl, tp, sarama.OffsetNewest)
	if err != nil {
		return 0, err
	}
	o, err := c.offset(ctx, cl, tp, at.UnixMilli())
	if err != nil {
		return 0, err
	}
	if o < 0 {
		return end, nil
	}
	return o, nil
}

// committedOffset is what a group has committed for a partition; offset is -1 if nothing is.
type committedOffset struct {
	offset   int64
	metadata string
}

// committed asks the coordinator of a group for a partition's committed offset until it answers; the offsets of open
// transactions are waited for.
func (c *Client) committed(ctx context.Context, cl sarama.Client, group string, tp topicPartition) (committedOffset, error) {
	var why puzzle
	for wait := newBackoff(10*time.Millisecond, 500*time.Millisecond); ; {
		o, err := committedOnce(cl, group, tp)
		if err == nil {
			c.health.good()
			return o, nil
		}
		if over(ctx, err) {
			return o, ctx.Err()
		}
		if !errors.Is(err, sarama.ErrUnstableOffsetCommit) {
			why.failed(c, tp, err)
			_ = cl.RefreshCoordinator(group)
		}
		if !wait.sleep(ctx) {
			return o, ctx.Err()
		}
	}
}

func committedOnce(cl sarama.Client, group string, tp topicPartition) (committedOffset, error) {
	none := committedOffset{offset: -1}
	b, err := cl.Coordinator(group)
	if err != nil {
		return none, err
	}
	req := sarama.NewOffsetFetchRequest(cl.Config().Version, group, map[string][]int32{tp.topic: {tp.id}})
	req.RequireStable = true
	res, err := b.FetchOffset(req)
	if err != nil {
		return none, err
	}
	if err := check(res.GroupError()); errors.Is(err, sarama.ErrGroupIDNotFound) {
		return none, nil // some brokers say so of a group that never committed
	} else if err != nil {
		return none, err
	}
	block := res.GetBlock(tp.topic, tp.id)
	if block == nil {
		return none, sarama.ErrIncompleteResponse
	}
	if err := check(block.Err); errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return none, nil
	} else if err != nil {
		return none, err
	}
	if block.Offset < 0 {
		return none, nil
	}
	return committedOffset{offset: block.Offset, metadata: block.Metadata}, nil
}
