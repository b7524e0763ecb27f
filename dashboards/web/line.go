package web

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// line is the measure of one group.
type line struct {
	labels label.Set
	unit   string
	above  bool
	points []bucket // in the order of at
	// bands are as many as points, nil as long as nothing is expected.
	bands []Band
	// interval is the time between two measures, reach how many buckets before the newest a point may lie.
	interval time.Duration
	reach    int64
	// peak is the highest nearness of the points, peakAt the bucket that has it.
	peak   float64
	peakAt int64
}

// bucket is one point, Resolution wide.
type bucket struct {
	at               int64 // Unix time divided by the resolution
	value, threshold float64
	firing           bool
}

// last is the bucket of the newest point.
func (l *line) last() int64 { return l.points[len(l.points)-1].at }

// add puts a point in its place and drops the points before oldest.
func (l *line) add(b bucket, band *Band, oldest int64) {
	i, found := slices.BinarySearchFunc(l.points, b.at, func(p bucket, at int64) int { return cmp.Compare(p.at, at) })
	if found {
		p := &l.points[i]
		firing := p.firing || b.firing
		if math.IsNaN(p.value) || l.above && b.value > p.value || !l.above && b.value < p.value {
			*p = b
			l.expect(i, band)
		}
		p.firing = firing
	} else {
		l.points = slices.Insert(l.points, i, b)
		if l.bands != nil {
			l.bands = slices.Insert(l.bands, i, noBand())
		}
		l.expect(i, band)
	}
	if stale := l.before(oldest); stale > 0 && stale < len(l.points) {
		l.points = slices.Delete(l.points, 0, stale)
		if l.bands != nil {
			l.bands = slices.Delete(l.bands, 0, stale)
		}
	}
	if l.peakAt < oldest || len(l.points) == 1 {
		l.peak = math.Inf(-1)
		for _, p := range l.points {
			l.rise(p)
		}
		return
	}
	i, _ = slices.BinarySearchFunc(l.points, b.at, func(p bucket, at int64) int { return cmp.Compare(p.at, at) })
	l.rise(l.points[i])
}

// expect sets what was expected at a point.
func (l *line) expect(i int, band *Band) {
	if band == nil || band.unknown() {
		band = new(noBand())
	}
	if l.bands == nil {
		if band.unknown() {
			return
		}
		l.bands = slices.Repeat([]Band{noBand()}, len(l.points))
	}
	l.bands[i] = *band
}

// unknown says whether nothing was expected.
func (b Band) unknown() bool { return math.IsNaN(b.Lower) && math.IsNaN(b.Upper) }

func noBand() Band { return Band{math.NaN(), math.NaN()} }

// rise takes a point into the peak.
func (l *line) rise(p bucket) {
	if n := nearness(p, l.above); n >= l.peak {
		l.peak, l.peakAt = n, p.at
	}
}

// before returns the number of points before a bucket.
func (l *line) before(at int64) int {
	i, _ := slices.BinarySearchFunc(l.points, at, func(p bucket, at int64) int { return cmp.Compare(p.at, at) })
	return i
}

// nearness orders points by how near they are to firing: a firing one is nearer than any other, a missing one farther.
func nearness(b bucket, above bool) float64 {
	distance := b.value
	if !math.IsNaN(b.threshold) && !math.IsInf(b.threshold, 0) {
		distance = (b.value - b.threshold) / max(math.Abs(b.threshold), 1e-9)
	}
	switch {
	case math.IsNaN(b.value):
		distance = -math.MaxFloat64
	case !above:
		distance = -distance
	}
	if b.firing {
		distance = max(distance, 0) + math.MaxFloat32
	}
	return distance
}
