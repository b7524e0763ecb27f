package expr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

const (
	// defaultHistory is how far back zscore and the band functions look when they are not told.
	defaultHistory = time.Hour
	// defaultMemory is how long changed remembers a value.
	defaultMemory = 24 * time.Hour
)

// BandWidth is how many deviations a band reaches to both sides of what is expected.
const BandWidth = 3

// Model is a function of a measure's own past, or of those of all groups, such as zscore: it sees one number per step and
// group and gives another.
type Model struct {
	Kind ModelKind
	// History is how much of the past it looks at; of Changed how long it remembers.
	History time.Duration
	// Horizon is how far ahead Forecast looks. Season is that of Band, 0 for none.
	Horizon, Season time.Duration
	// Of is the Band, as index into Program.Models, whose deviation BandDeviation is.
	Of int
	// Input computes the number that is fed to it at a step, from what stands before it in the frame; nil for
	// BandDeviation, which is fed what its Band is.
	Input func(*Frame) float64
	Text  string // canonical source: equal texts mean equal models

	of string // canonical source of the measure that it is about, "" where that is of another window
}

// ModelKind is the kind of a Model.
type ModelKind uint8

// The kinds of models. All but Outlier look at the past of one group.
const (
	ZScore        ModelKind = iota + 1 // robust z-score: (value - median) / (1.4826 * MAD) of the history before the step
	Forecast                           // where the straight line through the history leads
	Changed                            // 1 when the value differs from the last one, 0 when not
	Band                               // what is expected at the step
	BandDeviation                      // the robust deviation of what is from what was expected
	Outlier                            // how far the value lies from the median of all groups, in robust deviations
)

// ComparesGroups says whether a group's state depends on those of the other groups of its rule.
func (p *Program) ComparesGroups() bool {
	return slices.ContainsFunc(p.Models, func(m Model) bool { return m.Kind == Outlier })
}

// isModel says whether a function asks a model.
func isModel(name string) bool {
	switch name {
	case "zscore", "forecast", "changed", "outlier", "expected", upperBand, lowerBand, "anomaly":
		return true
	default:
		return false
	}
}

// otherName marks a function that has the name of another: m.upper() and x.upper(), count(last(x)) and count(p),
// has(extract(…)) and has(x).
const (
	otherName   = "@"
	countSeries = otherName + "count"
	upperBand   = otherName + "upper"
	lowerBand   = otherName + "lower"
	hasPart     = otherName + "has"
)

// ownName returns the name of a function as expressions write it.
func ownName(name string) string {
	if short := strings.TrimPrefix(name, otherName); slices.Contains([]string{countSeries, upperBand, lowerBand, hasPart}, otherName+short) {
		return short
	}
	return name
}

// disambiguate gives upper and lower on a measure, and the count of time series, their own names.
func (r *resolver) disambiguate(e ast.Expr) {
	call := e.AsCall()
	name := call.FunctionName()
	if name == "count" && !call.IsMemberFunction() && len(call.Args()) == 1 && r.isPerSeries(call.Args()[0]) {
		e.SetKindCase(r.factory.NewCall(e.ID(), countSeries, call.Args()...))
		return
	}
	if name != "upper" && name != "lower" || !call.IsMemberFunction() || !r.isMeasure(call.Target()) {
		return
	}
	e.SetKindCase(r.factory.NewMemberCall(e.ID(), otherName+name, call.Target(), call.Args()...))
}

// isMeasure says whether an aggregate is in an expression, or a let that gives a number.
func (r *resolver) isMeasure(e ast.Expr) bool {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		return slices.ContainsFunc(r.lets, func(l let) bool {
			return l.name == name && (l.checked == nil || l.checked.kindOf(l.checked.root) == number)
		})
	case ast.CallKind:
		call := e.AsCall()
		if f, ok := r.language.functions[call.FunctionName()]; ok && f.aggregate {
			return true
		}
		return call.IsMemberFunction() && r.isMeasure(call.Target()) || slices.ContainsFunc(call.Args(), r.isMeasure)
	default:
		return false
	}
}

// model lowers a function that asks a model: its input is lowered as a measure of its own.
func (c *conditionCompiler) model(e ast.Expr, name string) operand[Frame] {
	call := e.AsCall()
	target, args := call.Target(), call.Args()
	if name == "changed" {
		target, args = args[0], args[1:]
	}
	var m Model
	switch name {
	case "zscore":
		m = Model{Kind: ZScore, History: c.lengthOr(args, 0, name, defaultHistory)}
		m.Text = FormatDuration(m.History)
	case "changed":
		m = Model{Kind: Changed, History: c.lengthOr(args, 0, name, defaultMemory)}
		m.Text = FormatDuration(m.History)
	case "forecast":
		m = Model{Kind: Forecast, Horizon: c.duration(args[0], name), History: c.duration(args[1], name)}
		m.Text = FormatDuration(m.Horizon) + ", " + FormatDuration(m.History)
		c.checkHistory(args[1], name, m.History)
	case "outlier":
		m = Model{Kind: Outlier}
		if len(c.options.By) == 0 {
			offset, length := c.callSpan(e)
			c.fault(offset, length, "add by:, as in by: [host.name]", "`outlier` compares the groups of a rule, and this rule has only one")
		}
	default:
		m = Model{Kind: Band, Season: c.season(args, name), History: c.lengthOr(args, 1, name, defaultHistory)}
		m.Text = FormatDuration(m.Season) + ", " + FormatDuration(m.History)
		if len(args) > 1 {
			c.checkHistory(args[1], name, m.History)
		}
	}
	outer := c.inModel
	c.inModel = true
	input := c.lowering.lower(target)
	c.inModel = outer
	if !input.measured {
		offset, length := c.callSpan(e)
		c.fault(offset, length, "as in "+c.language.functions[name].example, "`%s` acts on a measure, and there is none before it", ownName(name))
	}
	m.Input = input.asNumber()
	if c.view == (view{}) {
		m.of = c.canonical(target)
	}
	m.Text = strings.Join(slices.DeleteFunc([]string{c.canonical(target), m.Text, c.viewText()}, func(s string) bool { return s == "" }), ", ")
	return c.asked(m, name, input, target)
}

// asked returns what a function makes of what its model gives.
func (c *conditionCompiler) asked(m Model, name string, input operand[Frame], target ast.Expr) operand[Frame] {
	i := c.modelOf(m, name)
	o := operand[Frame]{kind: number, measured: true, num: func(f *Frame) float64 { return f.Models[i] }}
	switch name {
	case "changed":
		if !c.inModel {
			*c.choices = append(*c.choices, choice{value: input, text: c.canonical(target)})
		}
		return operand[Frame]{kind: truth, measured: true, truth: func(f *Frame) bool { return f.Models[i] == 1 }}
	case "forecast", "expected":
		o.unit = input.unit
	case "zscore", "outlier":
		o.scored = &scored[Frame]{i, input.asNumber(), input.unit}
	case upperBand:
		o.num, o.unit = func(f *Frame) float64 { return f.Models[i] + BandWidth*f.Models[i+1] }, input.unit
	case lowerBand:
		o.num, o.unit = func(f *Frame) float64 { return f.Models[i] - BandWidth*f.Models[i+1] }, input.unit
	case "anomaly":
		of := input.asNumber()
		o.num = func(f *Frame) float64 { return score(of(f), f.Models[i], f.Models[i+1]) }
		o.scored = &scored[Frame]{i, of, input.unit}
	}
	return o
}

// score is how many deviations x lies above what is expected. Without any deviation there is none, but for what is
// expected to the last digit.
func score(x, expected, deviation float64) float64 {
	if x == expected {
		return 0
	}
	return divide(x-expected, deviation)
}

// modelOf returns the index of a model in the program, where it is put unless it is there. That of a Band is followed by
// that of its deviation.
func (c *conditionCompiler) modelOf(m Model, name string) int {
	if m.Kind == Band {
		name = "band"
	}
	m.Text = fmt.Sprintf("%s(%s)", name, m.Text)
	i := slices.IndexFunc(c.program.Models, func(other Model) bool { return other.Text == m.Text })
	if i < 0 {
		i = len(c.program.Models)
		c.program.Models = append(c.program.Models, m)
		if m.Kind == Band {
			c.program.Models = append(c.program.Models, Model{Kind: BandDeviation, Of: i, Text: "deviation of " + m.Text})
		}
	}
	*c.models = append(*c.models, i)
	if m.Kind == Band {
		*c.models = append(*c.models, i+1)
	}
	return i
}

func (c *conditionCompiler) viewText() string {
	return fmt.Sprintf("%s/%s/%d", c.view.window, c.view.offset, c.view.previous)
}

// lengthOr reads an argument that is a length, if it is there.
func (c *conditionCompiler) lengthOr(args []ast.Expr, i int, of string, otherwise time.Duration) time.Duration {
	if i >= len(args) {
		return otherwise
	}
	return c.duration(args[i], of)
}

// checkHistory says that one step is not a past.
func (c *conditionCompiler) checkHistory(e ast.Expr, of string, history time.Duration) {
	if interval := c.options.Interval; history > 0 && interval > 0 && history < 2*interval {
		c.fault(c.starts[e.ID()], 1, "write "+FormatDuration(2*interval)+" or more", "the history of `%s` must have two steps at least", ownName(of))
	}
}

// season reads the argument that names a season.
func (c *conditionCompiler) season(args []ast.Expr, of string) time.Duration {
	if len(args) == 0 {
		return 0
	}
	source, isText := types.String(""), false
	if args[0].Kind() == ast.LiteralKind {
		source, isText = args[0].AsLiteral().(types.String)
	}
	if source == "none" {
		return 0
	}
	season, err := ParseDuration(string(source))
	if isText && err == nil && (season == 24*time.Hour || season == 7*24*time.Hour) {
		return season
	}
	length := 1
	if isText {
		length = len(source) + 2
	}
	hint := `as in ` + c.language.functions[of].example
	if err == nil && season > 0 {
		hint = `write ` + ownName(of) + `("none", "` + FormatDuration(season) + `") for a history of ` + FormatDuration(season) + ` without a season`
	}
	c.fault(c.starts[args[0].ID()], length, hint, "the season of `%s` is \"1d\", \"1w\" or \"none\"", ownName(of))
	return 0
}
