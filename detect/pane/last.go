package pane

import "cmp"

// Place orders records of one time: by partition, then offset, then index in the message.
type Place struct {
	Time      int64 // by the rule's clock, of a point in its series its own; Unix nanoseconds
	Partition int32
	Offset    int64
	Index     int32
}

// Compare orders places by time, partition, offset and index.
func (p Place) Compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Time, o.Time), cmp.Compare(p.Partition, o.Partition),
		cmp.Compare(p.Offset, o.Offset), cmp.Compare(p.Index, o.Index))
}

func (p Place) append(b []byte) []byte {
	b = appendVarint(b, p.Time)
	b = appendVarint(b, int64(p.Partition))
	b = appendVarint(b, p.Offset)
	return appendVarint(b, int64(p.Index))
}

func (p *Place) decode(b []byte) (_ []byte, err error) {
	if p.Time, b, err = readVarint(b); err != nil {
		return nil, err
	}
	if p.Partition, b, err = readInt32(b); err != nil {
		return nil, err
	}
	if p.Offset, b, err = readVarint(b); err != nil {
		return nil, err
	}
	p.Index, b, err = readInt32(b)
	return b, err
}

// Last is the value of the record with the latest Place. The value is NaN when that record's is no number.
type Last struct {
	place Place
	value float64
	taken bool
}

// Kind implements Aggregate.
func (l *Last) Kind() Kind { return KindLast }

// Add takes the value of the record at a place.
func (l *Last) Add(at Place, x float64) {
	x += 0 // a negative zero equals a positive one
	c := at.Compare(l.place)
	// Two topics of one rule may hold records of equal places; the greater value then stands, whatever the order.
	if !l.taken || c > 0 || (c == 0 && (l.value != l.value || x > l.value)) {
		l.place, l.value, l.taken = at, x, true
	}
}

// Value returns the latest value; ok is false when none was taken.
func (l *Last) Value() (x float64, ok bool) { return l.value, l.taken }

// Reset implements Aggregate.
func (l *Last) Reset() { *l = Last{} }

// Empty implements Aggregate.
func (l *Last) Empty() bool { return !l.taken }

// Merge implements Aggregate.
func (l *Last) Merge(from Aggregate) {
	if o := from.(*Last); o.taken {
		l.Add(o.place, o.value)
	}
}

// Subtract implements Invertible: when the oldest values leave and the latest is among them, none is left.
func (l *Last) Subtract(from Aggregate) {
	if o := from.(*Last); o.taken && l.taken && o.place.Compare(l.place) >= 0 {
		l.Reset()
	}
}

// Append implements Aggregate.
func (l *Last) Append(b []byte) []byte {
	if !l.taken {
		return append(b, 0)
	}
	b = append(b, 1)
	b = l.place.append(b)
	return appendDouble(b, l.value)
}

// Decode implements Aggregate.
func (l *Last) Decode(b []byte) (_ []byte, err error) {
	l.Reset()
	if len(b) == 0 {
		return nil, errShort("last value")
	}
	flag := b[0]
	b = b[1:]
	switch flag {
	case 0:
		return b, nil
	case 1:
	default:
		return nil, faultf("last value with flag %d, expected 0 or 1", flag)
	}
	var o Last
	if b, err = o.place.decode(b); err != nil {
		return nil, err
	}
	if o.value, b, err = readDouble(b); err != nil {
		return nil, err
	}
	o.taken = true
	*l = o
	return b, nil
}
