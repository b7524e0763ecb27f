package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
)

// tailObjects shows records to programs, each as a JSON object in a line. What a rule finds missing is not there; keys
// are named as rules name fields: .severity, .metric.name, .scope.version.
type tailObjects struct {
	out io.Writer
	buf []byte
}

func (o *tailObjects) record(r *ingest.Record, origin *ingest.Origin) {
	w := jsonObject{b: append(o.buf, '{')}
	w.text("signal", r.Signal.String())
	w.text("time", stamp(timeOf(r, origin)))
	w.open("resource")
	w.attributes(r.Resource.Attributes)
	w.textIfAny("schema_url", r.Resource.SchemaURL)
	w.close()
	w.open("scope")
	w.textIfAny("name", r.Scope.Name)
	w.textIfAny("version", r.Scope.Version)
	w.attributes(r.Scope.Attributes)
	w.close()
	w.attributes(r.Attributes)
	switch r.Signal {
	case ingest.Metrics:
		w.point(r)
	case ingest.Spans:
		w.text("name", r.Name)
		if r.SpanKind != 0 {
			w.text("kind", spanKind(r.SpanKind))
		}
		w.text("status", [...]string{"UNSET", "OK", "ERROR"}[min(max(r.StatusCode, 0), 2)])
		w.textIfAny("status_message", r.StatusMessage)
		w.value("duration", ingest.DoubleValue(r.Duration))
	case ingest.Logs, ingest.SpanEvents, ingest.Events, ingest.Findings, ingest.Unknown:
		w.textIfAny("name", r.Name)
		if r.Severity != 0 {
			w.value("severity", ingest.IntValue(int64(r.Severity)))
		}
		w.textIfAny("severity_text", r.SeverityText)
		if r.Body.Kind != ingest.Missing {
			w.value("body", r.Body)
		}
	}
	w.textIfAny("trace_id", r.TraceID)
	w.textIfAny("span_id", r.SpanID)
	w.textIfAny("parent_span_id", r.ParentSpanID)
	w.origin(origin, r.Index)
	o.line(w.b)
}

func (o *tailObjects) fault(origin *ingest.Origin, err error) {
	w := jsonObject{b: append(o.buf, '{')}
	w.text("fault", ingest.FaultOf(err).String())
	w.text("error", err.Error())
	w.origin(origin, -1)
	o.line(w.b)
}

// line ends an object, which begins behind what was in the buffer.
func (o *tailObjects) line(b []byte) {
	b = append(b, '}')
	o.buf = append(escapeUnprintable(b, len(o.buf)), '\n')
}

func (o *tailObjects) flush() error {
	_, err := o.out.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

func (o *tailObjects) watch(context.Context) {}

func (o *tailObjects) end() error { return nil }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// jsonObject writes the members of an object in the order in which they are given.
type jsonObject struct{ b []byte }

func (w *jsonObject) key(key string) {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
	w.b = append(ingest.AppendJSONString(w.b, key), ':')
}

func (w *jsonObject) open(key string) {
	w.key(key)
	w.b = append(w.b, '{')
}

func (w *jsonObject) close() { w.b = append(w.b, '}') }

func (w *jsonObject) text(key, text string) {
	w.key(key)
	w.b = ingest.AppendJSONString(w.b, text)
}

func (w *jsonObject) textIfAny(key, text string) {
	if text != "" {
		w.text(key, text)
	}
}

func (w *jsonObject) flag(key string, on bool) {
	w.key(key)
	w.b = strconv.AppendBool(w.b, on)
}

func (w *jsonObject) number(key string, n uint64) {
	w.key(key)
	w.b = strconv.AppendUint(w.b, n, 10)
}

// value writes any value. Lists and maps are JSON already, as the source wrote it, maybe over several lines.
func (w *jsonObject) value(key string, v ingest.Value) {
	w.key(key)
	if v.Kind == ingest.List || v.Kind == ingest.Map {
		var compact bytes.Buffer
		if json.Compact(&compact, []byte(v.Str)) != nil {
			w.b = ingest.AppendJSONString(w.b, v.Str)
			return
		}
		w.b = append(w.b, compact.Bytes()...)
		return
	}
	w.b = v.AppendJSON(w.b)
}

func (w *jsonObject) attributes(list ingest.Attrs) {
	w.open("attributes")
	for key, v := range distinct(list) {
		w.value(key, v)
	}
	w.close()
}

// origin writes where a record comes from; index is its place in its Kafka record, -1 for none.
func (w *jsonObject) origin(o *ingest.Origin, index int) {
	w.open("origin")
	w.text("topic", o.Topic)
	w.value("partition", ingest.IntValue(int64(o.Partition)))
	w.value("offset", ingest.IntValue(o.Offset))
	if index >= 0 {
		w.value("index", ingest.IntValue(int64(index)))
	}
	w.text("timestamp", stamp(time.Unix(0, o.Timestamp)))
	w.close()
}

func (w *jsonObject) numbers(key string, list []uint64) {
	w.key(key)
	w.b = append(w.b, '[')
	for i, n := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = strconv.AppendUint(w.b, n, 10)
	}
	w.b = append(w.b, ']')
}

// point writes a metric's data point.
func (w *jsonObject) point(r *ingest.Record) {
	p := r.Point
	if p == nil {
		p = &ingest.Point{}
	}
	w.open("metric")
	w.text("name", r.Name)
	w.textIfAny("unit", p.Unit)
	w.textIfAny("description", p.Description)
	w.textIfAny("type", metricType(p.Type))
	if p.Type != ingest.Gauge && p.Type != ingest.Summary {
		w.text("temporality", map[bool]string{true: "cumulative", false: "delta"}[p.Cumulative])
	}
	if p.Type == ingest.Sum {
		w.flag("monotonic", p.Monotonic)
	}
	w.close()
	if p.StartTime != 0 {
		w.text("start_time", stamp(time.Unix(0, p.StartTime)))
	}
	switch {
	case p.NoValue:
		w.flag("no_value", true)
		return
	case p.Value.Kind != ingest.Missing:
		w.value("value", p.Value)
		return
	case p.Type == ingest.Gauge || p.Type == ingest.Sum:
		return
	}
	w.number("count", p.Count)
	for _, optional := range []struct {
		key string
		has bool
		f   float64
	}{{"sum", p.HasSum, p.Sum}, {"min", p.HasMin, p.Min}, {"max", p.HasMax, p.Max}} {
		if optional.has {
			w.value(optional.key, ingest.DoubleValue(optional.f))
		}
	}
	if len(p.Buckets) > 0 {
		w.key("bounds")
		w.b = append(w.b, '[')
		for i, f := range p.Bounds {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = ingest.DoubleValue(f).AppendJSON(w.b)
		}
		w.b = append(w.b, ']')
		w.numbers("buckets", p.Buckets)
	}
	w.exponential(p.Exponential)
	if len(p.Quantiles) > 0 {
		w.key("quantiles")
		w.b = append(w.b, '[')
		for i, q := range p.Quantiles {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = append(w.b, '{')
			w.value("quantile", ingest.DoubleValue(q.Quantile))
			w.value("value", ingest.DoubleValue(q.Value))
			w.close()
		}
		w.b = append(w.b, ']')
	}
}

func (w *jsonObject) exponential(e *ingest.Exponential) {
	if e == nil {
		return
	}
	w.open("exponential")
	w.value("scale", ingest.IntValue(int64(e.Scale)))
	w.number("zero_count", e.ZeroCount)
	w.value("zero_threshold", ingest.DoubleValue(e.ZeroThreshold))
	w.value("positive_offset", ingest.IntValue(int64(e.PositiveOffset)))
	w.numbers("positive", e.Positive)
	w.value("negative_offset", ingest.IntValue(int64(e.NegativeOffset)))
	w.numbers("negative", e.Negative)
	w.close()
}

func metricType(t ingest.MetricType) string {
	switch t {
	case ingest.Gauge:
		return "gauge"
	case ingest.Sum:
		return "sum"
	case ingest.Histogram:
		return "histogram"
	case ingest.ExponentialHistogram:
		return "exponential_histogram"
	case ingest.Summary:
		return "summary"
	default:
		return ""
	}
}

// escapeUnprintable escapes what lies behind from in JSON text and is beyond ASCII's printable characters and nothing
// that one sees: terminals take commands from some of it. JSON has such characters in its strings only.
func escapeUnprintable(b []byte, from int) []byte {
	needed := func(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
	if !bytes.ContainsFunc(b[from:], needed) && utf8.Valid(b[from:]) {
		return b
	}
	text := string(b[from:])
	b = b[:from]
	for _, r := range text {
		switch {
		case !needed(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}
