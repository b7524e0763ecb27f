package expr

import (
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/freshet-dev/freshet/ingest"
)

// compare lowers == != < <= > >=.
func compare[T any](name string, left, right operand[T]) operand[T] {
	o := operand[T]{kind: truth, measured: left.measured || right.measured}
	switch name {
	case operators.Equals:
		o.truth = same(left, right)
		o.trend = onlyFixedBoth(left.trend, right.trend)
		switch {
		case right.literal != nil && right.kind == text:
			return o.bind(left, right.str)
		case left.literal != nil && left.kind == text:
			return o.bind(right, left.str)
		}
		return o
	case operators.NotEquals:
		p := same(left, right)
		o.truth = func(t *T) bool { return !p(t) }
		o.trend = onlyFixedBoth(left.trend, right.trend)
		return o
	case operators.Less:
		name, left, right = operators.Greater, right, left
	case operators.LessEquals:
		name, left, right = operators.GreaterEquals, right, left
	}
	o.truth = above(name == operators.GreaterEquals, left, right)
	o.trend = joint(left.trend, opposite(right.trend))
	if left.trend == unknown || right.trend == unknown {
		o.trend = unknown
	}
	if o.trend == falling { // a missing measure makes it false, so it may still become true
		o.trend = unknown
	}
	return o
}

// isDynamic says whether the operand's kind is known only at run time. So is that of a whole number that no double
// holds: it compares exactly with whole attributes.
func isDynamic[T any](o operand[T]) bool { return o.value != nil }

// above lowers left > right, or left >= right when orEqual.
func above[T any](orEqual bool, left, right operand[T]) func(*T) bool {
	switch {
	case isDynamic(left) && isDynamic(right):
		a, b := left.value, right.value
		least := 1
		if orEqual {
			least = 0
		}
		return func(t *T) bool {
			sign, ok := order(a(t), b(t))
			return ok && sign >= least
		}
	case left.kind == text || right.kind == text:
		a, b := onlyString(left), onlyString(right)
		if orEqual {
			return func(t *T) bool {
				x, ok := a(t)
				if !ok {
					return false
				}
				y, ok := b(t)
				return ok && strings.Compare(x, y) >= 0
			}
		}
		return func(t *T) bool {
			x, ok := a(t)
			if !ok {
				return false
			}
			y, ok := b(t)
			return ok && strings.Compare(x, y) > 0
		}
	}
	a, b := left.asNumber(), right.asNumber()
	switch {
	case right.literal != nil && orEqual:
		c := right.number
		return func(t *T) bool { return a(t) >= c }
	case right.literal != nil:
		c := right.number
		return func(t *T) bool { return a(t) > c }
	case left.literal != nil && orEqual:
		c := left.number
		return func(t *T) bool { return c >= b(t) }
	case left.literal != nil:
		c := left.number
		return func(t *T) bool { return c > b(t) }
	case orEqual:
		return func(t *T) bool { return a(t) >= b(t) }
	default:
		return func(t *T) bool { return a(t) > b(t) }
	}
}

// onlyString is asText without bytes, lists and maps, which are not compared with texts.
func onlyString[T any](o operand[T]) func(*T) (string, bool) {
	if o.value == nil {
		return o.asText()
	}
	if found := o.found; found != nil {
		return func(t *T) (string, bool) {
			if v := found(t); v != nil && v.Kind == ingest.String {
				return v.Str, true
			}
			return "", false
		}
	}
	value := o.value
	return func(t *T) (string, bool) {
		v := value(t)
		return v.Str, v.Kind == ingest.String
	}
}

// same lowers left == right.
func same[T any](left, right operand[T]) func(*T) bool {
	if left.literal != nil && right.literal == nil {
		left, right = right, left
	}
	switch {
	case left.folded != nil && right.literal != nil:
		in, want, folds := left.folded.asText(), right.str, left.equalFolds
		return func(t *T) bool { s, ok := in(t); return ok && folds(s, want) }
	case isDynamic(left) && isDynamic(right):
		a, b := left.value, right.value
		return func(t *T) bool { return equal(a(t), b(t)) }
	case left.kind == text || right.kind == text:
		if right.literal != nil && left.equals != nil {
			return left.equals(right.str)
		}
		a := onlyString(left)
		if right.literal != nil {
			want := right.str
			return func(t *T) bool { s, ok := a(t); return ok && s == want }
		}
		b := onlyString(right)
		return func(t *T) bool {
			x, ok := a(t)
			if !ok {
				return false
			}
			y, ok := b(t)
			return ok && x == y
		}
	case left.kind == truth || right.kind == truth:
		a, b := left.asValue(), right.asValue()
		return func(t *T) bool { return equal(a(t), b(t)) }
	}
	a, b := left.asNumber(), right.asNumber()
	if right.literal != nil {
		c := right.number
		return func(t *T) bool { return a(t) == c }
	}
	return func(t *T) bool { return a(t) == b(t) }
}

// membership lowers x in [a, b].
func (l *lowering[T]) membership(x operand[T], elements ast.Expr) operand[T] {
	if to := l.refs[elements.ID()]; to != nil && to.kind == toList {
		return inList(x, to.list)
	}
	if elements.Kind() != ast.ListKind {
		l.fault(l.starts[elements.ID()], 1, `as in x in ["a", "b"]`, "`in` needs a list in brackets, or one of the file's lists")
		return operand[T]{kind: truth, truth: func(*T) bool { return false }}
	}
	var tests []func(*T) bool
	texts := map[string]struct{}{}
	for _, e := range elements.AsList().Elements() {
		o := l.lower(e)
		if o.kind == text && o.literal != nil && x.folded == nil {
			texts[o.str] = struct{}{}
			continue
		}
		tests = append(tests, same(x, o))
	}
	if len(texts) > 0 {
		in := onlyString(x)
		tests = append([]func(*T) bool{func(t *T) bool {
			s, ok := in(t)
			if !ok {
				return false
			}
			_, found := texts[s]
			return found
		}}, tests...)
	}
	if len(tests) == 1 {
		o := operand[T]{kind: truth, truth: tests[0], measured: x.measured, trend: onlyFixed(x.trend)}
		if len(texts) > 0 {
			return o.bind(x, slices.Sorted(maps.Keys(texts))...)
		}
		return o
	}
	return operand[T]{kind: truth, measured: x.measured, trend: onlyFixed(x.trend), truth: func(t *T) bool {
		for _, test := range tests {
			if test(t) {
				return true
			}
		}
		return false
	}}
}
