// Package window slides windows over the closed panes of a group.
//
// A Log keeps the panes, encoded, oldest first. Each window of a rule walks along it with two cursors' worth of memory:
// what enters at its new end is merged into a Total, what leaves at its old end is taken out again. Aggregates that
// cannot be taken out of (extremes, distinct values) are kept in two stacks. Either way the cost of a step does not
// grow with the length of the window.
package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrLog is wrapped by the errors of an encoded log that cannot be read.
var ErrLog = errors.New("window: bad log of panes")

// Log is a list of closed panes by number, oldest first, with gaps where nothing came. The zero value is empty.
type Log struct {
	buf   []byte
	head  uint32 // where the oldest entry begins
	count uint32
	base  int64 // the number that the oldest entry's distance is counted from
	last  int64 // the number of the newest entry, also after it was trimmed
}

// Len returns how many panes are held.
func (l *Log) Len() int { return int(l.count) }

// Last returns the number of the newest pane that was ever pushed, 0 before the first.
func (l *Log) Last() int64 { return l.last }

// Push appends a pane. Its number must be greater than that of the pane before. A push to an empty log starts it anew:
// all cursors must then be set to Front.
func (l *Log) Push(index int64, payload []byte) {
	if l.count == 0 {
		l.buf, l.head, l.base, l.last = l.buf[:0], 0, index-1, index-1
	}
	l.buf = binary.AppendUvarint(l.buf, uint64(index-l.last))
	l.buf = binary.AppendUvarint(l.buf, uint64(len(payload)))
	l.buf = append(l.buf, payload...)
	l.last = index
	l.count++
}

// Skip says that panes up to a number were pushed and trimmed before. The log must be empty.
func (l *Log) Skip(index int64) { l.last = index }

// Cursor is a place in a Log, before one of its entries or at its end.
type Cursor struct {
	pos  int
	base int64 // number that the next entry's distance is counted from
}

// Front returns the cursor before the oldest pane.
func (l *Log) Front() Cursor { return Cursor{int(l.head), l.base} }

// Next reads the pane after the cursor; ok is false at the end. The payload is valid until the next Push or Trim.
func (l *Log) Next(c Cursor) (index int64, payload []byte, after Cursor, ok bool) {
	if c.pos >= len(l.buf) {
		return 0, nil, c, false
	}
	step, n := binary.Uvarint(l.buf[c.pos:])
	size, m := binary.Uvarint(l.buf[c.pos+n:])
	from := c.pos + n + m
	index = c.base + int64(step)
	return index, l.buf[from : from+int(size)], Cursor{from + int(size), index}, true
}

// Trim drops the panes before a cursor and returns by how many bytes the others moved: every other cursor, which must
// stand at the same place or later, is to be Moved by it.
func (l *Log) Trim(c Cursor) (moved int) {
	for front := l.Front(); front.pos < c.pos; l.count-- {
		_, _, front, _ = l.Next(front)
	}
	l.head, l.base = uint32(c.pos), c.base
	// Moving only when a quarter is free makes the cost per pane constant.
	if c.pos < 16 || c.pos < len(l.buf)/4 {
		return 0
	}
	moved = c.pos
	rest := l.buf[c.pos:]
	if cap(l.buf) > 4*len(rest)+64 {
		l.buf = append(make([]byte, 0, len(rest)+len(rest)/4+16), rest...)
	} else {
		l.buf = l.buf[:copy(l.buf, rest)]
	}
	l.head = 0
	return moved
}

// Moved returns the cursor after a Trim that moved the panes by that many bytes.
func (c Cursor) Moved(by int) Cursor { return Cursor{c.pos - by, c.base} }

// Append appends the encoding of the panes from a number on and before another.
func (l *Log) Append(b []byte, from, to int64) []byte {
	start := l.Front()
	for {
		index, _, after, ok := l.Next(start)
		if !ok || index >= from {
			break
		}
		start = after
	}
	end, n := start, 0
	for {
		index, _, after, ok := l.Next(end)
		if !ok || index >= to {
			break
		}
		end, n = after, n+1
	}
	b = binary.AppendUvarint(b, uint64(n))
	if n == 0 {
		return b
	}
	b = binary.AppendVarint(b, start.base)
	b = binary.AppendUvarint(b, uint64(end.pos-start.pos))
	return append(b, l.buf[start.pos:end.pos]...)
}

// Decode appends the panes of an encoding at the start of b, all of which must be newer than Last, and returns the
// bytes after it. After an error the log is empty.
func (l *Log) Decode(b []byte) (rest []byte, err error) {
	rest, err = l.decode(b)
	if err != nil {
		*l = Log{}
	}
	return rest, err
}

func (l *Log) decode(b []byte) ([]byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, fmt.Errorf("%w: ends within its count", ErrLog)
	}
	b = b[n:]
	if count == 0 {
		return b, nil
	}
	base, n := binary.Varint(b)
	if n <= 0 {
		return nil, fmt.Errorf("%w: ends within its first number", ErrLog)
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || uint64(len(b)-n) < size || size > math.MaxInt32 {
		return nil, fmt.Errorf("%w: ends within its panes", ErrLog)
	}
	entries, rest := b[n:n+int(size)], b[n+int(size):]
	for range count {
		step, n := binary.Uvarint(entries)
		if n <= 0 || step == 0 || step > 1<<62 {
			return nil, fmt.Errorf("%w: ends within the number of a pane", ErrLog)
		}
		length, m := binary.Uvarint(entries[n:])
		if m <= 0 || uint64(len(entries)-n-m) < length {
			return nil, fmt.Errorf("%w: ends within a pane", ErrLog)
		}
		index := base + int64(step)
		if index <= base || (l.count > 0 && index <= l.last) {
			return nil, fmt.Errorf("%w: pane %d is not newer than the one before", ErrLog, index)
		}
		l.Push(index, entries[n+m:n+m+int(length)])
		entries, base = entries[n+m+int(length):], index
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last pane", ErrLog, len(entries))
	}
	return rest, nil
}
