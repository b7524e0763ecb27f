package tail

import (
	"bytes"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// markBytes is how much of a file's start, and of what stands before the position, is kept to recognise the content.
const markBytes = 256

// cursor is how far a file was read. It is a value: methods return the cursor after.
type cursor struct {
	offset int64
	// skipping is set inside a line whose first part was handed over as truncated.
	skipping bool
	// head is the start of the file and mark what stands right before offset, each up to markBytes.
	head, mark []byte
}

// advance moves over data, which stands at the offset.
func (c cursor) advance(data []byte) cursor {
	c.offset += int64(len(data))
	if missing := markBytes - len(c.head); missing > 0 {
		c.head = slices.Concat(c.head, data[:min(missing, len(data))])
	}
	if len(data) >= markBytes {
		c.mark = bytes.Clone(data[len(data)-markBytes:])
	} else if len(data) > 0 {
		joined := slices.Concat(c.mark, data)
		c.mark = joined[max(0, len(joined)-markBytes):]
	}
	return c
}

// lines hands over the lines of data, which stands at the offset, and returns the cursor after the last of them. Which
// lines there are does not depend on how the file is cut into calls, as long as data is longer than limit where the
// file is. At the final call the rest without newline is a line too.
func (c cursor) lines(data []byte, limit int, final bool, emit func(text []byte, truncated bool)) cursor {
	rest := data
	if c.offset == 0 {
		rest = bytes.TrimPrefix(rest, []byte("\xef\xbb\xbf"))
	}
	for len(rest) > 0 {
		if !c.skipping && rest[0] == 0 {
			// A writer that does not append leaves a hole of zeros behind it when its file is truncated.
			rest = bytes.TrimLeft(rest, "\x00")
			continue
		}
		end := bytes.IndexByte(rest, '\n')
		switch {
		case end < 0 && c.skipping:
			rest = nil
		case end < 0 && len(rest) > limit:
			emit(rest[:limit], true)
			c.skipping, rest = true, nil
		case end < 0 && final:
			emitLine(rest, limit, emit)
			rest = nil
		case end < 0:
			return c.advance(data[:len(data)-len(rest)])
		case c.skipping:
			c.skipping, rest = false, rest[end+1:]
		default:
			emitLine(rest[:end], limit, emit)
			rest = rest[end+1:]
		}
	}
	return c.advance(data)
}

func emitLine(line []byte, limit int, emit func([]byte, bool)) {
	if len(line) > limit {
		emit(line[:limit], true)
		return
	}
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 {
		emit(line, false)
	}
}

// imprint is what recognises a cursor's place without keeping the content itself.
type imprint struct {
	Length int    `json:"length"`
	Hash   uint64 `json:"hash,string"`
}

func imprintOf(b []byte) imprint { return imprint{len(b), xxhash.Sum64(b)} }
