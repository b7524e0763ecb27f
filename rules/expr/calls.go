package expr

import (
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/ingest"
)

// call resolves a call of an operator or a function.
func (r *resolver) call(e ast.Expr, s side) {
	if s == measureSide {
		r.disambiguate(e)
	}
	call := e.AsCall()
	name := call.FunctionName()
	switch {
	case name == operators.Index:
		r.index(e, s)
		return
	case isPrefix(name) || isOperator(name):
		for i, arg := range call.Args() {
			if name != operators.In || i == 0 || !r.list(arg) {
				r.resolve(arg, s)
			}
			if name == operators.LogicalAnd || name == operators.LogicalOr || name == operators.LogicalNot || name == operators.Conditional && i == 0 {
				r.asked(arg)
			}
		}
		r.classes(name, call.Args())
		return
	}
	f, ok := r.language.functions[name]
	if !ok {
		r.unknownFunction(e)
		return
	}
	offset, length := r.callSpan(e)
	switch {
	case f.method != call.IsMemberFunction():
		if f.method {
			r.fault(offset, length, "write "+f.example, "`%s` is called on a value", f.name)
		} else {
			r.fault(offset, length, "write "+f.example, "`%s` is not called on a value", f.name)
		}
		return
	case len(call.Args()) > len(f.args) || len(call.Args()) < len(f.args)-f.optional:
		r.fault(offset, length, "as in "+f.example, "`%s` takes %s, not %d", f.name, arguments(len(f.args)-f.optional, len(f.args)), len(call.Args()))
		return
	case f.perSeries && r.within.inSeries:
		r.within = nesting{} // nothing nests deeper
	case f.side&s == 0:
		r.wrongSide(f, offset, length, s)
		return
	case name == "has":
		r.has(e, s)
		return
	case name == "metric":
		r.metric(e)
		return
	}
	inner := s
	if f.aggregate {
		inner = recordSide
		outer := r.within
		r.within = nesting{inSeries: f.overSeries && s == measureSide && len(call.Args()) == 1 && r.isPerSeries(call.Args()[0])}
		defer func() { r.within = outer }()
	}
	if f.method {
		r.resolve(call.Target(), inner)
	}
	for i, arg := range call.Args() {
		if f.aggregate && (name == "count" && f.args[i] == truth || name == "rate" && i == 0 && !r.counted(arg)) && r.bare(arg) {
			text := r.sourceOf(arg)
			hint := "did you mean " + name + "(has(" + text + ")) or " + name + "(" + text + " == true)?"
			if r.isKnown(text) && !r.isField(text) {
				hint = r.constantHint(name, text)
			}
			r.fault(r.starts[arg.ID()], len(text), hint, "`%s` takes a condition, and this is only a name", name)
		}
		r.resolve(arg, inner)
		if f.args[i] == truth {
			r.asked(arg)
		}
	}
}

// isExtract says whether an expression is extract(…) as a whole.
func isExtract(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "extract"
}

// asked reports what stands as a condition and never holds: an attribute may be true, the text that extract gives is not.
func (r *resolver) asked(e ast.Expr) {
	if isExtract(e) {
		r.fault(r.starts[e.ID()], len("extract"), "compare it, or write has(extract(…))", "a condition is needed here, and `extract` gives text")
	}
}

// isPerSeries says whether an expression as a whole is an aggregate that may stand inside another.
func (r *resolver) isPerSeries(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && !e.AsCall().IsMemberFunction() && r.language.functions[e.AsCall().FunctionName()].perSeries
}

// nesting is which aggregate stands around the expression in hand.
type nesting struct{ inSeries bool }

// counted says whether an expression may be a counter: a point's value.
func (r *resolver) counted(e ast.Expr) bool {
	if parts, ok := dotted(e); ok {
		return r.signal == ingest.Metrics && len(parts) == 1 && parts[0] == "value"
	}
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "metric" || e.Kind() == ast.SelectKind
}

// bare says whether an expression is just the name of something that is no condition.
func (r *resolver) bare(e ast.Expr) bool {
	if _, ok := dotted(e); ok {
		return true
	}
	return e.Kind() == ast.CallKind && (e.AsCall().FunctionName() == operators.Index || e.AsCall().FunctionName() == "metric")
}

// sourceOf returns the source of a name.
func (r *resolver) sourceOf(e ast.Expr) string {
	if parts, ok := dotted(e); ok {
		return strings.Join(parts, ".")
	}
	rest := r.source[r.starts[e.ID()]:]
	if i := strings.IndexAny(rest, "])"); i >= 0 {
		return rest[:i+1]
	}
	return rest
}

// callSpan returns where the name of a called function stands.
func (r *resolver) callSpan(e ast.Expr) (offset, length int) {
	name := ownName(e.AsCall().FunctionName())
	parenthesis := r.at(e)
	offset = strings.LastIndex(r.source[:parenthesis], name)
	if offset < 0 {
		return parenthesis, 1
	}
	return offset, len(name)
}

func arguments(least, most int) string {
	switch {
	case least == most && most == 0:
		return "no arguments"
	case least == most && most == 1:
		return "one argument"
	case least == most:
		return strconv.Itoa(most) + " arguments"
	case least == 0 && most == 1:
		return "at most one argument"
	case most == least+1:
		return strconv.Itoa(least) + " or " + strconv.Itoa(most) + " arguments"
	default:
		return strconv.Itoa(least) + " to " + strconv.Itoa(most) + " arguments"
	}
}

func (r *resolver) unknownFunction(e ast.Expr) {
	call := e.AsCall()
	name := call.FunctionName()
	offset, length := r.callSpan(e)
	hint := foreign(name)
	if hint == "" {
		if near := Nearest(name, r.language.names); near != "" {
			hint = "did you mean " + near + ", as in " + r.language.functions[near].example + "?"
		} else {
			hint = "the functions are " + strings.Join(r.language.names, ", ")
		}
	}
	r.fault(offset, length, hint, "there is no function `%s`", name)
}

func (r *resolver) wrongSide(f function, offset, length int, s side) {
	switch {
	case s == measureSide:
		r.fault(offset, length, "write it inside an aggregate, as in avg("+f.example+")", "`%s` is about one record", f.name)
	case f.aggregate && !r.condition:
		r.fault(offset, length, "aggregates belong in when:", "`%s` is an aggregate, and here one record is judged", f.name)
	case f.aggregate:
		r.fault(offset, length, "an aggregate takes fields and attributes", "`%s` is an aggregate and cannot stand inside another", f.name)
	default:
		r.fault(offset, length, "write it behind an aggregate, as in "+f.example, "`%s` acts on a measure, and here one record is judged", f.name)
	}
}

// index resolves attributes["x"] and resource["x"].
func (r *resolver) index(e ast.Expr, s side) {
	operand, key := e.AsCall().Args()[0], e.AsCall().Args()[1]
	offset := r.starts[e.ID()]
	parts, ok := dotted(operand)
	if !ok || len(parts) != 1 || parts[0] != "attributes" && parts[0] != "resource" {
		hint := `only attributes["x"] and resource["x"] are read with brackets`
		if ok && key.Kind() == ast.LiteralKind {
			if name, isText := key.AsLiteral().(types.String); isText {
				hint = "write " + strings.Join(parts, ".") + ".`" + string(name) + "`"
				if parts[0] == "lists" {
					hint = "write lists." + string(name)
				}
			}
		}
		r.fault(r.at(e), 1, hint, "brackets cannot follow this")
		return
	}
	var name types.String
	if key.Kind() == ast.LiteralKind {
		name, _ = key.AsLiteral().(types.String)
	}
	if name == "" {
		r.fault(r.starts[key.ID()], 1, "as in "+parts[0]+`["service.name"]`, "the key of %s is a text", parts[0])
		return
	}
	to := &ref{kind: toOwnAttribute, name: string(name)}
	if parts[0] == "resource" {
		to.kind = toResource
	}
	if s == measureSide {
		if to, _ = r.keyMeaning(canonicalRef(to), offset); to == nil {
			return
		}
	}
	r.replace(e, dynamic, to)
}

// has resolves has(x) for everything that can be missing.
func (r *resolver) has(e ast.Expr, s side) {
	arg := e.AsCall().Args()[0]
	if isExtract(arg) {
		r.resolve(arg, s)
		e.SetKindCase(r.factory.NewCall(e.ID(), hasPart, arg))
		return
	}
	if !r.bare(arg) {
		r.fault(r.starts[arg.ID()], 1, "as in has(user.id)", "`has` takes the name of a field or an attribute, or extract(…)")
		return
	}
	before := len(r.faults)
	r.resolve(arg, s)
	if len(r.faults) > before {
		return
	}
	of := r.refs[arg.ID()]
	if of.kind == toConstant {
		r.fault(r.starts[arg.ID()], len(of.name), "as in has(severity)", "`%s` is a constant and always there", of.name)
		return
	}
	r.replace(e, truth, &ref{kind: toPresence, of: of})
}

// metric resolves metric("name").
func (r *resolver) metric(e ast.Expr) {
	offset, length := r.callSpan(e)
	if r.signal != ingest.Metrics {
		r.fault(offset, length, "write from: metrics, or use an attribute", "`metric` reads metric points, and this rule reads %s", r.signal)
		return
	}
	arg := e.AsCall().Args()[0]
	var name types.String
	if arg.Kind() == ast.LiteralKind {
		name, _ = arg.AsLiteral().(types.String)
	}
	if name == "" {
		hint := `as in metric("system.cpu.utilization")`
		if parts, ok := dotted(arg); ok {
			hint = `write metric("` + strings.Join(parts, ".") + `")`
		}
		r.fault(r.starts[arg.ID()], 1, hint, "the name of a metric is a text in quotes")
		return
	}
	r.replace(e, number, &ref{kind: toMetric, name: string(name)})
}

// metricPart resolves metric("name").count and .sum.
func (r *resolver) metricPart(e, of ast.Expr) {
	part := e.AsSelect().FieldName()
	if part != "count" && part != "sum" {
		r.fault(r.at(e), len(part)+1, `as in increase(metric("http.server.request.duration").count)`, "a metric has no `%s`: the parts of a histogram are count and sum", part)
		return
	}
	before := len(r.faults)
	r.metric(of)
	if len(r.faults) > before {
		return
	}
	r.replace(e, number, &ref{kind: toMetric, name: r.refs[of.ID()].name, part: part})
}

// classes finds comparisons of a field with a constant that belongs to another, such as kind == ERROR.
func (r *resolver) classes(operator string, args []ast.Expr) {
	switch operator {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In:
	default:
		return
	}
	left, right := args[0], args[1:]
	if operator == operators.In && args[1].Kind() == ast.ListKind {
		right = args[1].AsList().Elements()
	}
	for _, other := range right {
		for _, pair := range [][2]ast.Expr{{left, other}, {other, left}} {
			f, c := r.refs[pair[0].ID()], r.refs[pair[1].ID()]
			if f == nil || c == nil || f.kind != toField || c.kind != toConstant {
				continue
			}
			if !r.hasClass(c.name, f.field.class) {
				r.fault(r.starts[pair[1].ID()], len(c.name), r.members(f.field.class), "`%s` is never a value of `%s`", c.name, f.name)
			}
		}
	}
}

func (r *resolver) hasClass(name, class string) bool {
	for _, c := range r.constants {
		if c.name == name && c.class == class {
			return true
		}
	}
	return false
}

func (r *resolver) members(class string) string {
	var names []string
	for _, c := range r.constants {
		if c.class == class {
			names = append(names, c.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "it is one of " + strings.Join(names, ", ")
}
