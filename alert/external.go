package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Posted is an alert as others post it to the API.
type Posted struct {
	Labels, Annotations map[string]string
	// StartsAt is by default now, EndsAt now and resolve_timeout.
	StartsAt, EndsAt time.Time
	GeneratorURL     string
}

// Finding returns what a posted alert says, received at a time. The same alert is posted again and again while it fires: the
// time of receipt orders what comes.
func (p *Posted) Finding(now time.Time, resolveTimeout time.Duration) *finding.Finding {
	labels := label.FromMap(p.Labels)
	f := &finding.Finding{
		Fingerprint: labels.Fingerprint(), Rule: cmp.Or(labels.Get(label.AlertName), "unnamed"), Group: "posted", State: finding.Firing,
		Settled: true, Labels: labels, Annotations: p.Annotations, StartsAt: p.StartsAt, WindowEnd: now, GeneratorURL: p.GeneratorURL,
		Expires: p.EndsAt,
	}
	if f.StartsAt.IsZero() {
		f.StartsAt = now
		if !p.EndsAt.IsZero() && p.EndsAt.Before(now) {
			f.StartsAt = p.EndsAt
		}
	}
	switch {
	case p.EndsAt.IsZero():
		f.Expires = now.Add(resolveTimeout)
	case !p.EndsAt.After(now):
		f.State, f.EndsAt = finding.Resolved, p.EndsAt
	}
	f.Birth, f.Episode, f.Transition = 0, now.UnixNano(), 1
	f.ID = fmt.Sprintf("posted/%s/%d/%s", f.Fingerprint, f.Episode, f.State)
	return f
}

// patience is how long others have to post their alerts again after a time at which they could not be heard.
const patience = 5 * time.Minute

// Unheard says that what others post cannot be read now, so that no alert ends because it is not posted again. Tick says so
// itself after Restore.
func (a *Alerter) Unheard(now time.Time) { a.patient = now.Add(patience) }

// expire ends the alerts that others posted and did not post again.
func (a *Alerter) expire(now time.Time) {
	if a.expireAt.IsZero() || a.expireAt.After(now) {
		return
	}
	if a.patient.After(now) {
		a.expireAt = a.patient
		return
	}
	a.expireAt = time.Time{}
	for _, fp := range slices.Sorted(maps.Keys(a.posted)) {
		s := a.posted[fp]
		switch {
		case !s.fires():
			delete(a.posted, fp)
		case s.Firing.Expires.After(now):
			a.expiring(s)
		default:
			f := *s.Firing
			f.ID, f.State, f.EndsAt, f.WindowEnd = f.ID+"/expired", finding.Resolved, f.Expires, f.Expires
			f.Transition++
			f.Reason = "not posted again"
			a.take(s, &f, now)
		}
	}
}

// expiring has a posted alert looked at when it is over.
func (a *Alerter) expiring(s *state) {
	a.posted[s.Fingerprint] = s
	if a.expireAt.IsZero() || s.Firing.Expires.Before(a.expireAt) {
		a.expireAt = s.Firing.Expires
	}
}
