package expr

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"

	"github.com/freshet-dev/freshet/ingest"
)

// The oracle is CEL's own interpreter. It knows no missing values and no texts that compare as numbers, so the
// generator writes each expression twice: as a rule has it, and for CEL with these two spelled out over variables that
// describe each attribute: its number, text or truth, and whether it has one.

const oracleAttributes = 4

// pairText is one expression in both forms. there is the condition, for CEL, under which it has a value.
type pairText struct{ rule, cel, there string }

type generator struct{ *rand.Rand }

func (g generator) attribute() int { return g.IntN(oracleAttributes) }

func attributeName(i int) string { return fmt.Sprintf("x.a%d", i) }

func (g generator) number(depth int) pairText {
	switch n := g.IntN(6); {
	case depth <= 0 && n < 3 || n == 0:
		k := g.IntN(7) - 3
		if g.IntN(3) == 0 {
			return pairText{fmt.Sprintf("%d.5", k), fmt.Sprintf("%d.5", k), "true"}
		}
		return pairText{fmt.Sprint(k), fmt.Sprintf("%d.0", k), "true"}
	case depth <= 0 || n < 3:
		i := g.attribute()
		// In arithmetic an attribute is a number whatever else it may be compared with.
		return pairText{fmt.Sprintf("(%s + 0)", attributeName(i)), fmt.Sprintf("n%d", i), fmt.Sprintf("hn%d", i)}
	case n == 3:
		c, a, b := g.condition(depth-1), g.number(depth-1), g.number(depth-1)
		return pairText{
			fmt.Sprintf("(%s ? %s : %s)", c.rule, a.rule, b.rule),
			fmt.Sprintf("(%s ? %s : %s)", c.cel, a.cel, b.cel),
			fmt.Sprintf("(%s ? %s : %s)", c.cel, a.there, b.there),
		}
	case n == 4:
		a := g.number(depth - 1)
		return pairText{"-(" + a.rule + ")", "-(" + a.cel + ")", a.there}
	default:
		op := []string{"+", "-", "*", "/"}[g.IntN(4)]
		a, b := g.number(depth-1), g.number(depth-1)
		there := fmt.Sprintf("(%s && %s)", a.there, b.there)
		if op == "/" {
			there = fmt.Sprintf("(%s && %s && %s != 0.0)", a.there, b.there, b.cel)
		}
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, op, b.rule), fmt.Sprintf("(%s %s %s)", a.cel, op, b.cel), there}
	}
}

func (g generator) text() pairText {
	if g.IntN(2) == 0 {
		s := fmt.Sprintf("%q", []string{"", "a", "ab", "b", "1", "2.5"}[g.IntN(6)])
		return pairText{s, s, "true"}
	}
	i := g.attribute()
	return pairText{attributeName(i), fmt.Sprintf("s%d", i), fmt.Sprintf("hs%d", i)}
}

func compared(op, a, b, there string) string {
	if op == "!=" {
		return fmt.Sprintf("!(%s && %s == %s)", there, a, b)
	}
	return fmt.Sprintf("(%s && %s %s %s)", there, a, op, b)
}

func (g generator) condition(depth int) pairText {
	op := []string{"==", "!=", "<", "<=", ">", ">="}[g.IntN(6)]
	n := g.IntN(11)
	if depth <= 0 {
		n = 4 + g.IntN(7)
	}
	switch n {
	case 0, 1:
		and := []string{"&&", "||"}[g.IntN(2)]
		a, b := g.condition(depth-1), g.condition(depth-1)
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, and, b.rule), fmt.Sprintf("(%s %s %s)", a.cel, and, b.cel), ""}
	case 2:
		a := g.condition(depth - 1)
		return pairText{"!" + a.rule, "!" + a.cel, ""}
	case 3:
		c, a, b := g.condition(depth-1), g.condition(depth-1), g.condition(depth-1)
		return pairText{fmt.Sprintf("(%s ? %s : %s)", c.rule, a.rule, b.rule), fmt.Sprintf("(%s ? %s : %s)", c.cel, a.cel, b.cel), ""}
	case 4: // numbers
		a, b := g.number(depth-1), g.number(depth-1)
		if i := g.attribute(); g.IntN(2) == 0 {
			a = pairText{attributeName(i), fmt.Sprintf("n%d", i), fmt.Sprintf("hn%d", i)}
		}
		if g.IntN(2) == 0 {
			a, b = b, a
		}
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, op, b.rule), compared(op, a.cel, b.cel, a.there+" && "+b.there), ""}
	case 5: // an attribute and a text
		i, b := g.attribute(), g.text()
		for !strings.HasPrefix(b.rule, `"`) {
			b = g.text()
		}
		return pairText{
			fmt.Sprintf("(%s %s %s)", attributeName(i), op, b.rule),
			compared(op, fmt.Sprintf("s%d", i), b.cel, fmt.Sprintf("hs%d", i)), "",
		}
	case 6: // two attributes, of any kind
		i, j := g.attribute(), g.attribute()
		rest := fmt.Sprintf("(h%d && h%d && v%d == v%d)", i, j, i, j)
		if op != "==" && op != "!=" {
			rest = fmt.Sprintf("(hs%d && hs%d && s%d %s s%d)", i, j, i, op, j)
		}
		is := op
		if op == "!=" {
			is = "=="
		}
		numbers := fmt.Sprintf("(hn%d && hn%d && n%d %s n%d)", i, j, i, is, j)
		text := fmt.Sprintf("(isn%d || isn%d ? %s : %s)", i, j, numbers, rest)
		if op == "!=" {
			text = "!" + text
		}
		return pairText{fmt.Sprintf("(%s %s %s)", attributeName(i), op, attributeName(j)), text, ""}
	case 7:
		i := g.attribute()
		return pairText{fmt.Sprintf("has(%s)", attributeName(i)), fmt.Sprintf("h%d", i), ""}
	case 8:
		a, b := g.text(), g.text()
		method := []string{"contains", "startsWith", "endsWith"}[g.IntN(3)]
		return pairText{fmt.Sprintf("%s.%s(%s)", a.rule, method, b.rule), fmt.Sprintf("(%s && %s && %s.%s(%s))", a.there, b.there, a.cel, method, b.cel), ""}
	case 9:
		i := g.attribute()
		return pairText{
			fmt.Sprintf(`(%s in ["a", 1, "2.5", 2.5])`, attributeName(i)),
			fmt.Sprintf(`(hs%d && s%d in ["a", "2.5"] || hn%d && n%d in [1.0, 2.5])`, i, i, i, i), "",
		}
	default:
		i := g.attribute()
		return pairText{attributeName(i), fmt.Sprintf("b%d", i), ""}
	}
}

// value draws an attribute, often missing or of a kind that does not fit.
func (g generator) value() ingest.Value {
	switch g.IntN(7) {
	case 0:
		return ingest.Value{}
	case 1:
		return ingest.BoolValue(g.IntN(2) == 0)
	case 2:
		return ingest.DoubleValue(float64(g.IntN(13)-6) / 2)
	case 3:
		return ingest.StringValue([]string{"", "a", "ab", "b", "bab"}[g.IntN(5)])
	case 4:
		return ingest.StringValue([]string{"1", "2.5", "-3", "1e0", "nan", "0x1"}[g.IntN(6)])
	default:
		return ingest.IntValue(int64(g.IntN(7) - 3))
	}
}

func TestClosuresAgreeWithCEL(t *testing.T) {
	var options []cel.EnvOption
	for i := range oracleAttributes {
		for name, typ := range map[string]*cel.Type{
			"v": cel.DynType, "h": cel.BoolType, "n": cel.DoubleType, "hn": cel.BoolType, "isn": cel.BoolType,
			"s": cel.StringType, "hs": cel.BoolType, "b": cel.BoolType,
		} {
			options = append(options, cel.Variable(fmt.Sprint(name, i), typ))
		}
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	g := generator{rand.New(rand.NewPCG(7, 11))}
	expressions, records := 1500, 6
	held, bounds := 0, 0
	for range expressions {
		e := g.condition(3)
		w, faults := CompileWhere(e.rule, ingest.Logs, nil)
		if faults != nil {
			t.Fatalf("%s: %v", e.rule, faults)
		}
		tree, iss := env.Compile(e.cel)
		if iss.Err() != nil {
			t.Fatalf("%s: %v", e.cel, iss.Err())
		}
		program, err := env.Program(tree)
		if err != nil {
			t.Fatal(err)
		}
		for range records {
			r := &ingest.Record{Resource: &ingest.Resource{}, Scope: &ingest.Scope{}}
			vars := map[string]any{}
			var seen []string
			for i := range oracleAttributes {
				v := g.value()
				describe(vars, i, v)
				seen = append(seen, fmt.Sprintf("%s=%d:%s", attributeName(i), v.Kind, v.Text()))
				if v.Kind != ingest.Missing {
					r.Attributes = append(r.Attributes, ingest.Attr{Key: attributeName(i), Value: v})
				}
			}
			out, _, err := program.Eval(vars)
			if err != nil {
				t.Fatalf("%s with %v: %v", e.cel, seen, err)
			}
			got := w.Holds(r)
			for _, b := range w.Bounds {
				bounds++
				if text, ok := b.Value(r); got && (!ok || !slices.Contains(b.Texts, text)) {
					t.Fatalf("%s holds with %v, and requires %s in %q", e.rule, seen, b.Name, b.Texts)
				}
			}
			if got != out.Value() {
				t.Fatalf("%s with %v is %t, and CEL says %v of %s", e.rule, seen, got, out.Value(), e.cel)
			}
			if got {
				held++
			}
		}
	}
	if held < expressions || held > expressions*(records-1) {
		t.Errorf("%d of %d judgements hold: the generator is one-sided", held, expressions*records)
	}
	if bounds == 0 {
		t.Error("no expression requires an equality")
	}
}

// describe sets the variables of one attribute.
func describe(vars map[string]any, i int, v ingest.Value) {
	set := func(name string, value any) { vars[fmt.Sprint(name, i)] = value }
	set("v", false)
	set("h", v.Kind != ingest.Missing)
	set("n", 0.0)
	set("hn", false)
	set("isn", v.Kind == ingest.Int || v.Kind == ingest.Double)
	set("s", "")
	set("hs", v.Kind == ingest.String)
	set("b", v.Bool())
	switch v.Kind {
	case ingest.Int, ingest.Double:
		f, _ := v.Number()
		set("v", f)
		set("n", f)
		set("hn", true)
	case ingest.Bool:
		set("v", v.Bool())
	case ingest.String:
		set("v", v.Str)
		set("s", v.Str)
		if f, ok := map[string]float64{"1": 1, "2.5": 2.5, "-3": -3, "1e0": 1}[v.Str]; ok {
			set("n", f)
			set("hn", true)
		}
	default:
	}
}
