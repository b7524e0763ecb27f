package model

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestChange(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name    string
		x, want []float64
	}{
		{"the first is no change", []float64{5}, []float64{nan}},
		{"equal ones are none", []float64{5, 5, 5}, []float64{nan, 0, 0}},
		{"each step once", []float64{5, 6, 6, 5}, []float64{nan, 1, 0, 1}},
		{"over steps without a value", []float64{5, nan, nan, 6}, []float64{nan, nan, nan, 1}},
		{"a value that came back is none", []float64{5, nan, 5}, []float64{nan, nan, 0}},
		{"what was too long ago is forgotten", []float64{5, nan, nan, nan, 6, 7}, []float64{nan, nan, nan, nan, nan, 1}},
		{"infinite ones are missing", []float64{5, math.Inf(1), 5}, []float64{nan, nan, 0}},
	} {
		var m Change
		var got []float64
		for _, x := range c.x {
			got = append(got, m.Observe(x, 3))
		}
		if !slices.EqualFunc(c.want, got, closeTo) {
			t.Errorf("%s: %v gives %v, expected %v", c.name, c.x, got, c.want)
		}
	}
}

func TestRestoredChangeIsTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	var a, b Change
	for i := range 3000 {
		x := []float64{1, 2, math.NaN(), math.NaN(), 0.1}[rnd.IntN(5)]
		if p, q := a.Observe(x, 2), b.Observe(x, 2); !closeTo(p, q) {
			t.Fatalf("step %d: %v and %v", i, p, q)
		}
		encoded, again := b.Append(nil), Change{}
		if rest, err := again.Decode(append(encoded, 7)); err != nil || len(rest) != 1 {
			t.Fatal(err, rest)
		}
		b = again
	}
}

func FuzzChange(f *testing.F) {
	f.Add([]byte{3, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Change
		if _, err := c.Decode(b); err != nil && !errors.Is(err, ErrState) {
			t.Fatalf("error %v does not wrap ErrState", err)
		}
		c.Observe(1, 10)
	})
}

func TestCrowd(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		groups []float64
		x      float64
		want   float64
	}{
		{"two groups are no crowd", []float64{1, 2}, 1, nan},
		{"the median scores 0", []float64{1, 2, 3}, 2, 0},
		{"in robust deviations", []float64{0, 9, 10, 11, 1000}, 1000, 990 / 1.4826},
		{"below", []float64{0, 9, 10, 11, 1000}, 0, -10 / 1.4826},
		{"alike, and so is it", []float64{5, 5, 5, 5}, 5, 0},
		{"alike but for one: the mean deviation", []float64{0, 0, 0, 10}, 10, 10 / (1.2533 * 2.5)},
		{"alike but for a little: 1 % is the least", []float64{100, 100, 100, 100.5}, 100.5, 0.5},
		{"all at 0", []float64{0, 0, 0}, 0, 0},
	} {
		if got := NewCrowd(c.groups).Score(c.x); !closeTo(got, c.want) {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
}
