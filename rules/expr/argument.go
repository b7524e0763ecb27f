package expr

import (
	"fmt"
	"math"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/ingest"
)

// argument lowers what an aggregate summarises.
func (c *conditionCompiler) argument(e ast.Expr, f Func) (value RecordValue, unit string) {
	arg := c.recordOperand(e)
	if f == Distinct || f == Values {
		return arg.asValue(), ""
	}
	num := arg.asNumber()
	isHistogram := func(*ingest.Record) bool { return false }
	if f == Histogram {
		isHistogram = c.histogram(e)
	}
	return func(r *ingest.Record) ingest.Value {
		x := num(r)
		switch {
		case !math.IsNaN(x):
			return ingest.DoubleValue(x)
		case isHistogram(r):
			return ingest.BoolValue(true)
		default:
			return ingest.Value{}
		}
	}, arg.unit
}

// histogram returns whether e, which is metric("name") or a choice with such in it, is the histogram that a record is a point
// of; nil when e is something else.
func (c *conditionCompiler) histogram(e ast.Expr) func(*ingest.Record) bool {
	if to := c.refs[e.ID()]; to != nil && to.kind == toMetric && to.part == "" {
		name := to.name
		return func(r *ingest.Record) bool { return r.Name == name && hasBuckets(r) }
	}
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Conditional {
		return nil
	}
	args := e.AsCall().Args()
	yes, no := c.histogram(args[1]), c.histogram(args[2])
	if yes == nil && no == nil {
		return nil
	}
	is := c.recordOperand(args[0]).asTruth()
	return func(r *ingest.Record) bool {
		if is(r) {
			return yes != nil && yes(r)
		}
		return no != nil && no(r)
	}
}

// isCounter says whether the argument of rate is a number and no condition.
func (c *conditionCompiler) isCounter(e ast.Expr) bool { return c.kindOf(e) == number }

// perSeries says what is kept of each time series when the argument of an aggregate is an aggregate itself.
func (c *conditionCompiler) perSeries(args []ast.Expr) (Func, bool) {
	if len(args) == 0 || args[0].Kind() != ast.CallKind || c.refs[args[0].ID()] != nil {
		return 0, false
	}
	switch args[0].AsCall().FunctionName() {
	case "last":
		return SeriesLast, true
	case "avg":
		return SeriesAvg, true
	case "min":
		return SeriesMin, true
	case "max":
		return SeriesMax, true
	default:
		return 0, false
	}
}

// quantile reads the constant q of quantile(x, q).
func (c *conditionCompiler) quantile(e ast.Expr) float64 {
	var q types.Double = -1
	if e.Kind() == ast.LiteralKind {
		q, _ = e.AsLiteral().(types.Double)
	}
	if q < 0 || q > 1 {
		hint := "as in quantile(duration, 0.995)"
		if q > 1 && q <= 100 {
			hint = fmt.Sprintf("write %g for the %gth percentile", float64(q)/100, float64(q))
		}
		c.fault(c.starts[e.ID()], 1, hint, "the quantile is a number from 0 to 1")
	}
	return float64(q)
}
