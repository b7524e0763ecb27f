package alert

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// incident identifies one firing of one alert, from firing to resolved.
type incident uint64

// state is what the alerter holds per fingerprint. Its exported fields are what is kept across restarts. Findings are
// never changed, so they may be shared with messages.
type state struct {
	Fingerprint label.Fingerprint `json:"fingerprint"`
	Last        position          `json:"last"`
	// Pending is shown on the page and told to nobody; nil when the alert is not pending.
	Pending *finding.Finding `json:"pending,omitempty"`
	// Firing is the newest finding of the newest incident, and Resolved the one that ended it, nil while it fires.
	Firing *finding.Finding `json:"firing,omitempty"`
	// Now is how it stands while it fires, nil when nothing newer than Firing is known.
	Now      *finding.Finding `json:"now,omitempty"`
	Resolved *finding.Finding `json:"resolved,omitempty"`
	Incident incident         `json:"incident,omitempty"`
	// Earlier are incidents before it whose end somebody has not been told yet.
	Earlier []incident `json:"earlier,omitempty"`
	// Before is the incident before this one, as a message about its end shows it.
	Before *span `json:"before,omitempty"`
	// Received is when the incident's first finding came, Ended when the one that ended it did, Updated when anything
	// last changed, Notified when somebody was last told something new.
	Received time.Time `json:"received,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Updated  time.Time `json:"updated"`
	Notified time.Time `json:"notified,omitzero"`

	// Begins are the newest times, in event time, at which it began to fire: they tell that it flaps. Held is the finding
	// that ends the incident of one that does, if it stays calm until Calm.
	Begins []time.Time      `json:"begins,omitempty"`
	Held   *finding.Finding `json:"held,omitempty"`
	Calm   time.Time        `json:"calm,omitzero"`
	// Began is when the incident's first finding was judged, in event time.
	Began time.Time `json:"began,omitzero"`
	// RoutedBy are the labels that led the alert to its groups where it has others by now: one that becomes less severe stays where
	// it is.
	RoutedBy label.Set `json:"routed_by,omitempty"`
	// Uninhibited is when the last alert ended that inhibited it, zero while one does. Free is for how long none did before, since
	// one first did.
	Uninhibited time.Time     `json:"uninhibited,omitzero"`
	Free        time.Duration `json:"free,omitempty"`
	// Mended are the remediations, by the keys of integrations, that were called about the incident.
	Mended map[string]bool `json:"mended,omitempty"`
	// Raised says that the newest of the incident's transitions made it more severe.
	Raised bool `json:"raised,omitempty"`
	// Again says that this was no more than the incident had been before, RaisedAt when it was.
	Again    bool      `json:"raised_again,omitempty"`
	RaisedAt time.Time `json:"raised_at,omitzero"`
	// Raises counts how often it became more severe since it fires: so many of the newest of Earlier are no ends.
	Raises int `json:"raises,omitempty"`
	// Peak is the incident's value furthest beyond the threshold.
	Peak *float64 `json:"peak,omitempty"`
	// Acknowledged and Noise are what somebody said of the incident.
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	Noise        bool             `json:"noise,omitempty"`
	// Counted is the newest incident of which it is counted that somebody was told.
	Counted incident `json:"counted,omitempty"`

	groups     []*group
	silencedBy []string // IDs of silences, sorted
	inhibited  bool
	lastError  string
	unrouted   bool // that its routes lead to nobody has been recorded
	replayed   bool // a finding that told nothing new has been recorded since the last that did
}

// shown is the finding that the alert is known by, nil when there is none.
func (s *state) shown() *finding.Finding {
	if s.Firing != nil {
		return s.Firing
	}
	return s.Pending
}

// span is the time of an incident that is over, and why it ended.
type span struct {
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at"`
	Reason   string    `json:"reason,omitempty"`
}

// over returns the span of the newest incident that is over, nil when there is none.
func (s *state) over() *span {
	if s.Resolved == nil {
		return s.Before
	}
	o := &span{s.Firing.StartsAt, s.Resolved.EndsAt, s.Resolved.Reason}
	if o.EndsAt.IsZero() {
		o.EndsAt = s.Resolved.WindowEnd
	}
	return o
}

func (s *state) fires() bool { return s.Firing != nil && s.Resolved == nil }

// among says whether any incident of the alert is in a set.
func (s *state) among(set incidents) bool {
	return set.has(s.Incident) || slices.ContainsFunc(s.Earlier, set.has)
}

// apply takes an accepted finding.
func (s *state) apply(f *finding.Finding, flapping FlappingConfig, now time.Time) {
	s.Last, s.Updated = positionOf(f), now
	switch f.State {
	case finding.Pending:
		s.Pending = f
	case finding.Firing:
		s.Pending = nil
		if s.fires() {
			f = s.goOn(f, flapping, now)
		} else {
			s.begin(f, flapping, now)
		}
		s.Firing, s.Resolved, s.Now = f, nil, nil
		s.climb(f)
	case finding.Resolved:
		s.Pending = nil
		switch {
		case !s.fires():
		case s.flaps(flapping, f.WindowEnd):
			s.Held, s.Calm = f, now.Add(flapping.Calm)
		default:
			s.end(f, now)
		}
	}
}

// begin begins an incident. A firing that follows a firing without an end between is the same incident, whatever its
// episode.
func (s *state) begin(f *finding.Finding, flapping FlappingConfig, now time.Time) {
	s.past()
	s.Before, s.Incident, s.Received, s.Began = s.over(), newIncident(f), now, f.WindowEnd
	s.Acknowledged, s.Noise, s.Peak, s.Raised, s.Again, s.Raises, s.RaisedAt = nil, false, nil, false, false, 0, time.Time{}
	s.RoutedBy, s.Mended, s.Uninhibited, s.Free, s.unrouted = nil, nil, time.Time{}, 0, false
	s.began(f, flapping)
}

// goOn takes a firing of an alert that fires, and returns it as the incident shows it.
func (s *state) goOn(f *finding.Finding, flapping FlappingConfig, now time.Time) *finding.Finding {
	if s.Held != nil || !f.Expires.IsZero() { // who posts an alert again may not know when it began, or say it otherwise
		f = since(f, s.Firing.StartsAt)
	}
	again, worst := s.compare(f)
	if s.Held != nil || again {
		s.began(f, flapping)
		s.Held, s.Calm = nil, time.Time{}
	}
	switch {
	case worst, again && !s.flaps(flapping, f.WindowEnd):
		s.raise(f, again, now)
	case len(s.RoutedBy) == 0 && !f.Labels.Equal(s.Firing.Labels):
		s.RoutedBy = s.Firing.Labels
	}
	return f
}

// end ends the incident.
func (s *state) end(f *finding.Finding, now time.Time) {
	s.Resolved, s.Now, s.Ended, s.Held, s.Calm = f, nil, now, nil, time.Time{}
	s.climb(f)
}

// climb keeps the value that is furthest beyond the threshold.
func (s *state) climb(f *finding.Finding) {
	for _, v := range []*float64{f.Value, f.Peak} {
		if v == nil {
			continue
		}
		if s.Peak == nil || s.Firing.Below() == (*v < *s.Peak) {
			s.Peak = v
		}
	}
}

// settle takes the current finding's exact version.
func (s *state) settle(f *finding.Finding, now time.Time) {
	s.Last.Settled, s.Updated = true, now
	switch {
	case s.Held != nil && s.Held.ID == f.ID:
		s.Held = f
	case s.Pending != nil && s.Pending.ID == f.ID:
		s.Pending = f
	case s.Resolved != nil && s.Resolved.ID == f.ID:
		s.Resolved = f
	case s.Firing != nil && s.Firing.ID == f.ID:
		s.Firing = since(f, s.Firing.StartsAt)
		s.climb(f)
	}
}

// since returns a finding that began no later than a time, for an incident that has more than one.
func since(f *finding.Finding, began time.Time) *finding.Finding {
	if began.IsZero() || !began.Before(f.StartsAt) {
		return f
	}
	c := *f
	c.StartsAt = began
	return &c
}

func newIncident(f *finding.Finding) incident {
	var b [24]byte
	binary.BigEndian.PutUint64(b[0:], uint64(f.Fingerprint))
	binary.BigEndian.PutUint64(b[8:], uint64(f.Birth))
	binary.BigEndian.PutUint64(b[16:], uint64(f.Episode))
	return incident(xxhash.Sum64(b[:]))
}

// content is a hash of all that a message would show of the alert.
func (s *state) content() uint64 {
	var d xxhash.Digest
	d.Reset()
	for _, f := range []*finding.Finding{s.Firing, s.Resolved} {
		if f == nil {
			_, _ = d.Write([]byte{0})
			continue
		}
		if f.Expires.IsZero() {
			_, _ = d.WriteString(f.ID)
		} else { // each time that it is posted it is another finding, of which this is shown
			_, _ = d.WriteString(f.StartsAt.UTC().String())
			_, _ = d.WriteString(label.FromMap(f.Annotations).String())
		}
		_, _ = d.WriteString(f.Labels.String())
		_, _ = d.Write([]byte{1, b2i(f.Settled), b2i(f.Expires.IsZero())})
	}
	_, _ = d.Write([]byte{b2i(s.Acknowledged != nil), b2i(s.Held != nil), byte(len(s.Begins)), b2i(s.muted())})
	return d.Sum64()
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// standsAt is a hash of the measure that a message would show now.
func (s *state) standsAt() uint64 {
	if s.Now == nil {
		return 0
	}
	value, _ := FormatMeasure(s.Now.Value, s.Now.Threshold, s.Firing.Unit)
	return xxhash.Sum64String(value)
}

// message returns the alert as a message shows it, as firing or as resolved.
func (a *Alerter) message(s *state, resolved bool) Alert {
	f := s.Firing
	m := Alert{
		Status: statusFiring, Labels: f.Labels.Map(), Annotations: maps.Clone(f.Annotations), StartsAt: f.StartsAt,
		Fingerprint: s.Fingerprint.String(), GeneratorURL: cmp.Or(f.GeneratorURL, link(a.options.ExternalURL, s.Fingerprint.String())),
		Evidence: Evidence{Value: f.Value, Threshold: f.Threshold, Unit: f.Unit, Condition: f.Condition,
			FirstRecord: f.FirstRecord, Samples: slices.Clone(f.Samples), Offsets: f.Offsets, Explanation: f.Explanation,
			Peak: s.Peak, Values: f.Values, Expected: f.Expected, Chart: f.Chart, Acknowledged: s.Acknowledged, Muted: a.mutedText(s)},
	}
	if m.Annotations == nil {
		m.Annotations = KV{}
	}
	if n := s.Now; n != nil {
		m.Value, m.Threshold, m.Expected = n.Value, n.Threshold, n.Expected
		if n.Chart != nil {
			m.Chart = n.Chart
		}
	}
	m.Flapping = s.flapped(a.options.Flapping)
	if over := s.over(); resolved && over != nil {
		m.Status, m.StartsAt, m.EndsAt, m.Reason = statusResolved, over.StartsAt, over.EndsAt, over.Reason
		if s.Resolved != nil && s.Resolved.Value != nil {
			m.Value = s.Resolved.Value
		}
		if s.Resolved != nil && s.Resolved.Chart != nil {
			m.Chart = s.Resolved.Chart
		}
	}
	m.Links = a.links(&m)
	return m
}

// view returns the alert as the page shows it; ok is false when there is nothing to show.
func (s *state) view() (v View, ok bool) {
	f := s.Pending
	switch {
	case s.Firing != nil && (s.fires() || s.Pending == nil):
		f = s.Firing
	case s.Pending == nil:
		return View{}, false
	}
	v = View{
		Fingerprint: s.Fingerprint, Name: f.Rule, Group: f.Group, State: string(f.State), Labels: f.Labels,
		Annotations: f.Annotations, Value: f.Value, Threshold: f.Threshold, Unit: f.Unit, Condition: f.Condition,
		Since: f.StartsAt, FirstRecord: f.FirstRecord, Samples: f.Samples, Offsets: f.Offsets, Explanation: f.Explanation, LastError: s.lastError,
	}
	if f == s.Pending {
		return v, true
	}
	if s.Now != nil {
		v.Value, v.Threshold = s.Now.Value, s.Now.Threshold
	}
	v.Received, v.Notified, v.Peak, v.Acknowledged, v.Noise = s.Received, s.Notified, s.Peak, s.Acknowledged, s.Noise
	v.SilencedBy, v.Updated = s.silencedBy, s.Updated
	v.Calm, v.Expires, v.GeneratorURL = s.Calm, f.Expires, f.GeneratorURL
	if r := s.Resolved; r != nil {
		over := s.over()
		v.State, v.Until, v.Reason = statusResolved, over.EndsAt, over.Reason
		if r.Value != nil {
			v.Value = r.Value
		}
	}
	return v, true
}
