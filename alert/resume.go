package alert

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// resume takes in what Restore was given: alerts first, then the ledger, then the groups that follow from both.
func (a *Alerter) resume(now time.Time) {
	if a.restored == nil {
		return
	}
	records := a.restored
	a.restored, a.now = nil, now
	var entries []*entry
	for _, key := range slices.Sorted(maps.Keys(records)) {
		value := records[key]
		if value == nil {
			continue
		}
		// Each was decoded by Restore, so there are no errors but those of programs that do not call it.
		switch {
		case strings.HasPrefix(key, alertPrefix):
			if s, err := decodeState(key, value); err == nil {
				a.resumeAlert(s)
			}
		case strings.HasPrefix(key, silencePrefix):
			if s, err := decodeSilence(key, value); err == nil {
				a.silences.byID[s.ID] = s
			}
		case strings.HasPrefix(key, statisticsPrefix):
			if s, err := decodeStatistics(key, value); err == nil {
				a.statistics[s.Rule] = s
			}
		case strings.HasPrefix(key, callsPrefix):
			if integration, c, err := decodeCalls(key, value); err == nil {
				a.calls[integration] = c
			}
		default:
			if e, err := decodeEntry(key, value); err == nil {
				entries = append(entries, e)
			}
		}
	}
	a.silences.refresh(now)
	a.countSilences(now)
	a.resuming = true
	a.regroup(entries, now)
	a.resuming = false
	a.pruneAt = now.Add(pruneEvery)
}

func (a *Alerter) resumeAlert(s *state) {
	a.alerts[s.Fingerprint] = s
	a.count(s, +1)
	if s.Held != nil {
		a.hold(s)
	}
	a.expiring(s)
}

// regroup finds out what mutes whom, puts the pages of the ledger into their groups, and makes the alerts that fire members of
// theirs.
func (a *Alerter) regroup(entries []*entry, now time.Time) {
	a.remute(now)
	a.unwatch(now)
	known := byIncident{}
	for _, s := range a.alerts {
		if s.Firing == nil {
			continue
		}
		known[s.Incident] = s
		for _, i := range s.Earlier {
			known[i] = s
		}
	}
	var strays []*entry
	for _, e := range entries {
		to, there := a.integrationOf(e.Integration)
		if !there {
			a.forsake(e, known, now)
			continue
		}
		if i := e.Intent; i != nil && i.phase == waiting && !reflect.DeepEqual(e.to, to) {
			i.retryAt = now // somebody may have mended it
		}
		e.to, e.group, e.written = to, nil, true
		a.wake(e, known)
		r := a.routeOf(e)
		alerts := e.alerts(known)
		elsewhere := len(alerts) > 0 && !slices.ContainsFunc(alerts, func(s *state) bool { return a.leads(s, r, e) })
		if elsewhere || !a.settle(e, r) {
			strays = append(strays, e)
		}
	}
	for _, e := range strays {
		if !a.settle(e, a.adopter(e, known)) && !a.settle(e, a.routeOf(e)) {
			e.group = newGroup(leftPrefix+e.key, e.GroupKey, a.options.Route, e.GroupLabels)
			e.group.left, e.group.entries = true, []*entry{e}
			a.groups[e.group.id] = e.group
		}
	}
	a.rekey(entries)
	var interrupted []*entry
	for _, e := range entries {
		if e.group != nil && a.resumeEntry(e, known) {
			interrupted = append(interrupted, e)
		}
	}
	for _, fp := range slices.Sorted(maps.Keys(a.alerts)) {
		if s := a.alerts[fp]; s.fires() && !s.Firing.Quiet {
			a.route(s)
		}
	}
	for _, e := range interrupted { // now that all are known who are to hear of it
		a.conclude(e, notifyFailed, Unknown, fmt.Sprintf(
			"freshet stopped while remediation %s was being called. It is not known whether it was carried out, and it is not repeated: somebody must look", e.to.Receiver), now)
	}
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		a.touch(a.groups[id])
	}
}

// byIncident are alerts by their incidents.
type byIncident map[incident]*state

// of returns the alerts of some incidents, each once; those whose record could not be read are left out.
func (b byIncident) of(sets ...incidents) (out []*state) {
	seen := map[*state]bool{}
	for _, set := range sets {
		for _, i := range slices.Sorted(maps.Keys(set)) {
			if s := b[i]; s != nil && !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// alerts returns the alerts that the entry tells of: those that fire, else those that are over. One that became more severe
// since may have moved, so it does not count.
func (e *entry) alerts(known byIncident) []*state {
	sets := []incidents{e.Firing}
	if e.Intent != nil {
		sets = append(sets, e.Intent.Firing, e.Intent.Resolved)
	}
	var fire, over []*state
	for _, s := range known.of(sets...) {
		switch {
		case s.Raised && !slices.ContainsFunc(sets, func(set incidents) bool { return set.has(s.Incident) }):
		case s.fires():
			fire = append(fire, s)
		default:
			over = append(over, s)
		}
	}
	if len(fire) > 0 {
		return fire
	}
	return over
}

// remute finds out what mutes whom now.
func (a *Alerter) remute(now time.Time) {
	for _, r := range a.timed {
		a.mutedRoutes[r] = r.mutedAt(a.options.Intervals, now)
	}
	for _, s := range a.alerts {
		if s.fires() && s.Fingerprint != a.watchdogOf {
			a.inhibitor.add(s, s.Firing.Labels)
		}
	}
	for _, fp := range slices.Sorted(maps.Keys(a.alerts)) {
		if s := a.alerts[fp]; s.fires() {
			a.mute(s, a.silences.of(s.Firing.Labels), now)
		}
	}
}

// routeOf returns the route that an entry's group was made by, nil when there is none such any longer.
func (a *Alerter) routeOf(e *entry) *Route {
	r := a.options.Route.find(e.Route)
	if a.deadman != nil && e.Route == watchdogRoute {
		r = a.deadman
	}
	if r == nil || r.Receiver != e.to.Receiver {
		return nil
	}
	return r
}

// adopter returns the route that takes over an entry whose own takes its alerts no longer: the one that leads them to the same
// receiver in a group of the same labels, so that nobody is told anew because a route was moved or written otherwise.
func (a *Alerter) adopter(e *entry, known byIncident) *Route {
	alerts := e.alerts(known)
	if len(alerts) == 0 || e.Route == watchdogRoute {
		return nil
	}
	for _, r := range a.options.Route.Match(alerts[0].routing()) {
		if !slices.ContainsFunc(alerts, func(s *state) bool { return !a.leads(s, r, e) }) {
			return r
		}
	}
	return nil
}

// leads says whether a route leads an alert to an entry's receiver, in a group of the same labels.
func (a *Alerter) leads(s *state, r *Route, e *entry) bool {
	return r != nil && r == a.deadman || r != nil && r.Receiver == e.to.Receiver && slices.Contains(a.options.Route.Match(s.routing()), r) &&
		r.groupLabels(s.routing()).Equal(e.GroupLabels)
}

// settle puts an entry into its group of a route, unless another one is there already.
func (a *Alerter) settle(e *entry, r *Route) bool {
	if r == nil {
		return false
	}
	g := a.group(r, e.GroupLabels)
	i := slices.IndexFunc(g.entries, func(other *entry) bool { return other.Integration == e.Integration })
	if i < 0 {
		return false
	}
	if other := g.entries[i]; other.written && other != e {
		switch {
		case other.waits():
			a.merge(e, other)
		case e.waits():
			a.merge(other, e)
			return true
		default:
			return false
		}
	}
	g.entries[i], e.group, g.left = e, g, true
	return true
}

// waits says that all an entry holds is what it missed.
func (e *entry) waits() bool {
	return len(e.Missed) > 0 && len(e.Firing) == 0 && e.Intent == nil && e.to.Remediation == nil
}

// merge has an entry tell what another one of the same group and integration waits to tell.
func (a *Alerter) merge(into, from *entry) {
	if into.Missed == nil {
		into.Missed = incidents{}
	}
	maps.Copy(into.Missed, from.Missed)
	from.group = nil
	a.writeEntry(into)
	a.forget(from.key)
}

// rekey has each entry kept as one of the route that it is in now, so that no two share a record: a later configuration may have
// the route that it came from again.
func (a *Alerter) rekey(entries []*entry) {
	taken := map[string]bool{}
	for _, e := range entries {
		if e.group != nil && !strings.HasPrefix(e.group.id, leftPrefix) {
			taken[sentKey(e.Integration, e.group.route.id, e.GroupLabels)] = true
		}
	}
	var moved []*entry
	for _, e := range entries {
		if e.group == nil {
			continue
		}
		route := e.group.route.id
		if strings.HasPrefix(e.group.id, leftPrefix) {
			for route = e.Route; taken[sentKey(e.Integration, route, e.GroupLabels)]; {
				route = leftPrefix + route
			}
			taken[sentKey(e.Integration, route, e.GroupLabels)] = true
		}
		if route != e.Route {
			a.forget(e.key)
			e.Route = route
			moved = append(moved, e)
		}
	}
	for _, e := range moved {
		e.Former = append(e.Former, e.name())
		e.Former = e.Former[max(0, len(e.Former)-maxFormer):]
		e.key = sentKey(e.Integration, e.Route, e.GroupLabels)
		a.writeEntry(e)
	}
}

// maxFormer bounds the names that are remembered of an entry whose message stands while the configuration changes.
const maxFormer = 5

// leftPrefix begins the IDs of groups and routes of entries whose routes are no more; those of routes begin with a brace.
const leftPrefix = "left/"

// resumeEntry joins the alerts that an entry knows to its group. A group that the configuration has no more, or that no alert
// is routed to, is kept until everybody who was told of a firing in it knows of its end. It says whether the entry is about a
// remediation that was being called.
func (a *Alerter) resumeEntry(e *entry, known byIncident) (interrupted bool) {
	sets := []incidents{e.Firing, e.Missed}
	if e.BeforeDry != nil {
		sets = append(sets, e.BeforeDry.Firing)
	}
	for _, s := range known.of(sets...) {
		a.join(e.group, s)
	}
	i := e.Intent
	if i == nil {
		return false
	}
	told := known.of(i.Firing, i.Resolved, i.Moved)
	for _, s := range append(told, known.of(i.Kept)...) {
		a.join(e.group, s)
	}
	if i.data != nil { // it is under way
		return false
	}
	if len(told) == 0 {
		e.Intent = nil
		a.writeEntry(e)
		return false
	}
	i.data = a.compose(e, i, told)
	a.outstanding(e)
	if e.to.Remediation != nil {
		return true
	}
	a.ready = append(a.ready, e)
	return false
}

// forsake gives up what was to be told to an integration that there is no more.
func (a *Alerter) forsake(e *entry, known byIncident, now time.Time) {
	if i := e.Intent; i != nil {
		told := known.of(i.Firing, i.Resolved, i.Moved)
		e.to = integrationNamed(e.Integration)
		e.group = newGroup("", e.GroupKey, a.options.Route, e.GroupLabels)
		for _, s := range told {
			e.group.members[s.Fingerprint] = s
		}
		if i.data == nil {
			i.data = a.compose(e, i, told)
		}
		a.abandon(e, "the configuration has this receiver no more", now)
	}
	e.group = nil
	a.forget(e.key)
}

func (a *Alerter) integrationOf(key string) (Integration, bool) {
	for _, i := range a.options.Integrations {
		if i.Key() == key {
			return i, true
		}
	}
	return Integration{}, false
}
