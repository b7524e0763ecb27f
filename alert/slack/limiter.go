package slack

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// DefaultInterval is the time between two writes to a channel: Slack allows one in a second.
const DefaultInterval = time.Second

// Limiter has every write to a channel wait for its turn, and everybody leave a method of Slack's alone as long as it asks for;
// other methods go on. All notifiers of a process share one. What cannot wait (a message that rings) goes before what can (the evidence in a
// thread); otherwise the first to come is the first to be served.
type Limiter struct {
	// Interval is the time between the end of one write to a channel and the beginning of the next.
	Interval time.Duration
	// Active says whether this process is known to be the one that writes; nil means always. What has waited for its turn is
	// refused when it is not: by then another process may be writing the same.
	Active func() bool

	mu       sync.Mutex
	channels map[string]*turns
	same     map[string]string // channel names and the IDs that they turned out to be
	methods  map[string]time.Time
	rested   time.Time // before which nothing is written
}

// turns is the queue before one channel.
type turns struct {
	busy          bool
	next          time.Time // when the next write may begin, if its method may be asked for then
	urgent, later []*turn
	timer         *time.Timer
}

// turn is somebody's place in a queue; by is the queue once it is his turn.
type turn struct {
	come   chan struct{}
	by     *turns
	method string // with the token
}

// NewLimiter returns a Limiter for one write in an interval, 0 for the default.
func NewLimiter(interval time.Duration) *Limiter {
	if interval <= 0 {
		interval = DefaultInterval
	}
	return &Limiter{Interval: interval, channels: map[string]*turns{}, same: map[string]string{}, methods: map[string]time.Time{}}
}

// Rest has every channel rest for the interval: the process that wrote before may have done so just now.
func (l *Limiter) Rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rested = time.Now().Add(l.Interval)
}

// tokenBytes is how much of a token's hash begins a place.
const tokenBytes = 8

// place names a channel, or a method, of one token. The token is not kept.
func place(token, name string) string {
	sum := sha256.Sum256([]byte(token))
	return string(sum[:tokenBytes]) + name
}

// acquire waits for a turn. The caller must release it.
func (l *Limiter) acquire(ctx context.Context, token, channel, method string, urgent bool) (*turn, error) {
	mine := &turn{come: make(chan struct{}), method: place(token, method)}
	l.mu.Lock()
	t := l.turns(place(token, channel))
	if urgent {
		t.urgent = append(t.urgent, mine)
	} else {
		t.later = append(t.later, mine)
	}
	l.dispatch(t)
	l.mu.Unlock()
	select {
	case <-mine.come:
		return mine, nil
	case <-ctx.Done():
		l.giveUp(mine, token, channel)
		return nil, ctx.Err() //nolint:wrapcheck // the caller says what it waited for
	}
}

// giveUp leaves the queue, or passes a turn on that came at the same moment.
func (l *Limiter) giveUp(mine *turn, token, channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := mine.by; t != nil {
		t.busy = false
		l.dispatch(t)
		return
	}
	t := l.turns(place(token, channel))
	is := func(other *turn) bool { return other == mine }
	t.urgent, t.later = slices.DeleteFunc(t.urgent, is), slices.DeleteFunc(t.later, is)
}

// resting returns for how long a method must not be asked for.
func (l *Limiter) resting(token, method string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, time.Until(l.methods[place(token, method)]))
}

// waitMethod waits until Slack may be asked for a method again.
func (l *Limiter) waitMethod(ctx context.Context, token, method string) error {
	for {
		wait := l.resting(token, method)
		if wait == 0 {
			return ctx.Err() //nolint:wrapcheck // the caller says what it waited for
		}
		if !pause(ctx, wait) {
			return ctx.Err() //nolint:wrapcheck // as above
		}
	}
}

// release ends a turn. The channel rests for the interval.
func (l *Limiter) release(mine *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := mine.by
	t.busy = false
	t.next = time.Now().Add(l.Interval)
	l.dispatch(t)
}

// block has a method of a token rest.
func (l *Limiter) block(token, method string, rest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, at := time.Now().Add(rest), place(token, method); until.After(l.methods[at]) {
		l.methods[at] = until
	}
}

// learn says that a name and an ID are one channel.
func (l *Limiter) learn(token, name, id string) {
	if name == id || id == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	from, to := place(token, name), place(token, id)
	if l.same[from] == to {
		return
	}
	before := l.channels[from]
	l.same[from] = to
	if before == nil {
		return
	}
	delete(l.channels, from)
	after := l.channels[to]
	if after == nil {
		l.channels[to] = before
		return
	}
	after.urgent, after.later = append(after.urgent, before.urgent...), append(after.later, before.later...)
	before.urgent, before.later = nil, nil
	l.dispatch(after)
}

// idOf returns the ID that a channel's name turned out to be, "" when that is not known.
func (l *Limiter) idOf(token, name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to, known := l.same[place(token, name)]; known {
		return to[tokenBytes:]
	}
	return ""
}

// turns returns the queue of a channel, which it holds under its ID once that is known.
func (l *Limiter) turns(at string) *turns {
	if to, ok := l.same[at]; ok {
		at = to
	}
	t := l.channels[at]
	if t == nil {
		t = &turns{}
		l.channels[at] = t
	}
	return t
}

// dispatch gives the next turn when it is time.
func (l *Limiter) dispatch(t *turns) {
	if t.busy || len(t.urgent)+len(t.later) == 0 {
		return
	}
	queue, at, wait := l.first(t)
	if wait = max(wait, time.Until(t.next), time.Until(l.rested)); wait > 0 {
		if t.timer != nil {
			t.timer.Stop()
		}
		t.timer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dispatch(t)
		})
		return
	}
	first := (*queue)[at]
	*queue = slices.Delete(*queue, at, at+1)
	t.busy, first.by = true, t
	close(first.come)
}

// first returns who is next: the first whose method may be asked for, else the one whose method may be soonest, and when.
func (l *Limiter) first(t *turns) (queue *[]*turn, at int, wait time.Duration) {
	for _, q := range []*[]*turn{&t.urgent, &t.later} {
		for i, waits := range *q {
			rest := time.Until(l.methods[waits.method])
			if rest <= 0 {
				return q, i, 0
			}
			if queue == nil || rest < wait {
				queue, at, wait = q, i, rest
			}
		}
	}
	return queue, at, wait
}
