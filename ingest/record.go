// Package ingest defines what freshet reads: the record that a rule sees, whatever format it came in.
//
// A decoder (packages otlp and event) turns the value of one Kafka message into a Batch of Records, all or nothing.
// A Batch is reused, so its records and every string in them are valid only until the next Reset.
package ingest

import (
	"fmt"
	"slices"
)

// Signal is the kind of telemetry that a record belongs to, as `from:` names it.
type Signal uint8

// The signals.
const (
	Unknown Signal = iota
	Logs
	Metrics
	Spans
	SpanEvents
	Events
	Findings // transitions of alerts: all that they have is an attribute, and Name is what the alert is known by
)

var signalNames = [...]string{"unknown", "logs", "metrics", "spans", "span_events", "events", "findings"} //nolint:gochecknoglobals // constant table

// String returns the signal's name as rules write it.
func (s Signal) String() string { return signalNames[s] }

// ParseSignal returns the signal of a name.
func ParseSignal(name string) (Signal, error) {
	for i, n := range signalNames[1:] {
		if n == name {
			return Signal(i + 1), nil
		}
	}
	return Unknown, fmt.Errorf("unknown signal %q, expected logs, metrics, spans, span_events or events", name)
}

// MarshalText and UnmarshalText make a Signal readable in YAML and JSON.
func (s Signal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Signal) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSignal(string(text))
	return err
}

// Attr is one attribute.
type Attr struct {
	Key   string
	Value Value
}

// Attrs is a list of attributes in the order they came; of a repeated key the last one counts, as in pdata's maps it
// would be undefined.
type Attrs []Attr

// Get returns the value of a key, or a missing Value.
func (a Attrs) Get(key string) Value {
	for i := range slices.Backward(a) {
		if a[i].Key == key {
			return a[i].Value
		}
	}
	return Value{}
}

// Resource is what produced a run of records.
type Resource struct {
	Attributes Attrs
	SchemaURL  string
}

// Scope is the instrumentation scope of a run of records.
type Scope struct {
	Name, Version string
	Attributes    Attrs
}

// Record is one log record, metric data point, span, span event or event, as a rule sees it. Fields that its signal
// does not have are zero.
type Record struct {
	Signal Signal
	// Index is the place of the record in its Kafka message, so that (topic, partition, offset, index) names it.
	Index int
	// Time is the event time in Unix nanoseconds: a log's time (else its observed time), a point's time, a span's end
	// (its duration is known only then; its start if it has no end), a span event's time. 0 means that the record has
	// none, or one after the year 2262: the reader uses the Kafka timestamp.
	Time int64
	// Resource and Scope are never nil.
	Resource *Resource
	Scope    *Scope
	// Attributes are the record's own. Of a flat JSON event they are all its fields, nested ones by dotted path.
	Attributes Attrs

	// Name is a span's, a span event's or a metric's name, or a log's event name.
	Name string
	// TraceID and SpanID are lower-case hexadecimal text, empty when not set.
	TraceID, SpanID string

	// Severity is the OpenTelemetry severity number of a log, 1 (TRACE) to 24 (FATAL4); 0 is unknown. A decoder derives
	// it from SeverityText where the number is not one of these and the text is a usual level name.
	Severity     int32
	SeverityText string
	// Body is a log's body, or an event's message.
	Body Value

	// Span: Kind as OTLP's enum (1 internal, 2 server, 3 client, 4 producer, 5 consumer), StatusCode 0 unset, 1 ok,
	// 2 error, Duration in seconds.
	SpanKind      int32
	StatusCode    int32
	StatusMessage string
	ParentSpanID  string
	Duration      float64

	// Point is a metric's data point, nil for other signals.
	Point *Point
}

// MetricType is the type of a metric.
type MetricType uint8

// The metric types.
const (
	Gauge MetricType = iota + 1
	Sum
	Histogram
	ExponentialHistogram
	Summary
)

// Point holds what a metric's data point has beyond a Record's common fields.
type Point struct {
	Type        MetricType
	Unit        string
	Description string
	// Cumulative tells a cumulative temporality from delta; Monotonic is a Sum's flag.
	Cumulative, Monotonic bool
	// StartTime is in Unix nanoseconds, 0 when not set.
	StartTime int64
	// NoValue is the flag "no recorded value": the series has ended or has a gap here.
	NoValue bool
	// Value is the number of a Gauge or Sum; missing for the other types and for points flagged "no recorded value".
	Value Value
	// Count, Sum, Min and Max belong to histograms and summaries; the Has flags say whether the optional ones are set.
	Count                  uint64
	Sum, Min, Max          float64
	HasSum, HasMin, HasMax bool
	// Bounds and Buckets are an explicit histogram's upper bounds and counts, len(Buckets) == len(Bounds)+1 or both 0:
	// those of a producer that breaks this rule are left out.
	Bounds  []float64
	Buckets []uint64
	// Exponential is set for an exponential histogram only.
	Exponential *Exponential
	// Quantiles are a summary's.
	Quantiles []Quantile
}

// Delta says whether the point tells what came since the one before. Gauges and summaries have no temporality: what they
// count, as untyped metrics and summaries of Prometheus do, is counted from the start.
func (p *Point) Delta() bool { return !p.Cumulative && p.Type != Gauge && p.Type != Summary }

// Exponential holds an exponential histogram's buckets.
type Exponential struct {
	Scale                          int32
	ZeroCount                      uint64
	ZeroThreshold                  float64
	PositiveOffset, NegativeOffset int32
	Positive, Negative             []uint64
}

// Quantile is one quantile of a summary.
type Quantile struct{ Quantile, Value float64 }

// Lookup resolves a dotted name as rules write it: in the record's attributes, then the scope's, then the resource's.
func (r *Record) Lookup(key string) Value {
	if v := r.Attributes.Get(key); v.Kind != Missing {
		return v
	}
	if v := r.Scope.Attributes.Get(key); v.Kind != Missing {
		return v
	}
	return r.Resource.Attributes.Get(key)
}

// Origin is where a Kafka message stands.
type Origin struct {
	Topic     string
	Partition int32
	Offset    int64
	// Timestamp is the Kafka record's timestamp in Unix nanoseconds.
	Timestamp int64
}

// Batch holds the records decoded from one Kafka message and the memory they use. Decoders fill it; it is reused.
type Batch struct {
	Records []Record
	// Scratch belongs to the decoder that fills the batch. Decoders that keep all in an Arena use that of Begin, so
	// that decoders of different formats may take turns on one batch.
	Scratch any
}

// keptRecords is how many records a batch keeps room for, so that one huge message is not held for ever.
const keptRecords = 1 << 17

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.Records = b.Records[:0] }

// Begin empties the batch and returns its arena, empty too. A decoder calls it first.
func (b *Batch) Begin() *Arena {
	if cap(b.Records) > keptRecords {
		b.Records = nil
	}
	b.Reset()
	a, ok := b.Scratch.(*Arena)
	if !ok {
		a = new(Arena)
		b.Scratch = a
	}
	a.Reset()
	return a
}

// Add adds a zero record, with its Index set, and returns it. The pointer is valid until the next Add.
func (b *Batch) Add() *Record {
	n := len(b.Records)
	if n < cap(b.Records) {
		b.Records = b.Records[:n+1]
		b.Records[n] = Record{}
	} else {
		b.Records = append(b.Records, Record{})
	}
	r := &b.Records[n]
	r.Index = n
	return r
}

// Decoder turns the value of a Kafka message into records. It either fills the batch with all of them or returns an
// error, a *DecodeError, and leaves the batch empty: a message counts whole or goes to the dead-letter topic whole. It
// may keep references into value, so value must stay unchanged while the batch is used. A Decoder is used by one
// goroutine at a time.
type Decoder interface {
	Decode(value []byte, b *Batch) error
}
