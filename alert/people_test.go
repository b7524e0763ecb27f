package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

var errDown = errors.New("the receiver is down")

func TestAcknowledgement(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{RepeatInterval: minutes(10)}))
	a, b := &subject{name: "a"}, &subject{name: "b"}
	f := a.fire(w.now)
	w.produce(f)
	w.advance(11 * time.Minute)
	w.expect("first notification: a", "repeat interval elapsed: a")
	w.command(&Command{Kind: Acknowledge, By: "ada", Comment: "on it", Subject: Subject{Fingerprints: []label.Fingerprint{f.Fingerprint}}})
	w.restart()
	w.advance(time.Hour)
	w.expect() // nobody is reminded
	w.produce(b.fire(w.now))
	w.advance(time.Second)
	w.expect("new alerts added: a b") // but told of what is new
	w.produce(b.resolve(w.now))
	w.advance(time.Hour)
	w.expect("some alerts resolved: a -b")
	if v := w.alerter.Alerts(); v[1].Acknowledged == nil || v[1].Acknowledged.By != "ada" {
		t.Errorf("the acknowledgement is not shown: %+v", v)
	}
	w.produce(a.resolve(w.now))
	w.run()
	w.produce(a.fire(w.now))
	w.advance(12 * time.Minute)
	w.expect("all alerts resolved: -a", "first notification: a", "repeat interval elapsed: a") // it held until the alert resolved
	st := w.alerter.Statistics()
	if len(st) != 1 || st[0].Fired != 3 || st[0].Acknowledged != 1 || st[0].Notified != 3 {
		t.Errorf("statistics are %+v", st)
	}
}

// What is about alerts that are over changes nothing, and whoever asked for it is told so.
func TestCommandsComeTooLate(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	w := newWorld(t, o)
	a := &subject{name: "a"}
	w.produce(a.fire(w.now))
	w.run()
	group := w.got[0].Group
	do := func(k Kind) error {
		return w.alerter.Command(&Command{ID: string(k), Kind: k, At: w.now, By: "ada", Duration: time.Hour, Subject: Subject{Group: group}}, w.now)
	}
	for _, k := range []Kind{Acknowledge, SilenceSubject, MarkNoise} {
		if err := do(k); err != nil {
			t.Errorf("%s while it fires: %v", k, err)
		}
	}
	_ = w.alerter.Command(&Command{Kind: ExpireSilence, SilenceID: w.alerter.Silences(w.now)[0].ID}, w.now)
	w.produce(a.resolve(w.now))
	w.advance(time.Hour)
	before := len(w.alerter.Silences(w.now))
	for _, k := range []Kind{Acknowledge, SilenceSubject, MarkNoise} {
		if err := do(k); !errors.Is(err, ErrOver) {
			t.Errorf("%s when it is over: %v", k, err)
		}
	}
	if after := len(w.alerter.Silences(w.now)); after != before {
		t.Errorf("%d silences became %d", before, after)
	}
}

func TestNoiseAndNotes(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations[0].Edits = true
	w := newWorld(t, o)
	w.answer = func(*Notification) (Outcome, bool, error) { return Outcome{Ref: "C/1"}, true, nil }
	a := &subject{name: "a"}
	w.produce(a.fire(w.now))
	w.run()
	group := w.got[0].Group
	w.expect("first notification: a")
	for range 2 {
		w.command(&Command{Kind: MarkNoise, By: "ada", Subject: Subject{Group: group}})
	}
	w.command(&Command{Kind: Acknowledge, By: "bob", Subject: Subject{Group: group}})
	w.restart()
	w.receive()
	w.commit()
	w.restart() // the notes outlive it
	w.advance(time.Minute)
	if len(w.got) != 1 || w.got[0].Reason != ContentChanged && w.got[0].Reason != NoteAdded {
		t.Fatalf("got %v, expected one edit", w.story())
	}
	var texts []string
	for _, n := range w.got[0].Data.Notes {
		texts = append(texts, n.Text)
	}
	if !slices.Equal(texts, []string{"called noise by ada", "called noise by ada", "acknowledged by bob"}) {
		t.Errorf("notes are %q", texts)
	}
	w.story()
	if st := w.alerter.Statistics(); st[0].Noise != 1 || st[0].Acknowledged != 1 {
		t.Errorf("statistics are %+v, expected one noise and one acknowledgement", st)
	}
	w.command(&Command{Kind: SilenceSubject, By: "ada", Duration: time.Hour, Subject: Subject{Group: group}})
	w.advance(time.Minute)
	if v := w.alerter.Silences(w.now); len(v) != 1 || v[0].State != "active" || !slices.Equal(v[0].Matchers, []string{`alertname="Spike"`}) {
		t.Errorf("silences are %+v, expected one of the group's labels", v)
	}
	if len(w.got) != 1 || w.got[0].Data.Alerts[0].Muted == "" || w.got[0].Data.Notes[0].Text != "silenced for 1 h by ada" {
		t.Errorf("the message does not say that it is silenced: %+v", w.got)
	}
}

// The silence of a button is of the labels as they are, whatever they hold.
func TestSilenceOfOddLabels(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{GroupBy: []string{"name"}}))
	a := &subject{name: "a\u00e9\x07\u2028 \"x\"\\\n"}
	w.produce(a.fire(w.now))
	w.run()
	w.command(&Command{Kind: SilenceSubject, By: "ada", Duration: time.Hour, Subject: Subject{Group: w.got[0].Group}})
	w.run()
	if v := w.alerter.Silences(w.now); len(v) != 1 || len(v[0].Alerts) != 1 {
		t.Errorf("silences are %+v, expected one that mutes the alert", v)
	}
}

func TestFlapping(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Flapping = FlappingConfig{Count: 3, Window: 30 * time.Minute, Calm: 10 * time.Minute}
	w := newWorld(t, o)
	a := &subject{name: "a"}
	for range 8 {
		w.produce(a.fire(w.now))
		w.advance(time.Minute)
		w.produce(a.resolve(w.now))
		w.advance(time.Minute)
		if w.now.Minute()%3 == 0 {
			w.restart()
		}
	}
	w.expect("first notification: a", "all alerts resolved: -a", "first notification: a", "all alerts resolved: -a", "first notification: a")
	if v := w.alerter.Alerts()[0]; v.State != "firing" || v.Flapping != 8 || v.Calm.IsZero() {
		t.Errorf("it is shown as %+v, expected as firing and flapping", v)
	}
	w.restart()
	w.advance(9*time.Minute - time.Second)
	w.expect()
	w.advance(time.Second)
	w.expect("all alerts resolved: -a")
	w.advance(time.Hour)
	w.produce(a.fire(w.now), a.resolve(w.now))
	w.run()
	w.produce(a.fire(w.now), a.resolve(w.now))
	w.run()
	if got := w.story(); len(got) != 0 && got[len(got)-1] != "all alerts resolved: -a" {
		t.Errorf("after an hour of calm it still flaps: %q", got)
	}
	if st := w.alerter.Statistics(); st[0].Flapped == 0 {
		t.Errorf("statistics are %+v, expected some that flapped", st)
	}
}

// That an alert flapped yesterday does not keep its end of today back.
func TestFlappedLongAgo(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Flapping = FlappingConfig{Count: 3, Window: 30 * time.Minute, Calm: 10 * time.Minute}
	w := newWorld(t, o)
	a := &subject{name: "a"}
	for range 3 {
		w.produce(a.resolve(w.now), a.fire(w.now))
		w.advance(time.Minute)
	}
	if v := w.alerter.Alerts()[0]; v.Flapping != 3 {
		t.Fatalf("it is shown as %+v, expected as flapping", v)
	}
	w.advance(24 * time.Hour)
	w.story()
	w.produce(a.resolve(w.now))
	w.run()
	w.expect("all alerts resolved: -a")
}

// What is said again and again of an alert that nobody is told of, or of a receiver whose error is never the same, is recorded
// a few times.
func TestDecisionsDoNotFlood(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	count := func(w *world, v Verdict) (n int) {
		for _, d := range w.verdicts("a") {
			if strings.HasPrefix(d, string(v)) {
				n++
			}
		}
		return n
	}
	w := newWorld(t, Options{Route: o.Route})
	a := &subject{name: "a"}
	for range 100 {
		w.produce(a.fire(w.now))
		w.advance(time.Second)
	}
	if n := count(w, Unrouted); n != 1 {
		t.Errorf("that nobody is told was recorded %d times", n)
	}
	w = newWorld(t, o)
	tries := 0
	w.answer = func(*Notification) (Outcome, bool, error) {
		tries++
		return Outcome{}, false, fmt.Errorf("read tcp 127.0.0.1:%d: reset", 40000+tries)
	}
	w.produce((&subject{name: "a"}).fire(w.now))
	w.advance(10 * time.Hour)
	if n := count(w, Failed); n < 2 || n > 12 || tries < 100 {
		t.Errorf("%d failures were recorded %d times", tries, n)
	}
}

// How often people were told of a rule's alerts does not grow with the number of receivers; of names without end the oldest are
// forgotten.
func TestStatisticsAreBounded(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations = append(o.Integrations, Integration{Receiver: "ops", Kind: "webhook", Index: 1, Webhook: &WebhookConfig{}})
	w := newWorld(t, o)
	w.produce((&subject{name: "a"}).fire(w.now))
	w.run()
	if st := w.alerter.Statistics(); st[0].Notified != 1 {
		t.Errorf("two receivers were told of one incident, and %d were counted", st[0].Notified)
	}
	for n := range maxStatistics {
		name := fmt.Sprintf("posted%05d", n)
		w.alerter.statistics[name] = &Statistics{Rule: name, Last: w.now.Add(-time.Duration(maxStatistics-n) * time.Second)}
	}
	f := (&subject{name: "b"}).fire(w.now)
	f.Rule = "another"
	w.produce(f)
	w.run()
	known := map[string]bool{}
	for _, st := range w.alerter.Statistics() {
		known[st.Rule] = true
	}
	if !known["another"] || !known["Spike"] || known["posted00000"] || !known["posted00100"] {
		t.Errorf("another %v, Spike %v, the oldest %v, a newer one %v", known["another"], known["Spike"], known["posted00000"], known["posted00100"])
	}
}

// watched returns options with a dead man's switch of a minute.
func watched() Options {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations = append(o.Integrations, Integration{Receiver: "deadman", Kind: "webhook", Webhook: &WebhookConfig{}, SendResolved: true})
	o.Deadman = DeadmanConfig{Receiver: "deadman", Interval: time.Minute}
	return o
}

// Nothing mutes a dead man's switch, as its silence is the alarm, and it mutes nothing.
func TestWatchdogIsNotMuted(t *testing.T) {
	o := watched()
	o.Inhibitions = (&Config{InhibitRules: []InhibitRuleConfig{
		{SourceMatchers: []string{"name=a"}, TargetMatchers: []string{"name!=a"}},
		{SourceMatchers: []string{"severity=none"}, TargetMatchers: []string{"name=a"}},
	}}).Inhibitions()
	w := newWorld(t, o)
	w.silence("all", time.Hour, `severity=~".+"`)
	w.produce((&subject{name: "a"}).fire(w.now))
	for range 3 {
		w.advance(10 * time.Minute)
		w.restart()
	}
	if told := w.told(); len(told["deadman"]) < 30 || len(told["ops"]) != 1 {
		t.Errorf("told was %q", told)
	}
}

func TestWatchdog(t *testing.T) {
	o := watched()
	w := newWorld(t, o)
	for range 3 {
		w.advance(time.Minute)
	}
	if got := w.story(); len(got) != 4 {
		t.Errorf("the dead man's switch told %q in three minutes, expected four times", got)
	}
	w.restart()
	w.advance(30 * time.Second)
	w.expect()
	w.advance(30 * time.Second)
	w.expect("repeat interval elapsed: ")
	o.Deadman = DeadmanConfig{}
	w.options = o
	w.restart()
	w.advance(time.Hour)
	if got := w.story(); len(got) > 1 {
		t.Errorf("without a dead man's switch it told %q", got)
	}
}

func TestExponentialRepeat(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{RepeatInterval: minutes(10), RepeatMax: minutes(40)}))
	var at []string
	w.answer = func(*Notification) (Outcome, bool, error) {
		at = append(at, w.now.Sub(epoch).String())
		return Outcome{}, true, nil
	}
	w.produce((&subject{name: "a"}).fire(w.now))
	w.advance(2 * time.Hour)
	if got := strings.Join(at, " "); got != "0s 10m0s 30m0s 1h10m0s 1h50m0s" {
		t.Errorf("told at %s, expected after 10, 20, 40 and 40 minutes", got)
	}
}

// TestUpdates: a message that can be edited shows how the alert stands, now and then, and the highest value.
func TestUpdates(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	o.Integrations[0].Edits = true
	w := newWorld(t, o)
	w.answer = func(*Notification) (Outcome, bool, error) { return Outcome{Ref: "C/1"}, true, nil }
	a := &subject{name: "a"}
	f := a.fire(w.now)
	w.produce(f)
	w.run()
	w.got = nil
	stand := func(value float64) {
		u := *f
		u.ID, u.Update, u.Value = "update", true, &value
		w.produce(&u)
		w.run()
	}
	var shown []string
	for i := range 6 {
		w.advance(10 * time.Second)
		stand([]float64{180, 230, 170, 170, 170, 160}[i])
		for _, n := range w.got {
			shown = append(shown, fmt.Sprintf("%s %s: %s, peak %g", w.now.Sub(epoch), n.Reason, n.Data.Alerts[0].ShownValue(), *n.Data.Alerts[0].Peak))
		}
		w.got = nil
		if i == 3 {
			w.restart()
		}
	}
	if got := strings.Join(shown, "; "); got != "30s content changed: 230, peak 230; 1m0s content changed: 170, peak 230" {
		t.Errorf("the message showed %s", got)
	}
	w.produce(a.resolve(w.now))
	w.run()
	if n := w.got[len(w.got)-1]; n.Reason != AllResolved || *n.Data.Alerts[0].Peak != 230 {
		t.Errorf("at its end the peak is %+v", n.Data.Alerts[0])
	}
	w.got = nil
	stand(500) // comes late
	w.advance(time.Minute)
	w.expect()
}

// An alert that is over is not acknowledged, and nothing is said of it.
func TestAcknowledgedTooLate(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	a := &subject{name: "a"}
	f := a.fire(w.now)
	w.produce(f, a.resolve(w.now))
	w.run()
	about := Subject{Fingerprints: []label.Fingerprint{f.Fingerprint}}
	if err := w.alerter.Command(&Command{ID: "1", Kind: Acknowledge, At: w.now, By: "ada", Subject: about}, w.now); !errors.Is(err, ErrOver) {
		t.Errorf("acknowledged: %v, expected that it is over", err)
	}
	if err := w.alerter.Command(&Command{ID: "2", Kind: MarkNoise, At: w.now, By: "ada", Subject: about}, w.now); err != nil {
		t.Errorf("called noise: %v", err)
	}
}

// Nobody else speaks for the dead man's switch.
func TestPostedWatchdog(t *testing.T) {
	o := watched()
	w := newWorld(t, o)
	w.run()
	p := Posted{Labels: watchdogLabels().Map()}
	w.produce(p.Finding(w.now, 5*time.Minute))
	w.advance(30 * time.Minute)
	if got := w.told()["deadman"]; len(got) != 31 {
		t.Errorf("in half an hour it told %q", got)
	}
}
