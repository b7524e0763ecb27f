package expr

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/ingest"
)

// refKind says what a name stands for.
type refKind uint8

const (
	toField refKind = iota + 1
	toAttribute
	toOwnAttribute // attributes["x"]: of the record only
	toResource     // resource["x"]
	toMetric       // metric("x")
	toPresence     // has(x)
	toKey          // a `by` name, on the measure side
	toConstant
	toLet  // a named measure, on the measure side
	toList // lists.x, to the right of `in`
)

// A ref is what the resolver found a name, or a call that stands for one, to mean.
type ref struct {
	kind  refKind
	name  string
	field field
	of    *ref   // of toPresence
	index int    // of toKey; of toLet the byte offset
	part  string // of toMetric: count or sum of a histogram
	let   *let   // of toLet
	list  *List  // of toList
}

// resolver walks a parsed expression, says what its names mean and puts variables of the checker in their place.
type resolver struct {
	language  *language
	source    string
	info      *ast.SourceInfo
	factory   ast.ExprFactory
	signal    ingest.Signal
	fields    []field
	constants []constant
	keys      []Key
	lets      []let
	lists     Lists
	condition bool  // a `when`, where aggregates may stand
	offsets   []int // byte offset of each character of the source

	within nesting
	refs   map[int64]*ref
	whole  map[int64]int64 // integer literals that a double does not hold exactly
	starts map[int64]int   // byte offset at which an expression begins
	faults Faults
}

func newResolver(l *language, source string, tree *ast.AST, signal ingest.Signal) *resolver {
	r := &resolver{
		language: l, source: source, info: tree.SourceInfo(), factory: ast.NewExprFactory(), signal: signal,
		fields: fieldsOf(signal), constants: constantsOf(signal),
		refs: map[int64]*ref{}, whole: map[int64]int64{}, starts: map[int64]int{},
	}
	for i := range source {
		r.offsets = append(r.offsets, i)
	}
	r.offsets = append(r.offsets, len(source))
	r.start(tree.Expr())
	return r
}

// at returns the byte offset that the parser noted for an expression: of an operator its own, of a call its parenthesis.
func (r *resolver) at(e ast.Expr) int {
	span, ok := r.info.GetOffsetRange(e.ID())
	if !ok || int(span.Start) >= len(r.offsets) || span.Start < 0 {
		return 0
	}
	return r.offsets[span.Start]
}

// start notes and returns where an expression begins, for all below it too.
func (r *resolver) start(e ast.Expr) int {
	begin := r.at(e)
	switch e.Kind() {
	case ast.SelectKind:
		begin = r.start(e.AsSelect().Operand())
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			r.start(element)
		}
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch {
		case call.IsMemberFunction():
			begin = r.start(call.Target())
			for _, arg := range args {
				r.start(arg)
			}
		case isPrefix(call.FunctionName()):
			r.start(args[0])
		case isOperator(call.FunctionName()):
			begin = r.start(args[0])
			for _, arg := range args[1:] {
				r.start(arg)
			}
		default:
			for _, arg := range args {
				r.start(arg)
			}
			begin = max(strings.LastIndex(r.source[:begin], call.FunctionName()), 0)
		}
	default:
	}
	r.starts[e.ID()] = begin
	return begin
}

func isPrefix(name string) bool { return name == operators.LogicalNot || name == operators.Negate }

func isOperator(name string) bool {
	_, ok := precedence(name)
	return ok || name == operators.Index
}

func (r *resolver) fault(offset, length int, hint, format string, args ...any) {
	r.faults = append(r.faults, Fault{Offset: offset, Length: max(length, 1), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// replace puts the checker's variable of a kind in the place of e.
func (r *resolver) replace(e ast.Expr, k kind, to *ref) {
	r.refs[e.ID()] = to
	e.SetKindCase(r.factory.NewIdent(e.ID(), standIn(k)))
}

// resolve walks e, which stands on the given side.
func (r *resolver) resolve(e ast.Expr, s side) {
	switch e.Kind() {
	case ast.LiteralKind:
		r.literal(e)
	case ast.IdentKind:
		r.name(e, []string{e.AsIdent()}, s)
	case ast.SelectKind:
		if parts, ok := dotted(e); ok {
			r.name(e, parts, s)
			return
		}
		if of := e.AsSelect().Operand(); of.Kind() == ast.CallKind && of.AsCall().FunctionName() == "metric" && s == recordSide {
			r.metricPart(e, of)
			return
		}
		r.fault(r.at(e), len(e.AsSelect().FieldName())+1, "", "`.%s` cannot follow this: only names have parts", e.AsSelect().FieldName())
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			r.resolve(element, s)
		}
	case ast.CallKind:
		r.call(e, s)
	default:
		r.fault(r.starts[e.ID()], 1, "", "maps and messages have no place in an expression")
	}
}

// literal makes every number a double, as measures are.
func (r *resolver) literal(e ast.Expr) {
	var whole int64
	switch v := e.AsLiteral().(type) {
	case types.Int:
		whole = int64(v)
	case types.Uint:
		whole = int64(min(uint64(v), math.MaxInt64))
	case types.Double, types.String, types.Bool:
		return
	case types.Null:
		r.fault(r.at(e), len("null"), "write has(x) or !has(x)", "null is not a value: an attribute is there or missing")
		return
	default:
		r.fault(r.at(e), 1, "write the text without b", "bytes have no place in an expression")
		return
	}
	if whole >= 1<<53 || whole <= -1<<53 {
		r.whole[e.ID()] = whole
	}
	e.SetKindCase(r.factory.NewLiteral(e.ID(), types.Double(float64(whole))))
}

// dotted returns the parts of a.b.c.
func dotted(e ast.Expr) ([]string, bool) {
	var parts []string
	for e.Kind() == ast.SelectKind {
		parts = append(parts, e.AsSelect().FieldName())
		e = e.AsSelect().Operand()
	}
	if e.Kind() != ast.IdentKind {
		return nil, false
	}
	parts = append(parts, e.AsIdent())
	slices.Reverse(parts)
	return parts, true
}

// name resolves a name as the side and the signal have it.
func (r *resolver) name(e ast.Expr, parts []string, s side) {
	if r.misplacedList(parts, r.starts[e.ID()]) {
		r.replace(e, dynamic, nil)
		return
	}
	to, k := r.meaning(strings.Join(parts, "."), parts, r.starts[e.ID()], s)
	if to == nil {
		k = dynamic
	}
	if to != nil && to.kind == toConstant {
		r.refs[e.ID()] = to
		e.SetKindCase(r.factory.NewLiteral(e.ID(), types.Double(constantValue(r.constants, to.name))))
		return
	}
	r.replace(e, k, to)
}

func constantValue(constants []constant, name string) float64 {
	i := slices.IndexFunc(constants, func(c constant) bool { return c.name == name })
	return constants[i].value
}

// meaning finds what a name stands for; nil after a fault.
func (r *resolver) meaning(name string, parts []string, offset int, s side) (*ref, kind) {
	name = strings.TrimPrefix(name, ".")
	if s == measureSide {
		return r.keyMeaning(name, offset)
	}
	if i := slices.IndexFunc(r.fields, func(f field) bool { return f.name == name }); i >= 0 {
		return &ref{kind: toField, name: name, field: r.fields[i]}, r.fields[i].kind
	}
	if slices.ContainsFunc(r.constants, func(c constant) bool { return c.name == name }) {
		return &ref{kind: toConstant, name: name}, number
	}
	if everyName(r.signal) {
		return &ref{kind: toAttribute, name: name}, dynamic
	}
	root := parts[0]
	rest := strings.Join(parts[1:], ".")
	switch {
	case root == "attributes" || root == "resource":
		hint := root + `["` + orElse(rest, "name") + `"]`
		r.fault(offset, len(name), "write "+hint, "`%s` is read with brackets", root)
		return nil, 0
	case misnomers(name) != "" && r.isKnown(misnomers(name)):
		r.fault(offset, len(name), "write "+misnomers(name)+"; an"+attributeHint(name), "%s have no field `%s`", r.signal, name)
		return nil, 0
	case len(parts) > 1 && r.isField(root):
		hint := "attributes need no prefix: write " + rest
		if root == "body" {
			hint = `match its text, body.contains("…"), or take a part out of it, extract(body, "user=(\\S+)"); or let the collector parse the body into attributes`
		}
		r.fault(offset, len(name), hint, "`%s` has no parts", root)
		return nil, 0
	case len(parts) > 1 && (root == "metric" || root == "scope"):
		r.fault(offset, len(name), r.suggest(name), "%s have no field `%s`", r.signal, name)
		return nil, 0
	case len(parts) > 1:
		return &ref{kind: toAttribute, name: name}, dynamic
	}
	if _, ok := r.language.functions[name]; ok {
		r.fault(offset, len(name), "write "+r.language.functions[name].example, "`%s` is a function and needs its parentheses", name)
		return nil, 0
	}
	if hint := r.dashed(name, offset); hint != "" {
		r.fault(offset, len(name), hint, "%s have no field `%s`, and a dash is a subtraction", r.signal, name)
		return nil, 0
	}
	r.fault(offset, len(name), r.suggest(name), "%s have no field `%s`", r.signal, name)
	return nil, 0
}

// keyMeaning finds a name outside aggregates: only the rule's keys can stand there.
func (r *resolver) keyMeaning(name string, offset int) (*ref, kind) {
	for i, k := range r.keys {
		if name == k.Text || name == k.Label || escapeName(name) == k.Text {
			return &ref{kind: toKey, name: k.Text, index: i}, dynamic
		}
	}
	for i := range r.lets {
		if l := &r.lets[i]; l.name == name {
			to := &ref{kind: toLet, name: name, let: l, index: offset}
			if l.checked == nil {
				return to, dynamic // its own fault is reported
			}
			return to, l.checked.kindOf(l.checked.root)
		}
	}
	words := make([]string, 0, 2*len(r.keys)+len(r.lets))
	for _, l := range r.lets {
		words = append(words, l.name)
	}
	for _, k := range r.keys {
		words = append(words, k.Text, k.Label)
	}
	f, isFunction := r.language.functions[name]
	known := everyName(r.signal) || strings.Contains(name, ".") || r.isKnown(name) || isFunction
	var hint string
	switch near := Nearest(name, words); {
	case near != "":
		hint = "did you mean " + near + "?"
	case r.isKnown(name) && !r.isField(name):
		hint = r.constantHint("count", name)
	case isFunction:
		hint = "write " + f.example
	case !known:
		hint = r.suggest(name)
	case slices.ContainsFunc(r.fields, func(f field) bool { return f.name == name && f.kind == number }):
		hint = "write max(" + name + ") or another aggregate"
	default:
		hint = "write it inside an aggregate, as in count(" + name + ` == "…"), or add it to by:`
	}
	if !known {
		r.fault(offset, len(name), hint, "%s have no field `%s`; outside an aggregate only measures and the names of by: can stand", r.signal, name)
		return nil, 0
	}
	r.fault(offset, len(name), hint, "`%s` is about one record; outside an aggregate only measures and the names of by: can stand", name)
	return nil, 0
}

// everyName says whether every name is an attribute of a signal's records.
func everyName(s ingest.Signal) bool { return s == ingest.Events || s == ingest.Findings }

// constantHint shows a constant within a condition.
func (r *resolver) constantHint(function, name string) string {
	for _, c := range r.constants {
		if c.name == name && c.class == classSeverity {
			return "write " + function + "(severity >= " + name + ")"
		}
		if c.name == name && c.class == classKind {
			return "write " + function + "(kind == " + name + ")"
		}
	}
	return "write " + function + "(status == " + name + ")"
}

// isKnown says whether the signal has a field or a constant of the name.
func (r *resolver) isKnown(name string) bool {
	return r.isField(name) || slices.ContainsFunc(r.constants, func(c constant) bool { return c.name == name })
}

func (r *resolver) isField(name string) bool {
	return slices.ContainsFunc(r.fields, func(f field) bool { return f.name == name })
}

// suggest names the field or constant that was probably meant, or how attributes without a dot are written.
func (r *resolver) suggest(name string) string {
	var words []string
	for _, f := range r.fields {
		words = append(words, f.name)
	}
	for _, c := range r.constants {
		words = append(words, c.name)
	}
	if near := Nearest(name, words); near != "" {
		return "did you mean " + near + "? An" + attributeHint(name)
	}
	for _, signal := range []ingest.Signal{ingest.Logs, ingest.Spans, ingest.Metrics} {
		for _, f := range fieldsOf(signal) {
			if f.name == name {
				return "it is a field of " + signal.String() + "; an" + attributeHint(name)
			}
		}
	}
	return "an" + attributeHint(name)
}

func attributeHint(name string) string {
	return " attribute of that name is written attributes[" + strconv.Quote(name) + "]"
}

// dashed returns a hint when the name follows a dotted name and a dash without a space: a.b.content-type.
func (r *resolver) dashed(name string, offset int) string {
	if offset < 2 || r.source[offset-1] != '-' {
		return ""
	}
	before := r.source[:offset-1]
	begin := strings.LastIndexFunc(before, func(c rune) bool { return !isPlain(c) }) + 1
	dot := strings.LastIndexByte(before, '.')
	if dot <= begin {
		return ""
	}
	return "write " + before[begin:dot+1] + "`" + before[dot+1:] + "-" + name + "`"
}
