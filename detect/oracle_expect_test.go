package detect

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
)

// expectSome has a rule expect groups, of which some never send.
func expectSome(rnd *rand.Rand, r *rules.Rule) {
	r.Expect = nil
	for range rnd.IntN(4) {
		group := []string{[]string{"a", "b", "c", "d", "e", "f"}[rnd.IntN(6)]}
		if len(r.By) > 1 {
			group = append(group, []string{"500", "501", "502"}[rnd.IntN(3)])
		}
		r.Expect = append(r.Expect, group[:len(r.By)])
	}
	slices.SortFunc(r.Expect, slices.Compare)
	r.Expect = slices.CompactFunc(r.Expect, slices.Equal)
	r.MaxGroups = max(r.MaxGroups, min(r.MaxGroups, 1)*len(r.Expect))
}

// expectedIn returns which groups, by the oracle's keys, a rule expects in a pane partition.
func (x *run) expectedIn(r *rules.Rule, partition int32) (keys []string) {
	for _, group := range r.Expect {
		if (&oracleExplainer{rule: r, parts: x.paneParts}).partition(stateKey(group)) == partition {
			keys = append(keys, strings.Join(group, "\x00"))
		}
	}
	return keys
}

// stateKey is the key of a group as the detector has it.
func stateKey(group []string) string {
	var b []byte
	for _, text := range group {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return string(b)
}

// expectedSince returns the step since which a rule expects groups in a partition, which depends on the order of the log: that
// of the event time that all sources have reached when all have been heard of.
func (x *run) expectedSince(r *rules.Rule, reads []oracleRead, partition int32) (since int64, ok bool) {
	f := fewGroups{x: x, rule: r, partition: partition, reads: reads, reached: map[int]int64{}}
	for _, value := range x.flushes[partition] {
		for _, part := range value {
			f.arrive(part)
		}
		if len(f.reached) == len(x.logs) {
			return -floorDivision(-slices.Min(slices.Collect(maps.Values(f.reached))), int64(r.Interval)), true
		}
	}
	return 0, false
}

// vigil judges a group of which nothing is left, or never was, because it is expected.
func (g *oracleGroup) vigil(step int64) {
	r := g.rule
	g.lifeFrom = step + 1
	f, _ := g.reads(step)
	for i := range f.Models {
		f.Models[i] = math.NaN()
	}
	g.frame = f
	if step < g.complete() || step-g.since0 < g.steps(r.Window) || r.NewGroupDelay > 0 && step-g.since0 < g.steps(r.NewGroupDelay) {
		return
	}
	switch {
	case g.missingIs == rules.MissingZero:
		g.judge(step, f, g.effective(f))
	case g.missingIs == rules.MissingFire:
		g.judge(step, f, len(r.When.Conditions)-1)
	case g.missingIs == rules.MissingResolve && g.active():
		g.told = max(g.fires(), 0)
		g.emit(step, finding.Resolved, f, "no data")
		g.levels = nil
	}
}
