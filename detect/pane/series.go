package pane

import (
	"cmp"
	"slices"
)

// MaxSeries bounds the time series that one aggregate of a group tells apart: those with the smallest ids, whatever the
// order in which they come.
const MaxSeries = 10_000

// seriesOf are things by series id, sorted.
type seriesOf[T any] []seriesEntry[T]

type seriesEntry[T any] struct {
	id    uint64
	value T
}

// find returns the place of an id; ok is false when it is not there.
func (s seriesOf[T]) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s, id, func(e seriesEntry[T], id uint64) int { return cmp.Compare(e.id, id) })
}

// at returns the value of an id, made when it is not there; nil when there is no place for it.
func (s *seriesOf[T]) at(id uint64) *T {
	i, found := s.find(id)
	if !found {
		if i >= MaxSeries {
			return nil
		}
		*s = slices.Insert(*s, i, seriesEntry[T]{id: id})
		if len(*s) > MaxSeries {
			*s = (*s)[:MaxSeries]
		}
	}
	return &(*s)[i].value
}

// Series keeps an aggregate of its own for each time series: the last value of each, for example, to be summed up over
// all of them afterwards.
type Series struct {
	kind, inner Kind
	series      seriesOf[Aggregate]
}

// Kind implements Aggregate.
func (s *Series) Kind() Kind { return s.kind }

// Of returns the aggregate of a series, nil when there are too many.
func (s *Series) Of(id uint64) Aggregate {
	a := s.series.at(id)
	if a == nil {
		return nil
	}
	if *a == nil {
		*a, _ = New(s.inner) // a kind that New itself has given out
	}
	return *a
}

// Values gives the number of each series that has one.
func (s *Series) Values(yield func(float64) bool) {
	for _, e := range s.series {
		x, ok := valueOf(e.value)
		if ok && !yield(x) {
			return
		}
	}
}

func valueOf(a Aggregate) (x float64, ok bool) {
	switch a := a.(type) {
	case *Moments:
		return a.Average(), a.N > 0
	case interface{ Value() (float64, bool) }:
		return a.Value()
	default:
		return 0, false
	}
}

// Reset implements Aggregate.
func (s *Series) Reset() {
	clear(s.series)
	s.series = s.series[:0]
}

// Empty implements Aggregate.
func (s *Series) Empty() bool { return len(s.series) == 0 }

// Merge implements Aggregate.
func (s *Series) Merge(from Aggregate) {
	for _, e := range from.(*Series).series {
		if a := s.Of(e.id); a != nil {
			a.Merge(e.value)
		}
	}
}

// Append implements Aggregate.
func (s *Series) Append(b []byte) []byte {
	b = appendUvarint(b, uint64(len(s.series)))
	for _, e := range s.series {
		b = appendID(b, e.id)
		b = e.value.Append(b)
	}
	return b
}

// Decode implements Aggregate.
func (s *Series) Decode(b []byte) ([]byte, error) {
	s.Reset()
	rest, err := s.decode(b)
	if err != nil {
		s.Reset()
	}
	return rest, err
}

func (s *Series) decode(b []byte) ([]byte, error) {
	return decodeSeries(b, func(id uint64, b []byte) ([]byte, error) {
		a := s.Of(id)
		rest, err := a.Decode(b)
		if err == nil && a.Empty() {
			err = faultf("a series without a value")
		}
		return rest, err
	})
}

// decodeSeries reads a number of series and calls f for what follows the id of each. Ids rise.
func decodeSeries(b []byte, f func(id uint64, b []byte) ([]byte, error)) (_ []byte, err error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	if n > MaxSeries {
		return nil, faultf("%d series, expected at most %d", n, MaxSeries)
	}
	before := uint64(0)
	for i := range n {
		var id uint64
		if id, b, err = readID(b); err != nil {
			return nil, err
		}
		if i > 0 && id <= before {
			return nil, faultf("series %d is not in order", i)
		}
		before = id
		if b, err = f(id, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}
