package alert

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// maxBegins bounds the times at which an alert began to fire that are remembered.
const maxBegins = 20

// DefaultFlapping is what FlappingConfig is by default.
func DefaultFlapping() FlappingConfig {
	return FlappingConfig{Count: 5, Window: 30 * time.Minute, Calm: 10 * time.Minute}
}

// began notes that the alert began to fire, in event time.
func (s *state) began(f *finding.Finding, c FlappingConfig) {
	if c.Count <= 0 {
		return
	}
	oldest := f.WindowEnd.Add(-c.Window)
	s.Begins = slices.DeleteFunc(append(s.Begins, f.WindowEnd), func(t time.Time) bool { return t.Before(oldest) })
	if more := len(s.Begins) - max(maxBegins, c.Count); more > 0 {
		s.Begins = slices.Delete(s.Begins, 0, more)
	}
}

// flaps says whether the alert began to fire so often, as of a time in event time, that its next end does not count at once.
func (s *state) flaps(c FlappingConfig, asOf time.Time) bool {
	return c.Count > 0 && s.beginsWithin(c.Window, asOf) >= c.Count
}

func (s *state) beginsWithin(window time.Duration, asOf time.Time) (n int) {
	oldest := asOf.Add(-window)
	for _, t := range s.Begins {
		if !t.Before(oldest) {
			n++
		}
	}
	return n
}

// flapped is how often the alert began to fire within the window if it flaps, else 0, as of the newest that is known of it.
func (s *state) flapped(c FlappingConfig) int {
	var asOf time.Time
	for _, f := range []*finding.Finding{s.Firing, s.Now, s.Held, s.Resolved} {
		if f != nil {
			asOf = later(asOf, f.WindowEnd)
		}
	}
	if !s.flaps(c, asOf) {
		return 0
	}
	return s.beginsWithin(c.Window, asOf)
}

func (s *state) flapText(c FlappingConfig) string {
	return fmt.Sprintf("it began to fire %d times within %s: its end counts when it has stayed calm for %s",
		s.flapped(c), FormatDuration(c.Window), FormatDuration(c.Calm))
}

// calm ends the incidents of alerts that flapped and have stayed calm for long enough.
func (a *Alerter) calm(now time.Time) {
	if a.calmAt.IsZero() || a.calmAt.After(now) {
		return
	}
	a.calmAt = time.Time{}
	for _, fp := range slices.Sorted(maps.Keys(a.held)) {
		s := a.held[fp]
		switch {
		case s.Held == nil:
			delete(a.held, fp)
		case s.Calm.After(now):
			a.hold(s)
		default:
			delete(a.held, fp)
			a.finish(s, s.Held, now)
		}
	}
}

// finish ends the incident of an alert that fires.
func (a *Alerter) finish(s *state, f *finding.Finding, now time.Time) {
	a.count(s, -1)
	labels := s.Firing.Labels
	s.end(f, now)
	s.Updated = now
	a.count(s, +1)
	a.ended(s, now)
	a.follow(s, true, labels, now)
	a.writeAlert(s)
	for _, g := range s.groups {
		a.touch(g)
	}
}

// hold has the alert looked at when it has stayed calm.
func (a *Alerter) hold(s *state) {
	a.held[s.Fingerprint] = s
	if a.calmAt.IsZero() || s.Calm.Before(a.calmAt) {
		a.calmAt = s.Calm
	}
}
