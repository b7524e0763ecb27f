// Package explain tells what sets the records behind an alert apart: which values of attributes are over-represented
// among them now against before.
//
// It works on samples, which are bounded and do not depend on chance. Each record has a hash of its place in Kafka; of
// the records of one step of a rule those with the smallest hashes stay, in a Sample. Whoever merges samples, in
// whatever order, however often the same record comes, gets the same ones. A Memory keeps the samples of a rule: by
// fractions of its window as far back as the window reaches, and from there on by ever longer spans of time with no more
// records each, so that what is long ago counts less and less.
//
// Two kinds of records are sampled. Matching ones are the evidence of the rule: those that its aggregates choose. Where
// they choose by a filter, as count(severity >= ERROR) does, a thin sample of all records that the rule's `where` lets
// through is kept as well: of something that never happened before there are no matching records to compare with.
package explain

import "encoding/binary"

// Record is what a sample keeps of a record.
type Record struct {
	// Hash names the record; see Hasher.
	Hash uint64
	// Group is the key of its group. Shared are the attributes of what sent it, Own its own, as Profile writes them.
	Group, Shared, Own []byte

	sent bool
}

// Sizes bound a Sample: Room records in all, Each of one group.
type Sizes struct{ Room, Each int }

// Plan says how large the samples of a rule are.
type Plan struct {
	// Matching is for the rule's evidence, All for the records that `where` lets through; without room there is no such
	// sample.
	Matching, All Sizes
	// Looks is how many messages share one that is looked at for the sample of all records.
	Looks uint64
}

// Bounds that hold for any number of rules: so many have samples of full size, and the more there are the smaller they
// become; so many look at every message.
const (
	fullSizeRules = 64
	lookingRules  = 16
	fullSize      = 8
	maxRoom       = 2 * fullSize
)

// NewPlan returns the plan for one of some rules. A rule is choosy when its evidence is chosen by filters.
func NewPlan(rules int, choosy bool) Plan {
	few := max(1, fullSize*fullSizeRules/max(rules, fullSizeRules))
	p := Plan{
		Matching: Sizes{Room: few, Each: few},
		Looks:    uint64((rules + lookingRules - 1) / lookingRules),
	}
	if choosy {
		p.All = p.Matching
		p.Matching.Room = 2 * few
	}
	return p
}

// Hasher gives the records of one input partition their hashes.
type Hasher struct{ seed uint64 }

// NewHasher returns the hasher of a partition.
func NewHasher(topic string, partition int32) Hasher {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(topic) {
		h = (h ^ uint64(topic[i])) * 1099511628211
	}
	return Hasher{mix(h ^ uint64(uint32(partition))<<32)}
}

// Message returns the hash of a message.
func (h Hasher) Message(offset int64) uint64 { return mix(h.seed ^ uint64(offset)) }

// Hash returns the hash of a record of a message: records of different places have different ones, but for a chance that
// does not matter.
func Hash(message uint64, index int) uint64 { return mix(message + uint64(index)*0x9e3779b97f4a7c15) }

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// stride is how many records one stands for in the sample of all records; a message of fewer than short gives one all
// the same, so that a quiet stream is seen as well as a busy one.
const (
	stride = 512
	short  = 32
)

// Choice says which records of a message stand for it in the sample of all records. It depends on nothing but the place
// of the message and its length, and costs next to nothing.
type Choice int

// Choose makes the choice for a message of so many records.
func (p Plan) Choose(message uint64, records int) Choice {
	if records == 0 || p.Looks > 1 && message%p.Looks != 0 {
		return -1
	}
	n := uint64(stride)
	if records < short {
		n = uint64(records)
	}
	return Choice((message >> 32) % n)
}

// Has says whether the record at a place in the message is chosen.
func (c Choice) Has(index int) bool { return index%stride == int(c) }

func appendSized(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
