package pane

import "cmp"

// MaxSamples is how many sample records an Evidence keeps.
const MaxSamples = 3

// MaxText is the greatest length, in bytes, of a sample's text and of its trace id.
const MaxText = 512

// Order compares two sources of an Evidence, given by the numbers that its owner handed out, by what does not depend
// on those numbers (topic, then partition). It decides between records of the same time. Where there is one source
// only, nil will do; it compares the numbers themselves.
type Order func(a, b uint32) int

// Sample is one matching record.
type Sample struct {
	Source uint32 // number of the source partition, given by the owner of the evidence
	Time   int64  // by the rule's clock, Unix nanoseconds
	Offset int64
	Index  int32
	Trace  []byte
	Text   []byte

	flushed bool
}

func (s *Sample) compare(o *Sample, order Order) int {
	c := cmp.Compare(s.Time, o.Time)
	if c == 0 && s.Source != o.Source {
		if order == nil {
			return cmp.Compare(s.Source, o.Source)
		}
		c = order(s.Source, o.Source)
	}
	return cmp.Or(c, cmp.Compare(s.Offset, o.Offset), cmp.Compare(s.Index, o.Index))
}

func (s *Sample) copyFrom(o *Sample) {
	s.Source, s.Time, s.Offset, s.Index, s.flushed = o.Source, o.Time, o.Offset, o.Index, o.flushed
	s.Trace = append(s.Trace[:0], o.Trace...)
	s.Text = append(s.Text[:0], o.Text...)
}

// Range is where records lie in one source, both ends included.
type Range struct {
	Source      uint32
	First, Last int64 // offsets
}

// Evidence says which records an aggregate was made of: how many, from when on, where they lie, and the first few.
type Evidence struct {
	// Records is how many were taken; First is the earliest time among them, 0 when there are none.
	Records uint64
	First   int64
	Ranges  []Range
	// Samples are the earliest records by (time, source, offset, index), at most MaxSamples, in that order.
	Samples []Sample
}

// Reset makes the evidence empty and keeps its memory.
func (e *Evidence) Reset() {
	*e = Evidence{Ranges: e.Ranges[:0], Samples: e.Samples[:0]}
}

// Flushed empties the evidence after it was written out, but remembers which samples were, so that only earlier ones
// are taken and written from now on.
func (e *Evidence) Flushed() {
	e.Records, e.First, e.Ranges = 0, 0, e.Ranges[:0]
	for i := range e.Samples {
		e.Samples[i].flushed = true
	}
}

// Add takes a record without keeping it as a sample.
func (e *Evidence) Add(source uint32, time, offset int64) {
	e.addTime(1, time)
	e.addRange(Range{Source: source, First: offset, Last: offset})
}

func (e *Evidence) addTime(records uint64, first int64) {
	if e.Records == 0 || first < e.First {
		e.First = first
	}
	e.Records += records
}

func (e *Evidence) addRange(r Range) {
	for i := range e.Ranges {
		if o := &e.Ranges[i]; o.Source == r.Source {
			o.First, o.Last = min(o.First, r.First), max(o.Last, r.Last)
			return
		}
	}
	e.Ranges = append(e.Ranges, r)
}

// Wants says whether a record of that time would be among the samples; it may say yes in vain for equal times.
func (e *Evidence) Wants(time int64) bool {
	return len(e.Samples) < MaxSamples || time < e.Samples[MaxSamples-1].Time
}

// Sample makes room for a sample at its place in the order and returns it, with all but Trace and Text filled; those
// two are empty but keep their memory. It returns nil when the record is not among the earliest or is there already.
func (e *Evidence) Sample(s Sample, order Order) *Sample {
	at := len(e.Samples)
	for at > 0 {
		c := s.compare(&e.Samples[at-1], order)
		if c == 0 {
			return nil
		}
		if c > 0 {
			break
		}
		at--
	}
	if at == MaxSamples {
		return nil
	}
	n := len(e.Samples)
	if n < MaxSamples {
		if n < cap(e.Samples) {
			e.Samples = e.Samples[:n+1]
		} else {
			e.Samples = append(e.Samples, Sample{})
		}
		n++
	}
	// The last one gives its memory to the new one.
	free := e.Samples[n-1]
	copy(e.Samples[at+1:n], e.Samples[at:n-1])
	s.Trace, s.Text = free.Trace[:0], free.Text[:0]
	e.Samples[at] = s
	return &e.Samples[at]
}

// SetSource says that all that the evidence holds came from one source.
func (e *Evidence) SetSource(source uint32) {
	for i := range e.Ranges {
		e.Ranges[i].Source = source
	}
	for i := range e.Samples {
		e.Samples[i].Source = source
	}
}

// Merge adds what from holds, which is unchanged.
func (e *Evidence) Merge(from *Evidence, order Order) {
	if from.Records > 0 {
		e.addTime(from.Records, from.First)
		for _, r := range from.Ranges {
			e.addRange(r)
		}
	}
	for i := range from.Samples {
		o := &from.Samples[i]
		if s := e.Sample(*o, order); s != nil {
			s.copyFrom(o)
		}
	}
}

// Append appends the encoding; times are written relative to base, the start of the pane. Samples that were written
// before (see Flushed) are left out.
func (e *Evidence) Append(b []byte, base int64) []byte {
	b = appendUvarint(b, e.Records)
	if e.Records > 0 {
		b = appendVarint(b, e.First-base)
		b = appendUvarint(b, uint64(len(e.Ranges)))
		for _, r := range e.Ranges {
			b = appendUvarint(b, uint64(r.Source))
			b = appendVarint(b, r.First)
			b = appendUvarint(b, uint64(r.Last-r.First))
		}
	}
	n := len(b)
	b = append(b, 0)
	for i := range e.Samples {
		s := &e.Samples[i]
		if s.flushed {
			continue
		}
		b[n]++
		b = appendUvarint(b, uint64(s.Source))
		b = appendVarint(b, s.Time-base)
		b = appendVarint(b, s.Offset)
		b = appendVarint(b, int64(s.Index))
		b = appendBytes(b, s.Trace)
		b = appendBytes(b, s.Text)
	}
	return b
}

// Decode replaces the content by an encoding at the start of b and returns the bytes after it.
func (e *Evidence) Decode(b []byte, base int64, order Order) ([]byte, error) {
	e.Reset()
	rest, err := e.decode(b, base, order)
	if err != nil {
		e.Reset()
	}
	return rest, err
}

func (e *Evidence) decode(b []byte, base int64, order Order) (_ []byte, err error) {
	if e.Records, b, err = readUvarint(b); err != nil {
		return nil, err
	}
	if e.Records > 0 {
		if b, err = e.decodeRanges(b, base); err != nil {
			return nil, err
		}
	}
	if len(b) == 0 {
		return nil, errShort("samples")
	}
	n := int(b[0])
	b = b[1:]
	if n > MaxSamples {
		return nil, faultf("%d samples, expected at most %d", n, MaxSamples)
	}
	for range n {
		var s Sample
		var trace, text []byte
		if s.Source, b, err = readUint32(b); err != nil {
			return nil, err
		}
		if s.Time, b, err = readVarint(b); err != nil {
			return nil, err
		}
		s.Time += base
		if s.Offset, b, err = readVarint(b); err != nil {
			return nil, err
		}
		if s.Index, b, err = readInt32(b); err != nil {
			return nil, err
		}
		if trace, b, err = readBytes(b, MaxText); err != nil {
			return nil, err
		}
		if text, b, err = readBytes(b, MaxText); err != nil {
			return nil, err
		}
		if kept := e.Sample(s, order); kept != nil {
			kept.Trace = append(kept.Trace, trace...)
			kept.Text = append(kept.Text, text...)
		}
	}
	return b, nil
}

func (e *Evidence) decodeRanges(b []byte, base int64) (_ []byte, err error) {
	if e.First, b, err = readVarint(b); err != nil {
		return nil, err
	}
	e.First += base
	var n uint64
	if n, b, err = readUvarint(b); err != nil {
		return nil, err
	}
	for range n {
		var r Range
		var length uint64
		if r.Source, b, err = readUint32(b); err != nil {
			return nil, err
		}
		if r.First, b, err = readVarint(b); err != nil {
			return nil, err
		}
		if length, b, err = readUvarint(b); err != nil {
			return nil, err
		}
		r.Last = r.First + int64(length)
		if r.Last < r.First {
			return nil, faultf("range of offsets from %d ends before it begins", r.First)
		}
		e.Ranges = append(e.Ranges, r)
	}
	return b, nil
}

// skipEvidence returns what follows an encoding at the start of b.
func skipEvidence(b []byte) (_ []byte, err error) {
	records, b, err := readUvarint(b)
	if err == nil && records > 0 {
		var ranges uint64
		if b, err = skipNumbers(b, 1); err == nil {
			ranges, b, err = readUvarint(b)
		}
		for ; err == nil && ranges > 0; ranges-- {
			b, err = skipNumbers(b, 3)
		}
	}
	if err == nil && len(b) == 0 {
		err = errShort("samples")
	}
	if err != nil {
		return nil, err
	}
	samples, b := b[0], b[1:]
	for ; err == nil && samples > 0; samples-- {
		if b, err = skipNumbers(b, 4); err == nil {
			_, b, err = readBytes(b, MaxText)
		}
		if err == nil {
			_, b, err = readBytes(b, MaxText)
		}
	}
	return b, err
}

// skipNumbers returns what follows n varints.
func skipNumbers(b []byte, n int) ([]byte, error) {
	for i, c := range b {
		if c >= 0x80 {
			continue
		}
		if n--; n == 0 {
			return b[i+1:], nil
		}
	}
	return nil, errShort("a number")
}
