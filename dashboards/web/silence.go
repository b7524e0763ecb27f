package web

import (
	"cmp"
	"encoding/json"
	"time"
)

// Silence is one silence as the page shows it.
type Silence struct {
	ID string
	// State is active, pending or expired. One whose schedule is at rest is pending.
	State string
	// Matchers are written as in Alertmanager: severity="critical", service=~"a|b".
	Matchers         []string
	StartsAt, EndsAt time.Time
	// By is who silences, Comment why.
	By, Comment string
	// Schedule is a cron expression in the time zone Location ("" is UTC), Each how long it mutes from each of its times
	// on. Without one it mutes all the time.
	Schedule, Location string
	Each               time.Duration
	// Next is when it next begins or ends to mute, zero when it does not.
	Next time.Time
	// Alerts is the number of alerts that it mutes now.
	Alerts int
}

// MarshalJSON writes durations in seconds.
func (s Silence) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID       string    `json:"id"`
		State    string    `json:"state"`
		Matchers []string  `json:"matchers"`
		StartsAt time.Time `json:"starts_at"`
		EndsAt   time.Time `json:"ends_at"`
		By       string    `json:"by,omitempty"`
		Comment  string    `json:"comment,omitempty"`
		Schedule string    `json:"schedule,omitempty"`
		Location string    `json:"location,omitempty"`
		Each     float64   `json:"each_seconds,omitempty"`
		Next     time.Time `json:"next,omitzero"`
		Alerts   int       `json:"alerts"`
	}{
		s.ID, s.State, append([]string{}, s.Matchers...), s.StartsAt, s.EndsAt, s.By, s.Comment, s.Schedule, s.Location,
		s.Each.Seconds(), s.Next, s.Alerts,
	})
}

// compareSilences orders the page: active, pending, expired; those that end first, the expired ones that ended last, first.
func compareSilences(a, b Silence) int {
	rank := map[string]int{"active": 0, "pending": 1, "expired": 2}
	sign := 1
	if a.State == "expired" {
		sign = -1
	}
	return cmp.Or(cmp.Compare(rank[a.State], rank[b.State]), sign*a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.ID, b.ID))
}
