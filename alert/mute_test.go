package alert

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/timeinterval"
)

func TestSilence(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.silence("s1", time.Hour, `name="a"`)
	w.produce(a.fire(w.now))
	w.run()
	w.expect() // silenced before it fired
	w.produce(b.fire(w.now))
	w.run()
	w.expect("first notification: b")
	w.restart()
	w.advance(59 * time.Minute)
	w.expect()
	w.advance(time.Minute)
	w.expect("new alerts added: a b") // the silence is over, the alert is not
	w.silence("s2", 10*time.Hour, `name=~"a|b"`)
	w.advance(5 * time.Hour)
	w.expect() // no reminders
	w.produce(a.resolve(w.now))
	w.advance(time.Minute)
	w.expect("some alerts resolved: -a") // its beginning was told, so its end is too
	w.restart()
	w.command(&Command{Kind: ExpireSilence, SilenceID: "s2"})
	w.advance(4 * time.Hour)
	w.expect("repeat interval elapsed: b")
	w.produce(b.resolve(w.now))
	w.run()
	w.expect("all alerts resolved: -b")
	got := strings.Join(w.verdicts("a"), "\n")
	for _, want := range []string{"silenced: by ada until 2026-03-01 11:00 UTC (silence s1)", "unmuted: ", "sent: new alerts added", "resolved: "} {
		if !strings.Contains(got, want) {
			t.Errorf("the decisions about a have no %q:\n%s", want, got)
		}
	}
}

// TestSilencedAndOverBeforeItsEnd: nobody was told of the alert, so nobody is told of its end.
func TestSilencedAndOver(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	w.silence("s1", time.Hour, `name="a"`)
	w.produce(a.fire(w.now), a.resolve(w.now))
	w.advance(3 * time.Hour)
	w.expect()
	if v := w.alerter.Silences(w.now); len(v) != 1 || v[0].State != "expired" {
		t.Errorf("silences are %+v, expected one that is expired", v)
	}
	w.advance(6 * 24 * time.Hour)
	if v := w.alerter.Silences(w.now); len(v) != 0 {
		t.Errorf("silences are %+v, expected none after five days", v)
	}
}

// Schedules that say when relative to the start of freshet, or in a time zone of their own, mean nothing for a silence.
func TestSchedulesThatAreNotTaken(t *testing.T) {
	for _, schedule := range []string{"@every 1h", "TZ=Asia/Tokyo 0 2 * * *", "CRON_TZ=Asia/Tokyo 0 2 * * *", "0 2 * *"} {
		s := &Silence{ID: "s", Matchers: []string{`name="a"`}, StartsAt: epoch, EndsAt: epoch.AddDate(0, 1, 0), Schedule: schedule, Duration: time.Hour}
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "five cron fields") {
			t.Errorf("%q: %v", schedule, err)
		}
	}
}

func TestRecurringSilence(t *testing.T) {
	s := &Silence{ID: "s", Matchers: []string{`name="a"`}, StartsAt: epoch, EndsAt: epoch.AddDate(0, 1, 0), CreatedBy: "ada",
		Schedule: "0 2 * * 0", Duration: 2 * time.Hour, Location: "Europe/Berlin"}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	// The 8th of March 2026 is a Sunday. Two o'clock in Berlin is one o'clock UTC, and on the 29th the clocks there go
	// forward from two to three, so that the time does not exist.
	for at, want := range map[string]bool{
		"2026-03-01T10:00:00Z": false, "2026-03-08T00:59:59Z": false, "2026-03-08T01:00:00Z": true, "2026-03-08T02:59:59Z": true,
		"2026-03-08T03:00:00Z": false, "2026-03-09T01:30:00Z": false, "2026-03-22T01:30:00Z": true,
		"2026-03-29T00:59:59Z": false, "2026-03-29T01:00:00Z": true, "2026-03-29T02:59:59Z": true, "2026-03-29T03:00:00Z": false,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Active(now); got != want {
			t.Errorf("at %s it is active: %v, expected %v", at, got, want)
		}
	}
	// Next names each change, and no other time.
	now, changes := s.StartsAt, 0
	for {
		next := s.Next(now)
		if next.IsZero() {
			break
		}
		if !next.After(now) {
			t.Fatalf("after %s the next change is at %s", now, next)
		}
		if next.Before(s.EndsAt) && s.Active(next) == s.Active(next.Add(-time.Second)) {
			t.Errorf("nothing changes at %s", next)
		}
		now = next
		changes++
	}
	if changes < 7 {
		t.Errorf("%d changes in a month, expected at least 7", changes)
	}
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	w.now = time.Date(2026, 3, 8, 1, 30, 0, 0, time.UTC)
	w.command(&Command{Kind: AddSilence, Silence: s})
	w.produce(a.fire(w.now))
	w.advance(89 * time.Minute)
	w.expect()
	w.advance(time.Minute)
	w.expect("first notification: a")
}

func TestInhibition(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	critical, _ := labels.NewMatcher(labels.MatchEqual, "severity", "critical")
	warning, _ := labels.NewMatcher(labels.MatchEqual, "severity", "warning")
	o.Inhibitions = []InhibitRule{{Name: "worse", Source: labels.Matchers{critical}, Target: labels.Matchers{warning}, Equal: []string{"team"}}}
	w := newWorld(t, o)
	source := &subject{name: "source", extra: []string{"severity", "critical", "team", "x"}}
	target := &subject{name: "target", extra: []string{"severity", "warning", "team", "x"}}
	other := &subject{name: "other", extra: []string{"severity", "warning", "team", "y"}}
	w.produce(source.fire(w.now), target.fire(w.now), other.fire(w.now))
	w.run()
	w.expect("first notification: other source")
	w.restart()
	w.advance(time.Minute)
	w.expect()
	if v := w.alerter.Alerts(); len(v) != 3 || !slices.ContainsFunc(v, func(v View) bool {
		return v.Labels.Get("name") == "target" && len(v.InhibitedBy) == 1 && v.InhibitedBy[0] == source.finding("firing", epoch).Fingerprint
	}) {
		t.Errorf("the target is not shown as inhibited by the source: %+v", v)
	}
	w.produce(source.resolve(w.now))
	w.advance(time.Minute)
	w.expect("some alerts resolved: other -source", "new alerts added: other target")
	w.produce(target.resolve(w.now))
	w.advance(time.Minute)
	w.expect("some alerts resolved: other -target")
	w.produce(source.fire(w.now), target.fire(w.now)) // both within the same step: the order does not matter
	w.advance(time.Minute)
	w.expect("new alerts added: other source")
}

func TestTimeIntervals(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{MuteTimeIntervals: []string{"lunch"}})
	o.Intervals = map[string][]timeinterval.TimeInterval{"lunch": {{Times: []timeinterval.TimeRange{{StartMinute: 12 * 60, EndMinute: 13 * 60}}}}}
	w := newWorld(t, o)
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now))
	w.run()
	w.expect("first notification: a")
	w.advance(2*time.Hour + time.Minute) // 12:01
	f := b.fire(w.now)
	w.produce(f)
	w.advance(time.Minute)
	w.expect()
	if v, found := w.alerter.Alert(f.Fingerprint); !found || !slices.Equal(v.MutedBy, []string{"lunch"}) {
		t.Errorf("b is shown as muted by %v, expected lunch", v.MutedBy)
	}
	w.restart()
	w.produce(a.resolve(w.now))
	w.advance(time.Minute)
	w.expect("all alerts resolved: -a") // b was never told of
	w.advance(57*time.Minute - time.Second)
	w.expect()
	w.advance(time.Second)
	w.expect("first notification: b")
}

func TestActiveIntervals(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{ActiveTimeIntervals: []string{"afternoon"}})
	o.Intervals = map[string][]timeinterval.TimeInterval{"afternoon": {{Times: []timeinterval.TimeRange{{StartMinute: 14 * 60, EndMinute: 18 * 60}}}}}
	w := newWorld(t, o)
	w.produce((&subject{name: "a"}).fire(w.now))
	w.advance(4*time.Hour - time.Second)
	w.expect()
	w.advance(time.Second)
	w.expect("first notification: a")
}

// TestSilencedWhileItCannotBeDelivered: what nobody needs to know any more is not sent when the receiver comes back.
func TestSilencedWhileItCannotBeDelivered(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	down := w.breakable()
	*down = true
	w.produce((&subject{name: "a"}).fire(w.now))
	w.run()
	w.silence("s", time.Hour, `name="a"`)
	w.run()
	*down = false
	w.advance(30 * time.Minute)
	w.expect()
	w.advance(time.Hour)
	w.expect("first notification: a")
}

// A reminder of what is silenced by now is not sent when the receiver comes back, and the end is told nevertheless.
func TestReminderSilencedWhileItCannotBeDelivered(t *testing.T) {
	for name, resolved := range map[string]bool{"told of ends": true, "told of no ends": false} {
		t.Run(name, func(t *testing.T) {
			o := one(InlineDefaults(), RouteConfig{RepeatInterval: minutes(60)})
			o.Integrations[0].SendResolved = resolved
			w := newWorld(t, o)
			down := w.breakable()
			a, b := &subject{name: "a"}, &subject{name: "b"}
			w.produce(a.fire(w.now), b.fire(w.now))
			w.advance(59 * time.Minute)
			w.expect("first notification: a b")
			*down = true
			w.advance(2 * time.Minute)
			w.silence("s", 100*time.Hour, `name="a"`)
			if resolved {
				w.silence("t", 100*time.Hour, `name="b"`)
			} else {
				w.produce(b.resolve(w.now))
			}
			w.advance(30 * time.Minute)
			*down = false
			w.advance(50 * time.Minute)
			w.expect()
			w.produce(a.resolve(w.now), b.resolve(w.now))
			w.advance(time.Minute)
			if resolved {
				w.expect("all alerts resolved: -a -b")
			} else {
				w.expect()
			}
		})
	}
}

// What is given up about alerts that are over takes nothing from what a silenced one is known of.
func TestGivenUpWhileAnotherIsSilenced(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	down := w.breakable()
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now), b.fire(w.now))
	w.advance(time.Minute)
	w.silence("s", 100*time.Hour, `name="a"`)
	w.run()
	w.expect("first notification: a b")
	*down = true
	w.produce(b.resolve(w.now))
	w.advance(25 * time.Hour)
	*down = false
	w.produce(a.resolve(w.now))
	w.advance(time.Hour)
	w.expect("all alerts resolved: -a")
}

// What could not be delivered before a reload led its alert elsewhere, and is over, is told as it is.
func TestOverAfterAReload(t *testing.T) {
	options := func(receiver string) Options {
		o := team(RouteConfig{Receiver: receiver})
		o.Integrations[0].SendResolved = false
		return o
	}
	w := newWorld(t, options("ops"))
	down := true
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if down && n.Integration.Receiver == "ops" {
			return Outcome{}, false, errDown
		}
		return Outcome{}, true, nil
	}
	a := &subject{name: "a", extra: []string{"half", "0"}}
	w.produce(a.fire(w.now))
	w.advance(time.Minute)
	w.reconfigure(options("db"))
	w.advance(time.Minute)
	w.produce(a.resolve(w.now))
	w.advance(time.Hour)
	w.story()
	down = false
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"ops": {"all alerts resolved: -a"}})
}
