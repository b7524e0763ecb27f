package otlp

import "github.com/freshet-dev/freshet/ingest"

// Traces decodes ExportTraceServiceRequest or TracesData, which are the same on the wire. Each span gives a record of
// Spans and each of its events a record of SpanEvents after it. The zero value is ready for use.
type Traces struct {
	// MaxRecords bounds the records of one message; 0 is no bound.
	MaxRecords int

	decoder
}

// Decode implements ingest.Decoder.
func (t *Traces) Decode(value []byte, b *ingest.Batch) error {
	t.emit = (*decoder).span
	t.max = t.MaxRecords
	return t.decode(value, b)
}

// span reads a Span. Its events are put aside until its own fields are known.
func (d *decoder) span(b []byte, res *ingest.Resource, scope *ingest.Scope) bool {
	r := d.add(ingest.Spans, res, scope)
	if r == nil {
		return false
	}
	d.events = d.events[:0]
	attrs := &d.arena.Attrs
	run := attrs.Run()
	var start, end uint64
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "span")
		}
		switch {
		case f.num == 9 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 1 && f.typ == bytesType:
			if !d.id(f.data, 16, &r.TraceID) {
				return false
			}
		case f.num == 2 && f.typ == bytesType:
			if !d.id(f.data, 8, &r.SpanID) {
				return false
			}
		case f.num == 3 && f.typ == bytesType: // trace_state
		case f.num == 4 && f.typ == bytesType:
			if !d.id(f.data, 8, &r.ParentSpanID) {
				return false
			}
		case f.num == 5 && f.typ == bytesType:
			r.Name = text(f.data)
		case f.num == 6 && f.typ == varintType:
			r.SpanKind = int32(f.number)
		case f.num == 7 && f.typ == fixed64Type:
			start = f.number
		case f.num == 8 && f.typ == fixed64Type:
			end = f.number
		case f.num == 11 && f.typ == bytesType:
			d.events = append(d.events, f.data)
		case f.num == 13 && f.typ == bytesType:
			if !d.link(f.data) {
				return false
			}
		case f.num == 15 && f.typ == bytesType:
			if !d.status(f.data, r) {
				return false
			}
		case f.num == 10 && f.typ == varintType: // dropped_attributes_count
		case f.num == 12 && f.typ == varintType: // dropped_events_count
		case f.num == 14 && f.typ == varintType: // dropped_links_count
		case f.num == 16 && f.typ == fixed32Type: // flags
		case f.num <= 16:
			return d.wrongType(&f, at, "span")
		}
	}
	r.Attributes = attrs.Keep(run)
	r.Time, r.Duration = spanTime(start, end)
	traceID, spanID := r.TraceID, r.SpanID
	for _, event := range d.events {
		if !d.spanEvent(event, res, scope, traceID, spanID) {
			return false
		}
	}
	return true
}

// spanEvent reads a span's event; its ids are the span's.
func (d *decoder) spanEvent(b []byte, res *ingest.Resource, scope *ingest.Scope, traceID, spanID string) bool {
	r := d.add(ingest.SpanEvents, res, scope)
	if r == nil {
		return false
	}
	r.TraceID, r.SpanID = traceID, spanID
	attrs := &d.arena.Attrs
	run := attrs.Run()
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "span event")
		}
		switch {
		case f.num == 1 && f.typ == fixed64Type:
			r.Time = unixNano(f.number)
		case f.num == 2 && f.typ == bytesType:
			r.Name = text(f.data)
		case f.num == 3 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 4 && f.typ == varintType: // dropped_attributes_count
		case f.num <= 4:
			return d.wrongType(&f, at, "span event")
		}
	}
	r.Attributes = attrs.Keep(run)
	return true
}

// link checks a SpanLink.
func (d *decoder) link(b []byte) bool {
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "span link")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
			if !d.checkID(f.data, 16) {
				return false
			}
		case f.num == 2 && f.typ == bytesType:
			if !d.checkID(f.data, 8) {
				return false
			}
		case f.num == 3 && f.typ == bytesType: // trace_state
		case f.num == 4 && f.typ == bytesType:
			if !d.attribute(f.data, &d.unused) {
				return false
			}
		case f.num == 5 && f.typ == varintType: // dropped_attributes_count
		case f.num == 6 && f.typ == fixed32Type: // flags
		case f.num <= 6:
			return d.wrongType(&f, at, "span link")
		}
	}
	return true
}

// status reads a span's Status into r.
func (d *decoder) status(b []byte, r *ingest.Record) bool {
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "span status")
		}
		switch {
		case f.num == 2 && f.typ == bytesType:
			r.StatusMessage = text(f.data)
		case f.num == 3 && f.typ == varintType:
			r.StatusCode = int32(f.number)
		case f.num == 2 || f.num == 3:
			return d.wrongType(&f, at, "span status")
		}
	}
	return true
}

// spanTime returns a span's event time, which is its end or else its start, and its duration in seconds, which is 0
// when either is not set or the clock went back.
func spanTime(start, end uint64) (time int64, duration float64) {
	if end == 0 {
		return unixNano(start), 0
	}
	if start != 0 && end > start {
		duration = float64(end-start) / 1e9
	}
	return unixNano(end), duration
}
