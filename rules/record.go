package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var metricPattern = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// taken are the prefixes of metrics that the program has itself.
var taken = []string{"freshet_", "go_", "process_", "promhttp_"} //nolint:gochecknoglobals // constant table

// ofAlerts are the keys that a rule cannot have which only records.
var ofAlerts = []string{"alert", "when", "until", "slo", "for", "keep_firing_for", "annotations", "notify", "expect"} //nolint:gochecknoglobals // constant table

// records says whether the rule records a metric.
func (r *ruleDraft) records() bool { _, has := r.texts["record"]; return has }

// name returns the name of the alert or of the metric.
func (r *ruleDraft) name() (scalar, bool) {
	if s, ok := r.texts["alert"]; ok {
		return s, true
	}
	s, ok := r.texts["record"]
	return s, ok
}

func (r *ruleDraft) text() string {
	s, _ := r.name()
	return s.text
}

// checkRecord reports what a rule that records a metric cannot have.
func (g *groupDraft) checkRecord(draft *ruleDraft) {
	s, ok := draft.texts["record"]
	if !ok {
		return
	}
	d := g.document
	at := d.at(s, 0, len(s.text))
	switch {
	case !metricPattern.MatchString(s.text):
		d.fault(at, "`"+s.text+"` is no name of a metric: letters, digits, _ and :, and no digit first", "as in shop:errors:rate1m")
	case slices.ContainsFunc(taken, func(prefix string) bool { return strings.HasPrefix(s.text, prefix) }):
		d.fault(at, "metrics that begin with "+strings.Join(taken, ", ")+" are freshet's own", "choose another name")
	}
	has := map[string]bool{
		"alert": draft.texts["alert"].text != "", "when": len(draft.when) > 0, "until": len(draft.until) > 0, "slo": draft.slo != nil,
		"annotations": len(draft.annotations) > 0, "expect": draft.expect != nil,
	}
	_, has["for"] = draft.lengths["for"]
	_, has["keep_firing_for"] = draft.lengths["keep_firing_for"]
	_, has["notify"] = draft.flags["notify"]
	for _, key := range ofAlerts {
		if has[key] {
			d.fault(draft.place, fmt.Sprintf("a rule that records has no `%s`", key), "an alert is a rule of its own")
		}
	}
}
