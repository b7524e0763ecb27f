package expr

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
)

// side says where an expression stands: inside an aggregate it is about one record, outside about measures.
type side uint8

const (
	recordSide side = 1 << iota
	measureSide
)

// A function is what an expression may call. The table below is what the checker, the messages and the reference in
// the README are made of.
type function struct {
	name string
	// own is what the function is known by where another has its name, "" where none has.
	own string
	// method functions are called on a value: x.contains("y"). on is the kind of that value.
	method bool
	on     kind
	args   []kind
	// optional is how many of the last args may be left out.
	optional int
	result   kind
	// side is where it may be called.
	side side
	// aggregate functions take their arguments from the record side. overSeries are those that may summarise what a
	// perSeries one gives for each time series.
	aggregate, overSeries, perSeries bool
	// example and doc are for the reference and for messages.
	example, doc string
}

// key is what the function is known by to the checker.
func (f function) key() string { return cmp.Or(f.own, f.name) }

// any kind of value.
const anything kind = 0

// quantiles are the aggregates with a quantile in their name.
func quantiles() map[string]float64 {
	return map[string]float64{"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
}

// functions returns the table of all functions that expressions may call.
func functions() []function {
	table := []function{
		{name: "count", args: []kind{truth}, optional: 1, example: "count(severity >= ERROR)", doc: "number of records for which the condition holds; `count()` counts all"},
		{name: "count", own: countSeries, args: []kind{number}, example: `count(last(metric("queue.size")))`, doc: "number of time series with a value in the window, at most 10,000"},
		{name: "rate", args: []kind{anything, truth}, optional: 2, example: `rate(status == ERROR)`, doc: "the same per second of the window; of a counter what it grew by, `rate(metric(\"http.server.requests\"))`"},
		{name: "increase", args: []kind{number, truth}, optional: 1, example: `increase(metric("http.server.requests"))`, doc: "what the time series of a counter grew by, cumulative or delta, resets included, each step counted once"},
		{name: "sum", args: []kind{number, truth}, optional: 1, example: "sum(order.total)", doc: "sum, exact whatever the order of the records"},
		{name: "avg", args: []kind{number, truth}, optional: 1, example: "avg(duration, kind == SERVER)", doc: "arithmetic mean"},
		{name: "min", args: []kind{number, truth}, optional: 1, example: "min(duration)", doc: "least value"},
		{name: "max", args: []kind{number, truth}, optional: 1, example: "max(duration)", doc: "greatest value"},
		{name: "stddev", args: []kind{number, truth}, optional: 1, example: "stddev(duration)", doc: "standard deviation of the population"},
		{name: "last", args: []kind{number, truth}, optional: 1, example: `last(metric("queue.size"))`, doc: "value of the latest record"},
		{name: "distinct", args: []kind{anything, truth}, optional: 1, example: "distinct(user.name)", doc: "number of different values, an estimate that is off by about 2 %"},
	}
	for _, name := range []string{"p50", "p75", "p90", "p95", "p99", "p999"} {
		digits := strings.TrimPrefix(name, "p")
		percent := digits
		if len(digits) == 3 {
			percent = digits[:2] + "." + digits[2:]
		}
		table = append(table, function{name: name, args: []kind{number, truth}, optional: 1, example: name + "(duration)", doc: percent + " % of the values are at most this, within 1 %"})
	}
	table = append(table,
		function{name: "quantile", args: []kind{number, number, truth}, optional: 1, example: "quantile(duration, 0.995)", doc: "any quantile from 0 to 1, within 1 %"},
		function{name: "fresh", args: []kind{anything, truth}, optional: 1, example: "fresh(user.name)", doc: "number of values that the group did not have in the 30 days before; missing in its first 24 hours"},
		function{name: "before", args: []kind{truth, truth}, example: `before(event.outcome == "failure", event.outcome == "success")`, doc: "number of records of the first kind before the last one of the second, by their time"},
		function{name: "active", args: []kind{truth}, optional: 1, example: `active(alertname == "ErrorSpike")`, doc: "number of alerts that fire now, with `from: findings`"},
		function{name: "absent", args: []kind{truth}, optional: 1, result: truth, example: "absent()", doc: "true when no record of a known group is in the window"},
	)
	for i := range table {
		table[i].aggregate, table[i].side = true, measureSide
		switch table[i].name {
		case "sum", "stddev", "count":
			table[i].overSeries = true
		case "avg", "min", "max":
			table[i].overSeries, table[i].perSeries = true, true
		case "last":
			table[i].perSeries = true
		}
		if table[i].result == 0 {
			table[i].result = number
		}
	}
	return append(table,
		function{name: "over", method: true, on: anything, args: []kind{text}, result: anything, side: measureSide, example: `avg(duration).over("1h")`, doc: "the aggregates below it look at a window of this length"},
		function{name: "offset", method: true, on: anything, args: []kind{text}, result: anything, side: measureSide, example: `count().offset("1d")`, doc: "the aggregates below it look at a window that ended this long ago"},
		function{name: "previous", method: true, on: anything, result: anything, side: measureSide, example: "count().previous()", doc: "the aggregates below it look at the window directly before"},
		function{name: "zscore", method: true, on: number, args: []kind{text}, optional: 1, result: number, side: measureSide, example: `count().zscore("6h")`, doc: "how far the measure is from the median of its own past (by default the last hour), in robust standard deviations"},
		function{name: "forecast", method: true, on: number, args: []kind{text, text}, result: number, side: measureSide, example: `max(metric("system.filesystem.utilization")).forecast("4h", "6h")`, doc: "what the straight line through the last 6 hours of the measure, by least squares, reaches in 4 hours; missing until half of that past was seen"},
		function{name: "changed", args: []kind{number, text}, optional: 1, result: truth, side: measureSide, example: `changed(max(metric("k8s.node.condition_ready")))`, doc: "true when the measure differs from the last step at which it had a value, if that is at most a day ago, or as long as the second argument says"},
		function{name: "expected", method: true, on: number, args: []kind{text, text}, optional: 2, result: number, side: measureSide, example: `count().expected("1d")`, doc: "what the measure [should be](#what-is-expected) by its own past: arguments are the season (`\"1d\"`, `\"1w\"`, else `\"none\"`) and how far the recent past reaches back (1 hour)"},
		function{name: "upper", own: upperBand, method: true, on: number, args: []kind{text, text}, optional: 2, result: number, side: measureSide, example: `count().upper("1d")`, doc: "the upper edge of what is expected: 3 robust deviations above it"},
		function{name: "lower", own: lowerBand, method: true, on: number, args: []kind{text, text}, optional: 2, result: number, side: measureSide, example: `count().lower("1d")`, doc: "the lower edge of what is expected: 3 robust deviations below it"},
		function{name: "anomaly", method: true, on: number, args: []kind{text, text}, optional: 2, result: number, side: measureSide, example: `count().anomaly("1d")`, doc: "how many robust deviations the measure is above what is expected, or below where it is negative"},
		function{name: "outlier", method: true, on: number, result: number, side: measureSide, example: `avg(metric("system.cpu.load_average.1m")).outlier()`, doc: "how many robust deviations the group's measure is above the median of all groups of the rule at that step, or below where it is negative; missing with fewer than 3 groups"},

		function{name: "metric", args: []kind{text}, result: number, side: recordSide, example: `metric("system.cpu.utilization")`, doc: "the point's value if its metric has this name, else missing"},
		function{name: "has", args: []kind{anything}, result: truth, side: recordSide | measureSide, example: "has(user.id)", doc: "true when the record has the field or attribute"},
		function{name: "has", own: hasPart, args: []kind{dynamic}, result: truth, side: recordSide | measureSide, example: `has(extract(body, "user=(\\S+)"))`, doc: "true when the text has what is to be extracted"},
		function{name: "contains", method: true, on: text, args: []kind{text}, result: truth, side: recordSide | measureSide, example: `body.contains("timeout")`, doc: "true when the text holds this one"},
		function{name: "startsWith", method: true, on: text, args: []kind{text}, result: truth, side: recordSide | measureSide, example: `url.path.startsWith("/api/")`, doc: "true when the text begins so"},
		function{name: "endsWith", method: true, on: text, args: []kind{text}, result: truth, side: recordSide | measureSide, example: `host.name.endsWith(".local")`, doc: "true when the text ends so"},
		function{name: "matches", method: true, on: text, args: []kind{text}, result: truth, side: recordSide | measureSide, example: `body.matches("(?i)out of memory")`, doc: "true when the RE2 pattern is found anywhere in the text; `^` and `$` bind it to the ends"},
		function{name: "extract", args: []kind{text, text}, result: dynamic, side: recordSide | measureSide, example: `extract(body, "from (\\S+) port")`, doc: "what the group in parentheses of the RE2 pattern has of its first match in the text, all of the match where there is no group; missing when nothing matches"},
		function{name: "lower", method: true, on: text, result: text, side: recordSide | measureSide, example: `log.level.lower() == "error"`, doc: "the text in lower case"},
		function{name: "upper", method: true, on: text, result: text, side: recordSide | measureSide, example: `http.request.method.upper() == "GET"`, doc: "the text in upper case"},
		function{name: "size", args: []kind{text}, result: number, side: recordSide | measureSide, example: "size(body)", doc: "number of characters"},
	)
}

// foreign are functions of CEL's standard library, PromQL, SQL and others that have another name or no place here,
// with what to write instead.
func foreign(name string) string {
	switch name {
	case "irate":
		return `write rate(metric("name"))`
	case "delta", "idelta":
		return "write max(x) - min(x), or increase(x) of a counter"
	case "deriv":
		return `write m.forecast("1h", "6h") - m for what the measure gains in an hour, as max(x).forecast("1h", "6h") - max(x)`
	case "predict_linear", "predict", "linear", "forecasts", "linear_regression", "trend":
		return `write m.forecast("4h", "6h"): 4 hours ahead, by the last 6 hours`
	case "holt_winters", "double_exponential_smoothing", "ewma", "smooth", "seasonal", "baseline", "prophet":
		return `write m.expected("1d"), or m.anomaly("1d") for the distance from it`
	case "anomalies", "anomaly_detection", "is_anomaly", "isAnomaly", "mad", "band", "bounds":
		return `write m.anomaly("1d") > 4, or m > m.upper("1d")`
	case "upper_bound", "upperBound", "upper_band":
		return `write m.upper("1d")`
	case "lower_bound", "lowerBound", "lower_band":
		return `write m.lower("1d")`
	case "outliers", "is_outlier", "isOutlier", "outliersk", "outlier_iqr", "peers":
		return "write m.outlier() > 4"
	case "changes", "change", "has_changed", "hasChanged":
		return "write changed(m), as in changed(last(x))"
	case "average", "mean":
		return "write avg(x)"
	case "percentile", "histogram_quantile", "quantile_over_time":
		return "write p95(x) or quantile(x, 0.95)"
	case "median":
		return "write p50(x)"
	case "std", "stdev", "stddev_over_time":
		return "write stddev(x)"
	case "cardinality", "count_distinct", "countDistinct", "uniq":
		return "write distinct(x)"
	case "count_if", "countif", "countIf", "count_over_time":
		return "write count(condition)"
	case "avg_over_time":
		return "write avg(x)"
	case "max_over_time":
		return "write max(x)"
	case "min_over_time":
		return "write min(x)"
	case "sum_over_time":
		return "write sum(x)"
	case "absent_over_time":
		return "write absent()"
	case "exists":
		return "write has(x)"
	case "int", "double", "uint", "string", "bool", "dyn":
		return "no conversion is needed: a text that holds a number compares with numbers as one"
	case "duration", "timestamp":
		return "durations are numbers of seconds: duration > 0.5"
	case "lowerAscii", "toLower", "lowercase":
		return "write x.lower()"
	case "upperAscii", "toUpper", "uppercase":
		return "write x.upper()"
	case "all", "exists_one", "map", "filter":
		return "lists have no loops here; write x in [a, b, c]"
	case "regex", "match", "matchesRegex", "re", "rlike":
		return `write x.matches("pattern")`
	case "regexp_extract", "regex_extract", "regexpExtract", "regexp_substr", "regexp", "capture", "parse", "grok", "substr", "substring", "split", "label_replace", "find":
		return `write extract(x, "user=(\\S+)")`
	case "like", "includes", "hasSubstring":
		return `write x.contains("part")`
	case "length", "len", "strlen":
		return "write size(x)"
	case "zScore", "z_score":
		return "write m.zscore()"
	case "lag", "prev":
		return "write m.previous()"
	default:
		return ""
	}
}

// Reference is one row of the language's reference.
type Reference struct {
	// Name is the function's, field's or constant's; Example is a use of it, "" for fields.
	Name, Example, Doc string
	// Kind is "aggregate", "measure", "function", "field" or "constant".
	Kind string
	// Signal is the signal that a field or constant belongs to, "" for functions.
	Signal string
	// Truth says that a function gives true or false.
	Truth bool
}

// References returns the whole reference: functions, then the fields and constants of each signal.
func References() []Reference {
	var rows []Reference
	for _, f := range functions() {
		row := Reference{Name: f.name, Example: f.example, Doc: f.doc, Kind: "function", Truth: f.result == truth}
		switch {
		case f.aggregate:
			row.Kind = "aggregate"
		case f.side == measureSide:
			row.Kind = "measure"
		}
		rows = append(rows, row)
	}
	for _, signal := range []ingest.Signal{ingest.Logs, ingest.Spans, ingest.SpanEvents, ingest.Metrics, ingest.Events, ingest.Findings} {
		for _, f := range fieldsOf(signal) {
			rows = append(rows, Reference{Name: f.name, Doc: f.doc, Kind: "field", Signal: signal.String()})
		}
		for _, c := range constantsOf(signal) {
			rows = append(rows, Reference{Name: c.name, Doc: c.class + " " + strconv.FormatFloat(c.value, 'g', -1, 64), Kind: "constant", Signal: signal.String()})
		}
	}
	return rows
}
