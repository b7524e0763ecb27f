package detect

import (
	"cmp"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/ingest"
)

// seriesHash is the id of the time series that the record in hand is a point of, computed when it is first asked for.
type seriesHash struct {
	id      uint64
	done    bool
	scratch []byte
}

// seriesOf returns the id of a record's time series: a hash of its metric's name and of all its attributes, those of its
// scope and of its resource among them, in whatever order they stand.
func (p *profiler) seriesOf(r *ingest.Record) uint64 {
	h := &p.series
	if h.done {
		return h.id
	}
	h.done = true
	h.id = xxhash.Sum64String(r.Name)
	if r.Signal == ingest.Findings {
		return h.id // of an alert's labels one may change, its severity
	}
	for i, attrs := range [...]ingest.Attrs{r.Attributes, r.Scope.Attributes, r.Resource.Attributes} {
		for j := range attrs {
			b := append(h.scratch[:0], byte(i))
			b = append(b, attrs[j].Key...)
			b = append(b, 0, byte(attrs[j].Value.Kind))
			b = attrs[j].Value.AppendText(b)
			h.scratch = b
			h.id += xxhash.Sum64(b)
		}
	}
	h.id += xxhash.Sum64String(r.Scope.Name)
	return h.id
}

func placeOf(r *ingest.Record, origin *ingest.Origin, at int64) pane.Place {
	return pane.Place{Time: at, Partition: origin.Partition, Offset: origin.Offset, Index: int32(r.Index)}
}

// pointOf is the place of a point in its series.
func pointOf(r *ingest.Record, origin *ingest.Origin) pane.Place {
	return placeOf(r, origin, cmp.Or(r.Time, origin.Timestamp))
}

// startOf returns since when a cumulative point is counted, 0 when that is not known.
func startOf(r *ingest.Record) int64 {
	if r.Point == nil {
		return 0
	}
	return r.Point.StartTime
}

func (t *tally) giveSeries(a *pane.Series, i int, r *ingest.Record, origin *ingest.Origin, at int64) {
	x := number(t.values[i])
	switch a := a.Of(t.profiler.seriesOf(r)).(type) {
	case *pane.Last:
		a.Add(placeOf(r, origin, at), x)
	case *pane.Moments:
		a.Add(x)
	case *pane.Min:
		a.Add(x)
	case *pane.Max:
		a.Add(x)
	}
}

// giveHistogram gives a histogram its buckets, or the number of any other point.
func (t *tally) giveHistogram(a *pane.Histogram, i int, r *ingest.Record, origin *ingest.Origin) {
	if !hasBuckets(r.Point) {
		a.Delta.Single.Add(number(t.values[i]))
		return
	}
	t.buckets = appendPointBuckets(t.buckets[:0], r.Point)
	if !r.Point.Cumulative {
		for _, b := range t.buckets {
			a.Delta.Add(b)
		}
		return
	}
	a.Add(t.profiler.seriesOf(r), pane.HistogramPoint{
		Place: pointOf(r, origin), Start: startOf(r), Buckets: append([]pane.Bucket(nil), t.buckets...),
	})
}

// hasBuckets says whether a point is one of a histogram with its buckets.
func hasBuckets(p *ingest.Point) bool {
	return p != nil && (len(p.Buckets) > 0 || p.Exponential != nil)
}

// appendPointBuckets appends the buckets of a histogram that are not empty, by bounds.
func appendPointBuckets(b []pane.Bucket, p *ingest.Point) []pane.Bucket {
	for i, n := range p.Buckets {
		low, high := math.Inf(-1), math.Inf(1)
		if i > 0 {
			low = p.Bounds[i-1]
		}
		if i < len(p.Bounds) {
			high = p.Bounds[i]
		}
		if n > 0 && low <= high {
			b = append(b, pane.Bucket{Low: low, High: high, N: n})
		}
	}
	x := p.Exponential
	if x == nil {
		return b
	}
	// The bounds of bucket i are base^i and base^(i+1), where base = 2^(2^-scale).
	bound := func(i int64) float64 { return math.Exp2(math.Ldexp(float64(i), -int(x.Scale))) }
	for i, n := range slices.Backward(x.Negative) {
		if at := int64(x.NegativeOffset) + int64(i); n > 0 {
			b = append(b, pane.Bucket{Low: -bound(at + 1), High: -bound(at), N: n, Exponential: true})
		}
	}
	if x.ZeroCount > 0 {
		b = append(b, pane.Bucket{Low: -x.ZeroThreshold, High: x.ZeroThreshold, N: x.ZeroCount, Exponential: true})
	}
	for i, n := range x.Positive {
		if at := int64(x.PositiveOffset) + int64(i); n > 0 {
			b = append(b, pane.Bucket{Low: bound(at), High: bound(at + 1), N: n, Exponential: true})
		}
	}
	return b
}
