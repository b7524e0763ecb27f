package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/freshet-dev/freshet/rules/expr"
)

// A groupDraft is a group as written.
type groupDraft struct {
	name     scalar
	shared   ruleDraft // what its rules have where they say nothing themselves
	rules    []ruleDraft
	document *document
}

// A ruleDraft is a rule as written: decoded, but not yet checked as a whole or compiled.
type ruleDraft struct {
	place       place // of its first key
	texts       map[string]scalar
	lengths     map[string]length
	flags       map[string]bool
	maxGroups   int
	by          []keyDraft
	expect      *entry
	let         []pair
	when, until []pair // by severity, or one without a name
	slo         *sloDraft
	labels      []pair
	annotations []pair
	broken      bool // a fault of decoding took something away that later checks would miss
}

// A length is a duration as written.
type length struct {
	scalar
	value time.Duration
}

// A pair is a name and its text.
type pair struct {
	name  string
	place place // of the name
	value scalar
}

// A keyDraft is one entry of `by`: an expression and, where it was given one, its label.
type keyDraft struct {
	label      string
	labelPlace place
	expression scalar
}

// groups decodes the whole file.
func (d *document) groups() []groupDraft {
	root := d.root()
	if root == nil {
		return nil
	}
	if s, ok := root.(*ast.SequenceNode); ok {
		d.fault(d.placeOf(s), "a rule file is a mapping that begins with groups:, and this is a list", "a file of values that rules name under lists: stands in a folder of its own")
		return nil
	}
	var out []groupDraft
	entries := d.entries(root, "a rule file", fileKeys)
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.key == "lists" }); i >= 0 {
		d.decodeLists(entries[i])
		entries = slices.Delete(entries, i, i+1)
	}
	for _, e := range entries {
		if isNull(d.unwrap(e.value)) {
			d.fault(e.place, "`groups` is empty", "add a group: - name: …")
			continue
		}
		for _, item := range d.items(e.value) {
			out = append(out, d.group(item))
		}
	}
	if len(entries) == 0 && len(d.problems) == 0 {
		d.fault(d.placeOf(root), "the file has no groups", "it begins with groups:")
	}
	return out
}

func (d *document) group(n ast.Node) groupDraft {
	g := groupDraft{document: d, shared: newRuleDraft(d.placeOf(n))}
	at := d.placeOf(n)
	var hasRules bool
	for _, e := range d.entries(n, "a group", groupKeys) {
		switch e.key {
		case "name":
			g.name, _ = d.text(e)
		case "rules":
			hasRules = true
			if isNull(d.unwrap(e.value)) {
				d.fault(e.place, "`rules` is empty", "add a rule: - alert: …")
				continue
			}
			items := d.items(e.value)
			if len(items) == 0 {
				d.fault(e.place, "`rules` is empty", "add a rule: - alert: …")
			}
			for _, item := range items {
				g.rules = append(g.rules, d.ruleDraft(item))
			}
		default:
			d.ruleEntry(e, &g.shared)
		}
	}
	if g.name.text == "" {
		d.fault(at, "a group needs a name", "add name: …")
	}
	if !hasRules {
		d.fault(at, "group "+quoted(g.name.text)+" has no rules", "add rules: with at least one - alert: …")
	}
	return g
}

func newRuleDraft(at place) ruleDraft {
	return ruleDraft{place: at, texts: map[string]scalar{}, lengths: map[string]length{}, flags: map[string]bool{}}
}

func (d *document) ruleDraft(n ast.Node) ruleDraft {
	before := len(d.problems)
	r := newRuleDraft(d.placeOf(n))
	d.rule = d.alertName(n)
	defer func() { d.rule = "" }()
	for _, e := range d.entries(n, "a rule", ruleKeys) {
		d.ruleEntry(e, &r)
	}
	r.broken = slices.ContainsFunc(d.problems[before:], faulty)
	return r
}

// ruleEntry decodes one entry of a rule, or of what the rules of a group share.
func (d *document) ruleEntry(e entry, r *ruleDraft) {
	switch e.key {
	case "window", "interval", "for", "keep_firing_for", "lateness", "forget_after", "new_group_delay":
		d.length(e, r.lengths)
	case "enabled", "notify":
		d.flag(e, r.flags)
	case "max_groups":
		r.maxGroups = d.count(e)
	case "by":
		r.by = d.keys(e)
	case "expect":
		r.expect = &e
	case "let":
		r.let = d.pairs(e)
	case "when":
		r.when = d.bySeverity(e)
	case "until":
		r.until = d.bySeverity(e)
	case "slo":
		r.slo = d.slo(e)
	case "labels":
		r.labels = d.pairs(e)
	case "annotations":
		r.annotations = d.pairs(e)
	default:
		if s, ok := d.text(e); ok {
			r.texts[e.key] = s
		}
	}
}

// bySeverity decodes one condition, or a mapping from severities to conditions.
func (d *document) bySeverity(e entry) []pair {
	switch d.unwrap(e.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return d.pairs(e)
	default:
		s, ok := d.text(e)
		if !ok {
			return nil
		}
		return []pair{{place: e.place, value: s}}
	}
}

// flag decodes true or false.
func (d *document) flag(e entry, into map[string]bool) {
	s, ok := d.text(e)
	if !ok {
		return
	}
	value, err := strconv.ParseBool(s.text)
	if err != nil {
		d.fault(d.at(s, 0, len(s.text)), "`"+e.key+"` is true or false", "")
		return
	}
	into[e.key] = value
}

// alertName finds the rule's name before the rule is decoded, so that all its problems carry it.
func (d *document) alertName(n ast.Node) string {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		n = anchor.Value
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return ""
	}
	for _, v := range m.Values {
		if key := v.Key.GetToken().Value; key == "alert" || key == "record" {
			if s, ok := d.scalarOf(v.Value); ok {
				return s.text
			}
		}
	}
	return ""
}

// length decodes a duration into the map.
func (d *document) length(e entry, into map[string]length) {
	s, ok := d.text(e)
	if !ok {
		return
	}
	value, err := expr.ParseDuration(s.text)
	if err != nil {
		hint := ""
		if n, numeric := strconv.ParseFloat(s.text, 64); numeric == nil && n > 0 {
			hint = "a unit is missing: write " + strings.TrimSpace(s.text) + "s for seconds"
		}
		d.fault(d.at(s, 0, len(s.text)), "`"+e.key+"`: "+err.Error(), hint)
		return
	}
	into[e.key] = length{s, value}
}

// count decodes a whole number above 0.
func (d *document) count(e entry) int {
	s, ok := d.text(e)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(strings.ReplaceAll(s.text, "_", ""))
	if err != nil || n <= 0 {
		d.fault(d.at(s, 0, len(s.text)), "`"+e.key+"` is a whole number above 0", "as in "+e.key+": "+strconv.Itoa(DefaultMaxGroups))
		return 0
	}
	return n
}

// pairs decodes labels or annotations.
func (d *document) pairs(e entry) []pair {
	if isNull(d.unwrap(e.value)) {
		d.fault(e.place, "`"+e.key+"` is empty", "give it entries or remove it")
		return nil
	}
	var out []pair
	for _, entry := range d.entries(e.value, "`"+e.key+"`", nil) {
		if s, ok := d.text(entry); ok {
			out = append(out, pair{name: entry.key, place: entry.place, value: s})
		}
	}
	return out
}

// keys decodes `by`: a name, a list of names and {label: expression}, or a mapping of those.
func (d *document) keys(e entry) []keyDraft {
	if isNull(d.unwrap(e.value)) {
		d.fault(e.place, "`by` is empty", "name what to group by, as in by: [service.name], or remove it")
		return nil
	}
	var out []keyDraft
	for _, item := range d.items(e.value) {
		item = d.unwrap(item)
		switch item.(type) {
		case nil:
		case *ast.MappingNode, *ast.MappingValueNode:
			for _, entry := range d.entries(item, "`by`", nil) {
				if s, ok := d.text(entry); ok {
					out = append(out, keyDraft{label: entry.key, labelPlace: entry.place, expression: s})
				}
			}
		default:
			if s, ok := d.text(entry{key: "by", place: e.place, value: item}); ok {
				out = append(out, keyDraft{expression: s, labelPlace: s.place})
			}
		}
	}
	return out
}
