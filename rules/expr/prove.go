package expr

import (
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// A scope says where an expression stands: in which source, and below which .over() and the like.
type scope struct {
	*checked
	view string
	// user is what of the part in hand leads here through a let; nil in the part itself.
	user ast.Expr
}

// key names the value of an expression: equal keys mean equal values.
func (s scope) key(e ast.Expr) string { return s.canonical(e) + s.view }

// through returns the scope of what a let stands for; ok is false when the let is at fault.
func (s scope) through(e ast.Expr) (inner scope, root ast.Expr, ok bool) {
	to := s.refs[e.ID()]
	if to == nil || to.kind != toLet || to.let.checked == nil {
		return scope{}, nil, false
	}
	inner = scope{checked: to.let.checked, view: s.view, user: s.user}
	if inner.user == nil {
		inner.user = e
	}
	return inner, to.let.checked.root, true
}

// below returns the scope of what .over() and the like act on.
func (s scope) below(call ast.CallExpr) scope {
	view := []string{"." + call.FunctionName()}
	for _, arg := range call.Args() {
		view = append(view, s.canonical(arg))
	}
	s.view = strings.Join(view, " ") + s.view
	return s
}

func isShift(name string) bool { return name == "over" || name == "offset" || name == "previous" }

// facts are what a condition, where it holds, says about the values in it, by their keys.
type facts map[string]extent

// with returns the facts with one more. They are not changed: each side of an || has its own.
func (f facts) with(key string, s extent) facts {
	out := maps.Clone(f)
	if out == nil {
		out = facts{}
	}
	out[key] = s
	return out
}

// A prover says what cannot be. It knows little and is never wrong: what it cannot tell is possible.
type prover struct {
	conflict *conflict // the last comparison that could not be
	steps    int
}

// mostSteps bounds what a proof looks at: alternatives within alternatives double it.
const mostSteps = 10_000

// tired says whether there is no telling any more.
func (p *prover) tired() bool {
	p.steps++
	return p.steps > mostSteps
}

// conflict is a comparison that cannot be so, and why.
type conflict struct {
	scope scope
	e     ast.Expr
	so    bool
	of    ast.Expr // the value
	is    extent   // what it is known to be
	// partOf is what it is known to be a part of, nil for none.
	partOf ast.Expr
}

// assume returns what is known besides when a condition is, or is not, so; ok is false when that cannot be.
func (p *prover) assume(s scope, e ast.Expr, so bool, f facts) (_ facts, ok bool) {
	if p.tired() {
		return f, true
	}
	if inner, root, ok := s.through(e); ok {
		return p.assume(inner, root, so, f)
	}
	if e.Kind() == ast.LiteralKind {
		truth, isTruth := e.AsLiteral().(types.Bool)
		return f, !isTruth || bool(truth) == so
	}
	if e.Kind() != ast.CallKind || s.refs[e.ID()] != nil {
		return f, true
	}
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.LogicalNot:
		return p.assume(s, args[0], !so, f)
	case operators.LogicalAnd, operators.LogicalOr:
		if so == (name == operators.LogicalAnd) {
			return p.both(f, branch{s, args[0], so}, branch{s, args[1], so})
		}
		return p.either(f, []branch{{s, args[0], so}}, []branch{{s, args[1], so}})
	case operators.Conditional:
		return p.either(f, []branch{{s, args[0], true}, {s, args[1], so}}, []branch{{s, args[0], false}, {s, args[2], so}})
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return p.ordered(s, e, so, f)
	case operators.Equals, operators.NotEquals:
		return p.equal(s, e, so == (name == operators.Equals), f)
	case operators.In:
		return p.among(s, e, so, f)
	default:
		if isShift(name) {
			return p.assume(s.below(call), call.Target(), so, f)
		}
		return f, true
	}
}

// branch is a condition that is, or is not, so.
type branch struct {
	scope scope
	e     ast.Expr
	so    bool
}

func (p *prover) both(f facts, branches ...branch) (facts, bool) {
	for _, b := range branches {
		next, ok := p.assume(b.scope, b.e, b.so, f)
		if !ok {
			return f, false
		}
		f = next
	}
	return f, true
}

func (p *prover) either(f facts, a, b []branch) (facts, bool) {
	first, one := p.both(f, a...)
	second, other := p.both(f, b...)
	switch {
	case one && other:
		return f, true
	case one:
		return first, true
	default:
		return second, other
	}
}

// impossible notes the comparison that cannot be so.
func (p *prover) impossible(c conflict, f facts) (facts, bool) {
	p.conflict = &c
	return f, false
}

// ordered assumes < <= > >=, or that it is not so.
func (p *prover) ordered(s scope, e ast.Expr, so bool, f facts) (facts, bool) {
	call := e.AsCall()
	name, left, right := call.FunctionName(), call.Args()[0], call.Args()[1]
	if a, b := s.kindOf(left), s.kindOf(right); a == text || b == text || a == dynamic && b == dynamic {
		return f, true
	}
	a, b := p.number(s, left, f), p.number(s, right, f)
	if !so {
		if a.missing || b.missing {
			return f, true
		}
		name = denied(name)
	}
	if name == operators.Less || name == operators.LessEquals {
		left, right, a, b = right, left, b, a
		name = mirrored(name)
	}
	// The left side is the greater one now.
	strict := name == operators.Greater
	if strict && s.isPart(left, right) {
		return p.impossible(conflict{scope: s, e: e, so: so, of: left, partOf: right}, f)
	}
	if a.high < b.low || a.high == b.low && (strict || a.highOpen || b.lowOpen) {
		of, is := left, a
		if left.Kind() == ast.LiteralKind {
			of, is = right, b
		}
		return p.impossible(conflict{scope: s, e: e, so: so, of: of, is: is}, f)
	}
	a, b = a.atLeast(b.low, strict || b.lowOpen), b.atMost(a.high, strict || a.highOpen)
	a.missing, b.missing = false, false
	return p.note(s, right, b, p.note(s, left, a, f)), true
}

// denied is the comparison that holds where this one does not.
func denied(operator string) string {
	switch operator {
	case operators.Less:
		return operators.GreaterEquals
	case operators.LessEquals:
		return operators.Greater
	case operators.Greater:
		return operators.LessEquals
	default:
		return operators.Less
	}
}

// note remembers what an expression is.
func (p *prover) note(s scope, e ast.Expr, is extent, f facts) facts {
	if e.Kind() == ast.LiteralKind {
		return f
	}
	return f.with(s.key(e), is)
}

// equal assumes ==, or !=.
func (p *prover) equal(s scope, e ast.Expr, so bool, f facts) (facts, bool) {
	left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
	if left.Kind() == ast.LiteralKind {
		left, right = right, left
	}
	if word, ok := textLiteral(right); ok {
		return p.texts(s, e, left, []string{word}, so, f)
	}
	if kind := s.kindOf(right); kind == text || kind == truth || s.kindOf(left) == text || s.kindOf(left) == truth || kind == dynamic && s.kindOf(left) == dynamic {
		return f, true
	}
	a, b := p.number(s, left, f), p.number(s, right, f)
	if !so {
		if !a.missing && !b.missing && a.isPoint() && b.isPoint() && a.low == b.low {
			return p.impossible(conflict{scope: s, e: e, so: so, of: left, is: a}, f)
		}
		return f, true
	}
	joint := a.atLeast(b.low, b.lowOpen).atMost(b.high, b.highOpen)
	if joint.empty() {
		return p.impossible(conflict{scope: s, e: e, so: so, of: left, is: a}, f)
	}
	joint.missing = false
	return p.note(s, left, joint, f), true
}

// among assumes x in [a, b], or that it is not so.
func (p *prover) among(s scope, e ast.Expr, so bool, f facts) (facts, bool) {
	x, elements := e.AsCall().Args()[0], e.AsCall().Args()[1]
	if elements.Kind() != ast.ListKind {
		return f, true
	}
	var words []string
	for _, element := range elements.AsList().Elements() {
		word, ok := textLiteral(element)
		if !ok {
			return f, true
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return f, true
	}
	return p.texts(s, e, x, words, so, f)
}

func textLiteral(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	word, ok := e.AsLiteral().(types.String)
	return string(word), ok
}

// texts assumes that x is one of some texts, or none.
func (p *prover) texts(s scope, e, x ast.Expr, words []string, so bool, f facts) (facts, bool) {
	if k := s.kindOf(x); x.Kind() == ast.LiteralKind || k != text && k != dynamic {
		return f, true
	}
	key := s.key(x) + " as text" // as a number it may be missing all the same
	is, known := f[key]
	if !known {
		is = anyExtent()
	}
	next := is.noneOf(words)
	if so {
		next = is.oneOf(s.reached(x, words))
	}
	if next.texts != nil && len(next.texts) == 0 {
		return p.impossible(conflict{scope: s, e: e, so: so, of: x, is: is}, f)
	}
	return f.with(key, next), true
}

// reached returns those of some texts that x can be: x.lower() is never "ERROR".
func (s scope) reached(x ast.Expr, words []string) []string {
	const small, large = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	never := ""
	if x.Kind() == ast.CallKind && s.refs[x.ID()] == nil {
		switch x.AsCall().FunctionName() {
		case "lower":
			never = large
		case "upper":
			never = small
		}
	}
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return never != "" && strings.ContainsAny(w, never) })
}

// String says what the value is known to be.
func (c *conflict) String() string {
	of := "`" + c.scope.readable(c.of) + "` is "
	switch to := c.scope.refs[c.of.ID()]; {
	case c.partOf != nil:
		return of + "at most `" + c.scope.readable(c.partOf) + "`"
	case to != nil && to.kind == toField && c.is.isPoint():
		for _, constant := range c.scope.constants {
			if constant.class == to.field.class && constant.value == c.is.low {
				return of + constant.name
			}
		}
	}
	return of + c.is.String()
}
