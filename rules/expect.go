package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/freshet-dev/freshet/rules/expr"
)

// expectation collects the groups that a rule expects.
type expectation struct {
	document *document
	by       []Key
	groups   [][]string
}

// checkExpect reads which groups must be there.
func (g *groupDraft) checkExpect(draft *ruleDraft, r *Rule) {
	e, d := draft.expect, g.document
	switch {
	case e == nil:
		return
	case isNull(d.unwrap(e.value)):
		d.fault(e.place, "`expect` is empty", "name groups, as in expect: [db-1, db-2], or remove it")
		return
	case len(draft.by) == 0:
		if !draft.broken {
			d.fault(e.place, "`expect` names groups, and this rule has one only", "say what it groups by, as in by: [host.name]")
		}
		return
	case len(r.By) < len(draft.by):
		return // which is at fault
	}
	x := expectation{document: d, by: r.By}
	items := d.items(e.value)
	if len(items) == 0 {
		d.fault(e.place, "`expect` is empty", "name groups, as in expect: [db-1, db-2], or remove it")
	}
	for _, item := range items {
		x.item(*e, d.unwrap(item))
	}
	slices.SortFunc(x.groups, slices.Compare)
	distinct := slices.CompactFunc(x.groups, slices.Equal)
	if twice := len(x.groups) - len(distinct); twice > 0 {
		d.add(Warning, e.place, fmt.Sprintf("`expect` has %d of %d groups twice", twice, len(x.groups)), "remove what stands there already")
	}
	if r.Expect = distinct; len(distinct) > r.MaxGroups {
		d.fault(e.place, fmt.Sprintf("`expect` names %d groups, and `max_groups` lets %d be", len(distinct), r.MaxGroups), fmt.Sprintf("write max_groups: %d or more", len(distinct)))
	}
	if r.When != nil && !r.judgesSilence() {
		d.add(Warning, e.place, "a group that never sent is not judged by this condition, so that `expect` does nothing", "ask for absent(), or write on_missing: fire")
	}
}

// judgesSilence says whether a group without records is judged.
func (r *Rule) judgesSilence() bool {
	switch r.Missing() {
	case MissingZero, MissingFire:
		return true
	default:
		return r.OnMissing == MissingDefault && slices.ContainsFunc(r.When.Reads, func(read expr.Read) bool { return read.Stat == expr.StatAbsent })
	}
}

// item takes one entry of `expect`: a value, a list of those, or the values by what is grouped by.
func (x *expectation) item(e entry, item ast.Node) {
	d := x.document
	switch item.(type) {
	case nil:
	case *ast.MappingNode, *ast.MappingValueNode:
		x.mapping(item)
	case *ast.SequenceNode:
		d.fault(d.placeOf(item), "a group of `expect` is a value, or values by name, and this is a list", "write "+x.example("…"))
	default:
		s, ok := d.text(entry{key: e.key, place: e.place, value: item})
		if !ok {
			return
		}
		if len(x.by) > 1 {
			d.fault(s.place, fmt.Sprintf("a group of this rule has %d values, and this is one", len(x.by)), "write "+x.example(s.text))
			return
		}
		name, isList := strings.CutPrefix(s.text, "lists.")
		if !isList {
			x.groups = append(x.groups, []string{s.text})
			return
		}
		if _, ok := d.lists[name]; !ok {
			d.fault(d.at(s, 0, len(s.text)), "there is no list `"+name+"`", d.lists.Suggest(name))
			return
		}
		for _, text := range d.listTexts[name] {
			x.groups = append(x.groups, []string{text})
		}
	}
}

// example shows a group as a mapping.
func (x *expectation) example(text string) string {
	var parts []string
	for i, k := range x.by {
		if i > 0 {
			text = "…"
		}
		parts = append(parts, k.Label+": "+text)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (x *expectation) mapping(item ast.Node) {
	d := x.document
	group, has := make([]string, len(x.by)), make([]bool, len(x.by))
	good := true
	for _, e := range d.entries(item, "a group of `expect`", nil) {
		i := slices.IndexFunc(x.by, func(k Key) bool { return k.Label == e.key || k.Text == e.key })
		if i < 0 {
			good = false
			var words []string
			for _, k := range x.by {
				words = append(words, k.Label, k.Text)
			}
			hint := "write " + x.example("…")
			if near := expr.Nearest(e.key, words); near != "" {
				hint = "did you mean " + near + "?"
			}
			d.fault(e.place, "this rule does not group by `"+e.key+"`", hint)
			continue
		}
		s, ok := d.text(e)
		good = good && ok
		group[i], has[i] = s.text, true
	}
	if i := slices.Index(has, false); i >= 0 && good {
		d.fault(d.placeOf(item), "this group lacks `"+x.by[i].Label+"`", "write "+x.example("…"))
		return
	}
	if good {
		x.groups = append(x.groups, group)
	}
}
