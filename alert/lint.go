package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/pkg/labels"
)

// Yield is what the alerts of a rule are like.
type Yield struct {
	// Labels are those that its alerts have, each with all the values that it can have; nil is any.
	Labels map[string][]string
}

// Lint returns what a valid configuration says and cannot mean: receivers that no route leads to, routes that no alert
// reaches, rules that never inhibit. Without yields it leaves out what is about the alerts that come.
func (c *Config) Lint(yields []Yield) []Fault {
	l := linter{yields: yields, used: map[string]bool{}}
	if c.Route != nil {
		l.route(c.Route, "route", nil)
	} else if len(c.Receivers) > 0 {
		l.used["receiver "+c.Receivers[0].Name] = true
	}
	for i := range c.InhibitRules {
		l.inhibit(&c.InhibitRules[i], fmt.Sprintf("inhibit_rules[%d]", i))
	}
	if c.Deadman != nil {
		l.used["receiver "+c.Deadman.Receiver] = true
	}
	c.Global.HTTPConfig.lint(&l, "global.http_config")
	for i, r := range c.Receivers {
		for j, s := range r.SlackConfigs {
			s.HTTPConfig.lint(&l, fmt.Sprintf("receivers[%d].slack_configs[%d].http_config", i, j))
		}
		for j, w := range r.WebhookConfigs {
			w.HTTPConfig.lint(&l, fmt.Sprintf("receivers[%d].webhook_configs[%d].http_config", i, j))
		}
		if !l.used["receiver "+r.Name] {
			l.add(fmt.Sprintf("receivers[%d].name", i), fmt.Sprintf("no route leads to the receiver %q", r.Name), "")
		}
	}
	l.intervals("time_intervals", c.TimeIntervals)
	l.intervals("mute_time_intervals", c.MuteTimeIntervals)
	return l.faults
}

func (l *linter) intervals(key string, list []TimeIntervalConfig) {
	for i, interval := range list {
		if !l.used["interval "+interval.Name] {
			l.add(fmt.Sprintf("%s[%d].name", key, i), fmt.Sprintf("no route names the time interval %q", interval.Name), "")
		}
	}
}

type linter struct {
	faults
	yields []Yield
	// used are the receivers and intervals that are named.
	used map[string]bool
}

func (l *linter) route(r *RouteConfig, path string, above labels.Matchers) {
	l.used["receiver "+r.Receiver] = true
	for _, name := range slices.Concat(r.MuteTimeIntervals, r.ActiveTimeIntervals) {
		l.used["interval "+name] = true
	}
	for i, name := range r.GroupBy {
		if name != "..." {
			l.known(fmt.Sprintf("%s.group_by[%d]", path, i), name)
		}
	}
	own := r.match().matchers()
	all := slices.Concat(above, own)
	before := len(l.faults)
	l.matchers(r.match(), path, "matchers", "match", "match_re")
	switch m := contradiction(all); {
	case m != "":
		l.add(path, "no alert reaches this route: none is both "+m, "")
	case len(l.faults) == before && len(own) > 0 && len(l.yields) > 0 && !slices.ContainsFunc(l.yields, func(y Yield) bool { return y.may(all) }):
		l.add(path, "no rule gives alerts that reach this route", "it is there for alerts that others post")
	}
	for i := range r.Routes {
		child := &r.Routes[i]
		at := fmt.Sprintf("%s.routes[%d]", path, i)
		for j := range i {
			if earlier := &r.Routes[j]; !earlier.Continue && implies(child.match().matchers(), earlier.match().matchers()) {
				l.add(at, fmt.Sprintf("no alert reaches this route: %s.routes[%d] takes all that it would", path, j),
					"put it first, or have that one continue: true")
				break
			}
		}
		l.route(child, at, all)
	}
}

func (l *linter) inhibit(r *InhibitRuleConfig, path string) {
	l.matchers(r.source(), path, "source_matchers", "source_match", "source_match_re")
	l.matchers(r.target(), path, "target_matchers", "target_match", "target_match_re")
	for i, name := range r.Equal {
		l.known(fmt.Sprintf("%s.equal[%d]", path, i), name)
	}
	source, target := r.source().matchers(), r.target().matchers()
	never := func(why string) { l.add(path, "this rule never inhibits: "+why, "") }
	switch {
	case contradiction(source) != "":
		never("no alert is both " + contradiction(source))
	case contradiction(target) != "":
		never("no alert is both " + contradiction(target))
	case implies(source, target) && implies(target, source):
		never("its sources are its targets, and alerts that are both do not inhibit each other")
	case len(target) == 0:
		l.add(path, "while a source fires, every other alert is inhibited, as the rule has no target matchers", "")
	case len(source) == 0:
		l.add(path, "every alert is a source, as the rule has no source matchers", "")
	}
	for _, name := range r.Equal {
		s, hasSource := only(source, name)
		t, hasTarget := only(target, name)
		if hasSource && hasTarget && s != t {
			never(fmt.Sprintf("%s must be equal, and it is %q for sources and %q for targets", name, s, t))
		}
	}
}

// matchers looks at each matcher where it stands.
func (l *linter) matchers(m match, path, texts, equal, like string) {
	for i, text := range m.texts {
		ms, _ := ParseMatchers(text) // a fault otherwise
		for _, one := range ms {
			l.matcher(fmt.Sprintf("%s.%s[%d]", path, texts, i), one)
		}
	}
	for _, spelling := range []struct {
		key   string
		kind  labels.MatchType
		pairs map[string]string
	}{{equal, labels.MatchEqual, m.equal}, {like, labels.MatchRegexp, m.like}} {
		for _, name := range sortedKeys(spelling.pairs) {
			if one, err := labels.NewMatcher(spelling.kind, name, spelling.pairs[name]); err == nil {
				l.matcher(path+"."+spelling.key+"."+name, one)
			}
		}
	}
}

func (l *linter) matcher(path string, m *labels.Matcher) {
	if !l.known(path, m.Name) {
		return
	}
	given := map[string]bool{}
	for _, y := range l.yields {
		values, has := y.Labels[m.Name]
		switch {
		case has && values == nil:
			return // any value may come
		case !has && m.Matches(""):
			return
		}
		for _, v := range values {
			if m.Matches(v) {
				return
			}
			given[v] = true
		}
	}
	if len(l.yields) > 0 {
		l.add(path, "no rule gives alerts that "+m.String()+" matches", "rules give "+m.Name+" as "+strings.Join(slices.Sorted(maps.Keys(given)), ", "))
	}
}

// known says whether any rule gives a label, and reports when none does.
func (l *linter) known(path, name string) bool {
	names := map[string]bool{}
	for _, y := range l.yields {
		for given := range y.Labels {
			names[given] = true
		}
	}
	if len(names) == 0 || names[name] {
		return true
	}
	message := fmt.Sprintf("no rule gives its alerts the label %q", name)
	if under := strings.ReplaceAll(name, ".", "_"); under != name && names[under] {
		l.add(path, message, "in labels a dot becomes _: write "+under)
		return false
	}
	l.unknown(path, message, name, slices.Collect(maps.Keys(names)))
	return false
}

// may says whether an alert of the rule can fit all the matchers.
func (y Yield) may(ms labels.Matchers) bool {
	for _, m := range ms {
		values, has := y.Labels[m.Name]
		if !has {
			values = []string{""}
		}
		if values != nil && !slices.ContainsFunc(values, m.Matches) {
			return false
		}
	}
	return true
}

// contradiction returns two matchers that no alert fits both of, "" when there are none that can be told.
func contradiction(ms labels.Matchers) string {
	for _, equal := range ms {
		for _, m := range ms {
			if equal.Type == labels.MatchEqual && m.Name == equal.Name && !m.Matches(equal.Value) {
				return equal.String() + " and " + m.String()
			}
		}
	}
	return ""
}

// implies says whether all that fits the one fits the others too, as far as that can be told.
func implies(these, those labels.Matchers) bool {
	return !slices.ContainsFunc(those, func(m *labels.Matcher) bool {
		return !slices.ContainsFunc(these, func(other *labels.Matcher) bool {
			return other.Name == m.Name && (other.Type == m.Type && other.Value == m.Value ||
				other.Type == labels.MatchEqual && m.Matches(other.Value))
		})
	})
}

// only returns the one value of a label that matchers let through.
func only(ms labels.Matchers, name string) (string, bool) {
	for _, m := range ms {
		if m.Name == name && m.Type == labels.MatchEqual {
			return m.Value, true
		}
	}
	return "", false
}
