package detect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// compiled is a rule on logs by service, with a condition as people write it.
func compiled(t testing.TB, when string) *rules.Rule {
	t.Helper()
	r := errorRule()
	key, faults := expr.CompileKey("service.name", ingest.Logs, nil)
	if faults != nil {
		t.Fatal(faults)
	}
	p, faults := expr.CompileCondition(when, expr.Options{Signal: ingest.Logs, By: []expr.Key{*key}, Interval: r.Interval, Window: r.Window})
	if faults != nil {
		t.Fatal(faults)
	}
	r.When, r.Lateness = p, 0
	return r
}

// stage feeds a detector step by step and may put a restored one in its place.
type stage struct {
	*bed
	store map[string][]byte
	told  []string
}

func newStage(t *testing.T, r *rules.Rule) *stage {
	t.Helper()
	return &stage{bed: newBed(t, r), store: map[string][]byte{}}
}

// step feeds the step before a number of seconds.
func (s *stage) step(seconds float64, records ...ingest.Record) {
	s.t.Helper()
	res := s.feed(records...)
	more := s.idle(seconds)
	for _, f := range append(res.Findings, more.Findings...) {
		if f.Settled {
			s.told = append(s.told, story([]*finding.Finding{f}))
		}
	}
}

// restart commits and goes on with a new detector.
func (s *stage) restart() {
	s.t.Helper()
	for _, c := range s.eval.Changes() {
		if s.store[string(c.Key)] = c.Value; c.Value == nil {
			delete(s.store, string(c.Key))
		}
	}
	s.eval = evaluatorOf(s.t, s.set)
	for k, v := range s.store {
		if err := s.eval.Restore([]byte(k), v); err != nil {
			s.t.Fatal(err)
		}
	}
}

// many are so many records of a service within the step that ends at a number of seconds.
func many(service string, n int, seconds float64) (records []ingest.Record) {
	for i := range n {
		records = append(records, errorAt(service, seconds-4+3*float64(i)/float64(n)))
	}
	return records
}

// A group that is silent repeats many steps when it is restored: it must be judged by how the others lay then.
func TestSilentOutlierOverRestarts(t *testing.T) {
	for restarts := range 3 {
		rnd := rand.New(rand.NewPCG(3, 3))
		s := newStage(t, compiled(t, "count().outlier() < -3"))
		for i := range 300 {
			now := float64(5 * (i + 1))
			var records []ingest.Record
			for j, service := range []string{"a", "b", "c", "d", "e"} {
				records = append(records, many(service, 10+j+rnd.IntN(2), now)...)
			}
			if i < 10 || i >= 280 {
				records = append(records, many("quiet", 11, now)...)
			}
			s.step(now, records...)
			if restarts > 0 && i%(90*restarts-13) == 0 {
				s.restart()
			}
		}
		got := strings.Join(s.told, "; ")
		if len(s.told) != 2 || !strings.HasPrefix(got, "quiet firing at 60s") || !strings.Contains(got, "quiet resolved at 1410s") {
			t.Errorf("%d: %s, expected one alert that lasts until the group speaks again", restarts, got)
		}
	}
}

// The findings of rules that compare groups do not depend on how many partitions there are.
func TestCrowdIsInOnePartition(t *testing.T) {
	r := compiled(t, "count().outlier() > 5")
	a := accumulatorOf(t, ruleSet(r), 8)
	for i := range 40 {
		add(a, int64(i), 1, errorAt(fmt.Sprint("service-", i), 1))
	}
	partitions := map[int32]int{}
	for _, s := range a.Take() {
		_, blocks, _, err := nextSection(s.Value)
		if err != nil {
			t.Fatal(err)
		}
		for b, ok := nextBlock(&blocks); ok; b, ok = nextBlock(&blocks) {
			for _, ok := nextEntry(&b.entries); ok; _, ok = nextEntry(&b.entries) {
				partitions[s.PanePartition]++
			}
		}
	}
	if len(partitions) != 1 {
		t.Errorf("the groups are in partitions %v, expected one", partitions)
	}
	r.MaxGroups = 40
	if n := shareOf(r, 8); n != 40 {
		t.Errorf("the partition may hold %d groups, expected all 40", n)
	}
}

// The group of those beyond max_groups counts many together: it is neither an outlier nor one of the crowd.
func TestOverflowGroupIsNoOutlier(t *testing.T) {
	r := compiled(t, "count().outlier() > 3")
	r.MaxGroups = 4
	s := newStage(t, r)
	for i := range 20 {
		now := float64(5 * (i + 1))
		var records []ingest.Record
		for j, service := range []string{"a", "b", "c", "d"} {
			records = append(records, many(service, 10+j, now)...)
		}
		if i == 10 {
			records = append(records, many("c", 100, now)...)
		}
		for j := range 30 {
			records = append(records, many(fmt.Sprint("more-", j), 3, now)...)
		}
		s.step(now, records...)
	}
	s.told = slices.DeleteFunc(s.told, func(line string) bool { return strings.HasPrefix(line, " firing") }) // about the overflow itself
	if len(s.told) != 2 || !strings.HasPrefix(s.told[0], "c firing at 55s") || !strings.HasPrefix(s.told[1], "c resolved at 75s") {
		t.Errorf("%q, expected an alert about c", s.told)
	}
}

// What a step costs does not grow, nor does it allocate, once the histories are full.
func TestModelsDoNotAllocate(t *testing.T) {
	r := compiled(t, `count().forecast("1m", "5m") < -1 || changed(count()) && count() < 0 || count().anomaly("none", "5m") > 1e9 || count().outlier() > 1e9 || count().zscore("5m").outlier() > 1e9`)
	s := newStage(t, r)
	s.eval.opts.MeasureGroups = -1
	for i := range 100 {
		now := float64(5 * (i + 1))
		var records []ingest.Record
		for j, service := range []string{"a", "b", "c", "d"} {
			records = append(records, many(service, 10+(i*j)%7, now)...)
		}
		s.step(now, records...)
	}
	state := s.eval.rules[0]
	if n := testing.AllocsPerRun(300, func() {
		state.step++
		s.eval.evaluate(state, state.step)
	}); n > 0 {
		t.Errorf("a step of 4 groups allocates %v times", n)
	}
	if len(s.told) > 0 {
		t.Errorf("findings %q", s.told)
	}
}

// A group whose models look back over a week is written in small pieces.
func TestStateOfModelsIsSmall(t *testing.T) {
	r := compiled(t, `count().anomaly("1d") > 1e9 || count().forecast("1d", "7d") < -1e9`)
	r.Interval, r.Window = time.Minute, time.Minute
	s := newStage(t, r)
	largest, total := 0, 0
	for i := range 9 * 1440 {
		if i%10 == 0 {
			s.feed(errorAt("a", float64(60*i)), errorAt("a", float64(60*i+1)))
		}
		if i%30 == 29 {
			s.idle(float64(60 * i))
			for _, c := range s.eval.Changes() {
				if s.store[string(c.Key)] = c.Value; c.Value == nil {
					delete(s.store, string(c.Key))
				}
				largest = max(largest, len(c.Value))
			}
		}
	}
	for _, v := range s.store {
		total += len(v)
	}
	if largest > 4<<10 || total > 64<<10 {
		t.Errorf("the largest record has %d bytes, all together %d", largest, total)
	}
	before := s.eval.rules[0].list[0].life.more.others
	s.restart()
	if _, err := s.eval.Apply(s.panes, nil); err != nil {
		t.Fatal(err)
	}
	after := s.eval.rules[0].list[0].life.more.others
	if got, want := fmt.Sprint(after.changes), fmt.Sprint(before.changes); got != want {
		t.Errorf("changes %s, expected %s", got, want)
	}
	for i := range before.pasts {
		past := s.eval.rules[0].plan.pasts[i]
		from := floorDiv(s.eval.rules[0].step-past.lookback, past.width) + 1
		if got, want := after.pasts[i].Append(nil, from, maxTime), before.pasts[i].Append(nil, from, maxTime); !slices.Equal(got, want) {
			t.Errorf("part %d of the past is restored as %d bytes, expected %d", i, len(got), len(want))
		}
	}
}
