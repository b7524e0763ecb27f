package expr

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/freshet-dev/freshet/rules/label"
)

// doubts finds what compiles and yet cannot be meant: parts that never or always hold, ratios of a handful of records.
type doubts struct {
	checked *checked // the part in hand
	found   Faults
}

// doubt notes what is odd about e, which stands in a scope: at the name of the let that led to it.
func (d *doubts) doubt(s scope, e ast.Expr, message, hint string) {
	if s.user != nil {
		e = s.user
	}
	begin := d.checked.starts[e.ID()]
	f := Fault{Offset: begin, Length: max(d.checked.end(e)-begin, 1), Message: message, Hint: hint}
	if !slices.Contains(d.found, f) {
		d.found = append(d.found, f)
	}
}

// conditionDoubts judges a condition of a rule.
func conditionDoubts(c *checked, role Role) Faults {
	d := &doubts{checked: c}
	s := scope{checked: c}
	never, always := "it never fires", "it fires all the time"
	if role == RoleUntil {
		never, always = "an alert never ends", "an alert ends as soon as it fires"
	}
	switch p := new(prover); {
	case !p.holds(s, c.root, true):
		d.never(s, c.root, "this never holds, so "+never)
	case !p.holds(s, c.root, false):
		d.doubt(s, c.root, "this always holds, so "+always, d.whyAlways(s, c.root))
	default:
		d.parts(s, c.root, true)
	}
	d.filters(c.root)
	if role == RoleWhen {
		d.ratios(s, c.root, nil)
	}
	return inOrder(d.found)
}

// recordDoubts judges a condition on records.
func recordDoubts(c *checked, e ast.Expr) Faults {
	d := &doubts{checked: c}
	d.record(e, "this never holds, so no record is let through")
	return inOrder(d.found)
}

func (d *doubts) record(e ast.Expr, message string) {
	s := scope{checked: d.checked}
	if !new(prover).holds(s, e, true) {
		d.never(s, e, message)
		return
	}
	d.parts(s, e, false)
}

// holds says whether a condition can be so, by itself.
func (p *prover) holds(s scope, e ast.Expr, so bool) bool {
	_, ok := p.assume(s, e, so, nil)
	return ok
}

// never reports a condition that never holds: the comparison in it that cannot.
func (d *doubts) never(s scope, e ast.Expr, message string) {
	p := new(prover)
	if p.holds(s, e, true) || p.conflict == nil {
		d.doubt(s, e, message, "")
		return
	}
	c := p.conflict
	hint := c.String()
	switch alone := !new(prover).holds(c.scope, c.e, c.so); {
	case !alone: // it contradicts what is asked beside it
		hint = "what stands beside it asks that " + hint
		if len(c.is.texts) > 0 && len(c.is.others) == 0 {
			hint += "; for one of several texts write " + c.scope.readable(c.of) + ` in ["a", "b"]`
		}
	case c.is.texts == nil && c.partOf == nil && c.is.low == anyExtent().low && c.is.high == anyExtent().high: // a text
		hint = "`" + c.scope.readable(c.of) + "` is in " + c.of.AsCall().FunctionName() + " case"
	}
	d.doubt(c.scope, c.e, message, hint)
}

// whyAlways says what makes a comparison true.
func (d *doubts) whyAlways(s scope, e ast.Expr) string {
	p := new(prover)
	if p.holds(s, e, false) || p.conflict == nil || p.conflict.is.texts != nil {
		return ""
	}
	return p.conflict.String()
}

// parts reports the parts of a condition that never hold and, where judged, those that always do. The condition itself
// may do either.
func (d *doubts) parts(s scope, e ast.Expr, measures bool) {
	if inner, root, ok := s.through(e); ok {
		d.parts(inner, root, measures)
		return
	}
	if e.Kind() != ast.CallKind || s.refs[e.ID()] != nil {
		return
	}
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	switch name {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
	case operators.Conditional:
		if s.kindOf(e) != truth {
			return
		}
	default:
		if isShift(name) {
			d.parts(s.below(call), call.Target(), measures)
		}
		return
	}
	for _, arg := range args {
		switch p := new(prover); {
		case arg.Kind() == ast.LiteralKind: // true and false are meant
		case !p.holds(s, arg, true):
			d.never(s, arg, "this part never holds")
		case measures && !p.holds(s, arg, false):
			d.doubt(s, arg, "this part always holds", d.whyAlways(s, arg))
		default:
			d.parts(s, arg, measures)
		}
	}
}

// filters judges the conditions on records within aggregates.
func (d *doubts) filters(root ast.Expr) {
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || d.checked.refs[e.ID()] != nil {
			return
		}
		call := e.AsCall()
		if !d.checked.language.functions[call.FunctionName()].aggregate {
			return
		}
		for _, arg := range call.Args() {
			if d.checked.kindOf(arg) == truth {
				d.record(arg, "this never holds, so `"+call.FunctionName()+"` finds no record")
			}
		}
	}))
}

// ratios reports ratios of counts that are judged however few records there are. f is what holds besides.
func (d *doubts) ratios(s scope, e ast.Expr, f facts) {
	if inner, root, ok := s.through(e); ok {
		d.ratios(inner, root, f)
		return
	}
	if e.Kind() != ast.CallKind || s.refs[e.ID()] != nil {
		return
	}
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.LogicalAnd:
		if both, ok := new(prover).assume(s, e, true, f); ok {
			f = both
		}
		d.ratios(s, args[0], f)
		d.ratios(s, args[1], f)
	case operators.LogicalOr:
		d.ratios(s, args[0], f)
		d.ratios(s, args[1], f)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		for _, is := range f {
			if is.isFloor() {
				return
			}
		}
		for _, arg := range args {
			if at, ratio := s.unguarded(arg); ratio != nil {
				all := at.readable(ratio.AsCall().Args()[1])
				floor := all + " >= 50"
				if name := at.counting(ratio.AsCall().Args()[1]).name; name != "count" {
					floor = all + " > …"
				}
				d.doubt(s, e, "a few records decide this ratio: one in one is 100 %", "ask for enough of them besides, as in "+floor+" && …")
				return
			}
		}
	default:
		if isShift(name) {
			d.ratios(s.below(call), call.Target(), f)
		}
	}
}

// severityDoubts reports severities that a more severe one always hides. The conditions are the least severe first.
func severityDoubts(parts []Part, conditions map[int]*checked) map[int]Faults {
	var out map[int]Faults
	for i, mild := range conditions {
		for j, harsh := range conditions {
			if label.SeverityRank(parts[j].Name) <= label.SeverityRank(parts[i].Name) {
				continue
			}
			f, ok := new(prover).assume(scope{checked: mild}, mild.root, true, nil)
			if !ok {
				continue
			}
			if _, ok = new(prover).assume(scope{checked: harsh}, harsh.root, false, f); ok || !new(prover).holds(scope{checked: harsh}, harsh.root, false) {
				continue
			}
			if out == nil {
				out = map[int]Faults{}
			}
			out[i] = Faults{{
				Length: 1, Name: true, Message: fmt.Sprintf("`%s` is never shown: wherever it holds, `%s` holds too", parts[i].Name, parts[j].Name),
				Hint: "the more severe condition is the one that holds less often",
			}}
		}
	}
	return out
}
