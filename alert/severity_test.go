package alert

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// graded gives a finding a severity, which is no part of what its alert is known by.
func graded(f *finding.Finding, severity string) *finding.Finding {
	f.Labels = f.Labels.With(label.New(label.Severity, severity))
	f.ID = fmt.Sprintf("%s/%d", f.ID, f.Transition)
	return f
}

// An alert that becomes worse is news to everybody; one that becomes less bad is not.
func TestSeverityMoves(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	w.produce(graded(a.fire(w.now), "warning"))
	w.run()
	w.expect("first notification: a")
	w.advance(time.Minute)
	w.produce(graded(a.fire(w.now), "critical"))
	w.run()
	w.expect("severity raised: a")
	w.advance(time.Minute)
	w.produce(graded(a.fire(w.now), "warning"))
	w.run()
	w.expect()
	w.advance(time.Minute)
	w.produce(graded(a.fire(w.now), "critical"))
	w.run()
	w.expect("severity raised: a")
	if v := w.alerter.Alerts(); len(v) != 1 || v[0].Labels.Get(label.Severity) != "critical" {
		t.Errorf("the page shows %+v, expected one critical alert", v)
	}
	w.produce(graded(a.resolve(w.now), "critical"))
	w.run()
	w.expect("all alerts resolved: -a")
	w.advance(24 * time.Hour)
	w.expect()
	if len(w.alerter.groups) != 0 {
		t.Error("the group is left after its end")
	}
}

// That something has become worse does not wait for group_interval, in whatever configuration.
func TestRaisedAtOnce(t *testing.T) {
	for name, d := range map[string]Defaults{"inline": InlineDefaults(), "loaded": AlertmanagerDefaults()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, one(d, RouteConfig{GroupInterval: minutes(10)}))
			a := &subject{name: "a"}
			w.produce(graded(a.fire(w.now), "warning"))
			w.advance(time.Minute)
			w.expect("first notification: a")
			w.produce(graded(a.fire(w.now), "critical"))
			w.run()
			w.expect("severity raised: a")
		})
	}
}

// One whose severity swings is told to have become worse until it flaps; a severity that it never had is told even then. What is
// kept of it does not grow.
func TestSeveritySwings(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Flapping = FlappingConfig{Count: 4, Window: 30 * time.Minute, Calm: 10 * time.Minute}
	w := newWorld(t, o)
	a := &subject{name: "a"}
	for n := range 50 {
		w.produce(graded(a.fire(w.now), []string{"warning", "error"}[n%2]))
		w.advance(10 * time.Second)
	}
	w.expect("first notification: a", "severity raised: a", "severity raised: a", "severity raised: a")
	w.produce(graded(a.fire(w.now), "critical"))
	w.run()
	w.expect("severity raised: a")
	s := w.alerter.alerts[a.finding(finding.Firing, w.now).Fingerprint]
	if len(s.Earlier) > 1 || s.Raises != len(s.Earlier) {
		t.Errorf("%d earlier incidents are kept, %d of them less severe, expected one at most", len(s.Earlier), s.Raises)
	}
	w.produce(a.resolve(w.now))
	w.advance(time.Hour)
	w.expect("all alerts resolved: -a")
	if len(w.alerter.groups) != 0 {
		t.Error("the group is left after its end")
	}
}

// An alert that becomes less severe stays with those who were told of it, whatever happens to freshet.
func TestLessSevereStays(t *testing.T) {
	w := newWorld(t, toPager(RouteConfig{}))
	a := &subject{name: "a"}
	w.produce(graded(a.fire(w.now), "critical"))
	w.run()
	w.expectTold(map[string][]string{"pager": {"first notification: a"}})
	w.produce(graded(a.fire(w.now), "warning"))
	w.advance(time.Minute)
	w.restart()
	w.advance(time.Minute)
	w.reconfigure(toPager(RouteConfig{}))
	w.advance(time.Minute)
	w.expectTold(map[string][]string{})
	if v := w.alerter.Alerts(); len(v[0].Receivers) != 1 || v[0].Receivers[0] != "pager" {
		t.Errorf("it is shown as told to %q", v[0].Receivers)
	}
	w.produce(graded(a.resolve(w.now), "warning"))
	w.advance(time.Minute)
	w.expectTold(map[string][]string{"pager": {"all alerts resolved: -a"}})
	w.produce(graded(a.fire(w.now), "warning"))
	w.run()
	w.expectTold(map[string][]string{"chat": {"first notification: a"}}) // the next incident is led by its own labels
}

// toPager has a pager for critical alerts, and a chat for all others.
func toPager(route RouteConfig) Options {
	c := Config{Receivers: []Receiver{
		{Name: "chat", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:1/"}}},
		{Name: "pager", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:2/"}}},
	}}
	route.Receiver, route.Routes = "chat", []RouteConfig{{Receiver: "pager", Match: map[string]string{label.Severity: "critical"}}}
	c.Route = &route
	d := InlineDefaults()
	return Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Prompt: d.Prompt}
}

// told is what each receiver got since the last call, in order, and where an alert moved.
func (w *world) told() map[string][]string {
	out := map[string][]string{}
	for _, n := range w.got {
		line := tell(n)
		for _, a := range n.Data.Alerts {
			if a.Moved != "" {
				line += " (" + a.Labels["name"] + " " + a.Moved + ")"
			}
		}
		out[n.Integration.Receiver] = append(out[n.Integration.Receiver], line)
	}
	w.got = nil
	return out
}

func (w *world) expectTold(want map[string][]string) {
	w.t.Helper()
	if got := w.told(); !reflect.DeepEqual(got, want) {
		w.t.Fatalf("at %s the receivers got\n  %q\nexpected\n  %q", w.now.Sub(epoch), got, want)
	}
}

// The receiver of the worse severity is told when the alert gets there. That of the route left behind is told where it went,
// and nothing more: it is neither reminded nor told of the end.
func TestSeverityMovesToAnotherRoute(t *testing.T) {
	for name, interrupt := range map[string]func(w *world){
		"undisturbed": func(*world) {}, "restarted": func(w *world) { w.restart() }, "reconfigured": func(w *world) { w.reconfigure(toPager(RouteConfig{})) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, toPager(RouteConfig{}))
			a, b := &subject{name: "a"}, &subject{name: "b"}
			w.produce(graded(a.fire(w.now), "warning"))
			w.run()
			w.expect("first notification: a")
			w.advance(time.Minute)
			interrupt(w)
			w.produce(graded(a.fire(w.now), "critical"))
			w.receive()
			w.alerter.Tick(w.now)
			w.commit()
			interrupt(w) // between the decision and the message
			w.run()
			w.expectTold(map[string][]string{"chat": {"severity raised: a (a moved to critical, told to pager)"}, "pager": {"first notification: a"}})
			interrupt(w)
			w.produce(graded(b.fire(w.now), "warning"))
			w.run()
			w.expectTold(map[string][]string{"chat": {"first notification: b"}}) // which is about b alone
			w.produce(graded(b.resolve(w.now), "warning"))
			w.advance(5 * time.Hour)
			w.expectTold(map[string][]string{"chat": {"all alerts resolved: -b"}, "pager": {"repeat interval elapsed: a"}})
			interrupt(w)
			w.produce(graded(a.resolve(w.now), "critical"))
			w.advance(24 * time.Hour)
			w.expectTold(map[string][]string{"pager": {"all alerts resolved: -a"}})
			if len(w.alerter.groups) != 0 {
				t.Error("a group is left after its end")
			}
		})
	}
}

// An alert that moves while others stay is told of among these, once.
func TestOneOfSeveralMoves(t *testing.T) {
	w := newWorld(t, toPager(RouteConfig{}))
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(graded(a.fire(w.now), "warning"), graded(b.fire(w.now), "warning"))
	w.run()
	w.expect("first notification: a b")
	w.advance(time.Minute)
	w.produce(graded(a.fire(w.now), "critical"))
	w.advance(time.Second)
	w.expectTold(map[string][]string{"chat": {"severity raised: b a (a moved to critical, told to pager)"}, "pager": {"first notification: a"}})
	w.advance(4 * time.Hour)
	w.expectTold(map[string][]string{"chat": {"repeat interval elapsed: b"}, "pager": {"repeat interval elapsed: a"}})
	w.produce(graded(a.resolve(w.now), "critical"), graded(b.resolve(w.now), "warning"))
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"chat": {"all alerts resolved: -b"}, "pager": {"all alerts resolved: -a"}})
}

// Where the severity is a label of the group, the notification that an alert moved says by which one it was known before.
func TestSeverityMovesToAnotherGroup(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupBy: []string{"..."}}))
	a := &subject{name: "a"}
	w.produce(graded(a.fire(w.now), "warning"))
	w.run()
	w.expect("first notification: a")
	w.advance(time.Minute)
	w.produce(graded(a.fire(w.now), "critical"))
	w.run()
	groups := map[string]bool{} // by severity, whether the alert moved from there
	for _, n := range w.got {
		before := n.Data.Alerts[0].Labels.Remove([]string{label.Severity})
		before[label.Severity] = n.Data.GroupLabels[label.Severity]
		if !reflect.DeepEqual(n.Data.GroupLabels, before) {
			t.Errorf("the group has labels %v, expected %v", n.Data.GroupLabels, before)
		}
		groups[before[label.Severity]] = n.Data.Alerts[0].Moved != ""
	}
	if !reflect.DeepEqual(groups, map[string]bool{"warning": true, "critical": false}) {
		t.Errorf("told of groups %v", groups)
	}
}

// Messages tell first of what stays, so that what they leave out when there are many is over or has moved.
func TestOrderInMessages(t *testing.T) {
	got := sorted(Alerts{{Status: "resolved"}, {Status: "firing", Fingerprint: "a", Evidence: Evidence{Moved: "moved"}}, {Status: "firing", Fingerprint: "b"}},
		map[string]string{"a": "a", "b": "b"})
	if len(got.Staying()) != 1 || got[0].Fingerprint != "b" || got[1].Fingerprint != "a" {
		t.Errorf("got %+v", got)
	}
}

// Of an alert that is over before anybody could be told that it moved, the end is told.
func TestMovedAndOver(t *testing.T) {
	w := newWorld(t, toPager(RouteConfig{GroupInterval: minutes(10)}))
	w.options.Prompt = false
	w.alerter = New(w.options)
	a := &subject{name: "a"}
	w.produce(graded(a.fire(w.now), "warning"))
	w.run()
	w.produce(graded(a.fire(w.now), "critical"))
	w.advance(time.Second / 2)
	w.produce(graded(a.resolve(w.now), "critical"))
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"chat": {"first notification: a", "all alerts resolved: -a"}, "pager": {"first notification: a", "all alerts resolved: -a"}})
	// One that moves before its group was told of it first is told of by its new route alone.
	w = newWorld(t, toPager(RouteConfig{GroupWait: minutes(1)}))
	w.produce(graded((&subject{name: "a"}).fire(w.now), "warning"))
	w.advance(time.Second)
	b := &subject{name: "a"}
	b.fire(w.now)
	w.produce(graded(b.fire(w.now), "critical"))
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"pager": {"first notification: a"}})
}

func TestQuietRule(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	f := a.fire(w.now)
	f.Quiet = true
	w.produce(f)
	w.advance(time.Hour)
	w.expect()
	if v := w.alerter.Alerts(); len(v) != 1 || v[0].State != "firing" {
		t.Errorf("the page shows %+v, expected a firing alert", v)
	}
}

// How often ever an alert becomes worse within group_wait, it counts from the beginning; one that swings is told at most once in
// group_interval that it is again as bad as it was.
func TestRaisedWithinGroupWait(t *testing.T) {
	w := newWorld(t, one(AlertmanagerDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	for n := range 6 {
		w.produce(graded(a.fire(w.now), []string{"warning", "critical"}[n%2]))
		w.advance(5 * time.Second)
	}
	w.expect("first notification: a")
	for n := range 180 {
		w.produce(graded(a.fire(w.now), []string{"warning", "critical"}[n%2]))
		w.advance(10 * time.Second)
	}
	if got := w.story(); len(got) < 5 || len(got) > 6 {
		t.Errorf("in half an hour the receiver got %q, expected one in five minutes", got)
	}
}

// Where an alert went is said by the severity that led it there.
func TestMovedAndLessSevere(t *testing.T) {
	w := newWorld(t, toPager(RouteConfig{}))
	a := &subject{name: "a"}
	w.produce(graded(a.fire(w.now), "warning"))
	w.advance(time.Minute)
	w.story()
	w.produce(graded(a.fire(w.now), "critical"), graded(a.fire(w.now), "warning"))
	w.run()
	w.expectTold(map[string][]string{"chat": {"severity raised: a (a moved to critical, told to pager)"}, "pager": {"first notification: a"}})
}

// An alert that became less severe, and then somewhat more, is still that of whom it was at its worst.
func TestPartlyRaised(t *testing.T) {
	w := newWorld(t, toPager(RouteConfig{}))
	a := &subject{name: "a"}
	for _, severity := range []string{"critical", "warning", "error"} {
		w.produce(graded(a.fire(w.now), severity))
		w.advance(time.Minute)
	}
	w.produce(graded(a.resolve(w.now), "error"))
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"pager": {"first notification: a", "all alerts resolved: -a"}})
}

// A rule that is to notify nobody any longer is silent at once, but for the ends of what was told, and tells again when it may.
func TestRuleBecomesQuiet(t *testing.T) {
	for name, interrupt := range map[string]func(w *world){"undisturbed": func(*world) {}, "restarted": (*world).restart} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
			a, b := &subject{name: "a"}, &subject{name: "b"}
			quiet := func(f *finding.Finding) *finding.Finding { f.Quiet = true; return f }
			w.produce(graded(a.fire(w.now), "warning"), graded(b.fire(w.now), "warning"))
			w.advance(time.Minute)
			w.expect("first notification: a b")
			w.produce(quiet(graded(a.fire(w.now), "critical")), quiet(graded(b.fire(w.now), "warning")))
			w.run()
			interrupt(w)
			w.advance(24 * time.Hour)
			w.expect()
			w.produce(graded(b.fire(w.now), "critical"))
			w.run()
			interrupt(w)
			w.advance(time.Minute)
			w.expect("severity raised: b")
			w.produce(quiet(a.resolve(w.now)), b.resolve(w.now))
			w.advance(time.Minute)
			w.expect("all alerts resolved: -a -b")
		})
	}
}
