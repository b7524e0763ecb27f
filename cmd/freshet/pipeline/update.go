package pipeline

import (
	"fmt"
	"math"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

const (
	// updateEvery is how often people are shown how an alert that fires stands.
	updateEvery = 30 * time.Second
	// maxUpdated bounds the alerts that are followed.
	maxUpdated = 1000
)

// update is what was told last of an alert that fires.
type update struct {
	at    int64 // event time
	value float64
	peak  float64
	seen  int64
}

// tellUpdates writes, now and then, how alerts that fire stand. It is for people: nothing is decided by it.
func (t *evaluate) tellUpdates(measures []detect.Measure) error {
	for i := range measures {
		m := &measures[i]
		if m.Fingerprint == 0 || math.IsNaN(m.Value) {
			continue
		}
		u := t.updates[m.Fingerprint]
		if u != nil && m.Time-u.seen > 2*updateEvery.Nanoseconds() {
			*u = update{at: m.Time, value: m.Value, peak: m.Value} // it has been over meanwhile
		}
		if u == nil {
			if len(t.updates) >= maxUpdated {
				t.forgetUpdates(m.Time)
			}
			if len(t.updates) >= maxUpdated {
				continue
			}
			if t.updates == nil {
				t.updates = map[label.Fingerprint]*update{}
			}
			// Its beginning has just been told with a value.
			u = &update{at: m.Time, value: m.Value, peak: m.Value}
			t.updates[m.Fingerprint] = u
		}
		u.seen = m.Time
		above := t.loaded.shapes[m.Rule].above
		if above == (m.Value > u.peak) {
			u.peak = m.Value
		}
		if m.Time-u.at < updateEvery.Nanoseconds() || m.Value == u.value {
			continue
		}
		u.at, u.value = m.Time, m.Value
		if err := t.produce(t.updateOf(m, u)); err != nil {
			return err
		}
	}
	return nil
}

func (t *evaluate) updateOf(m *detect.Measure, u *update) *finding.Finding {
	number := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	f := &finding.Finding{
		ID: fmt.Sprintf("update/%s/%d", m.Fingerprint, m.Time), Update: true, Fingerprint: m.Fingerprint, Rule: m.Rule, Group: m.Group,
		State: finding.Firing, Settled: true, Labels: m.Labels, Value: number(m.Value), Threshold: number(m.Threshold), Peak: number(u.peak),
		WindowEnd: time.Unix(0, m.Time).UTC(),
	}
	t.p.illustrate(t.loaded, f)
	return f
}

// forgetUpdates forgets the alerts that have not fired for a while.
func (t *evaluate) forgetUpdates(now int64) {
	for fp, u := range t.updates {
		if now-u.seen > 2*updateEvery.Nanoseconds() {
			delete(t.updates, fp)
		}
	}
}
