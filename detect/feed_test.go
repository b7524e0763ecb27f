package detect

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// sources feeds one evaluator from several topics of one partition each.
type sources struct {
	t     *testing.T
	opts  EvaluatorOptions
	eval  *Evaluator
	accs  map[string]*Accumulator
	input string // of the topics
	panes int64
	// kept is the state as it was written.
	kept map[string][]byte
}

func newSources(t *testing.T, topics Topics, patterns []Pattern, rs ...*rules.Rule) *sources {
	t.Helper()
	s := &sources{t: t, accs: map[string]*Accumulator{}, kept: map[string][]byte{},
		opts: EvaluatorOptions{Rules: ruleSet(rs...), Topics: topics, Patterns: patterns}}
	s.restart()
	return s
}

// restart makes a new evaluator of what was written.
func (s *sources) restart() {
	s.t.Helper()
	if s.eval != nil {
		s.write()
	}
	var err error
	if s.eval, err = NewEvaluator(s.opts); err != nil {
		s.t.Fatal(err)
	}
	for key, value := range s.kept {
		if err := s.eval.Restore([]byte(key), value); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *sources) write() {
	for _, c := range s.eval.Changes() {
		s.kept[string(c.Key)] = c.Value
	}
}

// topic gives records of a topic and then says that it has been read up to so many seconds after at0.
func (s *sources) topic(name string, upTo float64, records ...ingest.Record) Result {
	s.t.Helper()
	acc := s.accs[name]
	if acc == nil {
		var err error
		if acc, err = NewAccumulator(AccumulatorOptions{
			Rules: s.opts.Rules, Source: Source{Topic: name}, Input: s.input, ClockTolerance: int64(time.Minute),
		}); err != nil {
			s.t.Fatal(err)
		}
		s.accs[name] = acc
	}
	for i, r := range records {
		add(acc, int64(i), float64(r.Time-at0)/1e9, r)
	}
	acc.Idle(at0 + int64(upTo*1e9))
	var all Result
	for _, section := range acc.Take() {
		res, err := s.eval.Apply(s.panes, section.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		s.panes++
		all.Findings = append(all.Findings, res.Findings...)
	}
	return all
}

func prefixed(name string, signal ingest.Signal, prefix string) Pattern {
	return Pattern{Name: name, Signal: signal, Match: func(topic string) bool { return strings.HasPrefix(topic, prefix) }}
}

// A topic of a pattern is waited for from its first marker on, also after a restart, and counts into the rule's groups.
func TestTopicsOfAPatternAreWaitedFor(t *testing.T) {
	s := newSources(t, Topics{ingest.Logs: {"logs"}}, []Pattern{prefixed("apps", ingest.Logs, "app.")}, settledRule())
	expectStory(t, s.topic("logs", 4, errorAt("pay", 1)), "")
	expectStory(t, s.topic("app.eu", 4, errorAt("pay", 2)), "")
	expectStory(t, s.topic("logs", 30), "") // app.eu is at 4 s
	s.restart()
	expectStory(t, s.topic("logs", 60), "")
	expectStory(t, s.topic("app.eu", 16), "pay firing at 5s value 2")
	s.topic("spans", 17) // matches nothing
	expectStory(t, s.topic("app.eu", 60), "pay resolved at 25s value 0")
}

// settledRule is errorRule, but fires only over complete windows.
func settledRule() *rules.Rule {
	r := errorRule()
	r.When.Monotone = false
	return r
}

// A rule on events names a pattern's input, not its topics; of two patterns that match the first decides.
func TestRulesNameThePatternsInput(t *testing.T) {
	r := settledRule()
	r.From, r.Topic = ingest.Events, "orders"
	s := newSources(t, Topics{ingest.Events: {"named"}}, []Pattern{
		prefixed("orders", ingest.Events, "orders."), prefixed("everything", ingest.Events, ""),
	}, r)
	event := func(seconds float64) ingest.Record {
		e := errorAt("pay", seconds)
		e.Signal = ingest.Events
		return e
	}
	s.input = "orders"
	s.topic("orders.eu", 4, event(1), event(2))
	expectStory(t, s.topic("orders.eu", 16), "pay firing at 5s value 2")
	// Neither a topic of the other pattern nor one that is named holds the rule up.
	s.input = "everything"
	s.topic("elsewhere", 1, event(13), event(13))
	s.input = ""
	s.topic("named", 1, event(13), event(13))
	expectStory(t, s.topic("orders.eu", 60), "pay resolved at 25s value 0")
}

// A topic that does not exist is not waited for once that is said; when it comes to be it is.
func TestAbsentTopicIsNotWaitedFor(t *testing.T) {
	s := newSources(t, Topics{ingest.Logs: {"gone", "logs", "never"}}, nil, settledRule())
	s.topic("gone", 4, errorAt("pay", 1))
	s.topic("logs", 4, errorAt("pay", 2))
	expectStory(t, s.topic("logs", 30), "") // who knows what never and gone hold
	s.eval.SetAbsent([]string{"never"})
	expectStory(t, s.topic("logs", 31), "")
	s.eval.SetAbsent([]string{"never", "gone"})
	expectStory(t, s.topic("logs", 36), "pay firing at 5s value 2; pay resolved at 25s value 0")
	// It is made anew, and again it is waited for: nothing is resolved before it has been read as far.
	s.topic("gone", 37)
	s.topic("logs", 90, errorAt("pay", 40), errorAt("pay", 41))
	if res := s.topic("logs", 91); len(res.Findings) != 0 {
		t.Errorf("while the topic that came back is behind: %s", story(res.Findings))
	}
	expectStory(t, s.topic("gone", 91), "pay firing at 45s value 2; pay resolved at 65s value 0")
}

// A group whose records may lie in a partition that is not read on is not called absent, and nothing of it is resolved,
// however far the others are; once the partition is read, what it holds decides.
func TestNothingIsAbsentWhileAPartitionStandsStill(t *testing.T) {
	p := simple(countOf(nil), expr.Read{Stat: expr.StatAbsent}, true, 0)
	p.ZeroOnEmpty = true
	absent := settledRule()
	absent.Name, absent.When, absent.ID = "Absent", p, 78
	s := newSources(t, Topics{ingest.Logs: {"one", "two"}}, nil, settledRule(), absent)
	s.topic("one", 2)
	s.topic("two", 16, errorAt("pay", 1), errorAt("pay", 2))
	expectStory(t, s.topic("one", 16), "pay firing at 5s value 2")
	for at := 20.0; at < 600; at += 20 {
		if res := s.topic("two", at); len(res.Findings) != 0 {
			t.Fatalf("while one stands still at 16 s and two is at %g s: %s", at, story(res.Findings))
		}
	}
	res := s.topic("one", 600, errorAt("pay", 18), errorAt("pay", 19), errorAt("pay", 100))
	expectStory(t, res, "pay resolved at 40s value 0; pay firing at 40s value 1; pay resolved at 105s value 0; pay firing at 125s value 1")
}
