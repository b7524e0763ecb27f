package alert

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Digester is a Notifier that can tell of many notifications in one message, so that a storm is one message and not
// thousands. It looks after how often its receiver may be written to.
type Digester interface {
	Notifier
	// Digest delivers notifications in one message, or one for each place that they go to. It returns an outcome and an error
	// for each, in their order.
	Digest(ctx context.Context, ns []*Notification) ([]Outcome, []error)
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
			l.queue.done(q)
		}
	}
}

// digest makes one attempt at notifications that are told of together.
func (s *Sender) digest(ctx context.Context, l *lane, d Digester, qs []queued) {
	if !s.active() {
		s.giveBack(ctx, l, qs)
		return
	}
	start := time.Now()
	var inTime []queued
	for _, q := range qs {
		if w := s.options.StartWithin; w > 0 && start.Sub(q.at) > w {
			_ = s.options.Done(q.n.ID, Outcome{}, fmt.Errorf("notifying %s: %w", l.Integration.Key(), ErrTooLate))
			continue
		}
		inTime = append(inTime, q)
	}
	switch len(inTime) {
	case 0:
		return
	case 1:
		_ = s.attempt(ctx, l, inTime[0])
		return
	}
	ns := make([]*Notification, len(inTime))
	for i, q := range inTime {
		ns[i] = q.n
	}
	bounded, cancel := context.WithTimeout(ctx, s.bound(l))
	outcomes, errs := d.Digest(bounded, ns)
	cancel()
	end := time.Now()
	s.metrics.duration.WithLabelValues(l.Integration.Receiver, l.Integration.Kind).Observe(end.Sub(start).Seconds())
	for i, n := range ns {
		if errs[i] != nil && ctx.Err() != nil {
			continue // as for one notification
		}
		if i == 0 || errs[i] != nil && !slices.Contains(errs[:i], errs[i]) { // one error of many is said once
			s.settle(l, outcomes[i], errs[i], end)
		}
		_ = s.options.Done(n.ID, outcomes[i], errs[i])
	}
}
