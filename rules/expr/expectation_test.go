package expr

import (
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

// What a condition's value should be is known where a model is about it, or where the value is a distance from what a
// model expects.
func TestExpectations(t *testing.T) {
	const none = ""
	for _, test := range []struct {
		when, value string
		model       string // the text of the model
		scored      bool
		unit        string
	}{
		{when: "count() > 100", model: none},
		{when: `count() > count().upper("1d")`, model: "band(count(), 1d, 1h, 0s/0s/0)"},
		{when: `count() < 0.5 * count().expected("1w")`, model: "band(count(), 1w, 1h, 0s/0s/0)"},
		{when: `count().expected() < count()`, model: none}, // the value is what is expected
		{when: `p95(duration).anomaly("1d") > 4`, model: "band(p95(duration), 1d, 1h, 0s/0s/0)", scored: true, unit: "s"},
		{when: `avg(duration).zscore("2h") < -3`, model: "zscore(avg(duration), 2h, 0s/0s/0)", scored: true, unit: "s"},
		{when: `count().outlier() > 5`, model: "outlier(count(), 0s/0s/0)", scored: true},
		{when: `count() >= 50 && p95(duration).anomaly() > 4`, model: "band(p95(duration), 0s, 1h, 0s/0s/0)", scored: true, unit: "s"},
		{when: `count().anomaly() > 4`, value: "count()", model: "band(count(), 0s, 1h, 0s/0s/0)"},
		{when: `count() > 9`, value: "p95(duration).anomaly()", model: "band(p95(duration), 0s, 1h, 0s/0s/0)", scored: true, unit: "s"},
		{when: `2 * count().anomaly() > 9`, model: none},
		{when: `max(duration).forecast("4h", "6h") > 9`, model: none},
		{when: `count().over("1h").anomaly() > 4`, model: `band(count().over("1h"), 0s, 1h, 0s/0s/0)`, scored: true},
		{when: `count() > count().upper().offset("1h")`, model: none},
		{when: `(count() + 1).anomaly() > 4`, value: "1 + count()", model: none},
	} {
		parts := []Part{{RoleWhen, "", test.when}}
		if test.value != "" {
			parts = append(parts, Part{RoleValue, "", test.value})
		}
		p, faults := Compile(parts, Options{Signal: ingest.Spans, By: []Key{mustKey(t, "service.name", ingest.Spans)}, Interval: 5 * time.Second, Window: time.Minute})
		if p == nil {
			t.Errorf("%s: %v", test.when, faults)
			continue
		}
		x := p.Conditions[0].Expects
		switch {
		case x == nil && test.model == none:
		case x == nil:
			t.Errorf("%s, value %q: nothing is expected, expected the model %s", test.when, test.value, test.model)
		case p.Models[x.Model].Text != test.model || (x.Subject != nil) != test.scored || x.Unit != test.unit:
			t.Errorf("%s, value %q: the model is %s, a distance: %t, in %q; expected %s, %t, %q", test.when, test.value,
				p.Models[x.Model].Text, x.Subject != nil, x.Unit, test.model, test.scored, test.unit)
		}
	}
}
