package alert

import "time"

// Active says whether the silence mutes at a time.
func (s *Silence) Active(now time.Time) bool {
	if now.Before(s.StartsAt) || !now.Before(s.EndsAt) {
		return false
	}
	if s.cron == nil {
		return true
	}
	began := s.occurrence(now.Add(-s.Duration))
	return !began.IsZero() && !began.After(now)
}

// Next returns when Active changes next after a time, zero when it does not.
func (s *Silence) Next(now time.Time) time.Time {
	if !now.Before(s.EndsAt) {
		return time.Time{}
	}
	if now.Before(s.StartsAt) {
		return s.StartsAt
	}
	if s.cron == nil {
		return s.EndsAt
	}
	next := s.EndsAt
	consider := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	began := s.occurrence(now.Add(-s.Duration))
	consider(began)
	consider(began.Add(s.Duration))
	return next
}

// occurrence returns the schedule's next time after a time, zero when there is none. A time that the change of clocks leaves out
// is as much later as the clocks go forward, where the cron library would skip it.
func (s *Silence) occurrence(after time.Time) time.Time {
	next := s.cron.Next(after.In(s.location))
	for wall := onClock(after.In(s.location)).Add(-longestGap); ; {
		wall = s.cron.Next(wall)
		if wall.IsZero() {
			return next
		}
		at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, s.location)
		switch {
		case !next.IsZero() && !at.Before(next):
			return next
		case at.After(after) && !onClock(at).Equal(wall):
			return at
		}
	}
}

// longestGap is longer than any change of clocks.
const longestGap = 3 * time.Hour

// onClock is what a clock on the wall shows at a time, as if it were UTC.
func onClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}
