package pane

import (
	"cmp"
	"math"
	"slices"
)

// Bucket is how many values lie above Low and up to High. Exponential buckets of a histogram grow by a factor.
type Bucket struct {
	Low, High   float64
	N           uint64
	Exponential bool
}

func (b *Bucket) compare(o *Bucket) int {
	return cmp.Or(cmp.Compare(b.High, o.High), cmp.Compare(b.Low, o.Low), cmp.Compare(b2i(b.Exponential), b2i(o.Exponential)))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Distribution is the values of a window: those of histograms in their own buckets, and single numbers in a sketch.
type Distribution struct {
	Single  Sketch
	buckets []Bucket // by bounds, none is empty
}

// Kind implements Aggregate.
func (d *Distribution) Kind() Kind { return KindDistribution }

// Add takes a bucket of a histogram.
func (d *Distribution) Add(b Bucket) {
	if b.N == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(d.buckets, b, func(have, b Bucket) int { return have.compare(&b) })
	if found {
		d.buckets[i].N += b.N
		return
	}
	d.buckets = slices.Insert(d.buckets, i, b)
}

// Quantile returns the value below which a share q of the values lies; NaN when empty. Within a bucket it is found as
// Prometheus's histogram_quantile does: on a straight line, in exponential buckets on a line of logarithms; a first
// bucket without a lower bound begins at 0, and from the last one, when it has no upper bound, its lower bound is returned.
// Where there are single numbers only, it is the sketch's.
func (d *Distribution) Quantile(q float64) float64 {
	total := uint64(0)
	for i := range d.buckets {
		total += d.buckets[i].N
	}
	if total == 0 {
		return d.Single.Quantile(q)
	}
	rank := q * float64(total)
	for i := range d.buckets {
		b := &d.buckets[i]
		if n := float64(b.N); rank > n && i < len(d.buckets)-1 {
			rank -= n
			continue
		}
		return b.at(rank / float64(b.N))
	}
	return math.NaN()
}

// at returns the value at a share of the bucket.
func (b *Bucket) at(share float64) float64 {
	low, high := b.Low, b.High
	switch {
	case math.IsInf(high, 1):
		return low
	case math.IsInf(low, -1) && high > 0:
		low = 0
	case math.IsInf(low, -1):
		return high
	}
	if b.Exponential && low > 0 {
		return low * math.Pow(high/low, share)
	}
	if b.Exponential && high < 0 {
		return high * math.Pow(low/high, 1-share)
	}
	return low + (high-low)*share
}

// Reset implements Aggregate.
func (d *Distribution) Reset() {
	d.Single.Reset()
	d.buckets = d.buckets[:0]
}

// Empty implements Aggregate.
func (d *Distribution) Empty() bool { return d.Single.Empty() && len(d.buckets) == 0 }

// Merge implements Aggregate.
func (d *Distribution) Merge(from Aggregate) {
	o := from.(*Distribution)
	d.Single.Merge(&o.Single)
	for _, b := range o.buckets {
		d.Add(b)
	}
}

// Subtract implements Invertible.
func (d *Distribution) Subtract(from Aggregate) {
	o := from.(*Distribution)
	d.Single.Subtract(&o.Single)
	for i := range o.buckets {
		b := &o.buckets[i]
		at, found := slices.BinarySearchFunc(d.buckets, *b, func(have, b Bucket) int { return have.compare(&b) })
		if !found {
			continue
		}
		if d.buckets[at].N -= b.N; d.buckets[at].N == 0 {
			d.buckets = slices.Delete(d.buckets, at, at+1)
		}
	}
}

// Append implements Aggregate.
func (d *Distribution) Append(b []byte) []byte {
	b = d.Single.Append(b)
	return appendBuckets(b, d.buckets)
}

// Decode implements Aggregate.
func (d *Distribution) Decode(b []byte) (_ []byte, err error) {
	d.Reset()
	if b, err = d.Single.Decode(b); err == nil {
		d.buckets, b, err = decodeBuckets(d.buckets, b)
	}
	if err != nil {
		d.Reset()
		return nil, err
	}
	return b, nil
}

func appendBuckets(b []byte, buckets []Bucket) []byte {
	b = appendUvarint(b, uint64(len(buckets)))
	for i := range buckets {
		x := &buckets[i]
		b = appendDouble(b, x.Low)
		b = appendDouble(b, x.High)
		b = appendUvarint(b, x.N<<1|uint64(b2i(x.Exponential)))
	}
	return b
}

// decodeBuckets reads buckets, which are in order and not empty, into room.
func decodeBuckets(room []Bucket, b []byte) (_ []Bucket, _ []byte, err error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, nil, err
	}
	room = room[:0]
	for i := range n {
		var x Bucket
		if x.Low, b, err = readDouble(b); err != nil {
			return nil, nil, err
		}
		if x.High, b, err = readDouble(b); err != nil {
			return nil, nil, err
		}
		var number uint64
		if number, b, err = readUvarint(b); err != nil {
			return nil, nil, err
		}
		x.N, x.Exponential = number>>1, number&1 != 0
		switch {
		case x.N == 0 || !(x.Low <= x.High):
			return nil, nil, faultf("bucket from %g to %g of %d values", x.Low, x.High, x.N)
		case i > 0 && room[i-1].compare(&x) >= 0:
			return nil, nil, faultf("bucket %d is not in order", i)
		}
		room = append(room, x)
	}
	return room, b, nil
}
