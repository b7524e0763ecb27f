package kafka

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause between tries: it doubles from the first to the longest, with a fifth of chance, so that many
// processes do not come back at the same moment.
type backoff struct{ first, longest, next time.Duration }

func newBackoff(first, longest time.Duration) *backoff {
	return &backoff{first: first, longest: longest, next: first}
}

func (b *backoff) reset() { b.next = b.first }

// sleep waits for the next pause and returns false if ctx ended meanwhile.
func (b *backoff) sleep(ctx context.Context) bool {
	pause := b.next + time.Duration((rand.Float64()-0.5)*0.4*float64(b.next)) // spreads load, guards nothing
	b.next = min(2*b.next, b.longest)
	return sleep(ctx, pause)
}

// sleep waits and returns false if ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
