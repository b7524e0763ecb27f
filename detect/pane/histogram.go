package pane

import "slices"

// HistogramPoint is a point of a cumulative histogram: its buckets by bounds, none of them empty, and since when they are
// counted, 0 when this is not known.
type HistogramPoint struct {
	Place   Place
	Start   int64
	Buckets []Bucket
}

// Histogram holds what is needed of histograms to tell what they grew by, as Counter does of counters.
type Histogram struct {
	Delta  Distribution
	series seriesOf[[]HistogramPoint]
}

// Kind implements Aggregate.
func (h *Histogram) Kind() Kind { return KindHistogram }

// Add takes a point of a cumulative series. Its buckets are kept.
func (h *Histogram) Add(series uint64, p HistogramPoint) {
	points := h.series.at(series)
	if points == nil {
		return
	}
	*points = addPoint(*points, p, func(p *HistogramPoint) (Place, int64) { return p.Place, p.Start })
}

// Points gives the points of each cumulative series, in order.
func (h *Histogram) Points(yield func(series uint64, points []HistogramPoint) bool) {
	for _, e := range h.series {
		if !yield(e.id, e.value) {
			return
		}
	}
}

// Reset implements Aggregate.
func (h *Histogram) Reset() {
	h.Delta.Reset()
	clear(h.series)
	h.series = h.series[:0]
}

// Empty implements Aggregate.
func (h *Histogram) Empty() bool { return h.Delta.Empty() && len(h.series) == 0 }

// Merge implements Aggregate.
func (h *Histogram) Merge(from Aggregate) {
	o := from.(*Histogram)
	h.Delta.Merge(&o.Delta)
	for _, e := range o.series {
		for _, p := range e.value {
			p.Buckets = slices.Clone(p.Buckets)
			h.Add(e.id, p)
		}
	}
}

// Append implements Aggregate.
func (h *Histogram) Append(b []byte) []byte {
	b = h.Delta.Append(b)
	b = appendUvarint(b, uint64(len(h.series)))
	for _, e := range h.series {
		b = appendID(b, e.id)
		b = appendUvarint(b, uint64(len(e.value)))
		for i := range e.value {
			b = e.value[i].Append(b)
		}
	}
	return b
}

// Decode implements Aggregate.
func (h *Histogram) Decode(b []byte) (_ []byte, err error) {
	h.Reset()
	if b, err = h.Delta.Decode(b); err == nil {
		b, err = decodeSeries(b, func(id uint64, b []byte) ([]byte, error) {
			return decodePoints(b, func(b []byte) (_ []byte, err error) {
				var p HistogramPoint
				if b, err = p.Decode(b); err == nil {
					h.Add(id, p)
				}
				return b, err
			})
		})
	}
	if err != nil {
		h.Reset()
		return nil, err
	}
	return b, nil
}

// Append appends the encoding of the point, which Decode reads.
func (p *HistogramPoint) Append(b []byte) []byte {
	b = p.Place.append(b)
	b = appendVarint(b, p.Start)
	return appendBuckets(b, p.Buckets)
}

// Decode reads a point at the start of b.
func (p *HistogramPoint) Decode(b []byte) (_ []byte, err error) {
	if b, err = p.Place.decode(b); err != nil {
		return nil, err
	}
	if p.Start, b, err = readVarint(b); err != nil {
		return nil, err
	}
	p.Buckets, b, err = decodeBuckets(nil, b)
	return b, err
}

// Increase adds what a histogram grew by from one point to the next. One that began anew in between grew by all that it
// holds. Where the buckets became coarser, as those of an exponential histogram do when its values spread, the earlier ones
// are put together first.
func (p *HistogramPoint) Increase(before *HistogramPoint, into *Distribution) {
	was := make([]uint64, len(p.Buckets))
	anew := beganAnew(p.Start, before.Start, before.Place.Time)
	at := 0
	for i := range before.Buckets {
		b := &before.Buckets[i]
		for at < len(p.Buckets) && p.Buckets[at].High < b.High {
			at++
		}
		if at == len(p.Buckets) || p.Buckets[at].Low > b.Low {
			anew = true // what was counted there is gone
			break
		}
		was[at] += b.N
	}
	for i := range p.Buckets {
		anew = anew || p.Buckets[i].N < was[i]
	}
	for i, b := range p.Buckets {
		if !anew {
			b.N -= was[i]
		}
		into.Add(b)
	}
}
