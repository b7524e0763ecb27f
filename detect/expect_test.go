package detect

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// Rules that expect groups find what the oracle does, whatever the flushes, the interleaving and the restarts.
func TestExpectedGroupsAsOracle(t *testing.T) {
	cases := 250
	if testing.Short() || raced {
		cases = 50
	}
	total, never, comeBack := 0, 0, 0
	for seed := range cases {
		lines, _ := samenessLines(t, uint64(seed)+10_000, func(rnd *rand.Rand, id int, base time.Duration) *rules.Rule {
			r := randomRule(rnd, id, base)
			for len(r.By) == 0 {
				r = randomRule(rnd, id, base)
			}
			expectSome(rnd, r)
			if rnd.IntN(2) == 0 {
				r.OnMissing = rules.MissingFire
			}
			if rnd.IntN(3) == 0 {
				r.ForgetAfter = time.Duration(1+rnd.IntN(20)) * r.Interval
			}
			return r
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		for _, line := range lines {
			total++
			for _, name := range []string{"d", "e", "f"} {
				if strings.Contains(line, `"service":"`+name+`"`) {
					never++
				}
			}
			if strings.Contains(line, `"state":"resolved"`) && strings.Contains(line, `"service":"a"`) {
				comeBack++
			}
		}
	}
	t.Logf("%d findings, %d about groups that never sent, %d resolved in %d cases", total, never, comeBack, cases)
	if never < cases || comeBack < cases {
		t.Errorf("%d findings, %d about groups that never sent, %d resolved in %d cases: the cases test too little", total, never, comeBack, cases)
	}
}

// silentRule fires for services that send nothing for 20 seconds, and expects some.
func silentRule(services ...string) *rules.Rule {
	return namedRule("Silent", 1, func(r *rules.Rule) {
		r.When = simple(countOf(nil), expr.Read{Stat: expr.StatAbsent}, true, 0.5)
		r.When.Conditions[0].Value = nil
		r.Lateness = 0
		r.ForgetAfter = time.Minute
		for _, s := range services {
			r.Expect = append(r.Expect, []string{s})
		}
	})
}

// An expected group fires once the first window after the start is complete, resolves when it sends, is never forgotten,
// also over restarts, and is let go when it is not expected any more.
func TestExpectedGroupThatNeverSends(t *testing.T) {
	s := newSources(t, Topics{ingest.Logs: {"logs"}}, nil, silentRule("mail", "pay"))
	expectStory(t, s.topic("logs", 10), "")
	expectStory(t, s.topic("logs", 29), "")
	expectStory(t, s.topic("logs", 40), "pay firing at 30s; mail firing at 30s")
	s.restart()
	expectStory(t, s.topic("logs", 50, errorAt("pay", 42)), "pay resolved at 45s")
	s.restart()
	expectStory(t, s.topic("logs", 3*24*3600), "pay firing at 65s")
	s.restart()
	expectStory(t, s.topic("logs", 3*24*3600+60), "")
	if n := s.eval.Stats().Groups; n != 2 {
		t.Errorf("%d groups, expected 2", n)
	}

	// mail goes, shop comes, pay is as it was.
	s.opts.Rules = ruleSet(silentRule("pay", "shop"))
	s.restart()
	expectStory(t, s.topic("logs", 3*24*3600+70), "mail resolved at 259265s (not expected any more)")
	expectStory(t, s.topic("logs", 3*24*3600+90), "shop firing at 259280s")

	// One that sends and is not expected any more is a group as any other: its alert is forgotten.
	expectStory(t, s.topic("logs", 3*24*3600+101, errorAt("shop", 3*24*3600+95)), "shop resolved at 259300s")
	s.opts.Rules = ruleSet(silentRule("pay"))
	s.restart()
	expectStory(t, s.topic("logs", 4*24*3600), "shop firing at 259320s; shop resolved at 259360s (forgotten)")
	if n := s.eval.Stats().Groups; n != 1 {
		t.Errorf("%d groups, expected 1", n)
	}
	s.opts.Rules = ruleSet(silentRule())
	s.restart()
	expectStory(t, s.topic("logs", 4*24*3600+10), "pay resolved at 345605s (not expected any more)")
	if n := s.eval.Stats().Groups; n != 0 {
		t.Errorf("%d groups, expected none", n)
	}
}

// new_group_delay counts from the start for a group that never sent; what it was alerted of ends when it sends.
func TestExpectedGroupIsGivenTime(t *testing.T) {
	r := silentRule("pay")
	r.NewGroupDelay = time.Minute
	s := newSources(t, Topics{ingest.Logs: {"logs"}}, nil, r)
	expectStory(t, s.topic("logs", 0), "")
	expectStory(t, s.topic("logs", 59), "")
	expectStory(t, s.topic("logs", 65), "pay firing at 60s")
	expectStory(t, s.topic("logs", 80, errorAt("pay", 70)), "pay resolved at 75s")
}

// Silence is a fact only where everything was read: while a source has said nothing nobody is missed, and nobody is while one
// stands still.
func TestExpectedGroupsWaitForEverySource(t *testing.T) {
	s := newSources(t, Topics{ingest.Logs: {"logs", "more"}}, nil, silentRule("pay"))
	expectStory(t, s.topic("logs", 600), "")
	expectStory(t, s.topic("more", 10), "")
	expectStory(t, s.topic("logs", 1200), "")
	expectStory(t, s.topic("more", 40), "pay firing at 30s")
	s = newSources(t, Topics{ingest.Logs: {"logs", "more"}}, nil, silentRule("pay"))
	s.eval.SetAbsent([]string{"logs", "more"})
	expectStory(t, s.topic("elsewhere", 600), "")
	s.eval.SetAbsent([]string{"more"}) // which does not exist, so nothing can be in it
	expectStory(t, s.topic("logs", 10), "")
	expectStory(t, s.topic("logs", 40), "pay firing at 30s")
}

// A source may begin with a record that is many years old: the steps since then are not gone through for those that are
// expected.
func TestExpectedGroupsStepOverYears(t *testing.T) {
	for _, change := range []func(r *rules.Rule){
		func(*rules.Rule) {},
		func(r *rules.Rule) { r.For, r.KeepFiringFor = time.Minute, time.Minute },
		func(r *rules.Rule) { r.OnMissing = rules.MissingKeep },
		func(r *rules.Rule) { r.When = few(0) }, // never
	} {
		r := silentRule("pay")
		change(r)
		s := newSources(t, Topics{ingest.Logs: {"logs"}}, nil, r)
		begun := time.Now()
		s.topic("logs", -40*365*24*3600)
		s.topic("logs", 0)
		s.restart()
		s.topic("logs", 10)
		if took := time.Since(begun); took > 5*time.Second { // 250 million steps take longer
			t.Errorf("it took %s", took)
		}
		if !s.eval.rules[0].started || s.eval.rules[0].step != floorDivision(at0+10*sec, 5*sec) {
			t.Errorf("the rule is at step %d", s.eval.rules[0].step)
		}
	}
}

// Each group is expected in one partition, that of its panes, and has its place there though others came first.
func TestExpectedGroupsHaveAPlace(t *testing.T) {
	var services []string
	for i := range 50 {
		services = append(services, string(rune('A'+i)))
	}
	r := silentRule(services...)
	const parts = 4
	found := 0
	for p := range int32(parts) {
		keys := expectedKeys(r, p, parts)
		for key := range keys {
			if partitionOf(r, key, parts) != p {
				t.Errorf("%q is expected in partition %d", key, p)
			}
		}
		found += len(keys)
	}
	if found != len(services) {
		t.Errorf("%d groups are expected, want %d", found, len(services))
	}

	r = silentRule("pay")
	r.MaxGroups = 2
	b := newBed(t, r)
	b.feed(errorAt("a", 1), errorAt("b", 1), errorAt("c", 1), errorAt("pay", 1), errorAt("d", 2))
	b.idle(10)
	got := map[string]bool{}
	for key := range b.eval.rules[0].groups {
		got[keyLabels(r.By, key).Get("service_name")] = true
	}
	if len(got) != 4 || !got["pay"] || !got["a"] || !got["b"] || !got[OverflowGroup] {
		t.Errorf("the groups are %v", got)
	}
}

// A restart in the midst of what a group in vigil is judged as changes nothing, not even where the judgement changed with the
// end of its past and nothing was told of it yet.
func TestExpectedGroupIsRestoredInVigil(t *testing.T) {
	set, problems := rules.Parse("rules.yaml", []byte(`groups: [{name: test, rules: [{alert: Odd, from: logs, by: [service.name],
		expect: [pay], window: 20s, lateness: 0s, keep_firing_for: 1m, when: 'count() >= count().upper("none", "5m")'}]}]`))
	if set == nil {
		t.Fatal(problems)
	}
	told := func(restart bool) (findings []*finding.Finding) {
		s := newSources(t, Topics{ingest.Logs: {"logs"}}, nil, set.Rules...)
		for at := range 300 {
			var records []ingest.Record
			if at == 0 {
				records = append(records, errorAt("pay", 1))
			}
			findings = append(findings, s.topic("logs", float64(5*at+5), records...).Findings...)
			if restart {
				s.restart()
			}
		}
		return findings
	}
	calm, disturbed := told(false), told(true)
	expectStory(t, Result{Findings: disturbed}, story(calm))
	if len(calm) < 2 || calm[len(calm)-1].State != finding.Resolved {
		t.Errorf("the case tests too little: %s", story(calm))
	}
}
