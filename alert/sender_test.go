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
	"sync/atomic"
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

// The timeout of an integration holds also when it is longer than what attempts get by default.
func TestOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		patient := Integration{Receiver: "patient", Kind: "webhook", Webhook: &WebhookConfig{Timeout: time.Minute}}
		brief := Integration{Receiver: "brief", Kind: "webhook", Webhook: &WebhookConfig{Timeout: time.Second}}
		slow := notifierFunc(func(ctx context.Context, _ *Notification) (Outcome, error) {
			select {
			case <-time.After(59 * time.Second):
				return Outcome{}, nil
			case <-ctx.Done():
				return Outcome{}, ctx.Err()
			}
		})
		var got answers
		s := NewSender(SenderOptions{Targets: []Target{{patient, slow}, {brief, slow}}, Done: got.done})
		go func() { _ = s.Run(t.Context()) }()
		s.Send([]*Notification{note("1", patient), note("2", brief)})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if list := got.take(); !slices.Equal(list, []string{"2: context deadline exceeded"}) {
			t.Errorf("after 20 s: %q", list)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if list := got.take(); !slices.Equal(list, []string{"1: ok"}) {
			t.Errorf("after 80 s: %q", list)
		}
		s.Drain()
	})
}

func TestReceiverThatAsksForRest(t *testing.T) {
	for partly, want := range map[bool][]time.Duration{false: {0, 30 * time.Second, 30 * time.Second}, true: {0, 0, 0}} {
		receiverThatAsksForRest(t, partly, want)
	}
}

func receiverThatAsksForRest(t *testing.T, partly bool, want []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		var times []time.Duration
		begin := time.Now()
		s := NewSender(SenderOptions{
			Targets: []Target{{i, notifierFunc(func(context.Context, *Notification) (Outcome, error) {
				times = append(times, time.Since(begin))
				if len(times) == 1 {
					return Outcome{RetryAfter: 30 * time.Second, Partly: partly}, errors.New("429")
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
		if !slices.Equal(times, want) {
			t.Errorf("attempts at %v, expected %v", times, want)
		}
		if list := got.take(); !slices.Equal(list, []string{"1: 429", "2: ok", "3: ok"}) {
			t.Errorf("answers are %q", list)
		}
	})
}

// A drained sender answers what it has begun, begins nothing more and gives the rest back, what comes later too.
// A receiver that asked to be left alone is left alone by the sender of a newer configuration, unless it is another receiver there.
func TestReceiverThatAsksForRestBeforeAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := Integration{Receiver: "ops", Kind: "webhook", Webhook: &WebhookConfig{URL: "http://127.0.0.1:1/"}}
		other := Integration{Receiver: "ops", Kind: "webhook", Webhook: &WebhookConfig{URL: "http://127.0.0.1:2/"}}
		var at []time.Duration
		start := time.Now()
		busy := notifierFunc(func(context.Context, *Notification) (Outcome, error) {
			at = append(at, time.Since(start))
			return Outcome{RetryAfter: time.Hour}, errors.New("429")
		})
		var got answers
		s := NewSender(SenderOptions{Targets: []Target{{to, busy}}, Done: got.done, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, targets := range [][]Target{nil, {{to, busy}}, {{other, busy}}} {
			if targets != nil {
				s = s.Next(targets)
			}
			running.Go(func() { _ = s.Run(ctx) })
			s.Send([]*Notification{note("n", to)})
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		cancel()
		running.Wait()
		if !slices.Equal(at, []time.Duration{0, 2 * time.Minute}) {
			t.Errorf("it was asked at %v, expected at once and when its address is another", at)
		}
	})
}

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
		want := []string{"late: notifying r/slack[0]: the attempt was not begun", "under way: ok", "waiting: notifying r/slack[0]: the attempt was not begun"}
		if list := got.take(); !slices.Equal(list, want) {
			t.Errorf("answers are %q", list)
		}
	})
}

// While it is not known that this process is the active alerter no attempt begins, of one notification nor of many, and
// what was to be sent is handed out again.
func TestNotActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, many := Integration{Receiver: "one", Kind: "webhook"}, Integration{Receiver: "many", Kind: "slack"}
		var got answers
		var active atomic.Bool
		p := newPaced()
		s := NewSender(SenderOptions{Active: active.Load, Done: got.done, Targets: []Target{
			{one, notifierFunc(func(context.Context, *Notification) (Outcome, error) { return Outcome{}, nil })}, {many, p},
		}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx) }()
		for _, is := range []bool{false, true} {
			active.Store(is)
			s.Send(append(storm(many, 0, 100), note("a", one)))
			time.Sleep(5 * time.Second)
			synctest.Wait()
			answered := got.take()
			refused := slices.DeleteFunc(slices.Clone(answered), func(a string) bool { return !strings.HasSuffix(a, ErrNotBegun.Error()) })
			if said := p.take(); len(answered) != 101 || (len(refused) == 0) != is || (len(said) > 0) != is || !is && len(refused) != 101 {
				t.Errorf("active: %t: %d are answered, %d as not begun; %q was said", is, len(answered), len(refused), said)
			}
		}
		cancel()
		synctest.Wait()
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
// before is kept. When many wait, haste is worth more.
func TestWebhookIsSentOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "webhook"}
		var mu sync.Mutex
		var order []string
		kept := map[string]chan struct{}{}
		s := NewSender(SenderOptions{
			Targets: []Target{{i, notifierFunc(func(_ context.Context, n *Notification) (Outcome, error) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, "begin "+n.ID)
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
		keep := func(id string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, "keep "+id)
			close(kept[id])
		}
		s.Send([]*Notification{note("1", i), note("2", i), note("3", i)})
		settle(time.Minute)
		keep("1")
		settle(time.Minute)
		keep("2")
		settle(time.Minute)
		keep("3")
		if want := []string{"begin 1", "keep 1", "begin 2", "keep 2", "begin 3", "keep 3"}; !slices.Equal(order, want) {
			t.Errorf("what happened is %q, expected %q", order, want)
		}
		order = nil
		s.Send(storm(i, 10, 4*waitingPer))
		settle(time.Minute)
		if n := len(order); n < 2 || n > 5 {
			t.Errorf("of %d that waited %d were sent before the outcome of one was kept", 4*waitingPer, n)
		}
	})
}

// A webhook that hangs has others go on beside it.
func TestWebhookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "webhook"}
		var got answers
		var mu sync.Mutex
		var begun []time.Duration
		start := time.Now()
		s := NewSender(SenderOptions{
			Targets: []Target{{i, notifierFunc(func(ctx context.Context, _ *Notification) (Outcome, error) {
				mu.Lock()
				begun = append(begun, time.Since(start))
				mu.Unlock()
				<-ctx.Done()
				return Outcome{}, ctx.Err()
			})}},
			Done: got.done, Parallel: 4,
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx) }()
		s.Send(storm(i, 0, 6))
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if want := []time.Duration{0, hangsFor, 2 * hangsFor, 3 * hangsFor}; !slices.Equal(begun, want) {
			t.Errorf("attempts began after %v, expected %v", begun, want)
		}
	})
}
