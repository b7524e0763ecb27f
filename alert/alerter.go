// Package alert turns findings into notifications: it deduplicates, routes, groups, waits, repeats and resolves as
// Alertmanager does, and keeps a ledger so that nothing is lost and nothing told twice.
//
// An [Alerter] is a deterministic state machine without clock, goroutines or I/O. Whoever runs it reads findings, keeps
// its changes in a compacted topic, and hands its notifications to a [Sender]:
//
//	findings ──► Receive, Tick ──► Changes ──► committed together with the findings' offset
//	                                 │
//	             Committed ──► Deliveries ──► Sender ──► Slack, webhooks
//	                                 ▲                      │
//	                                 └────── Delivered ◄────┘
//
// A notification is sent only after the intent to send it is committed, and its done record is committed after. So a
// crash loses none, and at most one that was in flight for each group and integration is sent again, under the same ID.
//
// To start after a crash, call Restore with every record of the topic, then Tick and Deliveries.
package alert

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Options configure an Alerter.
type Options struct {
	Route        *Route
	Integrations []Integration
	// Prompt tells ends and edits at once; otherwise everything waits for the route's group_interval.
	Prompt bool
	// Inhibitions are the rules by which alerts mute others, Intervals the times that routes name.
	Inhibitions []InhibitRule
	Intervals   map[string][]timeinterval.TimeInterval
	// ResolveTimeout is for how long those who post alerts may be silent after a break, by default DefaultResolveTimeout.
	ResolveTimeout time.Duration
	// Flapping says when an alert flaps; a Count of 0 means never.
	Flapping FlappingConfig
	// Deadman, when it names a receiver, is told all the time that freshet works.
	Deadman DeadmanConfig
	// ExternalURL is how people reach freshet's page: links in messages begin with it.
	ExternalURL string
	// DashboardURL leads to a dashboard: {from} and {to} stand for the time range in milliseconds, {label:NAME} for a label
	// of the alert. TraceURL leads to a trace, {trace_id} stands for its ID. "" for none.
	DashboardURL, TraceURL string
	// Templates renders the labels of routes; without it messages have none.
	Templates *Templates
	// Registerer takes the metrics; nil drops them.
	Registerer prometheus.Registerer
}

// Change is a record to write to the compacted topic freshet.notifications; a nil Value deletes the key.
type Change struct{ Key, Value []byte }

// Alerter holds the alerts and what was told of them. It is used by one goroutine at a time.
type Alerter struct {
	options Options
	metrics *metrics
	// integrations by the receiver's name.
	integrations map[string][]Integration

	alerts     map[label.Fingerprint]*state
	groups     map[string]*group
	silences   *silences
	inhibitor  *inhibitor
	statistics map[string]*Statistics

	timed       []*Route // those that time intervals mute now and then
	mutedRoutes map[*Route]string
	minute      time.Time // when timed are looked at next

	held     map[label.Fingerprint]*state // that flap and are calm
	calmAt   time.Time
	posted   map[label.Fingerprint]*state // that others posted
	alive    time.Time                    // when it last knew that others can reach it
	awake    time.Time                    // since when they can
	probed   time.Time                    // when it last tried
	expireAt time.Time
	calls    map[string]*calls // of remediations, by integration

	intents map[string]*entry // outstanding, by id
	calling map[string]int    // how many of them, by integration
	timers  queue
	touched []*group // to be looked at by the next Tick
	now     time.Time

	changed map[string]func() ([]byte, error) // what to write, by key
	order   []string                          // the keys of changed in the order in which they changed
	drafted []*entry                          // intents not yet handed out by Changes
	handed  []*entry                          // intents handed out, not known to be committed
	ready   []*entry                          // intents that may be sent

	decisions []Decision // not yet handed out
	dead      []DeadLetter

	deadman    *Route            // nil without a dead man's switch
	watchdogOf label.Fingerprint // its alert, which nothing mutes
	watching   bool

	restored map[string][]byte // records read but not yet taken in
	resuming bool              // what is decided meanwhile was decided before
	pruneAt  time.Time
}

// New returns an Alerter that holds nothing.
func New(o Options) *Alerter {
	a := &Alerter{
		options: o, metrics: newMetrics(o.Registerer, o.Integrations),
		alerts: map[label.Fingerprint]*state{}, groups: map[string]*group{}, intents: map[string]*entry{}, calling: map[string]int{},
		silences: newSilences(), statistics: map[string]*Statistics{},
		held: map[label.Fingerprint]*state{}, posted: map[label.Fingerprint]*state{},
		calls: map[string]*calls{}, changed: map[string]func() ([]byte, error){}, watchdogOf: watchdogLabels().Fingerprint(),
	}
	a.configure()
	return a
}

// configure takes over what follows from the options alone.
func (a *Alerter) configure() {
	if a.options.Route == nil {
		a.options.Route = (&Config{}).RouteTree(InlineDefaults())
	}
	a.integrations = map[string][]Integration{}
	for _, i := range a.options.Integrations {
		a.integrations[i.Receiver] = append(a.integrations[i.Receiver], i)
	}
	a.inhibitor = newInhibitor(a.options.Inhibitions)
	a.mutedRoutes, a.timed, a.minute = map[*Route]string{}, timedRoutes(a.options.Route), time.Time{}
	a.deadman, a.watching = deadmanRoute(a.options.Deadman), false
}

// enter is what every call begins with.
func (a *Alerter) enter(now time.Time) {
	if now.Sub(a.alive) > breakAfter {
		a.awake = now
	}
	a.resume(now)
	a.now = now
}

// Receive takes a finding. What follows from it is decided by the next Tick.
func (a *Alerter) Receive(f *finding.Finding, now time.Time) {
	a.enter(now)
	if a.deadman != nil && f.Fingerprint == a.watchdogOf {
		return // nobody else speaks for it
	}
	f = writable(f)
	s := a.alerts[f.Fingerprint]
	if f.Update {
		a.update(s, f, now)
		return
	}
	if s == nil {
		s = &state{Fingerprint: f.Fingerprint}
	}
	a.take(s, f, now)
}

// update takes how an alert that fires stands now.
func (a *Alerter) update(s *state, f *finding.Finding, now time.Time) {
	if s == nil || !s.fires() || s.Held != nil {
		return
	}
	s.Now, s.Updated = f, now
	s.climb(f)
	a.writeAlert(s)
	for _, g := range s.groups {
		a.touch(g)
	}
}

// take takes a finding about an alert.
func (a *Alerter) take(s *state, f *finding.Finding, now time.Time) {
	a.metrics.findings.WithLabelValues(string(f.State)).Inc()
	incident, fired := s.Incident, s.fires()
	var labels label.Set
	quiet := false
	if fired {
		labels, quiet = s.Firing.Labels, s.Firing.Quiet
	}
	switch v := s.Last.judge(f); v {
	case accepted:
		a.count(s, -1)
		s.apply(f, a.options.Flapping, now)
		a.alerts[f.Fingerprint] = s
		a.count(s, +1)
	case settledUpdate:
		s.settle(f, now)
	case repeated, stale:
		a.metrics.deduplicated.WithLabelValues(string(v)).Inc()
		if !s.replayed { // once until there is news: a detector that was killed repeats a lot
			s.replayed = true
			a.decided(now, s, Decision{Verdict: Deduplicated, Reason: fmt.Sprintf("finding %s (%s) tells nothing new: %s", f.ID, f.State, v)})
		}
		return
	}
	s.replayed = false
	a.writeAlert(s)
	if s.fires() && (!fired || s.Incident != incident) {
		a.began(s, f, now)
	}
	if fired && !s.fires() {
		a.ended(s, now)
		a.miss(s, now)
	}
	a.follow(s, fired, labels, now)
	if s.Held != nil {
		a.hold(s)
	}
	a.expiring(s)
	if f.State == finding.Firing && !f.Quiet && (s.Incident != incident || len(s.groups) == 0 || quiet) {
		a.route(s)
	}
	for _, g := range s.groups {
		a.touch(g)
	}
}

// began counts and records an incident that begins, or becomes worse.
func (a *Alerter) began(s *state, f *finding.Finding, now time.Time) {
	d := Decision{Verdict: Fired, Reason: f.Condition}
	if f.Quiet {
		a.decided(now, s, Decision{Verdict: Quieted, Reason: "the rule has notify: false"})
	}
	flaps := s.flapped(a.options.Flapping) > 0
	if flaps {
		a.decided(now, s, Decision{Verdict: Flapping, Reason: s.flapText(a.options.Flapping)})
	}
	a.decided(now, s, d)
	a.statisticsOf(s, now, func(st *Statistics) {
		st.Fired++
		st.Last = now
		if flaps {
			st.Flapped++
		}
	})
}

// ended records that an incident is over.
func (a *Alerter) ended(s *state, now time.Time) {
	a.decided(now, s, Decision{Verdict: Ended, Reason: s.Resolved.Reason})
}

// Tick does what is due: call it after each batch of findings and when Next has come.
func (a *Alerter) Tick(now time.Time) {
	a.enter(now)
	a.expire(now)
	a.probe(now)
	a.calm(now)
	if at := a.silences.next; !at.IsZero() && !at.After(now) {
		a.refreshSilences(now)
	}
	a.clockwork(now)
	a.watchdog(now)
	for i := 0; i < len(a.touched); i++ { // which grows when what becomes of one group is told in another
		if g := a.touched[i]; g.touched {
			a.advance(g, now)
		}
	}
	clear(a.touched)
	a.touched = a.touched[:0]
	for len(a.timers) > 0 && !a.timers[0].wake.After(now) {
		a.advance(a.timers[0], now)
	}
	a.metrics.groups.Set(float64(len(a.groups)))
	a.prune(now)
}

// Next returns when Tick has something to do: a time not in the future when it has now, the zero time when it waits for
// findings only.
func (a *Alerter) Next() time.Time {
	if len(a.touched) > 0 {
		return a.now
	}
	next := a.pruneAt
	for _, at := range []time.Time{a.silences.next, a.calmAt, a.expireAt, a.nextProbe(), a.nextMinute(), a.nextTimer()} {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// nextMinute is when a route may be muted or not, zero when that touches nobody.
func (a *Alerter) nextMinute() time.Time {
	if len(a.timed) == 0 || len(a.groups) == 0 {
		return time.Time{}
	}
	return a.minute
}

func (a *Alerter) nextTimer() time.Time {
	if len(a.timers) == 0 {
		return time.Time{}
	}
	return a.timers[0].wake
}

// advance takes a group through the steps, one integration after the other. This is the alerter's whole pipeline:
// findings were deduplicated and routed before; what mutes an alert for a group belongs before decide.
func (a *Alerter) advance(g *group, now time.Time) {
	g.touched = false
	var wake time.Time
	for _, e := range g.entries {
		at, wait := a.retry(e, now)
		if e.Intent == nil {
			at, wait = a.decide(g, e, now)
		}
		if wait && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	a.release(g)
	a.schedule(g, wake)
}

// decide compares how the group stands with what the integration was told, and makes the intent to tell it the rest,
// now or at the time returned.
func (a *Alerter) decide(g *group, e *entry, now time.Time) (at time.Time, wait bool) {
	if e.to.Remediation != nil {
		return a.remedy(g, e, now)
	}
	s := g.standing(e, a.mutedRoutes[g.route] != "", now)
	if !e.to.SendResolved && len(s.ended) > 0 {
		e.unlearn(s.ended)
		s.ended = nil
		if len(e.Firing) == 0 {
			e.forget() // the next incident gets a message of its own
		}
		a.writeEntry(e)
	}
	reason, at, ok := g.due(e, s, a.options.Prompt)
	if !ok || at.After(now) {
		if !s.settles.IsZero() && (!ok || s.settles.Before(at)) {
			return s.settles, true
		}
		return at, ok
	}
	a.intend(e, reason, s, now)
	return time.Time{}, false
}

// release lets go of alerts of which nothing is left to tell, and of the group when it was the last.
func (a *Alerter) release(g *group) {
	for fp, m := range g.members {
		if m.fires() && !g.gone[fp] || g.awaits(m) {
			continue
		}
		delete(g.members, fp)
		delete(g.gone, fp)
		m.groups = slices.DeleteFunc(m.groups, func(other *group) bool { return other == g })
	}
	if !g.done(a.now) {
		return
	}
	for _, e := range g.entries {
		if e.written {
			a.forget(e.key)
		}
	}
	delete(a.groups, g.id)
}

// schedule puts the group into the queue of timers, or takes it out when wake is zero.
func (a *Alerter) schedule(g *group, wake time.Time) {
	g.wake = wake
	switch {
	case wake.IsZero() || a.groups[g.id] != g:
		if g.at >= 0 {
			heap.Remove(&a.timers, g.at)
		}
	case g.at < 0:
		heap.Push(&a.timers, g)
	default:
		heap.Fix(&a.timers, g.at)
	}
}

func (a *Alerter) touch(g *group) {
	if !g.touched {
		g.touched = true
		a.touched = append(a.touched, g)
	}
}

// writable returns the finding without what JSON cannot hold.
func writable(f *finding.Finding) *finding.Finding {
	bad := func(v *float64) bool { return v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) }
	if !bad(f.Value) && !bad(f.Threshold) && !bad(f.Peak) {
		return f
	}
	c := *f
	if bad(c.Value) {
		c.Value = nil
	}
	if bad(c.Threshold) {
		c.Threshold = nil
	}
	if bad(c.Peak) {
		c.Peak = nil
	}
	return &c
}
