package pipeline

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules"
)

// The answers of Prometheus's API about rules and alerts, as far as freshet has the same.
type (
	promAnswer struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}
	promError struct {
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Error     string `json:"error"`
	}
	// promEvaluation says up to which time of records all is judged, zero where that is not known. EvaluationTime, in seconds, is
	// 0: a rule is not evaluated at once, but with each record.
	promEvaluation struct {
		EvaluationTime float64   `json:"evaluationTime"`
		LastEvaluation time.Time `json:"lastEvaluation"`
	}
	promGroups struct {
		Groups []*promGroup `json:"groups"`
	}
	promGroup struct {
		Name     string  `json:"name"`
		File     string  `json:"file"`
		Interval float64 `json:"interval"`
		// Limit is 0, for none: max_groups is a rule's own.
		Limit int   `json:"limit"`
		Rules []any `json:"rules"`
		promEvaluation
	}
	promRule struct {
		Name          string            `json:"name"`
		Query         string            `json:"query"`
		Duration      float64           `json:"duration"`
		KeepFiringFor float64           `json:"keepFiringFor"`
		Labels        map[string]string `json:"labels"`
		Annotations   map[string]string `json:"annotations"`
		Alerts        []promAlert       `json:"alerts"`
		State         string            `json:"state"`
		Health        string            `json:"health"`
		Type          string            `json:"type"`
		promEvaluation
	}
	promRecord struct {
		Name   string            `json:"name"`
		Query  string            `json:"query"`
		Labels map[string]string `json:"labels"`
		Health string            `json:"health"`
		Type   string            `json:"type"`
		promEvaluation
	}
	promAlert struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		State       string            `json:"state"`
		ActiveAt    time.Time         `json:"activeAt"`
		Value       string            `json:"value"`
	}
)

// serveAlerts is Prometheus's /api/v1/alerts: those that are pending or firing.
func (p *Pipeline) serveAlerts(w http.ResponseWriter, _ *http.Request) {
	alerts := []promAlert{}
	for _, v := range p.alertViews() {
		if a, ok := newPromAlert(&v); ok {
			alerts = append(alerts, a)
		}
	}
	writeJSON(w, promAnswer{"success", map[string]any{"alerts": alerts}})
}

// serveRules is Prometheus's /api/v1/rules: the rules by group with their alerts.
func (p *Pipeline) serveRules(w http.ResponseWriter, r *http.Request) {
	f, err := newPromFilter(r.URL.Query())
	if err != nil {
		refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, promAnswer{"success", promGroups{f.groups(p.loaded.Load().rules.Rules, p.alertViews(), p.progress.judged())}})
}

// promFilter is what of the rules a request asks for, by the parameters of Prometheus.
type promFilter struct {
	kind                   string // alert, record, or "" for both
	names, groupsOf, files []string
	matchers               []labels.Matchers // one of them must match
	excludeAlerts          bool
}

func newPromFilter(q url.Values) (*promFilter, error) {
	f := &promFilter{kind: strings.ToLower(q.Get("type")), names: q["rule_name[]"], groupsOf: q["rule_group[]"], files: q["file[]"]}
	if f.kind != "" && f.kind != "alert" && f.kind != "record" {
		return nil, fmt.Errorf("invalid parameter \"type\": it is %q, expected alert or record", f.kind)
	}
	if text := q.Get("exclude_alerts"); text != "" {
		exclude, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return nil, fmt.Errorf("invalid parameter \"exclude_alerts\": it is %q, expected true or false", text)
		}
		f.excludeAlerts = exclude
	}
	for _, text := range q["match[]"] {
		ms, err := compat.Matchers(text, "api")
		if err != nil || len(ms) == 0 {
			return nil, fmt.Errorf("invalid parameter \"match[]\": %q is no selector of a rule's labels: expected {name=\"value\"}, or !=, =~, !~", text)
		}
		f.matchers = append(f.matchers, ms)
	}
	return f, nil
}

func (f *promFilter) takes(r *rules.Rule) bool {
	among := func(wanted []string, name string) bool { return len(wanted) == 0 || slices.Contains(wanted, name) }
	if f.kind != "" && r.Records != (f.kind == "record") || !among(f.names, r.Name) || !among(f.groupsOf, r.Group) || !among(f.files, r.File) {
		return false
	}
	own := texts(r.Labels)
	return len(f.matchers) == 0 || slices.ContainsFunc(f.matchers, func(ms labels.Matchers) bool {
		return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(own[m.Name]) })
	})
}

// groups are the groups with those of their rules that are asked for, all of which are judged up to a time.
func (f *promFilter) groups(all []*rules.Rule, views []alert.View, judged time.Time) []*promGroup {
	type name struct{ group, rule string }
	alerts := map[name][]promAlert{}
	for _, v := range views {
		if a, ok := newPromAlert(&v); ok {
			key := name{v.Group, v.Name}
			alerts[key] = append(alerts[key], a)
		}
	}
	groups := []*promGroup{}
	for _, r := range all {
		if !f.takes(r) {
			continue
		}
		i := slices.IndexFunc(groups, func(g *promGroup) bool { return g.Name == r.Group && g.File == r.File })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &promGroup{Name: r.Group, File: r.File, Interval: r.Interval.Seconds(), promEvaluation: promEvaluation{LastEvaluation: judged}})
		}
		rule := newPromRule(r, alerts[name{r.Group, r.Name}], judged)
		if full, ok := rule.(promRule); ok && f.excludeAlerts {
			full.Alerts = []promAlert{}
			rule = full
		}
		groups[i].Rules = append(groups[i].Rules, rule)
	}
	return groups
}

func texts(templates []rules.Template) map[string]string {
	out := map[string]string{}
	for _, t := range templates {
		out[t.Name] = t.Text
	}
	return out
}

// refuse answers with an error, in Prometheus's form where the path is its API's.
func refuse(w http.ResponseWriter, r *http.Request, code int, text string) {
	if !strings.HasPrefix(r.URL.Path, "/api/v1/") {
		http.Error(w, text, code)
		return
	}
	kind := "unavailable"
	if code == http.StatusBadRequest {
		kind = "bad_data"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(promError{"error", kind, text}) // an error means that the reader went away
}

func newPromRule(r *rules.Rule, alerts []promAlert, judged time.Time) any {
	evaluation := promEvaluation{LastEvaluation: judged}
	if r.Records {
		return promRecord{Name: r.Name, Query: r.When.Conditions[0].Source, Labels: texts(r.Labels), Health: "ok", Type: "recording", promEvaluation: evaluation}
	}
	state := "inactive"
	for _, a := range alerts {
		if a.State == string(finding.Firing) || state == "inactive" {
			state = a.State
		}
	}
	return promRule{Name: r.Name, Query: r.When.Conditions[0].Source, Duration: r.For.Seconds(), KeepFiringFor: r.KeepFiringFor.Seconds(),
		Labels: texts(r.Labels), Annotations: texts(r.Annotations), Alerts: append([]promAlert{}, alerts...), State: state,
		Health: "ok", Type: "alerting", promEvaluation: evaluation}
}

func newPromAlert(v *alert.View) (promAlert, bool) {
	if v.State != string(finding.Firing) && v.State != string(finding.Pending) {
		return promAlert{}, false
	}
	a := promAlert{Labels: v.Labels.Map(), Annotations: v.Annotations, State: v.State, ActiveAt: v.Since}
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	if v.Value != nil {
		a.Value = strconv.FormatFloat(*v.Value, 'e', -1, 64)
	}
	return a, true
}
