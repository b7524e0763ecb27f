package detect

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// TestNewRuleWaitsForItsVersion: a rule that stage 1 does not know yet is not judged.
func TestNewRuleWaitsForItsVersion(t *testing.T) {
	set := ruleSet(errorRule())
	b := newBed(t, errorRule())
	b.acc = accumulatorOf(t, &rules.Set{Rules: set.Rules, Version: 4}, 1)
	expectStory(t, b.feed(errorAt("pay", 1), errorAt("pay", 2)), "")
	expectStory(t, b.idle(100), "")
	metadata := b.acc.Metadata()
	b.acc = accumulatorOf(t, b.set, 1)
	if err := b.acc.Restore(metadata); err != nil {
		t.Fatal(err)
	}
	expectStory(t, b.idle(101), "pay firing at 5s value 2; pay resolved at 25s value 0")
}

func TestRemovedRuleResolves(t *testing.T) {
	b := newBed(t, errorRule())
	b.feed(errorAt("pay", 1), errorAt("pay", 2))
	fired := b.idle(20).Findings[0]
	changes := b.eval.Changes()
	other := errorRule()
	other.ID, other.Name = 78, "Other"
	e := evaluatorOf(t, ruleSet(other))
	for _, c := range changes {
		if err := e.Restore(c.Key, c.Value); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.Changes(); got != nil {
		t.Errorf("%d changes before anything was applied: a finding could be lost", len(got))
	}
	res, err := e.Apply(9, nil)
	if err != nil {
		t.Fatal(err)
	}
	expectStory(t, res, "pay resolved at 10s (rule removed)")
	if f := res.Findings[0]; f.Fingerprint != fired.Fingerprint || !f.Newer(fired) || f.Rule != "Errors" || !f.StartsAt.Equal(fired.StartsAt) {
		t.Errorf("%+v does not end %+v", f, fired)
	}
	var deleted int
	for _, c := range e.Changes() {
		if c.Value == nil {
			deleted++
		}
	}
	if deleted != 3 {
		t.Errorf("%d state records of the rule are deleted, expected its own, its group's and its sample", deleted)
	}
}

func TestStateOfAnotherVersionIsRefused(t *testing.T) {
	b := newBed(t, errorRule())
	b.feed(errorAt("pay", 1), errorAt("pay", 2))
	b.idle(20)
	changes := b.eval.Changes()
	if len(changes) != 4 {
		t.Fatalf("%d changes, expected a source, a rule, a group and a sample", len(changes))
	}
	if again := b.eval.Changes(); len(again) != 0 {
		t.Errorf("%d changes when nothing changed", len(again))
	}
	for _, c := range changes {
		e := evaluatorOf(t, b.set)
		newer := append([]byte{stateVersion + 1}, c.Value[1:]...)
		if err := e.Restore(c.Key, newer); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "version") {
			t.Errorf("state of another version: %v, expected ErrState that says so", err)
		}
		if err := e.Restore(c.Key, c.Value[:len(c.Value)-1]); !errors.Is(err, ErrState) {
			t.Errorf("state cut short: %v, expected ErrState", err)
		}
		if err := e.Restore([]byte("?"), c.Value); !errors.Is(err, ErrState) {
			t.Errorf("state of an unknown key: %v, expected ErrState", err)
		}
	}
	b.idle(100)
	deleted := slices.ContainsFunc(b.eval.Changes(), func(c Change) bool { return c.Key[0] == keyGroup && c.Value == nil })
	if !deleted {
		t.Error("the group that was let go is not deleted from the state")
	}
}

func TestDamagedPanesStopNothing(t *testing.T) {
	b := newBed(t, errorRule())
	add(b.acc, 0, 2, errorAt("pay", 1), errorAt("pay", 2))
	good := b.acc.Take()[0].Value
	newer := append([]byte{sectionVersion + 1}, good[1:]...)
	for name, value := range map[string][]byte{
		"another version": newer, "random bytes": []byte("not a section"), "cut short": good[:len(good)-3],
	} {
		if _, err := evaluatorOf(t, b.set).Apply(0, value); !errors.Is(err, ErrSection) {
			t.Errorf("%s: %v, expected ErrSection", name, err)
		}
	}
	res, err := b.eval.Apply(0, append(slices.Clone(good), newer...))
	if !errors.Is(err, ErrSection) {
		t.Errorf("error %v, expected ErrSection", err)
	}
	expectStory(t, res, "pay firing at 5s value 2 early")
}

func TestUnknownRulesArePassedOver(t *testing.T) {
	other := errorRule()
	other.ID = 1234
	b := newBed(t, other, errorRule())
	b.eval = evaluatorOf(t, ruleSet(errorRule()))
	expectStory(t, b.feed(errorAt("pay", 1), errorAt("pay", 2)), "pay firing at 5s value 2 early")
	if n := b.eval.Stats().UnknownPanes; n != 1 {
		t.Errorf("%d panes of unknown rules, expected 1", n)
	}
}

func FuzzApply(f *testing.F) {
	a, err := NewAccumulator(AccumulatorOptions{Rules: ruleSet(errorRule()), Source: Source{"logs", 0}, ClockTolerance: 60 * sec})
	if err != nil {
		f.Fatal(err)
	}
	add(a, 0, 2, errorAt("pay", 1), errorAt("pay", 2))
	a.Idle(at0 + 20*sec)
	f.Add(a.Take()[0].Value)
	f.Add([]byte{sectionVersion, 0})
	f.Fuzz(func(t *testing.T, value []byte) {
		e := evaluatorOf(t, ruleSet(errorRule()))
		if _, err := e.Apply(0, value); err != nil && !errors.Is(err, ErrSection) && !strings.Contains(err.Error(), "pane: bad encoding") {
			t.Fatalf("error of no kind: %v", err)
		}
		for _, c := range e.Changes() {
			if err := evaluatorOf(t, ruleSet(errorRule())).Restore(c.Key, c.Value); err != nil {
				t.Fatalf("a change is not restored: %v", err)
			}
		}
	})
}

func FuzzRestore(f *testing.F) {
	// They are compiled once: that takes longer than a restoration.
	crowd := compiled(f, `changed(count()) && count().forecast("1m", "5m") > 1 || count().zscore().outlier() > count().anomaly("1d")`)
	order := compiled(f, `fresh(body) > 3 || before(severity >= ERROR, severity < WARN) > 1`)
	crowd.ID, order.ID = 79, 80
	set := func() *rules.Set {
		long := errorRule()
		long.ID, long.When = 78, comparison(nil, 5*time.Second, time.Hour)
		return ruleSet(errorRule(), long, crowd, order)
	}
	a, err := NewAccumulator(AccumulatorOptions{Rules: set(), Source: Source{"logs", 0}, ClockTolerance: 60 * sec})
	if err != nil {
		f.Fatal(err)
	}
	e, err := NewEvaluator(EvaluatorOptions{Rules: set(), Topics: Topics{ingest.Logs: {"logs"}}})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 30 {
		s := float64(i * 60)
		add(a, int64(i), s, errorAt("pay", s), errorAt("pay", s+1))
		if _, err := e.Apply(int64(i), a.Take()[0].Value); err != nil {
			f.Fatal(err)
		}
		for _, c := range e.Changes() {
			f.Add(c.Key, c.Value)
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		e := evaluatorOf(t, set())
		if err := e.Restore(key, value); err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatalf("error %v does not wrap ErrState", err)
			}
			return
		}
		if _, err := e.Apply(0, nil); err != nil {
			t.Fatal(err)
		}
		e.Changes()
	})
}
