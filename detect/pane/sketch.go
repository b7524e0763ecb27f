package pane

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// Accuracy is the relative error of a Sketch's quantiles.
const Accuracy = 0.01

// Sketch is a DDSketch: it counts the values in bins whose bounds grow by a constant factor, so a quantile is within
// Accuracy of a value of that rank. Counts are whole numbers, so that merging is exact and what was merged can be
// subtracted again; DataDog's own store counts in doubles and cannot give values back.
type Sketch struct {
	n        uint64
	zeros    uint64 // values nearer to zero than the least normal double
	positive bins
	negative bins
}

// The mapping has no state; all sketches share it.
var binMapping, _ = mapping.NewCubicallyInterpolatedMapping(Accuracy) //nolint:gochecknoglobals // constant

// Kind implements Aggregate.
func (s *Sketch) Kind() Kind { return KindSketch }

// Add takes a number. NaN is a missing value and is skipped; numbers too large for the mapping, infinite ones among
// them, count as the largest that it has (about 1e308).
func (s *Sketch) Add(x float64) {
	if x != x {
		return
	}
	s.n++
	switch a := math.Abs(x); {
	case a < binMapping.MinIndexableValue():
		s.zeros++
	case x > 0:
		s.positive.add(binMapping.Index(min(a, binMapping.MaxIndexableValue())), 1)
	default:
		s.negative.add(binMapping.Index(min(a, binMapping.MaxIndexableValue())), 1)
	}
}

// N returns how many values were taken.
func (s *Sketch) N() uint64 { return s.n }

// Quantile returns the value of rank q·(n−1), rounded down, for q from 0 to 1; NaN when empty.
func (s *Sketch) Quantile(q float64) float64 {
	if s.n == 0 || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	rank := uint64(q * float64(s.n-1))
	negatives := s.n - s.zeros - s.positive.total
	if rank < negatives {
		return -binMapping.Value(s.negative.at(negatives - 1 - rank))
	}
	rank -= negatives
	if rank < s.zeros {
		return 0
	}
	return binMapping.Value(s.positive.at(rank - s.zeros))
}

// Reset implements Aggregate.
func (s *Sketch) Reset() {
	s.n, s.zeros = 0, 0
	s.positive.reset()
	s.negative.reset()
}

// Empty implements Aggregate.
func (s *Sketch) Empty() bool { return s.n == 0 }

// Merge implements Aggregate.
func (s *Sketch) Merge(from Aggregate) {
	o := from.(*Sketch)
	s.n += o.n
	s.zeros += o.zeros
	s.positive.merge(&o.positive)
	s.negative.merge(&o.negative)
}

// Subtract implements Invertible.
func (s *Sketch) Subtract(from Aggregate) {
	o := from.(*Sketch)
	s.n -= o.n
	s.zeros -= o.zeros
	s.positive.subtract(&o.positive)
	s.negative.subtract(&o.negative)
}

// Append implements Aggregate.
func (s *Sketch) Append(b []byte) []byte {
	b = appendUvarint(b, s.zeros)
	b = s.positive.appendTo(b)
	return s.negative.appendTo(b)
}

// Decode implements Aggregate.
func (s *Sketch) Decode(b []byte) (_ []byte, err error) {
	s.Reset()
	zeros, b, err := readUvarint(b)
	if err == nil {
		b, err = s.positive.decodeFrom(b)
	}
	if err == nil {
		b, err = s.negative.decodeFrom(b)
	}
	if err != nil {
		s.Reset()
		return nil, err
	}
	s.zeros = zeros
	s.n = zeros + s.positive.total + s.negative.total
	return b, nil
}
