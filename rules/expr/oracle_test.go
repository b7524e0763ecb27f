package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	celref "cel.dev/cel-go/common/types/ref"

	"github.com/freshet-dev/freshet/ingest"
)

// The oracle is CEL's own interpreter. It knows no missing values and no texts that compare as numbers, so the
// generator writes each expression twice: as a rule has it, and for CEL with these two spelled out over variables that
// describe each source: its number, text or truth, and whether it has one.

// pairText is one expression in both forms. there is the condition, for CEL, under which it has a value.
type pairText struct{ rule, cel, there string }

// A source is what a rule reads of a record whose kind shows only then: an attribute, or what is made of attributes.
type source struct {
	rule string
	// value computes it from the attributes in a way that anyone can follow.
	value func(attributes []placed) ingest.Value
	// named: has() takes it, and part: extract() gives it, which is never a condition.
	named, part bool
}

// placed is an attribute and where it stands.
type placed struct {
	ingest.Value
	place int // 0 in the record, 1 in its scope, 2 in its resource
}

const oracleAttributes = 4

func oracleSources() []source {
	var out []source
	for i := range oracleAttributes {
		out = append(out, source{rule: attributeName(i), named: true, value: func(a []placed) ingest.Value { return a[i].Value }})
	}
	at := func(i, place int) func([]placed) ingest.Value {
		return func(a []placed) ingest.Value {
			if a[i].place != place {
				return ingest.Value{}
			}
			return a[i].Value
		}
	}
	out = append(out,
		source{rule: `attributes["x.a1"]`, named: true, value: at(1, 0)},
		source{rule: `resource["x.a2"]`, named: true, value: at(2, 2)},
		source{rule: "(x.a0 ? x.a1 : x.a2)", value: func(a []placed) ingest.Value {
			if a[0].Kind == ingest.Bool && a[0].Bool() {
				return a[1].Value
			}
			return a[2].Value
		}},
		source{rule: "(has(x.a3) ? x.a3 : extract(x.a0, 'b'))", value: func(a []placed) ingest.Value {
			if a[3].Kind != ingest.Missing {
				return a[3].Value
			}
			return extracted(a[0].Value, firstB)
		}},
	)
	for i, pattern := range []string{"b", "a(.)", "[0-9.]+", "a(b)?"} {
		find := []func(string) (string, bool){firstB, afterA, firstNumber, bAfterA}[i]
		attribute := i % oracleAttributes
		out = append(out, source{
			rule: fmt.Sprintf("extract(%s, %q)", attributeName(attribute), pattern), named: true, part: true,
			value: func(a []placed) ingest.Value { return extracted(a[attribute].Value, find) },
		})
	}
	return append(out, source{rule: "extract(x.a1.lower(), '[0-9.]+')", named: true, part: true, value: func(a []placed) ingest.Value {
		return extracted(a[1].Value, firstNumber)
	}})
}

func extracted(v ingest.Value, find func(string) (string, bool)) ingest.Value {
	if s, ok := find(v.Str); ok && v.Kind >= ingest.String {
		return ingest.StringValue(s)
	}
	return ingest.Value{}
}

func firstB(s string) (string, bool) { return "b", strings.Contains(s, "b") }

func afterA(s string) (string, bool) {
	_, rest, found := strings.Cut(s, "a")
	if !found || rest == "" {
		return "", false
	}
	return rest[:1], true
}

func firstNumber(s string) (string, bool) {
	other := func(r rune) bool { return r != '.' && (r < '0' || r > '9') }
	fields := strings.FieldsFunc(s, other)
	if len(fields) == 0 {
		return "", false
	}
	return fields[0], true
}

func bAfterA(s string) (string, bool) {
	_, rest, found := strings.Cut(s, "a")
	return "b", found && strings.HasPrefix(rest, "b")
}

type generator struct {
	*rand.Rand
	sources []source
}

func attributeName(i int) string { return fmt.Sprintf("x.a%d", i) }

// source draws a source that will do.
func (g generator) source(does func(source) bool) (int, string) {
	for {
		if i := g.IntN(len(g.sources)); does(g.sources[i]) {
			return i, g.sources[i].rule
		}
	}
}

func (g generator) anySource() (int, string) { return g.source(func(source) bool { return true }) }

func (g generator) number(depth int) pairText {
	switch n := g.IntN(7); {
	case depth <= 0 && n < 3 || n == 0:
		k := g.IntN(7) - 3
		if g.IntN(3) == 0 {
			return pairText{fmt.Sprintf("%d.5", k), fmt.Sprintf("%d.5", k), "true"}
		}
		return pairText{fmt.Sprint(k), fmt.Sprintf("%d.0", k), "true"}
	case depth <= 0 || n < 3:
		i, rule := g.anySource()
		// In arithmetic an attribute is a number whatever else it may be compared with.
		return pairText{fmt.Sprintf("(%s + 0)", rule), fmt.Sprintf("n%d", i), fmt.Sprintf("hn%d", i)}
	case n == 3:
		c, a, b := g.condition(depth-1), g.number(depth-1), g.number(depth-1)
		return g.choice(c, a, b)
	case n == 4:
		a := g.number(depth - 1)
		return pairText{"-(" + a.rule + ")", "-(" + a.cel + ")", a.there}
	case n == 5:
		a := g.text(depth - 1)
		return pairText{"size(" + a.rule + ")", "double(size(" + a.cel + "))", a.there}
	default:
		op := []string{"+", "-", "*", "/", "%"}[g.IntN(5)]
		a, b := g.number(depth-1), g.number(depth-1)
		there := fmt.Sprintf("(%s && %s)", a.there, b.there)
		result := fmt.Sprintf("(%s %s %s)", a.cel, op, b.cel)
		switch op {
		case "/":
			there = fmt.Sprintf("(%s && %s && %s != 0.0)", a.there, b.there, b.cel)
		case "%": // CEL has it for whole numbers only
			there = fmt.Sprintf("(%s && %s && %s != 0.0)", a.there, b.there, b.cel)
			result = fmt.Sprintf("remainder(%s, %s)", a.cel, b.cel)
		}
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, op, b.rule), result, there}
	}
}

func (g generator) choice(c, a, b pairText) pairText {
	return pairText{
		fmt.Sprintf("(%s ? %s : %s)", c.rule, a.rule, b.rule),
		fmt.Sprintf("(%s ? %s : %s)", c.cel, a.cel, b.cel),
		fmt.Sprintf("(%s ? %s : %s)", c.cel, a.there, b.there),
	}
}

func (g generator) literal() pairText {
	s := fmt.Sprintf("%q", []string{"", "a", "ab", "AB", "b", "1", "2.5"}[g.IntN(7)])
	return pairText{s, s, "true"}
}

// text draws what is text or not there.
func (g generator) text(depth int) pairText {
	if g.IntN(2) == 0 {
		return g.sureText(depth)
	}
	i, rule := g.anySource()
	return pairText{rule, fmt.Sprintf("t%d", i), fmt.Sprintf("ht%d", i)}
}

// sureText draws what the checker knows to be text.
func (g generator) sureText(depth int) pairText {
	switch n := g.IntN(4); {
	case depth <= 0 || n < 2:
		return g.literal()
	case n == 2:
		fold := []string{"lower", "upper"}[g.IntN(2)]
		a := g.text(depth - 1)
		return pairText{a.rule + "." + fold + "()", fold + "(" + a.cel + ")", a.there}
	default:
		return g.choice(g.condition(depth-1), g.sureText(depth-1), g.sureText(depth-1))
	}
}

func compared(op, a, b, there string) string {
	if op == "!=" {
		return fmt.Sprintf("!(%s && %s == %s)", there, a, b)
	}
	return fmt.Sprintf("(%s && %s %s %s)", there, a, op, b)
}

// equalSources is == of two sources, of any kind.
func equalSources(i, j int) string {
	return fmt.Sprintf("(isn%[1]d || isn%[2]d ? hn%[1]d && hn%[2]d && n%[1]d == n%[2]d : h%[1]d && h%[2]d && v%[1]d == v%[2]d)", i, j)
}

func (g generator) condition(depth int) pairText {
	op := []string{"==", "!=", "<", "<=", ">", ">="}[g.IntN(6)]
	n := g.IntN(16)
	if depth <= 0 {
		n = 5 + g.IntN(11)
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
	case 4:
		return g.twoTruths(depth)
	case 5, 6: // numbers
		a, b := g.number(depth-1), g.number(depth-1)
		if i, rule := g.anySource(); g.IntN(2) == 0 {
			a = pairText{rule, fmt.Sprintf("n%d", i), fmt.Sprintf("hn%d", i)}
		}
		if g.IntN(2) == 0 {
			a, b = b, a
		}
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, op, b.rule), compared(op, a.cel, b.cel, a.there+" && "+b.there), ""}
	case 7: // a source and a text, or the other way round
		i, rule := g.anySource()
		a, b := pairText{rule, fmt.Sprintf("s%d", i), fmt.Sprintf("hs%d", i)}, g.sureText(depth-1)
		if g.IntN(2) == 0 {
			a, b = b, a
		}
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, op, b.rule), compared(op, a.cel, b.cel, a.there+" && "+b.there), ""}
	case 8: // two sources, of any kind
		i, left := g.anySource()
		j, right := g.anySource()
		text := equalSources(i, j)
		switch op {
		case "==":
		case "!=":
			text = "!" + text
		default:
			text = fmt.Sprintf("(isn%[1]d || isn%[2]d ? hn%[1]d && hn%[2]d && n%[1]d %[3]s n%[2]d : hs%[1]d && hs%[2]d && s%[1]d %[3]s s%[2]d)", i, j, op)
		}
		return pairText{fmt.Sprintf("(%s %s %s)", left, op, right), text, ""}
	case 9:
		i, rule := g.source(func(s source) bool { return s.named })
		return pairText{fmt.Sprintf("has(%s)", rule), fmt.Sprintf("h%d", i), ""}
	case 10:
		a, b := g.text(depth-1), g.text(depth-1)
		method := []string{"contains", "startsWith", "endsWith"}[g.IntN(3)]
		return pairText{fmt.Sprintf("%s.%s(%s)", a.rule, method, b.rule), fmt.Sprintf("(%s && %s && %s.%s(%s))", a.there, b.there, a.cel, method, b.cel), ""}
	case 11:
		a := g.text(depth - 1)
		pattern := []string{"^a", "b$", "(?i)ab?$", "[0-9]", "a|2", "^$", "ab*", "(a)(b)"}[g.IntN(8)]
		return pairText{fmt.Sprintf("%s.matches(%q)", a.rule, pattern), fmt.Sprintf("(%s && %s.matches(%q))", a.there, a.cel, pattern), ""}
	case 12:
		i, rule := g.anySource()
		return pairText{
			fmt.Sprintf(`(%s in ["a", 1, "2.5", 2.5])`, rule),
			fmt.Sprintf(`(hs%d && s%d in ["a", "2.5"] || hn%d && n%d in [1.0, 2.5])`, i, i, i, i), "",
		}
	case 13:
		return g.member(depth)
	case 14: // two texts
		a, b := g.sureText(depth-1), g.sureText(depth-1)
		return pairText{fmt.Sprintf("(%s %s %s)", a.rule, op, b.rule), compared(op, a.cel, b.cel, a.there+" && "+b.there), ""}
	default:
		i, rule := g.source(func(s source) bool { return !s.part })
		return pairText{rule, fmt.Sprintf("b%d", i), ""}
	}
}

// twoTruths compares conditions, or a source with true.
func (g generator) twoTruths(depth int) pairText {
	op := []string{"==", "!="}[g.IntN(2)]
	if g.IntN(2) == 0 {
		i, rule := g.anySource()
		return pairText{fmt.Sprintf("(%s %s true)", rule, op), compared(op, fmt.Sprintf("v%d", i), "dyn(true)", fmt.Sprintf("h%d", i)), ""}
	}
	a, b := g.condition(depth-1), g.condition(depth-1)
	// An attribute alone would be compared as what it is.
	return pairText{fmt.Sprintf("((%s && true) %s (%s && true))", a.rule, op, b.rule), fmt.Sprintf("(%s %s %s)", a.cel, op, b.cel), ""}
}

// member draws x in a list of its kind, or of sources.
func (g generator) member(depth int) pairText {
	switch g.IntN(3) {
	case 0:
		a := g.sureText(depth - 1)
		return pairText{fmt.Sprintf(`(%s in ["a", "b", "AB"])`, a.rule), fmt.Sprintf(`(%s && %s in ["a", "b", "AB"])`, a.there, a.cel), ""}
	case 1:
		a := g.number(depth - 1)
		return pairText{fmt.Sprintf(`(%s in [-1, 0, 2.5])`, a.rule), fmt.Sprintf(`(%s && %s in [-1.0, 0.0, 2.5])`, a.there, a.cel), ""}
	default:
		i, x := g.anySource()
		j, first := g.anySource()
		k, second := g.anySource()
		return pairText{fmt.Sprintf("(%s in [%s, %s])", x, first, second), fmt.Sprintf("(%s || %s)", equalSources(i, j), equalSources(i, k)), ""}
	}
}

// value draws an attribute, often missing or of a kind that does not fit.
func (g generator) value() ingest.Value {
	switch g.IntN(8) {
	case 0:
		return ingest.Value{}
	case 1:
		return ingest.BoolValue(g.IntN(2) == 0)
	case 2:
		return ingest.DoubleValue(float64(g.IntN(13)-6) / 2)
	case 3:
		return ingest.StringValue([]string{"", "a", "ab", "b", "bab", "Ab", "aab2.5", "ca"}[g.IntN(8)])
	case 4:
		return ingest.StringValue([]string{"1", "2.5", "-3", "1e0", "nan", "0x1"}[g.IntN(6)])
	case 5:
		return ingest.ListValue([]string{`["a"]`, `[2.5,"ab"]`}[g.IntN(2)])
	default:
		return ingest.IntValue(int64(g.IntN(7) - 3))
	}
}

// record draws a record with the attributes, each somewhere, now and then hidden by one that stands further in.
func (g generator) record() (*ingest.Record, []placed) {
	r := &ingest.Record{Resource: &ingest.Resource{}, Scope: &ingest.Scope{}}
	lists := []*ingest.Attrs{&r.Attributes, &r.Scope.Attributes, &r.Resource.Attributes}
	attributes := make([]placed, oracleAttributes)
	for i := range attributes {
		attributes[i] = placed{g.value(), g.IntN(3)}
		if a := attributes[i]; a.Kind != ingest.Missing {
			*lists[a.place] = append(*lists[a.place], ingest.Attr{Key: attributeName(i), Value: a.Value})
			if i != 2 && a.place < 2 && g.IntN(4) == 0 { // resource["x.a2"] would see it
				*lists[2] = append(*lists[2], ingest.Attr{Key: attributeName(i), Value: g.value()})
			}
		}
	}
	return r, attributes
}

// oracleFunctions are what CEL lacks.
func oracleFunctions() []cel.EnvOption {
	fold := func(name string, change func(string) string) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_text", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(v celref.Val) celref.Val {
			return types.String(change(string(v.(types.String))))
		})))
	}
	two := []*cel.Type{cel.DoubleType, cel.DoubleType}
	return []cel.EnvOption{
		fold("lower", strings.ToLower), fold("upper", strings.ToUpper),
		cel.Function("remainder", cel.Overload("remainder_double", two, cel.DoubleType, cel.BinaryBinding(func(a, b celref.Val) celref.Val {
			return types.Double(math.Mod(float64(a.(types.Double)), float64(b.(types.Double))))
		}))),
	}
}

func TestClosuresAgreeWithCEL(t *testing.T) {
	options, sources := oracleFunctions(), oracleSources()
	for i := range sources {
		for name, typ := range map[string]*cel.Type{
			"v": cel.DynType, "h": cel.BoolType, "n": cel.DoubleType, "hn": cel.BoolType, "isn": cel.BoolType,
			"s": cel.StringType, "hs": cel.BoolType, "t": cel.StringType, "ht": cel.BoolType, "b": cel.BoolType,
		} {
			options = append(options, cel.Variable(fmt.Sprint(name, i), typ))
		}
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	g := generator{rand.New(rand.NewPCG(7, 11)), sources}
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
			r, attributes := g.record()
			vars := map[string]any{}
			var seen []string
			for i, s := range sources {
				describe(vars, i, s.value(attributes))
			}
			for i, a := range attributes {
				seen = append(seen, fmt.Sprintf("%s=%d:%s", attributeName(i), a.Kind, a.Text()))
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

// describe sets the variables of one source.
func describe(vars map[string]any, i int, v ingest.Value) {
	set := func(name string, value any) { vars[fmt.Sprint(name, i)] = value }
	set("v", false)
	set("h", v.Kind != ingest.Missing)
	set("n", 0.0)
	set("hn", false)
	set("isn", v.Kind == ingest.Int || v.Kind == ingest.Double)
	set("s", "")
	set("hs", v.Kind == ingest.String)
	set("t", "")
	set("ht", false)
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
		set("t", v.Str)
		set("ht", true)
		if f, err := strconv.ParseFloat(v.Str, 64); err == nil && v.Str != "nan" {
			set("n", f)
			set("hn", true)
		}
	case ingest.List:
		set("v", "a list "+v.Str)
		set("t", v.Str)
		set("ht", true)
	default:
	}
}
