package window

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet-dev/freshet/detect/pane"
)

// oracle keeps all panes and merges those of a window anew.
type oracle map[int64][]float64

func (o oracle) window(tb testing.TB, k pane.Kind, from, to int64) pane.Aggregate {
	tb.Helper()
	a, err := pane.New(k)
	if err != nil {
		tb.Fatal(err)
	}
	for i := from; i < to; i++ {
		a.Merge(aggregateOf(tb, k, i, o[i]))
	}
	return a
}

func aggregateOf(tb testing.TB, k pane.Kind, index int64, values []float64) pane.Aggregate {
	tb.Helper()
	a, err := pane.New(k)
	if err != nil {
		tb.Fatal(err)
	}
	for j, x := range values {
		switch a := a.(type) {
		case *pane.Count:
			a.Add()
		case *pane.Moments:
			a.Add(x)
		case *pane.Min:
			a.Add(x)
		case *pane.Max:
			a.Add(x)
		case *pane.Sketch:
			a.Add(x)
		case *pane.Distinct:
			a.Add(uint64(x*1000) * 0x9e3779b97f4a7c15)
		case *pane.Last:
			a.Add(pane.Place{Time: index, Offset: int64(j)}, x)
		}
	}
	return a
}

// TestWindowsSlideLikeTheOracle pushes random panes with gaps through windows of different lengths and widths of bucket,
// and looks at the window itself, at that of a later step, and at what a trip through the encoding leaves of it.
func TestWindowsSlideLikeTheOracle(t *testing.T) {
	for k := pane.KindCount; k <= pane.KindSketch; k++ {
		for seed := range uint64(30) {
			slideLikeTheOracle(t, k, rand.New(rand.NewPCG(seed, uint64(k))))
			if t.Failed() {
				t.Fatalf("kind %d, seed %d", k, seed)
			}
		}
	}
}

func slideLikeTheOracle(t *testing.T, k pane.Kind, rnd *rand.Rand) {
	t.Helper()
	all := oracle{}
	s := NewShape(1 + rnd.Int64N(40))
	s.Width, s.Interval = 1<<rnd.IntN(4), 1000
	if _, err := s.Add(1, k); err != nil {
		t.Fatal(err)
	}
	w := s.New()
	step := rnd.Int64N(1000) - 500
	for range 200 {
		step++
		if rnd.IntN(10) == 0 {
			step += rnd.Int64N(2 * s.Length) // a gap: the window slides over nothing
		}
		if rnd.IntN(3) > 0 {
			for range 1 + rnd.IntN(4) {
				all[step-1] = append(all[step-1], rnd.NormFloat64()*9)
			}
			p := &pane.Pane{Aggregates: []pane.Aggregate{nil, aggregateOf(t, k, step-1, all[step-1])}}
			p.Evidence.Add(0, (step-1)*s.Interval+7, 1)
			if err := w.Push(s, step-1, p); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Slide(s, step); err != nil {
			t.Fatal(err)
		}
		if rnd.IntN(20) == 0 {
			w = copyOf(t, s, &w, step, rnd)
		}
		for _, at := range []int64{step, step + 1 + rnd.Int64N(2*s.Length)} {
			start := floorDiv(at-s.Length, s.Width) * s.Width
			if over := at - s.Length - start; over < 0 || over >= s.Width || s.Start(at) != start {
				t.Fatalf("the window of %d steps before %d begins at %d", s.Length, at, s.Start(at))
			}
			compareWindows(t, s, &w, at, all.window(t, k, start, step))
			first := int64(0)
			for i := start; i < step && first == 0; i++ {
				if len(all[i]) > 0 {
					first = i*s.Interval + 7
				}
			}
			if got := w.First(s, at); got != first {
				t.Fatalf("first record at %d, expected %d", got, first)
			}
		}
	}
}

func compareWindows(t *testing.T, s *Shape, w *Window, step int64, want pane.Aggregate) {
	t.Helper()
	got := s.Empty()
	if err := w.Measure(s, step, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[0].Append(nil), want.Append(nil)) {
		t.Fatalf("the window before step %d: %x, expected %x", step, got[0].Append(nil), want.Append(nil))
	}
}

// copyOf writes a window in two parts and reads them again.
func copyOf(t *testing.T, s *Shape, w *Window, step int64, rnd *rand.Rand) Window {
	t.Helper()
	out, middle := s.New(), (step-rnd.Int64N(s.Reach()))/s.Width
	for _, b := range [][]byte{w.Append(nil, math.MinInt64, middle), w.Append(nil, middle, math.MaxInt64)} {
		if rest, err := out.Decode(b); err != nil || len(rest) > 0 {
			t.Fatal(err, rest)
		}
	}
	if err := out.Restore(s, step); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWidthKeepsItsPromise: the number of buckets is bounded, and so is the error.
func TestWidthKeepsItsPromise(t *testing.T) {
	for steps := int64(1); steps < 1<<40; steps += 1 + steps/7 {
		s, p := NewShape(steps), NewSpacing(steps)
		if s.Width != 1 && 512*(s.Width-1) >= steps || s.Reach() > (MaxBuckets+1)*s.Width || (steps <= MaxBuckets) != (s.Width == 1) {
			t.Fatalf("a window of %d steps has buckets of %d", steps, s.Width)
		}
		if p.Width != 1 && MaxNumbers*p.Width/2 > steps || p.Numbers > MaxNumbers+2 || (steps <= MaxNumbers) != (p.Width == 1) {
			t.Fatalf("a look back over %d steps has %d numbers, one for %d steps", steps, p.Numbers, p.Width)
		}
	}
}

// TestStacksCostPerValueIsConstant counts the merges of a long window: about two per value, not one per value held.
func TestStacksCostPerValueIsConstant(t *testing.T) {
	merges := 0
	add := func(a, b int) int { merges++; return a + b }
	var s Stacks[int]
	const n, length = 50_000, 10_000
	for i := range int64(n) {
		s.Push(i, 1, add)
		s.Evict(i-length+1, add)
		if got, _ := s.From(0, add); got != min(int(i)+1, length) {
			t.Fatalf("sum %d after %d values", got, i+1)
		}
	}
	if merges > 3*n {
		t.Errorf("%d merges for %d values in a window of %d, expected at most %d", merges, n, length, 3*n)
	}
}

func TestLogEncodesParts(t *testing.T) {
	var l Log
	for i := int64(-70); i < 70; i += 7 {
		l.Push(i, fmt.Appendf(nil, "pane %d", i))
	}
	var copied Log
	for _, part := range [][2]int64{{-1000, -10}, {-10, -9}, {-9, 30}, {30, 1000}} {
		rest, err := copied.Decode(append(l.Append(nil, part[0], part[1]), 1, 2))
		if err != nil || len(rest) != 2 {
			t.Fatalf("part %v: %v, %d bytes left", part, err, len(rest))
		}
	}
	if want, got := l.Append(nil, -1000, 1000), copied.Append(nil, -1000, 1000); !bytes.Equal(want, got) {
		t.Errorf("put together from parts: %q, expected %q", got, want)
	}
	if _, err := copied.Decode(l.Append(nil, 0, 20)); !errors.Is(err, ErrLog) {
		t.Errorf("panes that are not newer: %v, expected ErrLog", err)
	}
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		var h History
		length, first := 1+rnd.IntN(20), rnd.Int64N(100)-50
		var all []float64
		for i := range int64(60) {
			x := float64(rnd.IntN(3))
			if rnd.IntN(5) == 0 {
				x = math.NaN()
			}
			all = append(all, x)
			h.Push(first+i, x, length)
			for back := range int64(25) {
				got, ok := h.At(first + i - back)
				held := back <= i && back < int64(length)
				if ok != held || (ok && !sameNumber(got, all[i-back])) {
					t.Fatalf("seed %d: %d steps back: %v, %v", seed, back, got, ok)
				}
			}
		}
		// Written in two parts and read again it is the same.
		var copied History
		middle := first + rnd.Int64N(60)
		for _, b := range [][]byte{h.Append(nil, math.MinInt64, middle), h.Append(nil, middle, math.MaxInt64)} {
			if rest, err := copied.Decode(b, length); err != nil || len(rest) > 0 {
				t.Fatal(err, rest)
			}
		}
		if !slices.Equal(h.Append(nil, math.MinInt64, math.MaxInt64), copied.Append(nil, math.MinInt64, math.MaxInt64)) {
			t.Fatalf("seed %d: the history differs after a trip through its encoding", seed)
		}
		h.Push(first+100, 1, length)
		if h.Len() != 1 {
			t.Error("a step that does not follow the last one does not start the history anew")
		}
	}
}

// TestHistoryHoldsWhatIsLookedFor: each step asks for the number of a step long ago before it adds its own.
func TestHistoryHoldsWhatIsLookedFor(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 10))
		back := 1 + rnd.Int64N(10*MaxNumbers)
		s, first := NewSpacing(back), rnd.Int64N(1000)-500
		var h History
		for step := first; step < first+2*back; step++ {
			then := s.Nearest(step - back)
			if off := then - (step - back); 2*off > s.Width || 2*off < -s.Width {
				t.Fatalf("the number of %d steps ago is that of %d steps later", back, off)
			}
			if x, ok := h.At(then / s.Width); ok != (then >= first) || (ok && x != float64(then)) {
				t.Fatalf("%d steps back from %d, at %d: %v (%v)", back, step, then, x, ok)
			}
			if step%s.Width == 0 {
				h.Push(step/s.Width, float64(step), s.Numbers)
			}
		}
	}
}

func sameNumber(a, b float64) bool { return a == b || (a != a && b != b) }

func TestMarksWaitForEveryPartition(t *testing.T) {
	var m Marks
	topics := []string{"a", "b"}
	see := func(topic string, partition, partitions int32, at, start int64, version uint64) {
		m.Observe(topic, partition, Mark{Partitions: partitions, Read: [Clocks]Extent{EventTime: {at, start}, ArrivalTime: {at + 1000, start + 1000}}, Version: version})
	}
	expect := func(want int64, ok bool) {
		t.Helper()
		if at, known := m.Complete(topics, EventTime); known != ok || at != want {
			t.Errorf("complete up to %d (%v), expected %d (%v)", at, known, want, ok)
		}
	}
	expect(0, false)
	see("a", 0, 2, 100, 10, 1)
	see("b", 0, 1, 70, 40, 1)
	expect(0, false) // a/1 has not been heard of
	see("a", 1, 2, 90, 30, 2)
	expect(70, true)
	if _, ok := m.Start(topics, EventTime, 1); ok {
		t.Error("a/1 is read under other rules, and yet all are said to be read under these")
	}
	see("a", 1, 2, 80, 50, 1)
	expect(70, true)
	for clock, want := range [Clocks]int64{50, 1050} {
		if at, ok := m.Start(topics, Clock(clock), 1); !ok || at != want {
			t.Errorf("by clock %d all are read from %d (%v) on, expected %d", clock, at, ok, want)
		}
	}
	if held, _ := m.Get("a", 1); held.Read[EventTime].Time != 90 || held.Read[ArrivalTime].Time != 1090 {
		t.Errorf("the time of a/1 went back to %v", held.Read)
	}
	see("b", 0, 1, 200, 0, 1)
	expect(90, true)
	if at, ok := m.Complete(topics, ArrivalTime); !ok || at != 1090 {
		t.Errorf("by arrival complete up to %d (%v), expected 1090", at, ok)
	}
	see("a", 0, 3, 100, 0, 1)
	expect(0, false) // the topic has grown by a partition
	if _, ok := m.Complete(nil, EventTime); ok {
		t.Error("no topics are said to be complete")
	}
	// The event time of a partition may be unknown when its arrival time is not.
	var odd Marks
	odd.Observe("a", 0, Mark{Partitions: 1, Read: [Clocks]Extent{EventTime: {math.MinInt64, math.MinInt64}, ArrivalTime: {7, 5}}})
	if _, ok := odd.Complete([]string{"a"}, EventTime); ok {
		t.Error("an event time is known that no marker said")
	}
	if at, ok := odd.Complete([]string{"a"}, ArrivalTime); !ok || at != 7 {
		t.Errorf("by arrival complete up to %d (%v), expected 7", at, ok)
	}
}

func FuzzLog(f *testing.F) {
	var l Log
	for i := range int64(5) {
		l.Push(i*3, []byte{byte(i), 2, 3})
	}
	f.Add(l.Append(nil, 0, 100))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var l Log
		if _, err := l.Decode(b); err != nil {
			if !l.Empty() || !errors.Is(err, ErrLog) {
				t.Fatalf("after %v the log is not empty", err)
			}
		} else {
			read := int64(math.MinInt64)
			for c := l.Front(); ; {
				index, _, after, ok := l.Next(c)
				if !ok {
					break
				}
				c, read = after, index
			}
			if newest, _, ok := l.Newest(); ok && newest != read {
				t.Fatalf("the newest pane is %d, and %d is the last that is read", newest, read)
			}
		}
		var h History
		_, _ = h.Decode(b, 100)
		if h.Len() > 100 {
			t.Fatal("the history is too long")
		}
	})
}
