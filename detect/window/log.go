package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrLog is wrapped by the errors of an encoded log that cannot be read.
var ErrLog = errors.New("window: bad log of panes")

func faultf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrLog}, args...)...)
}

// Log is a list of closed panes by number, oldest first, with gaps where nothing came. The zero value is empty.
type Log struct {
	buf        []byte
	head, tail uint32 // where the oldest entry begins, and the newest
	base       int64  // the number that the oldest entry's distance is counted from
	last       int64  // the number of the newest entry
}

// Empty says whether no pane is held.
func (l *Log) Empty() bool { return int(l.head) == len(l.buf) }

// Push appends a pane. Its number must be greater than that of the pane before.
func (l *Log) Push(index int64, payload []byte) {
	if l.Empty() {
		l.buf, l.head, l.base, l.last = l.buf[:0], 0, index-1, index-1
	}
	l.tail = uint32(len(l.buf))
	l.buf = binary.AppendUvarint(l.buf, uint64(index-l.last))
	l.buf = append(binary.AppendUvarint(l.buf, uint64(len(payload))), payload...)
	l.last = index
}

// Newest returns the newest pane; ok is false when none is held. The payload is valid until the next change.
func (l *Log) Newest() (index int64, payload []byte, ok bool) {
	if l.Empty() {
		return 0, nil, false
	}
	// Its distance is not looked at, so it does not matter what it is counted from.
	_, payload, _, ok = l.Next(Cursor{pos: int(l.tail)})
	return l.last, payload, ok
}

// Amend replaces the payload of the newest pane, which must be there.
func (l *Log) Amend(payload []byte) {
	_, n := binary.Uvarint(l.buf[l.tail:])
	l.buf = l.buf[:int(l.tail)+n]
	l.buf = append(binary.AppendUvarint(l.buf, uint64(len(payload))), payload...)
}

// Cursor is a place in a Log, before one of its entries or at its end.
type Cursor struct {
	pos  int
	base int64 // number that the next entry's distance is counted from
}

// Front returns the cursor before the oldest pane.
func (l *Log) Front() Cursor { return Cursor{int(l.head), l.base} }

// Next reads the pane after the cursor; ok is false at the end. The payload is valid until the next change.
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

// Trim drops the panes before a cursor; all cursors are invalid then.
func (l *Log) Trim(c Cursor) {
	l.head, l.base = uint32(c.pos), c.base
	// Moving only when a quarter is free makes the cost per pane constant.
	if c.pos < 16 || c.pos < len(l.buf)/4 {
		return
	}
	rest := l.buf[c.pos:]
	if cap(l.buf) > 4*len(rest)+64 {
		l.buf = append(make([]byte, 0, len(rest)+len(rest)/4+16), rest...)
	} else {
		l.buf = l.buf[:copy(l.buf, rest)]
	}
	l.head = 0
	l.tail -= min(l.tail, uint32(c.pos))
}

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

// Decode appends the panes of an encoding at the start of b, all of which must be newer than those held, and returns the
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
		return nil, faultf("ends within its count")
	}
	b = b[n:]
	if count == 0 {
		return b, nil
	}
	base, n := binary.Varint(b)
	if n <= 0 {
		return nil, faultf("ends within its first number")
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || uint64(len(b)-n) < size || size > math.MaxInt32 {
		return nil, faultf("ends within its panes")
	}
	entries, rest := b[n:n+int(size)], b[n+int(size):]
	for range count {
		step, n := binary.Uvarint(entries)
		if n <= 0 || step == 0 || step > 1<<62 {
			return nil, faultf("ends within the number of a pane")
		}
		length, m := binary.Uvarint(entries[n:])
		if m <= 0 || uint64(len(entries)-n-m) < length {
			return nil, faultf("ends within a pane")
		}
		index := base + int64(step)
		if index <= base || (!l.Empty() && index <= l.last) {
			return nil, faultf("pane %d is not newer than the one before", index)
		}
		l.Push(index, entries[n+m:n+m+int(length)])
		entries, base = entries[n+m+int(length):], index
	}
	if len(entries) > 0 {
		return nil, faultf("%d bytes after the last pane", len(entries))
	}
	return rest, nil
}
