package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// Reconfigure goes over to other options, of which the Registerer does not count. What is known of alerts and of what was told
// stays: notifications under way, attempts to come and reminders go on as if nothing had happened. Whoever was told of an
// alert that other routes take now is told of its end. What follows is done by the next Tick.
//
// Integrations are known by their keys. What is to be told to one that there is no more is given up.
func (a *Alerter) Reconfigure(o Options, now time.Time) {
	a.enter(now)
	o.Registerer = a.options.Registerer
	a.options = o
	a.configure()
	a.metrics.expect(o.Integrations)
	type place struct {
		alert           label.Fingerprint
		receiver, group string
	}
	before := map[place]bool{}
	var entries []*entry
	for _, g := range a.groups {
		for fp := range g.members {
			before[place{fp, g.route.Receiver, g.key}] = true
		}
		for _, e := range g.entries {
			if e.written {
				entries = append(entries, e)
			}
		}
	}
	slices.SortFunc(entries, func(x, y *entry) int { return strings.Compare(x.key, y.key) })
	for _, s := range a.alerts {
		s.groups = nil
	}
	a.groups, a.timers, a.touched = map[string]*group{}, nil, nil
	earlier := a.decisions
	a.decisions = nil
	a.regroup(entries, now)
	a.decisions = append(earlier, slices.DeleteFunc(a.decisions, func(d Decision) bool {
		return d.Verdict == Grouped && before[place{d.Fingerprint, d.Receiver, d.GroupKey}] // as it was
	})...)
}
