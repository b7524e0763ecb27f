package alert

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Silences that are over make room for new ones; only as many that are not are refused.
func TestSilencesMakeRoom(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	for i := range maxSilences { // as if each had been added
		id := fmt.Sprintf("s%05d", i)
		w.alerter.silences.byID[id] = &Silence{ID: id, Matchers: []string{"name=x"}, StartsAt: w.now, EndsAt: w.now.Add(time.Hour + time.Duration(i)*time.Second)}
	}
	w.silence("refused", time.Hour, "name=x")
	if err := w.alerter.Command(w.topic[0].(*Command), w.now); !errors.Is(err, ErrTooManySilences) {
		t.Errorf("one more than there is room for: %v, expected an error that says so", err)
	}
	w.run()
	w.now = w.now.Add(time.Hour + 10*time.Second)
	w.silence("late", time.Hour, "name=x")
	w.run()
	known := map[string]bool{}
	for _, s := range w.alerter.Silences(w.now) {
		known[s.ID] = true
	}
	if len(known) != maxSilences || known["refused"] || !known["late"] || known["s00000"] || !known["s00001"] {
		t.Errorf("%d silences; refused %v, late %v, the oldest %v", len(known), known["refused"], known["late"], known["s00000"])
	}
}

// A silence that is forgotten to make room mutes nothing any longer.
func TestForgottenSilence(t *testing.T) {
	w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
	w.silence("first", time.Minute, `name="a"`)
	w.produce((&subject{name: "a"}).fire(w.now))
	w.run()
	w.expect()
	for i := range maxSilences - 1 {
		id := fmt.Sprintf("s%05d", i)
		w.alerter.silences.byID[id] = &Silence{ID: id, Matchers: []string{"name=x"}, StartsAt: w.now.Add(time.Hour), EndsAt: w.now.Add(2 * time.Hour)}
	}
	w.now = w.now.Add(2 * time.Minute)
	w.silence("second", time.Hour, `name="b"`) // before the end of the first was looked at
	w.run()
	w.expect("first notification: a")
}
