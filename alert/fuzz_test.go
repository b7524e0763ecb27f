package alert

import (
	"testing"
	"time"
)

// FuzzCommand reads commands as the topic of findings may hold them; what can be read is carried out without harm.
func FuzzCommand(f *testing.F) {
	for _, text := range []string{
		`{"id":"c","kind":"silence","at":"2026-03-01T10:00:00Z","silence":{"id":"s","matchers":["a=\"b\""],"starts_at":"2026-03-01T10:00:00Z","ends_at":"2026-03-01T11:00:00Z","created_by":"ada"}}`,
		`{"id":"c","kind":"silence","at":"2026-03-01T10:00:00Z","silence":{"id":"s","matchers":["a=~\"b|c\""],"starts_at":"2026-03-01T10:00:00Z","ends_at":"2027-03-01T11:00:00Z","schedule":"0 2 * * 0","duration":3600000000000,"location":"Europe/Berlin"}}`,
		`{"id":"c","kind":"expire","at":"2026-03-01T10:00:00Z","silence_id":"s"}`,
		`{"id":"c","kind":"acknowledge","at":"2026-03-01T10:00:00Z","by":"ada","subject":{"fingerprints":["0123456789abcdef"]}}`,
		`{"id":"c","kind":"silence_subject","at":"2026-03-01T10:00:00Z","duration":1,"subject":{"group":"x"}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := DecodeCommand(value)
		if err != nil {
			return
		}
		if !IsCommand(c.Key()) {
			t.Errorf("the key %q is no command's", c.Key())
		}
		w := newWorld(t, one(InlineDefaults(), RouteConfig{}))
		w.topic = append(w.topic, (&subject{name: "a"}).fire(w.now), c)
		w.run()
		w.restart()
		w.run()
		for _, s := range w.alerter.Silences(w.now) {
			for at, n := w.now, 0; n < 20; n++ {
				next := s.Silence.Next(at)
				if next.IsZero() {
					break
				}
				if !next.After(at) {
					t.Fatalf("after %s the silence changes at %s", at, next)
				}
				at = next
			}
			_ = s.Active(w.now.Add(time.Hour))
		}
	})
}
