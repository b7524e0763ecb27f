package detect

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/window"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// arrivalRule is errorRule by arrival, without lateness.
func arrivalRule() *rules.Rule {
	r := errorRule()
	r.Name, r.ID, r.Arrival, r.Lateness = "Arrivals", 78, true, 0
	return r
}

// TestArrivalRulesCountWhateverTheClockSays: records of the past, of the future and of no time that there is.
func TestArrivalRulesCountWhateverTheClockSays(t *testing.T) {
	odd := errorAt("pay", 0)
	odd.Time = 1 << 62
	feed := func(rs ...*rules.Rule) AccumulatorStats {
		a := accumulatorOf(t, ruleSet(rs...), 1)
		add(a, 0, 100, errorAt("pay", 100))
		add(a, 1, 101, errorAt("pay", 12), errorAt("pay", 9000), odd)
		return a.Stats()
	}
	s := feed(arrivalRule())
	if s.Rules[0].Matched != 4 || len(s.Late)+len(s.Ahead) != 0 {
		t.Errorf("by arrival %+v, late %v, ahead %v; expected 4 to count, and none for late or ahead", s.Rules[0], s.Late, s.Ahead)
	}
	if want := at0 + 101*sec; s.Reached != want {
		t.Errorf("read up to %d, expected the last arrival, %d", s.Reached, want)
	}
	s = feed(arrivalRule(), errorRule())
	if s.Rules[0].Matched != 4 || s.Rules[1].Matched != 1 {
		t.Errorf("%+v, expected 4 and 1 to count", s.Rules)
	}
	if !maps.Equal(s.Late, map[string]uint64{"pay": 1}) || !maps.Equal(s.Ahead, map[string]uint64{"pay": 2}) {
		t.Errorf("late %v, ahead %v, expected 1 and 2 of pay: one rule misses them", s.Late, s.Ahead)
	}
	if want := at0 + 100*sec; s.Reached != want {
		t.Errorf("read up to %d, expected the event time, which is behind, %d", s.Reached, want)
	}
}

// TestArrivalWithoutATimestampIsTheRecordsTime: of very old message formats; and what has neither counts for nobody.
func TestArrivalWithoutATimestampIsTheRecordsTime(t *testing.T) {
	a := accumulatorOf(t, ruleSet(arrivalRule()), 1)
	none, odd := errorAt("pay", 0), errorAt("pay", 0)
	none.Time, odd.Time = 0, 1<<62
	add(a, 0, -float64(at0)/1e9, errorAt("pay", 100), none, odd, errorAt("pay", 90))
	if s := a.Stats(); s.Rules[0].Matched != 1 || s.Late["pay"] != 1 || s.Reached != at0+100*sec {
		t.Errorf("%+v, late %v, read up to %d; expected one to count and one to be late", s.Rules[0], s.Late, s.Reached)
	}
}

// TestArrivalThatGoesBackIsLate: as it may where producers set the timestamp.
func TestArrivalThatGoesBackIsLate(t *testing.T) {
	r := arrivalRule()
	r.Lateness = 2 * time.Second
	a := accumulatorOf(t, ruleSet(r), 1)
	add(a, 0, 106.9, errorAt("pay", 100))
	add(a, 1, 104, errorAt("pay", 100)) // the pane is open for 2 s more
	add(a, 2, 107, errorAt("pay", 100))
	add(a, 3, 104.9, errorAt("pay", 100), errorAt("pay", 107))
	s := a.Stats()
	if s.Rules[0].Matched != 3 || s.Rules[0].Late != 2 || s.Late["pay"] != 2 {
		t.Errorf("%+v, late %v, expected 3 to count and 2 to be late", s.Rules[0], s.Late)
	}
}

func TestMarkersSayHowFarEachClockIs(t *testing.T) {
	a := accumulatorOf(t, ruleSet(errorRule(), arrivalRule()), 1)
	take := func(want ...string) {
		t.Helper()
		if got := markers(t, a.Take(), window.EventTime, window.ArrivalTime); !slices.Equal(got, want) {
			t.Errorf("sections %q, expected %q", got, want)
		}
	}
	take()
	add(a, 7, 100, errorAt("pay", 9000)) // of the future: nothing is known of event time
	take("nowhere, arrival at 100 since 100 of 2 rules with panes")
	add(a, 8, 100.2, errorAt("pay", 70))
	take("at 70 since 70, arrival at 100.2 since 100 with panes with panes")
	add(a, 9, 100.3, errorAt("pay", 69))
	take("no marker with panes with panes")
	add(a, 10, 101.2, errorAt("pay", 70))
	take("at 70 since 70, arrival at 101.2 since 100 with panes with panes")
	a.Idle(at0 + 150*sec)
	take("at 150 since 70, arrival at 150 since 100")
	take()

	// Without a rule that goes by arrival, time that arrives is no news, but it is told all the same.
	a = accumulatorOf(t, ruleSet(errorRule()), 1)
	add(a, 0, 100, errorAt("pay", 70))
	take("at 70, arrival at 100 of 1 rules with panes")
	add(a, 1, 140, errorAt("pay", 70))
	take("no marker with panes")
	a.Idle(at0 + 141*sec)
	take("at 141, arrival at 141")
}

func TestMetadataCarriesArrival(t *testing.T) {
	set := ruleSet(arrivalRule())
	a := accumulatorOf(t, set, 1)
	add(a, 7, 100, errorAt("pay", 9000))
	add(a, 8, 105, errorAt("pay", 9000))
	for _, c := range []struct {
		version uint64
		want    string
	}{
		{set.Version, "nowhere, arrival at 105 since 100 of 1 rules"},
		// Under other rules not all that arrived at 105 s was read.
		{set.Version + 1, "nowhere, arrival at 105 since 105.000000001 of 1 rules"},
	} {
		b := accumulatorOf(t, &rules.Set{Rules: set.Rules, Version: c.version}, 1)
		if err := b.Restore(a.Metadata()); err != nil {
			t.Fatal(err)
		}
		if got := markers(t, b.Take(), window.ArrivalTime); !slices.Equal(got, []string{c.want}) {
			t.Errorf("version %d: %q, expected %q", c.version, got, c.want)
		}
		add(b, 9, 99, errorAt("pay", 9000))
		if late := b.Stats().Late["pay"]; late != 1 {
			t.Errorf("version %d: %d late, expected what arrived before the time restored", c.version, late)
		}
	}
}

// TestClocksOfARuleDoNotMoveEachOther: records of an hour ago arrive; a rule by arrival judges them now, one by event time
// then, and each waits for its own clock.
func TestClocksOfARuleDoNotMoveEachOther(t *testing.T) {
	b := newBed(t, errorRule(), arrivalRule())
	at := func(written float64, records ...ingest.Record) Result {
		add(b.acc, b.offset, written, records...)
		b.offset++
		return b.flush()
	}
	expectStory(t, at(3600, errorAt("pay", 1), errorAt("pay", 2)), "pay firing at 5s value 2 early; pay firing at 3605s value 2 early")
	expectStory(t, at(3606, errorAt("cart", 3)), "pay firing at 3605s value 2") // event time stands still
	expectStory(t, at(3607, errorAt("cart", 16)), "pay firing at 5s value 2; cart firing at 20s value 2 early; cart firing at 3610s value 2 early")
	expectStory(t, at(3630, errorAt("cart", 16)), "cart firing at 3610s value 2; pay resolved at 3625s value 0; cart resolved at 3630s value 0")
	// When the partition is idle, both clocks follow.
	expectStory(t, b.idle(3700), "cart firing at 20s value 3; pay resolved at 25s value 0; cart resolved at 40s value 0")
}

// TestOrderIsThatOfArrival: last and before go by the rule's clock.
func TestOrderIsThatOfArrival(t *testing.T) {
	last := arrivalRule()
	last.When = simple(valueOf(expr.Last, "v"), expr.Read{Stat: expr.StatLast}, true, 5)
	for _, byArrival := range []bool{false, true} {
		last.Arrival, last.Lateness = byArrival, 10*time.Second
		b := newBed(t, last)
		value := func(seconds, v float64) ingest.Record {
			r := errorAt("pay", seconds)
			r.Attributes = ingest.Attrs{{Key: "v", Value: ingest.DoubleValue(v)}}
			return r
		}
		add(b.acc, 0, 3, value(3, 1))
		add(b.acc, 1, 4, value(2, 9)) // was overtaken
		want := ""
		if byArrival {
			want = "pay firing at 5s value 9"
		}
		expectStory(t, b.idle(20), want)
	}
}

// TestCounterThatWasOvertakenDidNotBeginAnew: what a counter grew by is told by the order of its points' own times, and
// belongs to the step in which the later one arrives.
func TestCounterThatWasOvertakenDidNotBeginAnew(t *testing.T) {
	r := arrivalRule()
	r.When = simple(expr.Aggregate{Func: expr.Counter, Text: "points", Arg: func(r *ingest.Record) ingest.Value { return r.Point.Value }},
		expr.Read{Stat: expr.StatSum}, true, 5)
	b := newBed(t, r)
	point := func(seconds, v float64) ingest.Record {
		r := errorAt("pay", seconds)
		r.Point = &ingest.Point{Type: ingest.Sum, Monotonic: true, Cumulative: true, Value: ingest.DoubleValue(v)}
		return r
	}
	// An hour old, and several in one message, which all arrive at once.
	add(b.acc, 0, 3601, point(10, 1000), point(30, 1003), point(20, 1002))
	add(b.acc, 1, 3607, point(40, 1004))
	add(b.acc, 2, 3608, point(35, 1003)) // in the pane of what overtook it
	add(b.acc, 3, 3612, point(38, 1003)) // and after it
	add(b.acc, 4, 3613, point(50, 1006))
	expectStory(t, b.idle(3614.9), "")
	expectStory(t, b.idle(3615), "pay firing at 3615s value 6")
}

func TestRulesOfDifferentClocksShareNoPanes(t *testing.T) {
	a := accumulatorOf(t, loadedSet(t, "", "time: arrival, ", "lateness: 1s, "), 1)
	if len(a.tallies) != 3 {
		t.Errorf("three rules that differ in time and lateness have %d panes", len(a.tallies))
	}
	if a = accumulatorOf(t, loadedSet(t, "time: arrival, ", "time: arrival, lateness: 1s, "), 1); len(a.tallies) != 1 {
		t.Errorf("two rules that differ in nothing that panes depend on have %d of them", len(a.tallies))
	}
}

// loadedSet loads rules that differ in some keys and in their threshold.
func loadedSet(t *testing.T, keys ...string) *rules.Set {
	t.Helper()
	text := "groups:\n  - name: g\n    rules:\n"
	for i, k := range keys {
		text += "      - {alert: A" + string(rune('0'+i)) + ", from: logs, " + k + "when: count() > " + string(rune('1'+i)) + "}\n"
	}
	set, problems := rules.Parse("rules.yaml", []byte(text))
	if set == nil {
		t.Fatal(problems)
	}
	return set
}
