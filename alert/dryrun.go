package alert

import "maps"

// rehearse remembers what the integration was told, before a dry run passes as having told it more.
func (e *entry) rehearse() {
	if e.BeforeDry == nil {
		before := e.told
		before.Firing = maps.Clone(before.Firing)
		e.BeforeDry = &before
	}
}

// wake forgets what passed as told in a dry run that is over: nobody was told. Who fires still is told of as new, and who was
// told of before and is over meanwhile as over. A remediation is about new incidents alone, so what it would have done stays
// undone.
func (a *Alerter) wake(e *entry, known byIncident) {
	if e.BeforeDry == nil || e.to.DryRun {
		return
	}
	if i := e.Intent; i != nil { // decided as if that had been told
		a.settled(e)
		e.Intent = nil
	}
	e.told, e.BeforeDry = *e.BeforeDry, nil
	maps.DeleteFunc(e.Firing, func(i incident, _ struct{}) bool { return known[i] == nil })
	if len(e.Firing) == 0 {
		e.forget()
	}
	a.writeEntry(e)
}
