package ruletest

import (
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// derived are the findings of a test's rules, as records for those that read findings.
type derived []*finding.Finding

func (s derived) add(b *ingest.Batch, m moment, _ *ingest.Resource, _ *ingest.Scope) bool {
	if !detect.AddFinding(b, s[m.i]) {
		return false
	}
	b.Records[len(b.Records)-1].Time = m.at
	return true
}

// findingStream returns findings as a stream: each comes when it is found, which is when its window has been waited for.
func (t *Test) findingStream(findings []*finding.Finding) *stream {
	at := func(f *finding.Finding) time.Duration {
		lateness := time.Duration(0)
		for _, r := range t.rules.Rules {
			if r.Name == f.Rule && r.Group == f.Group {
				lateness = r.Lateness
			}
		}
		return f.WindowEnd.Sub(t.start) + lateness
	}
	findings = slices.Clone(findings)
	slices.SortStableFunc(findings, func(a, b *finding.Finding) int { return int(at(a) - at(b)) })
	s := &stream{
		signal: ingest.Findings, topic: findingsTopic, partition: -1, number: len(t.streams), scopeName: new(text), scopeVersion: new(text),
		source: derived(findings),
	}
	s.n, s.times = len(findings), []time.Duration{}
	for _, f := range findings {
		s.times = append(s.times, at(f))
	}
	return s
}

// findings makes findings of rules that are not under test.
type findings struct {
	alert  string
	group  *text
	labels attributes
	states []finding.State // one after the other
	value  *generator      // nil for none
}

func (s *findings) add(b *ingest.Batch, m moment, _ *ingest.Resource, _ *ingest.Scope) bool {
	labels := map[string]string{label.AlertName: s.alert}
	for _, l := range s.labels.at(m) {
		labels[l.Key] = l.Value.Text()
	}
	f := &finding.Finding{Rule: s.alert, Group: s.group.string(m), State: s.states[m.i%len(s.states)], Settled: true, Labels: label.FromMap(labels)}
	f.Fingerprint = f.Labels.Fingerprint()
	if s.value != nil {
		x := s.value.number(m)
		f.Value = &x
	}
	return derived{f}.add(b, moment{at: m.at}, nil, nil)
}

var findingKeys = slices.Concat(scheduleKeys, []string{"seed", "partition", "alert", "rule_group", "labels", "state", "value"}) //nolint:gochecknoglobals // constant table

func (t *testReader) findings(f rules.Field) {
	r := t.newStream(f, ingest.Findings, findingsTopic)
	s := &findings{group: new(text), states: []finding.State{finding.Firing}}
	before := t.document.Faults()
	for _, entry := range f.Fields("a stream of findings", findingKeys) {
		switch entry.Key() {
		case "alert":
			if text, ok := entry.Scalar(); ok {
				s.alert = text.Text
			}
		case "rule_group":
			r.keep(&s.group, entry)
		case "labels":
			r.reader.attributes(entry, &s.labels)
		case "state":
			// The names of states are numbers only to be looked up like others.
			if c, ok := r.choice(entry, numbered([]string{string(finding.Firing), string(finding.Resolved)}, 0), []string{string(finding.Firing), string(finding.Resolved)}); ok {
				s.states = nil
				for _, name := range c.names {
					s.states = append(s.states, finding.State(name))
				}
			}
		case "value":
			s.value, _ = r.number(entry, true)
		default:
			r.key(entry)
		}
	}
	switch {
	case t.document.Faults() > before:
	case s.alert == "":
		f.Fault("a finding is about an alert, and there is none", "add alert: ErrorSpike")
	default:
		r.done(f, s)
	}
}
