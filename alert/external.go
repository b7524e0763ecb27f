package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// DefaultResolveTimeout is Alertmanager's default for resolve_timeout.
const DefaultResolveTimeout = 5 * time.Minute

// Posted is an alert as others post it to the API.
type Posted struct {
	Labels, Annotations map[string]string
	// StartsAt is by default now, EndsAt now and resolve_timeout.
	StartsAt, EndsAt time.Time
	GeneratorURL     string
}

// Finding returns what a posted alert says, received at a time. The same alert is posted again and again while it fires: the
// time of receipt names the finding, and orders it among those of the same alert.
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

// expires is when a posted alert is over unless it is posted again: as its poster said, but after a break, in which nobody
// could post, not before there was time for it.
func (a *Alerter) expires(s *state) time.Time {
	f := s.Firing
	grace := min(f.Expires.Sub(f.WindowEnd), cmp.Or(a.options.ResolveTimeout, DefaultResolveTimeout))
	return later(f.Expires, a.awake.Add(grace))
}

// While it holds posted alerts the alerter writes something every probeEvery. As long as that is not committed, those who post
// cannot reach it either; when nothing was committed for breakAfter, there was a break.
const (
	probeEvery = 15 * time.Second
	breakAfter = 2 * probeEvery
)

// probe finds out whether others can reach the alerter.
func (a *Alerter) probe(now time.Time) {
	if at := a.nextProbe(); at.IsZero() || at.After(now) {
		return
	}
	a.probed = now
	a.write(aliveKey, func() ([]byte, error) { return json.Marshal(now) })
}

func (a *Alerter) nextProbe() time.Time {
	if len(a.posted) == 0 {
		return time.Time{}
	}
	return later(a.probed.Add(probeEvery), a.now)
}

// expire ends the alerts that others posted and did not post again.
func (a *Alerter) expire(now time.Time) {
	if a.expireAt.IsZero() || a.expireAt.After(now) {
		return
	}
	a.expireAt = time.Time{}
	for _, fp := range slices.Sorted(maps.Keys(a.posted)) {
		s := a.posted[fp]
		delete(a.posted, fp)
		if !s.fires() || s.Held != nil {
			continue
		}
		if a.expires(s).After(now) {
			a.expiring(s)
			continue
		}
		f := *s.Firing
		f.ID, f.State, f.EndsAt, f.WindowEnd = f.ID+"/expired", finding.Resolved, f.Expires, f.Expires
		f.Transition++
		f.Reason = "not posted again"
		a.take(s, &f, now)
	}
}

// expiring has an alert that others posted looked at when it is over.
func (a *Alerter) expiring(s *state) {
	if !s.fires() || s.Held != nil || s.Firing.Expires.IsZero() {
		return
	}
	a.posted[s.Fingerprint] = s
	if at := a.expires(s); a.expireAt.IsZero() || at.Before(a.expireAt) {
		a.expireAt = at
	}
}
