package config

import (
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/detect/health"
)

// Health says how long each trouble of freshet's own must last until it is an alert. 0s never tells it.
type Health struct {
	// Enabled false tells none of them.
	Enabled            bool          `yaml:"enabled"`
	Behind             time.Duration `yaml:"behind"`
	SourceStopped      time.Duration `yaml:"source_stopped"`
	Undecodable        time.Duration `yaml:"undecodable"`
	LateRecords        time.Duration `yaml:"late_records"`
	ClockAhead         time.Duration `yaml:"clock_ahead"`
	RuleMatchesNothing time.Duration `yaml:"rule_matches_nothing"`
}

// DefaultHealth is that of an empty file.
func DefaultHealth() Health {
	l := health.DefaultLimits()
	return Health{
		Enabled: true, Behind: l.Behind, SourceStopped: l.SourceStopped, Undecodable: l.Undecodable,
		LateRecords: l.Late, ClockAhead: l.ClockAhead, RuleMatchesNothing: l.RuleMatchesNothing,
	}
}

// Limits returns the limits as the judge takes them.
func (h Health) Limits() health.Limits {
	if !h.Enabled {
		return health.Limits{}
	}
	return health.Limits{
		Behind: h.Behind, SourceStopped: h.SourceStopped, Undecodable: h.Undecodable,
		Late: h.LateRecords, ClockAhead: h.ClockAhead, RuleMatchesNothing: h.RuleMatchesNothing,
	}
}

// leastHealth is the shortest time that can be judged: partitions report every few seconds.
const leastHealth = 2 * health.Interval

func (h Health) faults() []Fault {
	var out []Fault
	for _, k := range []struct {
		key   string
		value time.Duration
	}{
		{"behind", h.Behind}, {"source_stopped", h.SourceStopped}, {"undecodable", h.Undecodable},
		{"late_records", h.LateRecords}, {"clock_ahead", h.ClockAhead}, {"rule_matches_nothing", h.RuleMatchesNothing},
	} {
		if k.value != 0 && k.value < leastHealth {
			out = append(out, Fault{Path: "health." + k.key, Hint: "0s switches it off",
				Message: fmt.Sprintf("expected 0s or at least %s, found %s", leastHealth, k.value)})
		}
	}
	return out
}
