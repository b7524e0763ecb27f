package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
)

// remediation returns options with a receiver that tells and edits, and one that mends.
func remediation(c RemediationConfig) Options {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations[0].Edits = true
	o.Integrations = append(o.Integrations, Integration{Receiver: "ops", Kind: "webhook", Index: 1, Webhook: &WebhookConfig{}, Remediation: &c})
	return o
}

func TestRemediation(t *testing.T) {
	w := newWorld(t, remediation(RemediationConfig{Cooldown: 10 * time.Minute, MaxPerHour: 3}))
	var calls []string
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if n.Integration.Remediation == nil {
			return Outcome{Ref: "C/1"}, true, nil
		}
		calls = append(calls, fmt.Sprintf("%s %s", w.now.Sub(epoch), tell(n)))
		return Outcome{Note: "200 OK"}, false, nil
	}
	a := &subject{name: "a"}
	for range 6 { // six incidents, three minutes apart
		w.produce(a.fire(w.now))
		w.advance(time.Minute)
		w.restart()
		w.advance(time.Minute)
		w.produce(a.resolve(w.now))
		w.advance(time.Minute)
	}
	w.produce(a.fire(w.now))
	w.advance(3 * time.Hour)
	if got := strings.Join(calls, "; "); got != "0s first notification: a; 10m0s first notification: a; 20m0s first notification: a" {
		t.Errorf("it was called at %s", got)
	}
	notes := 0
	for _, n := range w.got {
		for _, note := range n.Data.Notes {
			notes++
			if note.Text != "remediation ops was called: 200 OK" {
				t.Errorf("the thread says %q", note.Text)
			}
		}
	}
	if notes != 3 {
		t.Errorf("%d notes in the thread, expected 3", notes)
	}
}

// TestRemediationIsNotRepeated: where it is not known whether a call was made, a person is asked.
func TestRemediationIsNotRepeated(t *testing.T) {
	for name, step := range map[string]func(*world){
		"killed between the intent and the answer": func(w *world) {
			w.receive()
			w.alerter.Tick(w.now)
			w.commit()
			w.restart()
		},
		"timeout": func(w *world) { w.run() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, remediation(RemediationConfig{}))
			calls := 0
			w.answer = func(n *Notification) (Outcome, bool, error) {
				if n.Integration.Remediation == nil {
					return Outcome{Ref: "C/1"}, true, nil
				}
				calls++
				return Outcome{}, false, fmt.Errorf("timeout: %w", ErrUnknownOutcome)
			}
			w.produce((&subject{name: "a"}).fire(w.now))
			step(w)
			w.advance(2 * time.Hour)
			if calls > 1 {
				t.Errorf("it was called %d times", calls)
			}
			said := false
			for _, n := range w.got {
				for _, note := range n.Data.Notes {
					said = said || strings.Contains(note.Text, "not repeated: somebody must look")
				}
			}
			if !said {
				t.Errorf("nobody was asked to look: %q", w.story())
			}
			if got := strings.Join(w.verdicts("a"), "\n"); !strings.Contains(got, "unknown: ") {
				t.Errorf("the ledger does not say that it is unknown:\n%s", got)
			}
		})
	}
}

// TestRemediationThatWasSurelyNotCalled is tried again, while the incident lasts.
func TestRemediationThatWasSurelyNotCalled(t *testing.T) {
	w := newWorld(t, remediation(RemediationConfig{}))
	calls := 0
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if n.Integration.Remediation == nil {
			return Outcome{Ref: "C/1"}, true, nil
		}
		if calls++; calls < 3 {
			return Outcome{}, false, errDown
		}
		return Outcome{}, false, nil
	}
	w.produce((&subject{name: "a"}).fire(w.now))
	w.advance(time.Hour)
	if calls != 3 {
		t.Errorf("it was called %d times, expected 3", calls)
	}
}

// What became of a remediation is told in a thread whose message is under way as well, and does not keep its group from being
// looked at afterwards.
func TestRemediationGivenUpWhileTheMessageIsUnderWay(t *testing.T) {
	w := newWorld(t, remediation(RemediationConfig{}))
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if n.Integration.Remediation != nil {
			return Outcome{}, false, errDown
		}
		return Outcome{Ref: "C/1"}, true, nil
	}
	a := &subject{name: "a"}
	w.produce(a.fire(w.now))
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	w.send()
	slow := slices.IndexFunc(w.flight, func(n *Notification) bool { return n.Integration.Remediation == nil })
	message := w.flight[slow]
	w.flight = slices.Delete(w.flight, slow, slow+1)
	w.deliver()
	w.now = w.now.Add(10 * time.Second) // the next attempt of the call is due when it is known to be pointless
	w.produce(a.resolve(w.now))
	w.run()
	w.flight = []*Notification{message}
	w.deliver()
	w.advance(2 * time.Hour)
	if got := strings.Join(w.story(), "; "); !strings.Contains(got, "-a") {
		t.Errorf("the receiver got %q, expected the end of a", got)
	}
	if got := len(w.alerter.Groups()); got != 0 {
		t.Errorf("%d groups are left, expected none", got)
	}
}

func TestConcurrentRemediations(t *testing.T) {
	o := remediation(RemediationConfig{MaxConcurrent: 2})
	o.Route.GroupBy = []string{"name"}
	w := newWorld(t, o)
	for i := range 5 {
		w.produce((&subject{name: itoa(i)}).fire(w.now))
	}
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	w.send()
	n := 0
	for _, d := range w.flight {
		if d.Integration.Remediation != nil {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d calls at a time, expected 2", n)
	}
	w.deliver()
	w.advance(10 * time.Second)
	n = 0
	for _, d := range w.got {
		if d.Integration.Remediation != nil {
			n++
		}
	}
	if n != 5 {
		t.Errorf("%d calls, expected 5", n)
	}
}

// calling has the receiver that tells answer, and notes which alerts the one that mends is called about.
func calling(w *world, answer func(n *Notification) (Outcome, error)) *[]string {
	var calls []string
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if n.Integration.Remediation == nil {
			return Outcome{Ref: "C/1"}, true, nil
		}
		calls = append(calls, fmt.Sprintf("%s %s", w.now.Sub(epoch), strings.TrimPrefix(tell(n), "first notification: ")))
		o, err := answer(n)
		return o, false, err
	}
	return &calls
}

func called(*Notification) (Outcome, error) { return Outcome{Note: "200 OK"}, nil }

// TestRemediationOfSeveral: a call names what is to be mended, not what fires beside it and was mended before.
func TestRemediationOfSeveral(t *testing.T) {
	w := newWorld(t, remediation(RemediationConfig{}))
	calls := calling(w, called)
	a, b, c := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}
	w.produce(a.fire(w.now))
	w.advance(time.Minute)
	w.produce(b.fire(w.now))
	w.advance(time.Minute)
	w.silence("s", time.Minute, `name="a"`) // a mended alert is not mended again when its silence is over
	w.advance(time.Second)
	w.produce(c.fire(w.now))
	w.advance(time.Minute)
	w.restart()
	w.produce(b.resolve(w.now))
	w.advance(time.Minute)
	w.produce(b.fire(w.now))
	w.advance(10 * time.Minute)
	w.produce(c.resolve(w.now))
	w.run()
	w.produce(c.fire(w.now))
	w.run()
	if got := strings.Join(*calls, "; "); got != "0s a; 1m0s b; 2m1s c; 4m1s b; 14m1s c" {
		t.Errorf("it was called at %s", got)
	}
	for _, n := range w.got {
		for _, note := range n.Data.Notes {
			if note.Text != "remediation ops was called: 200 OK" {
				t.Errorf("the thread says %q", note.Text)
			}
		}
	}
	var verdicts []string
	for _, d := range w.decisions {
		if d.Verdict == Remediated {
			verdicts = append(verdicts, d.Labels.Get("name"))
		}
	}
	if got := strings.Join(verdicts, " "); got != "a b c b c" {
		t.Errorf("recorded as mended are %s", got)
	}
	w.produce(a.resolve(w.now), b.resolve(w.now), c.resolve(w.now))
	w.advance(time.Hour)
	if len(w.alerter.groups) != 0 {
		t.Error("the group is left after its end")
	}
}

// TestRemediationThatWaited: waiting behind others is no attempt, and a call whose alerts are over meanwhile is not made.
func TestRemediationThatWaited(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		waits int // answers before it is called
		over  bool
		calls string
	}{
		"too late":                {ErrTooLate, 9, false, "called"},
		"queue full":              {ErrQueueFull, 9, false, "called"},
		"over while it waited":    {ErrTooLate, 9, true, ""},
		"over after a failure":    {errDown, 3, true, ""},
		"others fire after a try": {errDown, 3, false, "called"},
	} {
		t.Run(name, func(t *testing.T) {
			o := remediation(RemediationConfig{})
			o.Integrations[1].SendResolved = true // as somebody may write
			w := newWorld(t, o)
			a, b := &subject{name: "a"}, &subject{name: "b"}
			var calls []string
			answers := 0
			w.answer = func(n *Notification) (Outcome, bool, error) {
				if n.Integration.Remediation == nil {
					return Outcome{Ref: "C/1"}, true, nil
				}
				if answers++; answers <= tc.waits {
					if answers == tc.waits && tc.over {
						w.produce(a.resolve(w.now))
						if errors.Is(tc.err, ErrTooLate) {
							w.receive()
						}
					}
					return Outcome{}, false, fmt.Errorf("notifying ops: %w", tc.err)
				}
				if got := tell(n); got != "first notification: a" && answers == tc.waits+1 {
					t.Errorf("the call was about %q", got)
				}
				calls = append(calls, "called")
				return Outcome{}, false, nil
			}
			w.produce(a.fire(w.now))
			w.run()
			if !tc.over {
				w.advance(70 * time.Second)
				w.produce(b.fire(w.now))
			}
			w.advance(time.Hour)
			want := tc.calls
			if !tc.over {
				want += " called" // about b
			}
			if got := strings.Join(calls, " "); got != want {
				t.Errorf("it was %q, expected %q", got, want)
			}
			said := strings.Join(w.verdicts("a"), "\n")
			if strings.Contains(said, "failed: remediation") || tc.over != strings.Contains(said, "abandoned: ") {
				t.Errorf("the ledger says\n%s", said)
			}
			if n := len(w.alerter.DeadLetters()); n != 0 {
				t.Errorf("%d notifications count as undelivered though nothing is left to mend", n)
			}
		})
	}
}

// TestRemediationOfTheNextIncident: an alert that ends and fires again while a call is under way is to be mended again, one
// that becomes worse is not.
func TestRemediationOfTheNextIncident(t *testing.T) {
	for name, tc := range map[string]struct {
		during func(w *world, a *subject)
		old    bool // the state is one of an older version
		calls  string
	}{
		"fires again": {func(w *world, a *subject) { w.produce(a.resolve(w.now), a.fire(w.now)) }, false, "0s a; 5m0s a"},
		"becomes worse": {func(w *world, a *subject) {
			w.produce(graded(a.fire(w.now), "warning"), graded(a.fire(w.now), "critical"))
		}, false, "0s a"},
		"becomes worse, and freshet newer": {func(w *world, a *subject) {
			w.produce(graded(a.fire(w.now), "warning"), graded(a.fire(w.now), "critical"))
		}, true, "0s a"},
		"fires again, then becomes worse": {func(w *world, a *subject) {
			w.produce(a.resolve(w.now), a.fire(w.now), graded(a.fire(w.now), "critical"))
		}, false, "0s a; 5m0s a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, remediation(RemediationConfig{Cooldown: 5 * time.Minute}))
			a := &subject{name: "a"}
			first := true
			calls := calling(w, func(*Notification) (Outcome, error) {
				if first {
					tc.during(w, a)
					w.receive()
					first = false
				}
				return Outcome{}, nil
			})
			w.produce(a.fire(w.now))
			w.run()
			w.restart()
			if tc.old {
				for key, value := range w.kept {
					w.kept[key] = []byte(strings.ReplaceAll(string(value), `"raises":`, `"unknown":`))
					w.kept[key] = []byte(strings.ReplaceAll(string(w.kept[key]), `"began":`, `"unknown":`))
				}
				w.restart()
			}
			w.advance(time.Minute)
			w.produce(graded(a.fire(w.now), "critical"))
			w.advance(time.Hour)
			if got := strings.Join(*calls, "; "); got != tc.calls {
				t.Errorf("it was called at %s, expected %s", got, tc.calls)
			}
			w.produce(a.resolve(w.now))
			w.advance(time.Hour)
			if len(w.alerter.groups) != 0 {
				t.Error("the group is left after its end")
			}
		})
	}
}

// An incident is mended once, though its severity or a route that continues leads it to several groups of the same remediation.
func TestRemediationOfSeveralGroups(t *testing.T) {
	critical := RouteConfig{GroupBy: []string{"name"}, Matchers: []string{"severity=critical"}}
	both := RouteConfig{GroupBy: []string{"name"}, Continue: true}
	for name, route := range map[string]RouteConfig{
		"group_by":  {GroupBy: []string{"alertname", "severity"}},
		"routes":    {Routes: []RouteConfig{critical}},
		"continues": {Routes: []RouteConfig{both, {GroupBy: []string{"alertname"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := remediation(RemediationConfig{})
			o.Route = one(InlineDefaults(), route).Route
			w := newWorld(t, o)
			calls := calling(w, called)
			a := &subject{name: "a"}
			w.produce(graded(a.fire(w.now), "warning"))
			w.advance(time.Minute)
			w.restart()
			w.produce(graded(a.fire(w.now), "critical"))
			w.advance(time.Minute)
			w.produce(a.resolve(w.now))
			w.advance(time.Minute)
			if len(*calls) != 1 {
				t.Errorf("it was called at %q, expected once", *calls)
			}
			w.produce(a.fire(w.now))
			w.advance(time.Minute)
			if len(*calls) != 2 {
				t.Errorf("of two incidents it was called at %q", *calls)
			}
		})
	}
}

// That somebody must look after a crash is said in the thread of whatever receiver the alert has one at.
func TestInterruptedRemediationOfAnotherReceiver(t *testing.T) {
	for n := range 10 { // their names decide on the order in which they are read back
		mends := fmt.Sprintf("mends%d", n)
		c := Config{Receivers: []Receiver{{Name: "chat", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:1/"}}},
			{Name: mends, WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:2/", Remediation: &RemediationConfig{}}}}},
			Route: &RouteConfig{Receiver: "chat", Routes: []RouteConfig{{Receiver: mends, Continue: true}, {Receiver: "chat"}}}}
		d := InlineDefaults()
		o := Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Prompt: d.Prompt}
		o.Integrations[0].Edits = true
		w := newWorld(t, o)
		w.answer = func(*Notification) (Outcome, bool, error) { return Outcome{Ref: "C/1"}, true, nil }
		w.produce((&subject{name: "a"}).fire(w.now))
		w.receive()
		w.alerter.Tick(w.now)
		w.commit()
		w.send()
		w.flight = slices.DeleteFunc(w.flight, func(n *Notification) bool { return n.Integration.Remediation != nil })
		w.deliver()
		w.commit()
		w.restart()
		w.got = nil
		w.advance(time.Minute)
		said := false
		for _, n := range w.got {
			for _, note := range n.Data.Notes {
				said = said || strings.Contains(note.Text, "somebody must look")
			}
		}
		if !said {
			t.Errorf("%s was interrupted, and nobody is asked to look", mends)
		}
	}
}

// Who is mended first when a limit lets only some be is the same each time.
func TestRemediationsHaveAnOrder(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		o := remediation(RemediationConfig{MaxPerHour: 1})
		o.Route.GroupBy, o.Route.MuteIntervals = []string{"name"}, []string{"now"}
		o.Intervals = map[string][]timeinterval.TimeInterval{"now": {{Times: []timeinterval.TimeRange{{StartMinute: 10 * 60, EndMinute: 11 * 60}}}}}
		w := newWorld(t, o)
		calls := calling(w, called)
		for n := range 5 {
			w.produce((&subject{name: itoa(n)}).fire(w.now))
			w.advance(time.Minute)
		}
		w.advance(56 * time.Minute)
		seen[strings.Join(*calls, ";")] = true
	}
	if len(seen) != 1 {
		t.Errorf("in twenty runs called were %v", seen)
	}
}

// BenchmarkBusyRemediation is a look at thousands of groups that wait for a remediation that is called one at a time.
func BenchmarkBusyRemediation(b *testing.B) {
	o := remediation(RemediationConfig{MaxConcurrent: 1})
	o.Route.GroupBy = []string{"name"}
	a, now := New(o), epoch
	for i := range 5000 {
		a.Receive((&subject{name: itoa(i)}).fire(now), now)
	}
	a.Tick(now)
	for b.Loop() {
		now = now.Add(busy)
		a.Tick(now)
	}
}
