package expr

import (
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
)

// kind is the type that the checker gives an expression.
type kind uint8

const (
	number  kind = iota + 1 // a double; NaN is missing
	text                    // a string
	truth                   // true or false
	dynamic                 // known only when the record is seen: an attribute, a body
	list                    // a list literal
)

// String names the kind as messages do.
func (k kind) String() string {
	switch k {
	case number:
		return "number"
	case text:
		return "text"
	case truth:
		return "condition"
	case list:
		return "list"
	default:
		return "attribute"
	}
}

// A field is a name that a signal gives a meaning of its own; all other names are attributes.
type field struct {
	name string
	kind kind
	doc  string
	unit string
	// Which of these is set follows from kind. An empty text, a NaN and a missing value are missing.
	num   func(*ingest.Record) float64
	text  func(*ingest.Record) string
	value func(*ingest.Record) ingest.Value
	// class groups fields and constants that belong together, "" for none.
	class string
}

// A constant is a name for a number, of one class of fields.
type constant struct {
	name  string
	value float64
	class string
}

const (
	classSeverity = "severity"
	classStatus   = "span status"
	classKind     = "span kind"
)

// fieldsOf returns the fields of a signal's records.
func fieldsOf(signal ingest.Signal) []field {
	trace := []field{
		{name: "trace_id", kind: text, doc: "trace id, 32 hexadecimal digits", text: func(r *ingest.Record) string { return r.TraceID }},
		{name: "span_id", kind: text, doc: "span id, 16 hexadecimal digits", text: func(r *ingest.Record) string { return r.SpanID }},
	}
	scope := []field{
		{name: "scope.name", kind: text, doc: "name of the instrumentation scope", text: func(r *ingest.Record) string { return r.Scope.Name }},
		{name: "scope.version", kind: text, doc: "version of the instrumentation scope", text: func(r *ingest.Record) string { return r.Scope.Version }},
	}
	name := func(doc string) field {
		return field{name: "name", kind: text, doc: doc, text: func(r *ingest.Record) string { return r.Name }}
	}
	switch signal {
	case ingest.Logs:
		return slices.Concat([]field{
			{name: "severity", kind: number, doc: "severity number, 1 to 24", class: classSeverity, num: severity},
			{name: "severity_text", kind: text, doc: "the level as the source wrote it", text: func(r *ingest.Record) string { return r.SeverityText }},
			{name: "body", kind: dynamic, doc: "the log line; a structured body is its JSON text", value: func(r *ingest.Record) ingest.Value { return r.Body }},
			name("event name"),
		}, trace, scope)
	case ingest.Spans:
		return slices.Concat([]field{
			name("name of the span"),
			{name: "kind", kind: number, doc: "INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER", class: classKind, num: func(r *ingest.Record) float64 { return zeroMissing(r.SpanKind) }},
			{name: "status", kind: number, doc: "UNSET, OK or ERROR", class: classStatus, num: func(r *ingest.Record) float64 { return float64(r.StatusCode) }},
			{name: "status_message", kind: text, doc: "what the status says", text: func(r *ingest.Record) string { return r.StatusMessage }},
			{name: "duration", kind: number, doc: "length of the span in seconds", unit: "s", num: func(r *ingest.Record) float64 { return r.Duration }},
			{name: "parent_span_id", kind: text, doc: "span id of the parent; missing on a root span", text: func(r *ingest.Record) string { return r.ParentSpanID }},
		}, trace, scope)
	case ingest.SpanEvents:
		return slices.Concat([]field{name("name of the event")}, trace, scope)
	case ingest.Metrics:
		return slices.Concat([]field{
			{name: "metric.name", kind: text, doc: "name of the metric", text: func(r *ingest.Record) string { return r.Name }},
			{name: "metric.unit", kind: text, doc: "unit of the metric", text: metricUnit},
			{name: "value", kind: number, doc: "number of a gauge's or sum's point", num: pointValue},
		}, scope)
	case ingest.Events:
		// Every field of an event is an attribute. These are what the decoder recognises under many names; an attribute of
		// the same name wins.
		return []field{
			{name: "severity", kind: dynamic, doc: "the level, recognised under its usual names, as a number", class: classSeverity, num: eventSeverity, value: eventField("severity", func(r *ingest.Record) ingest.Value {
				if r.Severity == 0 {
					return ingest.Value{}
				}
				return ingest.IntValue(int64(r.Severity))
			})},
			{name: "body", kind: dynamic, doc: "the message, recognised under its usual names", value: eventField("body", func(r *ingest.Record) ingest.Value { return r.Body })},
			{name: "trace_id", kind: dynamic, doc: "the trace id, recognised under its usual names", value: eventField("trace_id", func(r *ingest.Record) ingest.Value { return textOrMissing(r.TraceID) })},
			{name: "span_id", kind: dynamic, doc: "the span id, recognised under its usual names", value: eventField("span_id", func(r *ingest.Record) ingest.Value { return textOrMissing(r.SpanID) })},
		}
	case ingest.Findings:
		attribute := func(name, doc string) field {
			return field{name: name, kind: dynamic, doc: doc, value: func(r *ingest.Record) ingest.Value { return r.Lookup(name) }}
		}
		return []field{
			attribute("alertname", "name of the alert; its other labels are attributes too"),
			attribute("state", "`firing` or `resolved`"),
			attribute("rule_group", "name of the rule's group"),
			attribute("value", "the measure that was reported"),
		}
	default:
		return nil
	}
}

// constantsOf returns the constants that expressions about a signal may use.
func constantsOf(signal ingest.Signal) []constant {
	switch signal {
	case ingest.Logs, ingest.Events:
		return []constant{
			{"TRACE", 1, classSeverity}, {"DEBUG", 5, classSeverity}, {"INFO", 9, classSeverity},
			{"WARN", 13, classSeverity}, {"ERROR", 17, classSeverity}, {"FATAL", 21, classSeverity},
		}
	case ingest.Spans:
		return []constant{
			{"UNSET", 0, classStatus}, {"OK", 1, classStatus}, {"ERROR", 2, classStatus},
			{"INTERNAL", 1, classKind}, {"SERVER", 2, classKind}, {"CLIENT", 3, classKind}, {"PRODUCER", 4, classKind}, {"CONSUMER", 5, classKind},
		}
	default:
		return nil
	}
}

// misnomers are words of other systems and formats for a field or constant of ours.
func misnomers(name string) string {
	switch name {
	case "level", "severity_number", "SeverityNumber", "severityNumber", "loglevel", "priority":
		return "severity"
	case "SeverityText", "severityText", "level_name":
		return "severity_text"
	case "message", "msg", "log", "line", "log.body", "Body":
		return "body"
	case "span.name":
		return "name"
	case "span.kind", "SpanKind":
		return "kind"
	case "status.code", "status_code", "span.status", "StatusCode":
		return "status"
	case "status.message", "StatusMessage":
		return "status_message"
	case "latency", "elapsed", "span.duration", "Duration":
		return "duration"
	case "trace.id", "traceId", "traceid", "TraceID":
		return "trace_id"
	case "span.id", "spanId", "spanid", "SpanID":
		return "span_id"
	case "parent.id", "parentSpanId", "parent_id":
		return "parent_span_id"
	case "metric_name", "__name__":
		return "metric.name"
	case "metric.value", "Value":
		return "value"
	case "WARNING", "warning", "warn":
		return "WARN"
	case "ERR", "error", "err":
		return "ERROR"
	case "CRITICAL", "CRIT", "EMERGENCY", "ALERT", "PANIC", "critical", "fatal":
		return "FATAL"
	case "NOTICE", "INFORMATION", "info":
		return "INFO"
	case "debug":
		return "DEBUG"
	case "trace":
		return "TRACE"
	default:
		return ""
	}
}

func zeroMissing(n int32) float64 {
	if n == 0 {
		return missing()
	}
	return float64(n)
}

func severity(r *ingest.Record) float64 { return zeroMissing(r.Severity) }

// eventSeverity prefers a number in the field itself, then the level that the decoder recognised.
func eventSeverity(r *ingest.Record) float64 {
	if f, ok := r.Attributes.Get("severity").Number(); ok {
		return f
	}
	return severity(r)
}

func eventField(name string, recognised func(*ingest.Record) ingest.Value) func(*ingest.Record) ingest.Value {
	return func(r *ingest.Record) ingest.Value {
		if v := r.Lookup(name); v.Kind != ingest.Missing {
			return v
		}
		return recognised(r)
	}
}

func textOrMissing(s string) ingest.Value {
	if s == "" {
		return ingest.Value{}
	}
	return ingest.StringValue(s)
}

func metricUnit(r *ingest.Record) string {
	if r.Point == nil {
		return ""
	}
	return r.Point.Unit
}

func pointValue(r *ingest.Record) float64 {
	if r.Point == nil {
		return missing()
	}
	f, _ := r.Point.Value.Number() // NaN when it is no number
	return f
}

// hasBuckets says whether the point is one of a histogram.
func hasBuckets(r *ingest.Record) bool {
	return r.Point != nil && (len(r.Point.Buckets) > 0 || r.Point.Exponential != nil)
}

// pointCount and pointSum are those of a histogram or summary.
func pointCount(r *ingest.Record) float64 {
	if r.Point == nil || r.Point.NoValue || r.Point.Type < ingest.Histogram {
		return missing()
	}
	return float64(r.Point.Count)
}

func pointSum(r *ingest.Record) float64 {
	if r.Point == nil || r.Point.NoValue || r.Point.Type < ingest.Histogram || !r.Point.HasSum && r.Point.Type != ingest.Summary {
		return missing()
	}
	return r.Point.Sum
}

// LabelName returns the label name of a dotted name: every character that a label name may not have becomes an
// underscore.
func LabelName(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		case r >= '0' && r <= '9':
			if i == 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}
