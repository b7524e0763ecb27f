package detect

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/pane"
)

// Open panes of a group that catches up: any order of deltas and closings gives each pane what it was given.
func TestOpenPanes(t *testing.T) {
	p, err := newPlan(benchRule(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s, g, want := newScratch(p), &group{}, map[int64]uint64{}
		for range 1500 {
			if rnd.IntN(4) == 0 && len(want) > 0 {
				o, rest, ok := nextOpen(g.open)
				if !ok || o.index != slices.Min(keysOf(want)) {
					t.Fatalf("seed %d: first open pane %d, %t, of %d", seed, o.index, ok, len(want))
				}
				delete(want, o.index)
				g.closeOpen(rest)
				continue
			}
			index, n := rnd.Int64N(400)-100, uint64(rnd.IntN(3)+1)
			s.pane.Reset()
			s.pane.Aggregates[0].(*pane.Count).N = n
			s.pane.Evidence.Add(0, index*p.interval, rnd.Int64N(1000))
			if err := p.addOpen(g, index, s, nil); err != nil {
				t.Fatal(err)
			}
			want[index] += n
		}
		found := 0
		for rest := g.open; ; found++ {
			o, after, ok := nextOpen(rest)
			if !ok {
				break
			}
			rest = after
			if err := s.pane.Decode(o.bytes, o.index*p.interval, nil); err != nil {
				t.Fatal(err)
			}
			if n := s.pane.Aggregates[0].(*pane.Count).N; n != want[o.index] {
				t.Errorf("seed %d: pane %d has %d, expected %d", seed, o.index, n, want[o.index])
			}
		}
		if found != len(want) {
			t.Errorf("seed %d: %d open panes, expected %d", seed, found, len(want))
		}
	}
}

func keysOf(m map[int64]uint64) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}
