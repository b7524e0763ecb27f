// Package window slides windows over the closed panes of a group.
//
// A Window keeps its panes in buckets, encoded, oldest first, in a Log. What enters at its new end is merged into
// Totals, what leaves at its old end is taken out again. Aggregates that cannot be taken out of (extremes, distinct
// values) are kept in two stacks. Either way the cost of a step does not grow with the length of the window.
//
// Nor does the memory: up to MaxBuckets steps each bucket is one pane and the window is exact. In a longer one a bucket
// is the merge of a whole number of panes, aligned in time. The new end of the window is exact still; its old end
// is rounded outward to the start of a bucket, so that it covers up to 1/512 (0.2 %) more than was asked for. Where it
// begins depends on nothing but the step and the length.
//
// A History keeps one number per step, for what looks back at earlier windows; it is rounded in the same way.
package window

import (
	"encoding/binary"
	"math"

	"github.com/freshet-dev/freshet/detect/pane"
)

// MaxBuckets bounds the buckets of a window, but for the one that is cut by its end.
const MaxBuckets = 1024

// Width returns how many steps a bucket holds when at most so many buckets are to cover so many steps: the least power
// of two. Powers of two make the windows of one rule share their bucket boundaries.
func Width(steps, buckets int64) int64 {
	width := int64(1)
	for width*buckets < steps {
		width *= 2
	}
	return width
}

// Shape is what the windows of one length and rule have in common. It is used by one goroutine.
type Shape struct {
	// Length is what was asked for and Width the length of a bucket, both in steps.
	Length, Width int64
	// Interval is the length of a step in nanoseconds. It is set where the first record of the window is to be known.
	Interval int64

	aggregates []int // which ones of a pane
	kinds      []pane.Kind
	// room for a bucket that is read or written
	bucket []pane.Aggregate
	bytes  []byte
}

// NewShape returns the shape of windows of a length, without aggregates yet.
func NewShape(length int64) *Shape {
	return &Shape{Length: length, Width: Width(length, MaxBuckets)}
}

// Add makes the windows sum up one of the aggregates of a pane, and returns its number in them.
func (s *Shape) Add(aggregate int, k pane.Kind) (int, error) {
	for i, have := range s.aggregates {
		if have == aggregate {
			return i, nil
		}
	}
	a, err := pane.New(k)
	if err != nil {
		return 0, err
	}
	s.aggregates = append(s.aggregates, aggregate)
	s.kinds = append(s.kinds, k)
	s.bucket = append(s.bucket, a)
	return len(s.aggregates) - 1, nil
}

// Empty returns empty aggregates, to measure a window with.
func (s *Shape) Empty() []pane.Aggregate {
	out := make([]pane.Aggregate, len(s.kinds))
	for i, k := range s.kinds {
		// Add has checked the kinds.
		out[i], _ = pane.New(k)
	}
	return out
}

// Start returns the first pane of the window that ends before a step: length or up to width−1 more steps back.
func (s *Shape) Start(step int64) int64 { return s.bucketOf(step-s.Length) * s.Width }

// Reach returns the most steps that a window may cover.
func (s *Shape) Reach() int64 { return s.Length + s.Width - 1 }

func (s *Shape) bucketOf(index int64) int64 { return floorDiv(index, s.Width) }

// Window is the panes of one group within one length, and the aggregates over them. It begins with Shape.New.
type Window struct {
	log    Log
	totals []Total
}

// New returns an empty window.
func (s *Shape) New() Window {
	w := Window{totals: make([]Total, len(s.kinds))}
	for i, k := range s.kinds {
		// Add has checked the kinds.
		w.totals[i], _ = NewTotal(k)
	}
	return w
}

// Push takes the newest pane. The error is that of a bucket that cannot be decoded.
func (w *Window) Push(s *Shape, index int64, p *pane.Pane) error {
	number := s.bucketOf(index)
	first := s.first(number, &p.Evidence)
	for i, n := range s.aggregates {
		w.totals[i].Push(number, p.Aggregates[n])
	}
	newest, payload, ok := w.log.Newest()
	if !ok || newest < number {
		s.bytes = binary.AppendUvarint(s.bytes[:0], first)
		for _, n := range s.aggregates {
			s.bytes = p.Aggregates[n].Append(s.bytes)
		}
		w.log.Push(number, s.bytes)
		return nil
	}
	before, err := s.decode(payload)
	if err != nil {
		return err
	}
	// Panes come in order, so an earlier one has the earlier records.
	if before > 0 {
		first = before
	}
	s.bytes = binary.AppendUvarint(s.bytes[:0], first)
	for i, n := range s.aggregates {
		s.bucket[i].Merge(p.Aggregates[n])
		s.bytes = s.bucket[i].Append(s.bytes)
	}
	w.log.Amend(s.bytes)
	return nil
}

// Slide takes out what is too old for the window that ends before a step. Steps only grow.
func (w *Window) Slide(s *Shape, step int64) error {
	start := s.bucketOf(step - s.Length)
	front := w.log.Front()
	for {
		number, payload, after, ok := w.log.Next(front)
		if !ok || number >= start {
			break
		}
		if _, err := s.decode(payload); err != nil {
			return err
		}
		for i, t := range w.totals {
			t.Pop(number, s.bucket[i])
		}
		front = after
	}
	w.log.Trim(front)
	return nil
}

// Measure sets dst, made by Shape.Empty, to the aggregates over the window that ends before a step, which is that of
// the last Slide or a later one, as far as its panes are here. The window stays as it is.
func (w *Window) Measure(s *Shape, step int64, dst []pane.Aggregate) error {
	start := s.bucketOf(step - s.Length)
	for i, t := range w.totals {
		dst[i].Reset()
		t.From(start, dst[i])
	}
	for c := w.log.Front(); ; {
		number, payload, after, ok := w.log.Next(c)
		if !ok || number >= start {
			return nil
		}
		if _, err := s.decode(payload); err != nil {
			return err
		}
		for i, a := range dst {
			if held, ok := a.(pane.Invertible); ok {
				held.Subtract(s.bucket[i])
			}
		}
		c = after
	}
}

// Merge adds to aggregates that Measure has set those of a pane that is not in the window yet, if it belongs there.
func (s *Shape) Merge(dst []pane.Aggregate, step, index int64, p *pane.Pane) {
	if index < s.Start(step) {
		return
	}
	for i, n := range s.aggregates {
		dst[i].Merge(p.Aggregates[n])
	}
}

// First returns the time of the first record in the window that ends before a step, 0 when there is none.
func (w *Window) First(s *Shape, step int64) int64 {
	start := s.bucketOf(step - s.Length)
	for c := w.log.Front(); ; {
		number, payload, after, ok := w.log.Next(c)
		if !ok {
			return 0
		}
		if first, _ := binary.Uvarint(payload); first > 0 && number >= start {
			return number*s.Width*s.Interval + int64(first-1)
		}
		c = after
	}
}

// Append appends the encoding of the buckets from a number on and before another.
func (w *Window) Append(b []byte, from, to int64) []byte { return w.log.Append(b, from, to) }

// Decode appends the buckets of an encoding at the start of b and returns the bytes after it. When all are here, Restore
// completes the window.
func (w *Window) Decode(b []byte) (rest []byte, err error) { return w.log.Decode(b) }

// Restore makes a window that was decoded what it was at a step. It fails where the buckets are not those of such a
// window, and nothing can fail later.
func (w *Window) Restore(s *Shape, step int64) error {
	if newest, _, ok := w.log.Newest(); ok && newest > s.bucketOf(step-1) {
		return faultf("bucket %d is not over at step %d", newest, step)
	}
	start := s.bucketOf(step - s.Length)
	front := w.log.Front()
	for c := front; ; {
		number, payload, after, ok := w.log.Next(c)
		if !ok {
			break
		}
		if _, err := s.decode(payload); err != nil {
			return err
		}
		if c = after; number < start {
			front = after
			continue
		}
		for i, t := range w.totals {
			t.Push(number, s.bucket[i])
		}
	}
	w.log.Trim(front)
	return nil
}

// A bucket is encoded as the time of its first record, as its distance from the start of the bucket plus one (0: none,
// or not to be known), followed by the aggregates.

func (s *Shape) first(number int64, e *pane.Evidence) uint64 {
	if e.Records == 0 || s.Interval == 0 {
		return 0
	}
	return uint64(e.First-number*s.Width*s.Interval) + 1
}

// decode reads a bucket into the shape's room.
func (s *Shape) decode(b []byte) (first uint64, err error) {
	first, n := binary.Uvarint(b)
	if n <= 0 || first > math.MaxInt64 {
		return 0, faultf("bucket without the time of its first record")
	}
	b = b[n:]
	for _, a := range s.bucket {
		if b, err = a.Decode(b); err != nil {
			return 0, err
		}
	}
	if len(b) > 0 {
		return 0, faultf("bucket with %d bytes too many", len(b))
	}
	return first, nil
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
