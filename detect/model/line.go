package model

import (
	"encoding/binary"
	"math"
)

// MaxLineBuckets bounds what a Line keeps, but for two buckets: 11 KiB.
const MaxLineBuckets = 256

// LineShape is what the lines of one measure have in common. Its lengths are in steps.
type LineShape struct {
	// History is how much of the past the line goes through; Width is how many steps share a bucket, and Buckets how
	// many of these are kept. A history of up to MaxLineBuckets steps is exact; a longer one begins at the start of a
	// bucket, up to 1/128 of its length earlier.
	History, Width int64
	Buckets        int
	// Horizon is how far ahead of the step the line is looked at.
	Horizon float64
}

// NewLineShape returns the shape of lines through so many steps, at least two.
func NewLineShape(history int64, horizon float64) LineShape {
	history = max(history, 2)
	w := width(history, MaxLineBuckets)
	return LineShape{History: history, Width: w, Buckets: int(history/w) + 2, Horizon: horizon}
}

// Line is the straight line through the numbers of the last steps that leaves the least squares, as predict_linear of
// Prometheus draws it. Steps without a number are skipped. The sums of a bucket are kept about its own mean, so that
// neither large numbers nor long times cancel one another out; a bucket is never subtracted from, so that a restored
// line is the same to the last bit.
type Line struct {
	buckets ring[lineBucket]
}

// lineBucket sums up the numbers of its steps, which are counted from 0 by k.
type lineBucket struct {
	n, first    uint32 // how many numbers, and the first one's k
	sum, square uint64 // of k
	mean        float64
	product     float64 // sum of (k − its mean) · (x − its mean)
}

func (c *lineBucket) add(k uint32, x float64) {
	if c.n == 0 {
		c.first = k
	}
	before := 0.0 // k's distance from its mean so far
	if c.n > 0 {
		before = float64(k) - float64(c.sum)/float64(c.n)
	}
	c.n++
	c.sum += uint64(k)
	c.square += uint64(k) * uint64(k)
	c.mean += (x - c.mean) / float64(c.n)
	c.product += before * (x - c.mean)
}

// Observe takes the number of a step, NaN where it is missing, and returns what the line reaches at the horizon: NaN
// until the first number of the history lies back half its length. Steps follow one another.
func (l *Line) Observe(s *LineShape, step int64, x float64) float64 {
	number := floorDiv(step-1, s.Width)
	cell, _ := l.buckets.open(number, s.Buckets)
	if isNumber(x) {
		cell.add(uint32(step-1-number*s.Width), x)
	}
	return l.at(s, step)
}

// at computes the line from the buckets of the history, in order.
func (l *Line) at(s *LineShape, step int64) float64 {
	from, to := floorDiv(step-s.History, s.Width), l.buckets.last
	from = max(from, to-int64(len(l.buckets.cells))+1)
	var n, times, origin float64
	deviation, oldest := 0.0, int64(0)
	for number := from; number <= to; number++ {
		c := l.buckets.at(number)
		if c.n == 0 {
			continue
		}
		if n == 0 {
			origin, oldest = c.mean, number*s.Width+1+int64(c.first)
		}
		count := float64(c.n)
		n += count
		times += count*s.before(number, step) + float64(c.sum)
		deviation += count * (c.mean - origin)
	}
	if n < 2 || 2*(step-oldest) < s.History-1 {
		return math.NaN()
	}
	meanTime, mean := times/n, origin+deviation/n
	products, squares := 0.0, 0.0
	for number := from; number <= to; number++ {
		c := l.buckets.at(number)
		if c.n == 0 {
			continue
		}
		count, sum := float64(c.n), float64(c.sum)
		t := s.before(number, step) + sum/count - meanTime
		products += c.product + count*t*(c.mean-mean)
		squares += float64(c.square) - sum/count*sum + count*t*t
	}
	y := mean + products/squares*(s.Horizon-meanTime)
	if !isNumber(y) {
		return math.NaN()
	}
	return y
}

// before is where a bucket's first step lies, seen from a step.
func (s *LineShape) before(number, step int64) float64 { return float64(number*s.Width + 1 - step) }

// Append appends the encoding of the buckets from a number on and before another.
func (l *Line) Append(b []byte, from, to int64) []byte {
	return l.buckets.append(b, from, to, appendLineBucket)
}

// Decode adds the buckets of an encoding at the start of b as the newest ones and returns the bytes after it.
func (l *Line) Decode(s *LineShape, b []byte) ([]byte, error) {
	return l.buckets.decode(b, s.Buckets, decodeLineBucket)
}

func appendLineBucket(b []byte, before, now *lineBucket) []byte {
	b = binary.AppendUvarint(b, uint64(now.n))
	if now.n == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(now.first))
	b = appendNumber(b, before.mean, now.mean)
	if now.n == 1 {
		return b
	}
	b = binary.AppendUvarint(b, now.sum)
	b = binary.AppendUvarint(b, now.square)
	return appendNumber(b, 0, now.product)
}

func decodeLineBucket(b []byte, before, now *lineBucket) (rest []byte, err error) {
	n, b, err := decodeCount(b)
	if now.n = uint32(n); err != nil || now.n == 0 {
		return b, err
	}
	first, b, err := decodeCount(b)
	if err != nil {
		return nil, err
	}
	now.first = uint32(first)
	if now.mean, b, err = decodeNumber(b, before.mean); err != nil {
		return nil, err
	}
	now.sum, now.square = uint64(now.first), uint64(now.first)*uint64(now.first)
	if now.n == 1 {
		return b, nil
	}
	if now.sum, b, err = decodeCount(b); err != nil {
		return nil, err
	}
	if now.square, b, err = decodeCount(b); err != nil {
		return nil, err
	}
	now.product, b, err = decodeNumber(b, 0)
	return b, err
}
