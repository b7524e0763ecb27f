package model

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// leastSquares computes what a Line gives from all numbers of the history at once; ok is false where it is close to the
// limit of what floating point can tell.
func leastSquares(past []float64, from, step int64, s *LineShape) float64 {
	start := floorDiv(step-s.History, s.Width)*s.Width + 1
	var ts, xs []float64
	for t := max(start, from); t <= step; t++ {
		if x := past[t-from]; isNumber(x) {
			ts, xs = append(ts, float64(t-step)), append(xs, x)
		}
	}
	if len(ts) < 2 || -2*ts[0] < float64(s.History-1) {
		return math.NaN()
	}
	mean := func(of []float64) float64 {
		total := 0.0
		for _, x := range of {
			total += x / float64(len(of))
		}
		return total
	}
	mt, mx := mean(ts), mean(xs)
	products, squares := 0.0, 0.0
	for i := range ts {
		products += (ts[i] - mt) * (xs[i] - mx)
		squares += (ts[i] - mt) * (ts[i] - mt)
	}
	return mx + products/squares*(s.Horizon-mt)
}

func TestLineIsLeastSquares(t *testing.T) {
	known := 0
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		history := int64(2 + rnd.IntN(40))
		if seed%3 == 0 {
			history = int64(300 + rnd.IntN(900))
		}
		s := NewLineShape(history, float64(rnd.IntN(100)))
		l, from := new(Line), rnd.Int64N(1e9)
		offset, slope := rnd.NormFloat64()*1e6, rnd.NormFloat64()
		var past []float64
		for i := range 2*history + 50 {
			x := offset + slope*float64(i) + rnd.NormFloat64()*10
			if rnd.IntN(4) == 0 || seed%5 == 0 && i%100 < 60 {
				x = math.NaN()
			}
			past = append(past, x)
			want, got := leastSquares(past, from, from+i, &s), l.Observe(&s, from+i, x)
			if math.IsNaN(want) != math.IsNaN(got) || math.Abs(want-got) > 1e-9*(math.Abs(offset)+1e4*s.Horizon) {
				t.Fatalf("seed %d, step %d of a history of %d: %v, expected %v", seed, i, history, got, want)
			}
			if !math.IsNaN(got) {
				known++
			}
			if rnd.IntN(40) == 0 {
				l = lineThroughEncoding(t, rnd, l, &s)
			}
		}
	}
	if known < 10_000 {
		t.Errorf("only %d numbers were foreseen", known)
	}
}

func lineThroughEncoding(t *testing.T, rnd *rand.Rand, l *Line, s *LineShape) *Line {
	t.Helper()
	middle, out := l.buckets.last-rnd.Int64N(int64(s.Buckets)+1), new(Line)
	for _, b := range [][]byte{l.Append(nil, math.MinInt64/2, middle), l.Append(nil, middle, math.MaxInt64/2)} {
		rest, err := out.Decode(s, append(b, 9))
		if err != nil || len(rest) != 1 {
			t.Fatalf("decoding: %v, %d bytes left", err, len(rest))
		}
	}
	step := (l.buckets.last + 1) * s.Width
	if a, b := l.at(s, step), out.at(s, step); math.Float64bits(a) != math.Float64bits(b) {
		t.Fatalf("a restored line reaches %v, not %v", b, a)
	}
	return out
}

// A restored line and one that was never written are the same to the last bit, at every later step.
func TestRestoredLineIsTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	s := NewLineShape(1000, 100)
	a := new(Line)
	for step := range int64(1500) {
		a.Observe(&s, step, rnd.NormFloat64())
	}
	b := new(Line)
	if _, err := b.Decode(&s, a.Append(nil, math.MinInt64/2, math.MaxInt64/2)); err != nil {
		t.Fatal(err)
	}
	for step := int64(1500); step < 3500; step++ {
		x := rnd.NormFloat64()
		if p, q := a.Observe(&s, step, x), b.Observe(&s, step, x); p != q {
			t.Fatalf("step %d: %v and %v", step, p, q)
		}
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		history int64
		x       func(i int64) float64
		steps   int64
		want    float64
	}{
		{"a full disk stays full, exactly", 4000, func(int64) float64 { return 0.1 }, 5000, 0.1},
		{"a rise goes on", 100, func(i int64) float64 { return float64(i) }, 200, 199 + 50},
		{"large numbers with a small slope", 1000, func(i int64) float64 { return 1e12 + float64(i) }, 2000, 1e12 + 1999 + 50},
		{"half the history is enough", 100, func(i int64) float64 { return float64(i) }, 51, 50 + 50},
		{"less is not", 100, func(i int64) float64 { return float64(i) }, 50, math.NaN()},
		{"what lies before the history does not count", 100, func(i int64) float64 { return max(1e9-1e9*float64(i), 7) }, 200, 7},
		{"too large for a number", 10, func(i int64) float64 { return math.MaxFloat64 * float64(1-2*(i%2)) }, 200, math.NaN()},
		{"infinite numbers are missing", 10, func(i int64) float64 { return math.Inf(int(i % 2)) }, 200, math.NaN()},
	} {
		s, l, got := NewLineShape(c.history, 50), new(Line), 0.0
		for i := range c.steps {
			got = l.Observe(&s, i, c.x(i))
		}
		if math.IsNaN(got) != math.IsNaN(c.want) || math.Abs(got-c.want) > 1e-6 || c.want == 0.1 && got != 0.1 {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
}

func TestLineIsBounded(t *testing.T) {
	s := NewLineShape(5_000_000, 1)
	l := new(Line)
	for step := range int64(10) {
		l.Observe(&s, step*s.Width*100, 1)
	}
	for number := range int64(1000) {
		l.Observe(&s, number*s.Width+1, 1)
	}
	if n := len(l.buckets.cells); n > MaxLineBuckets+2 {
		t.Errorf("%d buckets", n)
	}
	if n := cap(l.buckets.cells); n > s.Buckets {
		t.Errorf("room for %d buckets, of which at most %d are kept", n, s.Buckets)
	}
	if n := testing.AllocsPerRun(1000, func() { l.Observe(&s, (l.buckets.last+1)*s.Width+1, 2) }); n > 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func FuzzLine(f *testing.F) {
	s, l := NewLineShape(1000, 10), new(Line)
	for i := range int64(1100) {
		l.Observe(&s, i, float64(i%7))
	}
	f.Add(l.Append(nil, math.MinInt64/2, math.MaxInt64/2))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := new(Line)
		if _, err := l.Decode(&s, b); err != nil && !errors.Is(err, ErrState) {
			t.Fatalf("error %v does not wrap ErrState", err)
		}
		for step := int64(1100); step < 1110; step++ {
			if x := l.Observe(&s, step, 1); math.IsInf(x, 0) {
				t.Fatal("infinite")
			}
		}
		if len(l.buckets.cells) > s.Buckets {
			t.Fatal("too many buckets")
		}
	})
}

func BenchmarkLine(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	s, l, step := NewLineShape(4320, 2880), new(Line), int64(0) // 6 hours by 5 s
	b.ReportAllocs()
	for b.Loop() {
		l.Observe(&s, step, rnd.NormFloat64())
		step++
	}
}
