package alert

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// oracle decides by looking at the whole history each second, without any state of its own but what it said.
type oracle struct {
	prompt, resolved       bool
	wait, interval, repeat time.Duration

	history []event
	told    map[string]bool // alerts, by name and episode, that fire in the last notification
	last    time.Time
	said    []string
}

type event struct {
	at       time.Time
	ended    time.Time
	name     string
	state    finding.State
	incident string
}

// standing folds the history: the last state of each alert, and when its incident was first heard of.
func (o *oracle) standing() (firing, over map[string]event) {
	firing, over = map[string]event{}, map[string]event{}
	for _, e := range o.history {
		switch e.state {
		case finding.Firing:
			if f, fires := firing[e.name]; fires {
				e = f // the same incident goes on
			}
			firing[e.name] = e
			delete(over, e.name)
		case finding.Resolved:
			if f, fires := firing[e.name]; fires {
				f.ended = e.at
				over[e.name] = f
				delete(firing, e.name)
			}
		case finding.Pending:
		}
	}
	return firing, over
}

func (o *oracle) second(now time.Time) {
	firing, over := o.standing()
	var fires, ended []string
	var first, lastEnd time.Time
	fresh := 0
	for name, e := range firing {
		fires = append(fires, name)
		if !o.told[e.incident] {
			fresh++
			if first.IsZero() || e.at.Before(first) {
				first = e.at
			}
		}
	}
	for name, e := range over {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(o.told)), func(i string) bool { return strings.HasPrefix(i, name+"/") }) {
			continue
		}
		if o.resolved {
			ended = append(ended, "-"+name)
			if e.ended.After(lastEnd) {
				lastEnd = e.ended
			}
		} else {
			maps.DeleteFunc(o.told, func(i string, _ bool) bool { return strings.HasPrefix(i, name+"/") })
		}
	}
	slices.Sort(fires)
	slices.Sort(ended)
	endWait := o.interval
	switch {
	case o.prompt && len(fires) == 0:
		endWait = 0
	case o.prompt:
		endWait = min(o.interval, 10*time.Second)
	}
	someEnded := o.last.Add(endWait)
	if wait := lastEnd.Add(time.Second); o.prompt && wait.After(someEnded) {
		someEnded = wait
	}
	due := func(at time.Time) bool { return !now.Before(at) }
	why := Reason("")
	switch {
	case fresh > 0 && len(o.told) == 0:
		if due(first.Add(o.wait)) {
			why = FirstNotification
		}
	case fresh > 0 && due(first) && due(o.last.Add(o.interval)),
		fresh > 0 && len(ended) > 0 && due(someEnded),
		fresh > 0 && due(o.last.Add(o.repeat)):
		why = NewAlerts
	case len(ended) > 0 && len(fires) == 0 && due(o.last.Add(endWait)):
		why = AllResolved
	case len(ended) > 0 && len(fires) > 0 && due(someEnded):
		why = SomeResolved
	case len(fires) > 0 && len(o.told) > 0 && due(o.last.Add(o.repeat)):
		why = RepeatElapsed
	}
	if why == "" {
		return
	}
	o.last, o.told = now, map[string]bool{}
	for _, e := range firing {
		o.told[e.incident] = true
	}
	o.said = append(o.said, fmt.Sprintf("%s %s: %s", now.Sub(epoch), why, strings.Join(append(fires, ended...), " ")))
}

// TestAgainstOracle compares the alerter, restarted now and then, with the oracle under random findings.
func TestAgainstOracle(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := InlineDefaults()
		if seed%2 == 1 {
			d = AlertmanagerDefaults()
		}
		wait, interval := time.Duration(r.IntN(40))*time.Second, time.Duration(1+r.IntN(60))*time.Second
		repeat := time.Duration(30+r.IntN(200)) * time.Second
		options := one(d, RouteConfig{GroupWait: &wait, GroupInterval: &interval, RepeatInterval: &repeat})
		options.Integrations[0].SendResolved = seed%3 != 0
		edits := seed%4 == 1 // and the values move: such edits must put off nothing
		options.Integrations[0].Edits = edits
		o := &oracle{prompt: d.Prompt, resolved: seed%3 != 0, wait: wait, interval: interval, repeat: repeat, told: map[string]bool{}}
		w := newWorld(t, options)
		if edits {
			w.answer = func(n *Notification) (Outcome, bool, error) { return Outcome{Ref: "C/1"}, !n.Reason.edits(), nil }
		}
		subjects := []*subject{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}}
		var said []string
		for range 300 {
			for range r.IntN(3) * r.IntN(2) {
				s := subjects[r.IntN(len(subjects))]
				state := []finding.State{finding.Pending, finding.Firing, finding.Firing, finding.Resolved, finding.Resolved}[r.IntN(5)]
				f := s.next(state, w.now)
				w.produce(f)
				o.history = append(o.history, event{at: w.now, name: s.name, state: state, incident: fmt.Sprintf("%s/%d", s.name, f.Episode)})
				if r.IntN(4) == 0 && len(w.topic) > 3 {
					w.topic = append(w.topic, w.topic[len(w.topic)-1-r.IntN(3)]) // the detector replays
				}
			}
			if edits {
				w.stands(subjects[r.IntN(len(subjects))], float64(r.IntN(1000)))
			}
			w.run()
			o.second(w.now)
			for _, line := range w.story() {
				said = append(said, w.now.Sub(epoch).String()+" "+line)
			}
			if r.IntN(20) == 0 {
				w.restart()
			}
			w.now = w.now.Add(time.Second)
		}
		if !slices.Equal(said, o.said) {
			for i := range max(len(said), len(o.said)) {
				if i >= len(said) || i >= len(o.said) || said[i] != o.said[i] {
					t.Fatalf("seed %d (wait %s, interval %s, repeat %s, prompt %v): notification %d differs:\n got  %q\n want %q",
						seed, wait, interval, repeat, d.Prompt, i, at(said, i), at(o.said, i))
				}
			}
		}
		if len(said) == 0 {
			t.Fatalf("seed %d: nothing was said, so nothing was tested", seed)
		}
	}
}

func at(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return "(nothing)"
}

// TestKilledAtAnyStep kills the process at random steps while the receiver fails in every way, and checks what its
// people care about: nothing is lost, nothing is told twice but what was in flight, and all ends well.
func TestKilledAtAnyStep(t *testing.T) {
	kills, repeats := 0, 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		wait, interval, repeat := time.Duration(r.IntN(10))*time.Second, time.Duration(1+r.IntN(20))*time.Second, time.Hour
		o := one(InlineDefaults(), RouteConfig{GroupBy: []string{"half"}, GroupWait: &wait, GroupInterval: &interval, RepeatInterval: &repeat})
		if seed%4 == 1 {
			o.Inhibitions = inhibitedBy("a", "b")
		}
		if seed%4 == 2 {
			o.Flapping = FlappingConfig{Count: 3, Window: time.Minute, Calm: 20 * time.Second}
		}
		w := newWorld(t, o)
		excused := map[string]bool{} // ids that may come twice: killed in flight, or the answer was lost
		calm := false
		w.answer = func(*Notification) (Outcome, bool, error) {
			switch {
			case calm:
				return Outcome{}, true, nil
			case r.IntN(4) == 0:
				return Outcome{}, false, errors.New("the receiver is down")
			case r.IntN(8) == 0:
				return Outcome{RetryAfter: 2 * time.Second}, false, errors.New("429")
			default:
				return Outcome{}, true, nil
			}
		}
		seen := map[string]string{}
		arrived := func(n *Notification) {
			before, again := seen[n.ID]
			seen[n.ID] = tell(n)
			if !again {
				return
			}
			repeats++
			switch {
			case !excused[n.ID]:
				t.Fatalf("seed %d: %s was told twice without a kill: %s", seed, n.ID, tell(n))
			case before != tell(n):
				t.Fatalf("seed %d: %s said first %q, then %q", seed, n.ID, before, tell(n))
			case !n.Repeated:
				t.Fatalf("seed %d: a repeated attempt does not say so", seed)
			}
		}
		told := map[string]map[string]string{} // what the receiver last heard of each alert, by group
		subjects := make([]*subject, 6)
		for i := range subjects {
			subjects[i] = &subject{name: string(rune('a' + i)), extra: []string{"half", itoa(i % 2)}}
		}
		truth := map[string]finding.State{}
		step := func(kill func() bool) bool {
			w.receive()
			if kill() {
				return true
			}
			w.alerter.Tick(w.now)
			if kill() {
				return true
			}
			w.commit()
			if kill() {
				return true
			}
			w.send()
			for _, n := range w.flight {
				if kill() {
					return true // before this one was sent
				}
				o, got, err := w.answer(n)
				if got {
					w.got = append(w.got, n)
					arrived(n)
				}
				excused[n.ID] = true // until its done record is committed
				if kill() {
					return true
				}
				w.alerter.Delivered(n.ID, o, err, w.now)
			}
			delivered := w.flight
			w.flight = nil
			if kill() {
				return true
			}
			w.alerter.Tick(w.now)
			w.commit()
			for _, n := range delivered {
				excused[n.ID] = w.alerter.intents[n.ID] != nil
			}
			return false
		}
		for range 150 {
			for range r.IntN(3) {
				s := subjects[r.IntN(len(subjects))]
				state := []finding.State{finding.Firing, finding.Resolved}[r.IntN(2)]
				w.produce(s.next(state, w.now))
				truth[s.name] = state
			}
			if seed%4 == 3 {
				people(w, r, subjects)
			}
			killed := step(func() bool { return r.IntN(60) == 0 })
			record(told, w.got)
			w.got = nil
			if killed {
				kills++
				w.restart()
			}
			w.now = w.now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		calm = true
		w.restart()
		w.advance(10 * time.Minute)
		record(told, w.got)
		for name, state := range truth {
			heard := "never"
			for _, group := range told {
				if s, ok := group[name]; ok {
					heard = s
				}
			}
			inhibited := len(o.Inhibitions) > 0 && name > "b" && (truth["a"] == finding.Firing && name != "d" && name != "f" ||
				truth["b"] == finding.Firing && name != "c" && name != "e")
			if state == finding.Firing && heard != "firing" && !inhibited || state == finding.Resolved && heard == "firing" {
				t.Fatalf("seed %d: %s is %s, but the receiver last heard %q", seed, name, state, heard)
			}
		}
	}
	t.Logf("%d kills, %d notifications told again under the same id", kills, repeats)
	if kills < 100 || repeats == 0 {
		t.Errorf("%d kills and %d repeats test too little", kills, repeats)
	}
}

// inhibitedBy returns rules by which alerts of some names mute the others that are in the same half.
func inhibitedBy(names ...string) (out []InhibitRule) {
	c := Config{}
	for _, name := range names {
		c.InhibitRules = append(c.InhibitRules, InhibitRuleConfig{SourceMatchers: []string{"name=" + name},
			TargetMatchers: []string{`name!~"` + strings.Join(names, "|") + `"`}, Equal: []string{"half"}})
	}
	return c.Inhibitions()
}

// people do what people do: they silence for some seconds, expire, acknowledge and take that back.
func people(w *world, r *rand.Rand, subjects []*subject) {
	s := subjects[r.IntN(len(subjects))]
	about := Subject{Fingerprints: []label.Fingerprint{s.finding(finding.Firing, w.now).Fingerprint}}
	switch r.IntN(12) {
	case 0, 1:
		w.silence(fmt.Sprintf("s%d", r.IntN(5)), time.Duration(1+r.IntN(20))*time.Second, `name="`+s.name+`"`)
	case 2:
		w.command(&Command{Kind: ExpireSilence, SilenceID: fmt.Sprintf("s%d", r.IntN(5))})
	case 3:
		w.command(&Command{Kind: Acknowledge, Subject: about})
	case 4:
		w.command(&Command{Kind: Unacknowledge, Subject: about})
	}
}

func record(told map[string]map[string]string, got []*Notification) {
	for _, n := range got {
		if told[n.GroupKey] == nil {
			told[n.GroupKey] = map[string]string{}
		}
		for _, a := range n.Data.Alerts {
			told[n.GroupKey][a.Labels["name"]] = a.Status
		}
	}
}
