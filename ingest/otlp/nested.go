package otlp

import (
	"math"

	"github.com/freshet-dev/freshet/ingest"
)

// Nested lists and maps become JSON text, appended to d.json while they are read.

// list writes an ArrayValue that lies within depth messages.
func (d *decoder) list(b []byte, depth int) bool {
	if depth >= maxDepth {
		return d.tooDeep(b)
	}
	d.json = append(d.json, '[')
	first := true
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "list")
		}
		if f.num != 1 {
			continue
		}
		if f.typ != bytesType {
			return d.wrongType(&f, at, "list")
		}
		if !first {
			d.json = append(d.json, ',')
		}
		first = false
		start := len(d.json)
		if !d.nested(f.data, depth+1, start) {
			return false
		}
		d.nullIfEmpty(start)
	}
	d.json = append(d.json, ']')
	return true
}

// entries writes a KeyValueList that lies within depth messages.
func (d *decoder) entries(b []byte, depth int) bool {
	if depth >= maxDepth {
		return d.tooDeep(b)
	}
	d.json = append(d.json, '{')
	first := true
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "map")
		}
		if f.num != 1 {
			continue
		}
		if f.typ != bytesType {
			return d.wrongType(&f, at, "map")
		}
		if !first {
			d.json = append(d.json, ',')
		}
		first = false
		if !d.entry(f.data, depth+1) {
			return false
		}
	}
	d.json = append(d.json, '}')
	return true
}

// entry writes a KeyValue of a map. Its key may come after its value, so the key is looked for first.
func (d *decoder) entry(b []byte, depth int) bool {
	if depth >= maxDepth {
		return d.tooDeep(b)
	}
	var f field
	var key []byte
	for rest := b; len(rest) > 0; {
		at := rest
		if rest = f.next(rest); f.fault != 0 {
			return d.broken(&f, at, "map entry")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
			key = f.data
		case f.num == 2 && f.typ == bytesType: // the second pass reads it
		case f.num == 3 && f.typ == varintType: // key_strindex, of profiles only
		case f.num <= 3:
			return d.wrongType(&f, at, "map entry")
		}
	}
	d.json = append(ingest.AppendJSONString(d.json, text(key)), ':')
	start := len(d.json)
	for len(b) > 0 {
		if b = f.next(b); f.num == 2 && !d.nested(f.data, depth+1, start) {
			return false
		}
	}
	d.nullIfEmpty(start)
	return true
}

// nested writes an AnyValue that lies within depth messages. What the value was before stands from start on and is
// replaced by each value that the message sets.
func (d *decoder) nested(b []byte, depth, start int) bool {
	if depth >= maxDepth {
		return d.tooDeep(b)
	}
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "nested value")
		}
		typ := uint8(bytesType)
		switch f.num {
		case 1, 5, 6, 7:
		case 2, 3, 8:
			typ = varintType
		case 4:
			typ = fixed64Type
		default:
			continue
		}
		if f.typ != typ {
			return d.wrongType(&f, at, "nested value")
		}
		d.json = d.json[:start]
		switch f.num {
		case 1:
			d.json = ingest.AppendJSONString(d.json, text(f.data))
		case 2:
			d.json = ingest.BoolValue(f.number != 0).AppendJSON(d.json)
		case 3:
			d.json = ingest.IntValue(int64(f.number)).AppendJSON(d.json)
		case 4:
			d.json = ingest.DoubleValue(math.Float64frombits(f.number)).AppendJSON(d.json)
		case 5:
			if !d.list(f.data, depth+1) {
				return false
			}
		case 6:
			if !d.entries(f.data, depth+1) {
				return false
			}
		case 7:
			d.json = ingest.BytesValue(text(f.data)).AppendJSON(d.json)
		case 8:
		}
	}
	return true
}

func (d *decoder) nullIfEmpty(start int) {
	if len(d.json) == start {
		d.json = append(d.json, "null"...)
	}
}

func (d *decoder) tooDeep(at []byte) bool {
	return d.fail(ingest.Malformed, "the value at byte %d of %d is nested deeper than %d messages", d.offset(at),
		len(d.value), maxDepth)
}
