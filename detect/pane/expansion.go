package pane

import (
	"math"
	"slices"
)

// expansion is an exact sum of doubles: components that do not overlap, in order of increasing magnitude, none of them
// zero (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997). What it stands for does not depend on the order
// of additions, and so its rounded value does not either. Components must stay below 2^1023 in magnitude, which the
// callers see to by keeping huge terms out.
type expansion []float64

// twoSum returns a+b rounded and the exact error of the rounding.
func twoSum(a, b float64) (sum, err float64) {
	sum = a + b
	bv := sum - a
	av := sum - bv
	return sum, (a - av) + (b - bv)
}

// grow adds x.
func (e expansion) grow(x float64) expansion {
	if x == 0 {
		return e
	}
	n := 0
	for _, c := range e {
		sum, err := twoSum(x, c)
		if err != 0 {
			e[n] = err
			n++
		}
		x = sum
	}
	e = e[:n]
	if x != 0 {
		e = append(e, x)
	}
	return e
}

// growProduct adds a*b, whose error term an FMA gives exactly.
func (e expansion) growProduct(a, b float64) expansion {
	p := a * b
	return e.grow(math.FMA(a, b, -p)).grow(p)
}

// round returns the sum, rounded once to the nearest double, ties to even.
func (e expansion) round() float64 {
	n := len(e)
	if n == 0 {
		return 0
	}
	n--
	hi, lo := e[n], 0.0
	for n > 0 {
		n--
		x, y := hi, e[n]
		hi = x + y
		lo = y - (hi - x)
		if lo != 0 {
			break
		}
	}
	// The rest decides a tie that lo alone could not.
	if n > 0 && (lo < 0) == (e[n-1] < 0) && lo != 0 {
		y := lo * 2
		x := hi + y
		if y == x-hi {
			hi = x
		}
	}
	return hi
}

// canonical rewrites the components, using scratch, to the one form in which each is the rounded value of what the
// larger ones leave: equal sums then have equal components, largest first in the returned slice.
func (e expansion) canonical(scratch []float64) []float64 {
	rest := append(expansion(nil), e...)
	for len(rest) > 0 && len(scratch) < maxComponents {
		r := rest.round()
		scratch = append(scratch, r)
		rest = rest.grow(-r)
	}
	return scratch
}

// appendTo appends the canonical components, smallest first.
func (e expansion) appendTo(b []byte) []byte {
	switch len(e) {
	case 0:
		return append(b, 0)
	case 1:
		b = append(b, 1)
		return appendDouble(b, e[0])
	}
	var room [8]float64
	c := e.canonical(room[:0])
	b = append(b, byte(len(c)))
	for _, v := range slices.Backward(c) {
		b = appendDouble(b, v)
	}
	return b
}

// decodeFrom reads what appendTo wrote; components are added one by one, so that any bytes give a valid expansion.
func (e expansion) decodeFrom(b []byte, limit float64) (expansion, []byte, error) {
	e = e[:0]
	if len(b) == 0 {
		return e, nil, errShort("exact sum")
	}
	n := int(b[0])
	b = b[1:]
	if n > maxComponents {
		return e, nil, faultf("exact sum of %d components, at most %d are possible", n, maxComponents)
	}
	for range n {
		var x float64
		var err error
		if x, b, err = readDouble(b); err != nil {
			return e[:0], nil, err
		}
		if !(math.Abs(x) < limit) {
			return e[:0], nil, faultf("exact sum with a component of %g, expected less than %g", x, limit)
		}
		e = e.grow(x)
	}
	return e, b, nil
}

// maxComponents bounds the components of a canonical expansion: the 2098 bits of all doubles, 53 in each, rounded up.
const maxComponents = 48
