package detect

import (
	"maps"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

const day = 24 * 3600.0 // seconds

// longRule compares the errors of 30 days, judged every 5 seconds, with those of a week ago.
func longRule() *rules.Rule {
	r := errorRule()
	r.Window = 30 * 24 * time.Hour
	r.When = &expr.Program{
		Aggregates: []expr.Aggregate{countOf(isError)},
		Reads:      []expr.Read{{Stat: expr.StatCount}, {Stat: expr.StatCount, Offset: 7 * 24 * time.Hour}},
		Conditions: []expr.Condition{{
			Source:    "count() > 1.5 * count().offset(7d)",
			Holds:     func(f *expr.Frame) bool { return f.Reads[0] > 1.5*f.Reads[1] },
			Value:     readAt(0),
			Threshold: func(f *expr.Frame) float64 { return 1.5 * f.Reads[1] },
		}},
		ZeroOnEmpty: true,
	}
	return r
}

// TestMonthEndsWithinItsError: what is counted over 30 days leaves the window after 30 days and at most 0.2 %.
func TestMonthEndsWithinItsError(t *testing.T) {
	r := errorRule()
	r.Window = 30 * 24 * time.Hour
	b := newBed(t, r)
	b.feed(errorAt("pay", 1), errorAt("pay", 2))
	expectStory(t, b.idle(16), "pay firing at 5s value 2")
	expectStory(t, b.idle(30*day), "")
	res := b.idle(31 * day)
	if len(res.Findings) != 1 {
		t.Fatalf("findings %s, expected one that resolves", story(res.Findings))
	}
	f := res.Findings[0]
	if late := f.WindowEnd.Sub(f.StartsAt); late < 30*24*time.Hour || late > 30*24*time.Hour*513/512 {
		t.Errorf("the errors left the window after %s, expected 30 days and at most 0.2 %%", late)
	}
	if covers := f.WindowEnd.Sub(f.WindowStart); covers < 30*24*time.Hour || covers > 30*24*time.Hour*513/512 {
		t.Errorf("the window covers %s, expected 30 days and at most 0.2 %%", covers)
	}
}

// TestLongPastIsBounded runs a rule of 30 days for 45 days, with a commit every 20 minutes and hours without records, and
// looks at what memory and state hold. A detector that is restored from the state goes on as if nothing had happened.
func TestLongPastIsBounded(t *testing.T) {
	b := newBed(t, longRule())
	store, largest := map[string][]byte{}, 0
	commit := func() {
		for _, c := range b.eval.Changes() {
			if c.Value == nil {
				delete(store, string(c.Key))
				continue
			}
			store[string(c.Key)], largest = c.Value, max(largest, len(c.Value))
		}
	}
	for i := range int(45 * day / 1200) {
		now := float64(i * 1200)
		if i%81 < 60 {
			b.feed(errorAt("pay", now+1), errorAt("pay", now+2))
		} else {
			b.idle(now)
		}
		commit()
	}
	g := b.eval.rules[0].list[0]
	if n := g.life.more.bases[0].Len(); n > 4098 {
		t.Errorf("the history holds %d numbers", n)
	}
	if n := len(g.life.own.Append(nil, -maxTime, maxTime)); n > 16<<10 {
		t.Errorf("the window takes %d bytes, expected at most 16 bytes for each of 1,024 buckets", n)
	}
	segments := 0
	for k := range store {
		if k[0] == keySegment {
			segments++
		}
	}
	// Of each tier there may be one segment more than the look-back takes, which is not deleted yet, and the newest.
	if most := 1024/segmentBuckets + 2 + 4096/segmentBuckets + 2; segments > most {
		t.Errorf("the state has %d segments, expected at most %d", segments, most)
	}
	if largest > 2<<10 {
		t.Errorf("a record of the state takes %d bytes", largest)
	}

	again := newBed(t, longRule())
	for k, v := range store {
		if err := again.eval.Restore([]byte(k), v); err != nil {
			t.Fatal(err)
		}
	}
	restored := again.eval.rules[0]
	for _, g := range restored.restored {
		if behind := restored.step - g.at; behind > 2*refreshAfter {
			t.Errorf("%d steps are to be repeated", behind)
		}
	}
	again.panes, again.offset, again.acc = b.panes, b.offset, b.acc
	compareFutures(t, b, again)
}

// compareFutures feeds two detectors the same records and expects the same measures.
func compareFutures(t *testing.T, a, b *bed) {
	t.Helper()
	for i := range int(20 * day / 7200) {
		now := 45*day + float64(i*7200)
		if i%3 > 0 {
			add(a.acc, a.offset, now, errorAt("pay", now))
			a.offset++
		} else {
			a.acc.Idle(at0 + int64(now*1e9))
		}
		for _, s := range a.acc.Take() {
			want, err := a.eval.Apply(a.panes, s.Value)
			if err != nil {
				t.Fatal(err)
			}
			got, err := b.eval.Apply(a.panes, s.Value)
			if err != nil {
				t.Fatal(err)
			}
			a.panes++
			compareResults(t, want, got)
		}
		if i%50 == 0 {
			if !maps.EqualFunc(changesOf(a.eval), changesOf(b.eval), func(x, y string) bool { return x == y }) {
				t.Fatalf("after %g days the states differ", now/day)
			}
		}
	}
}

func compareResults(t *testing.T, want, got Result) {
	t.Helper()
	if story(want.Findings) != story(got.Findings) || len(want.Measures) != len(got.Measures) {
		t.Fatalf("findings %s, expected %s; %d measures, expected %d",
			story(got.Findings), story(want.Findings), len(got.Measures), len(want.Measures))
	}
	for i, m := range want.Measures {
		o := got.Measures[i]
		if m.Time != o.Time || m.Value != o.Value || m.Threshold != o.Threshold {
			t.Fatalf("measure %+v, expected %+v", o, m)
		}
	}
}

// changesOf returns the groups' records among the changes.
func changesOf(e *Evaluator) map[string]string {
	out := map[string]string{}
	for _, c := range e.Changes() {
		if c.Key[0] == keyGroup {
			out[string(c.Key)] = string(c.Value)
		}
	}
	return out
}
