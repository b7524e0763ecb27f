package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/rules/label"
)

// ErrOver says that a command was about alerts that are over, so that it changed nothing.
var ErrOver = errors.New("these alerts are over: nothing was done")

// Command takes what somebody decided. What follows from it is done by the next Tick. It returns ErrOver when there is nothing
// that the command is about, and ErrTooManySilences.
func (a *Alerter) Command(c *Command, now time.Time) error {
	a.enter(now)
	a.metrics.commands.WithLabelValues(string(c.Kind)).Inc()
	switch c.Kind {
	case AddSilence:
		if err := a.addSilence(c.Silence, now); err != nil {
			return err
		}
	case ExpireSilence:
		a.expireSilence(c.SilenceID, now)
	case SilenceSubject:
		if err := a.silenceSubject(c, now); err != nil {
			return err
		}
	case Acknowledge, Unacknowledge, MarkNoise:
		about := a.subjects(c)
		if len(about) == 0 {
			return ErrOver
		}
		for _, s := range about {
			a.mark(s, c, now)
		}
	}
	a.note(c, now)
	return nil
}

// subjects are the alerts that fire among those that a command names; one that it names by a fingerprint may be over, except to
// be acknowledged.
func (a *Alerter) subjects(c *Command) (out []*state) {
	for _, fp := range c.Subject.Fingerprints {
		if s := a.alerts[fp]; s != nil && s.Firing != nil && (s.fires() || c.Kind != Acknowledge) {
			out = append(out, s)
		}
	}
	for _, s := range a.membersOf(c.Subject.Group) {
		if s.fires() {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y *state) int { return strings.Compare(x.Fingerprint.String(), y.Fingerprint.String()) })
	return slices.Compact(out)
}

// entryOf returns the entry that a group's name in a message stands for, nil when it is no more.
func (a *Alerter) entryOf(name string) *entry {
	if name == "" {
		return nil
	}
	var former *entry
	for _, g := range a.groups {
		for _, e := range g.entries {
			if e.name() == name {
				return e
			}
			if slices.Contains(e.Former, name) {
				former = e
			}
		}
	}
	return former
}

func (a *Alerter) membersOf(name string) (out []*state) {
	e := a.entryOf(name)
	if e == nil {
		return nil
	}
	for _, m := range e.group.members {
		out = append(out, m)
	}
	return out
}

// mark notes what somebody says of an alert.
func (a *Alerter) mark(s *state, c *Command, now time.Time) {
	d := Decision{By: c.By, Reason: c.Comment}
	switch {
	case c.Kind == Acknowledge && s.fires() && s.Acknowledged == nil:
		s.Acknowledged = &Acknowledgement{By: c.By, At: c.At, Comment: c.Comment}
		a.statisticsOf(s, now, func(st *Statistics) { st.Acknowledged++ })
		d.Verdict = Acknowledged
	case c.Kind == Unacknowledge && s.Acknowledged != nil:
		s.Acknowledged = nil
		d.Verdict = Unacknowledged
	case c.Kind == MarkNoise && !s.Noise:
		s.Noise = true
		a.statisticsOf(s, now, func(st *Statistics) { st.Noise++ })
		d.Verdict = Noise
	default:
		return
	}
	s.Updated = now
	a.decided(now, s, d)
	a.writeAlert(s)
	for _, g := range s.groups {
		a.touch(g)
	}
}

// silenceSubject silences what a button was pressed for: the group's labels, or where it has none those of its alerts.
func (a *Alerter) silenceSubject(c *Command, now time.Time) error {
	made := 0
	var sets []label.Set
	if e := a.entryOf(c.Subject.Group); e != nil && len(e.GroupLabels) > 0 {
		sets = append(sets, e.GroupLabels)
	} else {
		for _, s := range a.subjects(c) {
			sets = append(sets, s.Firing.Labels)
		}
	}
	for n, set := range sets {
		s := &Silence{ID: c.ID, StartsAt: now, EndsAt: now.Add(c.Duration), UpdatedAt: now, CreatedBy: c.By, Comment: c.Comment}
		s.ID = uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s/%d", c.ID, n)).String() // the same when it is replayed
		for name, value := range set.Map() {
			m := labels.Matcher{Type: labels.MatchEqual, Name: name, Value: value}
			s.Matchers = append(s.Matchers, m.String())
		}
		slices.Sort(s.Matchers)
		if s.Validate() != nil {
			continue
		}
		if err := a.addSilence(s, now); err != nil {
			return err
		}
		made++
	}
	if made == 0 {
		return ErrOver
	}
	return nil
}

// note has a command told in the threads of the messages that it is about.
func (a *Alerter) note(c *Command, now time.Time) {
	var text string
	switch c.Kind {
	case Acknowledge:
		text = "acknowledged"
	case Unacknowledge:
		text = "no longer acknowledged"
	case MarkNoise:
		text = "called noise"
	case SilenceSubject:
		text = "silenced for " + FormatDuration(c.Duration)
	case AddSilence, ExpireSilence:
		return // shown where the silence mutes
	}
	if c.By != "" {
		text += " by " + c.By
	}
	if c.Comment != "" {
		text += ": " + c.Comment
	}
	a.noteAbout(a.subjects(c), Note{At: now, Text: text})
}

// noteAbout puts a note into every thread about some alerts.
func (a *Alerter) noteAbout(alerts []*state, n Note) {
	var groups []*group
	for _, s := range alerts {
		for _, g := range s.groups {
			if !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	for _, g := range groups {
		for _, e := range g.entries {
			if e.to.Edits && (e.Ref != "" || e.Intent != nil) && len(e.Notes) < maxNotes {
				e.Notes = append(e.Notes, n)
				a.writeEntry(e)
				a.touch(g)
			}
		}
	}
}

// maxNotes bounds what waits to be told in one thread.
const maxNotes = 50
