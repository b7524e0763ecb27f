package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// What a rule has where neither it nor its group says anything.
const (
	DefaultInterval  = 5 * time.Second
	DefaultWindow    = time.Minute
	DefaultLateness  = 5 * time.Second
	DefaultMaxGroups = 100_000
)

// Bounds of a rule.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = time.Hour
	mostLateness  = 24 * time.Hour
	mostHold      = 366 * 24 * time.Hour // of for and keep_firing_for
	mostReach     = 400 * 24 * time.Hour // of a window and of any look back, which the detector's memory does not depend on
)

var (
	labelPattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	topicPattern = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
	signals      = []string{"logs", "metrics", "spans", "span_events", "events", "findings"} //nolint:gochecknoglobals // constant table
)

// share gives a draft what its group has for all of its rules. Labels and annotations are joined; of one name the rule's own
// counts. A group's `where` holds besides the rule's.
func (g *groupDraft) share(draft *ruleDraft) {
	for key, s := range g.shared.texts {
		if _, own := draft.texts[key]; !own && key != "where" {
			draft.texts[key] = s
		}
	}
	for key, value := range g.shared.flags {
		if _, own := draft.flags[key]; !own && (key != "notify" || !draft.records()) {
			draft.flags[key] = value
		}
	}
	if draft.maxGroups == 0 {
		draft.maxGroups = g.shared.maxGroups
	}
	if draft.by == nil {
		draft.by = g.shared.by
	}
	if draft.expect == nil && !draft.records() {
		draft.expect = g.shared.expect
	}
	draft.labels = joined(draft.labels, g.shared.labels)
	if !draft.records() {
		draft.annotations = joined(draft.annotations, g.shared.annotations)
	}
}

func joined(own, shared []pair) []pair {
	out := slices.Clone(own)
	for _, p := range shared {
		if !slices.ContainsFunc(own, func(o pair) bool { return o.name == p.name }) {
			out = append(out, p)
		}
	}
	return out
}

// check turns a draft into a rule, or adds what is wrong with it. A rule that is not enabled is checked, and left out.
func (g *groupDraft) check(draft *ruleDraft) *Rule {
	d := g.document
	before := len(d.problems)
	d.rule = draft.text()
	defer func() { d.rule = "" }()
	_, records := draft.texts["record"]
	r := &Rule{
		Name: d.rule, Records: records, Group: g.name.text, File: d.file, Line: draft.place.line, Column: draft.place.column,
		MaxGroups: DefaultMaxGroups,
	}
	if draft.maxGroups > 0 {
		r.MaxGroups = draft.maxGroups
	}
	if notify, has := draft.flags["notify"]; has {
		r.Quiet = !notify
	}
	g.checkRequired(draft)
	g.checkRecord(draft)
	g.checkClock(draft, r)
	g.checkLengths(draft, r)
	g.checkMissing(draft, r)
	if s, ok := draft.texts["from"]; ok {
		g.checkSource(draft, r, s)
	}
	if r.From != ingest.Unknown {
		g.compile(draft, r)
	}
	g.checkLabels(draft, r)
	g.checkExpect(draft, r)
	g.lint(draft, r)
	if draft.broken || slices.ContainsFunc(d.problems[before:], faulty) {
		return nil
	}
	if enabled, has := draft.flags["enabled"]; has && !enabled {
		return nil
	}
	r.ID, r.Panes = r.meaning(), r.panes()
	return r
}

// checkMissing reads what a group without records is judged as.
func (g *groupDraft) checkMissing(draft *ruleDraft, r *Rule) {
	s, ok := draft.texts["on_missing"]
	if !ok {
		return
	}
	words := missingNames[MissingZero:]
	i := slices.Index(words, s.text)
	if i < 0 {
		hint := "it is one of " + strings.Join(words, ", ")
		if near := expr.Nearest(s.text, words); near != "" {
			hint = "did you mean " + near + "?"
		}
		g.document.fault(g.document.at(s, 0, len(s.text)), "`on_missing` cannot be "+quoted(s.text), hint)
		return
	}
	r.OnMissing = MissingZero + Missing(i)
}

// checkRequired reports keys that every rule has.
func (g *groupDraft) checkRequired(draft *ruleDraft) {
	if draft.broken {
		return // what is missing may stand under a misspelt key, which is reported already
	}
	for _, key := range []struct {
		name, hint string
		has        bool
	}{
		{"alert", "name it: alert: ErrorSpike, or record: a metric", draft.text() != ""},
		{"from", "say what it reads: from: logs, metrics, spans, span_events, events or findings", draft.texts["from"].text != ""},
		{"when", "say when it fires, as in when: count(severity >= ERROR) > 100", len(draft.when) > 0 || draft.slo != nil || draft.records()},
		{"value", "say what is recorded, as in value: count(severity >= ERROR)", !draft.records() || draft.texts["value"].text != ""},
	} {
		if !key.has {
			g.document.fault(draft.place, "a rule needs `"+key.name+"`", key.hint)
		}
	}
}

// lengthOf returns a duration of the rule, else of the group, else the default, and where it stands.
func (g *groupDraft) lengthOf(draft *ruleDraft, key string, otherwise time.Duration) (time.Duration, place) {
	for _, from := range []map[string]length{draft.lengths, g.shared.lengths} {
		if l, ok := from[key]; ok {
			return l.value, g.document.at(l.scalar, 0, len(l.text))
		}
	}
	return otherwise, draft.place
}

func (g *groupDraft) checkLengths(draft *ruleDraft, r *Rule) {
	d := g.document
	if len(draft.lengths) == 0 {
		// What is wrong is so for the whole group, and said once.
		defer func(name string) { d.rule = name }(d.rule)
		d.rule = ""
	}
	bound := func(key string, value, least, most time.Duration, at place) bool {
		if value >= least && value <= most {
			return true
		}
		d.fault(at, fmt.Sprintf("`%s` is %s, and it must be from %s to %s", key, expr.FormatDuration(value), expr.FormatDuration(least), expr.FormatDuration(most)), "")
		return false
	}
	var at place
	r.Interval, at = g.lengthOf(draft, "interval", DefaultInterval)
	intervalGood := bound("interval", r.Interval, leastInterval, mostInterval, at)
	lateness := DefaultLateness
	if r.Arrival || draft.texts["from"].text == ingest.Findings.String() {
		lateness = kafkaLateness
	}
	r.Lateness, at = g.lengthOf(draft, "lateness", lateness)
	bound("lateness", r.Lateness, 0, mostLateness, at)
	r.For, at = g.lengthOf(draft, "for", 0)
	bound("for", r.For, 0, mostHold, at)
	r.KeepFiringFor, at = g.lengthOf(draft, "keep_firing_for", 0)
	bound("keep_firing_for", r.KeepFiringFor, 0, mostHold, at)
	r.ForgetAfter, at = g.lengthOf(draft, "forget_after", 0)
	bound("forget_after", r.ForgetAfter, 0, mostHold, at)
	r.NewGroupDelay, at = g.lengthOf(draft, "new_group_delay", 0)
	bound("new_group_delay", r.NewGroupDelay, 0, mostHold, at)
	r.Window, at = g.lengthOf(draft, "window", DefaultWindow)
	switch {
	case !intervalGood:
		r.Interval = 0 // so that nothing else is judged by it
	case r.Window < r.Interval:
		d.fault(at, "the window of "+expr.FormatDuration(r.Window)+" is shorter than the interval of "+expr.FormatDuration(r.Interval), "write a window of "+expr.FormatDuration(r.Interval)+" or more, or a shorter interval:")
	case r.Window%r.Interval != 0:
		d.fault(at, "the window of "+expr.FormatDuration(r.Window)+" is not a multiple of the interval of "+expr.FormatDuration(r.Interval), "write "+expr.Multiples(r.Window, r.Interval))
	case r.Window > mostReach:
		d.fault(at, "the window of "+expr.FormatDuration(r.Window)+" is too long", "write "+expr.FormatDuration(mostReach)+" or less")
	}
}

// checkSource decides what the rule reads.
func (g *groupDraft) checkSource(draft *ruleDraft, r *Rule, from scalar) {
	d := g.document
	at := d.at(from, 0, len(from.text))
	signal, err := ingest.ParseSignal(from.text)
	if err != nil {
		hint := "it is one of " + strings.Join(signals, ", ")
		if near := signalOf(from.text); near != "" {
			hint = "did you mean " + near + "?"
		}
		d.fault(at, "there is no signal `"+from.text+"`", hint)
		return
	}
	r.From = signal
	topic, has := draft.texts["topic"]
	switch {
	case signal == ingest.Events && !has && !draft.broken:
		d.fault(at, "a rule on events needs the topic that they come from", "add topic: name")
	case signal == ingest.Findings && has:
		d.fault(topic.place, "`topic` is for from: events; findings come from freshet's own topic", "remove topic:")
	case signal != ingest.Events && has:
		d.fault(topic.place, "`topic` is for from: events; "+signal.String()+" come from the topics of the configuration", "remove topic:, or write from: events")
	case has && !topicPattern.MatchString(topic.text):
		d.fault(d.at(topic, 0, len(topic.text)), "this is no name of a Kafka topic", "letters, digits, `.`, `_` and `-`, at most 249")
	default:
		r.Topic = topic.text
	}
}

// signalOf returns the signal that a word of another system means.
func signalOf(word string) string {
	switch strings.ToLower(word) {
	case "log":
		return "logs"
	case "metric":
		return "metrics"
	case "span", "trace", "traces":
		return "spans"
	case "event", "json", "topic", "kafka":
		return "events"
	case "alerts", "alert", "finding":
		return "findings"
	default:
		return expr.Nearest(word, signals)
	}
}

// where compiles the predicates of the rule and of its group, both of which hold for a record that is read.
func (g *groupDraft) where(draft *ruleDraft, r *Rule) {
	d := g.document
	for _, from := range []*ruleDraft{&g.shared, draft} {
		s, ok := from.texts["where"]
		if !ok {
			continue
		}
		where, faults := expr.CompileWhere(s.text, r.From, d.lists)
		d.expression("where", s, faults)
		if where != nil {
			d.doubts("where", s, where.Doubts)
		}
		switch {
		case where == nil:
		case r.Where == nil:
			r.Where, r.WhereText, r.Bounds = where.Holds, where.Text, where.Bounds
		default:
			shared := r.Where
			r.Where = func(rec *ingest.Record) bool { return shared(rec) && where.Holds(rec) }
			r.WhereText = "(" + r.WhereText + ") && (" + where.Text + ")"
			r.Bounds = slices.Concat(r.Bounds, where.Bounds)
		}
	}
}

// measures compiles what the rule says about measures.
func (g *groupDraft) measures(draft *ruleDraft, r *Rule, keys []expr.Key) {
	d := g.document
	var parts []expr.Part
	var from []pair
	add := func(role expr.Role, pairs ...pair) {
		for _, p := range pairs {
			parts = append(parts, expr.Part{Role: role, Name: p.name, Source: p.value.text})
			from = append(from, p)
		}
	}
	add(expr.RoleLet, draft.let...)
	add(expr.RoleWhen, draft.when...)
	add(expr.RoleUntil, draft.until...)
	if s, ok := draft.texts["value"]; ok {
		add(expr.RoleValue, pair{value: s})
	}
	program, faults := expr.Compile(parts, expr.Options{Signal: r.From, By: keys, Interval: r.Interval, Window: r.Window, Records: r.Records, Lists: d.lists})
	for i, part := range parts {
		for _, f := range faults[i] {
			if f.Name {
				d.fault(from[i].place, f.Message, f.Hint)
				continue
			}
			key := part.Key()
			if from[i].value.offsets == nil { // it was made from an slo
				key = "slo"
			}
			d.expression(key, from[i].value, expr.Faults{f})
		}
	}
	if program == nil || len(draft.when) == 0 && !r.Records {
		return
	}
	r.When = program
	for i, found := range program.Doubts {
		d.partDoubts(parts[i].Key(), from[i], found)
	}
	if r.Interval > 0 {
		g.checkReach(r, slices.Concat(draft.when, []pair{{value: draft.texts["value"]}})[0].value)
	}
}

// compile compiles the rule's expressions.
func (g *groupDraft) compile(draft *ruleDraft, r *Rule) {
	d := g.document
	g.where(draft, r)
	var keys []expr.Key
	labels := map[string]place{}
	for _, k := range draft.by {
		key, faults := d.key(k.expression.text, r.From)
		d.expression("by", k.expression, faults)
		if key == nil {
			// The condition may use the name: it is there, though faulty.
			keys = append(keys, expr.Key{Label: k.label, Text: k.expression.text})
			continue
		}
		keys = append(keys, *key)
		last := &keys[len(keys)-1]
		switch {
		case k.label != "":
			last.Label = k.label
		case key.Label == "":
			d.fault(k.expression.place, "an expression in `by` needs a label", "write {label: "+d.flow(k.expression.text)+"}")
			continue
		}
		if !d.checkLabelName(last.Label, k.labelPlace) {
			continue
		}
		if first, taken := labels[last.Label]; taken {
			d.fault(k.labelPlace, "two entries of `by` give the label "+last.Label, fmt.Sprintf("the first stands in line %d; write {other_name: %s}", first.line, d.flow(k.expression.text)))
			continue
		}
		labels[last.Label] = k.labelPlace
		r.By = append(r.By, Key(*last))
	}
	g.measures(draft, r, keys)
}

// flow returns an expression as it can stand in a flow mapping.
func (d *document) flow(expression string) string {
	if strings.ContainsAny(expression, ",{}[]#:&*!|>'\"%@`?") {
		return quoted(expression)
	}
	return expression
}

// checkReach bounds what a condition looks back on.
func (g *groupDraft) checkReach(r *Rule, when scalar) {
	if r.Window > mostReach {
		return // its fault has been named
	}
	for _, read := range r.When.Reads {
		// The parts are bounded as well, in case their sum is too large for a number.
		if reach := max(r.reach(read), read.Window, read.Offset); reach > mostReach {
			g.document.fault(when.place, "`when` looks back "+expr.FormatDuration(reach)+", which is too long", "write "+expr.FormatDuration(mostReach)+" or less in all")
			return
		}
	}
}

// expression adds the faults of an expression at their places in the file.
func (d *document) expression(key string, s scalar, faults expr.Faults) {
	for i, f := range faults {
		hint := f.Hint
		if s.plain && s.comment != "" && i == 0 {
			hint = "YAML cuts the expression at ` #`; " + d.cutHint(key, s)
		}
		d.fault(d.at(s, f.Offset, f.Length), "`"+key+"`: "+f.Message, hint)
	}
}

// checkLabelName says whether a label may have the name.
func (d *document) checkLabelName(name string, at place) bool {
	switch {
	case name == label.AlertName:
		d.fault(at, "the label alertname is the rule's name and cannot be set", "choose another name")
	case strings.HasPrefix(name, "__"):
		d.fault(at, "labels that begin with __ are for internal use", "choose another name")
	case !labelPattern.MatchString(name):
		d.fault(at, "`"+name+"` is no label name: letters, digits and _, and no digit first", "write "+expr.LabelName(name))
	default:
		return true
	}
	return false
}

// checkLabels compiles labels and annotations.
func (g *groupDraft) checkLabels(draft *ruleDraft, r *Rule) {
	d := g.document
	var groupNames []string
	for _, k := range r.By {
		groupNames = append(groupNames, k.Label)
	}
	known := slices.Concat(groupNames, []string{label.AlertName})
	byFaulty := len(r.By) < len(draft.by) || draft.broken
	graded := len(draft.when) > 0 && draft.when[0].name != ""
	if graded {
		known = append(known, label.Severity)
	}
	for _, p := range draft.labels {
		if !d.checkLabelName(p.name, p.place) {
			continue
		}
		if graded && p.name == label.Severity {
			d.fault(p.place, "the label severity comes from `when` already", "remove it")
			continue
		}
		if slices.Contains(groupNames, p.name) {
			d.fault(p.place, "the label "+p.name+" comes from `by` already", "choose another name, or remove it")
			continue
		}
		known = append(known, p.name)
		if t, ok := d.template(p, groupNames, draft.let, byFaulty); ok {
			r.Labels = append(r.Labels, t)
		}
	}
	slices.SortFunc(r.Labels, func(a, b Template) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range draft.annotations {
		if !labelPattern.MatchString(p.name) {
			d.fault(p.place, "`"+p.name+"` is no annotation name: letters, digits and _, and no digit first", "write "+expr.LabelName(p.name))
			continue
		}
		if t, ok := d.template(p, known, draft.let, byFaulty); ok {
			r.Annotations = append(r.Annotations, t)
		}
	}
}

// template compiles one text; anyLabel says that the labels are not all known, because `by` has faults.
func (d *document) template(p pair, labels []string, let []pair, anyLabel bool) (Template, bool) {
	names := make([]string, len(let))
	for i, l := range let {
		names[i] = l.name
	}
	t, faults := newTemplate(p.name, p.value.text, labels, names)
	good := true
	for _, f := range faults {
		if f.severity == Warning && anyLabel {
			continue
		}
		good = good && f.severity == Warning
		d.add(f.severity, d.at(p.value, f.offset, f.length), p.name+": "+f.message, f.hint)
	}
	return t, good
}
