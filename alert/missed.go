package alert

// miss notes an incident that was over before it was heard of, because no alerter ran or it was behind: it would have been
// told, so one message says that it was there and is over. What ended within group_wait is told to nobody, as ever.
func (a *Alerter) miss(s *state) {
	over := s.over()
	if s.Firing.Quiet || s.muted() || s.Received.Before(over.EndsAt) {
		return
	}
	for _, g := range s.groups {
		if g.left || a.mutedRoutes[g.route] != "" || over.EndsAt.Sub(s.Firing.WindowEnd) <= g.route.GroupWait {
			continue
		}
		for _, e := range g.entries {
			if !e.to.SendResolved || e.to.Remediation != nil || s.among(e.Firing) || e.Intent != nil && e.Intent.knows(s.Incident) {
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

// heard notes that the integration was told of an alert.
func (e *entry) heard(s *state) {
	delete(e.Missed, s.Incident)
	for _, i := range s.Earlier {
		delete(e.Missed, i)
	}
}
