// Package health finds out what freshet has to say about its own work: that it is behind, that a source stopped, that
// records cannot be decoded, that they come late or from the future, that a rule matches nothing at all. Without that,
// silence could mean any of these, or that all is quiet.
//
// Whoever owns a partition sends a [Report] every few seconds. One [Judge] takes them all in and gives findings, which go
// the way of all others: routed, grouped, told once, resolved.
//
//	reports ──► Receive, Topics, Tick ──► findings, and Changes to keep with them
//
// A Judge has no clock and does no I/O: times are parameters. It counts time only while it watches, so that what it did
// not see proves nothing: not that a source was silent, not that a trouble is over. Changes belong into one transaction
// with the findings; a Judge that is made anew and given them by Restore goes on where the last one stood.
package health

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// Limits are how long each trouble must last before it is told. 0 never tells it.
type Limits struct {
	// Behind is how far behind the clock reading may be.
	Behind time.Duration
	// SourceStopped is how long a topic or service that was sending may be silent. One that is used to longer pauses has
	// three times the longest of them.
	SourceStopped time.Duration
	// Undecodable, Late and ClockAhead are how long such records go on coming.
	Undecodable, Late, ClockAhead time.Duration
	// RuleMatchesNothing is how long a rule's source sends without a record that the rule selects.
	RuleMatchesNothing time.Duration
}

// DefaultLimits returns the limits of an empty configuration.
func DefaultLimits() Limits {
	return Limits{
		Behind: 30 * time.Second, SourceStopped: 10 * time.Minute, Undecodable: time.Minute,
		Late: 5 * time.Minute, ClockAhead: 5 * time.Minute, RuleMatchesNothing: time.Hour,
	}
}

const (
	// watched is the longest time between two ticks that counts as having watched in between.
	watched = 5 * time.Second
	// maxSubjects bounds what is followed; beyond it nothing new is.
	maxSubjects = 10_000
	// saveEvery is how often what is not urgent is written.
	saveEvery = 20 * time.Second
)

// Judge follows reports and decides. It is used by one goroutine. The order of use is Restore for all that was kept, then
// Receive for each report, Topics now and then, and Tick about once a second when all reports so far have been received;
// Changes for each commit.
type Judge struct {
	limits   Limits
	subjects map[string]*subject // by key
	topics   map[string]*topic
	deleted  map[string]bool // keys

	last    time.Time // of the last tick, zero before the first
	resumed time.Time // since when it has been watching
	elapsed time.Duration
}

// New returns a Judge that has seen nothing.
func New(l Limits) *Judge {
	return &Judge{
		limits: l, subjects: map[string]*subject{}, topics: map[string]*topic{}, deleted: map[string]bool{},
	}
}

// subject returns what is followed of a kind, made when it is wanted and there is room; else nil.
func (j *Judge) subject(k kind, about, service string, wanted bool) *subject {
	key := subjectKey(k, about, service)
	s := j.subjects[key]
	if s != nil || !wanted || len(j.subjects) >= maxSubjects {
		return s
	}
	s = &subject{Kind: k, About: about, Service: service, key: key}
	s.track()
	j.subjects[key] = s
	delete(j.deleted, key)
	return s
}

// Receive takes a report that came at a time of the judge's clock.
func (j *Judge) Receive(r *Report, now time.Time) {
	t := j.topics[r.Topic]
	if t == nil {
		t = &topic{parts: map[int32]*part{}}
		j.topics[r.Topic] = t
	}
	t.report(r, now)
	if r.Stage != Accumulate {
		return
	}
	all, bad := sum(r.Records), sum(r.Undecodable)
	if s := j.subject(sourceStopped, r.Topic, "", all+bad > 0); s != nil && all+bad > 0 {
		s.sent()
	}
	j.receiveBad(undecodable, r.Topic, "", bad, all+bad, r.Fault)
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		c := r.Services[name]
		if named := name != "" && !strings.HasPrefix(name, "("); named && c.Records > 0 {
			if s := j.subject(sourceStopped, r.Topic, name, true); s != nil {
				s.sent()
			}
		}
		j.receiveBad(late, r.Topic, name, c.Late, cmp.Or(c.Records, all), "")
		j.receiveBad(clockAhead, r.Topic, name, c.Ahead, cmp.Or(c.Records, all), "")
	}
	for _, id := range slices.Sorted(maps.Keys(r.Rules)) {
		if s := j.subject(matchesNothing, id, "", true); s != nil {
			s.look(r.Topic, r.Rules[id])
		}
	}
}

func (j *Judge) receiveBad(k kind, topic, service string, bad, all uint64, fault string) {
	s := j.subject(k, topic, service, bad > 0)
	if s == nil {
		return
	}
	s.Spell.add(bad, max(bad, all))
	s.changed = true
	if fault != "" {
		s.fault = fault
	}
}

// Topics says which topics there are, with the number of their partitions: the input topics and that of the panes. One
// that is named in the configuration and does not exist has 0; what is left out is no longer of interest.
func (j *Judge) Topics(counts map[string]int32, now time.Time) {
	for name := range j.topics {
		if _, there := counts[name]; !there {
			delete(j.topics, name)
		}
	}
	for name, n := range counts {
		t := j.topics[name]
		if t == nil {
			t = &topic{parts: map[int32]*part{}}
			j.topics[name] = t
		}
		t.count(n, now)
	}
	for _, s := range j.subjects {
		if j.topics[s.topic()] == nil {
			s.ended = "topic is no longer read"
		}
	}
}

// Tick judges at a time of the judge's clock, when all reports that were sent by then have been received. It returns
// what changed.
func (j *Judge) Tick(now time.Time) []*finding.Finding {
	j.elapsed = now.Sub(j.last)
	if j.last.IsZero() || j.elapsed > watched || j.elapsed < 0 {
		j.elapsed, j.resumed = 0, now
	}
	j.last = now
	for name, t := range j.topics {
		t.judge(now, j.resumed, cmp.Or(j.limits.Behind, DefaultLimits().Behind))
		if t.behind() {
			j.subject(behind, name, "", j.limits.Behind > 0)
		}
	}
	var findings []*finding.Finding
	for _, key := range slices.Sorted(maps.Keys(j.subjects)) {
		s := j.subjects[key]
		if f := j.tick(s, now); f != nil {
			findings = append(findings, f)
		}
		if s.over() {
			delete(j.subjects, key)
			j.deleted[key] = s.stored
		}
	}
	return findings
}

// tick judges one subject.
func (j *Judge) tick(s *subject, now time.Time) *finding.Finding {
	limit := j.limits.of(s.Kind)
	if limit <= 0 && s.ended == "" {
		s.ended = "switched off"
	}
	if s.ended != "" {
		if !s.Alarm.Firing {
			return nil
		}
		return s.resolve(now, s.ended)
	}
	switch s.judge(j, limit) {
	case holds:
		if !s.Alarm.Firing {
			return s.fire(now, limit)
		}
	case clears:
		if s.Alarm.Firing {
			return s.resolve(now, s.reason)
		}
	case unknown:
	}
	return nil
}

func (l Limits) of(k kind) time.Duration {
	switch k {
	case behind:
		return l.Behind
	case sourceStopped:
		return l.SourceStopped
	case undecodable:
		return l.Undecodable
	case late:
		return l.Late
	case clockAhead:
		return l.ClockAhead
	case matchesNothing:
		return l.RuleMatchesNothing
	default:
		return 0
	}
}
