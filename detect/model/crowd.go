package model

import "math"

// MinCrowd is how many groups it takes to call one of them an outlier.
const MinCrowd = 3

// leastDeviation bounds a robust deviation from below, as a part of what it is a deviation from: of a crowd or a past
// that is all alike every little difference would be a surprise.
const leastDeviation = 0.01

// Crowd is how the numbers of several groups at one step lie: their median, and their robust deviation from it. Both are
// NaN where there are too few.
type Crowd struct{ Median, Deviation float64 }

// NewCrowd returns that of numbers that are sorted, and none of them missing. The deviation is 1.4826 times the median
// absolute deviation; where that is 0, since most are alike, 1.2533 times the mean one; and at least 1 % of the median.
func NewCrowd(sorted []float64) Crowd {
	if len(sorted) < MinCrowd {
		return Crowd{math.NaN(), math.NaN()}
	}
	c := spread(sorted)
	return c.floored(c.Median)
}

// spread returns the median of sorted numbers and their robust deviation, which is 0 only where all are alike.
func spread(sorted []float64) Crowd {
	c := Crowd{Median: middle(sorted)}
	c.Deviation = madToDeviation * medianDistance(sorted, c.Median)
	if c.Deviation == 0 {
		c.Deviation = meanToDeviation * meanDistance(sorted, c.Median)
	}
	return c
}

func (c Crowd) floored(level float64) Crowd {
	c.Deviation = max(c.Deviation, leastDeviation*math.Abs(level))
	return c
}

// Score returns how many deviations a number lies above the median, or below it where it is negative; NaN where that
// cannot be said.
func (c Crowd) Score(x float64) float64 { return Score(x, c.Median, c.Deviation) }

// Score returns how many deviations a number lies above another. Without a deviation only equal numbers have a score,
// which is 0.
func Score(x, from, deviation float64) float64 {
	score := (x - from) / deviation
	switch {
	case x == from && isNumber(x):
		return 0
	case !isNumber(score):
		return math.NaN()
	}
	return score
}
