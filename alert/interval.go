package alert

import (
	"slices"
	"strings"
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

// mutedAt says by which of its intervals the route is muted at a time, "" when by none.
func (r *Route) mutedAt(intervals map[string][]timeinterval.TimeInterval, at time.Time) string {
	if names := r.MutedBy(intervals, at); len(names) > 0 {
		return "within mute_time_intervals " + strings.Join(names, ", ")
	}
	if r.Inactive(intervals, at) {
		return "outside active_time_intervals " + strings.Join(r.ActiveIntervals, ", ")
	}
	return ""
}
