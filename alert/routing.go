package alert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/rules/label"
)

// route makes an alert that fires a member of the groups that its labels lead to. Of those that they led to before it is
// gone: see group.gone.
func (a *Alerter) route(s *state) {
	var groups []*group
	recorded := s.unrouted
	for _, r := range a.options.Route.Match(s.routing()) {
		if len(a.integrations[r.Receiver]) == 0 {
			if !recorded { // once, though it is posted again and again
				a.decided(a.now, s, Decision{Verdict: Unrouted, Receiver: r.Receiver, Reason: "nobody is notified by this receiver"})
			}
			s.unrouted = true
			continue
		}
		g := a.group(r, r.groupLabels(s.routing()))
		g.left = false
		groups = append(groups, g)
		if a.join(g, s) {
			a.decided(a.now, s, Decision{Verdict: Grouped, Receiver: r.Receiver, GroupKey: g.key, Reason: fmt.Sprintf("group_wait %s, group_interval %s", r.GroupWait, r.GroupInterval)})
			if why := a.mutedRoutes[r]; why != "" {
				a.decided(a.now, s, Decision{Verdict: Muted, Receiver: r.Receiver, GroupKey: g.key, Reason: why})
			}
		}
	}
	for _, g := range s.groups {
		if slices.Contains(groups, g) {
			delete(g.gone, s.Fingerprint)
		} else {
			g.gone[s.Fingerprint] = true
		}
	}
}

// join makes an alert a member of a group, and says whether it was none before.
func (a *Alerter) join(g *group, s *state) bool {
	if g.members[s.Fingerprint] == s {
		return false
	}
	g.members[s.Fingerprint] = s
	s.groups = append(s.groups, g)
	return true
}

// group returns the group of a route and labels, a new one when there is none.
func (a *Alerter) group(r *Route, labels label.Set) *group {
	id := r.id + "\xff" + labels.String()
	g := a.groups[id]
	if g == nil {
		g = newGroup(id, r.groupKey(labels), r, labels)
		for _, to := range a.integrations[r.Receiver] {
			g.entries = append(g.entries, &entry{Route: r.id, Integration: to.Key(), GroupKey: g.key, GroupLabels: labels,
				key: sentKey(to.Key(), r.id, labels), to: to, group: g})
		}
		a.groups[id] = g
	}
	return g
}

// movedText says where an alert went whose severity another route takes, "" when it did not move from the group.
func (a *Alerter) movedText(s *state) string {
	text := "moved"
	if severity := s.routing().Get(label.Severity); severity != "" {
		text += " to " + severity
	}
	var receivers []string
	for _, r := range a.options.Route.Match(s.routing()) {
		if len(a.integrations[r.Receiver]) > 0 && !slices.Contains(receivers, r.Receiver) {
			receivers = append(receivers, r.Receiver)
		}
	}
	if len(receivers) > 0 {
		text += ", told to " + spelled(receivers)
	}
	return text
}

// spelled joins names as a sentence does.
func spelled(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
