package alert

import (
	"testing"
	"time"
)

func TestPostedAlerts(t *testing.T) {
	o := one(AlertmanagerDefaults(), RouteConfig{GroupWait: minutes(0.5), GroupInterval: minutes(1)})
	w := newWorld(t, o)
	post := func(p *Posted) {
		p.Labels = map[string]string{"alertname": "Other", "name": "a"}
		w.produce(p.Finding(w.now, 5*time.Minute))
	}
	began := w.now
	for range 4 {
		post(&Posted{StartsAt: began, EndsAt: w.now.Add(4 * time.Minute)})
		w.advance(time.Minute)
	}
	w.expect("first notification: a")
	w.restart()
	w.advance(4 * time.Minute)
	w.expect() // it may still be posted again, now that somebody listens
	w.advance(2 * time.Minute)
	w.expect("all alerts resolved: -a") // not posted again
	post(&Posted{StartsAt: w.now, EndsAt: w.now.Add(4 * time.Minute)})
	w.advance(3 * time.Minute)
	w.alerter.Unheard(w.now)
	w.advance(4 * time.Minute)
	w.expect("first notification: a")
	post(&Posted{StartsAt: w.now, EndsAt: w.now.Add(4 * time.Minute)})
	w.advance(3 * time.Minute)
	w.expect()
	w.advance(2 * time.Minute)
	w.expect("all alerts resolved: -a")
	post(&Posted{})
	w.advance(6 * time.Minute)
	w.expect("first notification: a", "all alerts resolved: -a") // five minutes when no end is given
	post(&Posted{StartsAt: w.now})
	w.advance(time.Minute)
	post(&Posted{StartsAt: w.now.Add(-time.Minute), EndsAt: w.now})
	w.advance(time.Minute)
	w.expect("first notification: a", "all alerts resolved: -a")
	if f := (&Posted{EndsAt: w.now.Add(-time.Hour)}).Finding(w.now, time.Minute); f.State != "resolved" || f.StartsAt.After(f.EndsAt) {
		t.Errorf("an alert that ended an hour ago becomes %+v", f)
	}
}

// An alert that is posted again tells nothing new, and keeps its beginning though who posts it does not know it.
func TestPostedAgain(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations[0].Edits = true
	w := newWorld(t, o)
	w.answer = func(*Notification) (Outcome, bool, error) { return Outcome{Ref: "C/1"}, true, nil }
	post := func(text string, ends time.Time) {
		p := &Posted{Labels: map[string]string{"alertname": "Other", "name": "a"}, Annotations: map[string]string{"summary": text}, EndsAt: ends}
		w.produce(p.Finding(w.now, 5*time.Minute))
	}
	for range 10 {
		post("full", time.Time{})
		w.advance(time.Minute)
	}
	w.expect("first notification: a")
	post("fuller", time.Time{})
	w.advance(time.Minute)
	w.expect("content changed: a")
	w.advance(time.Minute)
	post("full", w.now)
	w.run()
	if n := w.got[len(w.got)-1]; n.Reason != AllResolved || !n.Data.Alerts[0].StartsAt.Equal(epoch) {
		t.Errorf("at its end it is told as %s of %s", n.Reason, n.Data.Alerts[0].StartsAt)
	}
}
