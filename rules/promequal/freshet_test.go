//go:build !race

package promequal

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// file returns the pairs' rules of freshet's as a rule file; JSON is YAML too.
func file(t *testing.T, pairs []pair) []byte {
	t.Helper()
	list := make([]map[string]any, 0, len(pairs))
	for i := range pairs {
		p := &pairs[i]
		r := map[string]any{
			"alert": p.name, "from": "metrics", "by": p.by, "when": p.when, "on_missing": cmp.Or(p.missing, "zero"),
			"interval": p.interval().String(), "lateness": "0s", "window": p.window.String(),
			"for": p.hold.String(), "keep_firing_for": p.keep.String(),
		}
		if p.where != "" {
			r["where"] = p.where
		}
		if len(p.by) == 0 {
			delete(r, "by")
		}
		if p.missing == "default" {
			delete(r, "on_missing")
		}
		list = append(list, r)
	}
	text, err := json.MarshalIndent(map[string]any{"groups": []any{map[string]any{"name": "pairs", "rules": list}}}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// feed is what freshet reads: series, so many milliseconds later than they would be in the same windows as Prometheus's, from
// an offset of the topic on.
type feed struct {
	series []series
	later  int64
	offset int64
}

// runFreshet evaluates the rules of all pairs up to the end and returns what the alerts of each did.
func runFreshet(t *testing.T, pairs []pair, from feed, begin, end time.Time) map[string]timelines {
	t.Helper()
	content := file(t, pairs)
	set, problems := rules.Parse("pairs.yaml", content)
	if set == nil {
		t.Fatal(problems)
	}
	first, err := detect.NewAccumulator(detect.AccumulatorOptions{Rules: set, Source: detect.Source{Topic: "metrics"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := detect.NewEvaluator(detect.EvaluatorOptions{Rules: set, Topics: detect.Topics{ingest.Metrics: {"metrics"}}, MeasureGroups: -1})
	if err != nil {
		t.Fatal(err)
	}
	var records []ingest.Record
	for i := range from.series {
		records = append(records, from.series[i].points(from.later)...)
	}
	slices.SortStableFunc(records, func(a, b ingest.Record) int { return cmp.Compare(a.Time, b.Time) })
	var found []*finding.Finding
	n := 0
	for at := begin; !at.After(end); at = at.Add(tick) {
		for ; n < len(records) && records[n].Time < at.UnixNano(); n++ {
			first.Add(&ingest.Batch{Records: records[n : n+1]}, ingest.Origin{Topic: "metrics", Offset: from.offset + int64(n), Timestamp: records[n].Time})
		}
		if n > 0 || from.offset == 0 {
			first.Idle(at.UnixNano())
		}
		for _, s := range first.Take() {
			res, err := second.Apply(int64(n), s.Value)
			if err != nil || len(res.Warnings) > 0 {
				t.Fatal(err, res.Warnings)
			}
			found = append(found, res.Findings...)
		}
	}
	return timelinesOf(t, pairs, found, begin, end)
}

// timelinesOf lays the settled findings out by rule, alert and step.
func timelinesOf(t *testing.T, pairs []pair, found []*finding.Finding, begin, end time.Time) map[string]timelines {
	t.Helper()
	all := map[string]timelines{}
	every := map[string]time.Duration{}
	for i := range pairs {
		all[pairs[i].name] = timelines{}
		every[pairs[i].name] = pairs[i].interval()
	}
	for _, f := range found {
		if !f.Settled {
			continue
		}
		mark := byte('.')
		switch f.State {
		case finding.Pending:
			mark = 'p'
		case finding.Firing:
			mark = 'F'
		case finding.Resolved:
		}
		step := f.WindowEnd.Sub(begin) / every[f.Rule]
		if begin.Add(step*every[f.Rule]) != f.WindowEnd || step < 0 {
			t.Fatalf("%s: %s at %s, which is no step", f.Rule, f.State, f.WindowEnd)
		}
		lines := all[f.Rule]
		by := labelsOf(f.Labels.Map())
		lines.hold(by, int(step))
		lines.set(by, int(step), mark)
	}
	for name, lines := range all {
		steps := int(end.Sub(begin)/every[name]) + 1
		for by := range lines {
			lines.hold(by, steps)
		}
		lines.drop()
	}
	return all
}
