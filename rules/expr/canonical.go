package expr

import (
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// precedence returns how tightly an operator binds, and whether it is one that stands between its operands.
func precedence(operator string) (int, bool) {
	switch operator {
	case operators.Conditional:
		return 1, true
	case operators.LogicalOr:
		return 2, true
	case operators.LogicalAnd:
		return 3, true
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In:
		return 4, true
	case operators.Add, operators.Subtract:
		return 5, true
	case operators.Multiply, operators.Divide, operators.Modulo:
		return 6, true
	default:
		return 8, false
	}
}

const prefixPrecedence = 7

// printer writes resolved expressions in one form, whatever spaces, parentheses, quotes and number formats the source
// has.
type printer struct {
	refs  map[int64]*ref
	whole map[int64]int64
	named bool // constants by name, for people, rather than by number
	strings.Builder
}

// canonical returns the one form of a resolved expression.
func (r *resolver) canonical(e ast.Expr) string {
	p := printer{refs: r.refs, whole: r.whole}
	p.write(e, 0)
	return p.String()
}

// readable returns the expression as a person would have written it, for hints.
func (r *resolver) readable(e ast.Expr) string {
	p := printer{refs: r.refs, whole: r.whole, named: true}
	p.write(e, 0)
	return p.String()
}

// write writes e; outer is how tightly the operator around it binds.
func (p *printer) write(e ast.Expr, outer int) {
	switch to := p.refs[e.ID()]; {
	case to == nil:
	case to.kind == toLet && !p.named && to.let.checked != nil:
		p.inline(to.let.checked, outer)
		return
	default:
		p.WriteString(p.refText(e, to))
		return
	}
	switch e.Kind() {
	case ast.LiteralKind:
		p.literal(e)
	case ast.ListKind:
		p.WriteByte('[')
		p.list(e.AsList().Elements())
		p.WriteByte(']')
	case ast.CallKind:
		p.call(e.AsCall(), outer)
	default:
		p.WriteByte('?') // the resolver lets nothing else pass
	}
}

// inline writes what a let stands for.
func (p *printer) inline(c *checked, outer int) {
	inner := printer{refs: c.refs, whole: c.whole}
	inner.write(c.root, outer)
	p.WriteString(inner.String())
}

// refText writes a constant as its number: 17 and ERROR mean the same.
func (p *printer) refText(e ast.Expr, to *ref) string {
	if to.kind == toConstant && !p.named {
		f, _ := e.AsLiteral().(types.Double)
		return strconv.FormatFloat(float64(f), 'g', -1, 64)
	}
	switch {
	case to.kind == toLet:
		return to.name
	case to.kind == toList && p.named:
		return "lists." + to.name
	case to.kind == toList:
		return to.list.text
	}
	return canonicalRef(to)
}

func canonicalRef(to *ref) string {
	switch to.kind {
	case toOwnAttribute:
		return "attributes[" + strconv.Quote(to.name) + "]"
	case toResource:
		return "resource[" + strconv.Quote(to.name) + "]"
	case toMetric:
		text := "metric(" + strconv.Quote(to.name) + ")"
		if to.part != "" {
			text += "." + to.part
		}
		return text
	case toPresence:
		return "has(" + canonicalRef(to.of) + ")"
	case toLet:
		return "(" + to.let.checked.canonical(to.let.checked.root) + ")"
	default:
		return escapeName(to.name)
	}
}

// escapeName puts the parts that are no plain words into backticks.
func escapeName(name string) string {
	special := func(c rune) bool { return !isPlain(c) }
	if strings.IndexFunc(name, special) < 0 {
		return name
	}
	parts := strings.Split(name, ".")
	for i, part := range parts {
		if strings.IndexFunc(part, special) >= 0 {
			parts[i] = "`" + part + "`"
		}
	}
	return strings.Join(parts, ".")
}

// isPlain says whether a dotted name may have the character without backticks.
func isPlain(c rune) bool {
	return c == '.' || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (p *printer) literal(e ast.Expr) {
	if whole, ok := p.whole[e.ID()]; ok {
		p.WriteString(strconv.FormatInt(whole, 10))
		return
	}
	switch v := e.AsLiteral().(type) {
	case types.Double:
		p.WriteString(strconv.FormatFloat(float64(v), 'g', -1, 64))
	case types.String:
		p.WriteString(strconv.Quote(string(v)))
	case types.Bool:
		p.WriteString(strconv.FormatBool(bool(v)))
	}
}

func (p *printer) list(elements []ast.Expr) {
	for i, element := range elements {
		if i > 0 {
			p.WriteString(", ")
		}
		p.write(element, 0)
	}
}

func (p *printer) call(call ast.CallExpr, outer int) {
	name, args := call.FunctionName(), call.Args()
	inner, infix := precedence(name)
	switch {
	case isPrefix(name):
		p.WriteString(strings.TrimSuffix(name, "_"))
		p.write(args[0], prefixPrecedence)
	case name == operators.Conditional:
		p.parenthesize(outer >= inner && outer > 0, func() {
			p.write(args[0], inner)
			p.WriteString(" ? ")
			p.write(args[1], inner)
			p.WriteString(" : ")
			p.write(args[2], inner)
		})
	case infix:
		p.parenthesize(outer > inner, func() {
			p.write(args[0], inner)
			p.WriteString(" " + strings.Trim(strings.Trim(name, "_"), "@") + " ")
			if name == operators.LogicalAnd || name == operators.LogicalOr {
				p.write(args[1], inner) // the order of evaluation is the same with and without parentheses
			} else {
				p.write(args[1], inner+1)
			}
		})
	default:
		if call.IsMemberFunction() {
			p.write(call.Target(), 8)
			p.WriteByte('.')
		}
		p.WriteString(ownName(name) + "(")
		p.list(args)
		p.WriteByte(')')
	}
}

func (p *printer) parenthesize(needed bool, write func()) {
	if needed {
		p.WriteByte('(')
	}
	write()
	if needed {
		p.WriteByte(')')
	}
}
