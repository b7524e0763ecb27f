package pane

import "slices"

// MaxValues bounds the different values that one pane keeps: those with the smallest hashes.
const MaxValues = 4096

// Values is which values there were, by their 64-bit hashes.
type Values struct{ hashes []uint64 }

// Kind implements Aggregate.
func (v *Values) Kind() Kind { return KindValues }

// Add takes the hash of a value.
func (v *Values) Add(hash uint64) {
	i, found := slices.BinarySearch(v.hashes, hash)
	if found || i >= MaxValues {
		return
	}
	v.hashes = slices.Insert(v.hashes, i, hash)
	v.hashes = v.hashes[:min(len(v.hashes), MaxValues)]
}

// Hashes returns the hashes, sorted; they are the aggregate's.
func (v *Values) Hashes() []uint64 { return v.hashes }

// Reset implements Aggregate.
func (v *Values) Reset() { v.hashes = v.hashes[:0] }

// Empty implements Aggregate.
func (v *Values) Empty() bool { return len(v.hashes) == 0 }

// Merge implements Aggregate.
func (v *Values) Merge(from Aggregate) {
	for _, h := range from.(*Values).hashes {
		v.Add(h)
	}
}

// Append implements Aggregate.
func (v *Values) Append(b []byte) []byte {
	b = appendUvarint(b, uint64(len(v.hashes)))
	for _, h := range v.hashes {
		b = appendID(b, h)
	}
	return b
}

// Decode implements Aggregate.
func (v *Values) Decode(b []byte) (_ []byte, err error) {
	v.Reset()
	n, b, err := readUvarint(b)
	if err == nil && n > MaxValues {
		err = faultf("%d values, expected at most %d", n, MaxValues)
	}
	for i := uint64(0); err == nil && i < n; i++ {
		var h uint64
		if h, b, err = readID(b); err == nil {
			v.Add(h)
		}
	}
	if err != nil {
		v.Reset()
		return nil, err
	}
	return b, nil
}
