package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// diary notes who had a turn and when.
type diary struct {
	mu    sync.Mutex
	begin time.Time
	lines []string
}

func (d *diary) write(who string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%s at %s", who, time.Since(d.begin)))
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(0)
		d := diary{begin: time.Now()}
		write := func(who, token, channel, method string, urgent bool, lasts, rest time.Duration) {
			mine, err := l.acquire(t.Context(), token, channel, method, urgent)
			if err != nil {
				t.Error(err)
				return
			}
			d.write(who)
			time.Sleep(lasts)
			if rest > 0 {
				l.block(token, method, rest)
			}
			l.release(mine)
		}
		go write("first", "a", "#c", "post", true, 500*time.Millisecond, 0)
		synctest.Wait()
		go write("thread", "a", "#c", "post", false, 0, 0)
		synctest.Wait()
		go write("urgent", "a", "#c", "post", true, 0, 0)
		go write("elsewhere", "a", "other", "post", true, 0, 0)
		go write("another app", "b", "#c", "post", true, 0, 0)
		gone, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := l.acquire(gone, "a", "#c", "post", true); err == nil {
			t.Error("a turn came although nobody waited for it any more")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		// One writes, the next begins a second after the end; who gave up takes no turn.
		want := []string{"another app at 0s", "elsewhere at 0s", "first at 0s", "thread at 2.5s", "urgent at 1.5s"}
		if got := slices.Sorted(slices.Values(d.lines)); !slices.Equal(got, want) {
			t.Errorf("turns are %q, expected %q", got, want)
		}
		// A name and an ID that are one channel share its turns, a method that Slack wants to rest does so everywhere.
		d = diary{begin: time.Now()}
		l.learn("a", "#c", "C1")
		go write("by ID", "a", "C1", "post", true, 0, 5*time.Second)
		synctest.Wait()
		go write("by name", "a", "#c", "update", true, 0, 0)
		go write("same method", "a", "other", "post", true, 0, 0)
		go write("other method", "a", "other2", "update", true, 0, 0)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		want = []string{"by ID at 0s", "by name at 1s", "other method at 0s", "same method at 5s"}
		if got := slices.Sorted(slices.Values(d.lines)); !slices.Equal(got, want) {
			t.Errorf("turns are %q, expected %q", got, want)
		}
		// After a takeover nobody knows when the process before wrote.
		d = diary{begin: time.Now()}
		l.Rest()
		go write("known channel", "a", "C1", "post", true, 0, 0)
		go write("new channel", "a", "C2", "post", true, 0, 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		want = []string{"known channel at 1s", "new channel at 1s"}
		if got := slices.Sorted(slices.Values(d.lines)); !slices.Equal(got, want) {
			t.Errorf("turns after a takeover are %q, expected %q", got, want)
		}
	})
}

// Those who wait by a name are not forgotten when the name turns out to be a channel that others wait for by its ID.
func TestTurnsOfOneChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(0)
		var wg sync.WaitGroup
		for _, name := range []string{"#c", "C1"} {
			for range 3 {
				wg.Go(func() {
					mine, err := l.acquire(t.Context(), "a", name, "post", true)
					if err != nil {
						t.Error(err)
						return
					}
					l.learn("a", "#c", "C1")
					l.release(mine)
				})
			}
		}
		begin := time.Now()
		wg.Wait()
		if took := time.Since(begin); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("six turns took %s", took)
		}
	})
}

// A method that Slack wants to rest for long rests alone, and for no longer than is sensible; who waits for it keeps nobody else.
func TestMethodThatRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &channel{n: &Notifier{options: Options{Limiter: NewLimiter(0)}, config: alert.SlackConfig{Timeout: time.Minute}}, token: "a", name: "#c"}
		d := diary{begin: time.Now()}
		try := func(ctx context.Context, method string, err error) error {
			return c.write(ctx, method, true, func(context.Context) (time.Duration, error) {
				d.write(method)
				return limited(err)
			})
		}
		bounded, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		rested := func(err error, want time.Duration) {
			t.Helper()
			if o, text := outcome(err, "a", ref{}); o.RetryAfter != want || !o.Partly || o.Permanent || text == nil {
				t.Errorf("got %+v, %v", o, text)
			}
		}
		rested(try(bounded, "chat.update", &slack.RateLimitedError{RetryAfter: 3 * time.Hour}), longestRest)
		rested(try(bounded, "chat.update", nil), longestRest) // is not tried
		var g errgroup.Group
		g.Go(func() error { return try(t.Context(), "chat.update", nil) }) // has time
		synctest.Wait()
		if err := try(bounded, postMessage, nil); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		rested(try(bounded, "chat.update", nil), 3*time.Minute-time.Second)
		rested(c.read(bounded, "files.getUploadURLExternal", func(context.Context) (time.Duration, error) {
			return limited(&slack.RateLimitedError{RetryAfter: time.Minute})
		}), time.Minute)
		o, _ := outcome(try(bounded, postMessage, &slack.RateLimitedError{RetryAfter: time.Minute}), "a", ref{})
		if o.RetryAfter != time.Minute || o.Partly {
			t.Errorf("a message is put off as %+v", o)
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		want := []string{"chat.update at 0s", "chat.postMessage at 1s", "chat.postMessage at 2m1s", "chat.update at 5m0s"}
		if !slices.Equal(d.lines, want) {
			t.Errorf("calls are %q, expected %q", d.lines, want)
		}
	})
}

// While edits must wait, new messages of the same channel are made.
func TestEditsThatRest(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("cart")))
	s.Fail(slacktest.Limited("chat.update", 86_400))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 {
		if o, err := n.Notify(ctx, notification("2", alert.AllResolved, ref, over(fires("cart")))); err == nil || o.RetryAfter < longestRest-time.Minute || o.RetryAfter > longestRest || !o.Partly {
			t.Errorf("got %+v, %v", o, err)
		}
	}
	mustNotify(t, n, notification("3", alert.FirstNotification, "", fires("checkout")))
	if edits, messages := len(s.Calls("chat.update")), len(s.Messages(slacktest.Channel)); edits != 1 || messages != 2 {
		t.Errorf("%d edits are tried, the channel has %d messages", edits, messages)
	}
	o, err := hookLimited(t, s, 86_400)
	if err == nil || o.RetryAfter != longestRest || o.Partly {
		t.Errorf("a webhook gives %+v, %v", o, err)
	}
	clean(t, s)
}

func hookLimited(t *testing.T, s *slacktest.Server, seconds int) (alert.Outcome, error) {
	t.Helper()
	s.Fail(slacktest.Limited(slacktest.Hook, seconds))
	return hook(t, s).Notify(t.Context(), notification("hook", alert.FirstNotification, "", fires("cart")))
}

// What has waited for its turn is not written when another process may be the active alerter by then, and the turn passes on.
func TestTurnOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var active atomic.Bool
		active.Store(true)
		l := NewLimiter(0)
		l.Active = active.Load
		c := &channel{n: &Notifier{options: Options{Limiter: l}, config: alert.SlackConfig{Timeout: time.Minute}}, token: "a", name: "#c"}
		var written []bool
		write := func() error {
			return c.write(t.Context(), "post", true, func(context.Context) (time.Duration, error) {
				written = append(written, active.Load())
				return 0, nil
			})
		}
		if err := write(); err != nil {
			t.Error(err)
		}
		refused := make(chan error)
		go func() { refused <- write() }()
		synctest.Wait()
		active.Store(false) // while it waits
		if err := <-refused; !errors.Is(err, errNotActive) {
			t.Errorf("it ends with %v", err)
		}
		active.Store(true)
		if err := write(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(written, []bool{true, true}) {
			t.Errorf("it was written while active: %v", written)
		}
	})
}

// sender runs a Sender with one Slack receiver and collects what came of each notification.
type sender struct {
	*alert.Sender
	mu       sync.Mutex
	outcomes map[string]alert.Outcome
	failed   map[string]error
}

func run(t *testing.T, i alert.Integration, n alert.Notifier) *sender {
	t.Helper()
	s := &sender{outcomes: map[string]alert.Outcome{}, failed: map[string]error{}}
	s.Sender = alert.NewSender(alert.SenderOptions{Targets: []alert.Target{{Integration: i, Notifier: n}}, Log: slog.New(slog.DiscardHandler),
		Done: func(id string, o alert.Outcome, err error) <-chan struct{} {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.outcomes[id] = o
			if err != nil {
				s.failed[id] = err
			}
			return nil
		}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *sender) answered(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		n, failed := len(s.outcomes), len(s.failed)
		s.mu.Unlock()
		switch {
		case failed > 0:
			t.Fatalf("failed: %v", s.failed)
		case n == count:
			return
		case time.Now().After(deadline):
			t.Fatalf("%d of %d are answered", n, count)
		}
	}
}

// The bar: the first post is refused for its rate, the alert ends before that is over, and both messages come in order.
func TestRefusedForItsRate(t *testing.T) {
	s := slacktest.New(t)
	s.RateLimit(time.Second)
	s.Fail(slacktest.Limited("chat.postMessage", 1))
	i := alert.Integration{Receiver: "ops", Kind: "slack"}
	n := mustNew(t, alert.SlackConfig{Token: slacktest.Token, Channel: slacktest.ChannelName, AppURL: s.API()}, Options{})
	sender := run(t, i, n)
	bare := fires("cart")
	bare.Samples, bare.Explanation = nil, nil
	first, second := notification("firing", alert.FirstNotification, "", bare), notification("resolved", alert.AllResolved, "", over(bare))
	first.Integration, second.Integration = i, i
	begin := time.Now()
	sender.Send([]*alert.Notification{first})
	sender.Send([]*alert.Notification{second})
	sender.answered(t, 2)
	top := s.Messages(slacktest.Channel)
	if len(top) != 2 {
		t.Fatalf("the channel has %d messages", len(top))
	}
	contains(t, top[0].Text, "CRITICAL")
	contains(t, top[1].Text, "RESOLVED")
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("both were told after %s: Slack's wish was not heard", took)
	}
	if s.Limits() > 0 {
		t.Errorf("%d writes came too soon after others", s.Limits())
	}
	clean(t, s)
}

// Several receivers that share a channel write to it once in an interval at most, also in a storm and with threads.
func TestPaceOfAChannel(t *testing.T) {
	const interval = 30 * time.Millisecond
	s := slacktest.New(t)
	s.RateLimit(interval)
	limiter := NewLimiter(interval)
	var senders []*sender
	for k, channel := range []string{slacktest.Channel, slacktest.Channel} {
		i := alert.Integration{Receiver: fmt.Sprint(k), Kind: "slack"}
		n := mustNew(t, alert.SlackConfig{Token: slacktest.Token, Channel: channel, AppURL: s.API()}, Options{Limiter: limiter})
		sender := run(t, i, n)
		senders = append(senders, sender)
		for _, part := range [][]*alert.Notification{stormOf(7), stormOf(3000)[7:]} {
			for _, one := range part {
				one.Integration = i
				one.ID = fmt.Sprint(k, "/", one.ID)
			}
			sender.Send(part)
		}
	}
	for _, sender := range senders {
		sender.answered(t, 3000)
	}
	if s.Limits() > 0 {
		t.Errorf("%d writes came too soon after others", s.Limits())
	}
	if n := len(s.Messages(slacktest.Channel)); n > 16 {
		t.Errorf("two storms of 3000 are %d messages", n)
	}
	clean(t, s)
}
