package detect

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/pane"
)

const (
	// freshMemory is how long a value is remembered after it was last seen, freshLearning how long a group is looked at
	// before any value is called new.
	freshMemory   = int64(30 * 24 * time.Hour)
	freshLearning = int64(24 * time.Hour)
	// maxSeen bounds the values that a group remembers: the ones seen last.
	maxSeen = 10_000
)

// values is the pane in which each value was last seen, by the hash of the value.
type values map[uint64]int64

// add takes the values of a pane: each that is new, not seen since another pane, counts as 1, any other as 0.
func (s values) add(hashes []uint64, index, since int64, fresh *pane.Moments) {
	for _, h := range hashes {
		if last, known := s[h]; !known || last < since {
			fresh.Add(1)
		} else {
			fresh.Add(0)
		}
		s[h] = index
	}
	if len(s) > maxSeen {
		s.forget(since)
	}
}

// forget keeps the values that were seen last, a tenth less than there is room for, so that it is not asked each time.
func (s values) forget(since int64) {
	maps.DeleteFunc(s, func(_ uint64, last int64) bool { return last < since })
	if len(s) <= maxSeen {
		return
	}
	hashes := slices.SortedFunc(maps.Keys(s), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(s[a], s[b]), cmp.Compare(a, b))
	})
	for _, h := range hashes[:len(hashes)-maxSeen*9/10] {
		delete(s, h)
	}
}

func (s values) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	for _, h := range slices.Sorted(maps.Keys(s)) {
		b = binary.LittleEndian.AppendUint64(b, h)
		b = binary.AppendVarint(b, s[h])
	}
	return b
}

func (in *stateReader) values(into values) {
	for range in.uvarint("values") {
		h := in.fixed64("value")
		last := in.varint("value")
		if in.err != nil {
			return
		}
		into[h] = last
	}
}
