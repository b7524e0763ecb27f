// Package format chooses how the messages of a topic are decoded: in one format, or told apart message by message.
package format

import (
	"encoding/hex"
	"fmt"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/event"
	"github.com/freshet-dev/freshet/ingest/otlp"
)

// Format names how messages are encoded.
type Format string

// The formats.
const (
	// OTLPProto is OTLP protobuf, the default encoding of the OpenTelemetry Collector's Kafka exporter.
	OTLPProto Format = "otlp_proto"
	// OTLPJSON is OTLP/JSON.
	OTLPJSON Format = "otlp_json"
	// JSON is flat JSON, any object.
	JSON Format = "json"
	// Text is plain text, a message being one record.
	Text Format = "text"
	// Auto tells the formats apart, message by message.
	Auto Format = "auto"
)

// Parse returns the format of a name; "" is Auto.
func Parse(name string) (Format, error) {
	switch f := Format(name); f {
	case "":
		return Auto, nil
	case OTLPProto, OTLPJSON, JSON, Text, Auto:
		return f, nil
	default:
		return "", fmt.Errorf("unknown format %q, expected otlp_proto, otlp_json, json, text or auto", name)
	}
}

// Limits bound what one message may hold.
type Limits struct {
	// MaxRecordBytes is the length of a message's value, by default 4 MiB.
	MaxRecordBytes int
	// MaxRecords is the number of records in a message, by default 262,144: a few bytes can stand for a record, which
	// takes some hundred bytes of memory.
	MaxRecords int
}

// The default limits.
const (
	DefaultMaxRecordBytes = 4 << 20
	DefaultMaxRecords     = 1 << 18
)

// New returns the decoder of a topic that carries a signal in a format. Its errors are *ingest.DecodeError, and their
// Format is that of the message where it is known. A message without content, such as the tombstone of a compacted
// topic, has no records. Span events come with their spans, so their topic's signal is Spans.
func New(signal ingest.Signal, format Format, limits Limits) (ingest.Decoder, error) {
	if limits.MaxRecordBytes <= 0 {
		limits.MaxRecordBytes = DefaultMaxRecordBytes
	}
	if limits.MaxRecords <= 0 {
		limits.MaxRecords = DefaultMaxRecords
	}
	d := &decoder{signal: signal, format: format, limits: limits}
	switch signal {
	case ingest.Logs:
		d.proto = &otlp.Logs{MaxRecords: limits.MaxRecords}
	case ingest.Metrics:
		d.proto = &otlp.Metrics{MaxRecords: limits.MaxRecords}
	case ingest.Spans:
		d.proto = &otlp.Traces{MaxRecords: limits.MaxRecords}
	case ingest.Events:
	case ingest.SpanEvents:
		return nil, fmt.Errorf("no topic carries span_events alone: they come with the spans of a topic of spans")
	case ingest.Unknown:
		return nil, fmt.Errorf("a topic needs a signal: logs, metrics, spans or events")
	default:
		return nil, fmt.Errorf("unknown signal %d", signal)
	}
	if d.proto != nil {
		d.otlpJSON = &otlp.JSON{Signal: signal, MaxRecords: limits.MaxRecords}
	}
	if signal == ingest.Logs || signal == ingest.Events {
		d.json = &event.JSON{Signal: signal, MaxRecords: limits.MaxRecords}
		d.text = &event.Text{Signal: signal}
	}
	switch format {
	case OTLPProto, OTLPJSON:
		if d.proto == nil {
			return nil, fmt.Errorf("format %s has no %s, expected json, text or auto", format, signal)
		}
	case JSON, Text:
		if d.json == nil {
			return nil, fmt.Errorf("format %s has no %s, expected otlp_proto, otlp_json or auto", format, signal)
		}
	case Auto:
	default:
		return nil, fmt.Errorf("unknown format %q, expected otlp_proto, otlp_json, json, text or auto", format)
	}
	return d, nil
}

// decoder decodes the messages of a topic. The decoders that its signal does not have are nil.
type decoder struct {
	signal   ingest.Signal
	format   Format
	limits   Limits
	proto    ingest.Decoder
	otlpJSON *otlp.JSON
	json     *event.JSON
	text     *event.Text
}

// Decode implements ingest.Decoder.
func (d *decoder) Decode(value []byte, b *ingest.Batch) error {
	b.Reset()
	if len(value) == 0 {
		return nil
	}
	if len(value) > d.limits.MaxRecordBytes {
		return &ingest.DecodeError{Fault: ingest.TooLarge, Format: string(d.format), Message: fmt.Sprintf(
			"a message of %d bytes, expected at most %d (max_record_bytes)", len(value), d.limits.MaxRecordBytes)}
	}
	switch d.format {
	case OTLPProto:
		return d.decodeProto(value, b)
	case OTLPJSON:
		return d.decodeOTLPJSON(value, b)
	case JSON:
		switch s := envelope(value); {
		case s == d.signal:
			return d.otherFormat(value, "an OTLP/JSON message", "flat JSON", OTLPJSON)
		case s != ingest.Unknown:
			return d.wrongSignal(OTLPJSON, s)
		}
		return d.json.Decode(value, b)
	case Text:
		return d.text.Decode(value, b)
	case Auto:
		return d.auto(value, b)
	default:
		return d.unknown(value)
	}
}

// auto tells the formats apart: JSON begins with a bracket, OTLP protobuf nearly always with the tag of its first field,
// a line feed, and what remains may be text.
func (d *decoder) auto(value []byte, b *ingest.Batch) error {
	if looksJSON(value) {
		switch s := envelope(value); {
		case s != ingest.Unknown:
			return d.decodeOTLPJSON(value, b)
		case d.json != nil:
			return d.json.Decode(value, b)
		default:
			return d.noEnvelope(value)
		}
	}
	if d.proto != nil && (value[0] == firstTag || d.text == nil || !event.IsText(value)) {
		err := d.decodeProto(value, b)
		// A text that begins with an empty line may be valid protobuf by accident.
		if d.text != nil && (err != nil || len(b.Records) == 0) && event.IsText(value) {
			return d.text.Decode(value, b)
		}
		return err
	}
	if event.IsText(value) {
		return d.text.Decode(value, b)
	}
	if s := d.protoSignal(value); s != ingest.Unknown {
		return d.wrongSignal(OTLPProto, s)
	}
	return d.unknown(value)
}

// firstTag is the tag of the first field of each of OTLP's requests.
const firstTag = 1<<3 | 2

// decodeProto decodes a message of a topic of protobuf. JSON and text can be valid protobuf by accident, of unknown
// fields only.
func (d *decoder) decodeProto(value []byte, b *ingest.Batch) error {
	err := d.proto.Decode(value, b)
	switch {
	case err == nil && (len(b.Records) > 0 || value[0] == firstTag):
		return nil
	case err != nil && ingest.FaultOf(err) == ingest.TooLarge:
		return err
	case looksJSON(value):
		b.Reset()
		return d.otherFormat(value, "a JSON message", "protobuf", OTLPJSON)
	case value[0] != firstTag:
		b.Reset()
		return d.unknown(value)
	default:
		return d.explain(value, err)
	}
}

func (d *decoder) decodeOTLPJSON(value []byte, b *ingest.Batch) error {
	switch s := envelope(value); {
	case s == d.signal:
		return d.otlpJSON.Decode(value, b)
	case s != ingest.Unknown:
		return d.wrongSignal(OTLPJSON, s)
	}
	// pdata ignores unknown fields, so JSON of any other kind would count as an empty message.
	if err := d.otlpJSON.Decode(value, b); err != nil || isEmptyObject(value) {
		return err
	}
	return d.noEnvelope(value)
}

// explain says of a message that is no OTLP of the topic's signal whether it is of another.
func (d *decoder) explain(value []byte, err error) error {
	if s := d.protoSignal(value); s != ingest.Unknown {
		return d.wrongSignal(OTLPProto, s)
	}
	return err
}

// protoSignal returns the signal other than the topic's as which a message can be read, if it has records then.
func (d *decoder) protoSignal(value []byte) ingest.Signal {
	var b ingest.Batch
	for _, other := range []struct {
		signal ingest.Signal
		ingest.Decoder
	}{
		{ingest.Logs, &otlp.Logs{MaxRecords: d.limits.MaxRecords}},
		{ingest.Metrics, &otlp.Metrics{MaxRecords: d.limits.MaxRecords}},
		{ingest.Spans, &otlp.Traces{MaxRecords: d.limits.MaxRecords}},
	} {
		if other.signal != d.signal && other.Decode(value, &b) == nil && len(b.Records) > 0 {
			return other.signal
		}
	}
	return ingest.Unknown
}

func (d *decoder) wrongSignal(format Format, s ingest.Signal) error {
	return &ingest.DecodeError{Fault: ingest.WrongSignal, Format: string(format), Message: fmt.Sprintf(
		"the message holds OTLP %s, but its topic is one of %s", s, d.signal)}
}

func (d *decoder) otherFormat(value []byte, seen, expected string, should Format) error {
	return &ingest.DecodeError{Fault: ingest.UnknownFormat, Format: string(d.format), Message: fmt.Sprintf(
		"%s of %d bytes, expected %s: the format of its topic should be %s or auto", seen, len(value), expected, should)}
}

func (d *decoder) noEnvelope(value []byte) error {
	return &ingest.DecodeError{Fault: ingest.UnknownFormat, Format: string(d.format), Message: fmt.Sprintf(
		"a JSON message of %d bytes without the key %s, expected OTLP %s", len(value), envelopeKey(d.signal), d.signal)}
}

func (d *decoder) unknown(value []byte) error {
	expected := "JSON or text"
	switch {
	case d.format == OTLPProto:
		expected = "OTLP " + d.signal.String() + " as protobuf"
	case d.text == nil:
		expected = "OTLP " + d.signal.String() + " as protobuf or JSON"
	case d.proto != nil:
		expected = "OTLP " + d.signal.String() + " as protobuf or JSON, flat JSON or text"
	}
	return &ingest.DecodeError{Fault: ingest.UnknownFormat, Format: string(d.format), Message: fmt.Sprintf(
		"%d bytes that begin with 0x%s, expected %s", len(value), hex.EncodeToString(value[:min(len(value), 8)]), expected)}
}
