package detect

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/pane"
)

// counterMemory is how long a group is kept for the last points of its counters after its window is empty: what comes next
// is told from them.
const counterMemory = int64(10 * time.Minute)

// windowKind returns the kind of aggregate that goes into windows. Points of counters and histograms only say how far they
// are: what they grew by is known when those before are there, which is when their pane is closed. So it is with the order
// of records, and with whether a value was seen before.
func windowKind(k pane.Kind) pane.Kind {
	switch k {
	case pane.KindCounter, pane.KindValues:
		return pane.KindMoments
	case pane.KindHistogram:
		return pane.KindDistribution
	case pane.KindSequence:
		return pane.KindBefore
	default:
		return k
	}
}

// prior is what a group knows of the time before a pane, for one aggregate.
type prior struct {
	series series
	seen   values
}

// series are the last points of the series of one counter, by id.
type series map[uint64]*lastPoint

type lastPoint struct {
	pane      int64 // that it was in
	counter   pane.CounterPoint
	histogram pane.HistogramPoint
}

// newGrown returns a pane that shares all but the counters with another.
func (p *plan) newGrown(of *pane.Pane) *pane.Pane {
	if len(p.counters) == 0 {
		return of
	}
	grown := &pane.Pane{Aggregates: slices.Clone(of.Aggregates)}
	for _, i := range p.counters {
		grown.Aggregates[i], _ = pane.New(windowKind(p.kinds[i]))
	}
	return grown
}

// grow computes what the counters of a closed pane, which is in s.pane, grew by since the last points of their series. What
// they grew by from one point to the next belongs to the pane of the later one. A series without an earlier point grew by
// its whole value if it began where an earlier point would be known, and by nothing that is known otherwise; a point that
// begins at its own time says no more than where it begins. The points of a series follow each other by their own time, also
// where a rule goes by their arrival: one that was overtaken on its way is not taken for a counter that began anew.
func (p *plan) grow(l *life, index int64, s *scratch) {
	if len(p.counters) == 0 {
		return
	}
	s.grown.Evidence = s.pane.Evidence
	first := index - p.lookback + 1 // of the panes that are known
	known := max(first*p.interval, s.since)
	for n, i := range p.counters {
		prior := &l.more.priors[n]
		last := prior.series
		for id, at := range last {
			if at.pane < first {
				delete(last, id)
			}
		}
		s.grown.Aggregates[i].Reset()
		switch from := s.pane.Aggregates[i].(type) {
		case *pane.Counter:
			growCounter(last, from, s.grown.Aggregates[i].(*pane.Moments), index, known)
		case *pane.Histogram:
			growHistogram(last, from, s.grown.Aggregates[i].(*pane.Distribution), index, known)
		case *pane.Sequence:
			*s.grown.Aggregates[i].(*pane.Before) = from.Before()
		case *pane.Values:
			prior.seen.add(from.Hashes(), index, index-p.steps(freshMemory), s.grown.Aggregates[i].(*pane.Moments))
		}
	}
}

// beganIn says whether a series without an earlier point began within what is known.
func beganIn(start, at, known int64) bool { return start != 0 && start < at && start >= known }

func growCounter(last series, from *pane.Counter, into *pane.Moments, index, known int64) {
	into.Merge(&from.Delta)
	for id, points := range from.Points {
		before := last[id]
		for i := range points {
			point := &points[i]
			switch {
			case before != nil && before.counter.Place.Time >= point.Place.Time:
				into.Add(0) // there was a point, whatever it tells
				continue
			case before != nil:
				into.Add(point.Increase(&before.counter))
			case beganIn(point.Start, point.Place.Time, known):
				into.Add(point.Value)
			default:
				into.Add(0)
			}
			if before == nil {
				before = new(lastPoint)
				last[id] = before
			}
			before.pane, before.counter = index, *point
		}
	}
}

func growHistogram(last series, from *pane.Histogram, into *pane.Distribution, index, known int64) {
	into.Merge(&from.Delta)
	for id, points := range from.Points {
		before := last[id]
		for i := range points {
			point := &points[i]
			switch {
			case before != nil && before.histogram.Place.Time >= point.Place.Time:
				continue
			case before != nil:
				point.Increase(&before.histogram, into)
			case beganIn(point.Start, point.Place.Time, known):
				for _, b := range point.Buckets {
					into.Add(b)
				}
			}
			if before == nil {
				before = new(lastPoint)
				last[id] = before
			}
			before.pane, before.histogram = index, *point
		}
	}
}

// append appends what is known for an aggregate of a kind.
func (x *prior) append(b []byte, k pane.Kind) []byte {
	switch k {
	case pane.KindCounter, pane.KindHistogram:
		b = binary.AppendUvarint(b, uint64(len(x.series)))
		for _, id := range slices.Sorted(maps.Keys(x.series)) {
			b = binary.LittleEndian.AppendUint64(b, id)
			b = binary.AppendVarint(b, x.series[id].pane)
			if k == pane.KindCounter {
				b = x.series[id].counter.Append(b)
			} else {
				b = x.series[id].histogram.Append(b)
			}
		}
	case pane.KindValues:
		b = x.seen.append(b)
	default:
	}
	return b
}

// prior reads what prior.append wrote.
func (in *stateReader) prior(k pane.Kind) prior {
	x := newPrior()
	switch k {
	case pane.KindCounter, pane.KindHistogram:
		for range in.uvarint("series") {
			id := in.fixed64("series")
			at := &lastPoint{pane: in.varint("pane")}
			if k == pane.KindCounter {
				in.decode(at.counter.Decode)
			} else {
				in.decode(at.histogram.Decode)
			}
			if in.err != nil {
				break
			}
			x.series[id] = at
		}
	case pane.KindValues:
		in.values(x.seen)
	default:
	}
	return x
}

func newPrior() prior { return prior{series: series{}, seen: values{}} }
