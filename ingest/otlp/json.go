package otlp

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest"
)

// JSON decodes OTLP/JSON of one signal, as the Collector's Kafka exporter writes it with the encoding otlp_json.
type JSON struct {
	// Signal is Logs, Metrics or Spans.
	Signal ingest.Signal
	// MaxRecords bounds the records of one message; 0 is no bound.
	MaxRecords int
}

// Decode implements ingest.Decoder.
func (j *JSON) Decode(value []byte, b *ingest.Batch) error {
	b.Reset()
	// pdata's reader stops after the first value and is lenient before it, so the whole is checked first.
	if !json.Valid(value) {
		return jsonError(value, json.Unmarshal(value, new(json.RawMessage)))
	}
	var err error
	switch j.Signal {
	case ingest.Logs:
		var ld plog.Logs
		if ld, err = new(plog.JSONUnmarshaler).UnmarshalLogs(value); err == nil {
			FromLogs(ld, b)
		}
	case ingest.Metrics:
		var md pmetric.Metrics
		if md, err = new(pmetric.JSONUnmarshaler).UnmarshalMetrics(value); err == nil {
			FromMetrics(md, b)
		}
	case ingest.Spans:
		var td ptrace.Traces
		if td, err = new(ptrace.JSONUnmarshaler).UnmarshalTraces(value); err == nil {
			FromTraces(td, b)
		}
	case ingest.SpanEvents, ingest.Events, ingest.Findings, ingest.Unknown:
		return &ingest.DecodeError{Fault: ingest.WrongSignal, Format: "otlp_json", Message: fmt.Sprintf(
			"OTLP has no signal %s, expected logs, metrics or spans", j.Signal)}
	}
	if err != nil {
		return &ingest.DecodeError{Fault: ingest.Malformed, Format: "otlp_json", Message: fmt.Sprintf(
			"%d bytes of JSON are no OTLP %s: a field has a value of the wrong kind", len(value), j.Signal)}
	}
	if j.MaxRecords > 0 && len(b.Records) > j.MaxRecords {
		b.Reset()
		return &ingest.DecodeError{Fault: ingest.TooLarge, Format: "otlp_json", Message: fmt.Sprintf(
			"more than %d records in one message", j.MaxRecords)}
	}
	return nil
}

// jsonError words an error of package json without the content that it quotes.
func jsonError(value []byte, err error) error {
	e := &ingest.DecodeError{Fault: ingest.Malformed, Format: "otlp_json"}
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	switch {
	case ok && syntax.Offset >= int64(len(value)):
		e.Fault = ingest.Truncated
		e.Message = fmt.Sprintf("the JSON ends too early, after %d bytes", len(value))
	case ok:
		e.Message = fmt.Sprintf("no valid JSON at byte %d of %d", syntax.Offset, len(value))
	default:
		e.Message = fmt.Sprintf("%d bytes are no valid JSON", len(value))
	}
	return e
}
