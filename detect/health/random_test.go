package health

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Whatever happens to topics, owners, records and judges, the findings of each alert fire and resolve in turn, each newer
// than the one before, no id comes twice, and when all is well again nothing fires. A judge that dies takes with it what
// it had not committed, findings and state alike.
func TestAnyStory(t *testing.T) {
	told := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			limits := Limits{
				Behind: 20 * time.Second, SourceStopped: 2 * time.Minute, Undecodable: 20 * time.Second,
				Late: 30 * time.Second, ClockAhead: 30 * time.Second, RuleMatchesNothing: 3 * time.Minute,
			}
			w := newWorld(t, limits)
			topics := []string{"a", "b", "c"}
			rules := map[string]RuleReport{"2": {Name: "Two", Seen: 20, Selected: 20}}
			for _, topic := range topics {
				w.topic(topic, 2)
			}
			all := func() {
				for _, topic := range topics {
					for p := range w.counts[topic] {
						if w.owner(topic, p) != nil {
							w.sends(topic, p, 50, "pay", "cart")()
							w.owner(topic, p).next.Rules = rules
						}
					}
				}
			}
			rules["1"] = RuleReport{Name: "One", Seen: 20}
			w.run(5*time.Minute, all)
			for range 60 {
				mischief(w, r, topics)
				w.run(time.Duration(1+r.IntN(90))*time.Second, func() {
					if r.IntN(3) > 0 {
						all()
					}
				})
			}
			w.away = false
			for _, topic := range topics {
				w.topic(topic, 2)
			}
			rules["1"] = RuleReport{Name: "One", Seen: 20, Selected: 1, Matched: 1}
			w.run(20*time.Minute, all)
			told += checkStory(t, w.told)
		})
	}
	if told < 60 {
		t.Errorf("only %d alerts were told: the stories are too dull to show anything", told)
	}
}

// mischief does one thing to the world.
func mischief(w *world, r *rand.Rand, topics []string) {
	topic, p := topics[r.IntN(len(topics))], int32(r.IntN(2))
	o := w.owner(topic, p)
	switch what := r.IntN(10); {
	case what == 0:
		w.restart()
	case what == 1: // dies between a tick and its commit
		w.judge.Tick(w.now.Add(time.Second))
		w.restart()
	case what == 2:
		w.away = !w.away
	case what == 3:
		w.counts[topic] = int32(r.IntN(3))
	case what == 4:
		delete(w.counts, topic)
	case what == 5 || o == nil:
		w.topic(topic, 2)
	case what == 6:
		delete(w.owners, fmt.Sprintf("%s/%d", topic, p))
	case what == 7:
		o.delay = time.Duration(r.IntN(90)) * time.Second
	case what == 8:
		for range 20 {
			o.next.Undecodable = map[string]uint64{"malformed": 1}
			w.run(Interval)
			if o.next.Undecodable != nil {
				break // nobody reports
			}
		}
	default:
		how := []string{"pay late", "cart ahead"}[r.IntN(2)]
		w.run(time.Minute, func() {
			if w.owner(topic, p) != nil {
				w.sends(topic, p, 20, how)()
			}
		})
	}
}

// checkStory returns how many alerts there were.
func checkStory(t *testing.T, told []*finding.Finding) int {
	t.Helper()
	last, ids := map[label.Fingerprint]*finding.Finding{}, map[string]bool{}
	for _, f := range told {
		before := last[f.Fingerprint]
		want := finding.Firing
		if before != nil && before.State == finding.Firing {
			want = finding.Resolved
		}
		switch {
		case f.State != want:
			t.Fatalf("%s is %s, expected %s", f.Labels, f.State, want)
		case before != nil && !f.Newer(before):
			t.Fatalf("%s: %d.%d.%d comes after %d.%d.%d", f.Labels, f.Birth, f.Episode, f.Transition, before.Birth, before.Episode, before.Transition)
		case ids[f.ID]:
			t.Fatalf("%s: id %s twice", f.Labels, f.ID)
		case want == finding.Resolved && !f.StartsAt.Equal(before.StartsAt):
			t.Fatalf("%s fired since %s and resolved since %s", f.Labels, before.StartsAt, f.StartsAt)
		}
		last[f.Fingerprint], ids[f.ID] = f, true
	}
	for _, f := range last {
		if f.State == finding.Firing {
			t.Errorf("fires for ever: %s", f.Labels)
		}
	}
	return len(last)
}

// What is followed is bounded, whatever names are sent.
func TestSubjectsAreBounded(t *testing.T) {
	j := New(DefaultLimits())
	for i := range 200 {
		r := &Report{Stage: Accumulate, Topic: fmt.Sprint("topic-", i), Records: map[string]uint64{"logs": 1}, Services: map[string]Counts{}}
		for k := range 100 {
			r.Services[fmt.Sprint("service-", k)] = Counts{Records: 1, Late: 1}
		}
		j.Receive(r, began)
	}
	if n := len(j.subjects); n != maxSubjects {
		t.Errorf("%d subjects are followed, expected %d", n, maxSubjects)
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"stage":"accumulate","topic":"logs","partition":1,"delay":5,"records":{"logs":3},"services":{"pay":{"n":3,"late":9}},"undecodable":{"malformed":2},"rules":{"1":{"u":3}}}`))
	f.Add([]byte(`{"topic":"logs","delay":-1}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := DecodeReport(value)
		if err != nil {
			return
		}
		j := New(DefaultLimits())
		for i := range 100 {
			now := began.Add(time.Duration(i) * time.Second)
			j.Topics(map[string]int32{r.Topic: 2}, now)
			j.Receive(r, now)
			j.Tick(now)
		}
		if _, err := j.Changes(began); err != nil {
			t.Error(err)
		}
	})
}

// Whatever stands in the state, a judge that is given it works, and what cannot be read is said.
func FuzzRestore(f *testing.F) {
	f.Add([]byte("stopped\x00logs\x00"), []byte(`{"kind":"stopped","about":"logs","alarm":{"birth":3,"firing":true,"labels":{"a":"b"}},"cadence":{"life":3}}`))
	f.Add([]byte("nothing\x001\x00"), []byte(`{"kind":"nothing","about":"1","match":{"records":3}}`))
	f.Add([]byte("late\x00logs\x00pay"), []byte(`{"kind":"late","about":"logs","service":"pay","spell":{"minutes":[{"bad":1},{"bad":2}]}}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		j := New(DefaultLimits())
		_ = j.Restore(key, value)
		for i := range 100 {
			now := began.Add(time.Duration(i) * time.Second)
			j.Topics(map[string]int32{"logs": 1}, now)
			j.Receive(&Report{Stage: Accumulate, Topic: "logs", Records: map[string]uint64{"logs": 1}}, now)
			for _, f := range j.Tick(now) {
				if _, err := finding.Encode(f); err != nil || f.ID == "" {
					t.Fatalf("finding %+v: %v", f, err)
				}
			}
		}
		if _, err := j.Changes(began); err != nil {
			t.Error(err)
		}
	})
}
