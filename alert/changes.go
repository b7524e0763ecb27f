package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
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
	a.alive = a.now
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

// forget deletes a record.
func (a *Alerter) forget(key string) { a.write(key, func() ([]byte, error) { return nil, nil }) }

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
		a.forget(alertPrefix + s.Fingerprint.String())
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
