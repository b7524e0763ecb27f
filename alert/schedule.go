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
func (s *Silence) occurrence(after time.Time) (next time.Time) {
	for wall := onClock(after.In(s.location)).Add(-longestGap); ; {
		if wall = s.cron.Next(wall); wall.IsZero() {
			return next
		}
		first, again := s.instants(wall)
		if !next.IsZero() && first.After(next.Add(longestGap)) {
			return next
		}
		for _, at := range []time.Time{first, again} {
			if at.After(after) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
}

// instants are when a clock shows a time: twice when clocks go back, and where the change leaves it out as much later.
func (s *Silence) instants(wall time.Time) (first, again time.Time) {
	offset := func(at time.Time) time.Duration {
		_, o := at.In(s.location).Zone()
		return time.Duration(o) * time.Second
	}
	first, again = wall.Add(-offset(wall.Add(-24*time.Hour))), wall.Add(-offset(wall.Add(24*time.Hour)))
	if again.Before(first) { // clocks go forward: one of both shows the time, or none does
		if onClock(again.In(s.location)).Equal(wall) {
			return again, again
		}
		return first, first
	}
	if !onClock(again.In(s.location)).Equal(wall) {
		again = first
	}
	if !onClock(first.In(s.location)).Equal(wall) {
		first = again
	}
	return first, again
}

// longestGap is longer than any change of clocks.
const longestGap = 3 * time.Hour

// onClock is what a clock on the wall shows at a time, as if it were UTC.
func onClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}
