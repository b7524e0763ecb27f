package alert

import "time"

// miss notes an incident that ended before anybody was told of it though it was due: because no alerter ran, or it was
// behind. One message says then that it was there and is over. What ended within
// group_wait, or within group_interval in a group that was told of, is told to nobody, as in Alertmanager.
func (a *Alerter) miss(s *state, now time.Time) {
	began := s.Began
	if began.IsZero() { // written by an older version
		began = s.Firing.WindowEnd
	}
	lasted := s.over().EndsAt.Sub(began)
	if s.Firing.Quiet || s.muted() || lasted <= 0 {
		return
	}
	for _, g := range s.groups {
		if g.left || a.mutedRoutes[g.route] != "" || lasted <= g.route.GroupWait {
			continue
		}
		for _, e := range g.entries {
			if !e.to.SendResolved || e.to.Remediation != nil || e.Firing.has(s.Incident) || e.Intent != nil && e.Intent.knows(s.Incident) || !g.overdue(e, s, now) {
				continue
			}
			if e.Missed == nil {
				e.Missed = incidents{}
			}
			e.Missed[s.Incident] = struct{}{}
			a.writeEntry(e)
		}
	}
}

// overdue says whether an alert that is over was to be told before: at the latest now, or before its end was heard of.
func (g *group) overdue(e *entry, s *state, now time.Time) bool {
	if !s.Received.Before(s.over().EndsAt) {
		return s.Uninhibited.IsZero()
	}
	at := s.Received.Add(g.route.GroupWait)
	if e.Intent != nil || len(e.Firing) > 0 {
		// When a receiver takes long, what is due after it is due as if it did not.
		since := e.News
		if e.Intent != nil {
			since = e.Intent.Created
		}
		if since.After(s.Received) {
			since = s.Received
		}
		at = later(s.Received, since.Add(g.route.GroupInterval))
	}
	return later(at, g.settles(s)).Before(now)
}

// heard notes that the integration was told of an alert.
func (e *entry) heard(s *state) {
	delete(e.Missed, s.Incident)
	for _, i := range s.Earlier {
		delete(e.Missed, i)
	}
}
