package model

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// ring holds the newest buckets of a measure's past by their numbers, which follow one another. Bucket n is made of the
// steps n·width+1 to (n+1)·width. The zero value is empty.
type ring[T any] struct {
	cells []T // once full, the oldest stands at next
	next  int
	last  int64 // number of the newest bucket
}

// open returns the newest bucket, which has the number given: a fresh one where it is not there yet. Of older buckets
// it keeps so many that there are length in all. When the number does not follow the last one, the past starts anew.
func (r *ring[T]) open(number int64, length int) (cell *T, fresh bool) {
	if cell := r.at(number); cell != nil && number == r.last {
		return cell, false
	}
	if len(r.cells) > 0 && number != r.last+1 {
		r.cells, r.next = r.cells[:0], 0
	}
	r.last = number
	if len(r.cells) < length {
		if len(r.cells) == cap(r.cells) { // never more room than can be filled
			r.cells = append(make([]T, 0, min(max(2*cap(r.cells), 8), length)), r.cells...)
		}
		var empty T
		r.cells = append(r.cells, empty)
		return &r.cells[len(r.cells)-1], true
	}
	cell = &r.cells[r.next]
	var empty T
	*cell = empty
	r.next = (r.next + 1) % len(r.cells)
	return cell, true
}

// at returns a bucket, nil when it is not held.
func (r *ring[T]) at(number int64) *T {
	back := r.last - number
	if back < 0 || back >= int64(len(r.cells)) {
		return nil
	}
	i := r.next - 1 - int(back)
	if i < 0 {
		i += len(r.cells)
	}
	return &r.cells[i]
}

// append appends the encoding of the buckets from a number on and before another, as far as they are held.
func (r *ring[T]) append(b []byte, from, to int64, cell func(b []byte, before, now *T) []byte) []byte {
	from = max(from, r.last-int64(len(r.cells))+1)
	to = min(to, r.last+1)
	if from >= to || len(r.cells) == 0 {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(to-from))
	b = binary.AppendVarint(b, from)
	before := new(T)
	for number := from; number < to; number++ {
		now := r.at(number)
		b = cell(b, before, now)
		before = now
	}
	return b
}

// decode adds the buckets of an encoding at the start of b, keeping length, and returns the bytes after it.
func (r *ring[T]) decode(b []byte, length int, cell func(b []byte, before, now *T) ([]byte, error)) ([]byte, error) {
	n, size := binary.Uvarint(b)
	// Each bucket takes a byte at least, so a count beyond that is no past.
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, fmt.Errorf("%w: ends within its count", ErrState)
	}
	b = b[size:]
	if n == 0 {
		return b, nil
	}
	first, size := binary.Varint(b)
	if size <= 0 || first > math.MaxInt64-int64(n) {
		return nil, fmt.Errorf("%w: ends within the number of a bucket", ErrState)
	}
	b = b[size:]
	var before T
	for i := range int64(n) {
		var now T
		var err error
		if b, err = cell(b, &before, &now); err != nil {
			return nil, err
		}
		to, _ := r.open(first+i, length)
		*to, before = now, now
	}
	return b, nil
}

// appendNumber appends a number; one that equals the one before it takes one byte, a small whole one two or three.
func appendNumber(b []byte, before, now float64) []byte {
	return binary.AppendUvarint(b, bits.ReverseBytes64(math.Float64bits(now)^math.Float64bits(before)))
}

func decodeNumber(b []byte, before float64) (now float64, rest []byte, err error) {
	x, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, fmt.Errorf("%w: ends within a number", ErrState)
	}
	return math.Float64frombits(math.Float64bits(before) ^ bits.ReverseBytes64(x)), b[size:], nil
}

func decodeCount(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, fmt.Errorf("%w: ends within a count", ErrState)
	}
	return n, b[size:], nil
}

// width returns how many steps a bucket holds when at most so many buckets are to cover so many steps: the least power
// of two.
func width(steps, buckets int64) int64 {
	w := int64(1)
	for w*buckets < steps {
		w *= 2
	}
	return w
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func isNumber(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
