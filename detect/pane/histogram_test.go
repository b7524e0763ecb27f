package pane

import (
	"math"
	"testing"
)

func explicit(bounds []float64, counts ...uint64) []Bucket {
	var b []Bucket
	for i, n := range counts {
		low, high := math.Inf(-1), math.Inf(1)
		if i > 0 {
			low = bounds[i-1]
		}
		if i < len(bounds) {
			high = bounds[i]
		}
		if n > 0 {
			b = append(b, Bucket{Low: low, High: high, N: n})
		}
	}
	return b
}

// The values are those of Prometheus's histogram_quantile.
func TestQuantileOfBuckets(t *testing.T) {
	bounds := []float64{0.1, 0.2, 0.5, 1}
	for _, test := range []struct {
		counts  []uint64
		q, want float64
	}{
		{[]uint64{10, 0, 0, 0, 0}, 0.5, 0.05},
		{[]uint64{10, 10, 0, 0, 0}, 0.75, 0.15},
		{[]uint64{10, 10, 0, 0, 0}, 0.5, 0.1},
		{[]uint64{0, 0, 4, 4, 0}, 0.25, 0.35},
		{[]uint64{0, 0, 4, 4, 2}, 0.95, 1},
		{[]uint64{0, 0, 0, 4, 0}, 1, 1},
		{[]uint64{0, 0, 0, 0, 0}, 0.5, math.NaN()},
	} {
		var d Distribution
		for _, b := range explicit(bounds, test.counts...) {
			d.Add(b)
		}
		if got := d.Quantile(test.q); math.Abs(got-test.want) > 1e-12 || math.IsNaN(got) != math.IsNaN(test.want) {
			t.Errorf("quantile %v of %v is %v, expected %v", test.q, test.counts, got, test.want)
		}
	}
	var d Distribution
	d.Add(Bucket{Low: 1, High: 4, N: 10, Exponential: true})
	if got := d.Quantile(0.5); got != 2 {
		t.Errorf("the middle of an exponential bucket from 1 to 4 is %v, expected 2", got)
	}
}

func TestHistogramIncrease(t *testing.T) {
	bounds := []float64{1, 2}
	at := func(time, start int64, b []Bucket) HistogramPoint {
		return HistogramPoint{Place: Place{Time: time}, Start: start, Buckets: b}
	}
	fine := []Bucket{{Low: 1, High: 2, N: 3, Exponential: true}, {Low: 2, High: 4, N: 5, Exponential: true}, {Low: 4, High: 8, N: 1, Exponential: true}}
	coarse := []Bucket{{Low: 1, High: 4, N: 10, Exponential: true}, {Low: 4, High: 16, N: 2, Exponential: true}}
	for _, test := range []struct {
		name          string
		before, after HistogramPoint
		want          []Bucket
	}{
		{"grows", at(10, 1, explicit(bounds, 1, 2, 0)), at(20, 1, explicit(bounds, 4, 2, 1)), explicit(bounds, 3, 0, 1)},
		{"stays", at(10, 1, explicit(bounds, 1, 2, 0)), at(20, 1, explicit(bounds, 1, 2, 0)), nil},
		{"began anew", at(10, 1, explicit(bounds, 1, 2, 0)), at(20, 15, explicit(bounds, 4, 2, 1)), explicit(bounds, 4, 2, 1)},
		{"fell", at(10, 0, explicit(bounds, 9, 2, 0)), at(20, 0, explicit(bounds, 4, 2, 1)), explicit(bounds, 4, 2, 1)},
		{"a bucket is gone", at(10, 0, explicit(bounds, 1, 2, 0)), at(20, 0, explicit(bounds, 1, 0, 0)), explicit(bounds, 1, 0, 0)},
		{"coarser", at(10, 1, fine), at(20, 1, coarse), []Bucket{{Low: 1, High: 4, N: 2, Exponential: true}, {Low: 4, High: 16, N: 1, Exponential: true}}},
	} {
		var got, want Distribution
		test.after.Increase(&test.before, &got)
		for _, b := range test.want {
			want.Add(b)
		}
		if string(encoded(&got)) != string(encoded(&want)) {
			t.Errorf("%s: grew by %+v, expected %+v", test.name, got.buckets, want.buckets)
		}
	}
}
