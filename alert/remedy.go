package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// calls are those of one remediation within the last hour.
type calls struct {
	At []time.Time `json:"at"`
}

// busy is how long a remediation that has to wait for another one to end is left alone.
const busy = time.Second

// remedy decides on the call of a remediation: at most one for each incident, never within the cool-down, and no more at
// a time and in an hour than its limits say.
func (a *Alerter) remedy(g *group, e *entry, now time.Time) (at time.Time, wait bool) {
	s := g.standing(e, a.mutedRoutes[g.route] != "", now)
	if over := append(s.ended, s.moved...); len(over) > 0 {
		e.unlearn(over)
		a.writeEntry(e)
	}
	key := e.to.Key()
	s.fresh = slices.DeleteFunc(s.fresh, func(m *state) bool { return m.Mended[key] }) // a worse severity is the same incident
	switch {
	case len(s.fresh) == 0 && !s.settles.IsZero():
		return s.settles, true
	case g.left, len(s.fresh) == 0:
		return e.At.Add(e.to.Remediation.Cooldown), e.resting(now)
	}
	at, why := earliest(s.fresh).Add(g.route.GroupWait), ""
	if cool := e.At.Add(e.to.Remediation.Cooldown); !e.At.IsZero() && cool.After(at) {
		at, why = cool, "the cool-down of "+FormatDuration(e.to.Remediation.Cooldown)
	}
	if free, limit := a.allowance(e.to, now); free.After(at) {
		at, why = free, limit
	}
	if at.After(now) {
		if why != "" && why != e.heldBack {
			e.heldBack = why
			for _, m := range s.fresh {
				a.decided(now, m, e.about(RateLimited, why+" holds the remediation back until "+at.UTC().Format(time.RFC3339)))
			}
		}
		return at, true
	}
	e.heldBack = ""
	a.called(e.to, now)
	for _, m := range s.fresh {
		if m.Mended == nil {
			m.Mended = map[string]bool{}
		}
		m.Mended[key] = true
		a.writeAlert(m)
	}
	a.intend(e, FirstNotification, standing{firing: s.fresh}, now) // what is mended already is not named again
	return time.Time{}, false
}

// allowance says when the limits let a remediation be called, and which of them holds it back.
func (a *Alerter) allowance(to Integration, now time.Time) (at time.Time, why string) {
	limits := to.Remediation
	if limits.MaxConcurrent > 0 {
		if a.calling[to.Key()] >= limits.MaxConcurrent {
			return now.Add(busy), fmt.Sprintf("max_concurrent %d", limits.MaxConcurrent)
		}
	}
	if c := a.calls[to.Key()]; c != nil && limits.MaxPerHour > 0 {
		c.At = slices.DeleteFunc(c.At, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
		if n := len(c.At); n >= limits.MaxPerHour {
			return c.At[n-limits.MaxPerHour].Add(time.Hour), fmt.Sprintf("max_per_hour %d", limits.MaxPerHour)
		}
	}
	return time.Time{}, ""
}

// called counts a call before it is made, so that one whose end is not known counts too.
func (a *Alerter) called(to Integration, now time.Time) {
	if to.Remediation.MaxPerHour <= 0 {
		return
	}
	c := a.calls[to.Key()]
	if c == nil {
		c = new(calls)
		a.calls[to.Key()] = c
	}
	c.At = append(c.At, now)
	a.write(callsPrefix+to.Key(), func() ([]byte, error) { return json.Marshal(c) })
}

// remedied takes in what came of a call.
func (a *Alerter) remedied(e *entry, o Outcome, err error, now time.Time) {
	i := e.Intent
	status, verdict := notifyDelivered, Remediated
	text := fmt.Sprintf("remediation %s was called", e.to.Receiver)
	if e.to.Remediation.DryRun || o.Dry {
		status, verdict = notifyDry, DryRun
		text = fmt.Sprintf("remediation %s would be called", e.to.Receiver)
	}
	switch {
	case errors.Is(err, ErrUnknownOutcome):
		status, verdict = notifyFailed, Unknown
		text = fmt.Sprintf("it is not known whether remediation %s was carried out, and it is not repeated: somebody must look. %v", e.to.Receiver, err)
	case err != nil && a.worthAnother(e, o):
		a.metrics.notifications.WithLabelValues(e.to.Receiver, e.to.Kind, notifyFailed).Inc()
		e.lastError = err.Error()
		i.phase, i.retryAt = waiting, now.Add(i.backoff(o))
		return
	case err != nil:
		status, verdict = notifyFailed, Failed
		text = fmt.Sprintf("remediation %s failed: %v", e.to.Receiver, err)
	case o.Note != "":
		text += ": " + o.Note
	}
	a.conclude(e, status, verdict, text, now)
}

// worthAnother says whether a call that surely was not made should be tried again: while the incident lasts, and not for
// ever.
func (a *Alerter) worthAnother(e *entry, o Outcome) bool {
	return !o.Permanent && e.Intent.attempts < maxRemedyAttempts && e.lasts()
}

// lasts says whether an alert that the intent tells of as firing still fires.
func (e *entry) lasts() bool {
	for _, m := range e.group.members {
		if m.firesAmong(e.Intent.Firing) {
			return true
		}
	}
	return false
}

// pointless drops a call that was not made yet and whose alerts are over.
func (a *Alerter) pointless(e *entry, now time.Time) bool {
	if e.to.Remediation == nil || e.lasts() {
		return false
	}
	a.conclude(e, notifyAbandoned, Abandoned, fmt.Sprintf("remediation %s was not called: its alerts were over before it was its turn", e.to.Receiver), now)
	return true
}

const maxRemedyAttempts = 5

// conclude ends an intent of a remediation, and says what came of it in the threads about the same alerts.
func (a *Alerter) conclude(e *entry, status string, v Verdict, text string, now time.Time) {
	i := e.Intent
	a.metrics.notifications.WithLabelValues(e.to.Receiver, e.to.Kind, status).Inc()
	var alerts []*state
	for _, m := range e.group.members {
		if m.among(i.Firing) {
			alerts = append(alerts, m)
			a.decided(now, m, e.about(v, text))
		}
	}
	a.settled(e)
	e.Intent, e.lastError = nil, ""
	if v != Abandoned { // else the cool-down does not begin
		e.At, e.News = now, now
	}
	if e.Firing == nil {
		e.Firing = incidents{}
	}
	maps.Copy(e.Firing, i.Firing)
	if v == Failed || v == Unknown {
		e.lastError = text
	}
	a.writeEntry(e)
	a.noteAbout(alerts, Note{At: now, Text: text})
}

// resting says that the cool-down of a remediation has to be remembered.
func (e *entry) resting(now time.Time) bool {
	return e.to.Remediation != nil && !e.At.IsZero() && e.At.Add(e.to.Remediation.Cooldown).After(now)
}

func decodeCalls(key string, value []byte) (string, *calls, error) {
	c := new(calls)
	if err := json.Unmarshal(value, c); err != nil {
		return "", nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	return strings.TrimPrefix(key, callsPrefix), c, nil
}
