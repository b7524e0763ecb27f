package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// editing returns options whose only receiver edits its message.
func editing(d Defaults, route RouteConfig) Options {
	o := one(d, route)
	o.Integrations[0].Edits = true
	return o
}

// stands produces how an alert stands now.
func (w *world) stands(s *subject, value float64) {
	u := s.finding("firing", w.now)
	u.ID, u.Update, u.Value = "update", true, &value
	w.produce(u)
}

// TestRepeatWhileTheValueMoves: edits that nobody is notified of put off neither a reminder nor what is new.
func TestRepeatWhileTheValueMoves(t *testing.T) {
	for name, old := range map[string]bool{"": false, "with a ledger of an older version": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, editing(AlertmanagerDefaults(), RouteConfig{GroupWait: minutes(0), GroupInterval: minutes(5), RepeatInterval: minutes(30)}))
			w.answer = func(*Notification) (Outcome, bool, error) { return Outcome{Ref: "C/1"}, true, nil }
			a, b, c := &subject{name: "a"}, &subject{name: "b"}, &subject{name: "c"}
			w.produce(a.fire(w.now))
			w.run()
			if old { // which wrote when it delivered last only
				for key, value := range w.kept {
					w.kept[key] = []byte(strings.ReplaceAll(string(value), `"news":`, `"unknown":`))
				}
				w.restart()
			}
			told := []string{}
			edits := 0
			note := func() {
				for _, n := range w.got {
					if n.Reason == ContentChanged || n.Reason == NoteAdded {
						edits++
						continue
					}
					told = append(told, fmt.Sprintf("%s %s", w.now.Sub(epoch), tell(n)))
				}
				w.got = nil
			}
			note()
			for i := range 150 {
				if i == 40 {
					w.restart()
				}
				w.stands(a, float64(100+i))
				switch i {
				case 30:
					w.command(&Command{Kind: Acknowledge, Subject: Subject{Fingerprints: []label.Fingerprint{a.finding("firing", w.now).Fingerprint}}})
				case 31:
					w.command(&Command{Kind: Unacknowledge, Subject: Subject{Fingerprints: []label.Fingerprint{a.finding("firing", w.now).Fingerprint}}})
				case 90:
					w.produce(b.fire(w.now), c.fire(w.now))
				case 120:
					w.produce(c.resolve(w.now))
				}
				w.run()
				note()
				w.advance(30 * time.Second)
				note()
			}
			want := []string{"0s first notification: a", "30m0s repeat interval elapsed: a", "45m0s new alerts added: a b c", "1h0m0s some alerts resolved: a b -c"}
			if !slices.Equal(told, want) {
				t.Errorf("it told\n  %s\nexpected\n  %s", strings.Join(told, "\n  "), strings.Join(want, "\n  "))
			}
			if edits < 100 {
				t.Errorf("%d edits, expected one for most values", edits)
			}
		})
	}
}
