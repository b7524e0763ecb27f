package model

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// byMedian computes the score by sorting, from the numbers of the last steps.
func byMedian(past []float64, x float64, length int) float64 {
	past = past[max(0, len(past)-length):]
	var known []float64
	for _, p := range past {
		if isFinite(p) {
			known = append(known, p)
		}
	}
	if len(known) < min(MinPoints, length) || !isFinite(x) {
		return math.NaN()
	}
	slices.Sort(known)
	median := func(xs []float64) float64 {
		n := len(xs)
		if n%2 == 1 {
			return xs[n/2]
		}
		return xs[n/2-1]/2 + xs[n/2]/2
	}
	m := median(known)
	var distances []float64
	total := 0.0
	for _, k := range known {
		distances = append(distances, math.Abs(k-m))
		total += math.Abs(k - m)
	}
	slices.Sort(distances)
	scale := 1.4826 * median(distances)
	if scale == 0 {
		scale = 1.2533 * (total / float64(len(known)))
	}
	if x == m {
		return 0
	}
	if scale == 0 {
		return math.NaN()
	}
	return (x - m) / scale
}

func randomNumber(rnd *rand.Rand, mode int) float64 {
	switch {
	case rnd.IntN(15) == 0:
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rnd.IntN(3)]
	case mode == 0:
		return float64(rnd.IntN(3))
	case mode == 1:
		return 7
	case mode == 2 && rnd.IntN(20) > 0:
		return 100
	default:
		return rnd.NormFloat64() * 1000
	}
}

func TestScoreEqualsSorting(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		length, mode := 1+rnd.IntN(80), rnd.IntN(4)
		z := NewZScore(length)
		var past []float64
		for i := range 250 {
			x := randomNumber(rnd, mode)
			want, got := byMedian(past, x, length), z.Observe(x)
			if want != got && !(want != want && got != got) {
				t.Fatalf("seed %d, step %d: score %v, expected %v", seed, i, got, want)
			}
			if math.IsInf(got, 0) {
				t.Fatalf("seed %d, step %d: infinite score", seed, i)
			}
			past = append(past, x)
			if rnd.IntN(40) == 0 {
				z = throughEncoding(t, rnd, z, length)
			}
		}
	}
}

// throughEncoding writes the model in two parts and reads it into a new one.
func throughEncoding(t *testing.T, rnd *rand.Rand, z *ZScore, length int) *ZScore {
	t.Helper()
	middle := rnd.IntN(length + 1)
	out := NewZScore(length)
	for _, b := range [][]byte{z.Append(nil, math.MaxInt32, middle), z.Append(nil, middle, 0)} {
		rest, err := out.Decode(append(b, 9))
		if err != nil || len(rest) != 1 {
			t.Fatalf("decoding: %v, %d bytes left", err, len(rest))
		}
	}
	return out
}

func TestScoreOfFlatHistory(t *testing.T) {
	for _, c := range []struct {
		name    string
		history func(i int) float64
		x, want float64
	}{
		{"too short a history has no score", func(i int) float64 {
			if i >= MinPoints-1 {
				return math.NaN()
			}
			return float64(i)
		}, 5, math.NaN()},
		{"equal to a flat line", func(int) float64 { return 5 }, 5, 0},
		{"a flat line has no scale", func(int) float64 { return 5 }, 6, math.NaN()},
		{"mostly flat: the mean deviation is the scale", func(i int) float64 { return float64(5 + 10*(i%10/9)) }, 5 + 1.2533, 1},
		{"outliers do not widen the scale", func(i int) float64 { return float64(i%5) + 1e9*float64(i%10/9) }, 2 + 1.4826, 1},
	} {
		z := NewZScore(100)
		for i := range 100 {
			z.Observe(c.history(i))
		}
		if got := z.Score(c.x); math.Abs(got-c.want) > 0.02 || (got != got) != (c.want != c.want) {
			t.Errorf("%s: score %v, expected %v", c.name, got, c.want)
		}
	}
}

func FuzzZScore(f *testing.F) {
	z := NewZScore(10)
	for i := range 12 {
		z.Observe(float64(i))
	}
	f.Add(z.Append(nil, 10, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		z := NewZScore(50)
		if _, err := z.Decode(b); err != nil && !errors.Is(err, ErrState) {
			t.Fatalf("error %v does not wrap ErrState", err)
		}
		if s := z.Observe(1); math.IsInf(s, 0) {
			t.Fatal("infinite score")
		}
		if len(z.ring) > 50 {
			t.Fatal("the history is too long")
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	z := NewZScore(720) // an hour by 5 s
	b.ReportAllocs()
	for b.Loop() {
		z.Observe(rnd.NormFloat64())
	}
}
