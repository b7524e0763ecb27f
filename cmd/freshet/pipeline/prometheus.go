package pipeline

import (
	"net/http"
	"slices"
	"strconv"
	"time"

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
	promGroups struct {
		Groups []*promGroup `json:"groups"`
	}
	promGroup struct {
		Name     string  `json:"name"`
		File     string  `json:"file"`
		Interval float64 `json:"interval"`
		Rules    []any   `json:"rules"`
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
	}
	promRecord struct {
		Name   string            `json:"name"`
		Query  string            `json:"query"`
		Labels map[string]string `json:"labels"`
		Health string            `json:"health"`
		Type   string            `json:"type"`
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

// serveRules is Prometheus's /api/v1/rules: the rules by group with their alerts. type= chooses alert or record.
func (p *Pipeline) serveRules(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Query().Get("type")
	if kind != "" && kind != "alert" && kind != "record" {
		http.Error(w, "type is "+strconv.Quote(kind)+", expected alert or record", http.StatusBadRequest)
		return
	}
	alerts := map[string][]promAlert{}
	for _, v := range p.alertViews() {
		if a, ok := newPromAlert(&v); ok {
			key := v.Group + "\xff" + v.Name
			alerts[key] = append(alerts[key], a)
		}
	}
	groups := []*promGroup{}
	for _, rule := range p.loaded.Load().rules.Rules {
		if kind != "" && rule.Records != (kind == "record") {
			continue
		}
		i := slices.IndexFunc(groups, func(g *promGroup) bool { return g.Name == rule.Group && g.File == rule.File })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &promGroup{Name: rule.Group, File: rule.File, Interval: rule.Interval.Seconds(), Rules: []any{}})
		}
		groups[i].Rules = append(groups[i].Rules, newPromRule(rule, alerts[rule.Group+"\xff"+rule.Name]))
	}
	writeJSON(w, promAnswer{"success", promGroups{groups}})
}

func newPromRule(r *rules.Rule, alerts []promAlert) any {
	texts := func(templates []rules.Template) map[string]string {
		out := map[string]string{}
		for _, t := range templates {
			out[t.Name] = t.Text
		}
		return out
	}
	if r.Records {
		return promRecord{Name: r.Name, Query: r.When.Conditions[0].Source, Labels: texts(r.Labels), Health: "ok", Type: "recording"}
	}
	state := "inactive"
	for _, a := range alerts {
		if a.State == string(finding.Firing) || state == "inactive" {
			state = a.State
		}
	}
	return promRule{Name: r.Name, Query: r.When.Conditions[0].Source, Duration: r.For.Seconds(), KeepFiringFor: r.KeepFiringFor.Seconds(),
		Labels: texts(r.Labels), Annotations: texts(r.Annotations), Alerts: append([]promAlert{}, alerts...), State: state,
		Health: "ok", Type: "alerting"}
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
