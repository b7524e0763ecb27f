package expr

import (
	"math"

	"cel.dev/cel-go/common/ast"

	"github.com/freshet-dev/freshet/ingest"
)

// trend says how a measure moves while the records of a window come in.
type trend uint8

const (
	unknown trend = iota // either way, or not known
	fixed                // not at all
	rising               // it only grows; a condition, once true, stays true
	falling              // it only shrinks
)

// An operand is a lowered expression: a closure over T, which is a record or a frame, and what is known about it. One
// of num, text, truth and value is set, as its kind says; a dynamic operand may have num besides, for when a number is
// asked for.
type operand[T any] struct {
	kind  kind
	num   func(*T) float64
	text  func(*T) (string, bool)
	truth func(*T) bool
	value func(*T) ingest.Value

	// found, where it is set, gives the dynamic value without copying it, nil for a missing one.
	found func(*T) *ingest.Value
	// equals, where it is set, gives the comparison with a text that is known: one closure in the place of two.
	equals func(want string) func(*T) bool

	literal ast.Expr // set for a literal or a constant
	number  float64  // of a number literal
	str     string   // of a text literal

	trend    trend
	unit     string
	measured bool   // it reads an aggregate
	name     string // of a plain name: what it means, so that equal names mean the same
	// bounds are what a truth requires; see Bound.
	bounds []bound[T]
	// folded is set by lower() and upper(): the text before, and how to compare it with a text in that case.
	folded *operand[T]
	// scored is set by what says how unusual a measure is: anomaly, zscore and outlier.
	scored     *scored[T]
	equalFolds func(s, want string) bool
	upper      bool
}

// scored is the measure that is so unusual, and the model that says so.
type scored[T any] struct {
	model   int
	subject func(*T) float64
	unit    string
}

// bound says that a truth holds for no T but those whose value is one of some texts.
type bound[T any] struct {
	name  string
	value func(*T) (string, bool)
	texts []string
}

// bind notes what x == one of some texts requires, where x is a plain name.
func (o operand[T]) bind(x operand[T], texts ...string) operand[T] {
	if x.name != "" {
		o.bounds = []bound[T]{{x.name, onlyString(x), texts}}
	}
	return o
}

// asNumber returns the operand as a number, NaN for what is none.
func (o operand[T]) asNumber() func(*T) float64 {
	switch {
	case o.num != nil:
		return o.num
	case o.value != nil:
		value := o.value
		return func(t *T) float64 { return numberOf(value(t)) }
	case o.text != nil:
		text := o.text
		return func(t *T) float64 {
			s, ok := text(t)
			if !ok {
				return missing()
			}
			return parseNumber(s)
		}
	default:
		return func(*T) float64 { return missing() }
	}
}

// asText returns the operand as text; false for what is none.
func (o operand[T]) asText() func(*T) (string, bool) {
	switch {
	case o.text != nil:
		return o.text
	case o.value != nil:
		value := o.value
		return func(t *T) (string, bool) { return textOf(value(t)) }
	default:
		return func(*T) (string, bool) { return "", false }
	}
}

// asTruth returns the operand as a condition: an attribute holds when it is true.
func (o operand[T]) asTruth() func(*T) bool {
	switch {
	case o.truth != nil:
		return o.truth
	case o.value != nil:
		value := o.value
		return func(t *T) bool { return value(t).Bool() }
	default:
		return func(*T) bool { return false }
	}
}

// asValue returns the operand as a dynamic value.
func (o operand[T]) asValue() func(*T) ingest.Value {
	switch {
	case o.value != nil:
		return o.value
	case o.text != nil:
		text := o.text
		return func(t *T) ingest.Value {
			s, ok := text(t)
			if !ok {
				return ingest.Value{}
			}
			return ingest.StringValue(s)
		}
	case o.num != nil:
		num := o.num
		return func(t *T) ingest.Value {
			f := num(t)
			if math.IsNaN(f) {
				return ingest.Value{}
			}
			return ingest.DoubleValue(f)
		}
	default:
		truth := o.truth
		return func(t *T) ingest.Value { return ingest.BoolValue(truth(t)) }
	}
}

// present returns whether the operand has a value at all.
func (o operand[T]) present() func(*T) bool {
	switch {
	case o.value != nil:
		value := o.value
		return func(t *T) bool { return value(t).Kind != ingest.Missing }
	case o.text != nil:
		text := o.text
		return func(t *T) bool { _, ok := text(t); return ok }
	default:
		num := o.num
		return func(t *T) bool { return !math.IsNaN(num(t)) }
	}
}
