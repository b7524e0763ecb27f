package kafka

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Brake holds back the reading of stages for a process that cannot take more at the moment. While it is on, nothing is
// fetched, and of what was fetched no further record is processed; transactions are made, and the partitions stay with
// the process. A partition that is held counts as neither read nor idle, so that nobody takes it for quiet. The zero
// value is off, and so is a nil Brake. It is safe for concurrent use.
type Brake struct {
	on atomic.Bool

	mu    sync.Mutex
	free  chan struct{} // closed at the next Release
	wakes map[int]func()
	next  int
}

// Hold turns the brake on.
func (b *Brake) Hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free == nil {
		b.free = make(chan struct{})
		b.on.Store(true)
	}
}

// Release turns it off: reading goes on at once.
func (b *Brake) Release() {
	b.mu.Lock()
	if b.free != nil {
		close(b.free)
		b.free = nil
		b.on.Store(false)
	}
	wakes := slices.Collect(maps.Values(b.wakes))
	b.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

// held says whether the brake is on.
func (b *Brake) held() bool { return b != nil && b.on.Load() }

// wait returns when the brake is off, or false when ctx ended before.
func (b *Brake) wait(ctx context.Context) bool {
	b.mu.Lock()
	free := b.free
	b.mu.Unlock()
	if free == nil {
		return true
	}
	select {
	case <-free:
		return true
	case <-ctx.Done():
		return false
	}
}

// attach has wake called at each Release until detach is.
func (b *Brake) attach(wake func()) (detach func()) {
	if b == nil {
		return func() {}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wakes == nil {
		b.wakes = map[int]func(){}
	}
	id := b.next
	b.next++
	b.wakes[id] = wake
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.wakes, id)
	}
}
