package alert

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/freshet-dev/freshet/detect/finding"
)

func TestInlineDefaultsTellAtOnce(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a, b, c := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}
	w.produce(a.fire(w.now))
	w.run()
	w.expect("first notification: a")

	w.advance(20 * time.Second)
	w.produce(b.fire(w.now))
	w.run()
	w.expect("new alerts added: a b") // the last notification is longer ago than group_interval

	w.advance(3 * time.Second)
	w.produce(c.fire(w.now))
	w.run()
	w.expect()
	w.advance(7 * time.Second)
	w.expect("new alerts added: a b c")

	w.advance(time.Minute)
	w.produce(b.resolve(w.now))
	w.run()
	w.expect() // others may end with it
	w.advance(time.Second)
	w.expect("some alerts resolved: a c -b")

	w.produce(a.resolve(w.now), c.resolve(w.now))
	w.run()
	w.expect("all alerts resolved: -a -c") // the end of all waits for nothing

	w.advance(24 * time.Hour)
	w.expect()
	if len(w.alerter.groups) != 0 || slices.ContainsFunc(keys(w.kept), func(k string) bool { return strings.HasPrefix(k, sentPrefix) }) {
		t.Errorf("groups are left after the end: %v", keys(w.kept))
	}
}

func TestAlertmanagerDefaultsWait(t *testing.T) {
	w := newWorld(t, one(AlertmanagerDefaults(), RouteConfig{}))
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now))
	w.advance(29 * time.Second)
	w.produce(b.fire(w.now))
	w.expect()
	w.advance(time.Second)
	w.expect("first notification: a b")
	w.produce(a.resolve(w.now))
	w.advance(5*time.Minute - time.Second)
	w.expect()
	w.advance(time.Second)
	w.expect("some alerts resolved: b -a")
	w.advance(4*time.Hour - time.Second)
	w.expect()
	w.advance(time.Second)
	w.expect("repeat interval elapsed: b")
	w.advance(4 * time.Hour)
	w.expect("repeat interval elapsed: b")
	w.produce(b.resolve(w.now))
	w.advance(5 * time.Minute)
	w.expect("all alerts resolved: -b")
}

func TestEndOfAnAlertNobodyHeardOf(t *testing.T) {
	w := newWorld(t, one(AlertmanagerDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	w.produce(a.fire(w.now))
	w.advance(10 * time.Second)
	w.produce(a.resolve(w.now))
	w.advance(time.Hour)
	w.expect()
	if v := w.alerter.Alerts(); len(v) != 1 || v[0].State != "resolved" || !v[0].Notified.IsZero() {
		t.Errorf("the page shows %+v, expected one resolved alert that nobody was told of", v)
	}
}

func TestWithoutSendResolved(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations[0].SendResolved = false
	w := newWorld(t, o)
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now), b.fire(w.now))
	w.run()
	w.expect("first notification: a b")
	w.advance(time.Minute)
	w.produce(a.resolve(w.now))
	w.advance(time.Minute)
	w.expect()
	w.produce(a.fire(w.now)) // a new incident is news again
	w.advance(time.Minute)
	w.expect("new alerts added: a b")
	w.produce(a.resolve(w.now), b.resolve(w.now))
	w.advance(time.Hour)
	w.expect()
	if len(w.alerter.groups) != 0 {
		t.Error("the group is left after its end")
	}
}

func TestFindingsThatTellNothingNew(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	reg := prometheus.NewRegistry()
	w.options.Registerer = reg
	w.alerter = New(w.options)
	a := &subject{name: "a", birth: 7}
	pending := a.next(finding.Pending, w.now)
	early := a.next(finding.Firing, w.now)
	early.Settled = false
	settled := *early
	settled.Settled = true
	exact := 137.0
	settled.Value = &exact
	w.produce(pending)
	w.run()
	w.expect()
	if v := w.alerter.Alerts(); len(v) != 1 || v[0].State != "pending" {
		t.Fatalf("the page shows %+v, expected a pending alert", v)
	}
	older := (&subject{name: "a", birth: 6, episode: 9, transition: 3}).finding(finding.Firing, w.now)
	w.produce(early, early, pending, older, &settled, &settled, early)
	w.advance(time.Hour)
	w.expect("first notification: a")
	v := w.alerter.Alerts()
	if len(v) != 1 || v[0].State != "firing" || *v[0].Value != 137 {
		t.Errorf("the page shows %+v, expected the settled value 137", v)
	}
	newer := (&subject{name: "a", birth: 8, episode: 1, transition: 1}).finding(finding.Firing, w.now)
	w.produce(newer) // the detector lost its state: the alert goes on, it is not another incident
	w.advance(time.Hour)
	w.expect()
	want := `
# HELP freshet_alert_alerts Alerts that are pending or firing now.
# TYPE freshet_alert_alerts gauge
freshet_alert_alerts{state="firing"} 1
freshet_alert_alerts{state="pending"} 0
# HELP freshet_alert_deduplicated_findings_total Findings that told nothing new, as after a crash of the detector.
# TYPE freshet_alert_deduplicated_findings_total counter
freshet_alert_deduplicated_findings_total{reason="repeat"} 3
freshet_alert_deduplicated_findings_total{reason="stale"} 2
# HELP freshet_alert_notifications_total Attempts to notify by what came of them, and notifications that were given up.
# TYPE freshet_alert_notifications_total counter
freshet_alert_notifications_total{kind="webhook",receiver="ops",status="abandoned"} 0
freshet_alert_notifications_total{kind="webhook",receiver="ops",status="failed"} 0
freshet_alert_notifications_total{kind="webhook",receiver="ops",status="delivered"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "freshet_alert_alerts",
		"freshet_alert_deduplicated_findings_total", "freshet_alert_notifications_total"); err != nil {
		t.Error(err)
	}
}

// A receiver that edits its message is told changes of the content at once, others are not told at all.
func TestEditsInPlace(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{GroupInterval: minutes(5)})
	edits := o.Integrations[0]
	edits.Kind, edits.Edits = "slack", true
	o.Integrations = append(o.Integrations, edits)
	w := newWorld(t, o)
	var slackGot []string
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if !n.Integration.Edits {
			return Outcome{}, true, nil
		}
		slackGot = append(slackGot, n.Ref+"|"+tell(n))
		return Outcome{Ref: "C1/1.0"}, false, nil
	}
	a, b := &subject{name: "a"}, &subject{name: "b"}
	early := a.fire(w.now)
	early.Settled = false
	w.produce(early, b.fire(w.now))
	w.run()
	w.restart() // the message's name must survive
	w.advance(5 * time.Second)
	settled := *early
	settled.Settled = true
	w.produce(&settled)
	w.run()
	w.advance(10 * time.Second)
	w.produce(b.resolve(w.now))
	w.run()
	w.advance(10 * time.Second)
	w.produce(a.resolve(w.now))
	w.run()
	w.expect("first notification: a b", "some alerts resolved: a -b", "all alerts resolved: -a")
	want := []string{"|first notification: a b", "C1/1.0|content changed: a b", "C1/1.0|some alerts resolved: a -b", "C1/1.0|all alerts resolved: -a"}
	if !slices.Equal(slackGot, want) {
		t.Errorf("Slack got %q, expected %q", slackGot, want)
	}
	w.produce(a.fire(w.now))
	w.run()
	if last := slackGot[len(slackGot)-1]; last != "|first notification: a" {
		t.Errorf("the next incident gave %q, expected a message of its own", last)
	}
}

func TestFailedAttempts(t *testing.T) {
	for name, tc := range map[string]struct {
		outcome       Outcome
		after, before time.Duration // the second attempt comes within these
	}{
		"recoverable":   {Outcome{}, 750 * time.Millisecond, 1250 * time.Millisecond},
		"asked for":     {Outcome{RetryAfter: 30 * time.Second}, 30 * time.Second, 33 * time.Second},
		"configuration": {Outcome{Permanent: true}, 5 * time.Minute, 7 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
			broken := true
			var ids []string
			var second time.Time
			w.answer = func(n *Notification) (Outcome, bool, error) {
				ids = append(ids, n.ID)
				if len(ids) == 2 {
					second = w.now
				}
				if broken {
					return tc.outcome, false, errors.New("receiver is down")
				}
				return Outcome{}, true, nil
			}
			a := &subject{name: "a"}
			w.produce(a.fire(w.now))
			w.run()
			if v := w.alerter.Alerts(); !strings.Contains(v[0].LastError, "receiver is down") {
				t.Errorf("the page shows error %q", v[0].LastError)
			}
			broken = false
			w.advance(10 * time.Minute)
			w.expect("first notification: a")
			if waited := second.Sub(epoch); waited < tc.after || waited > tc.before {
				t.Errorf("the second attempt came after %s, expected %s to %s", waited, tc.after, tc.before)
			}
			if len(ids) != 2 || ids[0] != ids[1] {
				t.Errorf("attempts had ids %q, expected the same one twice", ids)
			}
			if v := w.alerter.Alerts(); v[0].LastError != "" || v[0].Notified.IsZero() {
				t.Errorf("the page still shows error %q, notified %s", v[0].LastError, v[0].Notified)
			}
		})
	}
}

// Alertmanager delivers neither message when the first post is answered with 429 and the alert ends before the next
// group interval.
func TestAlertThatEndsWhileRateLimited(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupInterval: minutes(5)}))
	limited := true
	w.answer = func(*Notification) (Outcome, bool, error) {
		if limited {
			limited = false
			return Outcome{RetryAfter: time.Second}, false, errors.New("429")
		}
		return Outcome{}, true, nil
	}
	a := &subject{name: "a"}
	w.produce(a.fire(w.now))
	w.run()
	w.produce(a.resolve(w.now))
	w.advance(10 * time.Second)
	w.expect("first notification: a", "all alerts resolved: -a")
}

func TestRouteGoneAfterRestart(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	down := w.breakable()
	*down = true
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now))
	w.run()
	// The configuration changes: another tree with the same receiver.
	w.options = one(InlineDefaults(), RouteConfig{GroupBy: []string{"..."}, Routes: []RouteConfig{{Matchers: []string{`name="b"`}}}})
	*down = false
	w.restart()
	w.produce(b.fire(w.now))
	w.advance(time.Minute)
	w.expect("first notification: a", "first notification: a", "first notification: b")
	w.advance(4 * time.Hour)
	w.expect("repeat interval elapsed: a", "repeat interval elapsed: b") // not for the group of the old tree
	w.produce(a.resolve(w.now), b.resolve(w.now))
	w.run()
	got := w.story()
	slices.Sort(got)
	// The group of the old tree is told the end too: nothing is left firing at the receiver.
	if !slices.Equal(got, []string{"all alerts resolved: -a", "all alerts resolved: -a", "all alerts resolved: -b"}) {
		t.Errorf("got %q", got)
	}
	w.options.Integrations = nil
	w.restart()
	w.run()
	for _, k := range keys(w.kept) {
		if strings.HasPrefix(k, sentPrefix) {
			t.Errorf("the ledger still has %s of an integration that is gone", k)
		}
	}
}

func TestOldAlertsAreForgotten(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	for i := range 50 {
		s := &subject{name: itoa(i)}
		w.produce(s.fire(w.now), s.resolve(w.now))
	}
	w.run()
	w.advance(rememberFor - time.Hour)
	if n := len(w.alerter.Alerts()); n != 50 {
		t.Errorf("%d alerts are shown a day after, expected 50", n)
	}
	w.advance(2 * time.Hour)
	if n := len(w.alerter.alerts); n != 0 || !slices.Equal(keys(w.kept), []string{"statistics/Spike"}) || !w.alerter.Next().IsZero() {
		t.Errorf("%d alerts and records %v are kept, next at %s; expected what the rule did only", n, keys(w.kept), w.alerter.Next())
	}
}

func keys(m map[string][]byte) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// TestOverBeforeItWasHeardOf: what began and ended while no alerter ran is told in one message, that says so, to those who
// would have been told.
func TestOverBeforeItWasHeardOf(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupWait: minutes(0.5)}))
	long, short, silenced := &subject{name: "long"}, &subject{name: "short"}, &subject{name: "silenced"}
	w.silence("s", time.Hour, `name="silenced"`)
	w.run()
	began := w.now
	w.produce(long.fire(began), short.fire(began), silenced.fire(began), short.resolve(began.Add(20*time.Second)),
		long.resolve(began.Add(time.Minute)), silenced.resolve(began.Add(time.Minute)))
	w.now = w.now.Add(2 * time.Minute) // nobody ran meanwhile
	w.receive()
	w.commit()
	w.restart()
	w.run()
	if len(w.got) != 1 || len(w.got[0].Data.Alerts) != 1 || !w.got[0].Data.Alerts[0].Belated {
		t.Errorf("got %+v, expected one message about an end", w.got)
	}
	w.expect("all alerts resolved: -long")
	w.produce(long.fire(w.now))
	w.advance(time.Minute)
	w.produce(long.resolve(w.now))
	w.advance(time.Hour)
	w.expect("first notification: long", "all alerts resolved: -long")
}

// How long an alert was there counts from its beginning, however often it was posted since.
func TestOverAfterItWasPostedAgain(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupWait: minutes(0.5)}))
	a := &subject{name: "a"}
	w.produce(a.fire(w.now), a.fire(w.now.Add(time.Minute)), a.resolve(w.now.Add(time.Minute+time.Second)))
	w.now = w.now.Add(2 * time.Minute) // nobody ran meanwhile
	w.run()
	w.expect("all alerts resolved: -a")
}

// TestOverWhileTheReceiverHangs: an alert that joins a group while a notification of the group is under way, and is over before
// that has arrived or soon after, is told as over, unless it would have been told to nobody anyway.
func TestOverWhileTheReceiverHangs(t *testing.T) {
	// until is how long after the end of the other alert the notification arrives.
	for _, until := range []time.Duration{time.Second, -20 * time.Second} {
		w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupInterval: minutes(1)}))
		hang := func(d time.Duration) {
			w.receive()
			w.alerter.Tick(w.now)
			w.commit()
			w.send()
			w.now = w.now.Add(d)
		}
		a, long, short := &subject{name: "a"}, &subject{name: "long"}, &subject{name: "short"}
		w.produce(a.fire(w.now))
		hang(5 * time.Second)
		w.produce(long.fire(w.now), short.fire(w.now))
		hang(20 * time.Second)
		w.produce(short.resolve(w.now))
		hang(10 * time.Minute)
		if until < 0 {
			w.advance(-until)
		}
		w.produce(long.resolve(w.now))
		if until > 0 {
			hang(until)
			w.restart()
			w.send()
		}
		w.advance(5 * time.Minute)
		w.expect("first notification: a", "some alerts resolved: a -long")
	}
}

// TestOverWhenItIsDecided: beginning and end are read between two decisions, as after a pause.
func TestOverWhenItIsDecided(t *testing.T) {
	for wait, want := range map[time.Duration][]string{0: {"all alerts resolved: -a"}, time.Minute: nil} {
		w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupWait: &wait}))
		a := &subject{name: "a"}
		w.produce(a.fire(w.now.Add(-3 * time.Second)))
		w.receive()
		w.now = w.now.Add(time.Millisecond)
		w.produce(a.resolve(w.now.Add(20 * time.Millisecond)))
		w.advance(time.Hour)
		w.expect(want...)
	}
}
