package pane

// Count is the number of records taken.
type Count struct{ N uint64 }

// Kind implements Aggregate.
func (c *Count) Kind() Kind { return KindCount }

// Add takes one record.
func (c *Count) Add() { c.N++ }

// Reset implements Aggregate.
func (c *Count) Reset() { c.N = 0 }

// Empty implements Aggregate.
func (c *Count) Empty() bool { return c.N == 0 }

// Merge implements Aggregate.
func (c *Count) Merge(from Aggregate) { c.N += from.(*Count).N }

// Subtract implements Invertible.
func (c *Count) Subtract(from Aggregate) { c.N -= from.(*Count).N }

// Append implements Aggregate.
func (c *Count) Append(b []byte) []byte { return appendUvarint(b, c.N) }

// Decode implements Aggregate.
func (c *Count) Decode(b []byte) (rest []byte, err error) {
	c.N, rest, err = readUvarint(b)
	return rest, err
}
