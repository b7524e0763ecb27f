package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxStatistics bounds the rules that are counted: alerts that others post may have any name.
const maxStatistics = 10_000

// Statistics are what became of the alerts of one rule.
type Statistics struct {
	Rule  string    `json:"rule"`
	Since time.Time `json:"since"`
	// Last is when one last fired.
	Last time.Time `json:"last"`
	// Fired counts incidents, Flapped those that flapped, Acknowledged and Noise those that people said it of, Notified
	// those that somebody was told of.
	Fired        int64 `json:"fired"`
	Flapped      int64 `json:"flapped"`
	Acknowledged int64 `json:"acknowledged"`
	Noise        int64 `json:"noise"`
	Notified     int64 `json:"notified"`
}

// statisticsOf changes the statistics of an alert's rule.
func (a *Alerter) statisticsOf(s *state, now time.Time, change func(*Statistics)) {
	f := s.shown()
	if f == nil {
		return
	}
	st := a.statistics[f.Rule]
	if st == nil {
		if len(a.statistics) >= maxStatistics {
			a.forgetStatistics()
		}
		st = &Statistics{Rule: f.Rule, Since: now}
		a.statistics[f.Rule] = st
	}
	change(st)
	a.write(statisticsPrefix+f.Rule, func() ([]byte, error) { return json.Marshal(st) })
}

// forgetStatistics forgets those of the rules that have not fired for longest: several at once, as looking for them costs.
func (a *Alerter) forgetStatistics() {
	all := slices.SortedFunc(maps.Values(a.statistics), func(x, y *Statistics) int {
		return cmp.Or(x.Last.Compare(y.Last), strings.Compare(x.Rule, y.Rule))
	})
	for _, st := range all[:maxStatistics/100] {
		delete(a.statistics, st.Rule)
		a.forget(statisticsPrefix + st.Rule)
	}
}

// Statistics returns what became of the alerts of each rule, those that fired most first.
func (a *Alerter) Statistics() []Statistics {
	out := make([]Statistics, 0, len(a.statistics))
	for _, rule := range slices.Sorted(maps.Keys(a.statistics)) {
		out = append(out, *a.statistics[rule])
	}
	slices.SortStableFunc(out, func(x, y Statistics) int { return cmp.Compare(y.Fired, x.Fired) })
	return out
}

func decodeStatistics(key string, value []byte) (*Statistics, error) {
	s := new(Statistics)
	if err := json.Unmarshal(value, s); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	if s.Rule != strings.TrimPrefix(key, statisticsPrefix) {
		return nil, fmt.Errorf("decoding %s: it holds rule %q", key, s.Rule)
	}
	return s, nil
}
