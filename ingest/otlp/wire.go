package otlp

import (
	"encoding/binary"
	"unsafe"

	"github.com/freshet-dev/freshet/ingest"
)

// The wire types of protobuf.
const (
	varintType     = 0
	fixed64Type    = 1
	bytesType      = 2
	startGroupType = 3
	endGroupType   = 4
	fixed32Type    = 5
)

// field is one field of a protobuf message, as read from the wire.
//
// It accepts what pdata's reader accepts, byte for byte, which is not quite what protowire accepts: a varint may have
// ten bytes of any value and is cut to 64 bits, a field's number is cut to 32 bits, and a group is skipped only up to
// the first scalar in it. An emitter of such bytes is broken, but two readers of one topic must agree on what it said.
type field struct {
	num    int32
	typ    uint8
	number uint64 // of a varint, fixed64 or fixed32
	data   []byte // of bytesType; shares the message's memory
	fault  ingest.Fault
}

// next reads the field at the start of b, which is not empty, and returns what follows it. On a fault it sets f.fault.
func (f *field) next(b []byte) []byte {
	tag := uint64(b[0])
	if tag < 0x80 {
		b = b[1:]
	} else if tag, b = f.varint(b); f.fault != 0 {
		return b
	}
	f.num = int32(tag >> 3)
	f.typ = uint8(tag & 7)
	if f.num <= 0 {
		f.fault = ingest.Malformed
		return b
	}
	switch f.typ {
	case bytesType:
		if len(b) == 0 {
			f.fault = ingest.Truncated
			return b
		}
		n := uint64(b[0])
		if n < 0x80 {
			b = b[1:]
		} else if n, b = f.varint(b); f.fault != 0 {
			return b
		}
		if n > uint64(len(b)) {
			f.fault = ingest.Truncated
			return b
		}
		f.data = b[:n]
		return b[n:]
	case varintType:
		if len(b) > 0 && b[0] < 0x80 {
			f.number = uint64(b[0])
			return b[1:]
		}
		f.number, b = f.varint(b)
		return b
	case fixed64Type:
		if len(b) < 8 {
			f.fault = ingest.Truncated
			return b
		}
		f.number = binary.LittleEndian.Uint64(b)
		return b[8:]
	case fixed32Type:
		if len(b) < 4 {
			f.fault = ingest.Truncated
			return b
		}
		f.number = uint64(binary.LittleEndian.Uint32(b))
		return b[4:]
	case startGroupType:
		return f.skipGroup(b)
	default:
		f.fault = ingest.Malformed
		return b
	}
}

// shortField takes a field with a tag of one byte and fewer than 128 bytes off the front of b; ok is false for any other.
func shortField(b []byte, tag byte) (data, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag || b[1] >= 0x80 || int(b[1]) > len(b)-2 {
		return nil, nil, false
	}
	end := 2 + int(b[1])
	return b[2:end], b[end:], true
}

// varint reads a varint at the start of b.
func (f *field) varint(b []byte) (uint64, []byte) {
	var n uint64
	for i, c := range b {
		if i == 10 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return n, b[i+1:]
		}
	}
	if len(b) >= 10 {
		f.fault = ingest.Malformed
	} else {
		f.fault = ingest.Truncated
	}
	return 0, b
}

// skipGroup skips a group whose start tag has been read: up to its end, or up to and including the first scalar in it.
func (f *field) skipGroup(b []byte) []byte {
	inner := field{typ: startGroupType}
	for depth := 0; len(b) > 0; {
		switch inner.typ {
		case startGroupType:
			depth++
		case endGroupType:
			if depth--; depth == 0 {
				return b
			}
		}
		tag, rest := inner.varint(b)
		if inner.fault != 0 {
			f.fault = inner.fault
			return b
		}
		inner.typ = uint8(tag & 7)
		switch {
		case int32(tag>>3) <= 0:
			f.fault = ingest.Malformed
			return b
		case inner.typ == startGroupType, inner.typ == endGroupType:
			b = rest
		case len(rest) == 0:
			f.fault = ingest.Truncated
			return b
		default:
			rest = inner.next(b)
			f.fault = inner.fault
			return rest
		}
	}
	f.fault = ingest.Truncated
	return b
}

// text returns bytes as a string without copying them. The string lives as long as the message is unchanged, which
// ingest.Decoder asks for.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
