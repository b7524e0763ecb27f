package alert

import (
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/freshet-dev/freshet/detect/finding"
)

// team returns options of two receivers, by a route.
func team(route RouteConfig) Options {
	c := Config{Route: &route}
	for _, name := range []string{"ops", "db"} {
		c.Receivers = append(c.Receivers, Receiver{Name: name, WebhookConfigs: []WebhookConfig{{URL: Secret("http://127.0.0.1:1/" + name)}}})
	}
	if route.Receiver == "" {
		route.Receiver = "ops"
	}
	if route.GroupBy == nil {
		route.GroupBy = []string{"half"}
	}
	d := InlineDefaults()
	return Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Prompt: true}
}

// spellings are trees that lead the same alerts to the same receiver in the same groups, by routes of other names.
func spellings(wait, interval time.Duration) []Options {
	half := func(matchers ...string) RouteConfig { return RouteConfig{Matchers: matchers} }
	var out []Options
	for _, routes := range [][]RouteConfig{
		nil,
		{half(`half="0"`)},
		{half(`name="nobody"`), half(`half="0"`), half(`half="1"`)},
		{half(`half=~"0"`), half(`half=~"0|1"`)},
	} {
		repeat := time.Hour
		out = append(out, team(RouteConfig{GroupWait: &wait, GroupInterval: &interval, RepeatInterval: &repeat, Routes: routes}))
	}
	return out
}

// TestReconfiguredAtAnyStep goes over to another configuration at random steps of a send, by a reload or with a kill: each
// beginning and each end is told once and no more, but for what was in flight at a kill, which has the same ID.
func TestReconfiguredAtAnyStep(t *testing.T) {
	swaps := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		options := spellings(time.Duration(r.IntN(5))*time.Second, time.Duration(1+r.IntN(10))*time.Second)
		w := newWorld(t, options[0])
		w.answer = func(*Notification) (Outcome, bool, error) {
			switch {
			case r.IntN(5) == 0:
				return Outcome{}, false, errors.New("the receiver is down")
			case r.IntN(9) == 0:
				return Outcome{}, false, ErrNotBegun
			}
			return Outcome{}, true, nil
		}
		begun, ended := map[incident]int{}, map[incident]int{}
		heard, excused := map[string]bool{}, map[string]bool{} // IDs of notifications; those that a kill may repeat
		hear := func(n *Notification) {
			if heard[n.ID] {
				if !excused[n.ID] {
					t.Fatalf("seed %d: %s was told twice without a kill: %s", seed, n.ID, tell(n))
				}
				return
			}
			heard[n.ID] = true
			e := w.alerter.intents[n.ID]
			for i := range e.Intent.Firing {
				if !e.Firing.has(i) {
					begun[i]++
				}
			}
			for i := range e.Intent.Resolved {
				ended[i]++
			}
		}
		swap := func() {
			if r.IntN(12) != 0 {
				return
			}
			swaps++
			o := options[r.IntN(len(options))]
			if r.IntN(4) == 0 {
				w.options, excused = o, maps.Clone(heard)
				w.restart()
				return
			}
			w.reconfigure(o)
		}
		subjects := make([]*subject, 6)
		for i := range subjects {
			subjects[i] = &subject{name: string(rune('a' + i)), extra: []string{"half", itoa(i % 2)}}
		}
		for range 150 {
			for range r.IntN(3) {
				s := subjects[r.IntN(len(subjects))]
				w.produce(s.next([]finding.State{finding.Firing, finding.Resolved}[r.IntN(2)], w.now))
			}
			for _, do := range []func(){w.receive, func() { w.alerter.Tick(w.now) }, w.commit, w.send} {
				do()
				swap()
			}
			for len(w.flight) > 0 { // each may be answered after a swap
				n := w.flight[0]
				o, got, err := w.answer(n)
				if got {
					hear(n)
				}
				swap()
				if len(w.flight) == 0 {
					break // the process was killed before the answer came
				}
				w.flight = w.flight[1:]
				w.alerter.Delivered(n.ID, o, err, w.now)
			}
			w.alerter.Tick(w.now)
			w.commit()
			w.now = w.now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		w.answer = func(n *Notification) (Outcome, bool, error) {
			hear(n)
			return Outcome{}, true, nil
		}
		for range 3 {
			w.reconfigure(options[r.IntN(len(options))])
			w.advance(5 * time.Minute)
		}
		for _, s := range w.alerter.alerts {
			switch i := s.Incident; {
			case s.Firing == nil:
			case s.fires() && begun[i] != 1:
				t.Errorf("seed %d: that %s fires was told %d times", seed, s.Firing.Labels, begun[i])
			case !s.fires() && begun[i] > ended[i]:
				t.Errorf("seed %d: the end of %s was not told", seed, s.Firing.Labels)
			}
		}
		for _, told := range []map[incident]int{begun, ended} {
			for i, n := range told {
				if n > 1 {
					t.Errorf("seed %d: incident %d was told %d times", seed, i, n)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	if swaps < 1000 {
		t.Errorf("%d swaps test too little", swaps)
	}
}

// TestReconfiguredApart goes to and fro between trees that divide the alerts of a group otherwise, while everything is under way:
// no two pages of the ledger are ever kept as one, and whoever was told that an alert fires is told of its end.
func TestReconfiguredApart(t *testing.T) {
	name := func(pattern string, more ...RouteConfig) RouteConfig {
		return RouteConfig{Matchers: []string{`name=~"` + pattern + `"`}, Routes: more}
	}
	twice := name("a|b|c|d")
	twice.Continue = true
	interval := 5 * time.Second
	var options []Options
	for _, routes := range [][]RouteConfig{
		nil, {name("a|b")}, {name("a|c"), name("b|d")}, {name("b|d"), name("a|c")}, {name("b|d"), name("a|b")}, {twice, name("a|c")}, {name("none"), name("a|b")},
		{name("a|b|e|f", name("a"), name("b"))},
	} {
		options = append(options, team(RouteConfig{GroupInterval: &interval, Routes: routes}))
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t, options[0])
		w.answer = func(*Notification) (Outcome, bool, error) {
			if r.IntN(4) == 0 {
				return Outcome{}, false, errDown
			}
			return Outcome{}, true, nil
		}
		told := map[string]map[string]string{} // what was last heard of each alert, by group
		hear := func() {
			record(told, w.got)
			w.got = nil
			keys := map[string]bool{}
			for _, g := range w.alerter.groups {
				for _, e := range g.entries {
					if keys[e.key] {
						t.Fatalf("seed %d: two entries are kept as %s", seed, e.key)
					}
					keys[e.key] = true
				}
			}
			for key := range w.kept {
				if strings.HasPrefix(key, sentPrefix) && !keys[key] {
					t.Fatalf("seed %d: %s is kept of an entry that is no more", seed, key)
				}
			}
		}
		subjects := make([]*subject, 6)
		for i := range subjects {
			subjects[i] = &subject{name: string(rune('a' + i)), extra: []string{"half", "0"}}
		}
		truth := map[string]finding.State{}
		for range 60 {
			for range r.IntN(3) {
				s, state := subjects[r.IntN(len(subjects))], []finding.State{finding.Firing, finding.Resolved}[r.IntN(2)]
				w.produce(s.next(state, w.now))
				truth[s.name] = state
			}
			w.run()
			hear()
			switch r.IntN(8) {
			case 0:
				w.reconfigure(options[r.IntN(len(options))])
			case 1:
				w.options = options[r.IntN(len(options))]
				w.restart()
			}
			w.now = w.now.Add(time.Duration(r.IntN(4000)) * time.Millisecond)
		}
		w.answer = func(*Notification) (Outcome, bool, error) { return Outcome{}, true, nil }
		w.advance(10 * time.Minute)
		hear()
		for name, state := range truth {
			heard := false
			for _, group := range told {
				heard = heard || group[name] == "firing"
			}
			if heard != (state == finding.Firing) {
				t.Fatalf("seed %d: %s is %s, and what was heard of it is %v", seed, name, state, told)
			}
		}
	}
}

// The buttons of a message work on when the configuration gives its group another name.
func TestButtonsAfterReconfiguration(t *testing.T) {
	options := spellings(0, 10*time.Second)
	w := newWorld(t, options[0])
	a := &subject{name: "a", extra: []string{"half", "0"}}
	w.produce(a.fire(w.now))
	w.run()
	group := w.got[0].Group
	for _, o := range []Options{options[1], options[2], options[0], options[2]} {
		w.reconfigure(o)
		w.advance(time.Minute)
		w.restart()
		w.run()
	}
	w.command(&Command{Kind: Acknowledge, By: "ada", Subject: Subject{Group: group}})
	w.run()
	if v := w.alerter.Alerts(); v[0].Acknowledged == nil {
		t.Errorf("the alert is not acknowledged by the button of its message")
	}
}

// A route that is gone: whoever was told is told of the end, the receiver of the new route is told now.
func TestReconfiguredRoute(t *testing.T) {
	w := newWorld(t, team(RouteConfig{}))
	a, b := &subject{name: "a", extra: []string{"half", "0"}}, &subject{name: "b", extra: []string{"half", "1"}}
	w.produce(a.fire(w.now), b.fire(w.now))
	w.run()
	w.expectTold(map[string][]string{"ops": {"first notification: a", "first notification: b"}})
	w.verdicts("a")
	w.reconfigure(team(RouteConfig{Routes: []RouteConfig{{Receiver: "db", Matchers: []string{`half="0"`}}}}))
	w.run()
	w.expectTold(map[string][]string{"db": {"first notification: a"}})
	if got := w.verdicts("a"); !slices.Equal(got, []string{"grouped: group_wait 0s, group_interval 10s", "sent: first notification"}) {
		t.Errorf("decided was %q", got)
	}
	w.advance(5 * time.Hour)
	w.expectTold(map[string][]string{"db": {"repeat interval elapsed: a"}, "ops": {"repeat interval elapsed: b"}})
	w.produce(a.resolve(w.now))
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"db": {"all alerts resolved: -a"}, "ops": {"all alerts resolved: -a"}})
	if got := len(w.alerter.Groups()); got != 1 {
		t.Errorf("%d groups are left, expected one", got)
	}
}

// A receiver that is gone: what was under way to it is given up and kept as such, its answer changes nothing.
func TestReconfiguredReceiver(t *testing.T) {
	w := newWorld(t, team(RouteConfig{}))
	a := &subject{name: "a", extra: []string{"half", "0"}}
	w.produce(a.fire(w.now))
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	w.send()
	next := team(RouteConfig{Receiver: "db"})
	next.Integrations = next.Integrations[1:]
	w.reconfigure(next)
	if dead := w.alerter.DeadLetters(); len(dead) != 1 || dead[0].Integration != "ops/webhook[0]" || len(dead[0].Data.Alerts) != 1 {
		t.Errorf("given up was %+v, expected the notification of ops", dead)
	}
	w.deliver()
	w.got = nil
	w.run()
	w.expectTold(map[string][]string{"db": {"first notification: a"}})
	for key, value := range w.kept {
		if strings.Contains(string(value), "ops/webhook") {
			t.Errorf("%s is left of the receiver", key)
		}
	}
}

// Attempts to come, reminders and group_wait go on; whatever is mended is tried at once.
func TestReconfiguredTimers(t *testing.T) {
	w := newWorld(t, team(RouteConfig{GroupWait: minutes(1), RepeatInterval: minutes(10)}))
	a := &subject{name: "a", extra: []string{"half", "0"}}
	w.produce(a.fire(w.now))
	w.advance(30 * time.Second)
	w.reconfigure(team(RouteConfig{GroupWait: minutes(1), RepeatInterval: minutes(10)}))
	w.advance(29 * time.Second)
	w.expect()
	w.advance(time.Second)
	w.expect("first notification: a")
	w.advance(9 * time.Minute)
	w.reconfigure(team(RouteConfig{RepeatInterval: minutes(10)}))
	w.advance(59 * time.Second)
	w.expect()
	refuses := true
	w.answer = func(*Notification) (Outcome, bool, error) {
		if refuses {
			return Outcome{Permanent: true}, false, errors.New("404")
		}
		return Outcome{}, true, nil
	}
	w.advance(time.Second)
	refuses = false
	w.reconfigure(w.options)
	w.advance(time.Minute)
	w.expect() // nothing has changed, so it is tried again when it is time
	mended := team(RouteConfig{RepeatInterval: minutes(10)})
	mended.Integrations[0].Webhook.URL = "http://127.0.0.1:2/"
	w.reconfigure(mended)
	w.run()
	w.expect("repeat interval elapsed: a")
}

// Silences stay, inhibit rules and time intervals are the new ones.
func TestReconfiguredMutes(t *testing.T) {
	w := newWorld(t, team(RouteConfig{GroupBy: []string{"name"}}))
	subjects := map[string]*subject{}
	for _, name := range []string{"a", "b", "c"} {
		subjects[name] = &subject{name: name, extra: []string{"half", "0"}}
	}
	w.silence("s", time.Hour, `name="a"`)
	next := team(RouteConfig{GroupBy: []string{"name"}, Routes: []RouteConfig{{Matchers: []string{`name="d"`}, MuteTimeIntervals: []string{"always"}}}})
	next.Inhibitions = inhibitedBy("b")
	next.Intervals = map[string][]timeinterval.TimeInterval{"always": {{}}}
	w.produce(subjects["b"].fire(w.now))
	w.advance(time.Minute)
	w.expect("first notification: b")
	w.reconfigure(next)
	d := &subject{name: "d", extra: []string{"half", "1"}}
	w.produce(subjects["a"].fire(w.now), subjects["c"].fire(w.now), d.fire(w.now))
	w.advance(time.Minute)
	w.expect()
	w.reconfigure(team(RouteConfig{GroupBy: []string{"name"}}))
	w.advance(time.Minute)
	if got := w.story(); !reflect.DeepEqual(got, []string{"first notification: d", "first notification: c"}) {
		t.Errorf("when nothing mutes them any longer the receiver got %q, expected c and d", got)
	}
}

// A dead man's switch can be switched on and off.
func TestReconfiguredDeadman(t *testing.T) {
	with := team(RouteConfig{})
	with.Deadman = DeadmanConfig{Receiver: "db", Interval: time.Minute}
	w := newWorld(t, team(RouteConfig{}))
	w.run()
	w.reconfigure(with)
	w.advance(2 * time.Minute)
	w.expectTold(map[string][]string{"db": {"first notification: ", "repeat interval elapsed: ", "repeat interval elapsed: "}})
	w.reconfigure(with)
	w.advance(time.Minute)
	w.expectTold(map[string][]string{"db": {"repeat interval elapsed: "}})
	w.reconfigure(team(RouteConfig{}))
	w.advance(time.Hour)
	w.expectTold(map[string][]string{"db": {"all alerts resolved: -"}})
}
