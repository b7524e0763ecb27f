package alert

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"
)

// retry looks after an outstanding intent: tries it again when it is time, or replaces or drops it when it has become
// an old story.
func (a *Alerter) retry(e *entry, now time.Time) (at time.Time, wait bool) {
	i := e.Intent
	switch {
	case i == nil || i.phase != waiting:
		return time.Time{}, false
	case i.retryAt.After(now):
		return i.retryAt, true
	case a.pointless(e, now), a.forgone(e, now), a.muffled(e, now), a.superseded(e, now):
		return time.Time{}, false
	}
	i.phase = ready
	a.ready = append(a.ready, e)
	return time.Time{}, false
}

// forgone gives up an intent about alerts that have long been over.
func (a *Alerter) forgone(e *entry, now time.Time) bool {
	if now.Sub(e.Intent.Created) < mattersFor {
		return false
	}
	for _, m := range e.group.members {
		if m.fires() && e.Intent.Firing.has(m.Incident) {
			return false
		}
	}
	a.abandon(e, "given up after "+mattersFor.String()+": "+e.lastError, now)
	var over []*state
	for _, m := range e.group.members {
		if !m.fires() {
			over = append(over, m)
		}
	}
	e.unlearn(over)
	if len(e.Firing) == 0 {
		e.forget()
	}
	return true
}

// abandon gives up an intent: it is kept among the letters that nobody took.
func (a *Alerter) abandon(e *entry, why string, now time.Time) {
	a.metrics.notifications.WithLabelValues(e.to.Receiver, e.to.Kind, notifyAbandoned).Inc()
	for _, m := range e.group.members {
		if e.Intent.tells(m) {
			a.decided(now, m, e.about(Abandoned, why))
		}
	}
	a.dead = append(a.dead, DeadLetter{At: now, Reason: why, Integration: e.to.Key(), ID: e.Intent.ID, Data: e.Intent.data})
	e.lastError = why
	a.settled(e)
	e.Intent = nil
	a.writeEntry(e)
}

// outstanding notes that an entry has an intent.
func (a *Alerter) outstanding(e *entry) {
	a.intents[e.Intent.ID] = e
	a.calling[e.to.Key()]++
}

// settled notes that an entry's intent is no more to be carried out.
func (a *Alerter) settled(e *entry) {
	if a.intents[e.Intent.ID] == nil {
		return
	}
	delete(a.intents, e.Intent.ID)
	key := e.to.Key()
	if a.calling[key]--; a.calling[key] <= 0 {
		delete(a.calling, key)
	}
}

// muffled drops an intent that could not be delivered about alerts that are all muted by now.
func (a *Alerter) muffled(e *entry, now time.Time) bool {
	i := e.Intent
	routeMuted := a.mutedRoutes[e.group.route] != ""
	if i.Reason == NoteAdded || len(i.Resolved)+len(i.Moved) > 0 {
		return false
	}
	told := false
	for _, m := range e.group.members {
		if m.among(i.Firing) {
			if !m.fires() || !routeMuted && !m.muted() {
				return false
			}
			told = told || m.among(e.Firing)
		}
	}
	if told && e.to.Edits { // the message is to say so
		return false
	}
	a.abandon(e, "all of its alerts are muted by now", now)
	return true
}

// superseded replaces an intent that could not be delivered for long by one that tells how things stand now, the ends
// of those included whose beginning was never delivered: one that is told of no ends hears in this way alone that an alert was
// there. Where it can be found out whether the intent was delivered, that comes first.
func (a *Alerter) superseded(e *entry, now time.Time) bool {
	i, g := e.Intent, e.group
	if e.to.Remediation != nil || g.left && e.lasts() || now.Sub(i.Created) < supersedeAfter {
		return false
	}
	st := g.standing(e, a.mutedRoutes[g.route] != "", now)
	st.ended = nil
	same := true
	for _, m := range st.firing {
		same = same && i.Firing.has(m.Incident)
	}
	for _, m := range g.members {
		if !e.to.SendResolved && m.among(e.Firing) {
			continue
		}
		if !m.fires() && (m.among(e.Firing) || m.among(e.Missed) || m.among(i.Firing) || m.among(i.Resolved)) {
			st.ended = append(st.ended, m)
			same = same && i.Resolved.has(m.Incident)
		}
	}
	for _, m := range st.moved {
		same = same && i.Moved.has(m.Incident)
	}
	switch some := len(st.firing)+len(st.ended)+len(st.moved) > 0; {
	case some && !same:
	case some, e.to.SendResolved:
		return false
	default:
		a.abandon(e, "its alerts are over or muted, and this receiver is told of no ends", now)
		return true
	}
	if e.to.Edits && i.inDoubt() {
		i.stale = true
		return false
	}
	reason := SomeResolved
	switch {
	case len(st.moved) > 0:
		reason = SeverityRaised
	case len(st.firing)+len(st.muted) == 0:
		reason = AllResolved
	case len(e.Firing) == 0:
		reason = FirstNotification
	case len(st.fresh) > 0:
		reason = NewAlerts
	}
	a.settled(e)
	a.intend(e, reason, st, now)
	return true
}

// intend decides on a notification about how a group stands. It is sent once the intent is committed.
func (a *Alerter) intend(e *entry, reason Reason, s standing, now time.Time) {
	shown := s.shown(e)
	i := &intent{Created: now, Reason: reason, Firing: incidentsOf(s.firing), Resolved: incidentsOf(s.ended), Moved: incidentsOf(s.moved),
		Content: contentOf(shown), Stands: standsAt(shown), Notes: e.Notes, phase: drafted}
	if known := s.known(e); e.to.Edits {
		maps.Copy(i.Firing, known)
	} else if len(known) > 0 {
		i.Kept = known
	}
	if e.Intent != nil { // which this one replaces
		i.Notes = append(e.Intent.Notes, e.Notes...)
	}
	e.Notes = nil
	i.ID = intentID(e, i)
	i.data = a.compose(e, i, slices.Concat(shown, s.moved, s.ended))
	e.Intent = i
	a.outstanding(e)
	a.drafted = append(a.drafted, e)
	a.writeEntry(e)
}

// compose makes the data of an intent's message.
func (a *Alerter) compose(e *entry, i *intent, alerts []*state) *Data {
	list := make(Alerts, 0, len(alerts))
	order := make(map[string]string, len(alerts))
	for _, s := range alerts {
		over := s.among(i.Resolved)
		m := a.message(s, over)
		m.New = over || !s.muted() && !e.Firing.has(s.Incident)
		m.Belated = over && !s.among(e.Firing)
		if i.Moved.has(s.Incident) {
			m.New, m.Moved = true, a.movedText(s)
		}
		list, order[m.Fingerprint] = append(list, m), s.Firing.Labels.String()
	}
	d := newData(e.to.Receiver, a.options.ExternalURL, i.Reason, e.GroupLabels, sorted(list, order))
	d.Notes, d.RouteLabels = i.Notes, a.routeLabels(e.group.route, &d)
	return &d
}

// Deliveries returns the notifications that may be sent now: those whose intent is committed, and repeated attempts.
// Each must be answered by Delivered. Call it after Committed and after Tick, and only while this process is known to
// be the active alerter.
func (a *Alerter) Deliveries() []*Notification {
	var out []*Notification
	for _, e := range a.ready {
		i := e.Intent
		if i == nil || i.phase != ready {
			continue
		}
		i.phase, i.undelivered = sending, false
		i.attempts++
		out = append(out, &Notification{ID: i.ID, Integration: e.to, Group: e.name(), GroupKey: e.GroupKey, Reason: i.Reason,
			Created: i.Created, Ref: e.Ref, Attempt: i.attempts, Repeated: i.restored || i.attempts > 1, Digest: i.Digest, Stale: i.stale, Data: *i.data})
	}
	a.ready = a.ready[:0]
	return out
}

// Name notes the name of the digest that is about to tell of notifications. It is sent once that is committed.
func (a *Alerter) Name(ids []string, digest string) {
	for _, id := range ids {
		if e := a.intents[id]; e != nil && e.Intent.Digest != digest {
			e.Intent.Digest = digest
			a.writeEntry(e)
		}
	}
}

// notBegun says whether a Sender gave the intent back without an attempt, because others stood before it. Then nothing was
// said, and nothing failed: it is handed out again, at once where it has waited already.
func (i *intent) notBegun(err error, now time.Time) bool {
	full := errors.Is(err, ErrQueueFull)
	if !full && !errors.Is(err, ErrTooLate) {
		return false
	}
	i.attempts--
	i.phase, i.retryAt = waiting, now
	if full {
		i.retryAt = now.Add(firstRetry)
	}
	return true
}

// Delivered says what came of an attempt; a nil error means that the receiver has the notification. An unknown id is
// ignored.
func (a *Alerter) Delivered(id string, o Outcome, err error, now time.Time) {
	e := a.intents[id]
	if e == nil || e.Intent.phase != sending {
		return
	}
	i := e.Intent
	a.touch(e.group)
	if errors.Is(err, ErrStale) {
		i.attempts--
		i.phase, i.retryAt, i.stale, i.undelivered = waiting, now, false, true
		return
	}
	if errors.Is(err, ErrNotBegun) || o.Dry && !e.to.DryRun && e.to.Remediation == nil { // or the dry run was over meanwhile
		i.phase = ready
		i.attempts--
		a.ready = append(a.ready, e)
		return
	}
	i.stale = false
	if o.Ref != "" && o.Ref != e.Ref {
		e.Ref = o.Ref
		a.writeEntry(e)
	}
	if i.notBegun(err, now) {
		e.lastError = cmp.Or(e.lastError, err.Error())
		return
	}
	if e.to.Remediation != nil {
		a.remedied(e, o, err, now)
		return
	}
	if err != nil {
		v := Failed
		if o.RetryAfter > 0 {
			v = RateLimited
		}
		// Errors may differ each time, by a port or the ID of a request: what is recorded of them becomes rarer and rarer.
		if err.Error() != e.lastError && i.attempts&(i.attempts-1) == 0 {
			for _, m := range e.group.members {
				if i.tells(m) {
					a.decided(now, m, e.about(v, err.Error()))
				}
			}
		}
		i.phase, i.retryAt, e.lastError = waiting, now.Add(i.backoff(o)), err.Error()
		a.metrics.notifications.WithLabelValues(e.to.Receiver, e.to.Kind, notifyFailed).Inc()
		for _, m := range e.group.members {
			if i.tells(m) {
				m.lastError = e.to.Key() + ": " + e.lastError
			}
		}
		return
	}
	status := notifyDelivered
	if o.Dry {
		status = notifyDry
		e.rehearse()
	}
	a.metrics.notifications.WithLabelValues(e.to.Receiver, e.to.Kind, status).Inc()
	for _, m := range e.group.members {
		news := i.Firing.has(m.Incident) && !e.Firing.has(m.Incident) || m.among(i.Resolved) || m.among(i.Moved)
		if !news {
			continue
		}
		e.heard(m)
		if o.Dry {
			a.decided(now, m, e.about(DryRun, string(i.Reason)))
			continue
		}
		a.decided(now, m, e.about(Sent, string(i.Reason)))
		if i.Firing.has(m.Incident) {
			a.metrics.delay.Observe(now.Sub(later(m.Received, m.RaisedAt)).Seconds())
			if m.Counted != m.Incident { // by another integration
				m.Counted = m.Incident
				a.statisticsOf(m, now, func(st *Statistics) { st.Notified++ })
			}
		}
		m.Notified, m.lastError = now, ""
		a.writeAlert(m)
	}
	a.settled(e)
	e.At, e.Firing, e.Content, e.Stands, e.Intent, e.lastError = now, i.Firing, i.Content, i.Stands, nil, ""
	maps.Copy(e.Firing, i.Kept)
	if !i.Reason.edits() {
		e.News = now
	}
	switch {
	case len(e.Firing) == 0:
		e.forget()
	case i.Reason == RepeatElapsed:
		e.Repeats++
	case !i.Reason.edits():
		e.Repeats = 0
	}
	a.writeEntry(e)
}
