package alert

import (
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
