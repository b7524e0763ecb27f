package pane

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
)

var allKinds = []Kind{KindCount, KindMoments, KindMin, KindMax, KindLast, KindDistinct, KindSketch,
	KindCounter, KindHistogram, KindDistribution, KindSeriesLast, KindSeriesAvg, KindSeriesMin, KindSeriesMax, KindSequence, KindValues}

// sample is one value as an aggregate takes it.
type value struct {
	x  float64
	at Place
}

func randomValues(rnd *rand.Rand, n int) []value {
	special := []float64{0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 5e-324, 1e200, 0.1}
	out := make([]value, n)
	mode := rnd.IntN(4)
	for i := range out {
		switch {
		case mode == 0 && rnd.IntN(3) == 0:
			out[i].x = special[rnd.IntN(len(special))]
		case mode == 1:
			out[i].x = math.Ldexp(rnd.NormFloat64(), rnd.IntN(600)-300)
		default:
			out[i].x = float64(rnd.IntN(400)) / 7
		}
		out[i].at = Place{Time: rnd.Int64N(50), Partition: int32(rnd.IntN(3)), Offset: rnd.Int64N(5), Index: int32(i)}
	}
	return out
}

func fill(tb testing.TB, k Kind, values []value) Aggregate {
	tb.Helper()
	a, err := New(k)
	if err != nil {
		tb.Fatal(err)
	}
	for _, v := range values {
		switch a := a.(type) {
		case *Count:
			a.Add()
		case *Moments:
			a.Add(v.x)
		case *Min:
			a.Add(v.x)
		case *Max:
			a.Add(v.x)
		case *Last:
			a.Add(v.at, v.x)
		case *Distinct:
			a.Add(xxhash.Sum64String(fmt.Sprint(v.x)))
		case *Sketch:
			a.Add(v.x)
		case *Counter:
			if v.at.Offset == 0 {
				a.Delta.Add(v.x)
				continue
			}
			a.Add(uint64(v.at.Partition), CounterPoint{Place: v.at, Start: v.at.Time / 20 * 20, Value: v.x})
		case *Histogram:
			if v.at.Offset == 0 {
				a.Delta.Add(bucketOf(v))
				continue
			}
			a.Add(uint64(v.at.Partition), HistogramPoint{Place: v.at, Start: v.at.Time / 20 * 20, Buckets: []Bucket{bucketOf(v)}})
		case *Distribution:
			a.Single.Add(v.x)
			a.Add(bucketOf(v))
		case *Sequence:
			if v.at.Offset == 0 {
				a.End(v.at)
				continue
			}
			a.Add(v.at)
		case *Values:
			a.Add(xxhash.Sum64String(fmt.Sprint(v.x)))
		case *Series:
			switch inner := a.Of(uint64(v.at.Offset)); inner := inner.(type) {
			case *Last:
				inner.Add(v.at, v.x)
			case *Moments:
				inner.Add(0)
				inner.Add(v.x)
			case *Min:
				inner.Add(0)
				inner.Add(v.x)
			case *Max:
				inner.Add(0)
				inner.Add(v.x)
			}
		}
	}
	return a
}

// bucketOf is a bucket for a value, of one of several layouts.
func bucketOf(v value) Bucket {
	high := float64(v.at.Time / 5)
	return Bucket{Low: high - 1 - float64(v.at.Partition), High: high, N: uint64(1 + v.at.Offset), Exponential: v.at.Partition == 1}
}

func encoded(a Aggregate) []byte { return a.Append(nil) }

// TestMergeIsAssociativeAndCommutative: values cut into parts and merged in any shape and order give, to the last bit,
// the encoding of all of them at once, and merging changes nothing of what it reads.
func TestMergeIsAssociativeAndCommutative(t *testing.T) {
	for _, k := range allKinds {
		for seed := range uint64(300) {
			rnd := rand.New(rand.NewPCG(seed, uint64(k)))
			values := randomValues(rnd, rnd.IntN(700))
			want := encoded(fill(t, k, values))
			parts := make([]Aggregate, 1+rnd.IntN(6))
			split := make([][]value, len(parts))
			for _, v := range values {
				i := rnd.IntN(len(parts))
				split[i] = append(split[i], v)
			}
			for i := range parts {
				parts[i] = fill(t, k, split[i])
			}
			for len(parts) > 1 {
				i, j := rnd.IntN(len(parts)), rnd.IntN(len(parts)-1)
				if j >= i {
					j++
				}
				before := encoded(parts[j])
				parts[i].Merge(parts[j])
				if !bytes.Equal(before, encoded(parts[j])) {
					t.Fatalf("kind %d, seed %d: Merge changed what it read", k, seed)
				}
				if rnd.IntN(2) == 0 {
					// A trip through the encoding makes no difference.
					b := encoded(parts[i])
					parts[i], _ = New(k)
					if rest, err := parts[i].Decode(append(b, 7)); err != nil || len(rest) != 1 {
						t.Fatalf("kind %d, seed %d: decoding: %v, %d bytes left", k, seed, err, len(rest))
					}
				}
				parts = slices.Delete(parts, j, j+1)
			}
			if got := encoded(parts[0]); !bytes.Equal(got, want) {
				t.Fatalf("kind %d, seed %d: merged\n%x, all at once\n%x", k, seed, got, want)
			}
		}
	}
}

// TestSubtractTakesOutExactly slides a window of parts by merging and subtracting, against building it anew.
func TestSubtractTakesOutExactly(t *testing.T) {
	for _, k := range []Kind{KindCount, KindMoments, KindLast, KindSketch} {
		for seed := range uint64(60) {
			rnd := rand.New(rand.NewPCG(seed, uint64(k)))
			length := 1 + rnd.IntN(8)
			var parts [][]value
			held := fill(t, k, nil).(Invertible)
			for i := range 30 {
				part := randomValues(rnd, rnd.IntN(20))
				for j := range part {
					part[j].at.Time += int64(i) * 100 // a later pane holds later times
				}
				parts = append(parts, part)
				held.Merge(fill(t, k, part))
				if i >= length {
					held.Subtract(fill(t, k, parts[i-length]))
				}
				window := slices.Concat(parts[max(0, i-length+1):]...)
				if want, got := encoded(fill(t, k, window)), encoded(held); !bytes.Equal(want, got) {
					t.Fatalf("kind %d, seed %d, part %d: slid\n%x, anew\n%x", k, seed, i, got, want)
				}
			}
		}
	}
}

func TestMomentsAreExact(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var m Moments
		sum, squares := new(big.Rat), new(big.Rat)
		n := 1 + rnd.IntN(40)
		shift := rnd.IntN(100) - 50
		for range n {
			x := math.Ldexp(rnd.NormFloat64(), shift+rnd.IntN(60))
			if rnd.IntN(3) == 0 {
				x = 1e15 + float64(rnd.IntN(9)) // far from zero, little spread
			}
			m.Add(x)
			r := new(big.Rat).SetFloat64(x)
			sum.Add(sum, r)
			squares.Add(squares, r.Mul(r, r))
		}
		want, _ := sum.Float64()
		if m.Sum() != want {
			t.Fatalf("seed %d: sum %v, expected %v", seed, m.Sum(), want)
		}
		count := new(big.Rat).SetInt64(int64(n))
		diff, _ := new(big.Rat).Sub(count.Mul(count, squares), sum.Mul(sum, sum)).Float64()
		if got := m.Deviation(); got != math.Sqrt(diff)/float64(n) {
			t.Fatalf("seed %d: deviation %v, expected %v", seed, got, math.Sqrt(diff)/float64(n))
		}
	}
}

func TestMomentsOfInfinities(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		values         []float64
		sum, deviation float64
	}{
		{nil, 0, math.NaN()},
		{[]float64{math.NaN()}, 0, math.NaN()},
		{[]float64{1, inf}, inf, math.NaN()},
		{[]float64{1, -inf}, -inf, math.NaN()},
		{[]float64{inf, -inf}, math.NaN(), math.NaN()},
		{[]float64{1e308, 1e308, -1e308}, math.NaN(), math.NaN()},
		{[]float64{1e150, -1e150}, 0, math.NaN()},
		{[]float64{1e100, 1, -1e100}, 1, math.Sqrt(2.0/3) * 1e100},
		{[]float64{5, 5, 5}, 15, 0},
	} {
		m := new(Moments)
		for _, x := range c.values {
			m.Add(x)
		}
		same := func(a, b float64) bool { return a == b || (a != a && b != b) || math.Abs(a-b) < 1e-14*math.Abs(b) }
		if !same(m.Sum(), c.sum) || !same(m.Deviation(), c.deviation) {
			t.Errorf("%v: sum %v, deviation %v; expected %v, %v", c.values, m.Sum(), m.Deviation(), c.sum, c.deviation)
		}
	}
}

func TestSketchIsWithinItsAccuracy(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s Sketch
		var all []float64
		for range 1 + rnd.IntN(500) {
			x := math.Exp(rnd.NormFloat64()*5) * float64(rnd.IntN(3)-1)
			s.Add(x)
			all = append(all, x)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			want, got := all[int(q*float64(len(all)-1))], s.Quantile(q)
			if math.Abs(got-want) > (Accuracy+1e-9)*math.Abs(want) {
				t.Fatalf("p%g of %d values: %v, expected %v within 1 %%", 100*q, len(all), got, want)
			}
		}
	}
	var s Sketch
	s.Add(math.Inf(1))
	if x := s.Quantile(0.5); math.IsInf(x, 0) || x < 1e307 {
		t.Errorf("an infinite value counts as %v, expected a large finite number", x)
	}
	if x := new(Sketch).Quantile(0.5); x == x {
		t.Errorf("the quantile of nothing is %v, expected NaN", x)
	}
}

func TestDistinctIsExactThenClose(t *testing.T) {
	d := new(Distinct)
	for i := range 100_000 {
		d.Add(xxhash.Sum64String(fmt.Sprint(i)))
		d.Add(xxhash.Sum64String(fmt.Sprint(i / 2)))
		n := uint64(i + 1)
		if n <= MaxExact && d.Value() != n {
			t.Fatalf("%d of %d different values", d.Value(), n)
		}
	}
	if got := float64(d.Value()); math.Abs(got/100_000-1) > 0.06 {
		t.Errorf("%v of 100000 different values, expected within 6 %%", got)
	}
	d.Reset()
	d.Add(1)
	if !bytes.Equal(encoded(d), encoded(fillDistinct(1))) || d.Value() != 1 {
		t.Error("after a reset the set is not as new")
	}
}

func fillDistinct(hashes ...uint64) *Distinct {
	d := new(Distinct)
	for _, h := range hashes {
		d.Add(h)
	}
	return d
}

func FuzzAggregate(f *testing.F) {
	for seed := range uint64(3) {
		for _, k := range allKinds {
			f.Add(uint8(k), encoded(fill(f, k, randomValues(rand.New(rand.NewPCG(seed, 5)), int(seed)*300))))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		a, err := New(Kind(kind%7 + 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Decode(b); err != nil {
			if !a.Empty() {
				t.Fatal("not empty after an error")
			}
			return
		}
		// What was read encodes to what is read back the same.
		first := encoded(a)
		again, _ := New(a.Kind())
		rest, err := again.Decode(first)
		if err != nil || len(rest) > 0 || !bytes.Equal(first, encoded(again)) {
			t.Fatalf("%x is read back as %x: %v", first, encoded(again), err)
		}
		again.Merge(a)
	})
}
