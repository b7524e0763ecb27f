package ingest

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// Arena is the memory that the records of a Batch point into. It grows in chunks that never move, so pointers, runs and
// texts taken from it stay valid until the next Reset, and a batch of the usual size allocates nothing.
type Arena struct {
	Attrs        Slab[Attr]
	Resources    Slab[Resource]
	Scopes       Slab[Scope]
	Points       Slab[Point]
	Exponentials Slab[Exponential]
	Counts       Slab[uint64]
	Bounds       Slab[float64]
	Quantiles    Slab[Quantile]
	text         Slab[byte]
}

// Reset makes all memory of the arena free for use again. What was taken from it before must not be used any more.
func (a *Arena) Reset() {
	a.Attrs.Reset()
	a.Resources.Reset()
	a.Scopes.Reset()
	a.Points.Reset()
	a.Exponentials.Reset()
	a.Counts.Reset()
	a.Bounds.Reset()
	a.Quantiles.Reset()
	a.text.Reset()
}

// Text returns a copy of b as a string that lives in the arena.
func (a *Arena) Text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	run := a.text.Take(len(b))
	copy(run, b)
	return unsafe.String(&run[0], len(run))
}

// Hex returns b as lower-case hexadecimal text that lives in the arena.
func (a *Arena) Hex(b []byte) string {
	text, _ := a.hex(b)
	return text
}

// ID returns a trace or span id as lower-case hexadecimal text that lives in the arena; an id of zeros only is no id
// and gives "".
func (a *Arena) ID(b []byte) string {
	text, bits := a.hex(b)
	if bits == 0 {
		return ""
	}
	return text
}

// hex returns b as text, and a number that is 0 when all of b is. It does eight bytes at a time: the ids would be a tenth
// of what a log costs if their digits were looked up one by one.
func (a *Arena) hex(b []byte) (text string, bits uint64) {
	if len(b) == 0 {
		return "", 0
	}
	run := a.text.Take(2 * len(b))
	out := run
	for len(b) >= 8 && len(out) >= 16 {
		x := binary.LittleEndian.Uint64(b)
		bits |= x
		binary.LittleEndian.PutUint64(out, hex4(uint32(x)))
		binary.LittleEndian.PutUint64(out[8:], hex4(uint32(x>>32)))
		b, out = b[8:], out[16:]
	}
	for i, c := range b {
		bits |= uint64(c)
		binary.LittleEndian.PutUint16(out[2*i:], uint16(hex4(uint32(c)))) // the digits of the first byte
	}
	return unsafe.String(&run[0], len(run)), bits
}

// hex4 returns the hexadecimal digits of four bytes, given and returned in little-endian order.
func hex4(bytes uint32) uint64 {
	const each = 0x0101010101010101
	x := uint64(bytes)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x>>4 | x<<8) & (0x0f * each) // half a byte in each
	letters := (x + 6*each) >> 4 & each
	return x + '0'*each + letters*('a'-'0'-10)
}

// Slab hands out elements of one type from chunks that never move. Elements that are built one by one form a run: Run
// opens it, Extend adds an element, Keep closes it; one run may be open at a time.
//
//	run := slab.Run()
//	run = slab.Extend(run)
//	run[len(run)-1] = element
//	kept := slab.Keep(run)
type Slab[T any] struct {
	chunks [][]T
	at     int // chunk in use
	used   int // elements of it handed out
}

const (
	firstChunk = 64       // elements of a slab's first chunk; each further chunk doubles what there is
	keptBytes  = 32 << 20 // memory that a slab keeps over a Reset, so that one huge message is not held for ever
)

// Reset makes all elements free for use again.
func (s *Slab[T]) Reset() {
	s.at, s.used = 0, 0
	var zero T
	left := keptBytes / max(1, int(unsafe.Sizeof(zero)))
	for i, c := range s.chunks {
		if left -= len(c); left < 0 {
			clear(s.chunks[i:])
			s.chunks = s.chunks[:i]
			return
		}
	}
}

// New returns a pointer to a zero element. No run may be open.
func (s *Slab[T]) New() *T {
	run := s.Take(1)
	var zero T
	run[0] = zero
	return &run[0]
}

// Take returns n elements with undefined content. No run may be open.
func (s *Slab[T]) Take(n int) []T {
	if s.at >= len(s.chunks) || s.used+n > len(s.chunks[s.at]) {
		s.room(n)
	}
	run := s.chunks[s.at][s.used : s.used+n : s.used+n]
	s.used += n
	return run
}

// Run opens an empty run.
func (s *Slab[T]) Run() []T {
	if s.at >= len(s.chunks) {
		return nil
	}
	return s.chunks[s.at][s.used:s.used]
}

// Extend adds one element with undefined content to the open run and returns the run, which may have moved.
func (s *Slab[T]) Extend(run []T) []T {
	if n := len(run); n < cap(run) {
		return run[:n+1]
	}
	return s.move(run)
}

// Keep closes the run and returns it with no capacity to spare; an empty run is nil.
func (s *Slab[T]) Keep(run []T) []T {
	if len(run) == 0 {
		return nil
	}
	s.used += len(run)
	return slices.Clip(run)
}

// move copies a full run to a chunk with room for twice as much and adds an element.
func (s *Slab[T]) move(run []T) []T {
	n := len(run)
	s.room(max(2*n, 8))
	moved := s.chunks[s.at][s.used : s.used+n+1]
	copy(moved, run)
	return moved
}

// room makes a chunk with n free elements the one in use.
func (s *Slab[T]) room(n int) {
	total := 0
	for i, c := range s.chunks {
		total += len(c)
		if i > s.at && len(c) >= n {
			s.at, s.used = i, 0
			return
		}
	}
	s.chunks = append(s.chunks, make([]T, max(n, total, firstChunk)))
	s.at, s.used = len(s.chunks)-1, 0
}
