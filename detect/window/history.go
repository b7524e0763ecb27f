package window

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// MaxNumbers bounds the numbers of a History, but for two.
const MaxNumbers = 4096

// Spacing says at which steps a History keeps a number, for looks that go back so many steps. Up to MaxNumbers it is
// all of them. For longer ones it is every second, fourth, … one, and the nearest of them stands for a step: it is off
// by at most 1/4096 of what the look goes back.
type Spacing struct {
	// Width is the distance of the steps, which are its multiples.
	Width int64
	// Numbers is how many are kept.
	Numbers int
}

// NewSpacing returns the spacing for looks that go back so many steps, at least one.
func NewSpacing(back int64) Spacing {
	width := Width(back, MaxNumbers)
	if width == 1 {
		return Spacing{1, int(back)}
	}
	return Spacing{width, int(back/width) + 2}
}

// Nearest returns the kept step that stands for one.
func (s Spacing) Nearest(step int64) int64 { return floorDiv(step+s.Width/2, s.Width) * s.Width }

// History keeps one number per step, the newest ones up to a length: what a rule needs of windows that lie back, at
// eight bytes a step instead of a pane. With a Spacing, its steps are numbered by how many widths they are. The zero
// value is empty.
type History struct {
	ring []float64 // once full, the oldest stands at next
	next int
	last int64 // the newest step
}

// Len returns how many steps are held.
func (h *History) Len() int { return len(h.ring) }

// Last returns the newest step; ok is false when none is held.
func (h *History) Last() (step int64, ok bool) { return h.last, len(h.ring) > 0 }

// Push appends the number of a step and forgets what is older than length steps. When the step does not follow the
// last one, the history starts anew.
func (h *History) Push(step int64, x float64, length int) {
	if length <= 0 {
		return
	}
	if len(h.ring) > 0 && step != h.last+1 {
		h.ring, h.next = h.ring[:0], 0
	}
	h.last = step
	if len(h.ring) < length {
		h.ring = append(h.ring, x)
		return
	}
	h.ring[h.next] = x
	h.next = (h.next + 1) % len(h.ring)
}

// At returns the number of a step; ok is false when it is not held.
func (h *History) At(step int64) (x float64, ok bool) {
	back := h.last - step
	if back < 0 || back >= int64(len(h.ring)) {
		return math.NaN(), false
	}
	i := h.next - 1 - int(back)
	if i < 0 {
		i += len(h.ring)
	}
	return h.ring[i], true
}

// Append appends the encoding of the numbers of the steps after one and up to another, as far as they are held. A
// number that equals the one before it takes one byte, a small whole one two or three.
func (h *History) Append(b []byte, after, to int64) []byte {
	first := max(after+1, h.last-int64(len(h.ring))+1)
	to = min(to, h.last)
	if first > to || len(h.ring) == 0 {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(to-first+1))
	b = binary.AppendVarint(b, first)
	before := uint64(0)
	for step := first; step <= to; step++ {
		x, _ := h.At(step)
		now := math.Float64bits(x)
		b = binary.AppendUvarint(b, bits.ReverseBytes64(now^before))
		before = now
	}
	return b
}

// Decode pushes the numbers of an encoding at the start of b, keeping length steps, and returns the bytes after it.
func (h *History) Decode(b []byte, length int) ([]byte, error) {
	n, size := binary.Uvarint(b)
	// Each number takes a byte at least, so a count beyond that is no history.
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, faultf("history ends within its count")
	}
	b = b[size:]
	if n == 0 {
		return b, nil
	}
	first, size := binary.Varint(b)
	if size <= 0 {
		return nil, faultf("history ends within its step")
	}
	b = b[size:]
	before := uint64(0)
	for i := range int64(n) {
		x, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, faultf("history ends within a number")
		}
		b = b[size:]
		before ^= bits.ReverseBytes64(x)
		h.Push(first+i, math.Float64frombits(before), length)
	}
	return b, nil
}
