// Package otlp decodes the OpenTelemetry protocol, protobuf and JSON, into records.
//
// Protobuf is read by a view straight over the message's bytes: strings point into the message, everything else lives
// in the batch's arena, and in the steady state nothing is allocated. Which bytes are accepted, and the values they
// give, are those of the OpenTelemetry Collector's pdata, against which the view is fuzzed. OTLP/JSON goes through pdata.
//
// Spans gives a record for each span, followed by one for each of its events. Exemplars, links and entity references
// are checked and left out.
package otlp

import (
	"fmt"

	"github.com/freshet-dev/freshet/ingest"
)

// decoder is what the decoders of the three signals share.
type decoder struct {
	// emit decodes one element of a scope: a log record, a metric or a span.
	emit func(d *decoder, b []byte, res *ingest.Resource, scope *ingest.Scope) bool

	max    int // records of a message, 0 for no bound
	batch  *ingest.Batch
	arena  *ingest.Arena
	value  []byte
	err    *ingest.DecodeError
	json   []byte      // a nested value while it is written
	events [][]byte    // a span's events while the span is read
	unused ingest.Attr // attributes that are checked only
}

// decode reads an export request. All three signals have the same envelope: field 1 of the request is repeated.
func (d *decoder) decode(value []byte, b *ingest.Batch) error {
	d.batch, d.arena, d.value, d.err = b, b.Begin(), value, nil
	ok := d.request(value)
	d.value, d.events = nil, d.events[:0]
	if !ok {
		b.Reset()
		return d.err
	}
	return nil
}

func (d *decoder) request(b []byte) bool {
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "request")
		}
		if f.num != 1 {
			continue
		}
		if f.typ != bytesType {
			return d.wrongType(&f, at, "request")
		}
		if !d.resourceRun(f.data) {
			return false
		}
	}
	return true
}

// resourceRun reads ResourceLogs, ResourceMetrics or ResourceSpans: a resource (1), its scopes (2), a schema URL (3).
func (d *decoder) resourceRun(b []byte) bool {
	res := d.arena.Resources.New()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "resource run")
		}
		switch f.num {
		case 1, 2, 3, 1000:
			if f.typ != bytesType {
				return d.wrongType(&f, at, "resource run")
			}
		}
		switch f.num {
		case 1:
			if !d.resource(f.data, res) {
				return false
			}
		case 2:
			if !d.scopeRun(f.data, res) {
				return false
			}
		case 3:
			res.SchemaURL = text(f.data)
		case 1000:
			// The deprecated scopes of OTLP before 0.15. pdata's protobuf reader checks and drops them, so they are
			// decoded and taken back.
			n := len(d.batch.Records)
			if !d.scopeRun(f.data, res) {
				return false
			}
			d.batch.Records = d.batch.Records[:n]
		}
	}
	return true
}

// scopeRun reads ScopeLogs, ScopeMetrics or ScopeSpans: a scope (1), its elements (2), a schema URL (3).
func (d *decoder) scopeRun(b []byte, res *ingest.Resource) bool {
	scope := d.arena.Scopes.New()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "scope run")
		}
		switch f.num {
		case 1, 2, 3:
			if f.typ != bytesType {
				return d.wrongType(&f, at, "scope run")
			}
		}
		switch f.num {
		case 1:
			if !d.scope(f.data, scope) {
				return false
			}
		case 2:
			if !d.emit(d, f.data, res, scope) {
				return false
			}
		}
	}
	return true
}

// add adds a record; it returns nil, with the error set, when the message has too many.
func (d *decoder) add(signal ingest.Signal, res *ingest.Resource, scope *ingest.Scope) *ingest.Record {
	if d.max > 0 && len(d.batch.Records) >= d.max {
		d.fail(ingest.TooLarge, "more than %d records in one message", d.max)
		return nil
	}
	r := d.batch.Add()
	r.Signal, r.Resource, r.Scope = signal, res, scope
	return r
}

// broken reports a field that could not be read; at is where it starts.
func (d *decoder) broken(f *field, at []byte, message string) bool {
	what := "is cut short"
	if f.fault == ingest.Malformed {
		what = "is no protobuf field"
	}
	return d.fail(f.fault, "a field of a %s at byte %d of %d %s", message, d.offset(at), len(d.value), what)
}

// wrongType reports a field of a wire type that it cannot have.
func (d *decoder) wrongType(f *field, at []byte, message string) bool {
	return d.fail(ingest.Malformed, "field %d of a %s at byte %d of %d has wire type %d", f.num, message, d.offset(at),
		len(d.value), f.typ)
}

func (d *decoder) fail(fault ingest.Fault, format string, args ...any) bool {
	d.err = &ingest.DecodeError{Fault: fault, Format: "otlp_proto", Message: fmt.Sprintf(format, args...)}
	return false
}

// offset tells where in the message b starts: every slice of the message reaches to the message's capacity.
func (d *decoder) offset(b []byte) int { return cap(d.value) - cap(b) }
