package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/pane"
	"github.com/freshet-dev/freshet/rules"
)

// oracleOfFew is the oracle of a rule that may have few groups only. Which groups find room depends on the order of the
// panes topic, so it goes over what each of its values was made of; what a group is, it finds out anew each time from all
// its records.
func (x *run) oracleOfFew(r *rules.Rule) []string {
	var reads []oracleRead
	for i := range x.logs {
		reads = append(reads, oracleReads(r, &x.logs[i]))
	}
	var out []string
	for p := range x.paneParts {
		f := fewGroups{
			x: x, rule: r, partition: p, reads: reads, first: oracleFirstStep(r, reads), reached: map[int]int64{},
			room: int(math.Ceil(float64(r.MaxGroups) / float64(x.paneParts))),
			held: map[string]bool{}, records: map[string][]seen{},
			rest: strings.Repeat("\x00"+OverflowGroup, len(r.By))[1:] + "\x00" + fmt.Sprint(p),
		}
		out = append(out, f.run()...)
	}
	return out
}

type fewGroups struct {
	x         *run
	rule      *rules.Rule
	partition int32
	reads     []oracleRead
	first     int64
	room      int
	rest      string // key of the overflow group

	reached map[int]int64 // by source
	held    map[string]bool
	records map[string][]seen
	out     []string
}

func (f *fewGroups) run() []string {
	for _, value := range f.x.flushes[f.partition] {
		for _, part := range value {
			f.admit(part)
		}
		for _, part := range value {
			f.arrive(part)
		}
		if step, ok := f.step(); ok {
			for _, key := range f.x.expectedIn(f.rule, f.partition) {
				f.held[key] = true
			}
			f.release(step)
		}
	}
	step, ok := f.step()
	if !ok {
		return nil
	}
	explainer := f.x.explainer(f.rule)
	for key := range f.held { // also those that never sent
		f.records[key] = slices.Clip(f.records[key])
	}
	for key := range f.records {
		g := f.group(key)
		g.explainer = explainer
		f.out = append(f.out, g.run(step)...)
	}
	return f.out
}

// admit gives the records of a flush to their groups, or to the overflow group where there is no room.
func (f *fewGroups) admit(part flush) {
	byKey := map[string][]seen{}
	var order []string
	for _, counted := range f.reads[part.source].counted[part.from:part.to] {
		for _, s := range counted {
			if !f.mine(s) {
				continue
			}
			if byKey[s.key] == nil {
				order = append(order, s.key)
			}
			byKey[s.key] = append(byKey[s.key], s)
		}
	}
	for _, key := range order {
		into := key
		held := len(f.held)
		if f.held[f.rest] {
			held--
		}
		if !f.held[key] && held >= f.room && !slices.Contains(f.x.expectedIn(f.rule, f.partition), key) {
			into = f.rest
			if !f.held[f.rest] {
				f.out = append(f.out, tooManyLine(f.rule, f.partition, finding.Firing, 0))
			}
		}
		f.held[into] = true
		f.records[into] = append(f.records[into], byKey[key]...)
	}
}

// mine says whether a record makes its group known in this partition.
func (f *fewGroups) mine(s seen) bool {
	key, _ := appendKey(nil, f.rule.By, s.r)
	if (pane.Key{Rule: panesOf(f.rule), Group: string(key)}).Partition(f.x.paneParts) != f.partition {
		return false
	}
	for _, taken := range s.taken {
		if taken {
			return true
		}
	}
	return needsEveryRecord(f.rule)
}

// arrive notes how far a source is.
func (f *fewGroups) arrive(part flush) {
	at := int64(math.MinInt64)
	if part.to > 0 {
		at = f.reads[part.source].reached[part.to-1]
	}
	if part.idle {
		at = max(at, f.x.logs[part.source].idleAt)
	}
	if at != math.MinInt64 {
		f.reached[part.source] = at
	}
}

// step is the last step that is complete.
func (f *fewGroups) step() (step int64, ok bool) {
	if len(f.reached) < len(f.x.logs) {
		return 0, false
	}
	watermark := int64(math.MaxInt64)
	for _, at := range f.reached {
		watermark = min(watermark, at)
	}
	return floorDivision(watermark-int64(f.rule.Lateness), int64(f.rule.Interval)), true
}

func (f *fewGroups) group(key string) *oracleGroup {
	g := &oracleGroup{rule: f.rule, key: key, records: f.records[key], first: f.first}
	if slices.Contains(f.x.expectedIn(f.rule, f.partition), key) {
		g.since0, g.expected = f.x.expectedSince(f.rule, f.reads, f.partition)
	}
	return g
}

// release lets go of the groups of which nothing is left at a step.
func (f *fewGroups) release(step int64) {
	for key := range f.held {
		g := f.group(key)
		if g.expected {
			continue
		}
		g.run(step)
		waiting := len(g.between(step, math.MaxInt64)) > 0
		if g.alive || waiting {
			continue
		}
		delete(f.held, key)
		if key == f.rest {
			f.out = append(f.out, tooManyLine(f.rule, f.partition, finding.Resolved, g.ended*int64(f.rule.Interval)))
		}
	}
}

// tooManyLine is a finding about a rule with too many groups. When it begins depends on the first pane that found no
// room, which is left out here.
func tooManyLine(r *rules.Rule, partition int32, state finding.State, end int64) string {
	return fmt.Sprintf("%s %s %d %s %d", TooManyGroups, r.Name, partition, state, end)
}

func tooManyText(f *finding.Finding) string {
	end := int64(0)
	if f.State == finding.Resolved {
		end = f.EndsAt.UnixNano()
	}
	return fmt.Sprintf("%s %s %s %s %d", f.Rule, f.Labels.Get("rule"), f.Labels.Get("pane_partition"), f.State, end)
}
