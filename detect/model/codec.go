package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// ErrState is wrapped by the errors of an encoded model that cannot be read.
var ErrState = errors.New("model: bad state")

// Append appends the encoding of the history. A number that equals the one before it takes one byte.
func (z *ZScore) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(z.ring)))
	before := uint64(0)
	for i := range z.ring {
		now := math.Float64bits(z.ring[(z.next+i)%len(z.ring)])
		b = binary.AppendUvarint(b, bits.ReverseBytes64(now^before))
		before = now
	}
	return b
}

// Decode replaces the history by an encoding at the start of b and returns the bytes after it. Of one that is longer
// than the model's, the newest numbers are kept.
func (z *ZScore) Decode(b []byte) ([]byte, error) {
	z.ring, z.next, z.sorted = z.ring[:0], 0, z.sorted[:0]
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, fmt.Errorf("%w: ends within its count", ErrState)
	}
	b = b[size:]
	before := uint64(0)
	for i := range n {
		step, size := binary.Uvarint(b)
		if size <= 0 {
			z.ring = z.ring[:0]
			return nil, fmt.Errorf("%w: ends within a number", ErrState)
		}
		b = b[size:]
		before ^= bits.ReverseBytes64(step)
		x := math.Float64frombits(before)
		if math.IsInf(x, 0) {
			x = math.NaN()
		}
		if n-i <= uint64(z.length) {
			z.ring = append(z.ring, x)
		}
	}
	for _, x := range z.ring {
		if !math.IsNaN(x) {
			z.sorted = append(z.sorted, x)
		}
	}
	slices.Sort(z.sorted)
	return b, nil
}
