package alert

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// routing are the labels that lead an alert that fires, or did last, to its groups.
func (s *state) routing() label.Set {
	if len(s.RoutedBy) > 0 {
		return s.RoutedBy
	}
	return s.Firing.Labels
}

// compare says what a firing of an alert that fires makes of its severity: again as bad as it has been, after it was less so, or
// worse than ever in this incident.
func (s *state) compare(f *finding.Finding) (again, worst bool) {
	rank := func(set label.Set) int { return label.SeverityRank(set.Get(label.Severity)) }
	is, most := rank(f.Labels), rank(s.routing())
	return is == most && is > rank(s.Firing.Labels), is > most
}

// raise makes the incident another one, as whoever was told of it must hear of that as of something new.
func (s *state) raise(f *finding.Finding, again bool, now time.Time) {
	s.past()
	s.Incident = newIncident(f) ^ incident(xxhash.Sum64String(f.ID))
	s.Raised, s.Again, s.RaisedAt = true, again, now
	s.RoutedBy, s.Uninhibited, s.Free = nil, time.Time{}, 0
}

// past makes the incident an earlier one, and forgets those that nobody was told of.
func (s *state) past() {
	first, all := len(s.Earlier)-s.Raises, append(s.Earlier, s.Incident)
	s.Earlier, s.Raises = nil, 0
	for n, i := range all {
		if !slices.ContainsFunc(s.groups, func(g *group) bool { return g.knows(i) }) {
			continue
		}
		s.Earlier = append(s.Earlier, i)
		if n >= first {
			s.Raises++
		}
	}
}

// firesAmong says whether it fires as part of a set, in whatever severity.
func (s *state) firesAmong(set incidents) bool {
	raised := s.Earlier[len(s.Earlier)-s.Raises:]
	return s.fires() && (set.has(s.Incident) || slices.ContainsFunc(raised, set.has))
}
