package apiv2_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/apiv2"
	"github.com/freshet-dev/freshet/detect/finding"
)

var epoch = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// service is an alerter with the API before it. Its clock stands still until a test moves it.
type service struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	now     time.Time
	alerter *alert.Alerter
}

func newService(t *testing.T) *service {
	t.Helper()
	c := &alert.Config{
		Receivers:    []alert.Receiver{{Name: "ops", WebhookConfigs: []alert.WebhookConfig{{URL: "http://127.0.0.1:1/s3cret"}}}, {Name: "db"}},
		Route:        &alert.RouteConfig{Receiver: "ops", Routes: []alert.RouteConfig{{Receiver: "db", Matchers: []string{"team=db"}}}},
		InhibitRules: []alert.InhibitRuleConfig{{SourceMatchers: []string{"severity=critical"}, TargetMatchers: []string{"severity=warning"}}},
	}
	d := alert.AlertmanagerDefaults()
	text, err := c.Alertmanager(d)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, now: epoch, alerter: alert.New(alert.Options{Route: c.RouteTree(d), Integrations: c.Integrations(d), Inhibitions: c.Inhibitions()})}
	s.Server = httptest.NewServer(apiv2.New(apiv2.Options{
		Alerts:   func() []alert.View { defer s.lock()(); return s.alerter.Alerts() },
		Groups:   func() []alert.GroupView { defer s.lock()(); return s.alerter.Groups() },
		Silences: func() []alert.SilenceView { defer s.lock()(); return s.alerter.Silences(s.now) },
		Setting: func() apiv2.Setting {
			return apiv2.Setting{Receivers: []string{"ops", "db"}, Config: text, ResolveTimeout: 5 * time.Minute}
		}, Version: "1.2.3", Started: epoch,
		Do: func(_ context.Context, c *alert.Command) error {
			defer s.lock()()
			_ = s.alerter.Command(c, s.now)
			s.alerter.Tick(s.now)
			return nil
		},
		Post: func(_ context.Context, fs []*finding.Finding) error {
			defer s.lock()()
			for _, f := range fs {
				s.alerter.Receive(f, s.now)
			}
			s.alerter.Tick(s.now)
			return nil
		},
		Now: func() time.Time { defer s.lock()(); return s.now },
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) lock() func() { s.mu.Lock(); return s.mu.Unlock }

// ask sends a request and returns the status and the body.
func (s *service) ask(method, path, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// get asks for something and decodes it.
func (s *service) get(path string, into any) {
	s.t.Helper()
	code, body := s.ask(http.MethodGet, path, "")
	if code != http.StatusOK {
		s.t.Fatalf("%s answered %d: %s", path, code, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		s.t.Fatalf("%s answered %s: %v", path, body, err)
	}
}

// names are the names of the alerts that a path gives.
func (s *service) names(path string) string {
	s.t.Helper()
	var alerts []struct{ Labels map[string]string }
	s.get(path, &alerts)
	var names []string
	for _, a := range alerts {
		names = append(names, a.Labels["alertname"])
	}
	return strings.Join(names, " ")
}

const three = `[{"labels":{"alertname":"A","severity":"critical","team":"db"},"annotations":{"summary":"a"},"generatorURL":"http://prometheus/graph"},
 {"labels":{"alertname":"B","severity":"warning"},"startsAt":"2026-03-01T09:00:00Z","endsAt":"2026-03-01T10:04:00Z"},
 {"labels":{"alertname":"C","severity":"info","empty":""}}]`

func TestAlerts(t *testing.T) {
	s := newService(t)
	if code, body := s.ask(http.MethodPost, "/api/v2/alerts", three); code != http.StatusOK {
		t.Fatalf("posting answered %d: %s", code, body)
	}
	for path, want := range map[string]int{
		"/api/v2/alerts": 3, "/api/v2/alerts?inhibited=false": 2, "/api/v2/alerts?active=false": 1,
		"/api/v2/alerts?receiver=db": 1, "/api/v2/alerts?receiver=d": 0, `/api/v2/alerts?filter=severity%3D~%22info|warning%22`: 2,
		`/api/v2/alerts?filter=team%3D%22%22&filter=alertname%3DB`: 1,
	} {
		if got := len(strings.Fields(s.names(path))); got != want {
			t.Errorf("%s gives %q, expected %d alerts", path, s.names(path), want)
		}
	}
	var alerts []struct {
		StartsAt, EndsAt, UpdatedAt time.Time
		Fingerprint, GeneratorURL   string
		Labels, Annotations         map[string]string
		Receivers                   []struct{ Name string }
		Status                      struct {
			State                            string
			SilencedBy, InhibitedBy, MutedBy []string
		}
	}
	s.get(`/api/v2/alerts?filter=alertname="A"`, &alerts)
	a := alerts[0]
	if a.GeneratorURL != "http://prometheus/graph" || a.Annotations["summary"] != "a" || a.Status.State != "active" || a.Receivers[0].Name != "db" ||
		!a.StartsAt.Equal(epoch) || !a.EndsAt.Equal(epoch.Add(5*time.Minute)) || a.Status.SilencedBy == nil || a.Status.InhibitedBy == nil {
		t.Errorf("A is %+v", a)
	}
	critical := a.Fingerprint
	s.get(`/api/v2/alerts?filter=alertname="B"`, &alerts)
	if b := alerts[0]; b.Status.State != "suppressed" || len(b.Status.InhibitedBy) != 1 || b.Status.InhibitedBy[0] != critical {
		t.Errorf("B is %+v, expected inhibited by %s", b, critical)
	}
	var groups []struct {
		Receiver struct{ Name string }
		Alerts   []any
	}
	s.get("/api/v2/alerts/groups", &groups)
	if len(groups) != 1 || groups[0].Receiver.Name != "ops" {
		t.Errorf("groups are %+v", groups)
	}
	if code, body := s.ask(http.MethodPost, "/api/v2/alerts", `[{"labels":{}},{"labels":{"alertname":"D"}}]`); code != http.StatusBadRequest || !strings.Contains(body, "alert 0: it has no labels") {
		t.Errorf("an alert without labels answers %d: %s", code, body)
	}
	if got := s.names(`/api/v2/alerts?filter=alertname="D"`); got != "D" {
		t.Error("the valid alert beside it is lost")
	}
}

// An alert that would not fit a record is refused by name; those beside it are taken.
func TestLargeAlert(t *testing.T) {
	s := newService(t)
	post := func(n int) (int, string) {
		return s.ask(http.MethodPost, "/api/v2/alerts", fmt.Sprintf(
			`[{"labels":{"alertname":"Small"}},{"labels":{"alertname":"Disk"},"annotations":{"summary":"s","log":%q}}]`, strings.Repeat("x", n)))
	}
	most := 65536 - len("alertname"+"Disk"+"summary"+"s"+"log")
	want := `alert 1: "Disk" has 65537 bytes of labels, annotations and generatorURL, expected at most 65536; annotation "log" takes the most, 65516`
	if code, body := post(most + 1); code != http.StatusBadRequest || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), want) {
		t.Errorf("an alert that is too large answers %d: %s", code, body)
	}
	if got := s.names("/api/v2/alerts"); got != "Small" {
		t.Errorf("%q were taken", got)
	}
	if code, body := post(most); code != http.StatusOK {
		t.Errorf("an alert of the largest size answers %d: %s", code, body)
	}
}

func TestSilences(t *testing.T) {
	s := newService(t)
	s.ask(http.MethodPost, "/api/v2/alerts", three)
	silence := func(fields string) string {
		return `{"matchers":[{"name":"alertname","value":"A|C","isRegex":true,"isEqual":true}],"startsAt":"2026-03-01T10:00:00Z",
			"endsAt":"2026-03-01T12:00:00Z","createdBy":"ada","comment":"why not"` + fields + `}`
	}
	code, body := s.ask(http.MethodPost, "/api/v2/silences", silence(""))
	var made struct{ SilenceID string }
	if err := json.Unmarshal([]byte(body), &made); code != http.StatusOK || err != nil || made.SilenceID == "" {
		t.Fatalf("adding answered %d: %s", code, body)
	}
	if got := s.names("/api/v2/alerts?silenced=false"); got != "B" {
		t.Errorf("%q are not silenced, expected B", got)
	}
	var one struct {
		ID, Comment string
		Status      struct{ State string }
		EndsAt      time.Time
		Matchers    []struct {
			Name, Value      string
			IsRegex, IsEqual bool
		}
		Annotations map[string]string
	}
	s.get("/api/v2/silence/"+made.SilenceID, &one)
	if one.Status.State != "active" || len(one.Matchers) != 1 || one.Matchers[0].Value != "A|C" || !one.Matchers[0].IsRegex || !one.Matchers[0].IsEqual {
		t.Errorf("the silence is %+v", one)
	}
	// A change keeps the ID.
	if _, body := s.ask(http.MethodPost, "/api/v2/silences", silence(`,"id":"`+made.SilenceID+`","annotations":{"freshet_schedule":"0 2 * * *","freshet_duration":"1h"}`)); !strings.Contains(body, made.SilenceID) {
		t.Errorf("changing answered %s", body)
	}
	s.get("/api/v2/silence/"+made.SilenceID, &one)
	if one.Status.State != "pending" || one.Annotations["freshet_schedule"] != "0 2 * * *" || one.Annotations["freshet_duration"] != "1h0m0s" {
		t.Errorf("the changed silence is %+v", one)
	}
	if code, _ := s.ask(http.MethodDelete, "/api/v2/silence/"+made.SilenceID, ""); code != http.StatusOK {
		t.Errorf("expiring answered %d", code)
	}
	var all []any
	s.get("/api/v2/silences?expired=false", &all)
	if len(all) != 0 {
		t.Errorf("after it was expired there are %v", all)
	}
	// One that is over begins anew under another ID.
	if _, body := s.ask(http.MethodPost, "/api/v2/silences", silence(`,"id":"`+made.SilenceID+`"`)); strings.Contains(body, made.SilenceID) {
		t.Errorf("a silence that was over goes on: %s", body)
	}
	for fields, want := range map[string]string{
		`{"matchers":[],"startsAt":"2026-03-01T10:00:00Z","endsAt":"2026-03-01T12:00:00Z","createdBy":"a","comment":"b"}`:                                                                                         "matchers are missing",
		`{"matchers":[{"name":"a","value":".*","isRegex":true}],"startsAt":"2026-03-01T10:00:00Z","endsAt":"2026-03-01T12:00:00Z","createdBy":"a","comment":"b"}`:                                                 "not every alert is silenced by mistake",
		`{"matchers":[{"name":"a","value":"[","isRegex":true}],"startsAt":"2026-03-01T10:00:00Z","endsAt":"2026-03-01T12:00:00Z","createdBy":"a","comment":"b"}`:                                                  "missing closing ]",
		`{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-03-01T08:00:00Z","endsAt":"2026-03-01T09:00:00Z","createdBy":"a","comment":"b"}`:                                                 "a time to come",
		`{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-03-01T08:00:00Z","endsAt":"2026-03-01T12:00:00Z","createdBy":"a"}`:                                                               "comment is missing",
		`{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-03-01T08:00:00Z","endsAt":"2026-03-01T12:00:00Z","comment":"b"}`:                                                                 "createdBy is missing",
		`{"matchers":[{"name":"a","value":"b"}],"startsAt":"2026-03-01T08:00:00Z","endsAt":"2026-03-01T12:00:00Z","createdBy":"a","comment":"b","annotations":{"freshet_schedule":"no","freshet_duration":"1h"}}`: "five cron fields",
		`[`: "not the JSON",
	} {
		if code, body := s.ask(http.MethodPost, "/api/v2/silences", fields); code != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s\nanswered %d: %s, expected 400 and %q", fields, code, body, want)
		}
	}
	// As in Alertmanager, texts may be empty: amtool sends none with require-comment: false.
	empty := strings.NewReplacer("ada", "", "why not", "").Replace(silence(""))
	if code, body := s.ask(http.MethodPost, "/api/v2/silences", empty); code != http.StatusOK {
		t.Errorf("a silence without a reason answered %d: %s", code, body)
	}
	if code, _ := s.ask(http.MethodDelete, "/api/v2/silence/nobody", ""); code != http.StatusNotFound {
		t.Errorf("expiring what is not there answered %d", code)
	}
}

func TestStatus(t *testing.T) {
	s := newService(t)
	var status struct {
		Config      struct{ Original string }
		VersionInfo struct{ Version string }
		Cluster     struct{ Status string }
	}
	s.get("/api/v2/status", &status)
	if status.VersionInfo.Version != "1.2.3" || status.Cluster.Status != "disabled" || !strings.Contains(status.Config.Original, `team="db"`) {
		t.Errorf("status is %+v", status)
	}
	if strings.Contains(status.Config.Original, "s3cret") {
		t.Error("the status shows a secret")
	}
	var receivers []struct{ Name string }
	s.get("/api/v2/receivers", &receivers)
	if len(receivers) != 2 || receivers[0].Name != "ops" {
		t.Errorf("receivers are %+v", receivers)
	}
	for path, want := range map[string]int{"/api/v2/alerts?filter=a%3D~%5B": 400, "/api/v2/alerts?receiver=(": 400, "/api/v2/alerts?active=maybe": 400, "/api/v2/nothing": 404} {
		if code, body := s.ask(http.MethodGet, path, ""); code != want || !strings.HasPrefix(body, `"`) {
			t.Errorf("%s answered %d: %s, expected %d and a JSON string", path, code, body, want)
		}
	}
}
