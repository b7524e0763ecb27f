package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/rules"
)

// A section in bytes, all integers as varints unless said otherwise:
//
//	version (1 byte), length of what follows,
//	topic (length, bytes), partition, flags (1 byte: 1 = a marker follows, 2 = it has a start in event time, 4 = in arrival
//	    time),
//	marker: partitions of the topic; event time, start; arrival time, start; version of the rules (8 bytes),
//	blocks until the end: number of rules, rules (8 bytes each); length, entries until that length:
//	        key (length, bytes), pane number, pane (length, bytes of package pane);
//	    length, samples until that length: pane number, sample (length, bytes of package explain)
//
// Lengths let a reader pass over rules that it does not have. With the first marker of an accumulator comes a block of no
// rule: without entries, and with the IDs of all rules (8 bytes each) in place of samples.
const sectionVersion = 4

const (
	flagMarker = 1
	flagStart  = 2 // of the first clock; those of the others are shifted by their number
)

// ErrSection is wrapped by the errors of a panes record that cannot be read.
var ErrSection = errors.New("detect: bad panes record")

func sectionFault(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrSection}, args...)...)
}

// Marker says how far an input partition has been read.
type Marker struct {
	// Partitions is how many its topic has.
	Partitions int32
	// Read has for each clock the highest time seen (Unix nanoseconds), or that at which the partition was found to be
	// idle, and the time from which on all records were read under Rules.
	Read [window.Clocks]window.Extent
	// Rules is the version of the rule set.
	Rules uint64
}

// sectionHead is what stands before a section's blocks.
type sectionHead struct {
	source    Source
	hasMarker bool
	marker    Marker
}

func appendHead(b []byte, h *sectionHead) []byte {
	b = binary.AppendUvarint(b, uint64(len(h.source.Topic)))
	b = append(b, h.source.Topic...)
	b = binary.AppendUvarint(b, uint64(uint32(h.source.Partition)))
	if !h.hasMarker {
		return append(b, 0)
	}
	flags := byte(flagMarker)
	for c, read := range h.marker.Read {
		if read.Start != math.MinInt64 {
			flags |= flagStart << c
		}
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(uint32(h.marker.Partitions)))
	for c, read := range h.marker.Read {
		b = binary.AppendVarint(b, read.Time)
		if flags&(flagStart<<c) != 0 {
			b = binary.AppendVarint(b, read.Start)
		}
	}
	return binary.LittleEndian.AppendUint64(b, h.marker.Rules)
}

// appendSet appends the block that says which rules there are.
func appendSet(b []byte, set *rules.Set) []byte {
	b = binary.AppendUvarint(b, 0) // it is of no rule
	b = binary.AppendUvarint(b, 0)
	b = binary.AppendUvarint(b, uint64(8*len(set.Rules)))
	for _, r := range set.Rules {
		b = binary.LittleEndian.AppendUint64(b, r.ID)
	}
	return b
}

// lists says whether a rule is among those that appendSet wrote.
func lists(ids []byte, rule uint64) bool {
	for ; len(ids) >= 8; ids = ids[8:] {
		if binary.LittleEndian.Uint64(ids) == rule {
			return true
		}
	}
	return false
}

// appendSection frames a head and its blocks.
func appendSection(b []byte, head, blocks []byte) []byte {
	b = append(b, sectionVersion)
	b = binary.AppendUvarint(b, uint64(len(head)+len(blocks)))
	b = append(b, head...)
	return append(b, blocks...)
}

// reader takes values off the front of bytes; after the first fault all further ones are zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = sectionFault("ends within %s", what)
	}
	r.b = nil
}

func (r *reader) uvarint(what string) uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail(what)
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) varint(what string) int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail(what)
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) byte(what string) byte {
	if len(r.b) == 0 {
		r.fail(what)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) fixed64(what string) uint64 {
	if len(r.b) < 8 {
		r.fail(what)
		return 0
	}
	n := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

// bytes takes a length and as many bytes.
func (r *reader) bytes(what string) []byte { return r.take(r.uvarint(what), what) }

func (r *reader) take(n uint64, what string) []byte {
	if uint64(len(r.b)) < n {
		r.fail(what)
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// int32 takes an unsigned number that fits in 31 bits.
func (r *reader) int32(what string) int32 {
	n := r.uvarint(what)
	if n > math.MaxInt32 {
		if r.err == nil {
			r.err = sectionFault("%s is %d, expected at most %d", what, n, math.MaxInt32)
		}
		r.b = nil
		return 0
	}
	return int32(n)
}

// nextSection takes one section off a value and reads its head; the reader returned stands before the blocks.
func nextSection(value []byte) (head sectionHead, blocks reader, rest []byte, err error) {
	r := reader{b: value}
	if v := r.byte("version"); r.err == nil && v != sectionVersion {
		return head, r, nil, sectionFault("version %d, expected %d: written by another version of freshet", v, sectionVersion)
	}
	body := reader{b: r.bytes("section")}
	if r.err != nil {
		return head, body, nil, r.err
	}
	head.source.Topic = string(body.bytes("topic"))
	head.source.Partition = body.int32("partition")
	if flags := body.byte("flags"); flags&flagMarker != 0 {
		head.hasMarker = true
		head.marker.Partitions = body.int32("partitions")
		for c := range head.marker.Read {
			read := &head.marker.Read[c]
			read.Time, read.Start = body.varint("time"), math.MinInt64
			if flags&(flagStart<<c) != 0 {
				read.Start = body.varint("start")
			}
			if !saneExtent(*read) && body.err == nil {
				body.err = sectionFault("marker at %d ns, from %d ns on, which are no times", read.Time, read.Start)
			}
		}
		head.marker.Rules = body.fixed64("version of the rules")
	}
	return head, body, r.b, body.err
}

// block is the panes of one rule, or of several that share them, in a section.
type block struct {
	rules            []byte // their ids, 8 bytes each
	entries, samples reader
}

// nextBlock takes one block off; ok is false at the end or after a fault.
func nextBlock(r *reader) (bl block, ok bool) {
	if len(r.b) == 0 {
		return bl, false
	}
	bl.rules = r.take(8*r.uvarint("rules"), "rules")
	bl.entries.b = r.bytes("block")
	bl.samples.b = r.bytes("samples")
	return bl, r.err == nil
}

// appendRules appends which rules a block is of.
func appendRules(b []byte, list []*rules.Rule) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, r := range list {
		b = binary.LittleEndian.AppendUint64(b, r.ID)
	}
	return b
}

// entry is one pane of a block.
type entry struct {
	key   []byte
	index int64
	pane  []byte
}

func nextEntry(r *reader) (e entry, ok bool) {
	if len(r.b) == 0 {
		return e, false
	}
	e.key = r.bytes("key")
	e.index = r.varint("pane number")
	e.pane = r.bytes("pane")
	return e, r.err == nil
}

// maxTime bounds times of records, in nanoseconds: beyond it (the year 2116, or before 1970 minus as much) a time is taken
// for a fault, so that arithmetic with windows cannot overflow.
const maxTime = 1 << 62

// sane says whether a time is one that can be computed with.
func sane(t int64) bool { return t > -maxTime && t < maxTime }

// saneExtent says so of the times of an extent that are known.
func saneExtent(x window.Extent) bool {
	return (x.Time == math.MinInt64 || sane(x.Time)) && (x.Start == math.MinInt64 || sane(x.Start))
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
