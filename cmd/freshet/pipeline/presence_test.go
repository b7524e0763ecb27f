package pipeline

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// A topic is gone when it was missed for half a minute of looking, never because nobody looked.
func TestPresence(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var p presence
	if _, ok := p.counts(); ok {
		t.Error("topics are known before the first look")
	}
	look := func(after time.Duration, counts map[string]int32) {
		now = now.Add(after)
		p.look(counts, now)
	}
	asked := []string{"logs", "never", "orders.eu", "unheard of"}
	expect := func(counts map[string]int32, gone ...string) {
		t.Helper()
		if got, _ := p.counts(); !maps.Equal(got, counts) {
			t.Errorf("counts %v, expected %v", got, counts)
		}
		if got := p.gone(asked); !slices.Equal(got, gone) {
			t.Errorf("gone %q, expected %q", got, gone)
		}
	}
	all := map[string]int32{"logs": 4, "never": 0, "orders.eu": 2}
	without := map[string]int32{"logs": 0, "never": 0}
	look(0, all)
	expect(all)
	for range 6 {
		look(5*time.Second, all)
	}
	expect(all, "never", "unheard of")
	look(5*time.Second, without) // a broker that knows nothing yet
	expect(all, "never", "unheard of")
	for range 6 {
		look(5*time.Second, without)
	}
	expect(without, asked...)
	look(5*time.Second, all)
	expect(all, "never", "unheard of")
	// A topic that is named from now on, by rules that are loaded, is given as long to appear as the others were.
	all["later"], asked = 0, append(asked, "later")
	for range 7 {
		look(5*time.Second, all)
		expect(all, "never", "unheard of")
	}
	look(5*time.Second, all)
	expect(all, "never", "unheard of", "later")
	look(time.Hour, without) // Kafka was away
	if gone := p.gone(asked); len(gone) != 0 {
		t.Errorf("gone %q after an hour without a look", gone)
	}
}

// A topic that is named is no pattern's, and freshet's own and Kafka's never are.
func TestInputs(t *testing.T) {
	cfg, faults := config.Parse("freshet.yaml", []byte(`
ingest:
  topics:
    - {name: shops, pattern: 'shop\..+', signal: events, format: json}
    - {pattern: '.*logs', signal: logs}
    - {name: shop.special, signal: logs}
    - {pattern: '.+', signal: spans}
`), func(string) (string, bool) { return "", false })
	set, problems := rules.Parse("rules.yaml", []byte(
		"groups: [{name: a, rules: [{alert: A, from: events, topic: shops, when: count() > 1}, {alert: B, from: events, topic: other, when: count() > 1}]}]"))
	if len(faults) > 0 || len(problems) > 0 {
		t.Fatal(faults, problems)
	}
	in := newInputs(cfg, set)
	if want := []string{"other", "otlp_logs", "otlp_metrics", "otlp_spans", "shop.special"}; !slices.Equal(in.names(), want) {
		t.Errorf("named topics %q, expected %q", in.names(), want)
	}
	for topic, want := range map[string]string{
		"shop.eu": "events shops", "shop.logs": "events shops", "shop.special": "logs ", "web-logs": "logs .*logs", "x": "spans .+",
		"other": "events ", "freshet.panes": "none", "__consumer_offsets": "none",
	} {
		got := "none"
		if input, name, ok := in.of(topic); ok {
			got = input.Signal.String() + " " + name
		}
		if got != want {
			t.Errorf("%s is %q, expected %q", topic, got, want)
		}
		matched := 0
		for _, p := range in.evaluated() {
			if p.Match(topic) {
				matched++
			}
		}
		if one := want != "none" && !slices.Contains(in.names(), topic); (matched == 1) != one {
			t.Errorf("%s belongs to %d patterns", topic, matched)
		}
	}
}

// Reports add up to what was counted, whenever they are made, and tell of the rules that read the topic.
func TestReportsAddUp(t *testing.T) {
	set, problems := rules.Parse("rules.yaml", []byte(`groups: [{name: a, rules: [
		{alert: Logs, from: logs, when: count() > 1}, {alert: Spans, from: spans, when: count() > 1},
		{alert: Orders, from: events, topic: shops, when: count() > 1}]}]`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r := newReporter(set, "shop.eu", "shops", ingest.Events)
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	orders := set.Rules[2]
	stats := func(n uint64) *detect.AccumulatorStats {
		return &detect.AccumulatorStats{
			Signals: map[ingest.Signal]uint64{ingest.Events: n}, Services: map[string]uint64{"pay": n},
			Late: map[string]uint64{"pay": n / 2}, Ahead: map[string]uint64{}, Reached: now.Add(-3 * time.Second).UnixNano(),
			Rules: []detect.RuleStats{{Rule: "Orders", Group: "a", ID: orders.ID, Selected: n, Matched: n / 4}},
		}
	}
	var records, late, seen, matched uint64
	for i := range uint64(30) {
		if i == 7 {
			r.failed(errors.New("unreadable"))
		}
		report := r.report(2, stats(i*10), now)
		if report.Stage != health.Accumulate || report.Topic != "shop.eu" || report.Partition != 2 || report.Delay != 3*time.Second {
			t.Fatalf("report %+v", report)
		}
		if bad := len(report.Undecodable); (bad == 1) != (i == 7) || (report.Fault != "") != (i == 7) {
			t.Errorf("report %d tells of %v: %s", i, report.Undecodable, report.Fault)
		}
		records += report.Records["events"]
		late += report.Services["pay"].Late
		for id, rule := range report.Rules {
			if rule.Name != "Orders" {
				t.Errorf("rule %s (%s) does not read the topic", id, rule.Name)
			}
			seen, matched = seen+rule.Seen, matched+rule.Matched
		}
		// It matched first in report 1, the turns are every twelfth.
		if told := len(report.Rules) > 0; told != (i%rulesEvery == 0 || i == 1) {
			t.Errorf("report %d tells of rules: %t", i, told)
		}
	}
	if records != 290 || late != 145 || seen != 240 || matched != 60 {
		t.Errorf("%d records, %d late, rules saw %d and matched %d", records, late, seen, matched)
	}
}
