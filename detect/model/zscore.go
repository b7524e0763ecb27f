// Package model judges a measure by its own past: it sees one number per step and says how unusual the next one is, what
// was to be expected or where it is going; or by those of other groups at the same step. All models are exact functions of
// the numbers that they keep, and these are read back from their encoding as they were.
package model

import (
	"math"
	"slices"
)

const (
	// MinPoints is how many numbers of the past a ZScore asks for before it gives a score, or a full history when that
	// is shorter.
	MinPoints = 30
	// MaxPoints bounds the history of a ZScore in steps, 512 KiB; a longer one looks at the newest steps only.
	MaxPoints = 1 << 15
	// madToDeviation and meanToDeviation make the median and the mean absolute deviation of normally distributed
	// numbers their standard deviation.
	madToDeviation  = 1.4826
	meanToDeviation = 1.2533
)

// ZScore is the robust z-score of a number against the steps before it: (x − median) / (1.4826 · MAD). Neither the
// median nor the MAD (the median absolute deviation) is moved by a few outliers.
//
// Where more than half of the history is one value the MAD is 0. The mean absolute deviation, times 1.2533, takes its
// place then. A history of one single value has no scale at all: a number equal to it scores 0, any other has no score,
// so that a flat line that moves for the first time is not called an infinite surprise. Missing numbers (NaN, and
// infinite ones) have no score and are not remembered; they still let older ones fall out of the history.
type ZScore struct {
	length int
	ring   []float64 // the last steps in order of time, NaN where missing; once full, the oldest stands at next
	next   int
	sorted []float64 // the numbers among them
	stale  bool      // sorted is not up to date
	past   Crowd     // how the history lay before the last step
}

// Past returns how the history lay when the last step was judged, NaN where its number had no score.
func (z *ZScore) Past() Crowd { return z.past }

// NewZScore returns a model with a history of that many steps, at least 1 and at most MaxPoints.
func NewZScore(length int) *ZScore {
	return &ZScore{length: min(max(length, 1), MaxPoints)}
}

// Observe returns the score of the number of the next step, NaN when it has none, and remembers the number.
func (z *ZScore) Observe(x float64) (score float64) {
	score, z.past = z.judge(x)
	if math.IsInf(x, 0) {
		x = math.NaN()
	}
	if old, full := z.push(x); full && !math.IsNaN(old) {
		i, _ := slices.BinarySearch(z.sorted, old)
		z.sorted = slices.Delete(z.sorted, i, i+1)
	}
	if !math.IsNaN(x) {
		i, _ := slices.BinarySearch(z.sorted, x)
		z.sorted = slices.Insert(z.sorted, i, x)
	}
	return score
}

// push adds the number of a step to the ring; when it was full it returns the one that fell out.
func (z *ZScore) push(x float64) (old float64, full bool) {
	if len(z.ring) < z.length {
		z.ring = append(z.ring, x)
		return 0, false
	}
	old = z.ring[z.next]
	z.ring[z.next] = x
	z.next = (z.next + 1) % z.length
	return old, true
}

// Score returns the score of a number against the history, without remembering it.
func (z *ZScore) Score(x float64) float64 {
	score, _ := z.judge(x)
	return score
}

func (z *ZScore) judge(x float64) (score float64, past Crowd) {
	if z.stale {
		z.refresh()
	}
	if math.IsNaN(x) || math.IsInf(x, 0) || len(z.sorted) < min(MinPoints, z.length) {
		return math.NaN(), Crowd{math.NaN(), math.NaN()}
	}
	past = spread(z.sorted)
	score = (x - past.Median) / past.Deviation
	switch {
	case x == past.Median:
		return 0, past
	case math.IsInf(score, 0):
		return math.NaN(), Crowd{math.NaN(), math.NaN()}
	}
	return score, past
}

// middle returns the median of sorted numbers.
func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return halfway(sorted[n/2-1], sorted[n/2])
}

// halfway returns the mean of two numbers, without overflow.
func halfway(a, b float64) float64 { return a/2 + b/2 }

// medianDistance returns the median of |x − m| over sorted numbers with median m. The distances fall up to the median
// and rise after it, so the k-th smallest of them is found by halving, as in two sorted lists.
func medianDistance(sorted []float64, m float64) float64 {
	n := len(sorted)
	split, _ := slices.BinarySearch(sorted, m) // left of it all are below m
	if n%2 == 1 {
		return kthDistance(sorted, m, split, n/2)
	}
	return halfway(kthDistance(sorted, m, split, n/2-1), kthDistance(sorted, m, split, n/2))
}

// kthDistance returns the k-th smallest (from 0) of the distances to m, of which those of sorted[:split] read backwards
// and those of sorted[split:] are two rising lists.
func kthDistance(sorted []float64, m float64, split, k int) float64 {
	left := func(i int) float64 { return m - sorted[split-1-i] }
	right := func(i int) float64 { return sorted[split+i] - m }
	nLeft, nRight := split, len(sorted)-split
	// Take i of the left list and k-i of the right one such that all taken are at most all left.
	lo, hi := max(0, k-nRight), min(k, nLeft)
	for lo < hi {
		i := (lo + hi) / 2
		if left(i) < right(k-i-1) {
			lo = i + 1
		} else {
			hi = i
		}
	}
	i, j := lo, k-lo
	switch {
	case i >= nLeft:
		return right(j)
	case j >= nRight:
		return left(i)
	}
	return min(left(i), right(j))
}

// meanDistance returns the mean of |x − m|, added up in the order of the numbers.
func meanDistance(sorted []float64, m float64) float64 {
	total := 0.0
	for _, x := range sorted {
		total += math.Abs(x - m)
	}
	return total / float64(len(sorted))
}
