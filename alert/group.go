package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/freshet-dev/freshet/rules/label"
)

// The least time between two notifications about what need not wait for group_interval, and how long the end of an alert
// waits for those that end with it while others fire.
const (
	editSpacing = time.Second
	endSpacing  = 10 * time.Second
	endWait     = time.Second
	// measureSpacing is the least time between edits that show a newer value only.
	measureSpacing = 30 * time.Second
)

// group is a set of alerts that are told of together: those that one route takes and whose group_by labels agree. It
// holds alerts that fire, and those that resolved until everybody who was told of their firing knows.
type group struct {
	key     string // as Alertmanager writes it
	id      string // unique
	route   *Route
	labels  label.Set
	members map[label.Fingerprint]*state
	entries []*entry
	// left says that since the configuration changed no alert is routed here: only ends are told.
	left bool
	// gone are members that are routed elsewhere now. One that became more severe is told to have moved, and leaves; one
	// that went with the configuration stays until its end is told.
	gone map[label.Fingerprint]bool

	touched bool
	wake    time.Time // zero when nothing is due
	at      int       // place in the queue of timers, -1 when not in it
}

func newGroup(id, key string, r *Route, labels label.Set) *group {
	return &group{key: key, id: id, route: r, labels: labels, members: map[label.Fingerprint]*state{},
		gone: map[label.Fingerprint]bool{}, at: -1}
}

// standing is how a group stands against what one integration was told.
type standing struct {
	firing []*state // all that fire and are not muted
	fresh  []*state // those of them that it was not told of
	muted  []*state // those that are muted, or routed elsewhere, since it was told of them
	moved  []*state // those that it was told of and that other routes take since they became more severe
	ended  []*state // resolved ones that it was told fire

	settles time.Time // when one that was inhibited until a moment ago may be told of, zero when there is none
}

// standing compares the group with what an integration was told. Nobody is told of what a muted alert does but that it
// is over, if its beginning was told: an incident that somebody was called to must not stay open for ever.
func (g *group) standing(e *entry, routeMuted bool, now time.Time) standing {
	var s standing
	for fp, a := range g.members {
		gone, told := g.gone[fp], a.among(e.Firing)
		switch {
		case !a.fires():
			if told || a.among(e.Missed) {
				s.ended = append(s.ended, a)
			}
		case routeMuted || a.muted() || a.Firing.Quiet && g.route.id != watchdogRoute || gone && e.Firing.has(a.Incident):
			if told {
				s.muted = append(s.muted, a)
			}
		case gone:
			if told && a.Raised {
				s.moved = append(s.moved, a)
			} else if told { // an incident before this one, which is over
				s.ended = append(s.ended, a)
			}
		case !told && g.settles(a).After(now):
			if at := g.settles(a); s.settles.IsZero() || at.Before(s.settles) {
				s.settles = at
			}
		default:
			s.firing = append(s.firing, a)
			if !e.Firing.has(a.Incident) {
				s.fresh = append(s.fresh, a)
			}
		}
	}
	return s
}

// settles is when an alert is told of that was inhibited, zero for others: not at once, as it often ends soon after what
// inhibited it, and hundreds may. Of one whose cause comes and goes the times without it add up.
func (g *group) settles(a *state) time.Time {
	if a.Uninhibited.IsZero() {
		return time.Time{}
	}
	return a.Uninhibited.Add(max(0, g.route.GroupInterval-a.Free))
}

// shown are the alerts that fire and that a message of the integration shows.
func (s *standing) shown(e *entry) []*state {
	if !e.to.Edits {
		return s.firing
	}
	return slices.Concat(s.firing, s.muted)
}

// known are the incidents of muted alerts that the integration was told of.
func (s *standing) known(e *entry) incidents {
	set := incidents{}
	for _, a := range s.muted {
		for _, i := range append([]incident{a.Incident}, a.Earlier...) {
			if e.Firing.has(i) {
				set[i] = struct{}{}
			}
		}
	}
	return set
}

// raised says whether all that is new is that alerts that it knows have become more severe.
func (s *standing) raised(e *entry) bool {
	return !slices.ContainsFunc(s.fresh, func(a *state) bool { return !a.Raised || !slices.ContainsFunc(a.Earlier, e.Firing.has) })
}

// due says why and when an integration is to be told next; ok is false when there is nothing to tell.
func (g *group) due(e *entry, s standing, prompt bool) (reason Reason, at time.Time, ok bool) {
	r := g.route
	// raised is the time from which it may be told at once that something has become worse, however rare messages are to be.
	raised := e.At.Add(min(editSpacing, r.GroupInterval))
	// after is the time from which what need not wait for group_interval may be told, where that is told at once.
	after := func(last time.Time, spacing time.Duration) time.Time {
		if !prompt {
			return last.Add(r.GroupInterval)
		}
		return e.At.Add(min(spacing, r.GroupInterval))
	}
	ends := func(spacing time.Duration) time.Time { return after(e.News, spacing) }
	edits := func() time.Time { return after(e.At, editSpacing) }
	consider := func(why Reason, when time.Time) {
		if !ok || when.Before(at) {
			reason, at, ok = why, when, true
		}
	}
	switch {
	case g.left:
	case len(s.fresh) > 0 && len(e.Firing) == 0:
		consider(FirstNotification, earliest(s.fresh).Add(r.GroupWait))
	case len(s.fresh) > 0 && s.raised(e):
		if !slices.ContainsFunc(s.fresh, func(a *state) bool { return !a.Again }) {
			raised = later(raised, e.News.Add(r.GroupInterval)) // they have been told of it before
		}
		consider(SeverityRaised, later(earliest(s.fresh), raised))
	case len(s.fresh) > 0:
		consider(NewAlerts, later(earliest(s.fresh), e.News.Add(r.GroupInterval)))
	}
	if len(s.moved) > 0 {
		consider(SeverityRaised, later(earliest(s.moved), raised))
	}
	switch {
	case len(s.ended) > 0 && len(s.firing)+len(s.muted) == 0:
		consider(AllResolved, ends(0))
	case len(s.ended) > 0 && len(s.firing) == 0:
		consider(SomeResolved, ends(editSpacing))
	case len(s.ended) > 0 && e.to.Edits:
		consider(SomeResolved, ends(editSpacing))
	case len(s.ended) > 0 && prompt:
		consider(SomeResolved, later(ends(endSpacing), latestEnd(s.ended).Add(endWait)))
	case len(s.ended) > 0:
		consider(SomeResolved, ends(0))
	}
	if e.to.Edits && e.Ref != "" && len(s.fresh)+len(s.ended)+len(s.moved) == 0 {
		if shown := s.shown(e); len(shown) > 0 && !g.left && contentOf(shown) != e.Content {
			consider(ContentChanged, edits())
		} else if len(shown) > 0 && !g.left && standsAt(shown) != e.Stands {
			consider(ContentChanged, e.At.Add(measureSpacing))
		}
		if len(e.Notes) > 0 {
			consider(NoteAdded, edits())
		}
	}
	if len(s.firing) > 0 && len(e.Firing) > 0 && !g.left && slices.ContainsFunc(s.firing, func(a *state) bool { return a.Acknowledged == nil }) {
		consider(RepeatElapsed, e.News.Add(r.repeatAfter(e.Repeats)))
	}
	// A message tells all there is to tell, so its reason is the weightiest, not the one that came due first.
	switch {
	case !ok || len(e.Firing) == 0:
	case len(s.fresh) > 0 && !s.raised(e):
		reason = NewAlerts
	case len(s.fresh)+len(s.moved) > 0:
		reason = SeverityRaised
	}
	return reason, at, ok
}

// awaits says whether anybody still has to hear of the alert's end.
func (g *group) awaits(a *state) bool {
	return g.knows(a.Incident) || slices.ContainsFunc(a.Earlier, g.knows)
}

// knows says whether anybody was told of an incident, or is being told.
func (g *group) knows(i incident) bool {
	return slices.ContainsFunc(g.entries, func(e *entry) bool {
		return e.Firing.has(i) || e.Missed.has(i) || e.BeforeDry != nil && e.BeforeDry.Firing.has(i) || e.Intent != nil && e.Intent.knows(i)
	})
}

// done says that nothing is left to tell about the group, and nothing to remember of it.
func (g *group) done(now time.Time) bool {
	return len(g.members) == 0 && !slices.ContainsFunc(g.entries, func(e *entry) bool {
		return e.Intent != nil || e.resting(now)
	})
}

// contentOf is a hash of all that a message would show of the alerts, whatever their order.
func contentOf(alerts []*state) uint64 {
	var sum uint64
	for _, a := range alerts {
		sum += a.content() // each is hashed, so a sum is as good as a sorted list
	}
	return xxhash.Sum64String(itoa(len(alerts))) ^ sum
}

// standsAt is a hash of the measures that a message would show of the alerts.
func standsAt(alerts []*state) uint64 {
	var sum uint64
	for _, a := range alerts {
		sum += a.standsAt()
	}
	return sum
}

// sorted orders alerts for a message: those that fire first, then by labels.
func sorted(alerts Alerts, labels map[string]string) Alerts {
	slices.SortFunc(alerts, func(a, b Alert) int {
		if a.Status != b.Status {
			return strings.Compare(a.Status, b.Status) // firing, resolved
		}
		if (a.Moved == "") != (b.Moved == "") {
			return strings.Compare(a.Moved, b.Moved) // those that stay before those that moved
		}
		return strings.Compare(labels[a.Fingerprint], labels[b.Fingerprint])
	})
	return alerts
}

func earliest(alerts []*state) time.Time {
	first := alerts[0].Received
	for _, a := range alerts[1:] {
		if a.Received.Before(first) {
			first = a.Received
		}
	}
	return first
}

func latestEnd(alerts []*state) time.Time {
	last := alerts[0].Ended
	for _, a := range alerts[1:] {
		last = later(last, a.Ended)
	}
	return last
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// queue is the heap of groups by the time at which they are due.
type queue []*group

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].wake.Before(q[j].wake) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	if g, ok := x.(*group); ok {
		g.at = len(*q)
		*q = append(*q, g)
	}
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	g.at = -1
	return g
}
