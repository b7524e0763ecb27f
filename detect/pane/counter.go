package pane

import "slices"

// maxPoints bounds the points of one series and pane of which not even the first and the last would do.
const maxPoints = 1024

// CounterPoint is a point of a cumulative series: its value, and since when that is counted, 0 when this is not known.
type CounterPoint struct {
	Place Place
	Start int64
	Value float64
}

// Counter holds what is needed of counters to tell what they grew by: the sum of delta points, and of each cumulative
// series its first and its last point since each start. While a counter counts from one start it does not fall, so what
// lies between does not matter. Points without a start are all kept, because any of them may begin anew.
type Counter struct {
	Delta  Moments
	series seriesOf[[]CounterPoint]
}

// Kind implements Aggregate.
func (c *Counter) Kind() Kind { return KindCounter }

// Add takes a point of a cumulative series.
func (c *Counter) Add(series uint64, p CounterPoint) {
	if p.Value != p.Value {
		return
	}
	points := c.series.at(series)
	if points == nil {
		return
	}
	*points = addPoint(*points, p, func(p *CounterPoint) (Place, int64) { return p.Place, p.Start })
}

// addPoint puts a point into a list by place. Between the first and the last of a start none stays.
func addPoint[P any](points []P, p P, key func(*P) (Place, int64)) []P {
	place, start := key(&p)
	i, found := slices.BinarySearchFunc(points, place, func(q P, place Place) int {
		at, _ := key(&q)
		return at.Compare(place)
	})
	if found {
		return points // two topics may hold records of equal places; they are copies of one point
	}
	points = slices.Insert(points, i, p)
	if start == 0 {
		if len(points) > maxPoints {
			points = slices.Delete(points, maxPoints/2, maxPoints/2+1)
		}
		return points
	}
	first, last := -1, -1
	for j := range points {
		if _, s := key(&points[j]); s == start {
			if first < 0 {
				first = j
			}
			last = j
		}
	}
	kept := points[:0]
	for j := range points {
		if _, s := key(&points[j]); s != start || j == first || j == last {
			kept = append(kept, points[j])
		}
	}
	clear(points[len(kept):])
	return kept
}

// Points gives the points of each cumulative series, in order.
func (c *Counter) Points(yield func(series uint64, points []CounterPoint) bool) {
	for _, e := range c.series {
		if !yield(e.id, e.value) {
			return
		}
	}
}

// Reset implements Aggregate.
func (c *Counter) Reset() {
	c.Delta.Reset()
	clear(c.series)
	c.series = c.series[:0]
}

// Empty implements Aggregate.
func (c *Counter) Empty() bool { return c.Delta.Empty() && len(c.series) == 0 }

// Merge implements Aggregate.
func (c *Counter) Merge(from Aggregate) {
	o := from.(*Counter)
	c.Delta.Merge(&o.Delta)
	for _, e := range o.series {
		for _, p := range e.value {
			c.Add(e.id, p)
		}
	}
}

// Append implements Aggregate.
func (c *Counter) Append(b []byte) []byte {
	b = c.Delta.Append(b)
	b = appendUvarint(b, uint64(len(c.series)))
	for _, e := range c.series {
		b = appendID(b, e.id)
		b = appendUvarint(b, uint64(len(e.value)))
		for i := range e.value {
			b = e.value[i].Append(b)
		}
	}
	return b
}

// Decode implements Aggregate.
func (c *Counter) Decode(b []byte) (_ []byte, err error) {
	c.Reset()
	if b, err = c.Delta.Decode(b); err == nil {
		b, err = decodeSeries(b, func(id uint64, b []byte) ([]byte, error) {
			return decodePoints(b, func(b []byte) (_ []byte, err error) {
				var p CounterPoint
				if b, err = p.Decode(b); err == nil {
					c.Add(id, p)
				}
				return b, err
			})
		})
	}
	if err != nil {
		c.Reset()
		return nil, err
	}
	return b, nil
}

// decodePoints reads a number of points, at least one, and calls f for each.
func decodePoints(b []byte, f func([]byte) ([]byte, error)) (_ []byte, err error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	if n == 0 || n > 2*maxPoints {
		return nil, faultf("%d points of a series, expected 1 to %d", n, 2*maxPoints)
	}
	for range n {
		if b, err = f(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Append appends the encoding of the point, which Decode reads.
func (p *CounterPoint) Append(b []byte) []byte {
	b = p.Place.append(b)
	b = appendVarint(b, p.Start)
	return appendDouble(b, p.Value)
}

// Decode reads a point at the start of b.
func (p *CounterPoint) Decode(b []byte) (_ []byte, err error) {
	if b, err = p.Place.decode(b); err != nil {
		return nil, err
	}
	if p.Start, b, err = readVarint(b); err != nil {
		return nil, err
	}
	p.Value, b, err = readDouble(b)
	if err == nil && p.Value != p.Value {
		err = faultf("a point without a value")
	}
	return b, err
}

// Increase returns what a counter grew by from one point to the next; a counter that began anew in between grew by its
// whole value.
func (p *CounterPoint) Increase(before *CounterPoint) float64 {
	if p.Value < before.Value || beganAnew(p.Start, before.Start, before.Place.Time) {
		return p.Value
	}
	return p.Value - before.Value
}

// beganAnew says whether a series was started again after a point of it.
func beganAnew(start, before, at int64) bool {
	return start != before && start != 0 && start > at
}
