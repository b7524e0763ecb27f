package alert

import (
	"context"
	"slices"
	"sync"
	"time"
)

// backlog is the queue of a lane. Two notifications about one group are never under way at the same time, so that the end
// of an alert does not overtake its beginning.
type backlog struct {
	limit   int
	digests bool // those that a digest may have told of are taken by takeAll alone

	mu      sync.Mutex
	list    []queued
	closed  bool              // nothing more is taken
	busy    map[string]bool   // groups that are under way
	begun   []time.Time       // when attempts that go on began
	unkept  []<-chan struct{} // of those that are delivered, closed when the outcome is kept
	changed chan struct{}     // closed and replaced when something changes
}

func newBacklog(limit int, digests bool) *backlog {
	return &backlog{limit: limit, digests: digests, busy: map[string]bool{}, changed: make(chan struct{})}
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
func (b *backlog) done(q queued) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.busy, q.n.About())
	if i := slices.Index(b.begun, q.began); i >= 0 {
		b.begun = slices.Delete(b.begun, i, i+1)
	}
	b.signal()
}

const (
	// waitingPer is how many must wait for each notification more that a crash may repeat.
	waitingPer = 64
	// hangsFor is how long an attempt must last until another may go on beside it, and again for each more.
	hangsFor = 500 * time.Millisecond
)

// take waits for a notification whose group is not under way, while no more than atMost wait unless that is 0. With few it also
// waits until a crash would repeat no more than one: those that are under way, and those that are delivered and whose outcome is
// not kept. It lets there be more when attempts hang or many wait.
func (b *backlog) take(ctx context.Context, few bool, atMost int) (queued, bool) {
	for ctx.Err() == nil {
		b.mu.Lock()
		b.unkept = slices.DeleteFunc(b.unkept, isClosed)
		i := b.first()
		var timer <-chan time.Time
		var kept <-chan struct{}
		if i >= 0 && (atMost == 0 || len(b.list) <= atMost) {
			if !few || len(b.begun)+len(b.unkept) < b.allowed() {
				q := b.list[i]
				b.list = remove(b.list, i)
				b.begin(q)
				q.began = time.Now()
				b.begun = append(b.begun, q.began)
				b.mu.Unlock()
				return q, true
			}
			if len(b.unkept) > 0 {
				kept = b.unkept[0]
			}
			if len(b.begun) > 0 {
				timer = time.After(hangsFor - time.Since(b.begun[0])%hangsFor)
			}
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer:
		case <-kept:
		}
	}
	return queued{}, false
}

// allowed is how many a crash may repeat.
func (b *backlog) allowed() int {
	n := 1 + len(b.list)/waitingPer
	if len(b.begun) > 0 {
		n += int(time.Since(b.begun[0]) / hangsFor)
	}
	return n
}

// keep counts a delivered notification as repeated by a crash until kept is closed.
func (b *backlog) keep(kept <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unkept = append(b.unkept, kept)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// first returns the index of the oldest whose group is not under way, -1 when there is none. Those that a digest may have told of
// are looked for together.
func (b *backlog) first() int {
	return slices.IndexFunc(b.list, func(q queued) bool { return (!b.digests || !q.inDigest()) && b.mayBegin(q) })
}

func (b *backlog) mayBegin(q queued) bool {
	group := q.n.About()
	return group == "" || !b.busy[group]
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
	if group := q.n.About(); group != "" {
		b.busy[group] = true
	}
}

// takeAll waits until there is something to tell of in one message, and takes it.
func (b *backlog) takeAll(ctx context.Context) ([]queued, bool) {
	for ctx.Err() == nil {
		b.mu.Lock()
		which, wait := b.due(time.Now())
		if which != nil {
			var batch []queued
			b.list = slices.DeleteFunc(b.list, func(q queued) bool {
				takes := b.mayBegin(q) && which(q)
				if takes {
					batch = append(batch, q)
				}
				return takes
			})
			for _, q := range batch {
				b.begin(q)
			}
			b.mu.Unlock()
			return batch, true
		}
		changed := b.changed
		b.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil, false
}

// due says which of those whose groups are not under way are told of together now: all when many wait or one waits for long,
// else those that a digest may have told of, once all of them have come. It is nil when nothing is due, for a while.
func (b *backlog) due(now time.Time) (which func(queued) bool, wait time.Duration) {
	var oldest, inDigest time.Time
	for _, q := range b.list {
		if !b.mayBegin(q) {
			continue
		}
		if oldest.IsZero() || q.at.Before(oldest) {
			oldest = q.at
		}
		if q.inDigest() && (inDigest.IsZero() || q.at.Before(inDigest)) {
			inDigest = q.at
		}
	}
	together := !inDigest.IsZero() && now.Sub(inDigest) >= togetherAfter
	switch {
	case oldest.IsZero():
		return nil, time.Hour
	case !together && !inDigest.IsZero():
		return nil, togetherAfter - now.Sub(inDigest)
	case len(b.list) > digestAbove, now.Sub(oldest) >= digestAfter:
		return func(queued) bool { return true }, 0
	case together:
		return queued.inDigest, 0
	default:
		return nil, digestAfter - now.Sub(oldest)
	}
}
