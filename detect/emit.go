package detect

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// defaultMeasureGroups is EvaluatorOptions.MeasureGroups when it is 0.
	defaultMeasureGroups = 50
	// maxMeasures bounds the measures of one Result: in a long catch-up the first ones are enough for a chart.
	maxMeasures = 10_000
)

// emit adds a settled finding about the group's alert at a step, under a condition of the rule. The windows and the frame
// are those of the step.
func (e *Evaluator) emit(r *ruleState, g *group, step int64, state finding.State, level int, reason string) {
	r.touch(g)
	if err := r.loadTrail(g, e.order); err != nil {
		e.warn(r, err)
	}
	a := g.alert
	a.transition++
	f := e.finding(r, g, step, state, level)
	f.Settled, f.Episode, f.Transition = true, int64(g.episode), a.transition
	f.StartsAt = r.plan.time(a.since)
	f.Reason = reason
	if state == finding.Resolved {
		f.EndsAt = r.plan.time(step)
	}
	if a.labels == nil {
		a.labels = e.labels(r, g, f)
	}
	r.addEvidence(e, f, step, g.life)
	if state != finding.Resolved {
		r.explain(f, g, step)
	}
	e.finish(r, g, f, a.labels, level)
}

// emitEarly adds a finding that a condition holds already, before its window is complete.
func (e *Evaluator) emitEarly(r *ruleState, g *group, step int64, level int) {
	r.touch(g)
	g.early = step
	f := e.finding(r, g, step, finding.Firing, level)
	f.Episode, f.Transition = int64(g.episode)+1, 1
	f.StartsAt = f.WindowEnd
	s := r.scratch
	s.trail.reset()
	if err := r.loadTrail(g, e.order); err != nil {
		e.warn(r, err)
	}
	first := r.plan.firstRecord(g.life, step)
	for rest := g.open; ; {
		o, after, ok := nextOpen(rest)
		if !ok || o.index >= step {
			break
		}
		rest = after
		if err := s.pane.Decode(o.bytes, o.index*r.plan.interval, e.order); err != nil {
			e.warn(r, err)
			break
		}
		if s.pane.Evidence.Records > 0 && first == 0 {
			first = s.pane.Evidence.First
		}
		s.trail.add(o.index, r.plan.own().Reach(), r.plan.interval, &s.pane.Evidence, true, e.order)
	}
	r.addEvidence(e, f, step, nil)
	r.explain(f, g, step)
	f.FirstRecord = timeOrZero(first)
	// What was added here belongs to panes that are not closed.
	s.trail.reset()
	e.finish(r, g, f, e.labels(r, g, f), level)
}

// finding makes what all findings of a step share.
func (e *Evaluator) finding(r *ruleState, g *group, step int64, state finding.State, level int) *finding.Finding {
	when, frame := &r.rule.When.Conditions[level], &r.scratch.frame
	f := &finding.Finding{
		Rule: r.rule.Name, Group: r.rule.Group, State: state, Birth: g.birth,
		Unit: when.Unit, Condition: when.Source,
		WindowStart: r.plan.time(r.plan.own().Start(step)), WindowEnd: r.plan.time(step),
	}
	if when.Value != nil {
		f.Value = finite(when.Value(frame))
	}
	if when.Threshold != nil {
		f.Threshold = finite(when.Threshold(frame))
	}
	if when.Expects != nil {
		f.Expected = r.foretells(g, step, when).band(when.Expects.Unit)
	}
	for _, l := range r.rule.When.Lets {
		if x := finite(l.Value(frame)); x != nil {
			if f.Values == nil {
				f.Values = map[string]float64{}
			}
			f.Values[l.Name] = *x
		}
	}
	f.Quiet, f.Derived = r.rule.Quiet, r.rule.From == ingest.Findings
	return f
}

// finish gives the finding its labels, annotations and id, and hands it out. The severity of a graded rule is a label, and
// no part of what the alert is known by.
func (e *Evaluator) finish(r *ruleState, g *group, f *finding.Finding, labels label.Set, level int) {
	f.Labels = labels
	f.Fingerprint = labels.Fingerprint()
	if r.rule.Graded() {
		labels = labels.With(label.FromMap(map[string]string{label.Severity: r.rule.When.Conditions[level].Severity}))
		f.Labels = labels
	}
	f.ID = findingID(r.rule.ID, r.rule.Graded(), g.key, f)
	data := templateData(f, labels)
	for _, t := range r.rule.Annotations {
		if f.Annotations == nil {
			f.Annotations = make(map[string]string, len(r.rule.Annotations))
		}
		f.Annotations[t.Name] = e.render(r, t, data)
	}
	e.result.Findings = append(e.result.Findings, f)
}

// labels returns the labels of an alert: its name, the group's and the rule's own.
func (e *Evaluator) labels(r *ruleState, g *group, f *finding.Finding) label.Set {
	by := keyLabels(r.rule.By, g.key)
	own := make(map[string]string, len(r.rule.Labels)+1)
	data := templateData(f, by)
	for _, t := range r.rule.Labels {
		own[t.Name] = e.render(r, t, data)
	}
	own[label.AlertName] = r.rule.Name
	return by.With(label.FromMap(own))
}

func (e *Evaluator) render(r *ruleState, t rules.Template, data rules.Data) string {
	text, err := t.Render(data)
	if err != nil {
		e.warn(r, fmt.Errorf("rendering %s: %w", t.Name, err))
	}
	return text
}

func templateData(f *finding.Finding, labels label.Set) rules.Data {
	d := rules.Data{Labels: labels, Value: math.NaN(), Threshold: math.NaN(), Values: f.Values, Time: f.WindowEnd}
	if f.Value != nil {
		d.Value = *f.Value
	}
	if f.Threshold != nil {
		d.Threshold = *f.Threshold
	}
	return d
}

// findingID names a transition by (rule, group, birth, episode, state), and where an alert may fire several times within an
// episode, by its number there.
func findingID(rule uint64, graded bool, key string, f *finding.Finding) string {
	h := sha256.New()
	var b []byte
	b = binary.LittleEndian.AppendUint64(b, rule)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.Birth))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.Episode))
	b = append(b, f.State...)
	b = append(b, 0)
	b = append(b, key...)
	if graded {
		b = binary.LittleEndian.AppendUint64(b, uint64(f.Transition))
	}
	_, _ = h.Write(b)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// addEvidence adds where the records of the window lie. The rule's trail is that of the group.
func (r *ruleState) addEvidence(e *Evaluator, f *finding.Finding, step int64, l *life) {
	p, t := r.plan, &r.scratch.trail
	f.FirstRecord = timeOrZero(p.firstRecord(l, step))
	start, block := p.own().Start(step), p.own().Reach()
	var all pane.Evidence
	if (t.block+1)*block > start {
		all.Merge(&pane.Evidence{Records: 1, Ranges: t.now.Ranges}, e.order)
	}
	if t.block*block > start {
		all.Merge(&pane.Evidence{Records: 1, Ranges: t.before.Ranges}, e.order)
	}
	for _, rg := range all.Ranges {
		src := e.source(rg.Source)
		f.Offsets = append(f.Offsets, finding.OffsetRange{
			Topic: src.Topic, Partition: src.Partition, First: rg.First, Last: rg.Last,
		})
	}
	slices.SortFunc(f.Offsets, func(a, b finding.OffsetRange) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, s := range newestFirst(t.samples.Samples, p.interval) {
		if floorDiv(s.Time, p.interval) < start {
			continue
		}
		src := e.source(s.Source)
		f.Samples = append(f.Samples, finding.Sample{
			Topic: src.Topic, Partition: src.Partition, Offset: s.Offset, Index: int(s.Index),
			Time: time.Unix(0, s.Time).UTC(), Text: strings.ToValidUTF8(string(s.Text), "\uFFFD"),
			TraceID: strings.ToValidUTF8(string(s.Trace), "\uFFFD"),
		})
	}
}

// chart adds the step's measure for the first groups of the rule and for all with an active alert.
func (e *Evaluator) chart(r *ruleState, g *group, step int64) {
	when := &r.rule.When.Conditions[0]
	if g.alert != nil {
		when = &r.rule.When.Conditions[max(g.alert.level(), 0)]
	}
	if e.opts.MeasureGroups < 0 || len(e.result.Measures) >= maxMeasures || when.Value == nil {
		return
	}
	if g.alert == nil {
		if r.charted >= e.opts.MeasureGroups {
			return
		}
		r.charted++
	}
	m := Measure{
		Rule: r.rule.Name, Group: r.rule.Group, Labels: keyLabels(r.rule.By, g.key), Time: step * r.plan.interval,
		Value: when.Value(&r.scratch.frame), Threshold: math.NaN(), Firing: g.alert != nil && g.alert.firing,
	}
	if when.Threshold != nil {
		m.Threshold = when.Threshold(&r.scratch.frame)
	}
	if m.Firing {
		m.Fingerprint = g.alert.labels.Fingerprint()
	}
	m.draw(r.foretells(g, step, when), when.Expects)
	e.result.Measures = append(e.result.Measures, m)
}

// record adds the value of a step.
func (e *Evaluator) record(r *ruleState, g *group, step int64) {
	c := &r.rule.When.Conditions[0]
	x := c.Value(&r.scratch.frame)
	if math.IsNaN(x) {
		return
	}
	labels := keyLabels(r.rule.By, g.key)
	if len(r.rule.Labels) > 0 {
		own := make(map[string]string, len(r.rule.Labels))
		data := rules.Data{Labels: labels, Value: x, Threshold: math.NaN(), Time: r.plan.time(step)}
		for _, t := range r.rule.Labels {
			own[t.Name] = e.render(r, t, data)
		}
		labels = labels.With(label.FromMap(own))
	}
	e.result.Recorded = append(e.result.Recorded, Recorded{r.rule.Name, labels, step * r.plan.interval, x, c.Unit})
}

// time returns the time at which a step ends.
func (p *plan) time(step int64) time.Time { return time.Unix(0, step*p.interval).UTC() }

func timeOrZero(t int64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, t).UTC()
}

// finite returns a number for a finding: JSON has none for what is missing or infinite.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func (e *Evaluator) warn(r *ruleState, err error) {
	e.result.Warnings = append(e.result.Warnings, fmt.Errorf("rule %s: %w", r.rule.Name, err))
}
