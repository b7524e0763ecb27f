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

// Append appends the encoding of the numbers of the last steps, from so many steps ago to so many steps ago: 1 is the
// newest, and to is excluded. A number that equals the one before it takes one byte.
func (z *ZScore) Append(b []byte, from, to int) []byte {
	from = min(from, len(z.ring))
	b = binary.AppendUvarint(b, uint64(max(from-to, 0)))
	before := uint64(0)
	for ago := from; ago > to; ago-- {
		now := math.Float64bits(z.ring[(z.next+len(z.ring)-ago)%len(z.ring)])
		b = binary.AppendUvarint(b, bits.ReverseBytes64(now^before))
		before = now
	}
	return b
}

// Decode adds the numbers of an encoding at the start of b as the newest ones and returns the bytes after it.
func (z *ZScore) Decode(b []byte) ([]byte, error) {
	n, size := binary.Uvarint(b)
	// Each number takes a byte at least, so a count beyond that is no history.
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, fmt.Errorf("%w: ends within its count", ErrState)
	}
	b = b[size:]
	z.stale = true
	before := uint64(0)
	for range n {
		step, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, fmt.Errorf("%w: ends within a number", ErrState)
		}
		b = b[size:]
		before ^= bits.ReverseBytes64(step)
		x := math.Float64frombits(before)
		if math.IsInf(x, 0) {
			x = math.NaN()
		}
		z.push(x)
	}
	return b, nil
}

// refresh sorts the numbers anew after a Decode.
func (z *ZScore) refresh() {
	z.stale = false
	z.sorted = z.sorted[:0]
	for _, x := range z.ring {
		if !math.IsNaN(x) {
			z.sorted = append(z.sorted, x)
		}
	}
	slices.Sort(z.sorted)
}
