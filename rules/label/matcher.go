package label

import (
	"fmt"
	"unicode/utf8"

	"github.com/prometheus/alertmanager/matcher/parse"
	"github.com/prometheus/alertmanager/pkg/labels"
)

// Matcher selects sets by one label: = != =~ !~, as in Alertmanager. A set without the label has it with the value "".
type Matcher struct{ inner *labels.Matcher }

// Matchers select the sets that all of them match; no matchers select every set.
type Matchers []Matcher

// ParseMatcher reads one matcher: name="value".
func ParseMatcher(s string) (Matcher, error) {
	ms, err := ParseMatchers(s)
	switch {
	case err != nil:
		return Matcher{}, err
	case len(ms) != 1:
		return Matcher{}, fmt.Errorf(`parsing matcher %q: expected one, as in service_name="checkout", found %d`, s, len(ms))
	default:
		return ms[0], nil
	}
}

// ParseMatchers reads matchers that are separated by commas, with or without braces around them:
// severity="critical", service_name=~"pay.*". Regular expressions match the whole value.
func ParseMatchers(s string) (Matchers, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("parsing matchers %q: expected UTF-8", s)
	}
	parsed, err := parse.Matchers(s)
	if err != nil {
		return nil, fmt.Errorf(`parsing matchers %q, expected as in severity="critical", service_name=~"pay.*": %w`, s, err)
	}
	out := make(Matchers, len(parsed))
	for i, m := range parsed {
		if m.Name == "" {
			return nil, fmt.Errorf("parsing matchers %q: a label's name cannot be empty", s)
		}
		out[i] = Matcher{m}
	}
	return out, nil
}

// Name returns the label's name.
func (m Matcher) Name() string { return m.inner.Name }

// Matches says whether the set's label fits.
func (m Matcher) Matches(s Set) bool { return m.inner.Matches(s.Get(m.inner.Name)) }

// String returns the matcher as ParseMatcher reads it.
func (m Matcher) String() string { return m.inner.String() }

// Match says whether all matchers match the set.
func (ms Matchers) Match(s Set) bool {
	for _, m := range ms {
		if !m.Matches(s) {
			return false
		}
	}
	return true
}

// String returns the matchers as ParseMatchers reads them, in braces.
func (ms Matchers) String() string {
	inner := make(labels.Matchers, len(ms))
	for i, m := range ms {
		inner[i] = m.inner
	}
	return inner.String()
}
