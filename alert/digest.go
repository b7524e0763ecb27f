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
	// Digest delivers notifications in one message, or one for each place that they go to. It answers for each by p.Done, as
	// soon as it can.
	Digest(ctx context.Context, ns []*Notification, p DigestProgress)
}

// DigestProgress is how a Digester says how far it is, so that a crash leaves no more in doubt than what is under way.
type DigestProgress struct {
	// Name has notifications keep the name of the message that is about to tell of them, as Notification.Digest: it is by
	// this name that the message is recognised, however many it tells of. It returns when a restart would know. An error says
	// that the message must not be made now.
	Name func(ctx context.Context, ns []*Notification, name string) error
	// Done says what came of a notification, once for each.
	Done func(n *Notification, o Outcome, err error)
}

const (
	// digestAbove is how many notifications may wait for a Digester before they are told of in one message.
	digestAbove = 10
	// digestAfter is how long one waits until those that wait are told of in one message though they are few: all workers
	// are busy then.
	digestAfter = 2 * time.Second
	// togetherAfter is how long is waited until all have come that a digest may have told of.
	togetherAfter = 200 * time.Millisecond
	// digestTimeout bounds one attempt of a Digester.
	digestTimeout = 2 * time.Minute
)

// gather takes what is told of in one message.
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
	var failed []error
	told := false
	p := DigestProgress{Name: s.name, Done: func(n *Notification, o Outcome, err error) {
		if err != nil && ctx.Err() != nil {
			return // as for one notification
		}
		if err != nil && !unmade(err) && !slices.Contains(failed, err) { // one error of many is said once
			failed = append(failed, err)
			s.settle(l, o, err, time.Now())
		}
		told = told || err == nil
		_ = s.options.Done(n.ID, o, err)
	}}
	bounded, cancel := context.WithTimeout(ctx, s.bound(l))
	d.Digest(bounded, ns, p)
	cancel()
	end := time.Now()
	s.metrics.duration.WithLabelValues(l.Integration.Receiver, l.Integration.Kind).Observe(end.Sub(start).Seconds())
	if told && len(failed) == 0 {
		s.settle(l, Outcome{}, nil, end)
	}
}

// name has the notifications of a digest keep its name.
func (s *Sender) name(ctx context.Context, ns []*Notification, name string) error {
	if s.options.Name == nil {
		return nil
	}
	ids := make([]string, len(ns))
	for i, n := range ns {
		ids[i] = n.ID
	}
	select {
	case <-s.options.Name(ids, name):
		return nil
	case <-s.drained:
		return ErrNotBegun
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the notifier says what it was about
	}
}
