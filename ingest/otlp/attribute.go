package otlp

import (
	"math"

	"github.com/freshet-dev/freshet/ingest"
)

// maxDepth is how many messages of attribute values may lie within each other. It is pdata's limit; a list counts
// twice (value, list), a map three times (value, map, entry).
const maxDepth = 100

// attrRun collects the attributes of a message. The first occurrence of a message uses the arena; those of a repeated
// one, which no usual producer sends, are merged as pdata does, with plain appends.
type attrRun struct {
	slab *ingest.Slab[ingest.Attr]
	run  []ingest.Attr
	heap bool
}

func (d *decoder) attrs(have ingest.Attrs) attrRun {
	if len(have) > 0 {
		return attrRun{run: have, heap: true}
	}
	return attrRun{slab: &d.arena.Attrs, run: d.arena.Attrs.Run()}
}

func (r *attrRun) add() *ingest.Attr {
	if r.heap {
		r.run = append(r.run, ingest.Attr{})
	} else {
		r.run = r.slab.Extend(r.run)
	}
	return &r.run[len(r.run)-1]
}

func (r *attrRun) done() ingest.Attrs {
	if r.heap {
		return r.run
	}
	return r.slab.Keep(r.run)
}

// resource reads a Resource into r.
func (d *decoder) resource(b []byte, r *ingest.Resource) bool {
	run := d.attrs(r.Attributes)
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "resource")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
			if !d.attribute(f.data, run.add()) {
				return false
			}
		case f.num == 2 && f.typ == varintType: // dropped_attributes_count
		case f.num == 3 && f.typ == bytesType:
			if !d.entityRef(f.data) {
				return false
			}
		case f.num <= 3:
			return d.wrongType(&f, at, "resource")
		}
	}
	r.Attributes = run.done()
	return true
}

// entityRef checks an EntityRef: four strings.
func (d *decoder) entityRef(b []byte) bool {
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "entity reference")
		}
		if f.num <= 4 && f.typ != bytesType {
			return d.wrongType(&f, at, "entity reference")
		}
	}
	return true
}

// scope reads an InstrumentationScope into s.
func (d *decoder) scope(b []byte, s *ingest.Scope) bool {
	run := d.attrs(s.Attributes)
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "scope")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
			s.Name = text(f.data)
		case f.num == 2 && f.typ == bytesType:
			s.Version = text(f.data)
		case f.num == 3 && f.typ == bytesType:
			if !d.attribute(f.data, run.add()) {
				return false
			}
		case f.num == 4 && f.typ == varintType: // dropped_attributes_count
		case f.num <= 4:
			return d.wrongType(&f, at, "scope")
		}
	}
	s.Attributes = run.done()
	return true
}

// The tags of the first two fields of a KeyValue, its key and its value, and of the first of an AnyValue, a text.
const (
	keyTag   = 1<<3 | bytesType
	valueTag = 2<<3 | bytesType
	textTag  = 1<<3 | bytesType
)

// attribute reads a KeyValue that is an attribute into a.
//
// Nearly all are a key and a value, each shorter than 128 bytes: the key first, as SDKs write it, or the value, as the
// Collector does. Any other is read field by field.
func (d *decoder) attribute(b []byte, a *ingest.Attr) bool {
	if len(b) < 4 || b[1] >= 0x80 || int(b[1]) > len(b)-4 {
		return d.keyValue(b, a)
	}
	end := 2 + int(b[1])
	first, second := b[2:end], b[end+2:]
	if b[end+1] >= 0x80 || int(b[end+1]) != len(second) {
		return d.keyValue(b, a)
	}
	switch {
	case b[0] == valueTag && b[end] == keyTag:
		a.Key, b = text(second), first
	case b[0] == keyTag && b[end] == valueTag:
		a.Key, b = text(first), second
	default:
		return d.keyValue(b, a)
	}
	if len(b) >= 2 && b[0] == textTag && b[1] < 0x80 && int(b[1]) == len(b)-2 {
		a.Value = ingest.StringValue(text(b[2:]))
		return true
	}
	a.Value = ingest.Value{}
	return d.anyValue(b, 1, &a.Value)
}

// keyValue reads an attribute field by field.
func (d *decoder) keyValue(b []byte, a *ingest.Attr) bool {
	*a = ingest.Attr{}
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "attribute")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
			a.Key = text(f.data)
		case f.num == 2 && f.typ == bytesType:
			if !d.anyValue(f.data, 1, &a.Value) {
				return false
			}
		case f.num == 3 && f.typ == varintType: // key_strindex, of profiles only
		case f.num <= 3:
			return d.wrongType(&f, at, "attribute")
		}
	}
	return true
}

// anyValue reads an AnyValue that lies within depth others; v keeps its value when the message sets none.
func (d *decoder) anyValue(b []byte, depth int, v *ingest.Value) bool {
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "value")
		}
		switch f.num {
		case 1:
			if f.typ != bytesType {
				return d.wrongType(&f, at, "value")
			}
			*v = ingest.StringValue(text(f.data))
		case 2:
			if f.typ != varintType {
				return d.wrongType(&f, at, "value")
			}
			*v = ingest.BoolValue(f.number != 0)
		case 3:
			if f.typ != varintType {
				return d.wrongType(&f, at, "value")
			}
			*v = ingest.IntValue(int64(f.number))
		case 4:
			if f.typ != fixed64Type {
				return d.wrongType(&f, at, "value")
			}
			*v = ingest.DoubleValue(math.Float64frombits(f.number))
		case 5, 6:
			if f.typ != bytesType {
				return d.wrongType(&f, at, "value")
			}
			d.json = d.json[:0]
			if f.num == 5 {
				if !d.list(f.data, depth+1) {
					return false
				}
				*v = ingest.ListValue(d.arena.Text(d.json))
			} else {
				if !d.entries(f.data, depth+1) {
					return false
				}
				*v = ingest.MapValue(d.arena.Text(d.json))
			}
		case 7:
			if f.typ != bytesType {
				return d.wrongType(&f, at, "value")
			}
			*v = ingest.BytesValue(text(f.data))
		case 8: // string_value_strindex, of profiles only
			if f.typ != varintType {
				return d.wrongType(&f, at, "value")
			}
			*v = ingest.Value{}
		}
	}
	return true
}
