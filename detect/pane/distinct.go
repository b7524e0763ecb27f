package pane

import (
	"encoding/binary"
	"slices"

	"github.com/axiomhq/hyperloglog"
)

// MaxExact is the greatest number of different values that Distinct counts exactly.
const MaxExact = 256

// precision gives 4096 registers: 4 KiB and a standard error of 1.6 %.
const precision = 12

// Distinct is the number of different values, given by their 64-bit hashes: exact up to MaxExact, an estimate beyond.
// Which of the two it is, and the estimate, depend on nothing but the set of hashes.
type Distinct struct {
	hashes []uint64 // sorted; empty once dense is in use
	dense  *hyperloglog.Sketch
	isHLL  bool
}

// Kind implements Aggregate.
func (d *Distinct) Kind() Kind { return KindDistinct }

// Add takes the hash of a value. Equal values must have equal hashes, and the hash function must mix well.
func (d *Distinct) Add(hash uint64) {
	if d.isHLL {
		d.dense.InsertHash(hash)
		return
	}
	i, found := slices.BinarySearch(d.hashes, hash)
	if found {
		return
	}
	if len(d.hashes) < MaxExact {
		d.hashes = slices.Insert(d.hashes, i, hash)
		return
	}
	d.toDense()
	d.dense.InsertHash(hash)
}

func (d *Distinct) toDense() {
	d.denseRoom()
	for _, h := range d.hashes {
		d.dense.InsertHash(h)
	}
	d.hashes = d.hashes[:0]
}

// denseRoom makes the registers ready and empty. A sparse sketch is never made: its estimate would depend on how the
// values came.
func (d *Distinct) denseRoom() {
	if d.dense == nil {
		// The precision is valid, so there is no error to see.
		d.dense, _ = hyperloglog.NewSketch(precision, false)
	} else {
		d.dense.Reset()
	}
	d.isHLL = true
}

// Value returns the number of different values.
func (d *Distinct) Value() uint64 {
	if d.isHLL {
		return d.dense.Estimate()
	}
	return uint64(len(d.hashes))
}

// Reset implements Aggregate.
func (d *Distinct) Reset() { d.hashes, d.isHLL = d.hashes[:0], false }

// Empty implements Aggregate.
func (d *Distinct) Empty() bool { return !d.isHLL && len(d.hashes) == 0 }

// Merge implements Aggregate.
func (d *Distinct) Merge(from Aggregate) {
	o := from.(*Distinct)
	if !o.isHLL {
		for _, h := range o.hashes {
			d.Add(h)
		}
		return
	}
	if !d.isHLL {
		d.toDense()
	}
	// Both have the same precision, so there is no error to see.
	_ = d.dense.Merge(o.dense)
}

const (
	distinctExact = 0
	distinctDense = 1
)

// Append implements Aggregate.
func (d *Distinct) Append(b []byte) []byte {
	if !d.isHLL {
		b = append(b, distinctExact)
		b = appendUvarint(b, uint64(len(d.hashes)))
		for _, h := range d.hashes {
			b = binary.LittleEndian.AppendUint64(b, h)
		}
		return b
	}
	b = append(b, distinctDense)
	// An initialised sketch always has an encoding.
	b, _ = d.dense.AppendBinary(b)
	return b
}

// denseSize is the length of a dense encoding: a header of 8 bytes and the registers.
const denseSize = 8 + 1<<precision

// Decode implements Aggregate.
func (d *Distinct) Decode(b []byte) (_ []byte, err error) {
	d.Reset()
	if len(b) == 0 {
		return nil, errShort("distinct values")
	}
	form := b[0]
	b = b[1:]
	switch form {
	case distinctExact:
		return d.decodeExact(b)
	case distinctDense:
		if len(b) < denseSize {
			return nil, errShort("distinct values")
		}
		if b[1] != precision || b[3] != 0 {
			return nil, faultf("distinct values of precision %d, sparse %d; expected %d and 0", b[1], b[3], precision)
		}
		d.denseRoom()
		if err := d.dense.UnmarshalBinary(b[:denseSize]); err != nil {
			d.Reset()
			return nil, faultf("distinct values: %w", err)
		}
		return b[denseSize:], nil
	default:
		return nil, faultf("distinct values of form %d, expected 0 or 1", form)
	}
}

func (d *Distinct) decodeExact(b []byte) ([]byte, error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	if n > MaxExact {
		return nil, faultf("%d exact distinct values, expected at most %d", n, MaxExact)
	}
	if uint64(len(b)) < 8*n {
		return nil, errShort("distinct values")
	}
	for i := range int(n) {
		d.Add(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return b[8*n:], nil
}
