// Package pane holds the mergeable summaries that travel from the first stage to the second: a Pane is all aggregates
// of one rule and group over one step of time, together with the evidence of which records it was made of.
//
// Merging is associative and commutative for every aggregate, to the last bit of what it reports: a pane that was
// built in one piece, in pieces that were merged in any order, or with pieces encoded in between gives the same
// numbers. Merge never changes the pane that it reads.
package pane

import (
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Kind is the kind of an Aggregate. The numbers are part of the encoding and stay as they are.
type Kind uint8

// The kinds of aggregates.
const (
	KindCount        Kind = iota + 1 // number of records
	KindMoments                      // count, exact sum and exact sum of squares
	KindMin                          // least value
	KindMax                          // greatest value
	KindLast                         // value of the latest record
	KindDistinct                     // number of different values
	KindSketch                       // quantiles with a relative error of 1 %
	KindCounter                      // points of counters
	KindHistogram                    // points of histograms
	KindDistribution                 // what histograms grew by
	KindSeriesLast                   // of each series the value of the latest record
	KindSeriesAvg                    // of each series the mean
	KindSeriesMin                    // of each series the least value
	KindSeriesMax                    // of each series the greatest value
	KindSequence                     // where records stand, and the last that they may come before
	KindBefore                       // how many records come before another
	KindValues                       // which values there were
)

// Aggregate is a mergeable summary of some values. An empty one is the neutral element of Merge.
type Aggregate interface {
	// Kind tells which of the concrete types it is.
	Kind() Kind
	// Reset makes it empty and keeps its memory.
	Reset()
	// Empty says whether it has taken no value.
	Empty() bool
	// Merge adds what from holds. Both have the same kind, and from is unchanged.
	Merge(from Aggregate)
	// Append appends the encoding, which Decode reads back and which depends on nothing but the values taken.
	Append(b []byte) []byte
	// Decode replaces the content by an encoding at the start of b and returns the bytes after it. After an error the
	// aggregate is empty.
	Decode(b []byte) (rest []byte, err error)
}

// Invertible is an Aggregate from which what was merged can be taken out again, exactly: it may slide over a window
// without being built anew. Count, Moments, Last and Sketch are.
type Invertible interface {
	Aggregate
	// Subtract takes out what from holds, which must have been merged before. For Last it must be the oldest.
	Subtract(from Aggregate)
}

// New returns an empty aggregate of a kind.
func New(k Kind) (Aggregate, error) {
	switch k {
	case KindCount:
		return new(Count), nil
	case KindMoments:
		return new(Moments), nil
	case KindMin:
		return new(Min), nil
	case KindMax:
		return new(Max), nil
	case KindLast:
		return new(Last), nil
	case KindDistinct:
		return new(Distinct), nil
	case KindSketch:
		return new(Sketch), nil
	case KindCounter:
		return new(Counter), nil
	case KindHistogram:
		return new(Histogram), nil
	case KindDistribution:
		return new(Distribution), nil
	case KindSeriesLast:
		return &Series{kind: k, inner: KindLast}, nil
	case KindSeriesAvg:
		return &Series{kind: k, inner: KindMoments}, nil
	case KindSeriesMin:
		return &Series{kind: k, inner: KindMin}, nil
	case KindSeriesMax:
		return &Series{kind: k, inner: KindMax}, nil
	case KindSequence:
		return new(Sequence), nil
	case KindBefore:
		return new(Before), nil
	case KindValues:
		return new(Values), nil
	default:
		return nil, fmt.Errorf("pane: unknown kind of aggregate %d", k)
	}
}

// Key names a group: the rule's identity and the encoded values of its `by` entries.
type Key struct {
	Rule  uint64
	Group string
}

// Partition returns which of n partitions of freshet.panes the group's panes go to. It is the same in every process.
func (k Key) Partition(n int32) int32 {
	if n <= 1 {
		return 0
	}
	h := xxhash.Sum64String(k.Group)
	h ^= k.Rule * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return int32(h % uint64(n))
}

// Pane is all aggregates of one group over one step of time, with their evidence.
type Pane struct {
	Evidence   Evidence
	Aggregates []Aggregate
}

// NewPane returns an empty pane with aggregates of the given kinds.
func NewPane(kinds []Kind) (*Pane, error) {
	p := &Pane{Aggregates: make([]Aggregate, len(kinds))}
	for i, k := range kinds {
		a, err := New(k)
		if err != nil {
			return nil, err
		}
		p.Aggregates[i] = a
	}
	return p, nil
}

// Reset makes the pane empty and keeps its memory.
func (p *Pane) Reset() {
	p.Evidence.Reset()
	for _, a := range p.Aggregates {
		a.Reset()
	}
}

// Merge adds what from holds, a pane of the same rule, which is unchanged. The order compares sources; see Order.
func (p *Pane) Merge(from *Pane, order Order) {
	p.Evidence.Merge(&from.Evidence, order)
	for i, a := range p.Aggregates {
		a.Merge(from.Aggregates[i])
	}
}

// Flushed empties the pane after it was written out; see Evidence.Flushed.
func (p *Pane) Flushed() {
	p.Evidence.Flushed()
	for _, a := range p.Aggregates {
		a.Reset()
	}
}
