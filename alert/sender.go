package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// SenderOptions configure a Sender.
type SenderOptions struct {
	Targets []Target
	// Done is called with what came of each notification, from several goroutines and from within Send. It must not
	// block. The channel that it returns is closed once a restart would not send a delivered notification again; nil says
	// that nobody knows.
	Done func(id string, o Outcome, err error) (kept <-chan struct{})
	// Name has notifications keep the name of the digest that is about to tell of them. The channel that it returns is closed
	// once a restart would know. It must not block. Without it no digest is recognised after a crash.
	Name func(ids []string, digest string) (kept <-chan struct{})
	// Timeout bounds one attempt, by default 15 s; notifiers may have a shorter one of their own. An integration whose
	// configuration has a longer one gets that.
	Timeout time.Duration
	// StartWithin is how long after Send an attempt may start. A notification that waited longer is given back as
	// failed, because by then another process may be the active alerter. 0 means no bound.
	StartWithin time.Duration
	// Active says whether this process is known to be the active alerter; nil means always. A notification whose turn
	// comes while it is not is given back with ErrNotBegun. It must not block.
	Active func() bool
	// Queue bounds the notifications that wait for one integration, by default 10000; more are given back as failed.
	Queue int
	// Parallel is how many notifications one webhook is sent at a time at most, by default 8; a Digester gets as many as it
	// is not to put into a digest, every other notifier one. As a crash repeats what is under way, a webhook too gets one,
	// and the next after the outcome of the one before is kept, as long as none hangs and few wait.
	Parallel   int
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// timeoutMargin is how much longer than its timeout an attempt may last, so that it ends by itself and says why.
const timeoutMargin = 5 * time.Second

// Target is an integration and what delivers to it.
type Target struct {
	Integration Integration
	Notifier    Notifier
}

// Sender delivers notifications, each integration from a queue of its own, so that one that hangs delays no other.
type Sender struct {
	options SenderOptions
	metrics *senderMetrics
	lanes   map[string]*lane
	drained chan struct{}
	drain   func()
}

// lane is the way to one integration.
type lane struct {
	Target
	queue *backlog

	mu      sync.Mutex
	until   time.Time // the receiver asked to be left alone until then
	failing string    // the error that was logged last, "" when the last attempt succeeded
}

type queued struct {
	n         *Notification
	at, began time.Time // when it came, and when it was taken
}

// inDigest says that it is in doubt whether a digest has told of it.
func (q queued) inDigest() bool { return q.n.Repeated && q.n.Digest != "" }

// Errors that Done may be given beside those of notifiers.
var (
	// ErrQueueFull says that too many notifications wait for the integration.
	ErrQueueFull = errors.New("too many notifications wait for this receiver")
	// ErrTooLate says that the notification waited longer than StartWithin.
	ErrTooLate = errors.New("waited too long behind others for this receiver")
	// ErrNoNotifier says that nothing can deliver to the integration.
	ErrNoNotifier = errors.New("no notifier is configured")
	// ErrNotBegun says that the Sender was drained before the notification was its turn, or that this process was no longer
	// known to be the active alerter then. It counts as no attempt.
	ErrNotBegun = errors.New("the attempt was not begun")
	// ErrStale says that a notification that is Stale was not delivered before. It counts as no attempt.
	ErrStale = errors.New("it is out of date and was not delivered before")
)

// NewSender returns a Sender. Run starts it.
func NewSender(o SenderOptions) *Sender {
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Queue <= 0 {
		o.Queue = 10_000
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return newSender(o, newSenderMetrics(o.Registerer))
}

func newSender(o SenderOptions, m *senderMetrics) *Sender {
	s := &Sender{options: o, metrics: m, lanes: map[string]*lane{}, drained: make(chan struct{})}
	s.drain = sync.OnceFunc(func() { close(s.drained) })
	for _, t := range o.Targets {
		_, digests := t.Notifier.(Digester)
		s.lanes[t.Integration.Key()] = &lane{Target: t, queue: newBacklog(o.Queue, digests)}
		m.expect(t.Integration)
	}
	return s
}

// Next returns a Sender for other targets, with the same metrics, and drains this one. A receiver that asked to be left alone is,
// as long as its configuration is the same.
func (s *Sender) Next(targets []Target) *Sender {
	s.Drain()
	o := s.options
	o.Targets = targets
	next := newSender(o, s.metrics)
	for key, l := range next.lanes {
		before := s.lanes[key]
		if before == nil || !reflect.DeepEqual(before.Integration, l.Integration) {
			continue // somebody may have mended it
		}
		before.mu.Lock()
		l.until, l.failing = before.until, before.failing
		before.mu.Unlock()
	}
	return next
}

// Send queues notifications and returns at once. Each is answered by a call of Done, unless Run ends first.
func (s *Sender) Send(ns []*Notification) {
	now := time.Now()
	byLane := map[string][]queued{}
	for _, n := range ns {
		key := n.Integration.Key()
		if s.lanes[key] == nil {
			_ = s.options.Done(n.ID, Outcome{Permanent: true}, fmt.Errorf("notifying %s: %w", key, ErrNoNotifier))
			continue
		}
		byLane[key] = append(byLane[key], queued{n: n, at: now})
	}
	for key, qs := range byLane {
		// All at once, so that a storm is seen as one.
		taken := s.lanes[key].queue.add(qs)
		s.metrics.queued.WithLabelValues(key).Add(float64(taken))
		for _, q := range qs[taken:] {
			_ = s.options.Done(q.n.ID, Outcome{}, fmt.Errorf("notifying %s: %w", key, s.lanes[key].queue.full()))
		}
	}
}

// Drain has Run begin no more attempts and return when those under way have ended. All else is given back with ErrNotBegun.
func (s *Sender) Drain() { s.drain() }

// Run delivers until ctx ends, which ends the attempts under way too, or until Drain is called. It returns nil.
func (s *Sender) Run(ctx context.Context) error {
	taking, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-s.drained:
			stop()
		case <-taking.Done():
		}
	}()
	var g errgroup.Group
	for _, l := range s.lanes {
		digester, digests := l.Notifier.(Digester)
		workers := 1
		switch {
		case digests:
			workers = digestAbove
		case l.Integration.Kind == "webhook":
			workers = s.options.Parallel
		}
		w := worker{s: s, lane: l, few: l.Integration.Kind == "webhook"}
		if digests {
			w.atMost = digestAbove
		}
		for range workers {
			g.Go(func() error {
				w.work(ctx, taking)
				return nil
			})
		}
		if digests {
			g.Go(func() error {
				s.gather(ctx, taking, l, digester)
				return nil
			})
		}
	}
	err := g.Wait()
	for key, l := range s.lanes {
		rest := l.queue.close()
		s.metrics.queued.WithLabelValues(key).Sub(float64(len(rest)))
		s.giveBack(ctx, l, rest)
	}
	return err
}

// giveBack answers that attempts were not begun, unless the program ends.
func (s *Sender) giveBack(ctx context.Context, l *lane, qs []queued) {
	if ctx.Err() != nil {
		return
	}
	for _, q := range qs {
		_ = s.options.Done(q.n.ID, Outcome{}, fmt.Errorf("notifying %s: %w", l.Integration.Key(), ErrNotBegun))
	}
}

// worker makes attempts at one integration, with few only as many as a crash may repeat, and while no more than atMost wait
// unless that is 0.
type worker struct {
	s *Sender
	*lane
	few    bool
	atMost int
}

// work makes attempts within ctx, and begins them while taking lasts.
func (w worker) work(ctx, taking context.Context) {
	for {
		q, ok := w.queue.take(taking, w.few, w.atMost)
		if !ok {
			return
		}
		w.s.metrics.queued.WithLabelValues(w.Integration.Key()).Dec()
		if w.rest(taking) {
			kept := w.s.attempt(ctx, w.lane, q)
			if w.few && kept != nil {
				w.queue.keep(kept)
			}
		} else {
			w.s.giveBack(ctx, w.lane, []queued{q})
		}
		w.queue.done(q)
	}
}

// rest waits until the receiver may be asked again; false means that ctx ended first.
func (l *lane) rest(ctx context.Context) bool {
	for {
		l.mu.Lock()
		wait := time.Until(l.until)
		l.mu.Unlock()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// attempt returns a channel that is closed when the success of the attempt is kept, nil if there is none to wait for.
func (s *Sender) attempt(ctx context.Context, l *lane, q queued) (kept <-chan struct{}) {
	if !s.active() {
		s.giveBack(ctx, l, []queued{q})
		return nil
	}
	start := time.Now()
	if w := s.options.StartWithin; w > 0 && start.Sub(q.at) > w {
		_ = s.options.Done(q.n.ID, Outcome{}, fmt.Errorf("notifying %s: %w", l.Integration.Key(), ErrTooLate))
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, s.bound(l))
	outcome, err := l.Notifier.Notify(bounded, q.n)
	cancel()
	if err != nil && ctx.Err() != nil {
		return nil // the program ends; the intent is kept, so the notification is sent after the next start
	}
	end := time.Now()
	s.metrics.duration.WithLabelValues(l.Integration.Receiver, l.Integration.Kind).Observe(end.Sub(start).Seconds())
	s.settle(l, outcome, err, end)
	kept = s.options.Done(q.n.ID, outcome, err)
	if err != nil {
		return nil
	}
	return kept
}

func (s *Sender) active() bool { return s.options.Active == nil || s.options.Active() }

// bound is how long an attempt may last: never less than the integration's own timeout lets it. A Digester waits for its turn
// within it.
func (s *Sender) bound(l *lane) time.Duration {
	bound := s.options.Timeout
	if _, ok := l.Notifier.(Digester); ok {
		bound = max(bound, digestTimeout)
	}
	if own := l.Integration.timeout(); own > 0 {
		bound = max(bound, own+timeoutMargin)
	}
	return bound
}

// unmade says that no attempt was made.
func unmade(err error) bool { return errors.Is(err, ErrNotBegun) || errors.Is(err, ErrStale) }

// settle notes a wish to be left alone, and logs when a receiver begins to fail, fails otherwise, or works again.
func (s *Sender) settle(l *lane, o Outcome, err error, now time.Time) {
	if unmade(err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.RetryAfter > 0 && !o.Partly && now.Add(o.RetryAfter).After(l.until) {
		l.until = now.Add(o.RetryAfter)
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == l.failing {
		return
	}
	log := s.options.Log.With("receiver", l.Integration.Receiver, "integration", l.Integration.Key())
	switch {
	case text == "":
		log.Info("receiver takes notifications again")
	case o.Permanent:
		log.Error("receiver refuses notifications", "error", text)
	default:
		log.Warn("notification failed and will be tried again", "error", text)
	}
	l.failing = text
}
