package alert

import (
	"slices"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
)

// Intervals returns the named time intervals.
func (c *Config) Intervals() map[string][]timeinterval.TimeInterval {
	out := map[string][]timeinterval.TimeInterval{}
	for _, named := range slices.Concat(c.TimeIntervals, c.MuteTimeIntervals) {
		out[named.Name] = append(out[named.Name], named.TimeIntervals...)
	}
	return out
}

// MutedBy returns those of the route's MuteIntervals that a time lies in.
func (r *Route) MutedBy(intervals map[string][]timeinterval.TimeInterval, at time.Time) []string {
	return within(r.MuteIntervals, intervals, at)
}

// Inactive says whether the route has ActiveIntervals and a time lies in none of them.
func (r *Route) Inactive(intervals map[string][]timeinterval.TimeInterval, at time.Time) bool {
	return len(r.ActiveIntervals) > 0 && len(within(r.ActiveIntervals, intervals, at)) == 0
}

func within(names []string, intervals map[string][]timeinterval.TimeInterval, at time.Time) []string {
	var out []string
	for _, name := range names {
		if slices.ContainsFunc(intervals[name], func(i timeinterval.TimeInterval) bool { return i.ContainsTime(at.UTC()) }) {
			out = append(out, name)
		}
	}
	return out
}
