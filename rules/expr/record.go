package expr

import (
	"math"

	"cel.dev/cel-go/common/ast"

	"github.com/freshet-dev/freshet/ingest"
)

// recordOperand lowers an expression about one record.
func (c *checked) recordOperand(e ast.Expr) operand[ingest.Record] {
	l := lowering[ingest.Record]{checked: c, leaf: recordLeaf}
	// The checker lets no function pass that has a meaning on the measure side only.
	l.call = func(ast.Expr) operand[ingest.Record] {
		return operand[ingest.Record]{kind: dynamic, value: func(*ingest.Record) ingest.Value { return ingest.Value{} }}
	}
	return l.lower(e)
}

// recordLeaf lowers a name.
func recordLeaf(to *ref) operand[ingest.Record] {
	name := to.name
	switch to.kind {
	case toField:
		f := to.field
		o := operand[ingest.Record]{kind: f.kind, num: f.num, value: f.value, unit: f.unit}
		if f.text != nil {
			get := f.text
			o.name = "field " + name
			o.text = func(r *ingest.Record) (string, bool) { s := get(r); return s, s != "" }
		}
		return o
	case toOwnAttribute:
		return operand[ingest.Record]{
			kind: dynamic, name: "own " + name, value: func(r *ingest.Record) ingest.Value { return r.Attributes.Get(name) },
		}
	case toResource:
		return operand[ingest.Record]{
			kind: dynamic, name: "resource " + name, value: func(r *ingest.Record) ingest.Value { return r.Resource.Attributes.Get(name) },
		}
	case toMetric:
		value := pointValue
		switch to.part {
		case "count":
			value = pointCount
		case "sum":
			value = pointSum
		}
		return operand[ingest.Record]{kind: number, name: "metric " + name + to.part, num: func(r *ingest.Record) float64 {
			if r.Name != name {
				return missing()
			}
			return value(r)
		}}
	case toPresence:
		is := recordLeaf(to.of).present()
		if of := to.of.name; to.of.kind == toMetric {
			is = func(r *ingest.Record) bool { return r.Name == of && (hasBuckets(r) || !math.IsNaN(pointValue(r))) }
		}
		return operand[ingest.Record]{kind: truth, truth: is}
	default:
		return operand[ingest.Record]{
			kind: dynamic, name: "attribute " + name,
			value: func(r *ingest.Record) ingest.Value {
				if v := find(r, name); v != nil {
					return *v
				}
				return ingest.Value{}
			},
			found: func(r *ingest.Record) *ingest.Value { return find(r, name) },
			num: func(r *ingest.Record) float64 {
				if v := find(r, name); v != nil {
					return numberOf(*v)
				}
				return missing()
			},
			equals: func(want string) func(*ingest.Record) bool {
				return func(r *ingest.Record) bool {
					v := find(r, name)
					return v != nil && v.Kind == ingest.String && v.Str == want
				}
			},
		}
	}
}

// find is Record.Lookup without copying the value: names are looked up more often than anything else is done.
func find(r *ingest.Record, name string) *ingest.Value {
	if v := findIn(r.Attributes, name); v != nil {
		return v
	}
	if v := findIn(r.Scope.Attributes, name); v != nil {
		return v
	}
	return findIn(r.Resource.Attributes, name)
}

// findIn is Attrs.Get: of several the last one counts. A missing one is as if it were not there.
func findIn(attrs ingest.Attrs, name string) *ingest.Value {
	for i := len(attrs) - 1; i >= 0; i-- {
		if a := &attrs[i]; a.Key == name {
			if a.Value.Kind == ingest.Missing {
				return nil
			}
			return &a.Value
		}
	}
	return nil
}

// label returns the label name that a `by` expression suggests.
func (c *checked) label() string {
	to := c.refs[c.root.ID()]
	if to == nil {
		return ""
	}
	switch to.kind {
	case toField, toAttribute, toOwnAttribute, toResource:
		return LabelName(to.name)
	default:
		return ""
	}
}
