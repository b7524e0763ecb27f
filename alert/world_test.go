package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// world runs an Alerter as the program does: it reads findings, commits changes with their offset, and delivers. It can
// be killed at any step: then only what was committed is left.
type world struct {
	t       testing.TB
	options Options
	alerter *Alerter
	now     time.Time

	topic     []any             // the findings topic: findings and commands
	read      int               // offset read
	offset    int               // offset committed
	kept      map[string][]byte // the compacted topic
	flight    []*Notification   // handed to the sender, not answered
	decisions []Decision

	// answer says what the receiver makes of a notification; got reports whether it kept it.
	answer func(n *Notification) (o Outcome, got bool, err error)
	got    []*Notification // what the receiver has, in order
}

var epoch = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	return &world{t: t, options: o, alerter: New(o), now: epoch, kept: map[string][]byte{},
		answer: func(*Notification) (Outcome, bool, error) { return Outcome{}, true, nil }}
}

// breakable gives the world a receiver that takes everything, but for while down is true.
func (w *world) breakable() (down *bool) {
	down = new(bool)
	w.answer = func(*Notification) (Outcome, bool, error) {
		if *down {
			return Outcome{}, false, errDown
		}
		return Outcome{}, true, nil
	}
	return down
}

// produce appends findings to the topic.
func (w *world) produce(fs ...*finding.Finding) {
	for _, f := range fs {
		w.topic = append(w.topic, f)
	}
}

// command appends what somebody decided to the topic.
func (w *world) command(c *Command) {
	w.t.Helper()
	c.At = w.now
	if c.ID == "" {
		c.ID = fmt.Sprintf("c%d", len(w.topic))
	}
	if err := c.Validate(); err != nil {
		w.t.Fatal(err)
	}
	w.topic = append(w.topic, c)
}

// silence silences by matchers for a time from now on.
func (w *world) silence(id string, d time.Duration, matchers ...string) {
	w.t.Helper()
	w.command(&Command{Kind: AddSilence, Silence: &Silence{ID: id, Matchers: matchers, StartsAt: w.now, EndsAt: w.now.Add(d),
		UpdatedAt: w.now, CreatedBy: "ada"}})
}

// receive takes in what was produced.
func (w *world) receive() {
	for ; w.read < len(w.topic); w.read++ {
		switch m := w.topic[w.read].(type) {
		case *finding.Finding:
			w.alerter.Receive(m, w.now)
		case *Command:
			_ = w.alerter.Command(m, w.now)
		}
	}
}

// commit writes what changed.
func (w *world) commit() {
	w.t.Helper()
	changes, err := w.alerter.Changes()
	if err != nil {
		w.t.Fatalf("Changes: %v", err)
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(w.kept, string(c.Key))
		} else {
			w.kept[string(c.Key)] = c.Value
		}
	}
	w.offset = w.read
	w.decisions = append(w.decisions, w.alerter.Decisions()...)
	w.alerter.Committed()
}

// send hands out what may be sent, and answer answers all of it.
func (w *world) send() { w.flight = append(w.flight, w.alerter.Deliveries()...) }

func (w *world) deliver() {
	flight := w.flight
	w.flight = nil
	for _, n := range flight {
		o, got, err := w.answer(n)
		if n.Stale && err == nil { // it is looked for, and not told
			got = false
			if !slices.ContainsFunc(w.got, func(before *Notification) bool { return before.ID == n.ID }) {
				err = ErrStale
			}
		}
		if got {
			w.got = append(w.got, n)
		}
		w.alerter.Delivered(n.ID, o, err, w.now)
	}
}

// run does all steps until nothing more is due now.
func (w *world) run() {
	w.t.Helper()
	w.receive()
	for range 100 {
		w.alerter.Tick(w.now)
		w.commit()
		w.send()
		if len(w.flight) == 0 {
			if next := w.alerter.Next(); next.IsZero() || next.After(w.now) {
				return
			}
		}
		w.deliver()
	}
	w.t.Fatalf("still not at rest after 100 rounds at %s", w.now)
}

// advance lets time pass, stopping wherever the alerter has something to do.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	w.run()
	for {
		next := w.alerter.Next()
		if next.IsZero() || next.After(end) {
			w.now = end
			w.run()
			return
		}
		w.now = next
		w.run()
	}
}

// restart starts a new process from what was committed.
func (w *world) restart() {
	w.t.Helper()
	w.alerter = New(w.options)
	for _, key := range slices.Sorted(maps.Keys(w.kept)) {
		if err := w.alerter.Restore([]byte(key), w.kept[key]); err != nil {
			w.t.Fatalf("Restore: %v", err)
		}
	}
	w.read, w.flight = w.offset, nil
}

// reconfigure goes over to other options while everything is under way.
func (w *world) reconfigure(o Options) {
	w.options = o
	w.alerter.Reconfigure(o, w.now)
}

// story tells what the receiver got since the last call, one line each.
func (w *world) story() []string {
	var out []string
	for _, n := range w.got {
		out = append(out, tell(n))
	}
	w.got = nil
	return out
}

// tell writes a notification as "reason: a b, -c": a and b fire, c is over.
func tell(n *Notification) string {
	var names []string
	for _, a := range n.Data.Alerts {
		name := a.Labels["name"]
		if a.Status == "resolved" {
			name = "-" + name
		}
		names = append(names, name)
	}
	return fmt.Sprintf("%s: %s", n.Reason, strings.Join(names, " "))
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.story(); !slices.Equal(got, want) {
		w.t.Fatalf("at %s the receiver got\n  %s\nexpected\n  %s", w.now.Sub(epoch),
			strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// verdicts tells what was decided about an alert since the last call, as "sent: first notification".
func (w *world) verdicts(name string) []string {
	var out []string
	for _, d := range w.decisions {
		if d.Labels.Get("name") == name {
			out = append(out, fmt.Sprintf("%s: %s", d.Verdict, d.Reason))
		}
	}
	w.decisions = nil
	return out
}

// subject makes the findings of one alert, in order.
type subject struct {
	name       string
	extra      []string
	birth      int64
	episode    int64
	transition int64
}

func (s *subject) next(state finding.State, at time.Time) *finding.Finding {
	if state != finding.Resolved && (s.episode == 0 || s.transition == 99) {
		s.episode, s.transition = s.episode+1, 0
	}
	s.transition++
	f := s.finding(state, at)
	if state == finding.Resolved {
		f.EndsAt = at
		s.transition = 99
	}
	return f
}

func (s *subject) finding(state finding.State, at time.Time) *finding.Finding {
	labels := label.New(append([]string{label.AlertName, "Spike", "name", s.name}, s.extra...)...)
	value, threshold := 100.0, 50.0
	return &finding.Finding{
		ID:          fmt.Sprintf("%s/%d/%d/%s", s.name, s.birth, s.episode, state),
		Fingerprint: labels.Fingerprint(), Rule: "Spike", Group: "shop", State: state, Settled: true,
		Birth: s.birth, Episode: s.episode, Transition: s.transition,
		Labels: labels, Annotations: map[string]string{"summary": s.name + " spikes"}, Value: &value, Threshold: &threshold,
		Condition: "count() > 50", StartsAt: at, WindowEnd: at,
	}
}

func (s *subject) fire(at time.Time) *finding.Finding    { return s.next(finding.Firing, at) }
func (s *subject) resolve(at time.Time) *finding.Finding { return s.next(finding.Resolved, at) }

func minutes(n float64) *time.Duration { d := time.Duration(n * float64(time.Minute)); return &d }

// one returns options with a single webhook and one group for all.
func one(d Defaults, route RouteConfig) Options {
	c := Config{Receivers: []Receiver{{Name: "ops", WebhookConfigs: []WebhookConfig{{URL: "http://127.0.0.1:1/"}}}}}
	route.Receiver = "ops"
	if route.GroupBy == nil {
		route.GroupBy = []string{"alertname"}
	}
	c.Route = &route
	return Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Prompt: d.Prompt}
}
