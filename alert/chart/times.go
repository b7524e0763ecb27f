package chart

import (
	"math"
	"time"
)

// timeSteps are the distances of ticks that people count time in, in seconds.
func timeSteps() []float64 {
	const minute, hour, day = 60, 3600, 86400
	return []float64{
		1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
		hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 30 * day, 90 * day, 365 * day,
	}
}

// instant returns the time of Unix seconds in a zone.
func instant(seconds float64, zone *time.Location) time.Time {
	whole := math.Floor(seconds)
	return time.Unix(int64(whole), int64((seconds-whole)*1e9)).In(zone)
}

// timeTicks returns at most so many round times of a zone between two, in Unix seconds, and how to write them.
func timeTicks(from, to float64, most int, zone *time.Location) (ticks []float64, layout string) {
	step := 0.0
	for _, s := range timeSteps() {
		if step = s; (to-from)/s <= float64(most) {
			break
		}
	}
	for (to-from)/step > float64(most) {
		step *= 2
	}
	_, offset := instant(to, zone).Zone()
	shift := float64(offset)
	for i := math.Ceil((from + shift) / step); i*step-shift <= to && len(ticks) <= most; i++ {
		ticks = append(ticks, i*step-shift)
	}
	switch {
	case step >= 365*86400:
		return ticks, "2006"
	case step >= 86400:
		return ticks, "2 Jan"
	case to-from > 86400:
		return ticks, "2 Jan 15:04"
	case step >= 60:
		return ticks, "15:04"
	default:
		return ticks, "15:04:05"
	}
}
