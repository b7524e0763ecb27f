package model

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Change tells whether a number differs from the last one that there was. The zero value has seen none.
type Change struct {
	last float64
	// ago is how many steps ago the last number was, 0 before the first.
	ago int64
}

// Observe takes the number of a step, NaN where it is missing, and returns 1 when it differs from the last one, 0 when it
// does not, and NaN when either is missing: a last one of more than memory steps ago is forgotten.
func (c *Change) Observe(x float64, memory int64) float64 {
	if c.ago > 0 {
		c.ago++
	}
	if c.ago > memory+1 {
		c.ago = 0
	}
	if !isNumber(x) {
		return math.NaN()
	}
	before := *c
	c.last, c.ago = x, 1
	switch {
	case before.ago == 0:
		return math.NaN()
	case before.last != x:
		return 1
	default:
		return 0
	}
}

// Append appends the encoding.
func (c *Change) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.ago))
	if c.ago == 0 {
		return b
	}
	return appendNumber(b, 0, c.last)
}

// Decode reads an encoding at the start of b and returns the bytes after it.
func (c *Change) Decode(b []byte) ([]byte, error) {
	ago, b, err := decodeCount(b)
	if err != nil {
		return nil, err
	}
	if ago > math.MaxInt64/2 {
		return nil, fmt.Errorf("%w: a number of %d steps ago", ErrState, ago)
	}
	*c = Change{ago: int64(ago)}
	if ago > 0 {
		c.last, b, err = decodeNumber(b, 0)
	}
	return b, err
}
