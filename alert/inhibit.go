package alert

import (
	"cmp"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/rules/label"
)

// inhibitor knows the alerts that fire by what inhibit rules look at. A rule costs what changes by an alert: thousands that
// mute thousands cost no more than the first that begins to mute and the last that ends.
type inhibitor struct {
	rules []inhibitIndex
}

type inhibitIndex struct {
	InhibitRule
	// by the values of the Equal labels.
	by map[string]*inhibitSides
}

// inhibitSides are the alerts of one rule whose Equal labels agree. Those that are both source and target are muted by pure
// sources only.
type inhibitSides struct {
	sources, pureSources, targets, both roll
}

func newInhibitor(rules []InhibitRule) *inhibitor {
	i := &inhibitor{rules: make([]inhibitIndex, len(rules))}
	for n, r := range rules {
		i.rules[n] = inhibitIndex{r, map[string]*inhibitSides{}}
	}
	return i
}

// inhibition is why an alert is inhibited: by which alert and which rule.
type inhibition struct {
	By   label.Fingerprint
	Rule string
}

// add takes in an alert that began to fire and returns the alerts for which that may have changed whether they are inhibited.
func (i *inhibitor) add(s *state, set label.Set) (affected []*state) {
	for n := range i.rules {
		r := &i.rules[n]
		source, target := r.MatchesSource(set), r.MatchesTarget(set)
		if !source && !target {
			continue
		}
		key := r.key(set)
		sides := r.by[key]
		if sides == nil {
			sides = new(inhibitSides)
			r.by[key] = sides
		}
		switch {
		case source && target:
			sides.both.add(s)
		case target:
			sides.targets.add(s)
		default:
			if sides.pureSources.add(s); len(sides.pureSources) == 1 {
				affected = append(affected, sides.both...)
			}
		}
		if source {
			if sides.sources.add(s); len(sides.sources) == 1 {
				affected = append(affected, sides.targets...)
			}
		}
	}
	return affected
}

// remove forgets an alert as it was added and returns the alerts for which that may have changed whether they are inhibited.
func (i *inhibitor) remove(s *state, set label.Set) (affected []*state) {
	for n := range i.rules {
		r := &i.rules[n]
		key := r.key(set)
		sides := r.by[key]
		if sides == nil {
			continue
		}
		sides.targets.remove(s)
		sides.both.remove(s)
		if sides.sources.remove(s) && len(sides.sources) == 0 {
			affected = append(affected, sides.targets...)
		}
		if sides.pureSources.remove(s) && len(sides.pureSources) == 0 {
			affected = append(affected, sides.both...)
		}
		if len(sides.sources)+len(sides.targets)+len(sides.both) == 0 {
			delete(r.by, key)
		}
	}
	return affected
}

// of returns what inhibits an alert with these labels: one source of each rule that has any, as Alertmanager names one.
func (i *inhibitor) of(set label.Set) (out []inhibition) {
	for n := range i.rules {
		r := &i.rules[n]
		if !r.MatchesTarget(set) {
			continue
		}
		sides := r.by[r.key(set)]
		if sides == nil {
			continue
		}
		sources := sides.sources
		if r.MatchesSource(set) {
			sources = sides.pureSources
		}
		if len(sources) > 0 {
			out = append(out, inhibition{sources[0].Fingerprint, r.Name})
		}
	}
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

// roll is a set of alerts in the order of their fingerprints.
type roll []*state

func (r roll) find(s *state) (at int, there bool) {
	return slices.BinarySearchFunc(r, s, func(x, y *state) int { return cmp.Compare(x.Fingerprint, y.Fingerprint) })
}

func (r *roll) add(s *state) {
	if at, there := r.find(s); there {
		(*r)[at] = s
	} else {
		*r = slices.Insert(*r, at, s)
	}
}

func (r *roll) remove(s *state) bool {
	at, there := r.find(s)
	if there {
		*r = slices.Delete(*r, at, at+1)
	}
	return there
}
