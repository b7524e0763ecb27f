package pane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrEncoding is wrapped by the errors of bytes that no encoder of this version writes.
var ErrEncoding = errors.New("pane: bad encoding")

func faultf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrEncoding}, args...)...)
}

func errShort(what string) error { return faultf("ends within %s", what) }

// Append appends the encoding of the pane, with times relative to base, the start of the pane in Unix nanoseconds.
func (p *Pane) Append(b []byte, base int64) []byte {
	b = p.Evidence.Append(b, base)
	for _, a := range p.Aggregates {
		b = append(b, byte(a.Kind()))
		b = a.Append(b)
	}
	return b
}

// Decode replaces the content by the encoding that is all of b. It must hold the pane's own kinds of aggregates. After
// an error the pane is empty. It allocates in proportion to b at most.
func (p *Pane) Decode(b []byte, base int64, order Order) error {
	p.Reset()
	b, err := p.Evidence.Decode(b, base, order)
	if err == nil {
		b, err = decodeAggregates(p.Aggregates, b)
	}
	if err == nil && len(b) > 0 {
		err = faultf("%d bytes after the last aggregate", len(b))
	}
	if err != nil {
		p.Reset()
	}
	return err
}

// DecodeSums is Decode without the evidence, which stays as it is: most of the bytes of a pane are samples.
func (p *Pane) DecodeSums(b []byte) error {
	b, err := skipEvidence(b)
	if err == nil {
		_, err = decodeAggregates(p.Aggregates, b)
	}
	return err
}

func decodeAggregates(aggregates []Aggregate, b []byte) (_ []byte, err error) {
	for i, a := range aggregates {
		if len(b) == 0 {
			return nil, errShort("aggregates")
		}
		if k := Kind(b[0]); k != a.Kind() {
			return nil, faultf("aggregate %d is of kind %d, expected %d", i, k, a.Kind())
		}
		if b, err = a.Decode(b[1:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendUvarint(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

func appendVarint(b []byte, n int64) []byte { return binary.AppendVarint(b, n) }

func appendDouble(b []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
}

func appendID(b []byte, id uint64) []byte { return binary.LittleEndian.AppendUint64(b, id) }

func readID(b []byte) (uint64, []byte, error) {
	if len(b) < 8 {
		return 0, nil, errShort("an id")
	}
	return binary.LittleEndian.Uint64(b), b[8:], nil
}

func appendBytes(b, text []byte) []byte { return append(appendUvarint(b, uint64(len(text))), text...) }

func readUvarint(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, errShort("a number")
	}
	return n, b[size:], nil
}

func readVarint(b []byte) (n int64, rest []byte, err error) {
	n, size := binary.Varint(b)
	if size <= 0 {
		return 0, nil, errShort("a number")
	}
	return n, b[size:], nil
}

func readInt32(b []byte) (int32, []byte, error) {
	n, rest, err := readVarint(b)
	if err == nil && int64(int32(n)) != n {
		return 0, nil, faultf("number %d does not fit in 32 bits", n)
	}
	return int32(n), rest, err
}

func readUint32(b []byte) (uint32, []byte, error) {
	n, rest, err := readUvarint(b)
	if err == nil && uint64(uint32(n)) != n {
		return 0, nil, faultf("number %d does not fit in 32 bits", n)
	}
	return uint32(n), rest, err
}

func readDouble(b []byte) (float64, []byte, error) {
	if len(b) < 8 {
		return 0, nil, errShort("a double")
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:], nil
}

func readBytes(b []byte, limit int) (text, rest []byte, err error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, nil, err
	}
	if n > uint64(limit) {
		return nil, nil, faultf("text of %d bytes, expected at most %d", n, limit)
	}
	if uint64(len(b)) < n {
		return nil, nil, errShort("a text")
	}
	return b[:n], b[n:], nil
}
