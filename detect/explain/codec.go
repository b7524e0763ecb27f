package explain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrEncoding is wrapped by the errors of bytes that no encoder of this version writes.
var ErrEncoding = errors.New("explain: bad encoding of a sample")

var errShort = fmt.Errorf("%w: it ends too early", ErrEncoding)

// A sample in bytes: number of senders; of each the group and the shared attributes, with their lengths; number of
// records; of each the hash (8 bytes), the number of its sender and its own attributes with their length. Numbers are
// varints.

// Unsent says whether the sample holds a record that AppendUnsent has not written yet.
func (s *Sample) Unsent() bool {
	for _, r := range s.records {
		if !r.sent {
			return true
		}
	}
	return false
}

// AppendUnsent appends the records that it has not written yet.
func (s *Sample) AppendUnsent(b []byte) []byte {
	b = s.append(b, true)
	for _, r := range s.records {
		r.sent = true
	}
	return b
}

// Append appends all records.
func (s *Sample) Append(b []byte) []byte { return s.append(b, false) }

func (s *Sample) append(b []byte, unsent bool) []byte {
	var (
		sender  [maxRoom]uint8 // per record that is written, the number of its sender
		first   [maxRoom]*Record
		senders int
		records uint64
	)
	for i, r := range s.records {
		if unsent && r.sent {
			continue
		}
		records++
		n := 0
		for n < senders && !first[n].sameSender(r) {
			n++
		}
		if n == senders {
			first[n] = r
			senders++
		}
		sender[i] = uint8(n)
	}
	b = binary.AppendUvarint(b, uint64(senders))
	for _, r := range first[:senders] {
		b = appendSized(appendSized(b, r.Group), r.Shared)
	}
	b = binary.AppendUvarint(b, records)
	for i, r := range s.records {
		if unsent && r.sent {
			continue
		}
		b = binary.LittleEndian.AppendUint64(b, r.Hash)
		b = appendSized(binary.AppendUvarint(b, uint64(sender[i])), r.Own)
	}
	return b
}

func (r *Record) sameSender(o *Record) bool {
	return bytes.Equal(o.Group, r.Group) && bytes.Equal(o.Shared, r.Shared)
}

// Take adds the records of an encoding at the start of b and returns the bytes after it. What is kept is copied; equal
// senders share their bytes in the pool.
func (s *Sample) Take(b []byte, p *pool) (rest []byte, err error) {
	var senders [][2][]byte
	n, b, err := readCount(b)
	if err != nil {
		return nil, err
	}
	for range n {
		var sender [2][]byte
		for i := range sender {
			if sender[i], b, err = readSized(b); err != nil {
				return nil, err
			}
		}
		senders = append(senders, sender)
	}
	if n, b, err = readCount(b); err != nil {
		return nil, err
	}
	for range n {
		if len(b) < 8 {
			return nil, errShort
		}
		hash := binary.LittleEndian.Uint64(b)
		number, size := binary.Uvarint(b[8:])
		if size <= 0 {
			return nil, errShort
		}
		if number >= uint64(len(senders)) {
			return nil, fmt.Errorf("%w: sender %d of %d", ErrEncoding, number, len(senders))
		}
		var own []byte
		if own, b, err = readSized(b[8+size:]); err != nil {
			return nil, err
		}
		sender := senders[number]
		if at, leaves, ok := s.place(hash, sender[0]); ok {
			s.insert(at, leaves, &Record{Hash: hash, Group: p.get(sender[0]), Shared: p.get(sender[1]), Own: bytes.Clone(own)})
		}
	}
	return b, nil
}

// readCount reads a number of things of at least a byte each.
func readCount(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return 0, nil, errShort
	}
	return n, b[size:], nil
}

func readSized(b []byte) (text, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errShort
	}
	return b[size : size+int(n)], b[size+int(n):], nil
}

// pool lets equal texts share their bytes.
type pool struct {
	texts map[string][]byte
	// prune is the number of texts at which those that nobody uses any more are looked for.
	prune int
}

const smallPool = 64

func (p *pool) get(text []byte) []byte {
	if shared, ok := p.texts[string(text)]; ok {
		return shared
	}
	if p.texts == nil {
		p.texts = map[string][]byte{}
	}
	shared := bytes.Clone(text)
	p.texts[string(text)] = shared
	return shared
}

// grown says that it is time to start a new pool and get all texts that are in use from it.
func (p *pool) grown() bool { return len(p.texts) > max(p.prune, smallPool) }
