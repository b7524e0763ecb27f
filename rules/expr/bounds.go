package expr

import (
	"math"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// number returns what is known about an expression as a number.
func (p *prover) number(s scope, e ast.Expr, f facts) extent {
	if p.tired() {
		return anyExtent()
	}
	if inner, root, ok := s.through(e); ok {
		return p.number(inner, root, f)
	}
	is := p.computed(s, e, f)
	if e.Kind() == ast.LiteralKind {
		return is
	}
	if fact, ok := f[s.key(e)]; ok {
		is = is.within(fact)
	}
	return is
}

// computed returns what follows from the parts of an expression.
func (p *prover) computed(s scope, e ast.Expr, f facts) extent {
	switch {
	case e.Kind() == ast.LiteralKind:
		x, ok := e.AsLiteral().(types.Double)
		if _, inexact := s.whole[e.ID()]; !ok || inexact {
			return anyExtent()
		}
		return point(float64(x))
	case e.Kind() != ast.CallKind || s.refs[e.ID()] != nil:
		return anyExtent()
	}
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Add:
		return p.number(s, args[0], f).plus(p.number(s, args[1], f))
	case operators.Subtract:
		return p.number(s, args[0], f).plus(p.number(s, args[1], f).negative())
	case operators.Multiply:
		return p.number(s, args[0], f).times(p.number(s, args[1], f))
	case operators.Divide:
		is := p.number(s, args[0], f).by(p.number(s, args[1], f))
		if s.isPart(args[0], args[1]) {
			is = is.atLeast(0, false).atMost(1, false)
		}
		return is
	case operators.Negate:
		return p.number(s, args[0], f).negative()
	case operators.Conditional:
		return hull(p.number(s, args[1], f), p.number(s, args[2], f))
	default:
		if isShift(name) {
			is := p.number(s.below(call), call.Target(), f)
			is.missing = true // that past may not have been seen
			return is
		}
		return s.aggregated(call)
	}
}

// aggregated returns what an aggregate can be, whatever the records.
func (s scope) aggregated(call ast.CallExpr) extent {
	is := anyExtent()
	args := call.Args()
	atLeastNothing := extent{high: math.Inf(1)}
	switch call.FunctionName() {
	case "count":
		is, is.counts = atLeastNothing, true
	case "before", "distinct":
		is, is.counts = atLeastNothing, true
	case "rate":
		if len(args) == 0 || s.kindOf(args[0]) != number {
			is = atLeastNothing
		}
		is.amounts = true
	case "fresh", "stddev":
		is.low = 0
	case "increase":
		is.amounts = true
	}
	return is
}

// isPart says whether one measure counts some of what the other counts: count(p) of count().
func (s scope) isPart(part, all ast.Expr) bool {
	a, b := s.counting(part), s.counting(all)
	return a.name != "" && a.name == b.name && a.view == b.view && b.filter == "" && a.filter != ""
}

// counting is an expression that is count or rate, of a condition or of all records.
type counting struct{ name, filter, view string }

func (s scope) counting(e ast.Expr) counting {
	if inner, root, ok := s.through(e); ok {
		return inner.counting(root)
	}
	if e.Kind() != ast.CallKind || s.refs[e.ID()] != nil {
		return counting{}
	}
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	switch {
	case isShift(name):
		return s.below(call).counting(call.Target())
	case name != "count" && name != "rate" || len(args) > 1:
		return counting{}
	case len(args) == 0:
		return counting{name: name, view: s.view}
	case s.kindOf(args[0]) == number || args[0].Kind() == ast.CallKind && s.language.functions[args[0].AsCall().FunctionName()].aggregate && s.refs[args[0].ID()] == nil:
		return counting{} // of a counter, or of time series
	default:
		return counting{name: name, filter: s.canonical(args[0]), view: s.view}
	}
}

// unguarded returns a ratio of counts within an expression, nil when there is none.
func (s scope) unguarded(e ast.Expr) (scope, ast.Expr) {
	if inner, root, ok := s.through(e); ok {
		return inner.unguarded(root)
	}
	if e.Kind() != ast.CallKind || s.refs[e.ID()] != nil {
		return s, nil
	}
	call := e.AsCall()
	switch name := call.FunctionName(); {
	case isShift(name):
		return s.below(call).unguarded(call.Target())
	case name == operators.Divide && s.isAmount(call.Args()[0]) && s.isAmount(call.Args()[1]):
		return s, e
	case name == operators.Add || name == operators.Subtract || name == operators.Multiply || name == operators.Divide || name == operators.Negate:
		for _, arg := range call.Args() {
			if at, ratio := s.unguarded(arg); ratio != nil {
				return at, ratio
			}
		}
	}
	return s, nil
}

// isAmount says whether a measure is how many records, or how much of a counter, there was.
func (s scope) isAmount(e ast.Expr) bool {
	is := new(prover).number(s, e, nil)
	return is.counts || is.amounts
}

// end returns the byte offset behind an expression in its source.
func (r *resolver) end(e ast.Expr) int {
	begin := r.starts[e.ID()]
	rest := r.source[begin:]
	var last ast.Expr
	switch {
	case e.Kind() == ast.CallKind && r.refs[e.ID()] == nil && isOperator(e.AsCall().FunctionName()):
		last = e.AsCall().Args()[len(e.AsCall().Args())-1]
		if last.Kind() != ast.ListKind {
			return max(r.end(last), begin+1)
		}
		begin = r.starts[last.ID()]
		rest = r.source[begin:]
	case e.Kind() == ast.CallKind && r.refs[e.ID()] == nil && isPrefix(e.AsCall().FunctionName()):
		return max(r.end(e.AsCall().Args()[0]), begin+1)
	case e.Kind() == ast.LiteralKind:
		return begin + tokenLength(rest)
	}
	depth := 0
	for i := 0; i < len(rest); {
		switch c := rune(rest[i]); {
		case strings.ContainsRune("([", c):
			depth++
			i++
		case strings.ContainsRune(")]", c):
			if depth--; depth < 0 {
				return begin + i
			}
			i++
		case c == '"' || c == '\'' || c == '`':
			i += tokenLength(rest[i:])
		case depth == 0 && !isPlain(c):
			return begin + max(i, 1)
		default:
			i++
		}
	}
	return len(r.source)
}

// tokenLength returns the length of a number, a word or a text in quotes.
func tokenLength(s string) int {
	if s == "" {
		return 0
	}
	if quote := s[0]; quote == '"' || quote == '\'' || quote == '`' {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case quote:
				return i + 1
			}
		}
		return len(s)
	}
	i := 0
	for i < len(s) && (isPlain(rune(s[i])) || s[i] == '-' && i == 0) {
		i++
	}
	return max(i, 1)
}
