package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"time"

	"github.com/freshet-dev/freshet/rules/expr"
)

// doubts adds what is odd about an expression that compiles.
func (d *document) doubts(key string, s scalar, found expr.Faults) {
	for _, f := range found {
		d.add(Warning, d.at(s, f.Offset, f.Length), "`"+key+"`: "+f.Message, f.Hint)
	}
}

// partDoubts adds those of an expression on measures. What was made from an slo has doubts of its own.
func (d *document) partDoubts(key string, p pair, found expr.Faults) {
	if p.value.offsets == nil {
		return
	}
	for _, f := range found {
		if f.Name {
			d.add(Warning, p.place, f.Message, f.Hint)
			continue
		}
		d.doubts(key, p.value, expr.Faults{f})
	}
}

// lint adds what is odd about a rule as a whole.
func (g *groupDraft) lint(draft *ruleDraft, r *Rule) {
	g.lintTimes(draft, r)
	g.lintClock(draft, r)
	g.lintMissing(draft, r)
	if len(r.By) == len(draft.by) { // all of them compile
		g.lintKeys(draft)
	}
	for i, l := range r.Labels {
		g.lintLabel(draft, &r.Labels[i], l.Name)
	}
	g.lintTexts(draft, r)
}

// lintTimes reports lengths that mean another one than they say.
func (g *groupDraft) lintTimes(draft *ruleDraft, r *Rule) {
	d := g.document
	for _, key := range []string{"for", "keep_firing_for"} {
		length, at := g.lengthOf(draft, key, 0)
		if length <= 0 || length >= r.Interval {
			continue
		}
		interval := expr.FormatDuration(r.Interval)
		d.add(Warning, at, fmt.Sprintf("`%s` of %s is shorter than the interval, so it lasts one step, %s", key, expr.FormatDuration(length), interval),
			"write "+key+": "+interval+", or a shorter interval:")
	}
	for _, from := range []map[string]length{draft.lengths, g.shared.lengths} {
		l, ok := from["forget_after"]
		if !ok {
			continue
		}
		if l.value == 0 {
			d.add(Warning, d.at(l.scalar, 0, len(l.text)), "`forget_after` of 0s is the default, 1d", "write the shortest time that will do, as in forget_after: 1m, or remove it")
		}
		break
	}
}

// lintObjective reports severities of an slo that would need more than everything to be bad.
func (g *groupDraft) lintObjective(s *sloDraft, window time.Duration, budget float64) {
	least := map[string]float64{}
	for _, b := range burns {
		share := b.budget * float64(window) / float64(b.long) * budget
		if known, ok := least[b.severity]; !ok || share < known {
			least[b.severity] = share
		}
	}
	objective := s.texts["objective"]
	for _, severity := range slices.Sorted(maps.Keys(least)) {
		if share := least[severity]; share >= 1 {
			g.document.add(Warning, g.document.at(objective, 0, len(objective.text)),
				fmt.Sprintf("`%s` never holds at this objective: %.0f %% would have to be bad", severity, share*100), "set a higher objective, or a shorter window")
		}
	}
}

// lintMissing reports an absent() that on_missing keeps from being judged.
func (g *groupDraft) lintMissing(draft *ruleDraft, r *Rule) {
	if r.When == nil || r.OnMissing != MissingKeep && r.OnMissing != MissingResolve {
		return
	}
	for _, read := range r.When.Reads {
		if read.Window != 0 || read.Offset != 0 || read.PreviousWindows != 0 {
			return
		}
	}
	for _, read := range r.When.Reads {
		if read.Stat != expr.StatAbsent || r.When.Aggregates[read.Aggregate].Filter != nil {
			continue
		}
		s := draft.texts["on_missing"]
		g.document.add(Warning, g.document.at(s, 0, len(s.text)), "a group without records is not judged by its condition, so `absent()` never holds", "remove on_missing:, or absent()")
		return
	}
}

// Names of attributes that have a new value for each request, user or message, or hold free text. Ids of machines and
// accounts, of which there are few, are not meant.
var (
	endlessPattern = regexp.MustCompile(`(?i)(^|[._-])(u?id|uuid|guid)$|[a-z](Id|ID)$`)
	endlessNames   = []string{ //nolint:gochecknoglobals // constant table
		"body", "client.address", "client.port", "db.query.text", "db.statement", "exception.message", "exception.stacktrace",
		"http.client_ip", "http.target", "http.url", "message", "network.peer.port", "source.address", "source.ip", "status_message",
		"url.full", "url.original", "url.query",
	}
	fewNames = regexp.MustCompile(`^(host|cloud|k8s|container|service|faas|os|aws|gcp|azure|tenant|region|zone|cluster|thread)([._-]|[A-Z]|$)`)
)

// lintKeys reports entries of `by` that give a group to everything, unless the rule says how many it may have.
func (g *groupDraft) lintKeys(draft *ruleDraft) {
	if draft.maxGroups > 0 {
		return
	}
	d := g.document
	for _, k := range draft.by {
		name := plainName(k.expression.text)
		if !slices.Contains(endlessNames, name) && (!endlessPattern.MatchString(name) || fewNames.MatchString(name)) {
			continue
		}
		d.add(Warning, d.at(k.expression, 0, len(k.expression.text)), "`by`: `"+name+"` has no end of values, and each is a group with windows of its own",
			"group by something of which there are few, or say how many groups there may be, as in max_groups: "+strconv.Itoa(DefaultMaxGroups))
	}
}

// plainName returns the name in attributes["name"], resource["name"] and name.
func plainName(text string) string {
	text = strings.TrimSpace(text)
	for _, of := range []string{"attributes[", "resource["} {
		if inner, ok := strings.CutPrefix(text, of); ok {
			return strings.Trim(strings.TrimSuffix(inner, "]"), `"' `)
		}
	}
	return text
}

// lintLabel reports a label that differs from time to time: an alert is known by its labels.
func (g *groupDraft) lintLabel(draft *ruleDraft, t *Template, name string) {
	if t.compiled == nil {
		return
	}
	i := slices.IndexFunc(draft.labels, func(p pair) bool { return p.name == name })
	if i < 0 {
		return
	}
	s := draft.labels[i].value
	for _, one := range t.compiled.Templates() {
		if one.Tree == nil {
			continue
		}
		if at, variable, ok := printedMeasure(one.Root); ok {
			offset := max(at-len(preamble), 0)
			g.document.add(Warning, g.document.at(s, offset, len(variable)), name+": a label with "+variable+" in it is another one each time the alert fires, so that no silence knows it again", "write it as an annotation")
			return
		}
	}
}

// printedMeasure finds $value and the like in what a template prints; in its conditions they do no harm.
func printedMeasure(n parse.Node) (at int, variable string, ok bool) {
	var children []parse.Node
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			children = n.Nodes
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			children = []parse.Node{n.Pipe}
		}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			children = append(children, c)
		}
	case *parse.CommandNode:
		children = n.Args
	case *parse.VariableNode:
		return int(n.Pos), n.Ident[0], slices.Contains([]string{"$value", "$values", "$threshold", "$time"}, n.Ident[0])
	case *parse.IfNode:
		children = []parse.Node{n.List, n.ElseList}
	case *parse.RangeNode:
		children = []parse.Node{n.List, n.ElseList}
	case *parse.WithNode:
		children = []parse.Node{n.List, n.ElseList}
	}
	for _, child := range children {
		if at, variable, ok = printedMeasure(child); ok {
			return at, variable, true
		}
	}
	return 0, "", false
}

// lintTexts notes what whoever is woken would miss.
func (g *groupDraft) lintTexts(draft *ruleDraft, r *Rule) {
	if r.Quiet || r.Records {
		return
	}
	var lacks, tells, hint []string
	for _, text := range []struct{ name, tells, hint string }{
		{"summary", "what is up", "summary: '{{ $value }} errors in a minute'"},
		{"runbook_url", "what to do", "runbook_url: https://…"},
	} {
		if !slices.ContainsFunc(draft.annotations, func(p pair) bool { return p.name == text.name }) {
			lacks, tells, hint = append(lacks, "no `"+text.name+"`"), append(tells, text.tells), append(hint, text.hint)
		}
	}
	if len(lacks) > 0 {
		g.document.add(Note, draft.texts["alert"].place,
			strings.Join(lacks, " and ")+" among the annotations: whoever is notified is not told "+strings.Join(tells, " and "),
			"as in annotations: {"+strings.Join(hint, ", ")+"}")
	}
}

// A twin is a rule and where it stands.
type twin struct {
	rule  *Rule
	place place
}

// checkTwin reports a rule that says what another says: the two alerts come and go together.
func (g *groupDraft) checkTwin(draft *ruleDraft, r *Rule, twins map[uint64]twin) {
	key := r.likeness()
	first, taken := twins[key]
	if !taken {
		twins[key] = twin{r, draft.texts["alert"].place}
		return
	}
	if first.rule.Name == r.Name && first.rule.Group == r.Group && slices.Equal(texts(first.rule.Labels), texts(r.Labels)) {
		return // an error by now: one alert would be two
	}
	d := g.document
	d.rule = r.Name
	defer func() { d.rule = "" }()
	hint := "remove one"
	if first.rule.Name == r.Name {
		hint = "for one alert of several severities write when: {warning: …, critical: …}"
	}
	d.add(Warning, draft.texts["alert"].place, fmt.Sprintf("this says the same as %s in %s, line %d", first.rule.Name, first.rule.File, first.place.line), hint)
}

// texts returns names and texts of labels.
func texts(templates []Template) []string {
	out := make([]string, len(templates))
	for i, t := range templates {
		out[i] = t.Name + "=" + t.Text
	}
	return out
}
