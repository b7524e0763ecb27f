package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Change is a record to keep; a nil Value deletes the key.
type Change struct{ Key, Value []byte }

// ErrState is wrapped by the errors of Restore.
var ErrState = errors.New("health: state cannot be read")

// Changes returns what is to be kept, as far as it is urgent or has waited for long. It belongs into one transaction
// with the findings of the ticks before it.
func (j *Judge) Changes(now time.Time) ([]Change, error) {
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(j.deleted)) {
		if j.deleted[key] {
			changes = append(changes, Change{Key: []byte(key)})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(j.subjects)) {
		s := j.subjects[key]
		if !s.urgent && (!s.changed || now.Sub(s.saved) < saveEvery) {
			continue
		}
		value, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("encoding what is known of %q: %w", key, err)
		}
		changes = append(changes, Change{Key: []byte(key), Value: value})
		s.saved, s.changed, s.urgent, s.stored = now, false, false, true
	}
	clear(j.deleted)
	return changes, nil
}

// Restore takes one record that was kept, in any order; a later one of a key replaces an earlier one, and an empty value
// removes it. After an error the others can still be restored.
func (j *Judge) Restore(key, value []byte) error {
	if len(value) == 0 {
		delete(j.subjects, string(key))
		return nil
	}
	s := new(subject)
	if err := json.Unmarshal(value, s); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrState, key, err)
	}
	s.key = subjectKey(s.Kind, s.About, s.Service)
	if s.Kind.alert() == "" || s.key != string(key) {
		return fmt.Errorf("%w: %q is about %q", ErrState, key, s.key)
	}
	s.track()
	s.stored = true
	if s.Match != nil {
		s.Match.idle = sending
	}
	j.subjects[s.key] = s
	return nil
}
