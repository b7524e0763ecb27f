package ruletest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// aroundSteps is how many steps of a rule are shown before and after a moment.
	aroundSteps = 3
	// mostSubjects bounds the tables of one failure, mostGroups the groups that are named.
	mostSubjects = 4
	mostGroups   = 8
	mostSteps    = 6 // of an alert
)

// explanation gathers what the rules measured around what failed.
type explanation struct {
	test     *Test
	story    *story
	subjects []*subject
	// groups are the groups that gave measures, by rule.
	groups map[ruleName][]label.Set
}

// ruleName names a rule.
type ruleName struct{ group, name string }

// subject is a rule's group around a moment.
type subject struct {
	rule   *rules.Rule
	labels label.Set // those of `by`
	at     time.Duration
	rows   []detect.Measure
}

func newExplanation(t *Test, story *story, missed []miss) *explanation {
	e := &explanation{test: t, story: story, groups: map[ruleName][]label.Set{}}
	for i := range missed {
		e.subjects = append(e.subjects, e.about(&missed[i])...)
	}
	return e
}

// until returns the last time at which a measure is asked for.
func (e *explanation) until() (last time.Duration) {
	for _, s := range e.subjects {
		last = max(last, s.at+aroundSteps*s.rule.Interval)
	}
	return min(last, e.test.end)
}

// about returns the subjects of a miss, each once.
func (e *explanation) about(m *miss) (out []*subject) {
	for _, p := range m.pairs {
		if p.meets() {
			continue
		}
		for _, r := range e.test.rules.Rules {
			if r.Name != p.name() || p.got != nil && p.got.rule != r {
				continue
			}
			s := &subject{rule: r, labels: p.labels().Only(byLabels(r)...), at: m.at}
			if p.got != nil {
				s.labels = p.got.labels.Only(byLabels(r)...)
			}
			if m.timed {
				s.at = p.at()
			}
			if !slices.ContainsFunc(out, func(o *subject) bool { return o.same(s) }) && len(out) < mostSubjects {
				out = append(out, s)
			}
		}
	}
	return out
}

func byLabels(r *rules.Rule) (names []string) {
	for _, k := range r.By {
		names = append(names, k.Label)
	}
	return names
}

func (s *subject) same(o *subject) bool {
	return s.rule == o.rule && s.at == o.at && s.labels.Equal(o.labels)
}

// measure takes a measure of the second run.
func (e *explanation) measure(m detect.Measure) {
	name := ruleName{m.Group, m.Rule}
	wanted := false
	for _, s := range e.subjects {
		if s.rule.Name != m.Rule || s.rule.Group != m.Group {
			continue
		}
		wanted = true
		if off := time.Duration(m.Time-e.test.start.UnixNano()) - s.at; off.Abs() <= aroundSteps*s.rule.Interval && m.Labels.Equal(s.labels) {
			s.rows = append(s.rows, m)
		}
	}
	if groups := e.groups[name]; wanted && len(groups) <= mostGroups && !slices.ContainsFunc(groups, m.Labels.Equal) {
		e.groups[name] = append(groups, m.Labels)
	}
}

// of returns the lines that explain a miss.
func (e *explanation) of(m *miss) (lines []string) {
	for _, about := range e.about(m) {
		i := slices.IndexFunc(e.subjects, about.same)
		lines = append(lines, e.lines(e.subjects[i])...)
		if became := e.became(about); became != "" && !m.timed {
			lines = append(lines, "    the alert: "+became)
		}
	}
	return lines
}

// became says when the subject's alert took which state, "" when it never took any.
func (e *explanation) became(s *subject) string {
	var steps []string
	for _, f := range e.story.findings {
		if e.isOf(f, s) {
			steps = append(steps, string(f.State)+" at "+expr.FormatDuration(f.WindowEnd.Sub(e.test.start)))
		}
	}
	if len(steps) > mostSteps {
		steps = append(steps[:mostSteps], "…")
	}
	return strings.Join(steps, ", ")
}

// isOf says whether a finding is about the subject's alert.
func (e *explanation) isOf(f *finding.Finding, s *subject) bool {
	return f.Rule == s.rule.Name && f.Group == s.rule.Group && f.Labels.Only(byLabels(s.rule)...).Equal(s.labels)
}

func (e *explanation) lines(s *subject) []string {
	r := s.rule
	condition := ""
	if source := strings.Join(strings.Fields(r.When.Conditions[0].Source), " "); !r.Graded() && source != "" {
		condition = " when " + source
	}
	out := []string{"", fmt.Sprintf("  %s %s%s", r.Name, yamlLabels(s.labels), condition)}
	switch {
	case len(s.rows) > 0:
		return append(out, e.table(s)...)
	case r.When.Conditions[0].Value == nil:
		out = append(out, "    its condition has no number to show")
	case e.knows(s):
		out = append(out, "    it had no value around "+expr.FormatDuration(s.at))
	default:
		if groups := e.groups[ruleName{r.Group, r.Name}]; len(groups) > 0 {
			out = append(out, "    there is no such group; there are "+groupList(groups))
		}
	}
	return append(out, "    "+e.counts(r))
}

func (e *explanation) knows(s *subject) bool {
	return slices.ContainsFunc(e.groups[ruleName{s.rule.Group, s.rule.Name}], s.labels.Equal)
}

func groupList(groups []label.Set) string {
	var texts []string
	for i, g := range groups {
		if i == mostGroups {
			texts = append(texts, "…")
			break
		}
		texts = append(texts, yamlLabels(g))
	}
	return strings.Join(texts, ", ")
}

// counts says what the rule made of the records.
func (e *explanation) counts(r *rules.Rule) string {
	n, sent := e.story.rules[r.ID], e.story.signals[r.From]
	what := strings.ReplaceAll(r.From.String(), "_", " ")
	if r.From == ingest.Metrics {
		what = "points"
	}
	all := fmt.Sprintf("%d %s", sent, what)
	if sent == 1 {
		all = strings.TrimSuffix(all, "s")
	}
	switch {
	case sent == 0:
		return "the test has no " + what
	case n.Selected == 0 && r.Where != nil:
		return "of " + all + " none passes its where: " + r.WhereText
	case n.Selected == 0:
		return "of " + all + " it reads none"
	}
	text := fmt.Sprintf("of %s it counted %d", all, n.Matched)
	if n.Unmatched > 0 {
		text += fmt.Sprintf("; %d lack what it groups by", n.Unmatched)
	}
	if n.Late > 0 {
		text += fmt.Sprintf("; %d came too late", n.Late)
	}
	return text
}

// table shows the measures around the moment, which is marked.
func (e *explanation) table(s *subject) []string {
	rows := [][]string{{"time", "value", "threshold", "state"}}
	slices.SortStableFunc(s.rows, func(a, b detect.Measure) int { return cmp.Compare(a.Time, b.Time) })
	start := e.test.start.UnixNano()
	marked := -1
	for i, m := range s.rows {
		at := time.Duration(m.Time - start)
		if at <= s.at {
			marked = i + 1
		}
		rows = append(rows, []string{expr.FormatDuration(at), number(m.Value), number(m.Threshold), string(e.state(s, at))})
	}
	var width [4]int
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var out []string
	for i, row := range rows {
		line := "    "
		if i == marked {
			line = "  > "
		}
		line += row[0] + strings.Repeat(" ", width[0]-len(row[0]))
		for k := 1; k < 3; k++ {
			line += "  " + strings.Repeat(" ", width[k]-len([]rune(row[k]))) + row[k]
		}
		out = append(out, strings.TrimRight(line+"  "+row[3], " "))
	}
	return out
}

// number writes a measure, – where it is missing.
func number(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

func missing() float64 { return math.NaN() }

// state returns the state of the subject's alert at a time, "" while there is none.
func (e *explanation) state(s *subject, at time.Duration) finding.State {
	state := finding.State("")
	for _, f := range e.story.findings {
		if f.WindowEnd.Sub(e.test.start) > at {
			break
		}
		if e.isOf(f, s) {
			if state = f.State; state == finding.Resolved {
				state = ""
			}
		}
	}
	return state
}
