package health

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/detect/finding"
)

// What a person reads of each trouble. FRESHET_UPDATE_GOLDEN=1 writes the file anew.
func TestTexts(t *testing.T) {
	w := newWorld(t, DefaultLimits())
	w.topic("logs", 12)
	w.topic("jobs", 1)
	rules := func() {
		w.owner("logs", 0).next.Rules = map[string]RuleReport{
			"1": {Name: "Typo", Group: "shop", Seen: 100}, "2": {Name: "NoKey", Group: "shop", Seen: 100, Selected: 5, Unmatched: 5},
		}
	}
	w.run(20*time.Minute, w.sends("logs", 0, 40, "pay", "cart late", "ship ahead"), rules, w.sends("jobs", 0, 1))
	w.run(25*time.Minute, w.sends("logs", 0, 100, "pay"), rules, func() {
		w.owner("logs", 1).next = Report{Undecodable: map[string]uint64{"malformed": 3}, Fault: "otlp_proto: body of record 4: unexpected end"}
	})
	w.run(30*time.Minute, w.sends("logs", 0, 100, "pay"), rules)
	w.owner("logs", 7).delay = 3 * time.Minute
	for p := range 10 {
		delete(w.owners, fmt.Sprintf("logs/%d", p+2))
	}
	w.own("logs", 7).delay = 3 * time.Minute
	w.counts["jobs"] = 0
	w.run(2*time.Minute, rules)
	var b strings.Builder
	for _, f := range w.told {
		if f.State != finding.Firing {
			continue
		}
		fmt.Fprintf(&b, "%s\n  when: %s\n", f.Labels, f.Condition)
		if f.Threshold != nil {
			fmt.Fprintf(&b, "  value: %.0f%s of %.0f%s\n", *f.Value, f.Unit, *f.Threshold, f.Unit)
		} else {
			fmt.Fprintf(&b, "  value: %.0f\n", *f.Value)
		}
		fmt.Fprintf(&b, "  %s\n  %s\n\n", f.Annotations["summary"], strings.ReplaceAll(f.Annotations["description"], "\n", "\n  "))
		if f.Annotations["runbook"] == "" || !strings.HasSuffix(f.Annotations["description"], f.Annotations["runbook"]) {
			t.Errorf("%s: the description does not say what to do", f.Rule)
		}
	}
	const golden = "testdata/texts.txt"
	if os.Getenv("FRESHET_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a text for everybody
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1400 * time.Millisecond: "1s", 59 * time.Second: "59s", 61 * time.Second: "1m", 10 * time.Minute: "10m",
		time.Hour: "1h", 3*time.Hour + 5*time.Minute: "3h5m", 50 * time.Hour: "50h", 59*time.Minute + 59*time.Second: "1h",
	} {
		if got := short(d); got != want {
			t.Errorf("%s is written %q, expected %q", d, got, want)
		}
	}
}
