package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/rules/label"
)

// inhibitor knows the alerts that fire by what inhibit rules look at, so that a rule costs what the alerts cost that have
// the same Equal labels, and not what all do.
type inhibitor struct {
	rules []inhibitIndex
}

type inhibitIndex struct {
	InhibitRule
	// sources and targets are by the values of the Equal labels.
	sources, targets map[string]map[label.Fingerprint]*state
}

func newInhibitor(rules []InhibitRule) *inhibitor {
	i := &inhibitor{rules: make([]inhibitIndex, len(rules))}
	for n, r := range rules {
		i.rules[n] = inhibitIndex{r, map[string]map[label.Fingerprint]*state{}, map[string]map[label.Fingerprint]*state{}}
	}
	return i
}

// inhibition is why an alert is inhibited: by which alert and which rule.
type inhibition struct {
	By   label.Fingerprint
	Rule string
}

// add takes in an alert that began to fire and returns the alerts that it may inhibit.
func (i *inhibitor) add(s *state, set label.Set) (affected []*state) {
	for n := range i.rules {
		r := &i.rules[n]
		key := r.key(set)
		if r.MatchesTarget(set) {
			put(r.targets, key, s)
		}
		if r.MatchesSource(set) {
			put(r.sources, key, s)
			affected = append(affected, slices.Collect(maps.Values(r.targets[key]))...)
		}
	}
	return affected
}

// remove forgets an alert as it was added and returns the alerts that it may have inhibited.
func (i *inhibitor) remove(s *state, set label.Set) (affected []*state) {
	for n := range i.rules {
		r := &i.rules[n]
		key := r.key(set)
		take(r.targets, key, s)
		if r.MatchesSource(set) {
			take(r.sources, key, s)
			affected = append(affected, slices.Collect(maps.Values(r.targets[key]))...)
		}
	}
	return affected
}

// of returns what inhibits an alert with these labels, in an order that does not change.
func (i *inhibitor) of(fp label.Fingerprint, set label.Set) []inhibition {
	var out []inhibition
	for n := range i.rules {
		r := &i.rules[n]
		if !r.MatchesTarget(set) {
			continue
		}
		for _, source := range r.sources[r.key(set)] {
			if source.Fingerprint != fp && r.Inhibits(source.Firing.Labels, set) {
				out = append(out, inhibition{source.Fingerprint, r.Name})
			}
		}
	}
	slices.SortFunc(out, func(a, b inhibition) int { return cmp.Or(cmp.Compare(a.By, b.By), strings.Compare(a.Rule, b.Rule)) })
	return out
}

func (r *inhibitIndex) key(set label.Set) string {
	if len(r.Equal) == 0 {
		return ""
	}
	var b strings.Builder
	for _, name := range r.Equal {
		b.WriteString(set.Get(name))
		b.WriteByte(0xff)
	}
	return b.String()
}

func put(m map[string]map[label.Fingerprint]*state, key string, s *state) {
	if m[key] == nil {
		m[key] = map[label.Fingerprint]*state{}
	}
	m[key][s.Fingerprint] = s
}

func take(m map[string]map[label.Fingerprint]*state, key string, s *state) {
	delete(m[key], s.Fingerprint)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}
