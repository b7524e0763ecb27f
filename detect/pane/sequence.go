package pane

import "slices"

// MaxEarlier bounds the records of a Sequence that may come before others: the earliest ones are kept.
const MaxEarlier = 4096

// Sequence is what one pane knows of records that come before others: where the former stand, and the last of the latter.
type Sequence struct {
	earlier []Place // sorted
	last    Place
	ended   bool // there is a last
}

// Kind implements Aggregate.
func (s *Sequence) Kind() Kind { return KindSequence }

// Add takes a record that may come before others.
func (s *Sequence) Add(at Place) {
	i, found := slices.BinarySearchFunc(s.earlier, at, Place.Compare)
	if found || i >= MaxEarlier {
		return
	}
	s.earlier = slices.Insert(s.earlier, i, at)
	s.earlier = s.earlier[:min(len(s.earlier), MaxEarlier)]
}

// End takes a record that others may come before.
func (s *Sequence) End(at Place) {
	if !s.ended || at.Compare(s.last) > 0 {
		s.last, s.ended = at, true
	}
}

// Before returns how many records come before the last one, and how many there are.
func (s *Sequence) Before() Before {
	b := Before{Total: uint64(len(s.earlier)), Ended: s.ended}
	if s.ended {
		i, _ := slices.BinarySearchFunc(s.earlier, s.last, Place.Compare)
		b.N = uint64(i)
	}
	return b
}

// Reset implements Aggregate.
func (s *Sequence) Reset() { *s = Sequence{earlier: s.earlier[:0]} }

// Empty implements Aggregate.
func (s *Sequence) Empty() bool { return len(s.earlier) == 0 && !s.ended }

// Merge implements Aggregate.
func (s *Sequence) Merge(from Aggregate) {
	o := from.(*Sequence)
	for _, at := range o.earlier {
		s.Add(at)
	}
	if o.ended {
		s.End(o.last)
	}
}

// Append implements Aggregate.
func (s *Sequence) Append(b []byte) []byte {
	b = appendUvarint(b, uint64(len(s.earlier))<<1|uint64(b2i(s.ended)))
	for _, at := range s.earlier {
		b = at.append(b)
	}
	if s.ended {
		b = s.last.append(b)
	}
	return b
}

// Decode implements Aggregate.
func (s *Sequence) Decode(b []byte) ([]byte, error) {
	s.Reset()
	rest, err := s.decode(b)
	if err != nil {
		s.Reset()
	}
	return rest, err
}

func (s *Sequence) decode(b []byte) (_ []byte, err error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	if n>>1 > MaxEarlier {
		return nil, faultf("sequence of %d records, expected at most %d", n>>1, MaxEarlier)
	}
	for range n >> 1 {
		var at Place
		if b, err = at.decode(b); err != nil {
			return nil, err
		}
		s.Add(at)
	}
	if n&1 != 0 {
		s.ended = true
		b, err = s.last.decode(b)
	}
	return b, err
}

// Before is how many records of a window come before the last one of another kind. It is merged in order of time: what is
// merged into it lies after it.
type Before struct {
	// Total are all records that may come before another, N those that come before the last of those.
	Total, N uint64
	// Ended: there is such a last one.
	Ended bool
}

// Kind implements Aggregate.
func (x *Before) Kind() Kind { return KindBefore }

// Reset implements Aggregate.
func (x *Before) Reset() { *x = Before{} }

// Empty implements Aggregate.
func (x *Before) Empty() bool { return x.Total == 0 && !x.Ended }

// Merge implements Aggregate.
func (x *Before) Merge(from Aggregate) {
	o := from.(*Before)
	if o.Ended {
		x.N, x.Ended = x.Total+o.N, true
	}
	x.Total += o.Total
}

// Append implements Aggregate.
func (x *Before) Append(b []byte) []byte {
	b = appendUvarint(b, x.Total)
	b = appendUvarint(b, x.N)
	return append(b, byte(b2i(x.Ended)))
}

// Decode implements Aggregate.
func (x *Before) Decode(b []byte) (_ []byte, err error) {
	x.Reset()
	var o Before
	if o.Total, b, err = readUvarint(b); err != nil {
		return nil, err
	}
	if o.N, b, err = readUvarint(b); err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] > 1 || o.N > o.Total || b[0] == 0 && o.N > 0 {
		return nil, faultf("sequence of %d records, %d of them before another", o.Total, o.N)
	}
	o.Ended = b[0] == 1
	*x = o
	return b[1:], nil
}
