package kafka

import (
	"context"
	"fmt"
	"maps"
	"sync"
)

// Handover has a stage that runs go over to another: one that reads other topics, or works with other tasks. The process
// stays in its group all the while, so that no other member has to do anything, unless what is read changes. A Handover
// belongs to one Stage; it is safe for concurrent use.
type Handover struct {
	mu    sync.Mutex
	asked chan *successor
}

// successor is the stage that a run goes over to.
type successor struct {
	stage Stage
	over  chan struct{} // closed when the tasks of the stage before are
	// counts are the partitions of what the stage reads, nil until they are known.
	counts map[string]int32
	// written: all that the tasks of the stage before have is committed.
	written bool
}

// NewHandover returns a Handover for Stage.Handover.
func NewHandover() *Handover { return &Handover{asked: make(chan *successor)} }

// To has the stage that runs with h go over to the next one. Its tasks process what they are at, all that they have is
// committed, and they are closed; from there on next opens tasks for the partitions. To returns when all tasks from
// before are closed. While brokers are away it waits, and the tasks before stand still.
//
// Of next, Topics, Match, StartAt, FromOldest, Open and Join count; all else stays as it is. To fails only where next is not
// complete, and with ctx, which must end when that of Run does.
func (h *Handover) To(ctx context.Context, next Stage) error {
	if err := next.validate(); err != nil {
		return fmt.Errorf("handing the stage %s over: %w", next.Group, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &successor{stage: next, over: make(chan struct{})}
	select {
	case h.asked <- s:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// requests is where a successor comes from; a nil Handover has none.
func (h *Handover) requests() <-chan *successor {
	if h == nil {
		return nil
	}
	return h.asked
}

// yield makes way for the successor, if there is one: what it reads is looked up while the tasks go on, then they are
// given nothing more.
func (r *run) yield() {
	n := r.next
	if n == nil {
		return
	}
	if n.counts == nil {
		counts, err := look(r.reader, n.stage.Topics, n.stage.Match)
		if err != nil {
			r.c.failed(err)
			return // asked again at the next flush
		}
		for topic, seen := range counts {
			counts[topic] = max(seen, r.member.counts[topic]) // a broker may lag behind
		}
		n.counts = counts
	}
	for _, w := range r.workers {
		w.cancel()
	}
	for _, w := range r.workers {
		w.stop()
	}
}

// written says, after a flush, whether the successor can take over. A flush that failed is repeated before that: what the
// tasks told others of may hang on it.
func (r *run) written() bool {
	if r.next == nil || r.next.counts == nil || !r.troubled.IsZero() {
		return false
	}
	r.next.written = true
	return true
}

// succeed closes the tasks and makes the successor the stage, if it can take over. stays says that the partitions of this
// member are the same as before, so that the group need not be joined anew.
func (r *run) succeed(ctx context.Context) (stays bool) {
	n := r.next
	// Where the membership was lost the tasks are closed already; what they had not committed is read again.
	if n == nil || !n.written && len(r.workers) > 0 {
		return false
	}
	r.next = nil
	r.closeAll()
	r.s.Topics, r.s.Match, r.s.StartAt, r.s.Open, r.s.Join = n.stage.Topics, n.stage.Match, n.stage.StartAt, n.stage.Open, n.stage.Join
	r.s.FromOldest = n.stage.FromOldest
	r.member.topics, r.member.match = r.s.Topics, r.s.Match
	switch {
	case n.counts == nil:
		r.watch(ctx)
	case maps.Equal(n.counts, r.member.counts):
		stays = n.written
	default:
		r.member.counts = n.counts
		r.missing(n.counts)
	}
	close(n.over)
	return stays
}
