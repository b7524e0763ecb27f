package alert

import (
	"log/slog"
	"sort"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/rules/label"
)

// ParseMatchers reads one or several matchers as Alertmanager does: severity="critical", team=~"a|b", also without quotes,
// in braces, and with quoted names of any characters. Where its older syntax means something else, that counts.
func ParseMatchers(text string) (labels.Matchers, error) {
	ms, err := compat.FallbackMatchersParser(slog.New(slog.DiscardHandler))(text, "")
	return ms, err //nolint:wrapcheck // whoever asks says where
}

// matches says whether all the matchers match.
func matches(ms labels.Matchers, s label.Set) bool {
	for _, m := range ms {
		if !m.Matches(s.Get(m.Name)) {
			return false
		}
	}
	return true
}

// match is the three spellings of a set of matchers.
type match struct {
	texts       []string
	equal, like map[string]string
}

// matchers returns them all, sorted. One that does not parse, which is a fault, is left out.
func (m match) matchers() labels.Matchers {
	var out labels.Matchers
	for _, text := range m.texts {
		if ms, err := ParseMatchers(text); err == nil {
			out = append(out, ms...)
		}
	}
	for kind, pairs := range map[labels.MatchType]map[string]string{labels.MatchEqual: m.equal, labels.MatchRegexp: m.like} {
		for name, value := range pairs {
			if matcher, err := labels.NewMatcher(kind, name, value); err == nil {
				out = append(out, matcher)
			}
		}
	}
	sort.Sort(out)
	return out
}
