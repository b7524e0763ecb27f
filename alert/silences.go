package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// keepSilences is how long a silence is shown after its end.
	keepSilences = 5 * 24 * time.Hour
	// maxSilences bounds the silences that are held.
	maxSilences = 10_000
)

// ErrTooManySilences says that a silence was not taken because so many others are not over.
var ErrTooManySilences = fmt.Errorf("there are %d silences that are not over, and no more are held: expire some first", maxSilences)

// The states of a silence.
const (
	silenceActive  = "active"
	silencePending = "pending"
	silenceExpired = "expired"
)

// silences are those that are held, and when one of them next begins or ends to mute.
type silences struct {
	byID map[string]*Silence
	// active are those that mute now.
	active map[string]*Silence
	next   time.Time
}

func newSilences() *silences {
	return &silences{byID: map[string]*Silence{}, active: map[string]*Silence{}}
}

// of returns the IDs of the silences that mute an alert with these labels now, sorted.
func (s *silences) of(set label.Set) []string {
	var out []string
	for id, one := range s.active {
		if one.Matches(set) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// refresh notes which silences mute at a time, and returns those for which that changed.
func (s *silences) refresh(now time.Time) (changed []*Silence) {
	s.next = time.Time{}
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		if one := s.byID[id]; s.look(one, now) {
			changed = append(changed, one)
		}
	}
	return changed
}

// look notes whether one silence mutes at a time, and says whether that changed.
func (s *silences) look(one *Silence, now time.Time) (changed bool) {
	was := s.active[one.ID]
	switch is := one.Active(now); {
	case is && was != one:
		s.active[one.ID] = one
		changed = true
	case !is && was != nil:
		delete(s.active, one.ID)
		changed = true
	}
	if at := one.Next(now); !at.IsZero() && (s.next.IsZero() || at.Before(s.next)) {
		s.next = at
	}
	return changed
}

// expired returns the IDs of silences that need not be shown any longer.
func (s *silences) expired(now time.Time) (ids []string) {
	for id, one := range s.byID {
		if now.Sub(one.EndsAt) > keepSilences {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// state says how a silence stands: pending, active or expired, in Alertmanager's words. One whose schedule is at rest is
// pending.
func (s *Silence) state(now time.Time) string {
	switch {
	case !now.Before(s.EndsAt):
		return silenceExpired
	case s.Active(now):
		return silenceActive
	default:
		return silencePending
	}
}

// addSilence adds a silence, or replaces the one of its ID. It returns ErrTooManySilences when there is no room.
func (a *Alerter) addSilence(s *Silence, now time.Time) error {
	if a.silences.byID[s.ID] == nil && len(a.silences.byID) >= maxSilences {
		a.refreshSilences(now) // so that what is forgotten mutes nothing
		if !a.forgetExpired(now) {
			a.metrics.refused.Inc()
			return ErrTooManySilences
		}
	}
	a.putSilence(s, now)
	return nil
}

// putSilence holds a silence, and has the alerts follow it.
func (a *Alerter) putSilence(s *Silence, now time.Time) {
	a.silences.byID[s.ID] = s
	a.writeSilence(s)
	var changed []*Silence
	if before := a.silences.active[s.ID]; a.silences.look(s, now) {
		changed = append(changed, s)
		if before != nil { // which muted others, perhaps
			changed = append(changed, before)
		}
	}
	a.followSilences(changed, now)
}

// forgetExpired makes room for a silence: it forgets the one that has been over for longest, false if none is over.
func (a *Alerter) forgetExpired(now time.Time) bool {
	var oldest *Silence
	for _, s := range a.silences.byID {
		if !now.Before(s.EndsAt) && (oldest == nil || s.EndsAt.Before(oldest.EndsAt) || s.EndsAt.Equal(oldest.EndsAt) && s.ID < oldest.ID) {
			oldest = s
		}
	}
	if oldest == nil {
		return false
	}
	delete(a.silences.byID, oldest.ID)
	a.forget(silencePrefix + oldest.ID)
	return true
}

func (a *Alerter) expireSilence(id string, now time.Time) {
	s := a.silences.byID[id]
	if s == nil || !now.Before(s.EndsAt) {
		return
	}
	c := *s
	c.EndsAt, c.UpdatedAt = now, now
	if c.StartsAt.After(now) {
		c.StartsAt = now
	}
	a.putSilence(&c, now)
}

// refreshSilences has the alerts follow the silences that begin or end to mute.
func (a *Alerter) refreshSilences(now time.Time) {
	a.followSilences(a.silences.refresh(now), now)
}

func (a *Alerter) followSilences(changed []*Silence, now time.Time) {
	a.countSilences(now)
	if len(changed) == 0 {
		return
	}
	for _, fp := range slices.Sorted(maps.Keys(a.alerts)) {
		s := a.alerts[fp]
		if !s.fires() || !slices.ContainsFunc(changed, func(c *Silence) bool {
			return c.Matches(s.Firing.Labels) || slices.Contains(s.silencedBy, c.ID)
		}) {
			continue
		}
		a.mute(s, a.silences.of(s.Firing.Labels), now)
	}
}

func (a *Alerter) countSilences(now time.Time) {
	counts := map[string]float64{silenceActive: 0, silencePending: 0, silenceExpired: 0}
	for id, s := range a.silences.byID {
		switch {
		case a.silences.active[id] == s:
			counts[silenceActive]++
		case now.Before(s.EndsAt):
			counts[silencePending]++
		default:
			counts[silenceExpired]++
		}
	}
	for state, n := range counts {
		a.metrics.silences.WithLabelValues(state).Set(n)
	}
}

func (a *Alerter) pruneSilences(now time.Time) {
	for _, id := range a.silences.expired(now) {
		delete(a.silences.byID, id)
		a.forget(silencePrefix + id)
	}
	a.countSilences(now)
}

func (a *Alerter) writeSilence(s *Silence) {
	a.write(silencePrefix+s.ID, func() ([]byte, error) { return json.Marshal(s) })
}

func decodeSilence(key string, value []byte) (*Silence, error) {
	s := new(Silence)
	if err := json.Unmarshal(value, s); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	if s.ID != strings.TrimPrefix(key, silencePrefix) {
		return nil, fmt.Errorf("decoding %s: it holds silence %q", key, s.ID)
	}
	// An expired one may end when it begins, which is no reason to lose it.
	if err := s.Validate(); err != nil && s.EndsAt.After(s.StartsAt) {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	return s, nil
}

// SilenceView is a silence and how it stands.
type SilenceView struct {
	Silence
	// State is pending, active or expired.
	State string `json:"state"`
	// Next is when it next begins or ends to mute, zero when it does not.
	Next time.Time `json:"next,omitzero"`
	// Alerts are those that it mutes now.
	Alerts []label.Fingerprint `json:"alerts,omitempty"`
}

// Silences returns the silences, those that end last first.
func (a *Alerter) Silences(now time.Time) []SilenceView {
	out := make([]SilenceView, 0, len(a.silences.byID))
	muted := map[string][]label.Fingerprint{}
	for _, s := range a.alerts {
		for _, id := range s.silencedBy {
			muted[id] = append(muted[id], s.Fingerprint)
		}
	}
	for id, s := range a.silences.byID {
		slices.Sort(muted[id])
		out = append(out, SilenceView{Silence: *s, State: s.state(now), Next: s.Next(now), Alerts: muted[id]})
	}
	slices.SortFunc(out, func(x, y SilenceView) int {
		return cmp.Or(y.EndsAt.Compare(x.EndsAt), strings.Compare(x.ID, y.ID))
	})
	return out
}
