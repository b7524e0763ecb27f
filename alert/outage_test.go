package alert

import (
	"strings"
	"testing"
	"time"
)

func TestAlertThatEndsDuringALongOutage(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	down := w.breakable()
	*down = true
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now))
	w.advance(5 * time.Minute)
	w.produce(a.resolve(w.now), b.fire(w.now))
	w.advance(10 * time.Minute)
	w.restart()
	w.advance(time.Minute)
	*down = false
	w.advance(5 * time.Minute)
	w.expect("first notification: b -a") // one message tells the whole story
	w.produce(b.resolve(w.now))
	w.run()
	w.expect("all alerts resolved: -b")

	*down = true
	w.produce(a.fire(w.now))
	w.advance(time.Hour)
	w.produce(a.resolve(w.now))
	w.advance(48 * time.Hour)
	*down = false
	w.advance(time.Hour)
	w.expect() // two days after its end nobody needs to be told
	if len(w.alerter.groups) != 0 {
		t.Error("the group is left after giving up")
	}
}

// Whether what is out of date was delivered is found out before something else takes its place, where that can be found out: what
// was told is not told again, and the rest is.
func TestLostAnswerBeforeALongOutage(t *testing.T) {
	for _, delivered := range []bool{true, false} {
		w := newWorld(t, editing(InlineDefaults(), RouteConfig{}))
		attempts := 0
		down := true
		w.answer = func(*Notification) (Outcome, bool, error) {
			if attempts++; down {
				return Outcome{}, delivered && attempts == 1, errDown
			}
			return Outcome{Ref: "C/1"}, true, nil
		}
		a, b := &subject{name: "a"}, &subject{name: "b"}
		w.produce(a.fire(w.now))
		w.advance(5 * time.Minute)
		w.produce(a.resolve(w.now), b.fire(w.now))
		w.advance(10 * time.Minute)
		w.restart()
		w.advance(time.Minute)
		down = false
		w.advance(5 * time.Minute)
		if delivered {
			w.expect("first notification: a", "new alerts added: b -a")
		} else {
			w.expect("first notification: b -a")
		}
		w.produce(b.resolve(w.now))
		w.advance(time.Minute)
		w.expect("all alerts resolved: -b")
	}
}

// A receiver that is told of no ends is told once, and truly, of what began and ended while it could not be reached, and nothing
// of reminders that are out of date.
func TestEndDuringAnOutageWithoutSendResolved(t *testing.T) {
	repeat := 10 * time.Minute
	o := one(AlertmanagerDefaults(), RouteConfig{RepeatInterval: &repeat})
	o.Integrations[0].SendResolved = false
	w := newWorld(t, o)
	down := w.breakable()
	*down = true
	a, b := &subject{name: "a"}, &subject{name: "b"}
	w.produce(a.fire(w.now), b.fire(w.now))
	w.advance(5 * time.Minute)
	w.produce(a.resolve(w.now))
	w.advance(5 * time.Minute)
	w.restart()
	*down = false
	w.advance(5 * time.Minute)
	w.expect("first notification: b -a")
	*down = true
	w.advance(repeat)
	w.produce(b.resolve(w.now))
	w.advance(time.Hour)
	if dead := w.alerter.DeadLetters(); len(dead) != 1 || !strings.Contains(dead[0].Reason, "are over") {
		t.Errorf("given up was %+v, expected the reminder", dead)
	}
	*down = false
	w.produce(a.fire(w.now))
	w.advance(time.Minute)
	w.expect("first notification: a")
}
