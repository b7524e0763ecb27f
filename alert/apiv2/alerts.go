package apiv2

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/common/model"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// assumedFor is how long an alert of freshet's own says that it goes on: until it is over, in truth.
const assumedFor = 5 * time.Minute

// largestAlert bounds the text of one posted alert, in bytes. Its state holds several copies, and has to fit one record of a topic with
// Kafka's default limit of 1 MiB.
const largestAlert = 64 << 10

func (a *api) alerts(w http.ResponseWriter, r *http.Request) {
	f, err := newFilter(r, "active", "silenced", "inhibited", "unprocessed")
	if err != nil {
		a.fail(w, http.StatusBadRequest, err)
		return
	}
	out := models.GettableAlerts{}
	for _, v := range a.Alerts() {
		if f.takes(&v) {
			out = append(out, a.gettable(&v, nil))
		}
	}
	slices.SortFunc(out, func(x, y *models.GettableAlert) int { return strings.Compare(*x.Fingerprint, *y.Fingerprint) })
	a.answer(w, out)
}

// takes says whether an alert fires and is asked for.
func (f *filter) takes(v *alert.View) bool {
	silenced, inhibited := len(v.SilencedBy) > 0, len(v.InhibitedBy) > 0
	switch {
	case v.State != string(finding.Firing),
		silenced && f.without["silenced"], inhibited && f.without["inhibited"],
		!silenced && !inhibited && f.without["active"]:
		return false
	}
	return f.received(v.Receivers) && f.matches(v.Labels.Get)
}

// gettable is an alert as the API gives it.
func (a *api) gettable(v *alert.View, mutedBy []string) *models.GettableAlert {
	fingerprint, state := v.Fingerprint.String(), models.AlertStatusStateActive
	starts, updated, ends := strfmt.DateTime(v.Since), strfmt.DateTime(v.Updated), strfmt.DateTime(a.Now().Add(assumedFor))
	if !v.Expires.IsZero() {
		ends = strfmt.DateTime(v.Expires)
	}
	inhibitors := make([]string, 0, len(v.InhibitedBy))
	for _, fp := range v.InhibitedBy {
		inhibitors = append(inhibitors, fp.String())
	}
	if len(v.SilencedBy)+len(inhibitors)+len(mutedBy) > 0 {
		state = models.AlertStatusStateSuppressed
	}
	receivers := make([]*models.ReceiverReference, 0, len(v.Receivers))
	for _, name := range v.Receivers {
		receivers = append(receivers, &models.ReceiverReference{Name: &name})
	}
	annotations := models.LabelSet{}
	maps.Copy(annotations, v.Annotations)
	return &models.GettableAlert{
		Alert:       models.Alert{Labels: v.Labels.Map(), GeneratorURL: strfmt.URI(v.GeneratorURL)},
		Annotations: annotations, StartsAt: &starts, EndsAt: &ends, UpdatedAt: &updated, Fingerprint: &fingerprint,
		Receivers: receivers, Status: &models.AlertStatus{State: &state, SilencedBy: append([]string{}, v.SilencedBy...),
			InhibitedBy: inhibitors, MutedBy: append([]string{}, mutedBy...)},
	}
}

func (a *api) groups(w http.ResponseWriter, r *http.Request) {
	f, err := newFilter(r, "active", "silenced", "inhibited", "muted")
	if err != nil {
		a.fail(w, http.StatusBadRequest, err)
		return
	}
	views := map[label.Fingerprint]alert.View{}
	for _, v := range a.Alerts() {
		views[v.Fingerprint] = v
	}
	out := models.AlertGroups{}
	for _, g := range a.Groups() {
		if f.without["muted"] && len(g.MutedBy) > 0 || !f.received([]string{g.Receiver}) {
			continue
		}
		group := &models.AlertGroup{Receiver: &models.ReceiverReference{Name: &g.Receiver}, Labels: g.Labels.Map(),
			RouteLabels: models.LabelSet(maps.Clone(g.RouteLabels))}
		if group.RouteLabels == nil {
			group.RouteLabels = models.LabelSet{}
		}
		for _, fp := range g.Alerts {
			if v, known := views[fp]; known && f.takes(&v) {
				group.Alerts = append(group.Alerts, a.gettable(&v, g.MutedBy))
			}
		}
		if len(group.Alerts) > 0 {
			out = append(out, group)
		}
	}
	a.answer(w, out)
}

// post takes alerts of others, those that are valid also when some are not.
func (a *api) post(w http.ResponseWriter, r *http.Request) {
	var posted models.PostableAlerts
	if !a.decode(w, r, &posted) {
		return
	}
	var findings []*finding.Finding
	var faults []error
	for i, p := range posted {
		f, err := a.posted(p, time.Duration(i))
		if err != nil {
			faults = append(faults, fmt.Errorf("alert %d: %w", i, err))
			continue
		}
		findings = append(findings, f)
	}
	if len(findings) > 0 {
		if err := a.Post(r.Context(), findings); err != nil {
			a.fail(w, http.StatusServiceUnavailable, fmt.Errorf("the alerts are not taken, post them again: %w", err))
			return
		}
	}
	if err := errors.Join(faults...); err != nil {
		a.fail(w, http.StatusBadRequest, err)
	}
}

// posted is the finding of a posted alert. The alerts of one request come later than each other by shift.
func (a *api) posted(p *models.PostableAlert, shift time.Duration) (*finding.Finding, error) {
	if p == nil {
		return nil, errors.New("expected an object, found null")
	}
	one := alert.Posted{Labels: map[string]string{}, Annotations: p.Annotations, StartsAt: time.Time(p.StartsAt),
		EndsAt: time.Time(p.EndsAt), GeneratorURL: string(p.GeneratorURL)}
	for name, value := range p.Labels {
		if value == "" {
			continue // as Prometheus has it, a label without a value is none
		}
		if !model.UTF8Validation.IsValidLabelName(name) || !model.LabelValue(value).IsValid() {
			return nil, fmt.Errorf("label %q: expected a name and a value in UTF-8", name)
		}
		one.Labels[name] = value
	}
	if err := fits(p); err != nil {
		return nil, err
	}
	switch {
	case len(one.Labels) == 0:
		return nil, errors.New("it has no labels")
	case !one.EndsAt.IsZero() && one.EndsAt.Before(one.StartsAt):
		return nil, errors.New("endsAt is before startsAt")
	}
	return one.Finding(a.Now().Add(shift), a.Setting().ResolveTimeout), nil
}

// fits says which alert is too large, by how much, and what takes the most of it.
func fits(p *models.PostableAlert) error {
	total, most, what := len(p.GeneratorURL), len(p.GeneratorURL), "generatorURL"
	for kind, set := range map[string]models.LabelSet{"label": p.Labels, "annotation": p.Annotations} {
		for name, value := range set {
			n := len(name) + len(value)
			total += n
			if by := fmt.Sprintf("%s %.64q", kind, name); n > most || n == most && by < what {
				most, what = n, by
			}
		}
	}
	if total <= largestAlert {
		return nil
	}
	return fmt.Errorf("%.256q has %d bytes of labels, annotations and generatorURL, expected at most %d; %s takes the most, %d",
		p.Labels[label.AlertName], total, largestAlert, what, most)
}
