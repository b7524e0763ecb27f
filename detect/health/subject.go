package health

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// kind is what a trouble is.
type kind string

const (
	behind         kind = "behind"
	sourceStopped  kind = "stopped"
	undecodable    kind = "undecodable"
	late           kind = "late"
	clockAhead     kind = "ahead"
	matchesNothing kind = "nothing"
)

// The names of the alerts.
const (
	Behind             = "FreshetBehind"
	SourceStopped      = "FreshetSourceStopped"
	Undecodable        = "FreshetUndecodable"
	LateRecords        = "FreshetLateRecords"
	ClockAhead         = "FreshetClockAhead"
	RuleMatchesNothing = "FreshetRuleMatchesNothing"
)

// RuleGroup is the rule group of all findings of this package.
const RuleGroup = "freshet"

func (k kind) alert() string {
	switch k {
	case behind:
		return Behind
	case sourceStopped:
		return SourceStopped
	case undecodable:
		return Undecodable
	case late:
		return LateRecords
	case clockAhead:
		return ClockAhead
	case matchesNothing:
		return RuleMatchesNothing
	default:
		return ""
	}
}

// subject is one thing that may be in trouble: a topic, a service on it, a rule. What is exported is kept.
type subject struct {
	Kind kind `json:"kind"`
	// About is the topic, or the rule's ID.
	About   string   `json:"about"`
	Service string   `json:"service,omitempty"`
	Alarm   alarm    `json:"alarm"`
	Cadence *cadence `json:"cadence,omitempty"`
	Spell   *spell   `json:"spell,omitempty"`
	Match   *match   `json:"match,omitempty"`

	key    string
	lag    lag
	fault  string // what was wrong with the last undecodable message
	reason string // why it clears, when that is not plain
	ended  string // why it is no longer followed
	steady bool   // it has been sending for long enough to be missed
	now    view   // what the last judgement saw

	// changed since it was written at saved; urgent is a change that must be written with the next findings. stored says
	// that it was written once.
	changed, urgent, stored bool
	saved                   time.Time
}

// alarm is the state of a subject's alert.
type alarm struct {
	// Birth (Unix milliseconds) is when it first fired, Episode how often it has.
	Birth   int64 `json:"birth,omitempty"`
	Episode int64 `json:"episode,omitempty"`
	Firing  bool  `json:"firing,omitempty"`
	// Since is when the episode began, Labels are the alert's.
	Since  time.Time `json:"since,omitzero"`
	Labels label.Set `json:"labels,omitempty"`
}

// verdict is what a judgement says.
type verdict uint8

const (
	unknown verdict = iota // leave it as it is
	holds
	clears
)

func subjectKey(k kind, about, service string) string {
	return strings.Join([]string{string(k), about, service}, "\x00")
}

// track makes what follows the subject, where it is not there.
func (s *subject) track() {
	switch s.Kind {
	case sourceStopped:
		if s.Cadence == nil {
			s.Cadence = new(cadence)
		}
	case undecodable, late, clockAhead:
		if s.Spell == nil {
			s.Spell = new(spell)
		}
	case matchesNothing:
		if s.Match == nil {
			s.Match = new(match)
		}
	case behind:
	}
}

// sent says that the source sent records.
func (s *subject) sent() {
	s.Cadence.sent(s.Alarm.Firing)
	s.changed = true
}

// look takes what a rule made of records of a topic.
func (s *subject) look(topic string, r RuleReport) {
	m := s.Match
	m.Rule, m.Group, m.Topic, m.unheard = r.Name, r.Group, topic, 0
	if m.Matched {
		return
	}
	before := m.fruitful()
	m.Records += r.Seen
	if r.Seen > 0 {
		m.idle = 0
	}
	m.Selected = m.Selected || r.Selected > 0
	m.Matched = m.Matched || r.Matched > 0
	m.Unmatched = m.Unmatched || r.Unmatched > 0
	s.changed, s.urgent = true, s.urgent || before != m.fruitful()
}

// topic is one that the subject has to do with.
func (s *subject) topic() string {
	if s.Match != nil {
		return s.Match.Topic
	}
	return s.About
}

// judge says whether the subject is in trouble.
func (s *subject) judge(j *Judge, limit time.Duration) verdict {
	switch s.Kind {
	case behind:
		return s.judgeBehind(j)
	case sourceStopped:
		return s.judgeSource(j, limit)
	case undecodable, late, clockAhead:
		return s.judgeSpell(j, limit)
	case matchesNothing:
		return s.judgeRule(j, limit)
	default:
		return unknown
	}
}

func (s *subject) judgeBehind(j *Judge) verdict {
	t := j.topics[s.About]
	if t == nil || !t.known || !t.behind() && t.unsure {
		return unknown
	}
	s.lag.watch(t.behind(), j.elapsed)
	s.now = view{topic: t, value: t.delay.Seconds()}
	switch {
	case s.lag.above >= settle:
		return holds
	case s.lag.below >= settle:
		return clears
	default:
		return unknown
	}
}

func (s *subject) judgeSource(j *Judge, limit time.Duration) verdict {
	t, c := j.topics[s.About], s.Cadence
	if t == nil || !t.seen() {
		return unknown
	}
	if s.Service != "" {
		// A service is missed while others on its topic go on; that the topic is silent is told of the topic.
		if whole := j.subjects[subjectKey(sourceStopped, s.About, "")]; whole == nil || whole.Cadence.Silent > sending {
			return unknown
		}
	}
	c.watch(j.elapsed)
	s.changed = s.changed || j.elapsed > 0
	allowed, ok := c.allowed(limit)
	// That it is a source to be missed must not be forgotten over a restart.
	s.urgent = s.urgent || ok && !s.steady
	s.steady = ok
	s.now = view{topic: t, value: c.Silent.Seconds(), threshold: allowed.Seconds()}
	switch {
	case c.Silent >= forgetAfter:
		s.reason = "forgotten"
		return clears
	case c.Silent < 2*Interval:
		s.reason = ""
		return clears
	case ok && c.Silent >= allowed:
		return holds
	default:
		return unknown
	}
}

// share is the part of all records that may be late or ahead of their time without being told.
const share = 0.001

func (s *subject) judgeSpell(j *Judge, limit time.Duration) verdict {
	t := j.topics[s.About]
	if t == nil || !t.seen() {
		return unknown
	}
	s.Spell.watch(j.elapsed)
	s.changed = s.changed || j.elapsed > 0
	bad, part := s.Spell.counts()
	s.now = view{topic: t, value: float64(bad), share: part}
	few := s.Kind != undecodable && part < share
	switch {
	case s.Spell.over() || few && part < share/2:
		return clears
	case s.Spell.Lasted >= limit && !few:
		return holds
	default:
		return unknown
	}
}

func (s *subject) judgeRule(j *Judge, limit time.Duration) verdict {
	m, t := s.Match, j.topics[s.topic()]
	if t == nil || !t.seen() {
		return unknown
	}
	m.watch(j.elapsed)
	if m.unheard >= removed {
		s.reason = "rule removed"
		return clears
	}
	if m.fruitful() {
		return clears
	}
	s.changed = s.changed || j.elapsed > 0 && m.Records > 0
	s.now = view{value: float64(m.Records)}
	if m.Records >= fewRecords && m.Watched >= limit {
		return holds
	}
	return unknown
}

// over says whether nothing of the subject need be kept.
func (s *subject) over() bool {
	switch {
	case s.Alarm.Firing:
		return false
	case s.ended != "":
		return true
	case s.Kind == behind:
		return s.lag.below >= settle
	case s.Kind == sourceStopped:
		return s.Cadence.Silent >= forgetAfter
	case s.Spell != nil:
		return s.Spell.over()
	case s.Match != nil:
		return s.Match.unheard >= removed
	default:
		return false
	}
}

// fire begins an episode.
func (s *subject) fire(now time.Time, limit time.Duration) *finding.Finding {
	a := &s.Alarm
	if a.Birth == 0 {
		a.Birth = now.UnixMilli()
	}
	a.Episode++
	a.Firing, a.Since, a.Labels = true, now.Add(-s.age()), s.labels()
	return s.finding(now, finding.Firing, limit)
}

// age is how long the trouble has lasted.
func (s *subject) age() time.Duration {
	switch s.Kind {
	case behind:
		return s.now.topic.delay
	case sourceStopped:
		return s.Cadence.Silent
	case matchesNothing:
		return s.Match.Watched
	default:
		return s.Spell.Lasted + s.Spell.Quiet
	}
}

// resolve ends it.
func (s *subject) resolve(now time.Time, reason string) *finding.Finding {
	s.Alarm.Firing = false
	f := s.finding(now, finding.Resolved, 0)
	f.EndsAt, f.Reason = f.WindowEnd, reason
	return f
}

func (s *subject) labels() label.Set {
	m := map[string]string{label.AlertName: s.Kind.alert(), "severity": "warning"}
	if s.Kind == matchesNothing {
		m["severity"], m["rule"], m["rule_group"] = "info", s.Match.Rule, s.Match.Group
		return label.FromMap(m)
	}
	m["topic"] = s.About
	if s.Service != "" {
		m["service_name"] = s.Service
	}
	return label.FromMap(m)
}

// finding makes the finding of a transition.
func (s *subject) finding(now time.Time, state finding.State, limit time.Duration) *finding.Finding {
	a := &s.Alarm
	s.changed, s.urgent = true, true
	f := &finding.Finding{
		Rule: s.Kind.alert(), Group: RuleGroup, State: state, Settled: true,
		Birth: a.Birth, Episode: a.Episode, Transition: 1,
		Labels: a.Labels, Fingerprint: a.Labels.Fingerprint(), StartsAt: a.Since.UTC(),
		WindowStart: a.Since.UTC(), WindowEnd: now.UTC(),
	}
	if state == finding.Resolved {
		f.Transition = 2
	}
	s.describe(f, limit)
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%s", s.key, a.Birth, a.Episode, state))
	f.ID = hex.EncodeToString(h[:16])
	return f
}
