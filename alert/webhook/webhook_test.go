package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/template"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
)

func notification() *alert.Notification {
	value, threshold := 1.24, 1.0
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	a := alert.Alert{
		Status: "firing", Labels: alert.KV{"alertname": "Slow", "service_name": "checkout", "severity": "critical"},
		Annotations: alert.KV{"summary": "checkout is slow"}, StartsAt: start, Fingerprint: "00000000000000aa",
		GeneratorURL: "http://freshet.example.org/?alert=00000000000000aa",
		Evidence: alert.Evidence{Value: &value, Threshold: &threshold, Unit: "s", Condition: "p99(duration) > 1", New: true,
			FirstRecord: start.Add(-time.Second),
			Samples:     []alert.Sample{{Topic: "otlp_spans", Partition: 1, Offset: 42, Time: start, Text: "GET /cart <2.1 s>", TraceID: "ab12"}},
			Offsets:     []finding.OffsetRange{{Topic: "otlp_spans", Partition: 1, First: 40, Last: 57}},
			Explanation: &finding.Explanation{
				Now: 64, Before: 120, Since: start.Add(-10 * time.Second), Against: finding.AgainstMatching, Traits: []finding.Trait{
					{Attribute: "service.version", Value: "1.4.2", Now: 59.0 / 64, Before: 4.0 / 120, NowCount: 59, BeforeCount: 4,
						Also: []finding.Attribute{{Name: "k8s.pod.name", Value: "payment-77f4"}}},
					{Attribute: "error.type", Value: "pool <exhausted>", Now: 0.5, Before: 0, NowCount: 32},
				}}},
	}
	b := a
	b.Status, b.EndsAt, b.Evidence = "resolved", start.Add(time.Minute), alert.Evidence{Reason: "no data"}
	b.Labels, b.Fingerprint = alert.KV{"alertname": "Slow", "service_name": "cart", "severity": "critical"}, "00000000000000bb"
	d := (alert.Data{ExternalURL: "http://freshet.example.org", NotificationReason: "new alerts added"}).Only(alert.Alerts{a, b})
	d.Receiver, d.GroupLabels = "ops", alert.KV{"alertname": "Slow"}
	return &alert.Notification{ID: "0123456789abcdef", GroupKey: `{}:{alertname="Slow"}`, Reason: alert.NewAlerts, Data: d}
}

// defaultBody is the body without templates.
func defaultBody(n *alert.Notification, maxAlerts int64) ([]byte, error) {
	return json.Marshal(newMessage(n, maxAlerts))
}

// alertmanagerMessage is the body as Alertmanager's own types read it.
type alertmanagerMessage struct {
	*template.Data
	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
}

// The body is Alertmanager's but for one key of each alert: read with Alertmanager's types and written again, it is the
// same without that key.
func TestBodyIsAlertmanagers(t *testing.T) {
	body, err := defaultBody(notification(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var m alertmanagerMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs map[string]any
	if json.Unmarshal(body, &ours) != nil || json.Unmarshal(again, &theirs) != nil {
		t.Fatal("not JSON")
	}
	alerts, _ := ours["alerts"].([]any)
	for _, a := range alerts {
		if a, ok := a.(map[string]any); ok {
			delete(a, "freshet")
		}
	}
	x, _ := json.MarshalIndent(ours, "", "  ")
	y, _ := json.MarshalIndent(theirs, "", "  ")
	if !bytes.Equal(x, y) {
		t.Errorf("the body is\n%s\nAlertmanager's is\n%s", x, y)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	const file = "testdata/body.golden.json"
	if os.Getenv("FRESHET_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("got\n%s\nexpected\n%s", pretty.Bytes(), want)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	n := notification()
	n.Data.Alerts[0].Samples[0].Text = "GET /cart?token=hunter2xyz 500"
	for _, most := range []int64{0, 1} {
		body, err := defaultBody(n, most)
		if err != nil || strings.Contains(string(body), "hunter2xyz") || !strings.Contains(string(body), "redacted") {
			t.Errorf("the body is %s, %v", body, err)
		}
	}
	if !strings.Contains(n.Data.Alerts[0].Samples[0].Text, "hunter2xyz") {
		t.Error("the notification itself was changed")
	}
}

func TestMaxAlerts(t *testing.T) {
	body, err := defaultBody(notification(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var m alertmanagerMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Alerts) != 1 || m.TruncatedAlerts != 1 || m.CommonLabels["service_name"] != "checkout" || m.Receiver != "ops" {
		t.Errorf("got %+v", m)
	}
}

func TestAuthentication(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config alert.HTTPConfig
		want   string
	}{
		"bearer":        {alert.HTTPConfig{BearerToken: "s3cret"}, "Bearer s3cret"},
		"bearer file":   {alert.HTTPConfig{BearerTokenFile: file}, "Bearer s3cret"},
		"authorization": {alert.HTTPConfig{Authorization: &alert.Authorization{Type: "ApiKey", CredentialsFile: file}}, "ApiKey s3cret"},
		"basic":         {alert.HTTPConfig{BasicAuth: &alert.BasicAuth{Username: "u", Password: "s3cret"}}, "Basic dTpzM2NyZXQ="},
		"basic file":    {alert.HTTPConfig{BasicAuth: &alert.BasicAuth{Username: "u", PasswordFile: file}}, "Basic dTpzM2NyZXQ="},
	} {
		t.Run(name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
			}))
			defer server.Close()
			n, err := New(alert.WebhookConfig{URL: alert.Secret(server.URL + "/hook?key=k"), HTTPConfig: &tc.config})
			if err != nil {
				t.Fatal(err)
			}
			if o, err := n.Notify(t.Context(), notification()); err != nil || o != (alert.Outcome{}) {
				t.Fatalf("got %+v, %v", o, err)
			}
			if h := got.Header.Get("Authorization"); h != tc.want {
				t.Errorf("Authorization is %q, expected %q", h, tc.want)
			}
			if got.Method != http.MethodPost || got.URL.RequestURI() != "/hook?key=k" || got.Header.Get("Content-Type") != "application/json" ||
				got.Header.Get("Idempotency-Key") != "0123456789abcdef" || got.Header.Get("User-Agent") != "freshet" {
				t.Errorf("the request is %s %s %v", got.Method, got.URL, got.Header)
			}
			if !json.Valid(body) {
				t.Errorf("the body is %q", body)
			}
		})
	}
}

func TestAddressInAFileThatChanges(t *testing.T) {
	hits := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hits[r.URL.Path]++ }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "url")
	if _, err := New(alert.WebhookConfig{URLFile: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("a missing file gives %v", err)
	}
	var n *Notifier
	for _, path := range []string{"/a", "/b"} {
		err := os.WriteFile(file, []byte(server.URL+path+"\n"), 0o600)
		if n == nil && err == nil {
			n, err = New(alert.WebhookConfig{URLFile: file})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Notify(t.Context(), notification()); err != nil {
			t.Fatal(err)
		}
	}
	if hits["/a"] != 1 || hits["/b"] != 1 {
		t.Errorf("hits are %v", hits)
	}
}

func TestFaults(t *testing.T) {
	const secret = "tok-3n-s3cret"
	for name, tc := range map[string]struct {
		status    int
		header    http.Header
		body      string
		permanent bool
		rest      time.Duration
		text      string
	}{
		"unavailable":       {status: 503, header: http.Header{"Retry-After": {"7"}}, rest: 7 * time.Second, text: "503 Service Unavailable"},
		"too many":          {status: 429, header: http.Header{"Retry-After": {"1"}}, rest: time.Second, text: "429 Too Many Requests"},
		"rests for an hour": {status: 429, header: http.Header{"Retry-After": {"864000"}}, rest: time.Hour, text: "429"},
		"bad retry-after":   {status: 500, header: http.Header{"Retry-After": {"soon"}}, text: "500"},
		"timeout":           {status: 408, text: "408"},
		"refused": {status: 400, body: "no such key " + secret + " at /hook?key=qu3ry\x1b[31m", permanent: true,
			text: "400 Bad Request: no such key <secret> at <secret>·[31m"},
		"long answer":  {status: 404, body: strings.Repeat("x", 100000), permanent: true, text: strings.Repeat("x", 199) + "…"},
		"redirected":   {status: 302, header: http.Header{"Location": {"/elsewhere"}}, permanent: true, text: "redirects are not followed"},
		"unauthorized": {status: 401, permanent: true, text: "401"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("the redirect was followed")
				}
				maps.Copy(w.Header(), tc.header)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer server.Close()
			n, err := New(alert.WebhookConfig{URL: alert.Secret(server.URL + "/hook?key=qu3ry"), HTTPConfig: &alert.HTTPConfig{BearerToken: secret}})
			if err != nil {
				t.Fatal(err)
			}
			o, err := n.Notify(t.Context(), notification())
			if err == nil || o.Permanent != tc.permanent || o.RetryAfter != tc.rest {
				t.Fatalf("got %+v, %v", o, err)
			}
			if !strings.Contains(err.Error(), tc.text) || len(err.Error()) > 400 || strings.Contains(err.Error(), "qu3ry") || strings.Contains(err.Error(), secret) {
				t.Errorf("the error is %q, expected %q in it and no secret", err, tc.text)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := strings.Replace(server.URL, "http://", "http://user:p4ss@", 1) + "/s3cret?key=qu3ry"
	server.Close()
	n, err := New(alert.WebhookConfig{URL: alert.Secret(address)})
	if err != nil {
		t.Fatal(err)
	}
	o, err := n.Notify(t.Context(), notification())
	if err == nil || o.Permanent || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("got %+v, %v", o, err)
	}
	for _, s := range []string{"p4ss", "s3cret", "qu3ry"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("the error shows %s: %v", s, err)
		}
	}
}

func TestSlowReceiver(t *testing.T) {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}))
	defer server.Close()
	defer close(done)
	n, err := New(alert.WebhookConfig{URL: alert.Secret(server.URL), Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	o, err := n.Notify(context.WithoutCancel(t.Context()), notification())
	if err == nil || o.Permanent || !strings.Contains(err.Error(), "deadline") {
		t.Fatalf("got %+v, %v", o, err)
	}
}
