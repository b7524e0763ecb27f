package explain

import (
	"bytes"
	"math"
)

// Sample is the records with the smallest hashes of all that it was offered, at most Room, of one group at most Each.
// Taking records in the order of their hashes, and passing over those whose group is full, gives the same, so that the
// sample of several samples is the sample of all their records.
//
// It is a bottom-k sketch with a bound by group (Cohen and Kaplan: Summarizing data using bottom-k sketches, 2007).
type Sample struct {
	Sizes
	// records by hash.
	records []*Record
	free    []*Record
}

// Records returns the records by hash; they are the sample's.
func (s *Sample) Records() []*Record { return s.records }

// Reset empties the sample; its records will be used again.
func (s *Sample) Reset() {
	s.free = append(s.free, s.records...)
	clear(s.records)
	s.records = s.records[:0]
}

// Offer returns the room for a record, to be filled with all but the hash, or nil when it is not among those that stay.
// What the room holds may be written over.
func (s *Sample) Offer(hash uint64, group []byte) *Record {
	at, leaves, ok := s.place(hash, group)
	if !ok {
		return nil
	}
	var r *Record
	if n := len(s.free); n > 0 {
		r, s.free = s.free[n-1], s.free[:n-1]
	} else {
		r = new(Record)
	}
	r.Hash, r.sent = hash, false
	if out := s.insert(at, leaves, r); out != nil {
		s.free = append(s.free, out)
	}
	return r
}

// Add adds a record, which is the sample's from then on.
func (s *Sample) Add(r *Record) {
	if at, leaves, ok := s.place(r.Hash, r.Group); ok {
		s.insert(at, leaves, r)
	}
}

// Limit returns a number: no record of the group whose hash reaches it will ever enter. It only falls.
func (s *Sample) Limit(group []byte) uint64 {
	if s.Room == 0 {
		return 0
	}
	limit := uint64(math.MaxUint64)
	if len(s.records) >= s.Room {
		limit = s.records[len(s.records)-1].Hash
	}
	if last := s.lastOf(group); last >= 0 {
		limit = min(limit, s.records[last].Hash)
	}
	return limit
}

// Estimate returns how many records of a group were offered: exactly, as long as there is room for more of them, else by how near the
// hashes of those that stayed lie to each other.
func (s *Sample) Estimate(group []byte) float64 {
	n := 0
	for _, r := range s.records {
		if bytes.Equal(r.Group, group) {
			n++
		}
	}
	limit := s.Limit(group)
	if limit == math.MaxUint64 || n < 2 {
		return float64(n)
	}
	return max(float64(n), float64(n-1)*(math.MaxUint64/float64(limit)))
}

// place returns where a record of a group would stand, and which one has to leave for it, len(s.records) when none has
// to; ok is false when it does not enter.
func (s *Sample) place(hash uint64, group []byte) (at, leaves int, ok bool) {
	n := len(s.records)
	if s.Room == 0 || (n >= s.Room && hash >= s.records[n-1].Hash) {
		return 0, 0, false
	}
	for at < n && s.records[at].Hash < hash {
		at++
	}
	if at < n && s.records[at].Hash == hash {
		return 0, 0, false
	}
	switch last := s.lastOf(group); {
	case last >= 0:
		return at, last, at <= last
	case n >= s.Room:
		return at, n - 1, true
	default:
		return at, n, true
	}
}

// lastOf returns the last record of a group when the group is full, else -1.
func (s *Sample) lastOf(group []byte) int {
	if len(s.records) < s.Each {
		return -1
	}
	last, n := -1, 0
	for i, r := range s.records {
		if bytes.Equal(r.Group, group) {
			last = i
			n++
		}
	}
	if n < s.Each {
		return -1
	}
	return last
}

// insert puts a record in its place and returns the one that has to leave, if any.
func (s *Sample) insert(at, leaves int, r *Record) (out *Record) {
	if leaves == len(s.records) {
		s.records = append(s.records, nil)
	}
	out = s.records[leaves]
	copy(s.records[at+1:leaves+1], s.records[at:leaves])
	s.records[at] = r
	return out
}
