//go:build !race

package promequal

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// pair is an alerting rule in both languages. for and keep_firing_for, the interval and the series are the same.
type pair struct {
	name   string
	promql string

	by     []string
	window time.Duration
	where  string
	when   string
	// missing is on_missing. Prometheus knows nothing of a series that is gone, so its rule is no longer true: `zero` is
	// that where no count, sum or increase is asked whether it is small, and `resolve` elsewhere.
	missing string

	hold, keep time.Duration
	every      time.Duration // the interval, a tick by default
}

func (p *pair) interval() time.Duration { return cmp.Or(p.every, tick) }

// worlds may be more for a longer look: go test ./rules/promequal -worlds 20.
var worlds = flag.Uint64("worlds", 2, "over how many worlds the pairs are run, of the seeds 1, 2 and so on")

func allPairs() []pair {
	return slices.Concat(gaugePairs(), aggregatePairs(), comparedPairs(), counterPairs(), histogramPairs(), absencePairs(), timingPairs())
}

// TestSameTimelines runs every pair over every world, and wants the same alerts to be pending, to fire and to be over at the
// same steps.
func TestSameTimelines(t *testing.T) {
	pairs := allPairs()
	if len(pairs) < 60 {
		t.Errorf("there are %d pairs, expected at least 60", len(pairs))
	}
	begin := epoch()
	end := begin.Add(length + silence)
	var mu sync.Mutex
	fired, resolved := make([]int, len(pairs)), make([]int, len(pairs))
	t.Run("worlds", func(t *testing.T) {
		for seed := uint64(1); seed <= *worlds; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				world := newWorld(seed)
				prom := newPrometheus(t, world)
				ours := runFreshet(t, pairs, feed{series: world}, begin, end)
				for i := range pairs {
					p := &pairs[i]
					theirs := prom.run(t, p, begin, end)
					if d := differ(theirs, ours[p.name]); d != "" {
						t.Errorf("%s: prometheus %s\nfreshet %s\n%s", p.name, p.promql, p.when, d)
					}
					mu.Lock()
					fired[i] += theirs.fired()
					resolved[i] += theirs.resolved()
					mu.Unlock()
				}
			})
		}
	})
	// A pair whose alert never comes or never goes shows nothing.
	for i := range pairs {
		if fired[i] == 0 || resolved[i] == 0 {
			t.Errorf("%s: fired %d times and resolved %d times over all worlds, expected both to happen", pairs[i].name, fired[i], resolved[i])
		}
	}
}
