package alert

import (
	"fmt"
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

// The receiver of the worse severity is told when the alert gets there, and both are told of the end.
func TestSeverityMovesToAnotherRoute(t *testing.T) {
	c := Config{Receivers: []Receiver{
		{Name: "chat", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:1/"}}},
		{Name: "pager", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:2/"}}},
	}}
	c.Route = &RouteConfig{Receiver: "chat", Routes: []RouteConfig{{Receiver: "pager", Match: map[string]string{label.Severity: "critical"}}}}
	d := InlineDefaults()
	w := newWorld(t, Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Prompt: d.Prompt})
	a := &subject{name: "a"}
	w.produce(graded(a.fire(w.now), "warning"))
	w.run()
	w.expect("first notification: a")
	w.advance(time.Minute)
	w.produce(graded(a.fire(w.now), "critical"))
	w.run()
	w.expect("severity raised: a", "first notification: a")
	w.advance(time.Minute)
	w.produce(graded(a.resolve(w.now), "critical"))
	w.run()
	w.expect("all alerts resolved: -a", "all alerts resolved: -a")
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
