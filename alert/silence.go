package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/robfig/cron/v3"

	"github.com/freshet-dev/freshet/rules/label"
)

// Silence mutes the alerts that all of its matchers match, from StartsAt to EndsAt. With a Schedule it does so only for
// Duration from each of the schedule's times on.
type Silence struct {
	ID string `json:"id"`
	// Matchers are written as in Alertmanager: severity="critical", service=~"a|b".
	Matchers  []string  `json:"matchers"`
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
	UpdatedAt time.Time `json:"updated_at"`
	CreatedBy string    `json:"created_by"`
	Comment   string    `json:"comment"`
	// Schedule is a cron expression of five fields, as in "0 2 * * 0", in the time zone Location (by default UTC).
	Schedule string        `json:"schedule,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Location string        `json:"location,omitempty"`

	matchers labels.Matchers
	cron     cron.Schedule
	location *time.Location
}

// Validate checks the silence and makes it ready for use.
func (s *Silence) Validate() error {
	s.matchers = nil
	for _, text := range s.Matchers {
		ms, err := ParseMatchers(text)
		if err != nil {
			return fmt.Errorf("%q is no matcher: write name=\"value\", or !=, =~, !~: %w", text, err)
		}
		s.matchers = append(s.matchers, ms...)
	}
	switch {
	case len(s.matchers) == 0:
		return errors.New("matchers are missing: expected at least one, as in alertname=\"ErrorSpike\"")
	case !slices.ContainsFunc(s.matchers, func(m *labels.Matcher) bool { return !m.Matches("") }):
		return errors.New("all matchers match an alert without the label: expected at least one that does not, so that not every alert is silenced by mistake")
	case s.StartsAt.IsZero():
		return errors.New("starts_at is missing")
	case !s.EndsAt.After(s.StartsAt):
		return errors.New("ends_at: expected a time after starts_at")
	}
	return s.validateSchedule()
}

func (s *Silence) validateSchedule() (err error) {
	s.location = time.UTC
	if s.Location != "" {
		if s.location, err = time.LoadLocation(s.Location); err != nil {
			return fmt.Errorf("location: expected a time zone such as Europe/Berlin: %w", err)
		}
	}
	if s.Schedule == "" {
		if s.Duration != 0 || s.Location != "" {
			return errors.New("schedule is missing: duration and location are about it")
		}
		return nil
	}
	if s.Duration <= 0 {
		return errors.New("duration is missing: how long each time of the schedule lasts, as in 2h")
	}
	if strings.Contains(s.Schedule, "=") || strings.HasPrefix(s.Schedule, "@every") {
		return fmt.Errorf("schedule: %q is not taken: expected five cron fields such as \"0 2 * * 0\", and the time zone in location", s.Schedule)
	}
	if s.cron, err = cron.ParseStandard(s.Schedule); err != nil {
		return fmt.Errorf("schedule: expected five cron fields such as \"0 2 * * 0\" (minute, hour, day of month, month, day of week): %w", err)
	}
	return nil
}

// Parsed returns the matchers of a silence that Validate has seen.
func (s *Silence) Parsed() labels.Matchers { return s.matchers }

// Matches says whether the silence is about an alert with these labels.
func (s *Silence) Matches(set label.Set) bool {
	for _, m := range s.matchers {
		if !m.Matches(set.Get(m.Name)) {
			return false
		}
	}
	return true
}
