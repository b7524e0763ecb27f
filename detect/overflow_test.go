package detect

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// full is a bed whose rule has one group more than it may have.
func fullBed(t *testing.T) *bed {
	t.Helper()
	r := errorRule()
	r.MaxGroups, r.Lateness = 2, 0
	b := newBed(t, r)
	b.feed(errorAt("a", 1), errorAt("b", 1), errorAt("c", 1), errorAt("d", 2))
	b.idle(5)
	return b
}

// reopen gives the state to an evaluator of other rules.
func (b *bed) reopen(set *rules.Set) {
	b.t.Helper()
	changes := b.eval.Changes()
	b.eval = evaluatorOf(b.t, set)
	for _, c := range changes {
		if err := b.eval.Restore(c.Key, c.Value); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestOverflowEndsWithItsRule: nobody is left with an alert about a rule that is gone.
func TestOverflowEndsWithItsRule(t *testing.T) {
	b := fullBed(t)
	other := errorRule()
	other.ID, other.Name = 78, "Other"
	b.reopen(ruleSet(other))
	res, err := b.eval.Apply(9, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ended []*finding.Finding
	for _, f := range res.Findings {
		if f.Rule == TooManyGroups {
			ended = append(ended, f)
		}
	}
	if len(ended) != 1 {
		t.Fatalf("findings %s, expected one that ends %s", story(res.Findings), TooManyGroups)
	}
	f := ended[0]
	if f.State != finding.Resolved || f.Reason != reasonRemoved || f.Labels.Get("rule") != "Errors" || f.EndsAt.UnixNano() != at0+5*sec {
		t.Errorf("finding %+v", f)
	}
}

// TestChangedLimitKeepsState: with more room new groups come in, and the overflow ends when its panes have passed.
func TestChangedLimitKeepsState(t *testing.T) {
	b := fullBed(t)
	more := *b.set.Rules[0]
	more.MaxGroups = 10
	b.reopen(ruleSet(&more))
	expectStory(t, b.feed(errorAt("e", 6), errorAt("e", 7), errorAt("c", 8), errorAt("c", 9)),
		"e firing at 10s value 2 early; c firing at 10s value 2 early")
	ended := 0
	for _, f := range b.idle(100).Findings {
		if f.Rule == TooManyGroups && f.State == finding.Resolved {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("the overflow ended %d times", ended)
	}
	if o := b.eval.Stats().Overflows; len(o) != 0 {
		t.Errorf("overflows %v with room enough", o)
	}
}

// TestShedGivesRoomBack: a map keeps the room of all that it ever held.
func TestShedGivesRoomBack(t *testing.T) {
	r := errorRule()
	r.Lateness = 0
	b := newBed(t, r)
	var records []ingest.Record
	for i := range 50_000 {
		records = append(records, errorAt(fmt.Sprint("service-", i), 1))
	}
	b.feed(records...)
	b.idle(5)
	b.feed(errorAt("pay", 100))
	b.idle(101)
	use := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := use()
	b.acc.Shed()
	b.eval.Shed()
	if after := use(); after+(1<<20) > before {
		t.Errorf("%d bytes before and %d after: the room of 50,000 groups is more than 1 MiB", before, after)
	}
	expectStory(t, b.feed(errorAt("pay", 102)), "pay firing at 105s value 2 early")
}

// TestLoweredLimitKeepsGroups: those that are there stay, new ones find no room.
func TestLoweredLimitKeepsGroups(t *testing.T) {
	r := errorRule()
	r.MaxGroups, r.Lateness = 5, 0
	b := newBed(t, r)
	b.feed(errorAt("a", 1), errorAt("b", 1), errorAt("c", 1))
	b.idle(5)
	fewer := *r
	fewer.MaxGroups = 1
	b.reopen(ruleSet(&fewer))
	res := b.feed(errorAt("b", 6), errorAt("c", 6), errorAt("d", 6), errorAt("e", 7))
	var tooMany, other []*finding.Finding
	for _, f := range res.Findings {
		if f.Rule == TooManyGroups {
			tooMany = append(tooMany, f)
		} else {
			other = append(other, f)
		}
	}
	if len(tooMany) != 1 || *tooMany[0].Threshold != 1 {
		t.Errorf("findings about too many groups: %+v", tooMany)
	}
	res.Findings = other
	expectStory(t, res, "b firing at 10s value 2 early; c firing at 10s value 2 early; __overflow__ firing at 10s value 2 early")
	if o := b.eval.Stats().Overflows; len(o) != 1 || o[0].Rule != "Errors" || o[0].Panes != 2 {
		t.Errorf("overflows %v, want two panes", o)
	}
}
