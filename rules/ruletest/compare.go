package ruletest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// shown is what was found: an alert as it is at a time, a transition of one, or a recorded value.
type shown struct {
	name        string
	at          time.Duration // of a transition
	since       time.Duration // when it took its state
	labels      label.Set     // without the name
	state       finding.State
	value       *float64
	annotations map[string]string
	reason      string
	rule        *rules.Rule // nil for alerts of the detector itself
}

// show returns a finding as what it tells of a time: a transition, or, not timed, an alert.
func (t *Test) show(f *finding.Finding, timed bool) *shown {
	out := &shown{
		name: f.Rule, since: f.WindowEnd.Sub(t.start), labels: f.Labels.Without(label.AlertName), state: f.State, value: f.Value,
		annotations: f.Annotations, reason: f.Reason,
	}
	for _, r := range t.rules.Rules {
		if r.Name == f.Rule && r.Group == f.Group {
			out.rule = r
		}
	}
	if timed {
		out.at = out.since
	}
	return out
}

// alertsAt returns the alerts that are pending or firing at a time.
func (t *Test) alertsAt(findings []*finding.Finding, at time.Duration) []*shown {
	type identity struct {
		rule, group string
		fingerprint label.Fingerprint
	}
	latest := map[identity]*finding.Finding{}
	var order []identity
	for _, f := range findings {
		if f.WindowEnd.Sub(t.start) > at {
			break
		}
		id := identity{f.Rule, f.Group, f.Fingerprint}
		if latest[id] == nil {
			order = append(order, id)
		}
		latest[id] = f
	}
	var out []*shown
	for _, id := range order {
		if f := latest[id]; f.State != finding.Resolved {
			out = append(out, t.show(f, false))
		}
	}
	slices.SortStableFunc(out, func(a, b *shown) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.labels.String(), b.labels.String()))
	})
	return out
}

// recordedAt returns the values that the rules of an expectation recorded last at its time.
func (t *Test) recordedAt(recorded []detect.Recorded, e *expectation) (out []*shown) {
	for _, r := range recorded {
		at := time.Duration(r.Time - t.start.UnixNano())
		rule := t.recording(r.Name)
		if at > e.at || at <= e.at-rule.Interval || !slices.ContainsFunc(e.recorded, func(w *wanted) bool { return w.name == r.Name }) {
			continue
		}
		out = append(out, &shown{name: r.Name, labels: r.Labels, since: at, value: &r.Value, rule: rule})
	}
	return out
}

// pair is an expectation and what comes nearest to it. One of them may be missing.
type pair struct {
	want *wanted
	got  *shown
}

// meets says whether what was found is what was expected.
func (p pair) meets() bool {
	return p.want != nil && p.got != nil && p.headMeets() && len(p.annotationsMissed()) == 0
}

// headMeets says the same of all but the annotations.
func (p pair) headMeets() bool {
	return p.want.name == p.got.name && p.want.labels.Equal(p.got.labels) && p.want.state == p.got.state &&
		p.want.at == p.got.at && p.valueMeets() && (p.want.reason == nil || *p.want.reason == p.got.reason)
}

func (p pair) valueMeets() bool {
	return p.want.value == nil || p.got.value != nil && p.want.tolerance.admits(*p.want.value, *p.got.value)
}

// annotationsMissed returns the expected annotations that are otherwise.
func (p pair) annotationsMissed() (missed []label.Label) {
	for _, a := range p.want.annotations {
		if p.got.annotations[a.Name] != a.Value {
			missed = append(missed, a)
		}
	}
	return missed
}

// likeness says how near what was found comes to an expectation; 0 is not at all.
func (p pair) likeness() int {
	if p.want.name != p.got.name {
		return 0
	}
	n := 1
	for _, l := range p.want.labels {
		if p.got.labels.Get(l.Name) == l.Value {
			n += 2
		}
	}
	if p.want.labels.Equal(p.got.labels) {
		n += 100
	}
	if p.want.state == p.got.state {
		n++
	}
	if p.want.at == p.got.at {
		n++
	}
	return n
}

// mostLikenesses bounds how many pairs are looked at for what comes nearest.
const mostLikenesses = 10_000

// match pairs expectations with what was found: first what meets, then what is near. The result is in order of time, then
// of name and labels.
func match(want []*wanted, got []*shown) []pair {
	var pairs []pair
	want, got = slices.Clone(want), slices.Clone(got)
	take := func(good func(pair) bool) {
		for i := 0; i < len(want); {
			j := slices.IndexFunc(got, func(f *shown) bool { return good(pair{want[i], f}) })
			if j < 0 {
				i++
				continue
			}
			pairs = append(pairs, pair{want[i], got[j]})
			want, got = slices.Delete(want, i, i+1), slices.Delete(got, j, j+1)
		}
	}
	take(pair.meets)
	for len(want) > 0 && len(got) > 0 && len(want)*len(got) < mostLikenesses {
		best, most := pair{}, 0
		for _, w := range want {
			for _, f := range got {
				if n := (pair{w, f}).likeness(); n > most {
					best, most = pair{w, f}, n
				}
			}
		}
		if most == 0 {
			break
		}
		take(func(p pair) bool { return p == best })
	}
	for _, w := range want {
		pairs = append(pairs, pair{want: w})
	}
	for _, f := range got {
		pairs = append(pairs, pair{got: f})
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.at(), b.at()), cmp.Compare(a.name(), b.name()), cmp.Compare(a.labels().String(), b.labels().String()))
	})
	return pairs
}

func (p pair) at() time.Duration {
	if p.want != nil {
		return p.want.at
	}
	return p.got.at
}

func (p pair) name() string {
	if p.want != nil {
		return p.want.name
	}
	return p.got.name
}

func (p pair) labels() label.Set {
	if p.want != nil {
		return p.want.labels
	}
	return p.got.labels
}

// lines returns the pair as lines of a diff: "- " for what was expected, "+ " for what was found, "  " for both. timed
// puts the time in front.
func (p pair) lines(timed bool) []string {
	switch {
	case p.want == nil:
		return []string{"+ " + p.got.line(timed, true)}
	case p.got == nil:
		out := []string{"- " + p.want.line(timed)}
		for _, a := range p.want.annotations {
			out = append(out, annotationLine("- ", a.Name, a.Value))
		}
		return out
	}
	out := []string{"  " + p.want.line(timed)}
	if !p.headMeets() {
		out = []string{"- " + p.want.line(timed), "+ " + p.got.line(timed, p.want.value != nil)}
	}
	for _, a := range p.annotationsMissed() {
		out = append(out, annotationLine("- ", a.Name, a.Value))
		if text, has := p.got.annotations[a.Name]; has {
			out = append(out, annotationLine("+ ", a.Name, text))
		}
	}
	return out
}

// line writes what was expected.
func (w *wanted) line(timed bool) string {
	text := head(timed, w.at, w.name, w.labels, w.state) + valueText(w.value, w.tolerance.String())
	if w.reason != nil {
		text += reasonText(*w.reason)
	}
	return text
}

func annotationLine(mark, name, text string) string {
	return mark + "    " + name + ": " + strings.ReplaceAll(text, "\n", "\n"+mark+"      ")
}

// head writes an alert: its name, its labels as YAML has them, its state.
func head(timed bool, at time.Duration, name string, labels label.Set, state finding.State) string {
	text := strings.TrimSpace(name + " " + yamlLabels(labels) + " " + string(state))
	if timed {
		text = padded(expr.FormatDuration(at), 8) + text
	}
	return text
}

func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(width-len(s), 1))
}

func valueText(x *float64, tolerance string) string {
	if x == nil {
		return ""
	}
	text := ", value " + strconv.FormatFloat(*x, 'g', -1, 64)
	if tolerance != "" {
		text += " (off by " + tolerance + " at most)"
	}
	return text
}

// line writes what was found, valued with its value. An alert keeps the value with which it took its state, so it says when that was.
func (f *shown) line(timed, valued bool) string {
	text := head(timed, f.at, f.name, f.labels, f.state)
	if !timed && f.state != "" {
		text += " since " + expr.FormatDuration(f.since)
	}
	if valued {
		text += valueText(f.value, "")
	}
	return text + reasonText(f.reason)
}

func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return ", " + reason
}

// yamlLabels writes labels so that they can be copied into a test.
func yamlLabels(s label.Set) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range s {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name + ": " + yamlText(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// yamlText writes a text as a YAML scalar, in quotes where it needs them.
func yamlText(s string) string {
	plain := s != "" && !strings.ContainsAny(s, ",[]{}#&*!|>'\"%@`: \n\t") && s[0] != '-' && s[0] != '?'
	if plain {
		return s
	}
	if strings.ContainsAny(s, "\n\t") {
		return strconv.Quote(s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
