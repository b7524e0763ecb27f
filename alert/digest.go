package alert

import (
	"context"
	"fmt"
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
		_ = s.options.Done(n.ID, outcomes[i], err)
	}
}
