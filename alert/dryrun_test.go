package alert

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// rehearsal is a world whose receivers are told nothing while they are in a dry run.
func rehearsal(t *testing.T, o Options) *world {
	w := newWorld(t, o)
	w.answer = func(n *Notification) (Outcome, bool, error) {
		if n.Integration.DryRun {
			return Outcome{Dry: true}, false, nil
		}
		return Outcome{Ref: "message"}, true, nil
	}
	return w
}

// dry returns the same options with the dry run on or off.
func dry(o Options, on bool) Options {
	o.Integrations = slices.Clone(o.Integrations)
	for i := range o.Integrations {
		o.Integrations[i].DryRun = on
	}
	return o
}

// What fires when a dry run ends is told at once as new, because nobody was told; what was over by then is told to nobody.
func TestAfterADryRunWhatFiresIsTold(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	for name, end := range map[string]func(*world){
		"reload": func(w *world) { w.reconfigure(dry(o, false)) },
		"restart": func(w *world) {
			w.options = dry(o, false)
			w.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := rehearsal(t, dry(o, true))
			a, b := &subject{name: "a"}, &subject{name: "b"}
			w.produce(a.fire(w.now), b.fire(w.now))
			w.advance(10 * time.Minute)
			w.restart() // the mark is kept
			w.advance(time.Minute)
			w.produce(b.resolve(w.now))
			w.advance(10 * time.Minute)
			w.expect()
			got := strings.Join(w.verdicts("a"), "\n")
			if !strings.Contains(got, "dry_run: first notification") || strings.Contains(got, "sent: ") {
				t.Errorf("the decisions about a are:\n%s\nexpected that a dry run is said", got)
			}
			for _, v := range w.alerter.Alerts() {
				if !v.Notified.IsZero() {
					t.Errorf("%s is shown as told at %s, and nobody was", v.Labels, v.Notified)
				}
			}
			end(w)
			w.run()
			w.expect("first notification: a")
			w.produce(a.resolve(w.now))
			w.advance(time.Minute)
			w.expect("all alerts resolved: -a")
		})
	}
}

// A dry run takes nothing back of what was told before: its end is told when the dry run is over, in the same message.
func TestADryRunBetween(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	w := rehearsal(t, o)
	a, b, c := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}
	w.produce(a.fire(w.now), b.fire(w.now))
	w.run()
	w.expect("first notification: a b")
	w.reconfigure(dry(o, true))
	w.advance(time.Minute)
	w.produce(b.resolve(w.now), c.fire(w.now))
	w.advance(time.Hour)
	w.restart()
	w.advance(time.Hour)
	w.expect()
	w.reconfigure(dry(o, false))
	w.run()
	if len(w.got) != 1 || w.got[0].Ref != "message" {
		t.Errorf("the message from before the dry run is not gone on with: %+v", w.got)
	}
	w.expect("new alerts added: a c -b")
	w.advance(30 * time.Minute)
	w.expect()
}

// An attempt of the dry run that ends after it told nobody, so it is made again.
func TestADryRunEndsDuringAnAttempt(t *testing.T) {
	o := one(InlineDefaults(), RouteConfig{})
	w := rehearsal(t, dry(o, true))
	w.produce((&subject{name: "a"}).fire(w.now))
	w.receive()
	w.alerter.Tick(w.now)
	w.commit()
	w.send()
	flight := w.flight
	w.flight = nil
	w.reconfigure(dry(o, false))
	for _, n := range flight {
		w.alerter.Delivered(n.ID, Outcome{Dry: true}, nil, w.now)
	}
	w.run()
	w.expect("first notification: a")
}
