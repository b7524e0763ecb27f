package alert

import (
	"slices"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/rules/label"
)

// InhibitRule mutes the alerts that Target matches while one fires that Source matches and whose Equal labels have the
// same values. A label that both leave out is equal.
type InhibitRule struct {
	// Name is what the configuration calls the rule, else its place: inhibit_rules[0].
	Name           string
	Source, Target labels.Matchers
	Equal          []string
}

// MatchesSource says whether an alert may mute others.
func (r *InhibitRule) MatchesSource(s label.Set) bool { return matches(r.Source, s) }

// MatchesTarget says whether an alert may be muted.
func (r *InhibitRule) MatchesTarget(s label.Set) bool { return matches(r.Target, s) }

// Inhibits says whether an alert that fires mutes another one. Alerts that are both source and target mute none that are
// both, so that none mutes itself.
func (r *InhibitRule) Inhibits(source, target label.Set) bool {
	return r.MatchesTarget(target) && r.MatchesSource(source) &&
		(!r.MatchesSource(target) || !r.MatchesTarget(source)) &&
		!slices.ContainsFunc(r.Equal, func(name string) bool { return source.Get(name) != target.Get(name) })
}

// Inhibitions returns the inhibit rules. The configuration was validated; a matcher that does not parse is skipped.
func (c *Config) Inhibitions() []InhibitRule {
	var out []InhibitRule
	for i := range c.InhibitRules {
		r := &c.InhibitRules[i]
		rule := InhibitRule{Name: r.Name, Equal: slices.Compact(slices.Sorted(slices.Values(r.Equal)))}
		if rule.Name == "" {
			rule.Name = "inhibit_rules[" + itoa(i) + "]"
		}
		rule.Source = r.source().matchers()
		rule.Target = r.target().matchers()
		out = append(out, rule)
	}
	return out
}

func (r *InhibitRuleConfig) source() match {
	return match{r.SourceMatchers, r.SourceMatch, r.SourceMatchRE}
}
func (r *InhibitRuleConfig) target() match {
	return match{r.TargetMatchers, r.TargetMatch, r.TargetMatchRE}
}
