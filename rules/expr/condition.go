package expr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"github.com/prometheus/common/model"

	"github.com/freshet-dev/freshet/ingest"
)

// longest is the greatest length that an expression may name.
const longest = 366 * 24 * time.Hour

// A view is the window that aggregates look at, as over, offset and previous have changed it.
type view struct {
	window, offset time.Duration
	previous       int
}

// conditionCompiler splits a condition while it lowers the measure side.
type conditionCompiler struct {
	*checked
	options  Options
	lowering *lowering[Frame]
	program  *Program
	view     view
	inModel  bool // below a model, where comparisons are not the rule's own
	choices  *[]choice
	reads    *[]int // indices of the reads of the expression in hand
	models   *[]int // and of its models
}

// A choice is a comparison that may give the rule's value and threshold.
type choice struct {
	value, threshold operand[Frame]
	above            bool
	floor            bool   // count() >= n, of any window, which only asks for enough records
	text             string // canonical source of the value
}

// exampleCondition returns a condition on a signal that is right, for hints.
func exampleCondition(signal ingest.Signal) string {
	switch signal {
	case ingest.Logs:
		return "count(severity >= ERROR) > 100"
	case ingest.Spans:
		return "p95(duration) > 1"
	case ingest.Metrics:
		return `max(metric("queue.size")) > 100`
	default:
		return "count() > 100"
	}
}

// choose picks the comparison that the condition reports.
func (c *Condition) choose(choices []choice) {
	if len(choices) == 0 {
		return
	}
	best := choices[0]
	if i := slices.IndexFunc(choices, func(c choice) bool { return !c.floor }); i >= 0 {
		best = choices[i]
	}
	c.Value, c.Threshold = best.value.asNumber(), best.threshold.asNumber()
	c.Above, c.Unit, c.text, c.scored = best.above, best.value.unit, best.text, best.value.scored
}

// compared notes a comparison of a measure.
func (c *conditionCompiler) compared(operator string, left, right operand[Frame], source ast.Expr) {
	args := source.AsCall().Args()
	value, is := args[0], operator
	switch {
	case c.inModel:
		return
	case left.measured && left.kind == number:
	case right.measured && right.kind == number:
		left, right = right, left
		value, is = args[1], mirrored(operator)
	default:
		return
	}
	isAbove := is == operators.Greater || is == operators.GreaterEquals
	ch := choice{value: left, threshold: right, above: isAbove != c.lowering.negated, text: c.canonical(value)}
	ch.floor = ch.above && c.isPlainCount(value)
	*c.choices = append(*c.choices, ch)
}

// isPlainCount says whether e is count(), of whatever window or by the name of a let: to be compared with how many records
// are enough.
func (c *checked) isPlainCount(e ast.Expr) bool {
	if to := c.refs[e.ID()]; to != nil && to.kind == toLet && to.let.checked != nil {
		return to.let.checked.isPlainCount(to.let.checked.root)
	}
	if e.Kind() != ast.CallKind {
		return false
	}
	switch call := e.AsCall(); call.FunctionName() {
	case "over", "offset", "previous":
		return c.isPlainCount(call.Target())
	default:
		return call.FunctionName() == "count" && len(call.Args()) == 0
	}
}

func mirrored(operator string) string {
	switch operator {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	default:
		return operator
	}
}

// leaf lowers a name: that of a let, or a `by` name, which does not change while a group lives.
func (c *conditionCompiler) leaf(to *ref) operand[Frame] {
	switch to.kind {
	case toPresence:
		of := c.leaf(to.of)
		return operand[Frame]{kind: truth, truth: of.present(), trend: onlyFixed(of.trend), measured: of.measured}
	case toLet:
		return c.letLeaf(to)
	default:
	}
	i := to.index
	return operand[Frame]{kind: dynamic, trend: fixed, value: func(f *Frame) ingest.Value { return f.By[i] }}
}

// letLeaf lowers a let, anew at each use, because over and offset around it reach into it.
func (c *conditionCompiler) letLeaf(to *ref) operand[Frame] {
	l := to.let
	if l.checked == nil { // its fault is reported
		return operand[Frame]{kind: dynamic, measured: true, value: func(*Frame) ingest.Value { return ingest.Value{} }}
	}
	inner := *c
	inner.checked = l.checked
	inner.begin()
	inner.lowering.negated = c.lowering.negated
	before := len(l.checked.faults)
	o := inner.lowering.lower(l.checked.root)
	for _, f := range l.checked.faults[before:] { // only this use is at fault
		c.fault(to.index, len(to.name), f.Hint, "within `%s`: %s", to.name, f.Message)
	}
	l.checked.faults = l.checked.faults[:before]
	return o
}

// call lowers aggregates and what acts on measures.
func (c *conditionCompiler) call(e ast.Expr) operand[Frame] {
	call := e.AsCall()
	switch name := call.FunctionName(); {
	case name == "over" || name == "offset" || name == "previous":
		return c.shifted(e, name)
	case isModel(name):
		return c.model(e, name)
	default:
		return c.aggregate(e, name)
	}
}

// shifted lowers over, offset and previous: they change the window of every aggregate below.
func (c *conditionCompiler) shifted(e ast.Expr, name string) operand[Frame] {
	call := e.AsCall()
	before := c.view
	switch name {
	case "previous":
		c.view.previous++
	case "over":
		if before.window != 0 {
			offset, length := c.callSpan(e)
			c.fault(offset, length, "keep one of the two", "`over` stands twice on the same aggregate")
		}
		c.view.window = c.duration(call.Args()[0], name)
	case "offset":
		c.view.offset += c.duration(call.Args()[0], name)
	}
	o := c.lowering.lower(call.Target())
	c.view = before
	if !o.measured {
		offset, length := c.callSpan(e)
		c.fault(offset, length, "as in "+c.language.functions[name].example, "`%s` acts on aggregates, and there is none before it", name)
	}
	if name != "over" {
		o.trend = onlyFixed(o.trend)
	}
	o.literal = nil
	return o
}

// duration reads a length of time such as "1h".
func (c *conditionCompiler) duration(e ast.Expr, of string) time.Duration {
	example := c.language.functions[of].example
	source, isText := types.String(""), false
	if e.Kind() == ast.LiteralKind {
		source, isText = e.AsLiteral().(types.String)
	}
	if !isText {
		c.fault(c.starts[e.ID()], 1, "as in "+example, "the length of `%s` is a text in quotes", ownName(of))
		return 0
	}
	length, err := ParseDuration(string(source))
	at, n := c.starts[e.ID()], len(source)+2
	switch interval := c.options.Interval; {
	case err != nil:
		c.fault(at, n, "as in "+example, "%s", err.Error())
	case length <= 0:
		c.fault(at, n, "as in "+example, "the length of `%s` must be more than 0", ownName(of))
	case length > longest:
		c.fault(at, n, "", "the length of `%s` is more than a year", ownName(of))
	case interval > 0 && length%interval != 0:
		c.fault(at, n, "write "+Multiples(length, interval), "%s is not a multiple of the rule's interval %s", FormatDuration(length), FormatDuration(interval))
	default:
		return length
	}
	return 0
}

// aggregate lowers count, avg and the like to a read of an aggregate.
func (c *conditionCompiler) aggregate(e ast.Expr, name string) operand[Frame] {
	args := e.AsCall().Args()
	aggregate, stat := shape(name)
	inner, nested := c.perSeries(args)
	read := Read{Stat: stat, Window: c.view.window, Offset: c.view.offset, PreviousWindows: c.view.previous}
	read.Quantile = quantiles()[name]
	o := operand[Frame]{kind: number, measured: true}
	counter := name == "increase" || name == "rate" && len(args) > 0 && c.isCounter(args[0])
	if name == "before" {
		aggregate.Arg = c.sequence(args[0], args[1])
		aggregate.Text = "sequence " + c.canonical(args[0]) + ", " + c.canonical(args[1])
		return c.readOf(aggregate, read, o, true)
	}
	if name == "active" {
		return c.active(e, args, o)
	}
	if counter && c.signal != ingest.Metrics {
		offset, length := c.callSpan(e)
		hint := "rate counts records per second, as in rate(status == ERROR)"
		if name == "increase" {
			hint = "records are counted with count(), numbers added up with sum(x)"
		}
		c.fault(offset, length, hint, "`%s` of a number is for counters, and %s have none", name, c.signal)
	}
	switch {
	case nested:
		aggregate.Func = inner
		args = args[0].AsCall().Args()
	case counter:
		aggregate.Func = Counter
	case stat == StatQuantile && c.histogram(args[0]) != nil:
		aggregate.Func = Histogram
	}
	if aggregate.Func != Count {
		aggregate.Arg, o.unit = c.argument(args[0], aggregate.Func)
		if name == countSeries {
			o.unit = ""
		}
		aggregate.Text = c.canonical(args[0])
		args = args[1:]
	}
	if name == "rate" && !counter && len(args) == 2 {
		c.fault(c.starts[args[1].ID()], 1, "join them with &&", "`rate` of a condition takes no filter")
	}
	if name == "quantile" {
		read.Quantile = c.quantile(args[0])
		args = args[1:]
	}
	if len(args) > 0 {
		aggregate.Filter = c.recordOperand(args[0]).asTruth()
		aggregate.Text = strings.TrimPrefix(aggregate.Text+" if "+c.canonical(args[0]), " ")
	}
	aggregate.Text = strings.TrimSpace(aggregate.Func.String() + " " + aggregate.Text)
	return c.readOf(aggregate, read, o, nested || counter)
}

// readOf notes the aggregate and the read, and returns the number. noTrend says that more records may move it either way.
func (c *conditionCompiler) readOf(aggregate Aggregate, read Read, o operand[Frame], noTrend bool) operand[Frame] {
	read.Aggregate = slices.IndexFunc(c.program.Aggregates, func(a Aggregate) bool { return a.Text == aggregate.Text })
	if read.Aggregate < 0 {
		read.Aggregate = len(c.program.Aggregates)
		c.program.Aggregates = append(c.program.Aggregates, aggregate)
	}
	i := slices.Index(c.program.Reads, read)
	if i < 0 {
		i = len(c.program.Reads)
		c.program.Reads = append(c.program.Reads, read)
	}
	*c.reads = append(*c.reads, i)
	switch {
	case noTrend:
	case read.Stat == StatCount, read.Stat == StatRate, read.Stat == StatDistinct, read.Stat == StatMax:
		o.trend = rising
	case read.Stat == StatMin:
		o.trend = falling
	}
	if read.Stat == StatAbsent {
		return operand[Frame]{kind: truth, measured: true, truth: func(f *Frame) bool { return f.Reads[i] == 1 }}
	}
	o.num = func(f *Frame) float64 { return f.Reads[i] }
	return o
}

// activeFor is how long an alert is counted as active after its last transition.
const activeFor = 30 * 24 * time.Hour

// active lowers active(p): of each alert the latest transition is what counts, 1 when it fires and p holds.
func (c *conditionCompiler) active(e ast.Expr, args []ast.Expr, o operand[Frame]) operand[Frame] {
	if c.signal != ingest.Findings {
		offset, length := c.callSpan(e)
		c.fault(offset, length, "write from: findings", "`active` counts alerts, and this rule reads %s", c.signal)
	}
	if c.view != (view{}) {
		offset, length := c.callSpan(e)
		c.fault(offset, length, "", "`active` is about now: it has no other window")
	}
	holds, text := func(*ingest.Record) bool { return true }, "active"
	if len(args) > 0 {
		holds = c.recordOperand(args[0]).asTruth()
		text += " if " + c.canonical(args[0])
	}
	aggregate := Aggregate{Func: SeriesLast, Text: text, Arg: func(r *ingest.Record) ingest.Value {
		if holds(r) && r.Attributes.Get("state").Str == "firing" {
			return ingest.DoubleValue(1)
		}
		return ingest.DoubleValue(0)
	}}
	interval := max(c.options.Interval, 1)
	return c.readOf(aggregate, Read{Stat: StatSum, Window: activeFor / interval * interval}, o, true)
}

// sequence lowers what a record is to before(first, second).
func (c *conditionCompiler) sequence(first, second ast.Expr) RecordValue {
	isFirst, isSecond := c.recordOperand(first).asTruth(), c.recordOperand(second).asTruth()
	return func(r *ingest.Record) ingest.Value {
		what := int64(0)
		if isFirst(r) {
			what |= SequenceFirst
		}
		if isSecond(r) {
			what |= SequenceSecond
		}
		if what == 0 {
			return ingest.Value{}
		}
		return ingest.IntValue(what)
	}
}

// shape returns what a function keeps and what it reads of it.
func shape(name string) (Aggregate, Stat) {
	switch name {
	case "count", countSeries:
		return Aggregate{Func: Count}, StatCount
	case "rate":
		return Aggregate{Func: Count}, StatRate
	case "increase":
		return Aggregate{Func: Counter}, StatSum
	case "absent":
		return Aggregate{Func: Count}, StatAbsent
	case "sum":
		return Aggregate{Func: Moments}, StatSum
	case "avg":
		return Aggregate{Func: Moments}, StatAvg
	case "stddev":
		return Aggregate{Func: Moments}, StatStddev
	case "min":
		return Aggregate{Func: Min}, StatMin
	case "max":
		return Aggregate{Func: Max}, StatMax
	case "last":
		return Aggregate{Func: Last}, StatLast
	case "distinct":
		return Aggregate{Func: Distinct}, StatDistinct
	case "before":
		return Aggregate{Func: Sequence}, StatBefore
	case "fresh":
		return Aggregate{Func: Values}, StatFresh
	case "active":
		return Aggregate{Func: SeriesLast}, StatSum
	default:
		return Aggregate{Func: Sketch}, StatQuantile
	}
}

// ParseDuration reads a length of time as Prometheus writes it: 500ms, 30s, 1m, 1h30m, 1d, 1w, 1y.
func ParseDuration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no length of time such as 500ms, 30s, 5m, 1h30m or 1d", s)
	}
	return time.Duration(d), nil
}

// FormatDuration writes a length of time so that ParseDuration reads it.
func FormatDuration(d time.Duration) string { return model.Duration(d).String() }

// Multiples names the multiples of step around length: "1m or 1m5s".
func Multiples(length, step time.Duration) string {
	lower := length / step * step
	if lower == 0 {
		return FormatDuration(step)
	}
	return FormatDuration(lower) + " or " + FormatDuration(lower+step)
}
