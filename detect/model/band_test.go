package model

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowBand remembers everything that a band was fed and what it said, and computes what is next from that.
type slowBand struct {
	s           *BandShape
	from        int64
	x, distance []float64
}

func (o *slowBand) observe(x float64) (expected, deviation float64) {
	s, step := o.s, o.from+int64(len(o.x))
	base := 0.0
	if s.Season > 0 {
		base = math.NaN()
		var same []float64
		for k := range int64(s.Seasons) {
			total, n := 0.0, 0.0
			number := floorDiv(step-1-(k+1)*s.Season, s.SeasonWidth)
			for at := number*s.SeasonWidth + 1; at <= (number+1)*s.SeasonWidth; at++ {
				if i := at - o.from; i >= 0 && isNumber(o.x[i]) {
					total += o.x[i]
					n++
				}
			}
			if n > 0 {
				same = append(same, total/n)
			}
		}
		if len(same) >= 2 {
			base = byHalves(same)
		}
	}
	present, count := floorDiv(step-1, s.LevelWidth), floorDiv(s.History+s.LevelWidth-1, s.LevelWidth)
	var recent []float64
	for number := present - count; number < present; number++ {
		for at := (number + 1) * s.LevelWidth; at > number*s.LevelWidth; at-- {
			if i := at - o.from; i >= 0 && i < int64(len(o.x)) && isNumber(o.distance[i]) {
				recent = append(recent, o.distance[i])
				break
			}
		}
	}
	expected, deviation = math.NaN(), math.NaN()
	if len(recent) >= int(min(30, count)) && isNumber(base) {
		level := byHalves(recent)
		var off []float64
		total := 0.0
		for _, d := range recent {
			off = append(off, math.Abs(d-level))
			total += math.Abs(d - level)
		}
		expected, deviation = base+level, 1.4826*byHalves(off)
		if deviation == 0 {
			deviation = 1.2533 * total / float64(len(recent))
		}
		deviation = max(deviation, math.Abs(expected)/100)
	}
	o.x, o.distance = append(o.x, x), append(o.distance, x-base)
	return expected, deviation
}

func byHalves(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	return xs[(len(xs)-1)/2]/2 + xs[len(xs)/2]/2
}

func closeTo(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(math.Abs(a), 1)
}

func TestBandEqualsItsOracle(t *testing.T) {
	for seed := range uint64(120) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		history, season, daily := int64(1+rnd.IntN(60)), int64(0), rnd.IntN(2) == 0
		if rnd.IntN(3) == 0 {
			history = int64(200 + rnd.IntN(300))
		}
		if seed%3 > 0 {
			season = int64(20 + rnd.IntN(80))
		}
		if seed%7 == 0 {
			season = int64(550 + rnd.IntN(100))
		}
		s := NewBandShape(history, season, daily)
		b, o, known := new(Band), &slowBand{s: NewBandShape(history, season, daily), from: rnd.Int64N(1e6)}, 0
		for i := range 400 + 5*season {
			x := 100 + 50*math.Sin(float64(i)/float64(season+1)*2*math.Pi) + rnd.NormFloat64()*5
			switch {
			case rnd.IntN(6) == 0:
				x = []float64{math.NaN(), math.Inf(1), 1e6, 0}[rnd.IntN(4)]
			case seed%5 == 0:
				x = float64(int(x) / 40)
			}
			wantExpected, wantDeviation := o.observe(x)
			expected, deviation := b.Observe(s, o.from+i, x)
			if !closeTo(expected, wantExpected) || !closeTo(deviation, wantDeviation) {
				t.Fatalf("seed %d, step %d: %v ± %v, expected %v ± %v", seed, i, expected, deviation, wantExpected, wantDeviation)
			}
			if !math.IsNaN(expected) {
				known++
			}
			if rnd.IntN(30) == 0 {
				b = bandThroughEncoding(t, rnd, b, s)
			}
		}
		if known == 0 {
			t.Fatalf("seed %d: nothing was ever expected", seed)
		}
		if n := len(b.season.cells); n > MaxSeasonBuckets+2 {
			t.Errorf("%d buckets of seasons", n)
		}
	}
}

// bandThroughEncoding writes both parts of a band in two pieces and reads them into a new one.
func bandThroughEncoding(t *testing.T, rnd *rand.Rand, b *Band, s *BandShape) *Band {
	t.Helper()
	out := new(Band)
	const first, last = math.MinInt64 / 2, math.MaxInt64 / 2
	read := func(decode func([]byte) ([]byte, error), bytes []byte) {
		t.Helper()
		if rest, err := decode(append(bytes, 9)); err != nil || len(rest) != 1 {
			t.Fatalf("decoding: %v, %d bytes left", err, len(rest))
		}
	}
	middle := b.level.last - rnd.Int64N(20)
	from, to := Level{b, s}, Level{out, s}
	read(to.Decode, from.Append(nil, first, middle))
	read(to.Decode, from.Append(nil, middle, last))
	if s.Season > 0 {
		middle = b.season.last + 1 - rnd.Int64N(20)
		from, to := Season{b, s}, Season{out, s}
		read(to.Decode, from.Append(nil, first, middle))
		read(to.Decode, from.Append(nil, middle, last))
	}
	return out
}

// day is one of the test's days: 288 steps.
const dayOfTest = 288

// run feeds a band so many steps, and returns the scores.
func runBand(b *Band, s *BandShape, from, steps int64, x func(step int64) float64) (scores []float64) {
	for step := from; step < from+steps; step++ {
		v := x(step)
		expected, deviation := b.Observe(s, step, v)
		scores = append(scores, Score(v, expected, deviation))
	}
	return scores
}

func unusual(scores []float64, limit float64) (n int) {
	for _, s := range scores {
		if math.Abs(s) > limit {
			n++
		}
	}
	return n
}

func TestBandAfterALevelShift(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	noise := func(level float64) func(int64) float64 {
		return func(int64) float64 { return level + rnd.NormFloat64() }
	}
	s, b := NewBandShape(60, 0, false), new(Band)
	start := runBand(b, s, 1, 200, noise(100))
	if cold := slices.IndexFunc(start, func(x float64) bool { return !math.IsNaN(x) }); cold != MinPoints {
		t.Errorf("the first score is that of step %d, expected %d", cold, MinPoints)
	}
	if n := unusual(start, 6); n > 0 {
		t.Errorf("%d of the usual numbers are called unusual", n)
	}
	shift := runBand(b, s, 201, 200, noise(150))
	if n := unusual(shift[:30], 6); n < 20 {
		t.Errorf("only %d of the first 30 numbers after the shift are unusual", n)
	}
	if n := unusual(shift[31:], 6); n > 0 {
		t.Errorf("%d numbers are unusual half a history after the shift", n)
	}
	if n := unusual(runBand(b, s, 401, 1, noise(100)), 6); n != 1 {
		t.Error("a history after the shift the old level is not called unusual: the band is still wide")
	}
}

func TestBandWithSeason(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 2))
	busy := 1.0
	daily := func(step int64) float64 {
		night := 100.0
		if h := step % dayOfTest; h > 96 && h < 240 {
			night = 1000
		}
		return busy*night + 5*rnd.NormFloat64()
	}
	s, b := NewBandShape(24, dayOfTest, true), new(Band)
	two := runBand(b, s, 1, 2*dayOfTest, daily)
	if i := slices.IndexFunc(two, func(x float64) bool { return !math.IsNaN(x) }); i >= 0 {
		t.Errorf("a score at step %d, before two days were seen", i)
	}
	week := runBand(b, s, 2*dayOfTest+1, 8*dayOfTest, daily)
	if n := unusual(week[dayOfTest:], 8); n > 0 {
		t.Errorf("%d usual numbers of a day are called unusual, mornings among them", n)
	}
	at := int64(10*dayOfTest + 1)
	if s := runBand(b, s, at, 1, func(int64) float64 { return 1000 }); !(s[0] > 8) {
		t.Errorf("a busy hour at night scores %v", s[0])
	}
	// A night of an incident is forgotten at once: the nights after it are as usual.
	runBand(b, s, at+1, dayOfTest, func(step int64) float64 {
		if step%dayOfTest < 20 {
			return 5000
		}
		return daily(step)
	})
	after := runBand(b, s, at+1+dayOfTest, dayOfTest, daily)
	if n := unusual(after, 8); n > 0 {
		t.Errorf("%d numbers of the day after an incident are called unusual", n)
	}
	// From now on everything is twice as busy: strange for half of the recent past at each step of the day, then normal.
	busy = 2
	first := runBand(b, s, at+1+2*dayOfTest, dayOfTest, daily)
	if n := unusual(first, 8); n < 10 || n > 3*24 {
		t.Errorf("%d numbers of the first day of a new level are unusual", n)
	}
	later := runBand(b, s, at+1+3*dayOfTest, 7*dayOfTest, daily)
	if n := unusual(later[6*dayOfTest:], 8); n > 0 {
		t.Errorf("%d numbers are unusual a week after the level changed", n)
	}
}

func TestBandOfAFlatPast(t *testing.T) {
	flat := func(x float64) func(int64) float64 { return func(int64) float64 { return x } }
	s, b := NewBandShape(60, 0, false), new(Band)
	if got := runBand(b, s, 1, 100, flat(50))[99]; got != 0 {
		t.Errorf("a flat line scores %v", got)
	}
	if got := runBand(b, s, 101, 1, flat(51))[0]; math.Abs(got-2) > 1e-9 {
		t.Errorf("2 %% above a flat line scores %v, expected 2: the least deviation is 1 %%", got)
	}
	s, b = NewBandShape(60, 0, false), new(Band)
	runBand(b, s, 1, 100, flat(0))
	if got := runBand(b, s, 101, 2, flat(5)); !math.IsNaN(got[0]) || !(got[1] > 10) {
		t.Errorf("after nothing but 0 the scores of 5 are %v, expected none and then a large one", got)
	}
}

func FuzzBand(f *testing.F) {
	s, b := NewBandShape(200, 600, true), new(Band)
	for i := range int64(1500) {
		b.Observe(s, i, float64(i%7))
	}
	f.Add(Level{b, s}.Append(nil, 0, math.MaxInt64/2), Season{b, s}.Append(nil, 0, math.MaxInt64/2))
	f.Fuzz(func(t *testing.T, level, season []byte) {
		b := new(Band)
		_, first := Level{b, s}.Decode(level)
		_, second := Season{b, s}.Decode(season)
		for _, err := range []error{first, second} {
			if err != nil && !errors.Is(err, ErrState) {
				t.Fatalf("error %v does not wrap ErrState", err)
			}
		}
		for step := int64(1500); step < 1520; step++ {
			if x, d := b.Observe(s, step, 1); math.IsInf(x, 0) || math.IsInf(d, 0) || d < 0 {
				t.Fatalf("%v ± %v", x, d)
			}
		}
	})
}

func TestBandDoesNotAllocate(t *testing.T) {
	s, b, step := NewBandShape(720, 17280, true), new(Band), int64(0)
	for range 7*17280 + 1000 {
		step++
		b.Observe(s, step, float64(step%100))
	}
	if n := testing.AllocsPerRun(2000, func() {
		step++
		b.Observe(s, step, float64(step%100))
	}); n > 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func BenchmarkBand(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	s, band, step := NewBandShape(720, 17280, true), new(Band), int64(0) // by 5 s
	b.ReportAllocs()
	for b.Loop() {
		step++
		band.Observe(s, step, rnd.NormFloat64())
	}
}
