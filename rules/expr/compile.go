// Package expr compiles the expressions of rules: `where`, `by` and `when`.
//
// An expression is CEL: cel-go parses and type-checks it. In between, names are resolved to fields, attributes and keys
// (resolve.go, calls.go), so that one environment serves all rules. What runs is not CEL's interpreter: the checked tree
// is lowered to closures (lower.go, compare.go) over a record, or, outside aggregates, over the Frame of measures of one
// window (condition.go). A number that is missing is NaN, which compares as the language wants it.
package expr

import (
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

// Where is a compiled `where`.
type Where struct {
	Holds Predicate
	// Text is the canonical source: equal texts mean equal predicates.
	Text string
	// Bounds are equalities that the predicate requires, all of them: who has many predicates can find by them those that
	// a record may satisfy.
	Bounds []Bound
	// Doubts are what compiles and yet cannot be meant.
	Doubts Faults
}

// Bound is an equality with texts: the Value of a record that satisfies it is one of Texts. Of equal Names the Values are
// the same.
type Bound struct {
	Name  string
	Value func(*ingest.Record) (text string, ok bool)
	Texts []string
}

// Key is a compiled entry of `by`.
type Key struct {
	// Label is the label name that the expression suggests: a name with its dots as underscores, "" for anything else.
	Label string
	Value RecordValue
	// Text is the canonical source.
	Text string
}

// Options are what a condition is compiled against.
type Options struct {
	Signal ingest.Signal
	// By are the rule's keys: a condition may use their texts and labels as names.
	By []Key
	// Interval and Window are the rule's. With an Interval, lengths inside the condition must be multiples of it.
	Interval, Window time.Duration
	// Records: there is a value to be recorded, and no condition.
	Records bool
	// Lists are those of the rule's file.
	Lists Lists
}

// CompileWhere compiles the predicate of a rule's `where`, which may ask lists. The result is nil when there are faults.
func CompileWhere(source string, signal ingest.Signal, lists Lists) (*Where, Faults) {
	c, faults := check(source, signal, recordSide, names{lists: lists})
	if faults != nil {
		return nil, faults
	}
	if faults := c.mustBe(truth, "`where`"); faults != nil {
		return nil, faults
	}
	o := c.recordOperand(c.root)
	w := &Where{Holds: o.asTruth(), Text: c.canonical(c.root), Doubts: recordDoubts(c, c.root)}
	if c.faults != nil {
		return nil, inOrder(c.faults)
	}
	for _, b := range o.bounds {
		w.Bounds = append(w.Bounds, Bound{b.name, b.value, b.texts})
	}
	return w, nil
}

// CompileKey compiles one entry of a rule's `by`, which may ask lists. The result is nil when there are faults.
func CompileKey(source string, signal ingest.Signal, lists Lists) (*Key, Faults) {
	c, faults := check(source, signal, recordSide, names{lists: lists})
	if faults != nil {
		return nil, faults
	}
	value := c.recordOperand(c.root).asValue()
	if c.faults != nil {
		return nil, inOrder(c.faults)
	}
	return &Key{Label: c.label(), Value: value, Text: c.canonical(c.root)}, nil
}
