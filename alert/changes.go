package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Changes returns what changed since the last call, to be committed together with the offset of the last finding
// received. Call Committed when it is. An error means that the state cannot be written and the alerter cannot go on.
func (a *Alerter) Changes() ([]Change, error) {
	out := make([]Change, 0, len(a.order))
	for _, key := range a.order {
		value, err := a.changed[key]()
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", key, err)
		}
		out = append(out, Change{Key: []byte(key), Value: value})
	}
	clear(a.changed)
	a.order = a.order[:0]
	for _, e := range a.drafted {
		if e.Intent != nil && e.Intent.phase == drafted {
			e.Intent.phase = handed
			a.handed = append(a.handed, e)
		}
	}
	a.drafted = a.drafted[:0]
	return out, nil
}

// Committed says that everything returned by all earlier calls of Changes is committed.
func (a *Alerter) Committed() {
	for _, e := range a.handed {
		if e.Intent != nil && e.Intent.phase == handed {
			e.Intent.phase = ready
			a.ready = append(a.ready, e)
		}
	}
	a.handed = a.handed[:0]
}

func (a *Alerter) write(key string, value func() ([]byte, error)) {
	if _, known := a.changed[key]; !known {
		a.order = append(a.order, key)
	}
	a.changed[key] = value
}

func (a *Alerter) writeAlert(s *state) {
	a.write(alertPrefix+s.Fingerprint.String(), func() ([]byte, error) { return json.Marshal(s) })
}

func (a *Alerter) writeEntry(e *entry) {
	e.written = true
	a.write(e.key, func() ([]byte, error) { return json.Marshal(e) })
}

// Restore takes a record of the compacted topic, oldest first; a nil value deletes its key. It is decoded here, so that
// a bad one can be reported and skipped, and taken in by the next Receive or Tick.
func (a *Alerter) Restore(key, value []byte) error {
	k := string(key)
	var err error
	switch {
	case value == nil:
	case strings.HasPrefix(k, alertPrefix):
		_, err = decodeState(k, value)
	case strings.HasPrefix(k, sentPrefix):
		_, err = decodeEntry(k, value)
	case strings.HasPrefix(k, silencePrefix):
		_, err = decodeSilence(k, value)
	case strings.HasPrefix(k, statisticsPrefix):
		_, err = decodeStatistics(k, value)
	case strings.HasPrefix(k, callsPrefix):
		_, _, err = decodeCalls(k, value)
	default:
		return nil // written by a newer version
	}
	if err != nil {
		return fmt.Errorf("restoring the alerter: %w", err)
	}
	if a.restored == nil {
		a.restored = map[string][]byte{}
	}
	a.restored[k] = value
	return nil
}

// resume takes in what Restore was given: alerts first, then the ledger, then the groups that follow from both.
func (a *Alerter) resume(now time.Time) {
	if a.restored == nil {
		return
	}
	records := a.restored
	a.restored, a.now = nil, now
	byIncident := map[incident]*state{}
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
				a.resumeAlert(s, byIncident)
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
	a.resumeMutes(now)
	for _, e := range entries {
		a.resumeEntry(e, byIncident)
	}
	decisions := a.decisions
	for _, fp := range slices.Sorted(maps.Keys(a.alerts)) {
		if s := a.alerts[fp]; s.fires() && !s.Firing.Quiet {
			a.route(s)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		a.touch(a.groups[id])
	}
	a.pruneAt = now.Add(pruneEvery)
	a.decisions = decisions // the others were recorded before the restart
}

func (a *Alerter) resumeAlert(s *state, byIncident map[incident]*state) {
	a.alerts[s.Fingerprint] = s
	a.count(s, +1)
	if s.Firing != nil {
		for _, i := range append(s.Earlier, s.Incident) {
			byIncident[i] = s
		}
	}
	if s.Held != nil {
		a.hold(s)
	}
	if s.fires() && !s.Firing.Expires.IsZero() {
		a.expiring(s)
	}
}

// resumeMutes finds out what mutes whom now.
func (a *Alerter) resumeMutes(now time.Time) {
	a.silences.refresh(now)
	a.countSilences(now)
	for _, s := range a.alerts {
		if s.fires() {
			a.inhibitor.add(s, s.Firing.Labels)
		}
	}
	for _, s := range a.alerts {
		if s.fires() {
			a.suppress(s, a.silences.of(s.Firing.Labels), a.inhibitor.of(s.Fingerprint, s.Firing.Labels))
		}
	}
	for _, r := range a.timed {
		a.mutedRoutes[r] = r.mutedAt(a.options.Intervals, now)
	}
}

// resumeEntry puts a page of the ledger back into its group. A group that the configuration has no more, or that no alert
// is routed to, is kept until everybody who was told of a firing in it knows of its end.
func (a *Alerter) resumeEntry(e *entry, byIncident map[incident]*state) {
	forget := func() { a.write(e.key, func() ([]byte, error) { return nil, nil }) }
	to, known := a.integrationOf(e.Integration)
	if !known {
		forget()
		return
	}
	e.to, e.written = to, true
	r := a.options.Route.find(e.Route)
	if a.deadman != nil && e.Route == watchdogRoute {
		r = a.deadman
	}
	if r != nil && r.Receiver == to.Receiver {
		e.group = a.group(r, e.GroupLabels)
		i := slices.IndexFunc(e.group.entries, func(other *entry) bool { return other.key == e.key })
		e.group.entries[i] = e
	} else {
		e.group = &group{key: e.GroupKey, id: "left\xff" + e.key, route: a.options.Route, labels: e.GroupLabels,
			members: map[label.Fingerprint]*state{}, entries: []*entry{e}, at: -1}
		a.groups[e.group.id] = e.group
	}
	e.group.left = true
	join := func(set incidents) (found []*state) {
		for _, i := range slices.Sorted(maps.Keys(set)) {
			s := byIncident[i]
			if s == nil {
				continue // its record could not be read
			}
			found = append(found, s)
			if e.group.members[s.Fingerprint] != s {
				e.group.members[s.Fingerprint] = s
				s.groups = append(s.groups, e.group)
			}
		}
		return found
	}
	join(e.Firing)
	i := e.Intent
	if i == nil {
		return
	}
	alerts := append(join(i.Firing), join(i.Resolved)...)
	join(i.Kept)
	if len(alerts) == 0 {
		e.Intent = nil
		a.writeEntry(e)
		return
	}
	i.data = a.compose(e, i, alerts)
	a.intents[i.ID] = e
	if to.Remediation != nil {
		a.conclude(e, notifyFailed, Unknown, fmt.Sprintf(
			"freshet stopped while remediation %s was being called. It is not known whether it was carried out, and it is not repeated: somebody must look", to.Receiver), a.now)
		return
	}
	a.ready = append(a.ready, e)
}

func (a *Alerter) integrationOf(key string) (Integration, bool) {
	for _, i := range a.options.Integrations {
		if i.Key() == key {
			return i, true
		}
	}
	return Integration{}, false
}

// How long, and how many, alerts are remembered after their end: to show them and to know a replay.
const (
	rememberFor = 24 * time.Hour
	rememberMax = 10_000
	pruneEvery  = time.Minute
)

// prune forgets alerts that have been over for long.
func (a *Alerter) prune(now time.Time) {
	if len(a.alerts)+len(a.silences.byID) == 0 {
		a.pruneAt = time.Time{}
		return
	}
	if a.pruneAt.IsZero() {
		a.pruneAt = now.Add(pruneEvery)
	}
	if a.pruneAt.After(now) {
		return
	}
	a.pruneAt = now.Add(pruneEvery)
	a.pruneSilences(now)
	var over []*state
	for _, s := range a.alerts {
		if !s.fires() && len(s.groups) == 0 {
			over = append(over, s)
		}
	}
	slices.SortFunc(over, func(x, y *state) int {
		return cmp.Or(x.Updated.Compare(y.Updated), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	for i, s := range over {
		if len(over)-i <= rememberMax && now.Sub(s.Updated) < rememberFor {
			return
		}
		a.count(s, -1)
		delete(a.alerts, s.Fingerprint)
		a.write(alertPrefix+s.Fingerprint.String(), func() ([]byte, error) { return nil, nil })
	}
}

// count keeps the gauge of alerts by state.
func (a *Alerter) count(s *state, by float64) {
	if s.fires() {
		a.metrics.alerts.WithLabelValues(string(finding.Firing)).Add(by)
	}
	if s.Pending != nil {
		a.metrics.alerts.WithLabelValues(string(finding.Pending)).Add(by)
	}
}
