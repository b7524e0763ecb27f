package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/freshet-dev/freshet/rules/label"
)

// Setting is all that decides who is told of an alert.
type Setting struct {
	Route       *Route
	Inhibitions []InhibitRule
	Intervals   map[string][]timeinterval.TimeInterval
	Silences    []*Silence
}

// Routing is what becomes of an alert: the routes that take it, and what mutes it.
type Routing struct {
	Labels label.Set
	Taken  []Taken
	// Silences are those that match the alert at that time, by their IDs.
	Silences []string
	// Inhibited says which of the other alerts mute this one.
	Inhibited []Inhibitor
}

// Taken is a route that takes an alert.
type Taken struct {
	Route    *Route
	GroupKey string
	Group    label.Set
	// Muted are the time intervals that mute the route at that time; Inactive says that it is in none of those in which the
	// route is active.
	Muted    []string
	Inactive bool
}

// Inhibitor is which alert mutes another one, and by which rule.
type Inhibitor struct {
	By   label.Set
	Rule string
}

// Receivers returns the names of the receivers that the routes lead to, muted or not, in the order of the routes.
func (r *Routing) Receivers() []string {
	var out []string
	for _, t := range r.Taken {
		out = append(out, t.Route.Receiver)
	}
	return out
}

// Told returns the names of the receivers that are told: none while the alert is silenced or inhibited.
func (r *Routing) Told() []string {
	var out []string
	for _, t := range r.Taken {
		if len(r.Silences)+len(r.Inhibited)+len(t.Muted) == 0 && !t.Inactive {
			out = append(out, t.Route.Receiver)
		}
	}
	return out
}

// Explain says what becomes of alerts that fire together at a time. It decides as an Alerter does, by the same routes,
// rules, intervals and silences, and changes nothing.
func Explain(s Setting, alerts []label.Set, at time.Time) []Routing {
	out := make([]Routing, len(alerts))
	for i, labels := range alerts {
		r := Routing{Labels: labels}
		for _, route := range s.Route.Match(labels) {
			group := route.groupLabels(labels)
			r.Taken = append(r.Taken, Taken{Route: route, Group: group, GroupKey: route.groupKey(group),
				Muted: route.MutedBy(s.Intervals, at), Inactive: route.Inactive(s.Intervals, at)})
		}
		for _, silence := range s.Silences {
			if silence.Active(at) && silence.Matches(labels) {
				r.Silences = append(r.Silences, silence.ID)
			}
		}
		for _, other := range alerts {
			for n := range s.Inhibitions {
				if rule := &s.Inhibitions[n]; rule.Inhibits(other, labels) && !other.Equal(labels) {
					r.Inhibited = append(r.Inhibited, Inhibitor{By: other, Rule: rule.Name})
				}
			}
		}
		slices.SortFunc(r.Inhibited, func(a, b Inhibitor) int {
			return strings.Compare(a.By.String()+a.Rule, b.By.String()+b.Rule)
		})
		r.Inhibited = slices.CompactFunc(r.Inhibited, func(a, b Inhibitor) bool { return a.By.Equal(b.By) && a.Rule == b.Rule })
		out[i] = r
	}
	return out
}
