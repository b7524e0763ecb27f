package detect

import (
	"math"
	"strings"

	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
)

// maxServices bounds the services that records are counted by; the rest counts as OtherServices.
const maxServices = 100

// OtherServices stands for the services beyond the first hundred.
const OtherServices = "(other)"

// AccumulatorStats is what an Accumulator has counted since it was made.
type AccumulatorStats struct {
	// Records is how many were read, Signals the same by signal.
	Records uint64
	Signals map[ingest.Signal]uint64
	// Services counts the records by service.name ("" where there is none): that of the first of those of one resource.
	Services map[string]uint64
	// Late counts records that came too late for at least one rule, Ahead those whose clock was ahead, by service.name
	// too.
	Late, Ahead map[string]uint64
	// Rules has one entry per rule that reads this partition's topic.
	Rules []RuleStats
	// Groups is how many groups are held.
	Groups int
	// Reached (Unix nanoseconds) is how far the partition has been read by the clock that its rules go by, which is event
	// time for want of rules, or else by the one that is behind; 0 before the first record or idle time.
	Reached int64
}

// RuleStats is what one rule has made of the records of a partition.
type RuleStats struct {
	Rule, Group string
	// ID is the rule's.
	ID uint64
	// Selected records passed the rule's `where`. Of those that an aggregate takes, Matched were counted in a pane,
	// Unmatched lack a `by` value, Late came too late.
	Selected, Matched, Unmatched, Late uint64
}

// Stats returns the counts; the maps are the caller's.
func (a *Accumulator) Stats() AccumulatorStats {
	s := AccumulatorStats{
		Signals: map[ingest.Signal]uint64{}, Services: a.stats.services.clone(), Late: a.stats.late.clone(), Ahead: a.stats.ahead.clone(),
	}
	for _, t := range a.tallies {
		for _, r := range t.rules {
			s.Rules = append(s.Rules, RuleStats{r.Name, r.Group, r.ID, t.selected, t.matched, t.unmatched, t.late})
		}
		s.Groups += len(t.groups)
	}
	for signal, n := range a.stats.records {
		if s.Records += n; n > 0 {
			s.Signals[ingest.Signal(signal)] = n
		}
	}
	s.Reached = a.slowest()
	return s
}

// slowest returns the least time reached by a clock that rules go by.
func (a *Accumulator) slowest() int64 {
	least := int64(0)
	for c := range a.clocks {
		if t := a.reached(window.Clock(c)); a.clocks[c].needed && t != math.MinInt64 && (least == 0 || t < least) {
			least = t
		}
	}
	return least
}

type accumulatorStats struct {
	records               [signals]uint64
	services, late, ahead serviceCounts
}

func newAccumulatorStats() accumulatorStats {
	return accumulatorStats{services: serviceCounts{}, late: serviceCounts{}, ahead: serviceCounts{}}
}

// serve counts the records of a message by service. To look at one record of each resource costs next to nothing.
func (s *accumulatorStats) serve(records []ingest.Record) {
	for i := 0; i < len(records); {
		n := 1
		for i+n < len(records) && records[i+n].Resource == records[i].Resource {
			n++
		}
		s.services.add(&records[i], uint64(n))
		i += n
	}
}

// serviceCounts counts records by service. The numbers stand behind pointers, because adding to one that is in the map
// itself would put the name in hand in place of its key: a part of the message, all of whose fetch would be kept.
type serviceCounts map[string]*uint64

func (c serviceCounts) add(r *ingest.Record, n uint64) {
	name := cut(r.Lookup("service.name").Text(), maxKeyText)
	count := c[name]
	if count == nil && len(c) >= maxServices {
		name = OtherServices
		count = c[name]
	}
	if count == nil {
		count = new(uint64)
		c[strings.Clone(name)] = count
	}
	*count += n
}

func (c serviceCounts) clone() map[string]uint64 {
	out := make(map[string]uint64, len(c))
	for name, n := range c {
		out[name] = *n
	}
	return out
}
