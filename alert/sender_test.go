package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// notifierFunc is a Notifier made of a function.
type notifierFunc func(context.Context, *Notification) (Outcome, error)

func (f notifierFunc) Notify(ctx context.Context, n *Notification) (Outcome, error) { return f(ctx, n) }

func note(id string, i Integration) *Notification { return &Notification{ID: id, Integration: i} }

type answers struct {
	mu   sync.Mutex
	list []string
}

func (a *answers) done(id string, _ Outcome, err error) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	a.list = append(a.list, id+": "+text)
	return nil
}

func (a *answers) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.list
	a.list = nil
	slices.Sort(out)
	return out
}

func TestDeadReceiverDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := Integration{Receiver: "dead", Kind: "webhook"}
		alive := Integration{Receiver: "alive", Kind: "slack"}
		gone := Integration{Receiver: "gone", Kind: "webhook"}
		var got answers
		var log bytes.Buffer
		s := NewSender(SenderOptions{
			Targets: []Target{
				{dead, notifierFunc(func(ctx context.Context, _ *Notification) (Outcome, error) {
					<-ctx.Done()
					return Outcome{}, ctx.Err()
				})},
				{alive, notifierFunc(func(context.Context, *Notification) (Outcome, error) { return Outcome{}, nil })},
			},
			Done: got.done, Timeout: 5 * time.Second, Queue: 2, Parallel: 1, StartWithin: 7 * time.Second,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		s.Send([]*Notification{note("0", dead)})
		synctest.Wait()
		s.Send([]*Notification{note("1", dead), note("2", dead), note("3", dead), note("4", alive), note("5", gone)})
		synctest.Wait()
		want := []string{"3: notifying dead/webhook[0]: too many notifications wait for this receiver", "4: ok",
			"5: notifying gone/webhook[0]: no notifier is configured"}
		if list := got.take(); !slices.Equal(list, want) {
			t.Errorf("at once: %q, expected %q", list, want)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		want = []string{"0: context deadline exceeded", "1: context deadline exceeded",
			"2: notifying dead/webhook[0]: waited too long behind others for this receiver"}
		if list := got.take(); !slices.Equal(list, want) {
			t.Errorf("later: %q, expected %q", list, want)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("two equal failures gave %d lines of log, expected one:\n%s", n, log.String())
		}
		s.Send([]*Notification{note("6", dead)})
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if list := got.take(); len(list) != 0 {
			t.Errorf("an attempt that the end of the program cut off was answered: %q", list)
		}
	})
}

func TestReceiverThatAsksForRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		var times []time.Duration
		begin := time.Now()
		s := NewSender(SenderOptions{
			Targets: []Target{{i, notifierFunc(func(context.Context, *Notification) (Outcome, error) {
				times = append(times, time.Since(begin))
				if len(times) == 1 {
					return Outcome{RetryAfter: 30 * time.Second}, errors.New("429")
				}
				return Outcome{}, nil
			})}},
			Done: got.done,
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx) }()
		s.Send([]*Notification{note("1", i), note("2", i), note("3", i)})
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 30 * time.Second, 30 * time.Second}; !slices.Equal(times, want) {
			t.Errorf("attempts at %v, expected %v", times, want)
		}
		if list := got.take(); !slices.Equal(list, []string{"1: 429", "2: ok", "3: ok"}) {
			t.Errorf("answers are %q", list)
		}
	})
}

// A drained sender answers what it has begun, begins nothing more and gives the rest back, what comes later too.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		s := NewSender(SenderOptions{
			Targets: []Target{{i, notifierFunc(func(ctx context.Context, _ *Notification) (Outcome, error) {
				select {
				case <-ctx.Done():
					return Outcome{}, ctx.Err()
				case <-time.After(3 * time.Second):
					return Outcome{}, nil
				}
			})}},
			Done: got.done,
		})
		ended := make(chan error)
		go func() { ended <- s.Run(t.Context()) }()
		s.Send([]*Notification{note("under way", i), note("waiting", i)})
		synctest.Wait()
		s.Drain()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.Send([]*Notification{note("late", i)})
		want := []string{"late: notifying r/slack[0]: the sender was drained", "under way: ok", "waiting: notifying r/slack[0]: the sender was drained"}
		if list := got.take(); !slices.Equal(list, want) {
			t.Errorf("answers are %q", list)
		}
	})
}

// What a Sender gave back without an attempt, because others stood before it, is no failure and in no doubt: it is handed
// out again, and says nothing of itself.
func TestNotificationThatWaitedTooLong(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	var handed []string
	answers := []error{ErrTooLate, fmt.Errorf("notifying: %w", ErrQueueFull), nil}
	w.answer = func(n *Notification) (Outcome, bool, error) {
		handed = append(handed, fmt.Sprint(w.now.Sub(epoch), " attempt ", n.Attempt, " ", n.Repeated))
		err := answers[len(handed)-1]
		return Outcome{}, err == nil, err
	}
	a := &subject{name: "a"}
	w.produce(a.fire(w.now))
	w.advance(10 * time.Second)
	w.expect("first notification: a")
	if want := []string{"0s attempt 1 false", "0s attempt 1 false", "1s attempt 1 false"}; !slices.Equal(handed, want) {
		t.Errorf("handed out %q, expected %q", handed, want)
	}
	if got := w.verdicts("a"); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "failed") }) {
		t.Errorf("decisions %q", got)
	}
}

// A crash repeats what is under way, so a webhook is sent one notification after the other, each once the outcome of the one
// before is kept. Those that wait get company, so that a slow webhook delays no storm.
func TestWebhookIsSentOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "webhook"}
		var mu sync.Mutex
		var order []string
		kept := map[string]chan struct{}{}
		say := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
		}
		s := NewSender(SenderOptions{
			Targets: []Target{{i, notifierFunc(func(_ context.Context, n *Notification) (Outcome, error) {
				say("begin " + n.ID)
				return Outcome{}, nil
			})}},
			Done: func(id string, _ Outcome, _ error) <-chan struct{} {
				mu.Lock()
				defer mu.Unlock()
				kept[id] = make(chan struct{})
				return kept[id]
			},
			Parallel: 3,
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx) }()
		settle := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		s.Send([]*Notification{note("1", i), note("2", i), note("3", i), note("4", i)})
		settle(parallelAfter / 2)
		say("keep 1")
		close(kept["1"])
		settle(parallelAfter / 4)
		say("in haste")
		settle(time.Minute)
		slices.Sort(order[min(4, len(order)):]) // both begin at the same time
		want := []string{"begin 1", "keep 1", "begin 2", "in haste", "begin 3", "begin 4"}
		if !slices.Equal(order, want) {
			t.Errorf("what happened is %q, expected %q", order, want)
		}
		order = nil
		for _, id := range []string{"2", "3", "4"} {
			close(kept[id]) // else it is chance whether the one that is in no haste still waits for one of them
		}
		synctest.Wait()
		s.Send([]*Notification{note("5", i), note("6", i)})
		settle(parallelAfter / 2)
		if !slices.Equal(order, []string{"begin 5"}) {
			t.Errorf("after haste, one at a time again: what happened is %q", order)
		}
	})
}
