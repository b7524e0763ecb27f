package config

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/ingest"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       health.Limits
	}{
		{"nothing given", "", health.DefaultLimits()},
		{"all off", "health: {enabled: false, behind: 1m}", health.Limits{}},
		{"one off, one longer", "health: {late_records: 0s, behind: 2m, rule_matches_nothing: 1d}", health.Limits{
			Behind: 2 * time.Minute, SourceStopped: 10 * time.Minute, Undecodable: time.Minute,
			ClockAhead: 5 * time.Minute, RuleMatchesNothing: 24 * time.Hour,
		}},
	} {
		cfg, faults := Parse("freshet.yaml", []byte(test.text), noEnv)
		if len(faults) > 0 {
			t.Errorf("%s: %v", test.name, faults)
		} else if got := cfg.Health.Limits(); got != test.want {
			t.Errorf("%s: limits %+v, expected %+v", test.name, got, test.want)
		}
	}
}

// Each of what is wrong with patterns and limits is told with what would be right.
func TestHealthAndPatternFaults(t *testing.T) {
	t.Parallel()
	_, faults := Parse("freshet.yaml", []byte(`
health: {behind: 3s, quiet: 5m}
ingest:
  topics:
    - {pattern: 'orders[', signal: events}
    - {pattern: 'a)(b', signal: logs}
    - {signal: logs}
    - {name: shops, pattern: 'shop\..+', signal: events}
    - {name: shops, signal: events}
`), noEnv)
	var got []string
	for _, f := range faults {
		got = append(got, f.Path+": "+f.Message)
	}
	for i, want := range []string{
		"health.behind: expected 0s or at least 10s, found 3s", `health.quiet: unknown key "quiet"`,
		"ingest.topics[0].pattern: expected a regular expression, ", "ingest.topics[1].pattern: expected a regular expression, ",
		"ingest.topics[2]: name is missing", `ingest.topics[4].name: topic "shops" stands twice`,
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Fatalf("fault %d: found\n%s\nexpected %s", i, strings.Join(got, "\n"), want)
		}
	}
}

// A pattern is about whole names, whatever stands in it.
func TestPatternMatchesWholeNames(t *testing.T) {
	t.Parallel()
	m, err := Topic{Pattern: `orders\.eu|orders\.us`, Signal: ingest.Events}.Matcher()
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bool{"orders.eu": true, "orders.us": true, "old-orders.us": false, "orders.eu2": false} {
		if m.MatchString(topic) != want {
			t.Errorf("%s: matches %t", topic, !want)
		}
	}
}
