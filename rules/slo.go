package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules/expr"
)

// What an slo has where it says nothing.
const (
	defaultSLOWindow  = 30 * 24 * time.Hour
	defaultSLOMinimum = 100
	sloOwnWindow      = 5 * time.Minute // of the rule, which its evidence is taken from
)

// burn is one alert of the table in chapter 5 of Google's Site Reliability Workbook: it fires when so much of the error
// budget was spent within the long window, and the short one says that it is still being spent.
type burn struct {
	severity    string
	budget      float64
	long, short time.Duration
}

var burns = [...]burn{ //nolint:gochecknoglobals // constant table
	{"critical", 0.02, time.Hour, 5 * time.Minute},
	{"critical", 0.05, 6 * time.Hour, 30 * time.Minute},
	{"warning", 0.10, 3 * 24 * time.Hour, 6 * time.Hour},
}

// sloDraft is an slo as written.
type sloDraft struct {
	place   place
	texts   map[string]scalar
	lengths map[string]length
	minimum int
}

// slo decodes a service level objective.
func (d *document) slo(e entry) *sloDraft {
	s := &sloDraft{place: e.place, texts: map[string]scalar{}, lengths: map[string]length{}, minimum: defaultSLOMinimum}
	for _, entry := range d.entries(e.value, "`slo`", sloKeys) {
		switch entry.key {
		case "window":
			d.length(entry, s.lengths)
		case "minimum":
			s.minimum = d.count(entry)
		default:
			if text, ok := d.text(entry); ok {
				s.texts[entry.key] = text
			}
		}
	}
	for _, key := range []struct{ name, hint string }{
		{"objective", "how much is to be good, as in objective: 99.9%"},
		{"good", "what is good, as in good: count(status != ERROR)"},
		{"total", "all that counts, as in total: count()"},
	} {
		if _, ok := s.texts[key.name]; !ok {
			d.fault(e.place, "`slo` needs `"+key.name+"`", key.hint)
		}
	}
	return s
}

// expand puts the measures and the conditions of the slo into its rule: those of the SRE Workbook, by how fast the error
// budget is spent.
func (g *groupDraft) expand(draft *ruleDraft) {
	s := draft.slo
	if s == nil || draft.broken {
		return
	}
	d := g.document
	d.rule = draft.text()
	before := len(d.problems)
	defer func() { d.rule, draft.broken = "", len(d.problems) > before }()
	for _, key := range []struct {
		name string
		has  bool
	}{{"when", len(draft.when) > 0}, {"until", len(draft.until) > 0}, {"value", draft.texts["value"].text != ""}} {
		if key.has {
			d.fault(s.place, "a rule has `slo` or `"+key.name+"`, not both", "the conditions of an slo are made from its objective")
			return
		}
	}
	objective, ok := d.objective(s.texts["objective"])
	if !ok {
		return
	}
	window := defaultSLOWindow
	if l, has := s.lengths["window"]; has {
		window = l.value
		if longest := burns[len(burns)-1].long; window < longest {
			d.fault(d.at(l.scalar, 0, len(l.text)), "the window of an slo is at least "+expr.FormatDuration(longest), "")
			return
		}
	}
	generated := func(name, source string) pair {
		return pair{name: name, place: s.place, value: generatedScalar(s.place, source)}
	}
	ratio := func(length time.Duration) string {
		over := ".over(" + strconv.Quote(expr.FormatDuration(length)) + ")"
		return "(1 - good" + over + " / total" + over + ")"
	}
	budget := 1 - objective
	conditions := map[string][]string{}
	for _, b := range burns {
		limit := strconv.FormatFloat(b.budget*float64(window)/float64(b.long)*budget, 'g', 12, 64)
		conditions[b.severity] = append(conditions[b.severity], fmt.Sprintf("total.over(%q) >= %d && %s > %s && %s > %s",
			expr.FormatDuration(b.long), s.minimum, ratio(b.long), limit, ratio(b.short), limit))
	}
	g.lintObjective(s, window, budget)
	text := strconv.FormatFloat(budget, 'g', 12, 64)
	draft.let = slices.Concat(draft.let, []pair{
		{name: "good", place: s.texts["good"].place, value: s.texts["good"]},
		{name: "total", place: s.texts["total"].place, value: s.texts["total"]},
		generated("burn_rate", ratio(time.Hour)+" / "+text),
		generated("budget_left", "1 - "+ratio(window)+" / "+text),
	})
	for _, severity := range []string{"warning", "critical"} {
		draft.when = append(draft.when, generated(severity, strings.Join(conditions[severity], " || ")))
	}
	draft.texts["value"] = generatedScalar(s.place, "burn_rate")
	if _, has := draft.lengths["window"]; !has {
		draft.lengths["window"] = length{scalar: generatedScalar(s.place, ""), value: sloOwnWindow}
	}
}

// generatedScalar is a text that does not stand in the file; all of it is at one place.
func generatedScalar(at place, text string) scalar {
	return scalar{text: text, place: at}
}

// objective reads a share: 99.9% or 0.999.
func (d *document) objective(s scalar) (float64, bool) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s.text), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if percent {
		x /= 100
	}
	if err != nil || x <= 0 || x >= 1 {
		hint := "as in objective: 99.9%"
		if err == nil && x > 1 && x < 100 {
			hint = "write " + text + "%"
		}
		d.fault(d.at(s, 0, len(s.text)), "the objective is a share between 0 and 100 %", hint)
		return 0, false
	}
	return x, true
}
