package alert

import (
	"fmt"
	"slices"
	"strings"
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
	w.advance(2 * time.Minute)
	w.expect()
	w.advance(2 * time.Minute)
	w.expect("all alerts resolved: -a") // not posted again
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

// post posts an alert named a.
func (w *world) post(p *Posted) {
	if p.Labels == nil {
		p.Labels = map[string]string{"alertname": "Other", "name": "a"}
	}
	w.produce(p.Finding(w.now, 5*time.Minute))
}

// TestPostedAcrossAnInterruption: who could not post meanwhile does not lose the alert, and an end that was posted counts.
func TestPostedAcrossAnInterruption(t *testing.T) {
	restarted := func(w *world, away time.Duration) { w.now = w.now.Add(away); w.restart() }
	stalled := func(w *world, away time.Duration) { w.now = w.now.Add(away) }
	uncommitted := func(w *world, away time.Duration) {
		for end := w.now.Add(away); w.now.Before(end); w.now = w.now.Add(time.Second) {
			w.alerter.Tick(w.now)
		}
	}
	for name, tc := range map[string]struct {
		interrupt func(*world, time.Duration)
		ends      time.Duration // what the poster gives ahead, 0 for nothing
		away      time.Duration
		end       string
	}{
		"restart":                         {restarted, 4 * time.Minute, 6 * time.Minute, "4m0s"},
		"long restart":                    {restarted, 4 * time.Minute, 6 * time.Hour, "4m0s"},
		"stalled":                         {stalled, 4 * time.Minute, 6 * time.Minute, "4m0s"},
		"stalled, then a command":         {func(w *world, d time.Duration) { stalled(w, d); w.silence("s", time.Hour, `name="b"`); w.receive() }, 4 * time.Minute, 6 * time.Minute, "4m0s"},
		"stalled, then reloaded":          {func(w *world, d time.Duration) { stalled(w, d); w.reconfigure(w.options) }, 4 * time.Minute, 6 * time.Minute, "4m0s"},
		"Kafka away":                      {uncommitted, 4 * time.Minute, 6 * time.Minute, "4m0s"},
		"Kafka back in the last moment":   {uncommitted, 4 * time.Minute, 2*time.Minute + 50*time.Second, "4m0s"},
		"without an end":                  {restarted, 0, 6 * time.Minute, "5m0s"},
		"an end that is far ahead":        {restarted, time.Hour, 58 * time.Minute, "5m0s"}, // not another hour
		"a short restart":                 {restarted, 4 * time.Minute, time.Second, "4m0s"},
		"an end far ahead, short restart": {restarted, time.Hour, time.Second, "58m59s"}, // as it was posted
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, one(InlineDefaults(), RouteConfig{RepeatInterval: minutes(1e6)}))
			post := func() {
				p := &Posted{StartsAt: epoch}
				if tc.ends > 0 {
					p.EndsAt = w.now.Add(tc.ends)
				}
				w.post(p)
			}
			post()
			w.advance(time.Minute)
			post()
			w.advance(time.Minute)
			w.expect("first notification: a")
			stopped := w.now
			tc.interrupt(w, tc.away)
			w.run() // before anybody could post
			w.expect()
			back := w.now
			w.advance(2 * time.Minute)
			w.expect()
			if tc.ends < time.Hour { // who posts such an end posts it once
				post()
				back = w.now
			}
			w.advance(time.Hour)
			if len(w.got) != 1 {
				t.Fatalf("it was told %q, expected the end", w.story())
			}
			w.expect("all alerts resolved: -a")
			v := w.alerter.Alerts()[0]
			if ended := w.decisions[len(w.decisions)-2]; ended.Verdict != Ended || ended.At.Sub(back).String() != tc.end {
				t.Errorf("it ended %s after %s with %+v, expected %s after", ended.At.Sub(back), back.Sub(stopped), ended, tc.end)
			}
			if v.Reason != "not posted again" {
				t.Errorf("it ended for %q", v.Reason)
			}
		})
	}
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	w.post(&Posted{StartsAt: epoch, EndsAt: w.now.Add(4 * time.Minute)})
	w.advance(time.Minute)
	w.now = w.now.Add(10 * time.Minute)
	w.restart()
	if w.run(); w.alerter.Alerts()[0].Expires.Before(w.now) {
		t.Errorf("it fires, but is shown as over since %s", w.alerter.Alerts()[0].Expires)
	}
	w.post(&Posted{StartsAt: epoch, EndsAt: w.now.Add(-3 * time.Minute)})
	w.run()
	w.expect("first notification: a", "all alerts resolved: -a")
	if v := w.alerter.Alerts()[0]; !v.Until.Equal(w.now.Add(-3 * time.Minute)) {
		t.Errorf("it ended at %s, expected what was posted", v.Until)
	}
}

// TestPostedAgain: an alert that is posted again and again is one incident, with its earliest beginning.
func TestPostedAgain(t *testing.T) {
	for name, defaults := range map[string]Defaults{"inline": InlineDefaults(), "Alertmanager": AlertmanagerDefaults()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, editing(defaults, RouteConfig{GroupWait: minutes(0), RepeatInterval: minutes(60)}))
			var told []string
			w.answer = func(n *Notification) (Outcome, bool, error) {
				told = append(told, fmt.Sprintf("%s %s, since %s", w.now.Sub(epoch), tell(n), n.Data.Alerts[0].StartsAt.Sub(epoch)))
				return Outcome{Ref: "C/1"}, false, nil
			}
			w.now = epoch.Add(time.Minute)
			for i := range 30 {
				p := &Posted{StartsAt: epoch.Add(45 * time.Second), EndsAt: w.now.Add(4 * time.Minute), Annotations: map[string]string{"summary": "slow"}}
				switch i % 3 {
				case 1:
					p.StartsAt = time.Time{} // somebody who does not say
				case 2:
					p.StartsAt = epoch.Add(30 * time.Second) // the other replica
				}
				if i >= 20 {
					p.Annotations = map[string]string{"summary": "slower"}
				}
				w.post(p)
				w.advance(time.Minute)
				if i == 10 {
					w.restart()
				}
			}
			w.advance(15 * time.Minute)
			want := []string{"1m0s first notification: a, since 45s", "3m0s content changed: a, since 30s", "21m0s content changed: a, since 30s", "34m0s all alerts resolved: -a, since 30s"}
			if name == "Alertmanager" {
				want[1], want[3] = "6m0s content changed: a, since 30s", "34m0s all alerts resolved: -a, since 30s"
			}
			if !slices.Equal(told, want) {
				t.Errorf("it told\n  %s\nexpected\n  %s", strings.Join(told, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}
