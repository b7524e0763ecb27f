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
		if records[key] == nil {
			continue
		}
		if strings.HasPrefix(key, alertPrefix) {
			if s, err := decodeState(key, records[key]); err == nil { // checked by Restore
				a.alerts[s.Fingerprint] = s
				a.count(s, +1)
				if s.Firing != nil {
					for _, i := range append(s.Earlier, s.Incident) {
						byIncident[i] = s
					}
				}
			}
		} else if e, err := decodeEntry(key, records[key]); err == nil {
			entries = append(entries, e)
		}
	}
	for _, e := range entries {
		a.resumeEntry(e, byIncident)
	}
	for _, fp := range slices.Sorted(maps.Keys(a.alerts)) {
		if s := a.alerts[fp]; s.fires() {
			a.route(s)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		a.touch(a.groups[id])
	}
	a.pruneAt = now.Add(pruneEvery)
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
	if r := a.options.Route.find(e.Route); r != nil && r.Receiver == to.Receiver {
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
	if len(alerts) == 0 {
		e.Intent = nil
		a.writeEntry(e)
		return
	}
	i.data = a.compose(e, i, alerts)
	a.intents[i.ID] = e
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
	if len(a.alerts) == 0 {
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
