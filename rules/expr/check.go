package expr

import (
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/ingest"
)

// A checked expression is parsed, its names are resolved and its types agree.
type checked struct {
	*resolver
	tree *ast.AST
	root ast.Expr
}

// names are what an expression may name beside fields and attributes.
type names struct {
	keys  []Key
	lets  []let
	lists Lists
}

// check parses, resolves and type-checks a source, which stands on the given side.
func check(source string, signal ingest.Signal, s side, n names) (*checked, Faults) {
	l := theLanguage()
	if l.err != nil {
		return nil, Faults{{Length: 1, Message: l.err.Error()}}
	}
	parsed, iss := l.env.Parse(source)
	if iss.Err() != nil {
		return nil, Faults{syntaxFault(source, iss)}
	}
	tree := parsed.NativeRep()
	r := newResolver(l, source, tree, signal)
	r.keys, r.lets, r.lists, r.condition = n.keys, n.lets, n.lists, s == measureSide
	r.resolve(tree.Expr(), s)
	if len(r.faults) > 0 {
		return nil, inOrder(r.faults)
	}
	typed, iss := l.env.Check(parsed)
	if iss.Err() != nil {
		return nil, inOrder(r.typeFaults(tree, iss.Errors()))
	}
	return &checked{resolver: r, tree: typed.NativeRep(), root: typed.NativeRep().Expr()}, nil
}

// inOrder sorts faults by where they are and keeps one per place.
func inOrder(faults Faults) Faults {
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Offset - b.Offset })
	return slices.CompactFunc(faults, func(a, b Fault) bool { return a.Offset == b.Offset })
}

// kindOf returns the kind that the checker found.
func (c *checked) kindOf(e ast.Expr) kind {
	switch c.tree.GetType(e.ID()).Kind() {
	case types.DoubleKind:
		return number
	case types.StringKind:
		return text
	case types.BoolKind:
		return truth
	case types.ListKind:
		return list
	default:
		return dynamic
	}
}

// typeFaults words the checker's errors.
func (r *resolver) typeFaults(tree *ast.AST, errs []*common.Error) Faults {
	byID := map[int64]ast.Expr{}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) { byID[e.ID()] = e }))
	var faults Faults
	for _, e := range errs {
		node := byID[e.ExprID]
		if found, ok := strings.CutPrefix(e.Message, "expected type 'bool' but found '"); ok && node != nil {
			found = strings.TrimSuffix(found, "'")
			faults = append(faults, Fault{
				Offset: r.starts[node.ID()], Length: len(r.readable(node)), Hint: compareHint(r.readable(node), found),
				Message: "a condition is needed here, and this is " + speak(found),
			})
			continue
		}
		if node == nil || node.Kind() != ast.CallKind {
			faults = append(faults, Fault{Offset: byteOffset(r.source, e.Location.Line(), e.Location.Column()), Length: 1, Message: e.Message})
			continue
		}
		faults = append(faults, r.overloadFault(node, appliedTypes(e.Message)))
	}
	return faults
}

// compareHint shows how something that is no condition becomes one.
func compareHint(canonical, celType string) string {
	if celType == "string" {
		return "compare it, as in " + canonical + ` == "…"`
	}
	return "compare it, as in " + canonical + " > 100"
}

// appliedTypes reads the argument types from "found no matching overload for 'f' applied to 'target.(a, b)'".
func appliedTypes(message string) []string {
	_, signature, _ := strings.Cut(message, "applied to '")
	signature = strings.TrimSuffix(signature, "'")
	target, args, found := strings.Cut(signature, "(")
	if !found {
		return nil
	}
	var out []string
	if target = strings.TrimSuffix(target, "."); target != "" {
		out = append(out, target)
	}
	args = strings.TrimSuffix(args, ")")
	for args != "" {
		end, depth := len(args), 0
		for i, c := range args {
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			if c == ',' && depth == 0 {
				end = i
				break
			}
		}
		out = append(out, strings.TrimSpace(args[:end]))
		args = strings.TrimPrefix(args[end:], ",")
	}
	return out
}

// speak names one of the checker's types as a person would.
func speak(celType string) string {
	switch celType {
	case "double":
		return "a number"
	case "string":
		return "text"
	case "bool":
		return "a condition"
	case "dyn":
		return "an attribute"
	default:
		return "a list"
	}
}

// overloadFault says why a call does not fit its arguments.
func (r *resolver) overloadFault(e ast.Expr, applied []string) Fault {
	call := e.AsCall()
	name := call.FunctionName()
	applied = append(applied, "?", "?", "?")
	left, right := speak(applied[0]), speak(applied[1])
	symbol := strings.Trim(strings.Trim(name, "_"), "@")
	f := Fault{Offset: r.at(e), Length: len(symbol)}
	switch name {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		f.Message = left + " cannot be compared with " + right
		f.Hint = r.comparisonHint(call.Args(), applied)
		if left == right {
			f.Message = "`" + symbol + "` does not compare " + strings.TrimPrefix(left, "a ") + "s"
		}
	case operators.In:
		f.Message = "`in` cannot look for " + left + " in a list of other things"
		if right != "a list" {
			f.Message, f.Hint = "`in` needs a list", `as in x in ["a", "b"]`
		} else if to := r.refs[call.Args()[1].ID()]; to != nil && to.kind == toList {
			f.Message = "`in` looks for " + left + ", and lists." + to.name + " holds " + to.list.holds()
		} else if args := call.Args(); args[1].Kind() == ast.ListKind && applied[0] == "double" {
			for _, element := range args[1].AsList().Elements() {
				if hint := r.comparisonHint([]ast.Expr{args[0], element}, []string{"double", "string"}); hint != "" {
					f.Hint = hint
					break
				}
			}
		}
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		f.Message = "`" + symbol + "` computes with numbers, not with " + left
		if left == "a number" {
			f.Message = "`" + symbol + "` computes with numbers, not with " + right
		}
	case operators.Negate:
		f.Message, f.Length = "`-` negates numbers, not "+left, 1
	case operators.LogicalNot:
		f.Message, f.Hint, f.Length = "`!` negates conditions, not "+left, "compare it, or write !has(x)", 1
	case operators.LogicalAnd, operators.LogicalOr:
		wrong := left
		if left == "a condition" || left == "an attribute" {
			wrong = right
		}
		f.Message, f.Hint = "`"+symbol+"` joins conditions, and one side is "+wrong, "compare it with something"
	case operators.Conditional:
		f.Message, f.Length = "`? :` needs a condition and two results of the same kind", 1
	default:
		f.Offset, f.Length = r.callSpan(e)
		f.Message, f.Hint = r.argumentFault(name, call, applied)
	}
	return f
}

// comparisonHint helps with the usual comparisons of unlike things.
func (r *resolver) comparisonHint(args []ast.Expr, applied []string) string {
	for i, arg := range args {
		other := args[1-i]
		if applied[i] == "string" && arg.Kind() == ast.LiteralKind && applied[1-i] == "double" {
			value, _ := arg.AsLiteral().(types.String)
			if to := r.refs[other.ID()]; to != nil && to.kind == toField && to.field.class != "" {
				if r.hasClass(strings.ToUpper(string(value)), to.field.class) {
					return "write " + strings.ToUpper(string(value)) + " without quotes"
				}
				return r.members(to.field.class)
			}
			if _, err := strconv.ParseFloat(string(value), 64); err == nil {
				return "write " + string(value) + " without quotes"
			}
		}
	}
	for i, arg := range args {
		if r.refs[arg.ID()] == nil && arg.Kind() == ast.CallKind && arg.AsCall().FunctionName() == operators.Subtract && applied[i] == "double" {
			return "a dash is a subtraction: a part of a name that has one needs backticks, as in http.request.header.`content-type`"
		}
	}
	return ""
}

// argumentFault says which argument of a function does not fit.
func (r *resolver) argumentFault(name string, call ast.CallExpr, applied []string) (message, hint string) {
	f := r.language.functions[name]
	name = f.name
	wanted := f.args
	if f.method {
		wanted = append([]kind{f.on}, f.args...)
	}
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	for i, k := range wanted {
		if i >= len(args) || k == anything || applied[i] == "dyn" {
			continue
		}
		if want := speakKind(k); speak(applied[i]) != want {
			message = "`" + name + "` takes " + want + ", and this is " + speak(applied[i])
			switch {
			case f.method && i == 0:
				message = "`" + name + "` is called on " + want + ", and this is " + speak(applied[i])
			case f.method && len(wanted) == 2:
				message = "the argument of `" + name + "` is " + want + ", and this is " + speak(applied[i])
			case i > 0:
				place := i + 1
				if f.method {
					place = i // of those in parentheses
				}
				message = "argument " + strconv.Itoa(place) + " of `" + name + "` is " + want + ", and this is " + speak(applied[i])
			}
			hint = "as in " + f.example
			if f.aggregate && i == 0 && k == number && applied[i] == "bool" {
				hint = "to count records write count(" + r.readable(args[0]) + ")"
			}
			if name == "rate" && applied[i] == "double" {
				hint = "rate counts records per second, as in " + f.example
			}
			return message, hint
		}
	}
	return "the arguments do not fit `" + name + "`", "as in " + f.example
}

func speakKind(k kind) string {
	switch k {
	case number:
		return "a number"
	case text:
		return "text"
	case truth:
		return "a condition"
	default:
		return "a value"
	}
}

// mustBe returns a fault unless the whole expression is of the kind, or an attribute that may be.
func (c *checked) mustBe(k kind, place string) Faults {
	if k == truth && isExtract(c.root) {
		c.asked(c.root)
		return c.faults
	}
	found := c.kindOf(c.root)
	if found == k || found == dynamic {
		return nil
	}
	hint := ""
	switch {
	case found == number && k == truth:
		hint = compareHint(c.readable(c.root), "double")
	case found == text && k == truth:
		hint = compareHint(c.readable(c.root), "string")
	case found == list:
		hint = "write x in " + c.readable(c.root)
	}
	what := map[kind]string{number: "a number", text: "text", truth: "a condition", list: "a list"}[found]
	return Faults{{Offset: c.starts[c.root.ID()], Length: 1, Message: place + " needs a condition, and this is " + what, Hint: hint}}
}
