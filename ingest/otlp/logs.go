package otlp

import (
	"math"

	"github.com/freshet-dev/freshet/ingest"
)

// Logs decodes ExportLogsServiceRequest or LogsData, which are the same on the wire: the value that the Collector's
// Kafka exporter writes with the encoding otlp_proto. The zero value is ready for use.
type Logs struct {
	// MaxRecords bounds the records of one message; 0 is no bound.
	MaxRecords int

	decoder
}

// Decode implements ingest.Decoder.
func (l *Logs) Decode(value []byte, b *ingest.Batch) error {
	l.emit = (*decoder).logRecord
	l.max = l.MaxRecords
	return l.decode(value, b)
}

const logAttributeTag = 6<<3 | bytesType

// logRecord reads a LogRecord.
func (d *decoder) logRecord(b []byte, res *ingest.Resource, scope *ingest.Scope) bool {
	r := d.add(ingest.Logs, res, scope)
	if r == nil {
		return false
	}
	attrs := &d.arena.Attrs
	run := attrs.Run()
	var time, observed uint64
	var f field
	for len(b) > 0 {
		at := b
		if data, rest, ok := shortField(b, logAttributeTag); ok { // most fields are such
			run = attrs.Extend(run)
			if !d.attribute(data, &run[len(run)-1]) {
				return false
			}
			b = rest
			continue
		}
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "log record")
		}
		switch {
		case f.num == 6 && f.typ == bytesType:
			run = attrs.Extend(run)
			if !d.attribute(f.data, &run[len(run)-1]) {
				return false
			}
		case f.num == 1 && f.typ == fixed64Type:
			time = f.number
		case f.num == 11 && f.typ == fixed64Type:
			observed = f.number
		case f.num == 2 && f.typ == varintType:
			r.Severity = int32(f.number)
		case f.num == 3 && f.typ == bytesType:
			r.SeverityText = text(f.data)
		case f.num == 5 && f.typ == bytesType:
			if !d.anyValue(f.data, 0, &r.Body) {
				return false
			}
		case f.num == 7 && f.typ == varintType: // dropped_attributes_count
		case f.num == 8 && f.typ == fixed32Type: // flags
		case f.num == 9 && f.typ == bytesType:
			if !d.id(f.data, 16, &r.TraceID) {
				return false
			}
		case f.num == 10 && f.typ == bytesType:
			if !d.id(f.data, 8, &r.SpanID) {
				return false
			}
		case f.num == 12 && f.typ == bytesType:
			r.Name = text(f.data)
		case f.num <= 3 || f.num >= 5 && f.num <= 12:
			return d.wrongType(&f, at, "log record")
		}
	}
	r.Attributes = attrs.Keep(run)
	if time == 0 {
		time = observed
	}
	r.Time = unixNano(time)
	r.Severity = severity(r.Severity, r.SeverityText)
	return true
}

// id reads a trace or span id, which has size bytes or none.
func (d *decoder) id(b []byte, size int, id *string) bool {
	if !d.checkID(b, size) {
		return false
	}
	*id = d.arena.ID(b)
	return true
}

func (d *decoder) checkID(b []byte, size int) bool {
	if len(b) == size || len(b) == 0 {
		return true
	}
	return d.fail(ingest.Malformed, "an id at byte %d of %d has %d bytes, expected %d", d.offset(b), len(d.value), len(b),
		size)
}

// severity returns a valid severity number as it is, and else what the text says.
func severity(number int32, text string) int32 {
	if number >= 1 && number <= 24 {
		return number
	}
	return ingest.SeverityOf(text)
}

// unixNano returns a time of the wire as Unix nanoseconds, or 0 when it lies after the year 2262.
func unixNano(t uint64) int64 {
	if t > math.MaxInt64 {
		return 0
	}
	return int64(t)
}
