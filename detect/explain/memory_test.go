package explain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// steps are the records of a test, by step, matching ones and all.
type steps map[int64]*[2][]*Record

func randomSteps(rnd *rand.Rand, from, to int64) steps {
	out := steps{}
	for step := from; step < to; step++ {
		if rnd.IntN(3) == 0 {
			continue
		}
		out[step] = &[2][]*Record{randomRecords(rnd, rnd.IntN(60)), randomRecords(rnd, rnd.IntN(30))}
	}
	return out
}

// dumbSpans writes what a memory holds once the steps before one are complete, from the records of every step.
func (in steps) dumbSpans(plan Plan, window, step int64) []string {
	width := max(1, (window+7)/8)
	lengths := []int64{width, 8 * width, 32 * width, 128 * width}
	var out []string
	gather := func(level int, number, from, to int64) {
		var sums [2][]*Record
		there := false
		for n, records := range in {
			if n < from || n >= to {
				continue
			}
			there = true
			for k, size := range []Sizes{plan.Matching, plan.All} {
				sums[k] = append(sums[k], dumb(size, records[k])...)
			}
		}
		if there {
			out = append(out, fmt.Sprint(level, number, texts(dumb(plan.Matching, sums[0])), texts(dumb(plan.All, sums[1]))))
		}
	}
	// begin is where what a level keeps begins: what is older belongs to the levels above.
	end := step
	for i, length := range lengths {
		keep := int64(4)
		if i == 0 {
			keep = 8
		}
		at := floorDiv(step-1, length)
		begin := (at - keep) * length
		for n := at - keep - 1; n <= at; n++ {
			gather(i+1, n, max(begin, n*length), min(end, (n+1)*length))
		}
		end = begin
	}
	for n := range in {
		if n >= step {
			gather(0, n, n, n+1)
		}
	}
	slices.Sort(out)
	return out
}

func (m *Memory) texts() []string {
	var out []string
	for i := range m.spans {
		s := &m.spans[i]
		out = append(out, fmt.Sprint(s.level, s.number, texts(s.matching.records), texts(s.all.records)))
	}
	slices.Sort(out)
	return out
}

// encode gives records as stage 1 sends them, in pieces, some of them twice.
func encode(rnd *rand.Rand, plan Plan, records *[2][]*Record) (deltas [][]byte) {
	s := span{matching: Sample{Sizes: plan.Matching}, all: Sample{Sizes: plan.All}}
	write := func() { deltas = append(deltas, s.all.AppendUnsent(s.matching.AppendUnsent(nil))) }
	for k, sample := range []*Sample{&s.matching, &s.all} {
		for _, r := range records[k] {
			offer(sample, r)
			if rnd.IntN(20) == 0 {
				write()
			}
		}
	}
	write()
	return deltas
}

// TestMemoryIsWhatItsRecordsSay feeds steps in disorder, closes one or many at a time, and lets the memory die and be
// restored from what it wrote; it always holds what the definition says.
func TestMemoryIsWhatItsRecordsSay(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		window, plan := 1+rnd.Int64N(40), NewPlan(1+rnd.IntN(300), rnd.IntN(2) == 0)
		from := rnd.Int64N(1000) - 500
		to := from + 20 + rnd.Int64N(12*window)
		in := randomSteps(rnd, from, to)
		m := NewMemory(window, plan)
		store := map[[KeySize]byte][]byte{}
		ahead := 1 + rnd.Int64N(10)
		fed := from
		for step := from; step < to; {
			for ; fed < min(step+ahead, to); fed++ {
				if in[fed] == nil {
					continue
				}
				for _, delta := range encode(rnd, plan, in[fed]) {
					if err := m.Take(fed, delta); err != nil {
						t.Fatal(err)
					}
				}
			}
			step += 1 + rnd.Int64N(ahead)
			if rnd.IntN(40) == 0 {
				step += 3 * window // nothing came for long
				for ; fed < min(step, to); fed++ {
					delete(in, fed)
				}
			}
			m.Close(step)
			have := steps{}
			for n, records := range in {
				if n < fed {
					have[n] = records
				}
			}
			if got, want := m.texts(), have.dumbSpans(plan, window, step); !slices.Equal(got, want) {
				t.Fatalf("seed %d, window %d, step %d: %d spans\n%q\nexpected %d\n%q", seed, window, step, len(got), got, len(want), want)
			}
			if rnd.IntN(3) > 0 {
				continue
			}
			m.Changes([]byte("v"), func(key [KeySize]byte, value []byte) {
				if store[key] = value; value == nil {
					delete(store, key)
				}
			})
			if rnd.IntN(2) == 0 {
				before := m.texts()
				m = NewMemory(window, plan)
				for key, value := range store {
					if err := m.Restore(key[:], value[1:]); err != nil {
						t.Fatal(err)
					}
				}
				if got := m.texts(); !slices.Equal(got, before) {
					t.Fatalf("seed %d: restored\n%q\nexpected\n%q", seed, got, before)
				}
			}
		}
	}
}

// TestMemoryIsBounded runs for long with more groups than there is room for and a new sender in each step.
func TestMemoryIsBounded(t *testing.T) {
	plan := NewPlan(1, true)
	m := NewMemory(12, plan)
	most, texts := 0, 0
	for step := range int64(5000) {
		s := span{matching: Sample{Sizes: plan.Matching}, all: Sample{Sizes: plan.All}}
		for i := range 100 {
			r := &Record{Hash: mix(uint64(100*step) + uint64(i)), Group: fmt.Appendf(nil, "g%d", i), Shared: fmt.Appendf(nil, "s%d", step)}
			offer(&s.matching, r)
			offer(&s.all, r)
		}
		if err := m.Take(step, s.all.Append(s.matching.Append(nil))); err != nil {
			t.Fatal(err)
		}
		m.Close(step)
		records := 0
		for i := range m.spans {
			records += len(m.spans[i].matching.records) + len(m.spans[i].all.records)
		}
		most, texts = max(most, records), max(texts, len(m.pool.texts))
	}
	if limit := 30 * (plan.Matching.Room + plan.All.Room); most > limit {
		t.Errorf("%d records, expected at most %d", most, limit)
	}
	if texts > 4*most+smallPool {
		t.Errorf("%d shared texts for %d records", texts, most)
	}
}

func TestMemoryIgnoresStepsFarAhead(t *testing.T) {
	m := NewMemory(1, NewPlan(1, false))
	empty := []byte{0, 0, 0, 0}
	for step := range int64(maxOpen + 10) {
		if err := m.Take(step, empty); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.spans) != maxOpen {
		t.Errorf("%d open steps, expected %d", len(m.spans), maxOpen)
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	m := NewMemory(1, NewPlan(1, false))
	key := spanKey{1, 5}.bytes()
	far := spanKey{1, 1 << 62}.bytes()
	level := spanKey{9, 5}.bytes()
	for _, c := range []struct{ key, value []byte }{
		{key[:3], []byte{0, 0, 0, 0}}, {far[:], []byte{0, 0, 0, 0}}, {level[:], []byte{0, 0, 0, 0}},
		{key[:], []byte{0, 0, 0}}, {key[:], []byte{0, 0, 0, 0, 0}}, {key[:], []byte{0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 3, 0, 0, 0}},
	} {
		if err := m.Restore(c.key, c.value); err == nil {
			t.Errorf("key %x, value %x: no error", c.key, c.value)
		}
	}
}
