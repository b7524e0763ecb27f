package alert

import (
	"slices"
	"testing"
	"time"
)

// TestScheduleWhereClocksChange tries recurring silences around the days on which clocks go forward or back, by half an hour, an
// hour, and a whole day that was left out.
func TestScheduleWhereClocksChange(t *testing.T) {
	for _, tc := range []struct {
		location, schedule, from, to string
		begins                       []string
	}{
		{"America/New_York", "30 2 * * *", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z", []string{"08 03:30 EDT", "09 02:30 EDT"}},
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", []string{"29 03:30 CEST", "30 02:30 CEST"}},
		{"Europe/Berlin", "0 5 * * *", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", []string{"25 05:00 CET", "26 05:00 CET"}},
		{"Australia/Lord_Howe", "0 2 * * *", "2026-10-03T00:00:00Z", "2026-10-04T20:00:00Z", []string{"04 02:30 +11", "05 02:00 +11"}},
		{"Australia/Lord_Howe", "0 3 * * *", "2026-10-03T00:00:00Z", "2026-10-04T20:00:00Z", []string{"04 03:00 +11", "05 03:00 +11"}},
		{"Australia/Lord_Howe", "0 2 * * *", "2026-04-04T00:00:00Z", "2026-04-05T20:00:00Z", []string{"05 02:00 +1030", "06 02:00 +1030"}},
		{"America/Santiago", "0 0 * * *", "2026-09-05T12:00:00Z", "2026-09-07T12:00:00Z", []string{"06 01:00 -03", "07 00:00 -03"}},
		{"Pacific/Apia", "0 4 * * *", "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z", []string{"29 04:00 -10", "31 04:00 +14"}},
	} {
		s := &Silence{ID: "s", Matchers: []string{`name="a"`}, Schedule: tc.schedule, Duration: time.Hour, Location: tc.location}
		for text, to := range map[string]*time.Time{tc.from: &s.StartsAt, tc.to: &s.EndsAt} {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			*to = at
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		var begins []string
		for at := s.StartsAt; at.Before(s.EndsAt); at = at.Add(time.Minute) {
			is, was := s.Active(at), s.Active(at.Add(-time.Minute))
			if is && !was {
				begins = append(begins, at.In(s.location).Format("02 15:04 MST"))
			}
			if next := s.Next(at.Add(-time.Minute)); is != was && !next.Equal(at) {
				t.Errorf("%s %s: at %s it changes, and Next said %s", tc.location, tc.schedule, at, next)
			}
		}
		if !slices.Equal(begins, tc.begins) {
			t.Errorf("%s %s: it begins at %q, expected %q", tc.location, tc.schedule, begins, tc.begins)
		}
	}
}
