package apiv2

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/google/uuid"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/alert"
)

// The annotations of a silence that hold what Alertmanager's silences do not have.
const (
	scheduleAnnotation = "freshet_schedule"
	durationAnnotation = "freshet_duration"
	locationAnnotation = "freshet_location"
)

func (a *api) silences(w http.ResponseWriter, r *http.Request) {
	f, err := newFilter(r, "active", "pending", "expired")
	if err != nil {
		a.fail(w, http.StatusBadRequest, err)
		return
	}
	out := models.GettableSilences{}
	for _, s := range a.Silences() {
		if f.without[s.State] || !f.named(&s.Silence) {
			continue
		}
		out = append(out, gettableSilence(&s))
	}
	order := map[string]int{models.SilenceStatusStateActive: 0, models.SilenceStatusStatePending: 1, models.SilenceStatusStateExpired: 2}
	slices.SortStableFunc(out, func(x, y *models.GettableSilence) int {
		sign := 1
		if *x.Status.State == models.SilenceStatusStateExpired {
			sign = -1
		}
		return cmp.Or(cmp.Compare(order[*x.Status.State], order[*y.Status.State]),
			sign*time.Time(*x.EndsAt).Compare(time.Time(*y.EndsAt)), strings.Compare(*x.ID, *y.ID))
	})
	a.answer(w, out)
}

// named says whether the matchers of a silence that ask for one value have those that the filter asks for.
func (f *filter) named(s *alert.Silence) bool {
	values := map[string]string{}
	for _, m := range s.Parsed() {
		values[m.Name] = m.Value
	}
	return f.matches(func(name string) string { return values[name] })
}

func (a *api) silence(w http.ResponseWriter, r *http.Request) {
	if s := a.find(r.PathValue("id")); s != nil {
		a.answer(w, gettableSilence(s))
		return
	}
	a.unknown(w, r.PathValue("id"))
}

func (a *api) unknown(w http.ResponseWriter, id string) {
	a.fail(w, http.StatusNotFound, fmt.Errorf("there is no silence %s: silences are forgotten five days after their end", id))
}

func (a *api) find(id string) *alert.SilenceView {
	for _, s := range a.Silences() {
		if s.ID == id {
			return &s
		}
	}
	return nil
}

// addSilence adds a silence, or changes the one whose ID is given. One that is over begins anew under another ID. Where
// nobody knows the silences, the ID is taken as it is.
func (a *api) addSilence(w http.ResponseWriter, r *http.Request) {
	var p models.PostableSilence
	if !a.decode(w, r, &p) {
		return
	}
	now := a.Now()
	s, err := a.newSilence(&p, now)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err)
		return
	}
	switch old := a.find(p.ID); {
	case p.ID == "":
	case old == nil && a.Silences() != nil:
		a.unknown(w, p.ID)
		return
	case old == nil || old.State != models.SilenceStatusStateExpired:
		s.ID = p.ID
	}
	err = a.Do(r.Context(), &alert.Command{ID: uuid.NewString(), Kind: alert.AddSilence, At: now, By: s.CreatedBy, Silence: s})
	if errors.Is(err, alert.ErrTooManySilences) {
		a.fail(w, http.StatusBadRequest, err) // as Alertmanager answers what it cannot take
		return
	}
	if err != nil {
		a.fail(w, http.StatusServiceUnavailable, fmt.Errorf("the silence is not kept, add it again: %w", err))
		return
	}
	a.answer(w, map[string]string{"silenceID": s.ID})
}

func (a *api) newSilence(p *models.PostableSilence, now time.Time) (*alert.Silence, error) {
	switch {
	case p.StartsAt == nil || p.EndsAt == nil:
		return nil, errors.New("startsAt and endsAt are missing")
	case p.CreatedBy == nil:
		return nil, errors.New("createdBy is missing: who silences")
	case p.Comment == nil:
		return nil, errors.New("comment is missing: why")
	}
	s := &alert.Silence{ID: uuid.NewString(), StartsAt: time.Time(*p.StartsAt), EndsAt: time.Time(*p.EndsAt), UpdatedAt: now,
		CreatedBy: *p.CreatedBy, Comment: *p.Comment, Schedule: p.Annotations[scheduleAnnotation], Location: p.Annotations[locationAnnotation]}
	if s.StartsAt.Before(now) && p.ID == "" {
		s.StartsAt = now
	}
	if text := p.Annotations[durationAnnotation]; text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("annotation %s: expected a duration such as 2h: %w", durationAnnotation, err)
		}
		s.Duration = d
	}
	for _, m := range p.Matchers {
		text, err := matcher(m)
		if err != nil {
			return nil, err
		}
		s.Matchers = append(s.Matchers, text)
	}
	if s.EndsAt.Before(now) {
		return nil, errors.New("endsAt: expected a time to come")
	}
	if err := s.Validate(); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	return s, nil
}

func matcher(m *models.Matcher) (string, error) {
	if m == nil || m.Name == nil || m.Value == nil {
		return "", errors.New("a matcher has no name or no value")
	}
	regex, equal := m.IsRegex != nil && *m.IsRegex, m.IsEqual == nil || *m.IsEqual
	kind := map[[2]bool]labels.MatchType{{false, true}: labels.MatchEqual, {false, false}: labels.MatchNotEqual,
		{true, true}: labels.MatchRegexp, {true, false}: labels.MatchNotRegexp}[[2]bool{regex, equal}]
	parsed, err := labels.NewMatcher(kind, *m.Name, *m.Value)
	if err != nil {
		return "", fmt.Errorf("matcher of %s: %w", *m.Name, err)
	}
	return parsed.String(), nil
}

func (a *api) expireSilence(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s := a.find(id)
	if s == nil {
		a.unknown(w, id)
		return
	}
	if s.State == models.SilenceStatusStateExpired {
		return
	}
	err := a.Do(r.Context(), &alert.Command{ID: uuid.NewString(), Kind: alert.ExpireSilence, At: a.Now(), SilenceID: id})
	if err != nil {
		a.fail(w, http.StatusServiceUnavailable, fmt.Errorf("the silence is not expired, try again: %w", err))
	}
}

func gettableSilence(s *alert.SilenceView) *models.GettableSilence {
	starts, ends, updated := strfmt.DateTime(s.StartsAt), strfmt.DateTime(s.EndsAt), strfmt.DateTime(s.UpdatedAt)
	out := &models.GettableSilence{ID: &s.ID, UpdatedAt: &updated, Status: &models.SilenceStatus{State: &s.State},
		Silence: models.Silence{StartsAt: &starts, EndsAt: &ends, CreatedBy: &s.CreatedBy, Comment: &s.Comment}}
	out.Annotations = models.LabelSet{}
	if s.Schedule != "" {
		out.Annotations[scheduleAnnotation], out.Annotations[durationAnnotation] = s.Schedule, s.Duration.String()
		if s.Location != "" {
			out.Annotations[locationAnnotation] = s.Location
		}
	}
	for _, m := range s.Parsed() {
		regex := m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp
		equal := m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
		out.Matchers = append(out.Matchers, &models.Matcher{Name: &m.Name, Value: &m.Value, IsRegex: &regex, IsEqual: &equal})
	}
	return out
}

// Recurring returns the annotations of a silence that mutes only at the times of a cron expression, each time so long.
func Recurring(schedule string, each time.Duration, location string) models.LabelSet {
	out := models.LabelSet{scheduleAnnotation: schedule, durationAnnotation: each.String()}
	if location != "" {
		out[locationAnnotation] = location
	}
	return out
}

// RecurrenceText says at which times a silence with these annotations mutes, "" when all the time.
func RecurrenceText(annotations models.LabelSet) string {
	schedule := annotations[scheduleAnnotation]
	if schedule == "" {
		return ""
	}
	return fmt.Sprintf("at %s for %s, %s", schedule, annotations[durationAnnotation], cmp.Or(annotations[locationAnnotation], "UTC"))
}
