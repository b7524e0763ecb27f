package explain

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// dumb is what a sample of records is by its definition.
func dumb(size Sizes, all []*Record) []*Record {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b *Record) int { return cmp.Compare(a.Hash, b.Hash) })
	sorted = slices.CompactFunc(sorted, func(a, b *Record) bool { return a.Hash == b.Hash })
	var out []*Record
	of := map[string]int{}
	for _, r := range sorted {
		if len(out) < size.Room && of[string(r.Group)] < size.Each {
			of[string(r.Group)]++
			out = append(out, r)
		}
	}
	return out
}

func randomRecords(rnd *rand.Rand, n int) []*Record {
	out := make([]*Record, n)
	groups := 1 + rnd.IntN(6)
	for i := range out {
		group := fmt.Sprintf("group-%d", rnd.IntN(1+rnd.IntN(groups)))
		out[i] = &Record{
			Hash: rnd.Uint64() >> rnd.IntN(3), Group: []byte(group), Shared: fmt.Appendf(nil, "shared-%s-%d", group, rnd.IntN(2)),
			Own: fmt.Appendf(nil, "own-%d", i),
		}
	}
	return out
}

func texts(records []*Record) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, fmt.Sprintf("%016x %s %s %s", r.Hash, r.Group, r.Shared, r.Own))
	}
	return out
}

// offer adds a record as stage 1 does, by the room that it gets.
func offer(s *Sample, r *Record) {
	if room := s.Offer(r.Hash, r.Group); room != nil {
		room.Group, room.Shared, room.Own = append(room.Group[:0], r.Group...), append(room.Shared[:0], r.Shared...), append(room.Own[:0], r.Own...)
	}
}

// TestSampleIsTheSameHoweverItIsMade has parts of the records pass through several samples, some records through more
// than one, in pieces that are encoded as they come; the sample of it all is that of the definition.
func TestSampleIsTheSameHoweverItIsMade(t *testing.T) {
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		size := Sizes{Room: 1 + rnd.IntN(maxRoom), Each: 1 + rnd.IntN(maxRoom)}
		all := randomRecords(rnd, rnd.IntN(200))
		total := Sample{Sizes: size}
		var p pool
		flush := func(s *Sample) {
			if !s.Unsent() {
				return
			}
			rest, err := total.Take(append(s.AppendUnsent(nil), 7), &p)
			if err != nil || !bytes.Equal(rest, []byte{7}) {
				t.Fatalf("seed %d: rest %v, error %v", seed, rest, err)
			}
			if s.Unsent() {
				t.Fatalf("seed %d: all was sent, but something is unsent", seed)
			}
		}
		parts := make([]*Sample, 1+rnd.IntN(4))
		for i := range parts {
			parts[i] = &Sample{Sizes: size}
		}
		for range 2 {
			for _, r := range all {
				i := rnd.IntN(len(parts))
				offer(parts[i], r)
				switch rnd.IntN(10) {
				case 0:
					flush(parts[i])
				case 1: // it died before or after it sent
					if rnd.IntN(2) == 0 {
						flush(parts[i])
						parts[i].Reset()
					}
				}
			}
		}
		for _, s := range parts {
			flush(s)
		}
		want := texts(dumb(size, all))
		if got := texts(total.Records()); !slices.Equal(got, want) {
			t.Fatalf("seed %d, %+v: %d records\n%q, expected %d\n%q", seed, size, len(got), got, len(want), want)
		}
	}
}

// TestLimit passes over what the limit of an earlier time rules out, as stage 1 does.
func TestLimit(t *testing.T) {
	skipped := 0
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		size := Sizes{Room: 1 + rnd.IntN(maxRoom), Each: 1 + rnd.IntN(maxRoom)}
		all := randomRecords(rnd, 300)
		s := Sample{Sizes: size}
		limits := map[string]uint64{}
		for _, r := range all {
			limit, known := limits[string(r.Group)]
			if known && r.Hash >= limit {
				skipped++
				continue
			}
			offer(&s, r)
			if now := s.Limit(r.Group); known && now > limit {
				t.Fatalf("seed %d: the limit of %s rose from %x to %x", seed, r.Group, limit, now)
			} else if rnd.IntN(3) == 0 {
				limits[string(r.Group)] = now
			}
		}
		if got, want := texts(s.Records()), texts(dumb(size, all)); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %q, expected %q", seed, got, want)
		}
	}
	if skipped < 10_000 {
		t.Errorf("only %d of 150000 records were passed over by a limit", skipped)
	}
}

func TestNoRoom(t *testing.T) {
	var s Sample
	if s.Offer(1, []byte("g")) != nil || s.Limit([]byte("g")) != 0 {
		t.Error("a sample without room takes a record")
	}
}

func TestOfferDoesNotAllocate(t *testing.T) {
	s := Sample{Sizes: NewPlan(1, true).Matching}
	rnd := rand.New(rand.NewPCG(1, 3))
	all := randomRecords(rnd, 400)
	for _, r := range all[:200] {
		offer(&s, r)
	}
	room := make([]byte, 0, 1<<16)
	n := testing.AllocsPerRun(20, func() {
		for _, r := range all {
			offer(&s, r)
		}
		room = s.AppendUnsent(room[:0])
		s.Reset()
	})
	if n > 0 {
		t.Errorf("%v allocations, expected none", n)
	}
}

func FuzzTake(f *testing.F) {
	s := Sample{Sizes: NewPlan(1, true).Matching}
	for _, r := range randomRecords(rand.New(rand.NewPCG(5, 5)), 30) {
		offer(&s, r)
	}
	f.Add(s.Append(nil))
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Sample{Sizes: NewPlan(1, true).Matching}
		var p pool
		if _, err := s.Take(b, &p); err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatalf("the error is %v, expected one that wraps ErrEncoding", err)
			}
			return
		}
		again := Sample{Sizes: s.Sizes}
		if _, err := again.Take(s.Append(nil), &p); err != nil || !slices.Equal(texts(again.Records()), texts(s.Records())) {
			t.Fatalf("what was read is not what is written: %v", err)
		}
		for _, r := range s.Records() {
			r.attributes(func([]byte, []byte) {})
		}
	})
}

// TestEstimate has a busy group and a quiet one share a sample.
func TestEstimate(t *testing.T) {
	for _, busy := range []int{1, 5, 8, 9, 100, 3000} {
		var mean float64
		const cases = 200
		for seed := range uint64(cases) {
			rnd := rand.New(rand.NewPCG(seed, 6))
			s := Sample{Sizes: NewPlan(1, true).Matching}
			for range busy {
				offer(&s, &Record{Hash: rnd.Uint64(), Group: []byte("busy")})
			}
			for range 3 {
				offer(&s, &Record{Hash: rnd.Uint64(), Group: []byte("quiet")})
			}
			if got := s.Estimate([]byte("quiet")); got != 3 {
				t.Fatalf("the quiet group has %v records, expected 3", got)
			}
			mean += s.Estimate([]byte("busy")) / cases
		}
		if exact := busy < 8; mean < 0.85*float64(busy) || mean > 1.15*float64(busy) || exact && math.Abs(mean-float64(busy)) > 1e-6 {
			t.Errorf("of %d records the mean estimate is %v", busy, mean)
		}
	}
}
