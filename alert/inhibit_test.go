package alert

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// TestInhibitorAgainstOracle compares what the inhibitor knows with asking each rule about each pair of alerts, and has it name
// every alert for which anything changes.
func TestInhibitorAgainstOracle(t *testing.T) {
	rules := (&Config{InhibitRules: []InhibitRuleConfig{
		{Name: "apart", SourceMatchers: []string{"kind=~a|ab"}, TargetMatchers: []string{"kind=~b|ab"}, Equal: []string{"team"}},
		{Name: "all", SourceMatchers: []string{"kind=a"}, TargetMatchers: []string{"kind=c"}},
	}}).Inhibitions()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 4))
		var all []*state
		for n, kind := range []string{"a", "a", "b", "b", "ab", "ab", "ab", "c", "d"} {
			for _, team := range []string{"x", "y"} {
				set := label.New("n", itoa(n), "kind", kind, "team", team)
				all = append(all, &state{Fingerprint: set.Fingerprint(), Firing: &finding.Finding{Labels: set}})
			}
		}
		fire := map[*state]bool{}
		oracle := func(target *state) (names []string) {
			for _, rule := range rules {
				for source := range fire {
					if rule.Inhibits(source.Firing.Labels, target.Firing.Labels) {
						names = append(names, rule.Name)
						break
					}
				}
			}
			return names
		}
		i := newInhibitor(rules)
		for range 300 {
			before := map[*state]bool{}
			for s := range fire {
				before[s] = len(oracle(s)) > 0
			}
			one, change := all[r.IntN(len(all))], i.add
			if fire[one] {
				delete(fire, one)
				change = i.remove
			} else {
				fire[one] = true
			}
			affected := change(one, one.Firing.Labels)
			for s := range fire {
				want := oracle(s)
				var got []string
				for _, by := range i.of(s.Firing.Labels) {
					got = append(got, by.Rule)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d: %s is inhibited by %q, expected %q", seed, s.Firing.Labels, got, want)
				}
				if s != one && before[s] != (len(want) > 0) && !slices.Contains(affected, s) {
					t.Fatalf("seed %d: %s changed for %s, which is not named", seed, one.Firing.Labels, s.Firing.Labels)
				}
			}
		}
		for s := range fire {
			i.remove(s, s.Firing.Labels)
		}
		if len(i.rules[0].by)+len(i.rules[1].by) != 0 {
			t.Fatalf("seed %d: something is left of alerts that are over", seed)
		}
	}
}

// What was inhibited is not told the moment that its cause is over, as it often ends soon after: only what still fires after
// group_interval is.
func TestUninhibited(t *testing.T) {
	for name, d := range map[string]Defaults{"inline": InlineDefaults(), "loaded": AlertmanagerDefaults()} {
		t.Run(name, func(t *testing.T) {
			o := one(d, RouteConfig{GroupBy: []string{"name"}, GroupInterval: minutes(1)})
			o.Inhibitions = inhibitedBy("a")
			w := newWorld(t, o)
			half := []string{"half", "0"}
			a, b, c := &subject{name: "a", extra: half}, &subject{name: "b", extra: half}, &subject{name: "c", extra: half}
			w.produce(a.fire(w.now), b.fire(w.now), c.fire(w.now))
			w.advance(10 * time.Minute)
			w.expect("first notification: a")
			w.produce(a.resolve(w.now))
			w.advance(30 * time.Second)
			w.expect("all alerts resolved: -a")
			w.restart()
			w.produce(b.resolve(w.now))
			w.advance(29 * time.Second)
			w.expect()
			w.advance(time.Minute)
			w.expect("first notification: c")
		})
	}
}

// A decision is kept when something begins or ends to be inhibited, not for each alert that would do as well.
func TestInhibitedOnce(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Inhibitions = (&Config{InhibitRules: []InhibitRuleConfig{{SourceMatchers: []string{"name=~cause.*"}, TargetMatchers: []string{"name=t"}}}}).Inhibitions()
	w := newWorld(t, o)
	target := &subject{name: "t"}
	w.produce(target.fire(w.now))
	w.run()
	var causes []*subject
	for n := range 20 {
		causes = append(causes, &subject{name: fmt.Sprintf("cause%d", n)})
		w.produce(causes[n].fire(w.now))
		w.advance(time.Second)
	}
	for _, c := range causes {
		w.produce(c.resolve(w.now))
		w.advance(time.Second)
	}
	var about []string
	for _, d := range w.verdicts("t") {
		if strings.HasPrefix(d, string(Inhibited)) || strings.HasPrefix(d, string(Unmuted)) {
			about = append(about, strings.SplitN(d, ":", 2)[0])
		}
	}
	if !slices.Equal(about, []string{"inhibited", "unmuted"}) {
		t.Errorf("decided was %q", about)
	}
}

// BenchmarkInhibitedStorm is a cause of each of thousands of alerts of one team that begins and ends while all of them fire.
func BenchmarkInhibitedStorm(b *testing.B) {
	o := one(InlineDefaults(), RouteConfig{GroupBy: []string{"team"}})
	o.Inhibitions = (&Config{InhibitRules: []InhibitRuleConfig{{SourceMatchers: []string{"kind=cause"}, TargetMatchers: []string{"kind=effect"}, Equal: []string{"team"}}}}).Inhibitions()
	const storm = 2000
	for b.Loop() {
		w := newWorld(b, o)
		var causes, effects []*subject
		for n := range storm {
			causes = append(causes, &subject{name: "c" + itoa(n), extra: []string{"kind", "cause", "team", "x"}})
			effects = append(effects, &subject{name: "e" + itoa(n), extra: []string{"kind", "effect", "team", "x"}})
		}
		for _, list := range [][]*subject{causes, effects} {
			for _, s := range list {
				w.produce(s.fire(w.now))
			}
		}
		w.receive()
		for _, s := range causes {
			w.produce(s.resolve(w.now))
		}
		w.receive()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*3*storm), "ns/finding")
}

// That an alert has become worse is told at once, though it was inhibited until then or until a moment before.
func TestRaisedOutOfInhibition(t *testing.T) {
	o := one(AlertmanagerDefaults(), RouteConfig{GroupBy: []string{"name"}})
	o.Inhibitions = (&Config{InhibitRules: []InhibitRuleConfig{{SourceMatchers: []string{"severity=critical"}, TargetMatchers: []string{"severity=warning"}}}}).Inhibitions()
	w := newWorld(t, o)
	a, b, c := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}
	w.produce(graded(a.fire(w.now), "critical"), graded(b.fire(w.now), "warning"), graded(c.fire(w.now), "warning"))
	w.advance(10 * time.Minute)
	w.expect("first notification: a")
	w.produce(graded(b.fire(w.now), "critical"))
	w.advance(30 * time.Second)
	w.expect("first notification: b")
	w.produce(graded(a.resolve(w.now), "critical"), graded(b.resolve(w.now), "critical"))
	w.advance(30 * time.Second)
	w.expect("all alerts resolved: -a")
	w.produce(graded(c.fire(w.now), "error"))
	w.run()
	w.expect("first notification: c")
}

// An alert whose cause comes and goes is told of when the times without it are as long as group_interval.
func TestCauseThatComesAndGoes(t *testing.T) {
	o := one(AlertmanagerDefaults(), RouteConfig{GroupBy: []string{"name"}, GroupInterval: minutes(5)})
	o.Inhibitions = inhibitedBy("a")
	w := newWorld(t, o)
	a, b := &subject{name: "a", extra: []string{"half", "0"}}, &subject{name: "b", extra: []string{"half", "0"}}
	w.produce(a.fire(w.now), b.fire(w.now))
	told := 0
	for range 10 {
		w.advance(4 * time.Minute)
		w.produce(a.resolve(w.now))
		w.advance(2 * time.Minute)
		w.restart()
		w.advance(2 * time.Minute)
		w.produce(a.fire(w.now))
		for _, line := range w.story() {
			if strings.HasSuffix(line, ": b") {
				told++
			}
		}
	}
	if told != 1 {
		t.Errorf("b was told %d times in 80 minutes, expected once", told)
	}
}

// An alert that other labels make inhibited while it settles settles for the rest afterwards, whatever happened to freshet.
func TestInhibitedByOtherLabelsWhileItSettles(t *testing.T) {
	o := one(AlertmanagerDefaults(), RouteConfig{GroupBy: []string{"name"}, GroupInterval: minutes(5)})
	o.Inhibitions = (&Config{InhibitRules: []InhibitRuleConfig{
		{SourceMatchers: []string{"name=a"}, TargetMatchers: []string{"name=b"}},
		{SourceMatchers: []string{"name=c"}, TargetMatchers: []string{"name=b", "severity=info"}},
	}}).Inhibitions()
	w := newWorld(t, o)
	a, b, c := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}
	w.produce(a.fire(w.now), graded(b.fire(w.now), "warning"), c.fire(w.now))
	w.advance(10 * time.Minute)
	w.produce(a.resolve(w.now))
	w.advance(time.Minute)
	w.produce(graded(b.fire(w.now), "info"))
	w.advance(time.Hour)
	w.restart()
	w.advance(time.Hour)
	w.story()
	w.produce(c.resolve(w.now))
	w.advance(4*time.Minute - time.Second)
	w.expect("all alerts resolved: -c")
	w.advance(time.Second)
	w.expect("first notification: b")
}

// What was inhibited all its life is told to nobody after an outage either.
func TestInhibitedDuringAnOutage(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{GroupBy: []string{"name"}, GroupInterval: minutes(5)})
	o.Inhibitions = inhibitedBy("a")
	w := newWorld(t, o)
	a, b := &subject{name: "a", extra: []string{"half", "0"}}, &subject{name: "b", extra: []string{"half", "0"}}
	end := w.now.Add(10 * time.Minute)
	w.produce(a.fire(w.now), b.fire(w.now.Add(time.Second)), a.resolve(end), b.resolve(end.Add(time.Second)))
	w.now = w.now.Add(time.Hour) // nobody ran meanwhile
	w.advance(time.Hour)
	w.expect("all alerts resolved: -a")
}
