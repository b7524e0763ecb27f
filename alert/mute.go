package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// follow has what depends on an alert follow it, after it began or ended to fire, or its labels changed.
func (a *Alerter) follow(s *state, fired bool, before label.Set, now time.Time) {
	fires := s.fires()
	if fired == fires && (!fires || before.Equal(s.Firing.Labels)) {
		return
	}
	var affected []*state
	if fired {
		affected = append(affected, a.inhibitor.remove(s, before)...)
	}
	if fires {
		affected = append(affected, a.inhibitor.add(s, s.Firing.Labels)...)
		inhibited := s.inhibited
		a.mute(s, a.silences.of(s.Firing.Labels), now)
		if inhibited && !s.inhibited {
			s.Uninhibited = time.Time{} // by its own labels: what inhibited it has not ended
		}
	} else {
		a.suppress(s, nil, false)
	}
	for _, other := range affected {
		if other != s && other.fires() {
			a.mute(other, other.silencedBy, now)
		}
	}
}

// mute notes what mutes an alert, and has its groups looked at when that changed.
func (a *Alerter) mute(s *state, silences []string, now time.Time) {
	if s.Fingerprint == a.watchdogOf {
		return // its absence is an alarm
	}
	inhibitions := a.inhibitor.of(s.Firing.Labels)
	silenced := !slices.Equal(s.silencedBy, silences)
	inhibited := s.inhibited != (len(inhibitions) > 0)
	if !silenced && !inhibited {
		return
	}
	a.suppress(s, silences, len(inhibitions) > 0)
	switch {
	case silenced && len(silences) > 0:
		a.decided(now, s, Decision{Verdict: Silenced, Reason: a.silenceText(silences)})
	case inhibited && s.inhibited:
		a.decided(now, s, Decision{Verdict: Inhibited, Reason: a.inhibitText(inhibitions)})
	case !s.muted():
		a.decided(now, s, Decision{Verdict: Unmuted, Reason: "no silence and no other alert mutes it any longer"})
	}
	if inhibited {
		if s.inhibited && !s.Uninhibited.IsZero() {
			s.Free, s.Uninhibited = s.Free+now.Sub(s.Uninhibited), time.Time{}
		} else if !s.inhibited {
			s.Uninhibited = now
		}
		a.writeAlert(s)
	}
	for _, g := range s.groups {
		a.touch(g)
	}
}

// suppress notes what mutes an alert, and counts it.
func (a *Alerter) suppress(s *state, silences []string, inhibited bool) {
	count := func(v Verdict, was, is bool) {
		if was != is {
			a.metrics.suppressed.WithLabelValues(string(v)).Add(float64(2*int(b2i(is)) - 1))
		}
	}
	count(Silenced, len(s.silencedBy) > 0, len(silences) > 0)
	count(Inhibited, s.inhibited, inhibited)
	s.silencedBy, s.inhibited = silences, inhibited
}

// muted says whether a silence or another alert mutes the alert, whatever the route.
func (s *state) muted() bool { return len(s.silencedBy) > 0 || s.inhibited }

// mutedText says what mutes an alert, "" when nothing does.
func (a *Alerter) mutedText(s *state) string {
	var parts []string
	if len(s.silencedBy) > 0 {
		parts = append(parts, "silenced "+a.silenceText(s.silencedBy))
	}
	if s.inhibited {
		parts = append(parts, "inhibited "+a.inhibitText(a.inhibitor.of(s.Firing.Labels)))
	}
	return strings.Join(parts, ", ")
}

func (a *Alerter) silenceText(ids []string) string {
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		if s := a.silences.byID[id]; s != nil {
			text := "by " + s.CreatedBy + " until " + s.EndsAt.UTC().Format("2006-01-02 15:04 MST")
			if s.Comment != "" {
				text += ": " + s.Comment
			}
			texts = append(texts, text+" (silence "+id+")")
		}
	}
	return strings.Join(texts, ", ")
}

func (a *Alerter) inhibitText(by []inhibition) string {
	texts := make([]string, 0, len(by))
	for _, i := range by {
		name := i.By.String()
		if s := a.alerts[i.By]; s != nil && s.Firing != nil {
			name = s.Firing.Rule + s.Firing.Labels.Without(label.AlertName).String()
		}
		texts = append(texts, fmt.Sprintf("by %s (%s)", name, i.Rule))
	}
	return strings.Join(texts, ", ")
}

// clockwork looks at the time intervals of routes, which begin and end at whole minutes.
func (a *Alerter) clockwork(now time.Time) {
	if len(a.timed) == 0 || now.Before(a.minute) {
		return
	}
	a.minute = now.Truncate(time.Minute).Add(time.Minute)
	for _, r := range a.timed {
		why := r.mutedAt(a.options.Intervals, now)
		if why == a.mutedRoutes[r] {
			continue
		}
		a.mutedRoutes[r] = why
		for _, id := range slices.Sorted(maps.Keys(a.groups)) {
			g := a.groups[id]
			if g.route != r {
				continue
			}
			a.touch(g)
			for _, m := range g.members {
				if m.fires() && !m.muted() {
					d := Decision{Verdict: Muted, Reason: why, Receiver: r.Receiver, GroupKey: g.key}
					if why == "" {
						d.Verdict, d.Reason = Unmuted, "the route's time intervals let it through again"
					}
					a.decided(now, m, d)
				}
			}
		}
	}
}

// timedRoutes returns the routes of a tree that time intervals mute.
func timedRoutes(r *Route) (out []*Route) {
	if len(r.MuteIntervals)+len(r.ActiveIntervals) > 0 {
		out = append(out, r)
	}
	for _, child := range r.Routes {
		out = append(out, timedRoutes(child)...)
	}
	return out
}
