package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// A record of an alert or a group that is too large is made smaller step by step, can be read at each of them, and still says
// who was told of what.
func TestTrim(t *testing.T) {
	labels := label.FromMap(map[string]string{"alertname": "Disk"})
	long := strings.Repeat("ü", 5000)
	f := &finding.Finding{ID: "1", Fingerprint: labels.Fingerprint(), Rule: "Disk", State: finding.Firing, Labels: labels,
		Annotations: map[string]string{"description": long, "summary": "full"}, Samples: []finding.Sample{{Text: long}}, Chart: &finding.Chart{Step: 1}}
	s := &state{Fingerprint: labels.Fingerprint(), Firing: f, Now: f, Incident: 7}
	e := &entry{Route: "r", Integration: "ops/webhook[0]", GroupLabels: labels, told: told{Firing: incidents{7: {}}}, Notes: []Note{{Text: long}},
		Intent: &intent{ID: "i", Firing: incidents{7: {}}, Notes: []Note{{Text: long}}}}
	e.key = sentKey(e.Integration, e.Route, e.GroupLabels)
	for _, c := range []struct {
		key   string
		what  any
		steps int
		has   []string
	}{
		{alertPrefix + s.Fingerprint.String(), s, 2, []string{`"incident":7`, `"summary":"full"`, "…"}},
		{e.key, e, 1, []string{`"firing":"AAAAAAAAAAc"`, `"id":"i"`}},
		{silencePrefix + "x", map[string]string{"comment": long}, 0, []string{long}},
	} {
		value, err := json.Marshal(c.what)
		if err != nil {
			t.Fatal(err)
		}
		change, steps := Change{Key: []byte(c.key), Value: value}, 0
		for {
			smaller, ok := change.Trim()
			if !ok {
				break
			}
			if len(smaller.Value) >= len(change.Value) {
				t.Fatalf("%s: %d bytes are trimmed to %d", c.key, len(change.Value), len(smaller.Value))
			}
			if err := New(Options{}).Restore(smaller.Key, smaller.Value); err != nil {
				t.Errorf("%s: %v", c.key, err)
			}
			change = smaller
			steps++
		}
		if steps != c.steps {
			t.Errorf("%s is trimmed %d times, expected %d", c.key, steps, c.steps)
		}
		if steps > 0 && len(change.Value) > 5000 || !utf8.Valid(change.Value) {
			t.Errorf("%s: what is left has %d bytes: %s", c.key, len(change.Value), change.Value)
		}
		for _, text := range c.has {
			if !bytes.Contains(change.Value, []byte(text)) {
				t.Errorf("%s: what is left has no %s: %s", c.key, text, change.Value)
			}
		}
	}
	if len(f.Samples) == 0 || f.Annotations["description"] != long {
		t.Error("the alert that is shown has changed")
	}
}

// A letter about a large group names its first alerts and says how many more there are.
func TestDeadLetterOfALargeGroup(t *testing.T) {
	data := func(n, size int) *Data {
		d := &Data{Receiver: "ops"}
		for i := range n {
			d.Alerts = append(d.Alerts, Alert{Labels: KV{"alertname": "Disk", "host": fmt.Sprint(i)}, Annotations: KV{"text": strings.Repeat("x", size)}})
		}
		return d
	}
	for _, c := range []struct{ alerts, size, shown int }{{1, 10, 1}, {100, 10, 100}, {20_000, 10, 100}, {100, 20_000, 12}, {1, 1_000_000, 1}} {
		l := &DeadLetter{ID: "i", Reason: "why", Data: data(c.alerts, c.size)}
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeDeadLetter(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Data.Alerts) != c.shown || got.Omitted != c.alerts-c.shown || got.Data.Alerts[0].Labels["host"] != "0" {
			t.Errorf("of %d alerts with %d bytes %d are kept and %d left out, expected %d kept", c.alerts, c.size, len(got.Data.Alerts), got.Omitted, c.shown)
		}
		if len(l.Data.Alerts) != c.alerts || l.Omitted != 0 {
			t.Error("encoding has changed the letter")
		}
	}
}
