package expr

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/ingest"
)

// lowering turns a checked expression into closures over T. What differs between records and frames is in leaf, for
// names, and call, for functions that only one side has.
type lowering[T any] struct {
	*checked
	leaf func(*ref) operand[T]
	call func(ast.Expr) operand[T]
	// compared is told of every comparison, so that a condition finds its measure and threshold; nil to ignore them.
	compared func(operator string, left, right operand[T], source ast.Expr)
	negated  bool // within an odd number of !
}

// lower lowers e; faults that only show here (a bad pattern) are added to the resolver's.
func (l *lowering[T]) lower(e ast.Expr) operand[T] {
	if to := l.refs[e.ID()]; to != nil && to.kind != toConstant {
		return l.leaf(to)
	}
	switch e.Kind() {
	case ast.LiteralKind:
		return l.literal(e)
	case ast.CallKind:
		return l.operation(e)
	default:
		l.fault(l.starts[e.ID()], 1, `as in x in ["a", "b"]`, "a list can only stand after `in`")
		return operand[T]{kind: dynamic, value: func(*T) ingest.Value { return ingest.Value{} }}
	}
}

func (l *lowering[T]) literal(e ast.Expr) operand[T] {
	switch v := e.AsLiteral().(type) {
	case types.Double:
		f := float64(v)
		o := operand[T]{kind: number, num: func(*T) float64 { return f }, literal: e, number: f, trend: fixed}
		if whole, ok := l.whole[e.ID()]; ok {
			// Only the dynamic form tells neighbours of such a number apart.
			o.value = func(*T) ingest.Value { return ingest.IntValue(whole) }
		}
		return o
	case types.String:
		s := string(v)
		return operand[T]{kind: text, text: func(*T) (string, bool) { return s, true }, literal: e, str: s, trend: fixed}
	default:
		b := e.AsLiteral() == types.True
		return operand[T]{kind: truth, truth: func(*T) bool { return b }, literal: e, trend: fixed}
	}
}

func (l *lowering[T]) operation(e ast.Expr) operand[T] {
	c := e.AsCall()
	name, args := c.FunctionName(), c.Args()
	switch name {
	case operators.LogicalAnd, operators.LogicalOr:
		return l.join(name, l.lower(args[0]), l.lower(args[1]))
	case operators.LogicalNot:
		l.negated = !l.negated
		o := l.lower(args[0])
		l.negated = !l.negated
		p := o.asTruth()
		return operand[T]{kind: truth, truth: func(t *T) bool { return !p(t) }, trend: onlyFixed(o.trend), measured: o.measured}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		left, right := l.lower(args[0]), l.lower(args[1])
		if l.compared != nil {
			l.compared(name, left, right, e)
		}
		return compare(name, left, right)
	case operators.In:
		return l.membership(l.lower(args[0]), args[1])
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		return arithmetic(name, l.lower(args[0]), l.lower(args[1]))
	case operators.Negate:
		return arithmetic(operators.Subtract, operand[T]{kind: number, num: func(*T) float64 { return math.Copysign(0, -1) }, trend: fixed}, l.lower(args[0]))
	case operators.Conditional:
		return choose(l.lower(args[0]), l.lower(args[1]), l.lower(args[2]), l.kindOf(e))
	case "contains", "startsWith", "endsWith":
		return search(name, l.lower(c.Target()), l.lower(args[0]))
	case "matches":
		return l.matches(l.lower(c.Target()), args[0])
	case "extract":
		return l.extract(l.lower(args[0]), args[1])
	case hasPart: // has of a name is a leaf
		o := l.lower(args[0])
		return operand[T]{kind: truth, truth: o.present(), trend: onlyFixed(o.trend), measured: o.measured}
	case "lower", "upper":
		return fold(name, l.lower(c.Target()))
	case "size":
		s := l.lower(args[0]).asText()
		return operand[T]{kind: number, num: func(t *T) float64 {
			if s, ok := s(t); ok {
				return float64(utf8.RuneCountInString(s))
			}
			return missing()
		}}
	default:
		return l.call(e)
	}
}

func onlyFixed(t trend) trend {
	if t == fixed {
		return fixed
	}
	return unknown
}

// join lowers && and ||, which stop at the first side that decides.
func (l *lowering[T]) join(name string, left, right operand[T]) operand[T] {
	p, q := left.asTruth(), right.asTruth()
	o := operand[T]{kind: truth, trend: joint(left.trend, right.trend), measured: left.measured || right.measured}
	if name == operators.LogicalAnd {
		o.truth = func(t *T) bool { return p(t) && q(t) }
		o.bounds = slices.Concat(left.bounds, right.bounds)
	} else {
		o.truth = func(t *T) bool { return p(t) || q(t) }
	}
	return o
}

// joint is the trend of what grows with both a and b.
func joint(a, b trend) trend {
	switch {
	case a == fixed:
		return b
	case b == fixed || a == b:
		return a
	default:
		return unknown
	}
}

func opposite(t trend) trend {
	switch t {
	case rising:
		return falling
	case falling:
		return rising
	default:
		return t
	}
}

// arithmetic lowers + - * / %. Everything is a double; a missing operand and a zero divisor give a missing result.
func arithmetic[T any](name string, left, right operand[T]) operand[T] {
	a, b := left.asNumber(), right.asNumber()
	o := operand[T]{kind: number, measured: left.measured || right.measured}
	switch name {
	case operators.Add:
		o.num = func(t *T) float64 { return a(t) + b(t) }
		o.trend, o.unit = joint(left.trend, right.trend), sameUnit(left.unit, right.unit)
	case operators.Subtract:
		o.num = func(t *T) float64 { return a(t) - b(t) }
		o.trend, o.unit = joint(left.trend, opposite(right.trend)), sameUnit(left.unit, right.unit)
	case operators.Multiply:
		o.num = func(t *T) float64 { return a(t) * b(t) }
		o.trend = joint(scaled(left.trend, right), onlyFixed(right.trend))
		if left.literal != nil {
			o.trend = scaled(right.trend, left)
		}
		o.unit = left.unit + right.unit
		if left.unit != "" && right.unit != "" {
			o.unit = ""
		}
	case operators.Divide:
		o.num = func(t *T) float64 { return divide(a(t), b(t)) }
		o.trend = scaled(left.trend, right)
		if right.unit == "" {
			o.unit = left.unit
		}
	default:
		o.num = func(t *T) float64 { return remainder(a(t), b(t)) }
		o.trend, o.unit = joint(onlyFixed(left.trend), onlyFixed(right.trend)), left.unit
	}
	if left.trend == unknown || right.trend == unknown {
		o.trend = unknown
	}
	return o
}

// sameUnit: a literal beside a duration is a number of seconds, so one unit stands for both.
func sameUnit(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// scaled is the trend of a measure times or by a literal.
func scaled[T any](t trend, factor operand[T]) trend {
	switch {
	case factor.literal == nil:
		return onlyFixedBoth(t, factor.trend)
	case factor.number < 0:
		return opposite(t)
	case factor.number > 0:
		return t
	default:
		return unknown
	}
}

func onlyFixedBoth(a, b trend) trend {
	if a == fixed && b == fixed {
		return fixed
	}
	return unknown
}

// choose lowers condition ? yes : no.
func choose[T any](condition, yes, no operand[T], k kind) operand[T] {
	p := condition.asTruth()
	o := operand[T]{kind: k, measured: condition.measured || yes.measured || no.measured, unit: sameUnit(yes.unit, no.unit)}
	if condition.trend == fixed {
		o.trend = joint(yes.trend, no.trend)
	}
	switch k {
	case number:
		a, b := yes.asNumber(), no.asNumber()
		o.num = func(t *T) float64 {
			if p(t) {
				return a(t)
			}
			return b(t)
		}
	case text:
		a, b := yes.asText(), no.asText()
		o.text = func(t *T) (string, bool) {
			if p(t) {
				return a(t)
			}
			return b(t)
		}
	case truth:
		a, b := yes.asTruth(), no.asTruth()
		o.truth = func(t *T) bool {
			if p(t) {
				return a(t)
			}
			return b(t)
		}
	default:
		a, b := yes.asValue(), no.asValue()
		o.kind = dynamic
		o.value = func(t *T) ingest.Value {
			if p(t) {
				return a(t)
			}
			return b(t)
		}
	}
	return o
}

// search lowers contains, startsWith and endsWith.
func search[T any](name string, target, part operand[T]) operand[T] {
	in, what := target.asText(), part.asText()
	is := strings.Contains
	switch name {
	case "startsWith":
		is = strings.HasPrefix
	case "endsWith":
		is = strings.HasSuffix
	}
	if part.literal != nil {
		want := part.str
		return operand[T]{kind: truth, truth: func(t *T) bool { s, ok := in(t); return ok && is(s, want) }}
	}
	return operand[T]{kind: truth, truth: func(t *T) bool {
		s, ok := in(t)
		if !ok {
			return false
		}
		want, ok := what(t)
		return ok && is(s, want)
	}}
}

// fold lowers lower() and upper(). A text that is in that case already is returned as it is.
func fold[T any](name string, target operand[T]) operand[T] {
	in := target.asText()
	change, same := strings.ToLower, equalLower
	if name == "upper" {
		change, same = strings.ToUpper, equalUpper
	}
	return operand[T]{kind: text, folded: &target, equalFolds: same, upper: name == "upper", text: func(t *T) (string, bool) {
		s, ok := in(t)
		if !ok {
			return "", false
		}
		return change(s), true
	}}
}
