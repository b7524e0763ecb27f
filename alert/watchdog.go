package alert

import (
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// watchdogRoute is the ID of the route of the dead man's switch, which no tree has.
const watchdogRoute = "dead man's switch"

// WatchdogName is the name of the alert of the dead man's switch.
const WatchdogName = "FreshetWatchdog"

// watchdog keeps the alert of the dead man's switch firing: its receiver is told of it again and again, and raises the
// alarm when it is not.
func (a *Alerter) watchdog(now time.Time) {
	c := a.options.Deadman
	if c.Receiver == "" || a.watching || len(a.integrations[c.Receiver]) == 0 {
		return
	}
	a.watching = true
	labels := watchdogLabels()
	s := a.alerts[labels.Fingerprint()]
	if s == nil || !s.fires() {
		s = &state{Fingerprint: labels.Fingerprint()}
		f := &finding.Finding{ID: "watchdog", Fingerprint: s.Fingerprint, Rule: WatchdogName, Group: "freshet", State: finding.Firing, Settled: true,
			Labels: labels, StartsAt: now, WindowEnd: now, Quiet: true,
			Annotations: map[string]string{"summary": "freshet works: this message comes again and again, and its absence is the alarm"}}
		a.alerts[s.Fingerprint] = s
		s.apply(f, FlappingConfig{}, now)
		a.count(s, +1)
		a.writeAlert(s)
	}
	g := a.group(a.deadman, labels.Only(label.AlertName))
	g.left = false
	a.join(g, s)
	a.touch(g)
}

// unwatch ends the alert of a dead man's switch that the configuration has no more.
func (a *Alerter) unwatch(now time.Time) {
	s := a.alerts[watchdogLabels().Fingerprint()]
	if a.options.Deadman.Receiver != "" || s == nil || !s.fires() {
		return
	}
	f := *s.Firing
	f.ID, f.State, f.EndsAt, f.WindowEnd, f.Reason = f.ID+"/off", finding.Resolved, now, now, "switched off"
	a.finish(s, &f, now)
}

func watchdogLabels() label.Set {
	return label.New(label.AlertName, WatchdogName, label.Severity, "none")
}

// deadmanRoute is the route of the dead man's switch, nil when there is none.
func deadmanRoute(c DeadmanConfig) *Route {
	if c.Receiver == "" {
		return nil
	}
	return &Route{Receiver: c.Receiver, GroupBy: []string{label.AlertName}, GroupInterval: c.Interval, RepeatInterval: c.Interval,
		key: "{}", id: watchdogRoute}
}
