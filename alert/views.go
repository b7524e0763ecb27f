package alert

import (
	"cmp"
	"maps"
	"slices"

	"github.com/freshet-dev/freshet/rules/label"
)

// Alerts returns the alerts that are pending or firing, and those that resolved within the last day, the newest first.
func (a *Alerter) Alerts() []View {
	out := make([]View, 0, len(a.alerts))
	for _, s := range a.alerts {
		if v, ok := a.view(s); ok {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y View) int {
		return cmp.Or(y.Since.Compare(x.Since), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	return out
}

// Alert returns one of the alerts that Alerts does.
func (a *Alerter) Alert(fp label.Fingerprint) (View, bool) {
	s := a.alerts[fp]
	if s == nil {
		return View{}, false
	}
	return a.view(s)
}

func (a *Alerter) view(s *state) (View, bool) {
	v, ok := s.view()
	if !ok {
		return v, false
	}
	if v.State == statusFiring {
		v.Flapping = s.flapped(a.options.Flapping)
	}
	if v.State == statusFiring && !v.Expires.IsZero() {
		v.Expires = a.expires(s)
	}
	if s.inhibited {
		for _, i := range a.inhibitor.of(s.Firing.Labels) {
			v.InhibitedBy = append(v.InhibitedBy, i.By)
		}
	}
	if s.Firing != nil {
		for _, r := range a.options.Route.Match(s.routing()) {
			if r.Receiver != "" && !slices.Contains(v.Receivers, r.Receiver) {
				v.Receivers = append(v.Receivers, r.Receiver)
			}
		}
	}
	for _, g := range s.groups {
		for _, name := range a.routeMutes(g.route) {
			if !slices.Contains(v.MutedBy, name) {
				v.MutedBy = append(v.MutedBy, name)
			}
		}
	}
	return v, true
}

// routeMutes are the time intervals that mute a route now.
func (a *Alerter) routeMutes(r *Route) []string {
	if a.mutedRoutes[r] == "" {
		return nil
	}
	if names := r.MutedBy(a.options.Intervals, a.now); len(names) > 0 {
		return names
	}
	return r.ActiveIntervals
}

// Groups returns the groups of alerts that fire or whose end is still to be told.
func (a *Alerter) Groups() []GroupView {
	out := make([]GroupView, 0, len(a.groups))
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		g := a.groups[id]
		v := GroupView{Key: g.key, Receiver: g.entries[0].to.Receiver, Labels: g.labels,
			MutedBy: a.routeMutes(g.route), Alerts: slices.SortedFunc(maps.Keys(g.members), func(x, y label.Fingerprint) int { return cmp.Compare(x, y) })}
		v.RouteLabels = a.groupLabels(g)
		for _, e := range g.entries {
			p := ProgressView{Integration: e.Integration, Notified: e.At, LastError: e.lastError}
			if i := e.Intent; i != nil {
				p.Outstanding, p.Attempts, p.Next = i.ID, i.attempts, i.retryAt
			} else if _, at, ok := g.due(e, g.standing(e, a.mutedRoutes[g.route] != "", a.now), a.options.Prompt); ok {
				p.Next = at
			}
			v.Integrations = append(v.Integrations, p)
		}
		out = append(out, v)
	}
	return out
}

// groupLabels are the labels of the group's route, rendered with the alerts that fire.
func (a *Alerter) groupLabels(g *group) KV {
	if len(g.route.Labels) == 0 {
		return KV{}
	}
	alerts, order := Alerts{}, map[string]string{}
	for _, m := range g.members {
		if m.fires() {
			one := a.message(m, false)
			alerts, order[one.Fingerprint] = append(alerts, one), m.Firing.Labels.String()
		}
	}
	d := newData(g.route.Receiver, a.options.ExternalURL, "", g.labels, sorted(alerts, order))
	return a.routeLabels(g.route, &d)
}
