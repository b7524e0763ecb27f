package pipeline

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

const promRules = `groups:
  - name: shop
    rules:
      - {alert: Errors, from: logs, when: count() > 1, labels: {team: shop, severity: critical}}
      - {alert: Slow, from: logs, when: count() > 2, labels: {team: shop}}
      - {record: requests, from: logs, value: count()}
  - name: disks
    rules: [{alert: Full, from: logs, when: count() > 1, labels: {team: infra}}]
`

// Requests ask for rules as they do of Prometheus.
func TestRulesOfPrometheusAPI(t *testing.T) {
	set, problems := rules.Parse("rules.yaml", []byte(promRules))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := &Pipeline{}
	p.loaded.Store(&loaded{rules: set})
	judged := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	p.progress.set(0, mark{watermark: judged.Add(time.Minute)}, judged)
	p.progress.set(1, mark{watermark: judged}, judged)
	p.progress.set(2, mark{}, judged)
	ask := func(query string) (int, string) {
		w := httptest.NewRecorder()
		p.serveRules(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/rules?"+query, nil))
		return w.Code, w.Body.String()
	}
	for query, want := range map[string]string{
		"":                                   "shop: Errors Slow requests; disks: Full",
		"type=alert":                         "shop: Errors Slow; disks: Full",
		"type=Record":                        "shop: requests",
		"rule_name[]=Slow&rule_name[]=Full":  "shop: Slow; disks: Full",
		"rule_group[]=disks":                 "disks: Full",
		"file[]=rules.yaml&rule_name[]=Slow": "shop: Slow",
		"file[]=other.yaml":                  "",
		"match[]=" + url.QueryEscape(`{team="infra"}`):                                                          "disks: Full",
		"match[]=" + url.QueryEscape(`{team="shop",severity!="critical"}`):                                      "shop: Slow",
		"match[]=" + url.QueryEscape(`{team=~"in.*"}`) + "&match[]=" + url.QueryEscape(`{severity="critical"}`): "shop: Errors; disks: Full",
	} {
		code, body := ask(query)
		var answer struct {
			Status string
			Data   struct {
				Groups []struct {
					Name                  string
					Limit, EvaluationTime *float64
					LastEvaluation        time.Time
					Rules                 []struct {
						Name           string
						EvaluationTime *float64
						LastEvaluation time.Time
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK || answer.Status != "success" || answer.Data.Groups == nil {
			t.Fatalf("%s: %v, %d: %s", query, err, code, body)
		}
		var got []string
		for _, g := range answer.Data.Groups {
			names := g.Name + ":"
			for _, r := range g.Rules {
				names += " " + r.Name
				if !r.LastEvaluation.Equal(judged) || r.EvaluationTime == nil {
					t.Errorf("%s: rule %+v", query, r)
				}
			}
			if got = append(got, names); !g.LastEvaluation.Equal(judged) || g.Limit == nil || g.EvaluationTime == nil {
				t.Errorf("%s: group %+v", query, g)
			}
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s gives %q, expected %q", query, text, want)
		}
	}
	for query, want := range map[string]string{
		"type=alerts":         `invalid parameter "type"`,
		"exclude_alerts=what": `invalid parameter "exclude_alerts"`,
		"match[]=%7B%7D":      `invalid parameter "match[]"`,
		"match[]=up%20up":     `invalid parameter "match[]"`,
	} {
		code, body := ask(query)
		var answer promError
		if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusBadRequest || answer.Status != "error" || answer.ErrorType != "bad_data" || !strings.HasPrefix(answer.Error, want) {
			t.Errorf("%s: %v, %d: %s", query, err, code, body)
		}
	}
}

func TestRulesWithoutTheirAlerts(t *testing.T) {
	set, problems := rules.Parse("rules.yaml", []byte(promRules))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	views := []alert.View{{Name: "Errors", Group: "shop", State: "firing", Labels: label.New(label.AlertName, "Errors")}}
	for query, alerts := range map[string]int{"": 1, "exclude_alerts=false": 1, "exclude_alerts=TRUE": 0} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newPromFilter(q)
		if err != nil {
			t.Fatal(err)
		}
		rule, ok := f.groups(set.Rules, views, time.Time{})[0].Rules[0].(promRule)
		if !ok || rule.State != "firing" || rule.Alerts == nil || len(rule.Alerts) != alerts {
			t.Errorf("%q gives %+v", query, rule)
		}
	}
}

// An instance that cannot answer says so in the form that the asking program reads.
func TestRefusals(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/rules":   `{"status":"error","errorType":"unavailable","error":"freshet is starting"}`,
		"/api/v2/alerts":  "freshet is starting",
		"/api/freshet/me": "freshet is starting",
	} {
		w := httptest.NewRecorder()
		refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil), http.StatusServiceUnavailable, "freshet is starting")
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusServiceUnavailable || got != want {
			t.Errorf("%s: %d %s", path, w.Code, got)
		}
	}
}
