package chart

import (
	"math"
	"slices"
)

// scale puts values between two heights, low below high. An even one is linear; one that is not grows like a logarithm to
// both sides of zero, so that numbers of different orders can all be read.
type scale struct {
	low, high   float64
	top, bottom float64
	knee        float64 // below it an uneven scale is about linear; 0 on an even one
	ticks       []float64
}

const (
	// tooFar is how many times as large as every value a threshold may be on an even scale, tooNear what part of the
	// largest value it may be.
	tooFar, tooNear = 12, 0.015
	// headroom is what part of the range is left free above, for labels.
	headroom  = 0.2
	mostTicks = 4
)

// newScale returns a scale on which the values and thresholds of a series can be read.
func newScale(s *series, top, bottom float64) *scale {
	sc := &scale{top: top, bottom: bottom}
	low, high := extremes(s.values)
	data := max(math.Abs(low), math.Abs(high))
	if s.judged() {
		l, h := extremes(s.thresholds)
		limit := max(math.Abs(l), math.Abs(h))
		if data > 0 && limit > tooFar*data || limit > 0 && limit < tooNear*data {
			sc.knee = max(min(data, limit)/4, max(data, limit)*1e-9)
		}
		low, high = min(low, l), max(high, h)
	}
	low, high = includeBand(s, low, high)
	sc.setRange(s, low, high)
	return sc
}

// includeBand widens a range to the band, as far as that leaves the values at least a third of the height.
func includeBand(s *series, low, high float64) (float64, float64) {
	l, h := extremes(s.lower, s.upper)
	if l > h {
		return low, high
	}
	room := max(high-low, math.Abs(high)*0.05)
	return min(low, max(l, low-room)), max(high, min(h, high+room))
}

func (sc *scale) setRange(s *series, low, high float64) {
	switch {
	case low >= 0 && low < 0.7*high:
		low = 0
	case high <= 0 && high > 0.7*low:
		high = 0
	}
	whole := s.unit == "" && isWhole(s.values) && isWhole(s.thresholds)
	if low == high {
		pad := max(math.Abs(high)*0.1, 2*least)
		if high == 0 || whole {
			pad = max(pad, 1)
		}
		high += pad
		if low != 0 {
			low -= pad
		}
	}
	sc.low, sc.high = low, high
	if sc.knee > 0 {
		sc.high = sc.back(sc.flat(low) + (sc.flat(high)-sc.flat(low))*(1+headroom))
		if low < 0 {
			sc.low = sc.back(sc.flat(low) * (1 + headroom/2))
		}
		sc.ticks = powers(sc)
		return
	}
	span := high - low
	sc.high += headroom * span
	if low != 0 {
		sc.low -= headroom / 2 * span
	}
	step := niceStep(s.unit, (sc.high-sc.low)/mostTicks)
	if whole {
		step = max(step, 1)
	}
	for i := math.Ceil(sc.low / step); i*step <= sc.high && len(sc.ticks) <= 2*mostTicks; i++ {
		if tick := i * step; s.unit != ratio || high > 1 || tick <= 1 {
			sc.ticks = append(sc.ticks, tick+0) // +0 turns -0 into 0
		}
	}
}

func isWhole(numbers []float64) bool {
	for _, x := range numbers {
		if x != math.Trunc(x) && !math.IsNaN(x) {
			return false
		}
	}
	return true
}

// flat is what the scale does to a value before it is laid evenly, and back the inverse.
func (sc *scale) flat(x float64) float64 {
	if sc.knee == 0 {
		return x
	}
	return math.Asinh(x / sc.knee)
}

func (sc *scale) back(x float64) float64 { return math.Sinh(x) * sc.knee }

// y returns the height of a value; those off the scale lie just beside it.
func (sc *scale) y(x float64) float64 {
	const beside = 2000
	low, high := sc.flat(sc.low), sc.flat(sc.high)
	y := sc.bottom - (sc.flat(x)-low)/(high-low)*(sc.bottom-sc.top)
	return min(max(y, sc.top-beside), sc.bottom+beside)
}

// niceStep returns the step of ticks, at least so large, that people count in: tens, for bytes powers of two, for times
// minutes and hours.
func niceStep(unit string, least float64) float64 {
	switch {
	case unit == "s" && least > 20:
		for _, step := range timeSteps() {
			if least <= step {
				return step
			}
		}
		return 86400 * niceStep("", least/86400)
	case (unit == "By" || unit == "By/s") && least >= 1:
		power := math.Pow(1024, min(math.Floor(math.Log2(least)/10), 5))
		if m := math.Exp2(math.Ceil(math.Log2(least / power))); m < 1024 || power >= 1<<50 {
			return m * power
		}
		return 1024 * power
	}
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if least <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// powers returns the ticks of an uneven scale: zero and powers of ten, every so many of them.
func powers(sc *scale) []float64 {
	side := func(far float64) (out []float64) {
		if far <= sc.knee {
			return nil
		}
		from, to := math.Ceil(math.Log10(sc.knee*1.5)), math.Floor(math.Log10(far))
		every := max(1, math.Ceil((to-from+1)/mostTicks))
		for e := to; e >= from; e -= every {
			out = append(out, math.Pow(10, e))
		}
		return out
	}
	var ticks []float64
	for _, x := range side(-sc.low) {
		ticks = append(ticks, -x)
	}
	if sc.low <= 0 && sc.high >= 0 {
		ticks = append(ticks, 0)
	}
	up := side(sc.high)
	slices.Reverse(up)
	return append(ticks, up...)
}
