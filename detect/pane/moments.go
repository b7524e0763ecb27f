package pane

import "math"

// Values beyond these magnitudes count as infinite, in the sum and in the sum of squares: within them neither a sum of
// 2^52 values nor the arithmetic of Variance can overflow, so the order of additions never shows.
const (
	hugeValue  = 0x1p960
	hugeSquare = 0x1p450
)

// Moments is the count, the exact sum and the exact sum of squares of numbers, for sums, averages and deviations.
type Moments struct {
	N       uint64
	sum     expansion
	squares expansion
	// How many values were too large to add, by sign, and how many to square.
	posInf, negInf, hugeSquares uint64
}

// Kind implements Aggregate.
func (m *Moments) Kind() Kind { return KindMoments }

// Add takes a number. NaN is a missing value and is skipped. A square below the least double counts as zero.
func (m *Moments) Add(x float64) {
	if x != x {
		return
	}
	m.N++
	switch {
	case x >= hugeValue:
		m.posInf++
	case x <= -hugeValue:
		m.negInf++
	default:
		m.sum = m.sum.grow(x)
	}
	if math.Abs(x) >= hugeSquare {
		m.hugeSquares++
		return
	}
	m.squares = m.squares.growProduct(x, x)
}

// Reset implements Aggregate.
func (m *Moments) Reset() {
	*m = Moments{sum: m.sum[:0], squares: m.squares[:0]}
}

// Empty implements Aggregate.
func (m *Moments) Empty() bool { return m.N == 0 }

// Merge implements Aggregate.
func (m *Moments) Merge(from Aggregate) {
	o := from.(*Moments)
	m.N += o.N
	m.posInf += o.posInf
	m.negInf += o.negInf
	m.hugeSquares += o.hugeSquares
	for _, c := range o.sum {
		m.sum = m.sum.grow(c)
	}
	for _, c := range o.squares {
		m.squares = m.squares.grow(c)
	}
}

// Subtract implements Invertible.
func (m *Moments) Subtract(from Aggregate) {
	o := from.(*Moments)
	m.N -= o.N
	m.posInf -= o.posInf
	m.negInf -= o.negInf
	m.hugeSquares -= o.hugeSquares
	for _, c := range o.sum {
		m.sum = m.sum.grow(-c)
	}
	for _, c := range o.squares {
		m.squares = m.squares.grow(-c)
	}
}

// Sum returns the sum, rounded once; 0 when empty, NaN when infinities of both signs were taken.
func (m *Moments) Sum() float64 {
	switch {
	case m.posInf > 0 && m.negInf > 0:
		return math.NaN()
	case m.posInf > 0:
		return math.Inf(1)
	case m.negInf > 0:
		return math.Inf(-1)
	}
	return m.sum.round()
}

// Average returns the sum divided by the count, NaN when empty.
func (m *Moments) Average() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return m.Sum() / float64(m.N)
}

// Deviation returns the standard deviation of the values as a whole population, NaN when empty or not finite. The
// difference n·Σx² − (Σx)² is taken exactly, so that values far from zero lose nothing.
func (m *Moments) Deviation() float64 {
	if m.N == 0 || m.posInf > 0 || m.negInf > 0 || m.hugeSquares > 0 {
		return math.NaN()
	}
	n := float64(m.N)
	var room [16]float64
	diff := expansion(room[:0])
	for _, q := range m.squares {
		diff = diff.growProduct(n, q)
	}
	for _, a := range m.sum {
		for _, b := range m.sum {
			diff = diff.growProduct(-a, b)
		}
	}
	return math.Sqrt(max(diff.round(), 0)) / n
}

const (
	momentsPlain = 0 // no huge values follow
	momentsHuge  = 1 // three counts follow
)

// Append implements Aggregate.
func (m *Moments) Append(b []byte) []byte {
	b = appendUvarint(b, m.N)
	if m.N == 0 {
		return b
	}
	b = m.sum.appendTo(b)
	b = m.squares.appendTo(b)
	if m.posInf == 0 && m.negInf == 0 && m.hugeSquares == 0 {
		return append(b, momentsPlain)
	}
	b = append(b, momentsHuge)
	b = appendUvarint(b, m.posInf)
	b = appendUvarint(b, m.negInf)
	return appendUvarint(b, m.hugeSquares)
}

// Decode implements Aggregate.
func (m *Moments) Decode(b []byte) ([]byte, error) {
	m.Reset()
	rest, err := m.decode(b)
	if err != nil {
		m.Reset()
	}
	return rest, err
}

func (m *Moments) decode(b []byte) (_ []byte, err error) {
	if m.N, b, err = readUvarint(b); err != nil || m.N == 0 {
		return b, err
	}
	if m.sum, b, err = m.sum.decodeFrom(b, 0x1p1020); err != nil {
		return nil, err
	}
	if m.squares, b, err = m.squares.decodeFrom(b, 0x1p960); err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, errShort("moments")
	}
	huge := b[0]
	b = b[1:]
	switch huge {
	case momentsPlain:
		return b, nil
	case momentsHuge:
		for _, n := range []*uint64{&m.posInf, &m.negInf, &m.hugeSquares} {
			if *n, b, err = readUvarint(b); err != nil {
				return nil, err
			}
		}
		return b, nil
	default:
		return nil, faultf("moments with flag %d, expected 0 or 1", huge)
	}
}
