package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paced is a Digester each of whose messages takes a second. A digest has a name when it is set.
type paced struct {
	name  string
	mu    sync.Mutex
	said  []string
	fail  error
	pace  time.Duration
	turns chan struct{}
}

func newPaced() *paced { return &paced{pace: time.Second, turns: make(chan struct{}, 1)} }

func (p *paced) say(ctx context.Context, text string) error {
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	time.Sleep(p.pace)
	<-p.turns
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail == nil {
		p.said = append(p.said, text)
	}
	return p.fail
}

// Notify implements Notifier.
func (p *paced) Notify(ctx context.Context, n *Notification) (Outcome, error) {
	return Outcome{Ref: "own"}, p.say(ctx, n.ID)
}

// Digest implements Digester.
func (p *paced) Digest(ctx context.Context, ns []*Notification, progress DigestProgress) {
	var err error
	if p.name != "" {
		err = progress.Name(ctx, ns, p.name)
	}
	if err == nil {
		err = p.say(ctx, fmt.Sprintf("digest of %d", len(ns)))
	}
	for _, n := range ns {
		progress.Done(n, Outcome{Ref: "digest"}, err)
	}
}

func (p *paced) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.said
	p.said = nil
	slices.Sort(out)
	return out
}

func storm(i Integration, from, n int) []*Notification {
	ns := make([]*Notification, n)
	for k := range ns {
		ns[k] = &Notification{ID: fmt.Sprint(from + k), Integration: i, Group: fmt.Sprint("group ", from+k)}
	}
	return ns
}

func TestStormIsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		p := newPaced()
		s := NewSender(SenderOptions{Targets: []Target{{i, p}}, Done: got.done, StartWithin: 5 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx) }()
		settle := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		s.Send(storm(i, 0, 5000))
		settle(3 * time.Second)
		if said := p.take(); !slices.Equal(said, []string{"digest of 5000"}) {
			t.Errorf("a storm is told by %q", said)
		}
		if n := len(got.take()); n != 5000 {
			t.Errorf("%d of 5000 are answered", n)
		}
		s.Send(storm(i, 0, 4))
		settle(5 * time.Second)
		if said := p.take(); !slices.Equal(said, []string{"0", "1", "2", "3"}) {
			t.Errorf("a few are told by %q", said)
		}
		// More than the workers take, but few: the rest waits until it is clear that all are busy.
		s.Send(storm(i, 0, 8))
		settle(time.Millisecond)
		s.Send(storm(i, 8, 10))
		settle(15 * time.Second)
		said := p.take()
		if len(said) < 11 || len(said) > 14 || !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, "digest") }) {
			t.Errorf("18 in two parts are told by %q", said)
		}
		if list := slices.DeleteFunc(got.take(), func(s string) bool { return strings.HasSuffix(s, ": ok") }); len(list) > 0 {
			t.Errorf("some are not answered well: %q", list)
		}
		p.mu.Lock()
		p.fail = errors.New("refused")
		p.mu.Unlock()
		s.Send(storm(i, 0, 100))
		settle(5 * time.Second)
		if list := got.take(); len(list) != 100 || slices.ContainsFunc(list, func(s string) bool { return !strings.HasSuffix(s, ": refused") }) {
			t.Errorf("a digest that failed is answered by %q", list)
		}
	})
}

// A digest is made when its name is kept, and not at all when the sender is drained before.
func TestDigestWaitsForItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		p := newPaced()
		p.name = "d"
		kept := make(chan struct{})
		named := 0
		s := NewSender(SenderOptions{Targets: []Target{{i, p}}, Done: got.done, Name: func(ids []string, digest string) <-chan struct{} {
			named = len(ids)
			if digest != "d" {
				t.Errorf("the digest is named %q", digest)
			}
			return kept
		}})
		go func() { _ = s.Run(t.Context()) }()
		settle := func() { time.Sleep(5 * time.Second); synctest.Wait() }
		s.Send(storm(i, 0, 40))
		settle()
		if said := p.take(); len(said) > 0 || named != 40 {
			t.Errorf("%q is said while nobody would know; %d of 40 are to keep the name", said, named)
		}
		close(kept)
		settle()
		if said := p.take(); !slices.Equal(said, []string{"digest of 40"}) || len(got.take()) != 40 {
			t.Errorf("told by %q", said)
		}
		kept = make(chan struct{})
		s.Send(storm(i, 0, 40))
		settle()
		s.Drain()
		settle()
		list := got.take()
		if said := p.take(); len(said) > 0 || len(list) != 40 || !strings.HasSuffix(list[0], ErrNotBegun.Error()) {
			t.Errorf("drained before it has a name, %q is said, and %d are answered by %q", said, len(list), list[:1])
		}
	})
}

// Those that a digest may have told of are looked for together and soon, however few they are, so that its list has all.
func TestDigestInDoubtIsLookedForTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		p := newPaced()
		p.pace = time.Millisecond
		s := NewSender(SenderOptions{Targets: []Target{{i, p}}, Done: got.done})
		go func() { _ = s.Run(t.Context()) }()
		for _, count := range []int{3, 30} {
			ns := storm(i, 0, 2*count)
			for _, n := range ns {
				n.Repeated, n.Digest = true, "d"
			}
			ns[0].Repeated = false // a digest that was not made
			s.Send(ns[:count])
			time.Sleep(togetherAfter / 2)
			s.Send(ns[count:])
			time.Sleep(togetherAfter)
			synctest.Wait()
			said := p.take()
			if count == 3 && !slices.Equal(said, []string{"0", "digest of 5"}) || count == 30 && !slices.Equal(said, []string{"digest of 60"}) {
				t.Errorf("%d are told by %q", count, said)
			}
		}
	})
}

// Who tells of each alone, as in a dry run, is given those too that a digest may have told of.
func TestDigestInDoubtWithoutDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		s := NewSender(SenderOptions{Targets: []Target{{i, notifierFunc(func(context.Context, *Notification) (Outcome, error) { return Outcome{Dry: true}, nil })}}, Done: got.done})
		go func() { _ = s.Run(t.Context()) }()
		ns := storm(i, 0, 20)
		for _, n := range ns {
			n.Repeated, n.Digest = true, "d"
		}
		s.Send(ns)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(got.take()); n != 20 {
			t.Errorf("%d of 20 are answered", n)
		}
	})
}

// After a restart it is known which digest may have told of a notification, and after a failure those of a digest are tried again
// at the same time.
func TestNameOfADigestIsKept(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{GroupBy: []string{"..."}})
	w := newWorld(t, o)
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now), b.fire(w.now))
	name := func() {
		var ids []string
		for _, n := range w.flight {
			ids = append(ids, n.ID)
		}
		w.alerter.Name(append(ids, "unknown"), "d")
		w.commit()
	}
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	w.send()
	if len(w.flight) != 2 || w.flight[0].Digest != "" {
		t.Fatalf("there are %d notifications: %+v", len(w.flight), w.flight)
	}
	name()
	w.restart()
	w.flight = nil
	w.alerter.Tick(w.now)
	w.commit()
	w.send()
	for _, n := range w.flight {
		if n.Digest != "d" || !n.Repeated {
			t.Errorf("after a restart: digest %q, repeated %v", n.Digest, n.Repeated)
		}
		w.alerter.Delivered(n.ID, Outcome{}, errDown, w.now)
	}
	w.flight = nil
	for len(w.flight) == 0 && w.now.Sub(epoch) < time.Minute {
		w.now = w.now.Add(time.Millisecond)
		w.alerter.Tick(w.now)
		w.send()
	}
	if len(w.flight) != 2 {
		t.Errorf("%d of 2 are tried again together", len(w.flight))
	}
}

// What waits too long while a digest is told is given back, and the sender goes on.
func TestStormOutlastsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "slack"}
		var got answers
		p := newPaced()
		p.pace = 10 * time.Second
		s := NewSender(SenderOptions{Targets: []Target{{i, p}}, Done: got.done, StartWithin: 3 * time.Second})
		go func() { _ = s.Run(t.Context()) }()
		s.Send(storm(i, 0, 50))
		time.Sleep(time.Second)
		s.Send(storm(i, 50, 20))
		time.Sleep(8 * time.Second)
		s.Send(storm(i, 70, 30))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		told, late := 0, 0
		for _, a := range got.take() {
			switch {
			case strings.HasSuffix(a, ": ok"):
				told++
			case strings.HasSuffix(a, ErrTooLate.Error()):
				late++
			}
		}
		if said := p.take(); told != 80 || late != 20 || !slices.Equal(said, []string{"digest of 30", "digest of 50"}) {
			t.Errorf("%d are told, %d given back: %q", told, late, said)
		}
	})
}

// Two notifications about one group are told in their order, however many workers there are.
func TestGroupIsToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Integration{Receiver: "r", Kind: "webhook"}
		var got answers
		var mu sync.Mutex
		var order []string
		s := NewSender(SenderOptions{Targets: []Target{{i, notifierFunc(func(_ context.Context, n *Notification) (Outcome, error) {
			if n.ID == "firing" {
				time.Sleep(time.Second)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, n.ID)
			return Outcome{}, nil
		})}}, Done: got.done})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx) }()
		s.Send([]*Notification{{ID: "firing", Integration: i, GroupKey: "a"}, {ID: "resolved", Integration: i, GroupKey: "a"}, {ID: "other", Integration: i, GroupKey: "b"}})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if want := []string{"other", "firing", "resolved"}; !slices.Equal(order, want) {
			t.Errorf("told in the order %q, expected %q", order, want)
		}
	})
}
