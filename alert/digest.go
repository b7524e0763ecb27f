package alert

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Digester is a Notifier that can tell of many notifications in one message, so that a storm is one message and not
// thousands. It looks after how often its receiver may be written to.
type Digester interface {
	Notifier
	// Digest delivers notifications in one message. It returns an outcome for each, in their order, also with an error,
	// which is about all.
	Digest(ctx context.Context, ns []*Notification) ([]Outcome, error)
}

const (
	// digestAbove is how many notifications may wait for a Digester before they are told of in one message.
	digestAbove = 10
	// digestAfter is how long one waits until those that wait are told of in one message though they are few: all workers
	// are busy then.
	digestAfter = 2 * time.Second
	// digestTimeout bounds one attempt of a Digester.
	digestTimeout = 2 * time.Minute
)

// gather takes all that wait, when they are many or wait for long.
func (s *Sender) gather(ctx, taking context.Context, l *lane, d Digester) {
	for {
		qs, ok := l.queue.takeAll(taking)
		if !ok {
			return
		}
		s.metrics.queued.WithLabelValues(l.Integration.Key()).Sub(float64(len(qs)))
		if l.rest(taking) {
			s.digest(ctx, l, d, qs)
		} else {
			s.giveBack(ctx, l, qs)
		}
		for _, q := range qs {
			l.queue.done(q.n)
		}
	}
}

// digest makes one attempt at notifications that are told of together. When it fails, all have failed.
func (s *Sender) digest(ctx context.Context, l *lane, d Digester, qs []queued) {
	start := time.Now()
	var inTime []queued
	for _, q := range qs {
		if w := s.options.StartWithin; w > 0 && start.Sub(q.at) > w {
			s.options.Done(q.n.ID, Outcome{}, fmt.Errorf("notifying %s: %w", l.Integration.Key(), ErrTooLate))
			continue
		}
		inTime = append(inTime, q)
	}
	switch len(inTime) {
	case 0:
		return
	case 1:
		s.attempt(ctx, l, inTime[0])
		return
	}
	ns := make([]*Notification, len(inTime))
	for i, q := range inTime {
		ns[i] = q.n
	}
	bounded, cancel := context.WithTimeout(ctx, s.bound(l))
	outcomes, err := d.Digest(bounded, ns)
	cancel()
	if err != nil && ctx.Err() != nil {
		return // as for one notification
	}
	end := time.Now()
	s.metrics.duration.WithLabelValues(l.Integration.Receiver, l.Integration.Kind).Observe(end.Sub(start).Seconds())
	if len(outcomes) != len(ns) {
		outcomes = make([]Outcome, len(ns))
	}
	s.settle(l, outcomes[0], err, end)
	for i, n := range ns {
		s.options.Done(n.ID, outcomes[i], err)
	}
}

// backlog is the queue of a lane. Two notifications about one group are never under way at the same time, so that the end
// of an alert does not overtake its beginning.
type backlog struct {
	limit int

	mu      sync.Mutex
	list    []queued
	closed  bool            // nothing more is taken
	busy    map[string]bool // groups that are under way
	changed chan struct{}   // closed and replaced when something changes
}

func newBacklog(limit int) *backlog {
	return &backlog{limit: limit, busy: map[string]bool{}, changed: make(chan struct{})}
}

// about names the group that a notification is about, "" when it does not say.
func about(n *Notification) string {
	if n.Group == "" && n.GroupKey == "" {
		return ""
	}
	return n.Group + "\xff" + n.GroupKey
}

// add appends as many as there is room for and returns how many that were.
func (b *backlog) add(qs []queued) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := max(0, min(len(qs), b.limit-len(b.list)))
	if b.closed {
		n = 0
	}
	b.list = append(b.list, qs[:n]...)
	b.signal()
	return n
}

// full says why there is no room.
func (b *backlog) full() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrNotBegun
	}
	return ErrQueueFull
}

// close has nothing more be taken and returns what waits.
func (b *backlog) close() []queued {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := b.list
	b.list, b.closed = nil, true
	return rest
}

func (b *backlog) signal() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// done says that a notification is no longer under way.
func (b *backlog) done(n *Notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.busy, about(n))
	b.signal()
}

// take waits for a notification whose group is not under way. Where there are digests it leaves the rest to them when too
// many wait.
func (b *backlog) take(ctx context.Context, digests bool) (queued, bool) {
	for ctx.Err() == nil {
		b.mu.Lock()
		if !digests || len(b.list) <= digestAbove {
			for i, q := range b.list {
				if group := about(q.n); group == "" || !b.busy[group] {
					b.list = remove(b.list, i)
					b.begin(q)
					b.mu.Unlock()
					return q, true
				}
			}
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return queued{}, false
}

// remove takes one out; the first, which it mostly is, without moving the rest.
func remove(list []queued, i int) []queued {
	if i == 0 {
		list[0] = queued{}
		return list[1:]
	}
	return slices.Delete(list, i, i+1)
}

func (b *backlog) begin(q queued) {
	if group := about(q.n); group != "" {
		b.busy[group] = true
	}
}

// takeAll waits until many wait, or one for long, and takes all whose groups are not under way.
func (b *backlog) takeAll(ctx context.Context) ([]queued, bool) {
	for ctx.Err() == nil {
		b.mu.Lock()
		free, oldest := b.free()
		if n := len(free); n > 0 && (len(b.list) > digestAbove || time.Since(oldest) >= digestAfter) {
			b.list = slices.DeleteFunc(b.list, func(q queued) bool {
				group := about(q.n)
				return group == "" || !b.busy[group]
			})
			for _, q := range free {
				b.begin(q)
			}
			b.mu.Unlock()
			return free, true
		}
		changed := b.changed
		b.mu.Unlock()
		timer := time.NewTimer(digestAfter - time.Since(oldest))
		if len(free) == 0 {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil, false
}

// free returns those whose groups are not under way, and since when the oldest of them waits.
func (b *backlog) free() (free []queued, oldest time.Time) {
	for _, q := range b.list {
		if group := about(q.n); group != "" && b.busy[group] {
			continue
		}
		if len(free) == 0 || q.at.Before(oldest) {
			oldest = q.at
		}
		free = append(free, q)
	}
	return free, oldest
}
