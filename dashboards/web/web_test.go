package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

const hostile = `<script>alert(1)</script>"'` + "\u2028"

func hostileAlert() Alert {
	return FromFinding(&finding.Finding{
		Rule: hostile, State: finding.Firing, StartsAt: start,
		Labels:      label.New("service_name", hostile, "severity", hostile),
		Annotations: map[string]string{"summary": hostile, "description": hostile, "runbook_url": "javascript:alert(1)"},
		Samples:     []finding.Sample{{Topic: "t", Time: start, Text: hostile, TraceID: hostile}},
	})
}

// get asks the handler and returns the answer and its body.
func get(t *testing.T, h http.Handler, target string) (*http.Response, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	answer := recorder.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestEveryAnswerForbidsScriptsOfOthers(t *testing.T) {
	page := New(Options{})
	for _, target := range []string{"/", "/static/app.js", "/api/freshet/alerts", "/api/freshet/series", "/api/freshet/status", "/nothing"} {
		answer, _ := get(t, page, target)
		policy := answer.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", target, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy %q allows something unsafe", target, policy)
		}
		if got := answer.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options is %q, expected nosniff", target, got)
		}
	}
}

// The page must work under its own policy: nothing inline, nothing from elsewhere, and every file it names is there.
func TestPageAsksNobodyElse(t *testing.T) {
	page := New(Options{})
	_, index := get(t, page, "/")
	for _, forbidden := range []string{"<style", " style=", " onclick", " onload", "//"} {
		if strings.Contains(index, forbidden) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	if regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(index) {
		t.Error("the page contains an inline script")
	}
	named := regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(index, -1)
	imported := regexp.MustCompile(`from '\./([^']+)'`)
	addresses := regexp.MustCompile(`https?://[^'"\s]+`)
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := static.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range imported.FindAllStringSubmatch(string(content), -1) {
			named = append(named, []string{"", "static/" + m[1]})
		}
		for _, address := range addresses.FindAllString(string(content), -1) {
			if address != "http://www.w3.org/2000/svg" {
				t.Errorf("%s names the address %s", name, address)
			}
		}
		if strings.Contains(string(content), "innerHTML") {
			t.Errorf("%s makes elements from text", name)
		}
	}
	if len(named) < 8 {
		t.Fatalf("only %d files are named by the page, the test reads it wrongly", len(named))
	}
	for _, m := range named {
		if answer, _ := get(t, page, "/"+m[1]); answer.StatusCode != http.StatusOK {
			t.Errorf("%s is named but answers %s", m[1], answer.Status)
		}
	}
}

func TestStaticFilesAreRevalidated(t *testing.T) {
	page := New(Options{})
	answer, _ := get(t, page, "/static/app.js")
	if got := answer.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("content type is %q", got)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/static/app.js", nil)
	request.Header.Set("If-None-Match", answer.Header.Get("ETag"))
	recorder := httptest.NewRecorder()
	page.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusNotModified {
		t.Errorf("a known file answers %d, expected 304", recorder.Code)
	}
	for _, missing := range []string{"/static/web.go", "/static/..%2fweb.go", "/other", "/static/"} {
		if answer, _ := get(t, page, missing); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s, expected 404", missing, answer.Status)
		}
	}
	recorder = httptest.NewRecorder()
	page.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d, expected 405", recorder.Code)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	page := New(Options{
		Alerts: func() []Alert { return []Alert{hostileAlert()} },
		Silences: func() []Silence {
			return []Silence{{ID: hostile, State: "active", Matchers: []string{hostile}, By: hostile, Comment: hostile, Schedule: hostile}}
		},
		Series: func(time.Time) []Series {
			return []Series{{Rule: hostile, Group: hostile, Labels: label.New("a", hostile)}}
		},
		Status: func() Status { return Status{Message: hostile, Version: hostile} },
	})
	for _, what := range []string{"alerts", "overview", "overview?filter=script", "alerts/0000000000000000", "silences", "series", "status"} {
		answer, body := get(t, page, "/api/freshet/"+what)
		if got := answer.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("%s: content type is %q", what, got)
		}
		if strings.ContainsAny(body, "<>&\u2028") {
			t.Errorf("%s: the answer contains markup: %s", what, body)
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("%s: no JSON: %s", what, body)
		}
	}
	_, body := get(t, page, "/api/freshet/alerts")
	var alerts []Alert
	if err := json.Unmarshal([]byte(body), &alerts); err != nil {
		t.Fatal(err)
	}
	if alerts[0].Summary != hostile || alerts[0].Labels.Get("service_name") != hostile || alerts[0].Samples[0].Text != hostile {
		t.Errorf("texts did not come through as they are: %+v", alerts[0])
	}
}

func TestAlertsAreInTheOrderOfThePage(t *testing.T) {
	given := []Alert{
		{Rule: "ended first", State: finding.Resolved, StartsAt: start, EndsAt: start.Add(time.Minute)},
		{Rule: "firing info", State: finding.Firing, Severity: "info", StartsAt: start.Add(time.Hour)},
		{Rule: "pending critical", State: finding.Pending, Severity: "critical", StartsAt: start},
		{Rule: "firing critical", State: finding.Firing, Severity: "critical", StartsAt: start},
		{Rule: "firing critical, newer", State: finding.Firing, Severity: "critical", StartsAt: start.Add(time.Minute)},
		{Rule: "firing critical, acknowledged", State: finding.Firing, Severity: "critical", StartsAt: start, Acknowledged: &Acknowledgement{}},
		{Rule: "firing page", State: finding.Firing, Severity: "page", StartsAt: start},
		{Rule: "firing warning", State: finding.Firing, Severity: "warning", StartsAt: start},
		{Rule: "ended last", State: finding.Resolved, Severity: "info", StartsAt: start, EndsAt: start.Add(time.Hour)},
	}
	first := given[0].Rule
	page := New(Options{Alerts: func() []Alert { return given }})
	var names []string
	for _, a := range page.alerts() {
		names = append(names, a.Rule)
	}
	want := []string{
		"firing critical, newer", "firing critical", "firing warning", "firing page", "firing info",
		"firing critical, acknowledged",
		"pending critical", "ended last", "ended first",
	}
	if !slices.Equal(names, want) {
		t.Errorf("order is %q,\nexpected %q", names, want)
	}
	if given[0].Rule != first {
		t.Error("the caller's slice was sorted")
	}
}

func TestSilencesAreInTheOrderOfThePage(t *testing.T) {
	given := []Silence{
		{ID: "ended first", State: "expired", EndsAt: start},
		{ID: "later", State: "pending", EndsAt: start.Add(time.Hour)},
		{ID: "active long", State: "active", EndsAt: start.Add(2 * time.Hour)},
		{ID: "ended last", State: "expired", EndsAt: start.Add(time.Minute)},
		{ID: "active", State: "active", EndsAt: start.Add(time.Hour), Each: 90 * time.Minute},
	}
	page := New(Options{Silences: func() []Silence { return given }})
	var ids []string
	for _, s := range page.silences() {
		ids = append(ids, s.ID)
	}
	if want := []string{"active", "active long", "later", "ended last", "ended first"}; !slices.Equal(ids, want) {
		t.Errorf("order is %q, expected %q", ids, want)
	}
	if _, body := get(t, page, "/api/freshet/silences"); !strings.Contains(body, `"each_seconds":5400`) || !strings.Contains(body, `"matchers":[]`) {
		t.Errorf("silences are %s", body)
	}
}

func TestJSONOfNumbersThatJSONLacks(t *testing.T) {
	for point, want := range map[Point]string{
		{time.Unix(1700000000, 5e8), 12.5, 100, true, nil}:                     `[1700000000,12.5,100,1]`,
		{time.Unix(1700000000, 0), math.NaN(), math.Inf(1), false, nil}:        `[1700000000,null,null,0]`,
		{time.Unix(1700000000, 0), 1234567890, -0.000001234, false, nil}:       `[1700000000,1.23457e+09,-1.234e-06,0]`,
		{time.Unix(1700000000, 0), 1, 2, true, &Band{Lower: 0.5, Upper: 1.25}}: `[1700000000,1,2,1,0.5,1.25]`,
		{time.Unix(1700000000, 0), 1, 2, false, &Band{0, math.NaN()}}:          `[1700000000,1,2,0,0,null]`,
	} {
		got, err := json.Marshal(point)
		if err != nil || string(got) != want {
			t.Errorf("%v is %s (%v), expected %s", point, got, err, want)
		}
	}
	now := time.UnixMilli(1700000000123)
	page := New(Options{
		Status: func() Status { return Status{RecordsPerSecond: math.NaN(), WatermarkDelay: -1, Rules: 2} },
		Now:    func() time.Time { return now },
	})
	_, body := get(t, page, "/api/freshet/status")
	want := `{"state":"starting","records_per_second":0,"bytes_per_second":0,"watermark_delay_seconds":null,"rules":2,"groups":0,"now_ms":1700000000123}`
	if body != want {
		t.Errorf("status is\n%s, expected\n%s", body, want)
	}
	page = New(Options{
		Status: func() Status {
			return Status{State: Healthy, RulesProblem: "rules.yaml:3:7: error", RulesProblemSince: now.Add(-time.Second),
				ConfigProblem: "freshet.yaml:1:1: error", ConfigProblemSince: now.Add(-time.Second)}
		},
	})
	if _, body := get(t, page, "/api/freshet/status"); !strings.Contains(body, `"rules_problem":{"text":"rules.yaml:3:7: error","since_ms":1699999999123},`+
		`"config_problem":{"text":"freshet.yaml:1:1: error","since_ms":1699999999123}`) {
		t.Errorf("status does not tell of the rule files: %s", body)
	}
	if answer, body := get(t, page, "/api/freshet/series?since=yesterday"); answer.StatusCode != http.StatusBadRequest || !strings.Contains(body, "yesterday") {
		t.Errorf("a bad since answers %s %q", answer.Status, body)
	}
	if _, body := get(t, page, "/api/freshet/alerts"); body != "[]" {
		t.Errorf("no alerts are %s, expected []", body)
	}
}

// stream reads the events of one open page.
type stream struct {
	t      *testing.T
	lines  *bufio.Scanner
	answer *http.Response
}

// open starts to follow a server.
func open(t *testing.T, url string) *stream {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/freshet/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{t, lines, answer}
}

// event is what a page gets.
type event struct {
	name   string
	Status struct {
		RecordsPerSecond float64 `json:"records_per_second"`
	}
	// nil when they are as they were
	Overview *overview
	Silences *[]struct{ ID string }

	Series []struct {
		Rule, Group string
		Points      [][4]float64
	}
}

// next returns the next event, false at the end of the stream.
func (s *stream) next() (event, bool) {
	s.t.Helper()
	var e event
	for s.lines.Scan() {
		line := s.lines.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			e.name = name
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				s.t.Fatalf("bad data %q: %v", data, err)
			}
		}
		if line == "" {
			return e, true
		}
	}
	return e, false
}

func TestStreamGivesWhatChanged(t *testing.T) {
	charts := NewCharts(ChartsOptions{})
	alerts := make(chan []Alert, 1)
	alerts <- []Alert{hostileAlert()}
	silences := make(chan []Silence, 1)
	silences <- []Silence{{ID: "one"}}
	page := New(Options{
		Silences: func() []Silence { s := <-silences; silences <- s; return s },
		Alerts:   func() []Alert { a := <-alerts; alerts <- a; return a },
		Series:   charts.Series,
		Status:   func() Status { return Status{State: Healthy, RecordsPerSecond: 7} },
		Interval: time.Millisecond,
	})
	server := httptest.NewServer(page)
	defer server.Close()
	defer page.Close()
	for i := range 3 {
		observe(charts, "r", "first", start.Add(time.Duration(i)*5*time.Second), float64(i))
	}

	s := open(t, server.URL)
	if got := s.answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type is %q", got)
	}
	e, _ := s.next()
	if e.name != "all" || e.Status.RecordsPerSecond != 7 || len(e.Overview.Alerts) != 1 || e.Overview.Alerts[0].Summary != hostile {
		t.Errorf("the first event is %+v, expected everything", e)
	}
	if len(*e.Silences) != 1 || (*e.Silences)[0].ID != "one" {
		t.Errorf("the first event has the silences %v", e.Silences)
	}
	if len(e.Series) != 1 || len(e.Series[0].Points) != 3 {
		t.Errorf("the first event has the series %v, expected one of three points", e.Series)
	}
	e, _ = s.next()
	if e.name != "update" || e.Overview != nil || e.Silences != nil {
		t.Errorf("the second event is %+v, expected that alerts and silences are as they were", e)
	}
	if len(e.Series) != 1 || len(e.Series[0].Points) != 1 || e.Series[0].Points[0][1] != 2 {
		t.Errorf("the second event has the series %v, expected the last point again", e.Series)
	}

	// A group that appears later is given with its whole past.
	observe(charts, "r", "second", start, 8)
	observe(charts, "r", "second", start.Add(10*time.Second), 9)
	for len(e.Series) < 2 {
		e, _ = s.next()
	}
	if len(e.Series[1].Points) != 2 || len(e.Series[0].Points) != 1 {
		t.Errorf("series are %v, expected one new point of the first and both of the second", e.Series)
	}

	<-alerts
	alerts <- nil
	for e.Overview == nil {
		e, _ = s.next()
	}
	if len(e.Overview.Alerts) != 0 {
		t.Errorf("alerts are %v, expected none any more", e.Overview.Alerts)
	}
	<-silences
	silences <- nil
	for e.Silences == nil {
		e, _ = s.next()
	}
	if len(*e.Silences) != 0 || e.Overview != nil {
		t.Errorf("the event is %+v, expected only that no silences are left", e)
	}
}

func TestStreamEndsWithThePageAndIsBounded(t *testing.T) {
	page := New(Options{Interval: time.Millisecond, Streams: 1})
	server := httptest.NewServer(page)
	defer server.Close()
	first := open(t, server.URL)
	first.next()
	if second := open(t, server.URL); second.answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one page too many answers %s, expected 503", second.answer.Status)
	}

	server.Config.RegisterOnShutdown(page.Close)
	if err := server.Config.Shutdown(t.Context()); err != nil {
		t.Errorf("shutting down with an open page: %v", err)
	}
	for {
		if _, more := first.next(); !more {
			break
		}
	}
	page.Close() // a second time does no harm
}

// A reader that goes away frees its place.
func TestStreamFreesItsPlace(t *testing.T) {
	page := New(Options{Interval: time.Millisecond, Streams: 1})
	served := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.ServeHTTP(w, r)
		served <- struct{}{}
	}))
	defer server.Close()
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/freshet/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("the stream answers %s", answer.Status)
		}
		answer.Body.Close()
		cancel()
		<-served
	}
}
