package pane

// Min is the least of the numbers taken.
type Min struct{ extreme }

// Max is the greatest of the numbers taken.
type Max struct{ extreme }

// extreme is one number that may be absent.
type extreme struct {
	value float64
	taken bool
}

// Value returns the extreme; ok is false when none was taken.
func (e *extreme) Value() (x float64, ok bool) { return e.value, e.taken }

// Reset implements Aggregate.
func (e *extreme) Reset() { *e = extreme{} }

// Empty implements Aggregate.
func (e *extreme) Empty() bool { return !e.taken }

// Append implements Aggregate.
func (e *extreme) Append(b []byte) []byte {
	if !e.taken {
		return append(b, 0)
	}
	return appendDouble(append(b, 1), e.value)
}

// Decode implements Aggregate.
func (e *extreme) Decode(b []byte) (_ []byte, err error) {
	e.Reset()
	if len(b) == 0 {
		return nil, errShort("extreme")
	}
	flag := b[0]
	b = b[1:]
	switch flag {
	case 0:
		return b, nil
	case 1:
		if e.value, b, err = readDouble(b); err != nil {
			return nil, err
		}
		if e.value != e.value {
			e.Reset()
			return nil, faultf("extreme is not a number")
		}
		e.taken = true
		return b, nil
	default:
		return nil, faultf("extreme with flag %d, expected 0 or 1", flag)
	}
}

// Kind implements Aggregate.
func (m *Min) Kind() Kind { return KindMin }

// Add takes a number. NaN is a missing value and is skipped.
func (m *Min) Add(x float64) {
	// Adding 0 turns a negative zero into a positive one: which of two equal numbers came first must not show.
	if x+0 < m.value || (!m.taken && x == x) {
		m.value, m.taken = x+0, true
	}
}

// Merge implements Aggregate.
func (m *Min) Merge(from Aggregate) {
	if o := from.(*Min); o.taken {
		m.Add(o.value)
	}
}

// Kind implements Aggregate.
func (m *Max) Kind() Kind { return KindMax }

// Add takes a number. NaN is a missing value and is skipped.
func (m *Max) Add(x float64) {
	if x+0 > m.value || (!m.taken && x == x) {
		m.value, m.taken = x+0, true
	}
}

// Merge implements Aggregate.
func (m *Max) Merge(from Aggregate) {
	if o := from.(*Max); o.taken {
		m.Add(o.value)
	}
}
