package ruletest

import (
	"cmp"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// mostWarnings bounds the different warnings that are kept of a test.
const mostWarnings = 20

// story is what came of a test's records.
type story struct {
	test    *Test
	end     time.Duration
	measure func(detect.Measure) // is given the measures, if not nil

	// findings are the settled ones up to the end, in order of time.
	findings []*finding.Finding
	// recorded are the values of rules that record, of the steps that something is expected of.
	recorded []detect.Recorded
	warnings []string
	rules    map[uint64]detect.RuleStats
	signals  map[ingest.Signal]uint64
	records  int
}

func (t *Test) newStory(end time.Duration, measure func(detect.Measure)) *story {
	return &story{test: t, end: end, measure: measure, rules: map[uint64]detect.RuleStats{}, signals: map[ingest.Signal]uint64{}}
}

// take keeps what the detector tells.
func (o *story) take(result *detect.Result) {
	for _, f := range result.Findings {
		if f.Settled && f.WindowEnd.Sub(o.test.start) <= o.end {
			o.findings = append(o.findings, f)
		}
	}
	for _, r := range result.Recorded {
		o.takeRecorded(r)
	}
	for _, w := range result.Warnings {
		if text := w.Error(); len(o.warnings) < mostWarnings && !slices.Contains(o.warnings, text) {
			o.warnings = append(o.warnings, text)
		}
	}
	if o.measure != nil {
		for _, m := range result.Measures {
			o.measure(m)
		}
	}
}

// takeRecorded keeps a recorded value that something is expected of, and gives it out as the measure that it is.
func (o *story) takeRecorded(r detect.Recorded) {
	at := time.Duration(r.Time - o.test.start.UnixNano())
	rule := o.test.recording(r.Name)
	if rule == nil {
		return
	}
	if o.measure != nil {
		o.measure(detect.Measure{Rule: rule.Name, Group: rule.Group, Labels: r.Labels.Only(byLabels(rule)...), Time: r.Time, Value: r.Value, Threshold: missing()})
	}
	if slices.ContainsFunc(o.test.expected, func(e expectation) bool {
		return e.recorded != nil && at <= e.at && at > e.at-rule.Interval
	}) {
		o.recorded = append(o.recorded, r)
	}
}

// recording returns the rule that records under a name.
func (t *Test) recording(name string) *rules.Rule {
	i := slices.IndexFunc(t.rules.Rules, func(r *rules.Rule) bool { return r.Records && r.Name == name })
	if i < 0 {
		return nil
	}
	return t.rules.Rules[i]
}

// sort puts the findings in order of time, and those of one time in that of their names.
func (o *story) sort() {
	slices.SortStableFunc(o.findings, func(a, b *finding.Finding) int {
		return cmp.Or(a.WindowEnd.Compare(b.WindowEnd), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Labels.String(), b.Labels.String()))
	})
}

// count sums up what the rules made of the records.
func (o *story) count(b *bed) {
	for _, p := range b.partitions {
		stats := p.acc.Stats()
		for signal, n := range stats.Signals {
			o.signals[signal] += n
			if signal != ingest.Findings {
				o.records += int(n)
			}
		}
		for _, r := range stats.Rules {
			sum := o.rules[r.ID]
			sum.Selected += r.Selected
			sum.Matched += r.Matched
			sum.Unmatched += r.Unmatched
			sum.Late += r.Late
			o.rules[r.ID] = sum
		}
	}
}
