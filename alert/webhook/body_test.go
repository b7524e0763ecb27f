package webhook

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
)

func TestBodies(t *testing.T) {
	dir := t.TempDir()
	templates := filepath.Join(dir, "own.tmpl")
	if err := os.WriteFile(templates, []byte(`{{ define "who" }}{{ .CommonLabels.severity | toUpper }}{{ end }}`), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("fr0m-f1le\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config      alert.WebhookConfig
		body, ctype string
	}{
		"json": {config: alert.WebhookConfig{Body: `{"text": {{ .CommonAnnotations.summary | toJson }}, "n": {{ len .Alerts }}}`},
			body: `{"text": "checkout is slow", "n": 2}`},
		"quotes": {config: alert.WebhookConfig{Body: `{{ (index .Alerts 0).Samples | toJson }}`, MaxAlerts: 1},
			body: `[{"topic":"otlp_spans","partition":1,"offset":42,"index":0,"time":"2026-03-01T10:00:00Z","text":"GET /cart \u003c2.1 s\u003e","trace_id":"ab12"}]`},
		"text": {config: alert.WebhookConfig{Body: `{{ .Status }} {{ template "who" . }} {{ .GroupKey }} {{ .TruncatedAlerts }}`,
			ContentType: "text/plain; charset=utf-8", MaxAlerts: 1},
			body: `firing CRITICAL {}:{alertname="Slow"} 1`, ctype: "text/plain; charset=utf-8"},
		"identity": {config: alert.WebhookConfig{Body: `{"id": {{ .ID | toJson }}, "group": {{ .Group | toJson }}, "attempt": {{ .Attempt }}}`},
			body: `{"id": "0123456789abcdef", "group": "g-1", "attempt": 2}`},
		"secrets": {config: alert.WebhookConfig{Body: `{"a": {{ .Secret "a" | toJson }}, "b": {{ .Secret "b" | toJson }}}`,
			Secrets: map[string]alert.Secret{"a": "1nline"}, SecretFiles: map[string]*string{"b": &file}},
			body: `{"a": "1nline", "b": "fr0m-f1le"}`},
		"payload": {config: alert.WebhookConfig{Payload: map[string]any{"text": `{{ template "who" . }}`, "list": []any{"{{ .Status }}", 3, true},
			"alerts": `{{ .Alerts | len }}`}},
			body: `{"alerts":2,"list":["firing",3,true],"text":"CRITICAL"}`},
	} {
		t.Run(name, func(t *testing.T) {
			tc.config.TemplateFiles = []string{templates}
			n := notification()
			n.Attempt, n.Group = 2, "g-1"
			r := send(t, webhooktest.New(t), tc.config, n)
			if string(r.Body) != tc.body {
				t.Errorf("body is\n%s\nexpected\n%s", r.Body, tc.body)
			}
			if want := max(tc.ctype, "application/json"); r.Header.Get("Content-Type") != want {
				t.Errorf("Content-Type is %s, want %s", r.Header.Get("Content-Type"), want)
			}
		})
	}
}

// A template of the whole data makes the body that stands without one.
func TestWholeData(t *testing.T) {
	want, err := defaultBody(notification(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := send(t, webhooktest.New(t), alert.WebhookConfig{Body: `{{ . | toJson }}`, MaxAlerts: 1,
		Secrets: map[string]alert.Secret{"a": "s3cret"}}, notification())
	if string(r.Body) != string(want) {
		t.Errorf("body is\n%s\nexpected\n%s", r.Body, want)
	}
}

// What cannot be rendered is sent to nobody, and says what to mend.
func TestBadTemplates(t *testing.T) {
	for name, tc := range map[string]struct {
		config alert.WebhookConfig
		want   string
	}{
		"not JSON": {alert.WebhookConfig{Body: "{\n  \"a\": {{ .Status }}\n}"}, "body: what the template makes is not JSON: line 2, column 9: invalid character 'i' in literal false"},
		"half":     {alert.WebhookConfig{Body: `{"a": `}, "not JSON: line 1, column 6: unexpected end"},
		"empty":    {alert.WebhookConfig{Body: `{{ if false }}{}{{ end }}`}, "not JSON: line 1, column 1: unexpected end"},
		"vendor":   {alert.WebhookConfig{Body: `x`, ContentType: "application/cloudevents+json"}, "not JSON"},
		"secret":   {alert.WebhookConfig{Body: `{{ .Secret "key" }}`, Secrets: map[string]alert.Secret{"kye": "s3cret"}}, `no secret is named "key"; secrets and secret_files have: kye`},
		"missing":  {alert.WebhookConfig{Payload: []any{`{{ template "nowhere" . }}`}}, `payload: rendering the template`},
		"header":   {alert.WebhookConfig{Headers: map[string]alert.Secret{"X-A": `{{ .Nothing }}`}}, "headers: X-A: rendering the template"},
		"address":  {alert.WebhookConfig{URL: `{{ .CommonLabels.nothing }}/s3cret`}, "url: what the template makes is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			s := webhooktest.New(t)
			o, err := deliver(t, s, tc.config, notification())
			if err == nil || !o.Permanent || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %+v, %v; want %s", o, err, tc.want)
			}
			if len(s.Requests()) > 0 {
				t.Errorf("something was sent: %s", s.Requests()[0].Body)
			}
		})
	}
}

func TestHeadersAndMethod(t *testing.T) {
	n := notification()
	n.Data.CommonLabels["team"] = "shop\r\nX-Forged: 1\x00"
	s := webhooktest.New(t)
	r := send(t, s, alert.WebhookConfig{
		URL: alert.Secret(s.URL + `/teams/{{ .CommonLabels.alertname | urlUnescape }}?severity={{ .CommonLabels.severity }}`), Method: "PUT",
		Headers: map[string]alert.Secret{"X-Team": "{{ .CommonLabels.team }}", "Authorization": `Token {{ .Secret "t" }}`, "X-None": "{{ .CommonLabels.none }}",
			"X-Long": alert.Secret(strings.Repeat("é", 5000))},
		Secrets: map[string]alert.Secret{"t": "t0k3n"},
	}, n)
	if r.Method != "PUT" || r.URI != "/teams/Slow?severity=critical" {
		t.Errorf("request is %s %s", r.Method, r.URI)
	}
	if got := r.Header.Get("X-Team"); got != "shop  X-Forged: 1" || r.Header.Get("X-Forged") != "" {
		t.Errorf("X-Team is %q", got)
	}
	if r.Header.Get("Authorization") != "Token t0k3n" || r.Header.Values("X-None") != nil || len(r.Header.Get("X-Long")) != 4096 {
		t.Errorf("headers are %v", r.Header)
	}
}

func TestPreview(t *testing.T) {
	n, err := New(alert.WebhookConfig{URL: "https://hooks.example.org/services/T0/s3cretpart", Body: `{"key": {{ .Secret "k" | toJson }}, "is": {{ .Status | toJson }}}`,
		Headers: map[string]alert.Secret{"Authorization": "Bearer t0k3n", "X-Team": "shop"}, Secrets: map[string]alert.Secret{"k": `s3"cret`},
		SigningSecret: alert.Secret(signingSecret(1))})
	if err != nil {
		t.Fatal(err)
	}
	text, err := n.Preview(notification())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"POST https://hooks.example.org/…\n", "X-Team: shop\n", "Authorization: <secret>\n", "Idempotency-Key: 0123456789abcdef\n",
		"\"key\": \"<secret>\"", "\"is\": \"firing\""} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, secret := range []string{"s3cretpart", "t0k3n", "cret\"", "v1,"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in\n%s", secret, text)
		}
	}
}

// FuzzHeaderValue: whatever a label holds fits into one header.
func FuzzHeaderValue(f *testing.F) {
	f.Add("a\r\nb")
	f.Add(strings.Repeat("ü", 3000))
	f.Fuzz(func(t *testing.T, text string) {
		got := headerValue(text)
		if len(got) > 4096 || strings.ContainsAny(got, "\r\n\x00\x7f") || strings.TrimSpace(got) != got {
			t.Errorf("%q", got)
		}
	})
}

// FuzzCheckJSON: it finds a fault exactly where the library does.
func FuzzCheckJSON(f *testing.F) {
	f.Add([]byte("{\n}"))
	f.Add([]byte("[1,\n2"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := checkJSON(text); (err == nil) != json.Valid(text) {
			t.Errorf("%q gives %v", text, err)
		}
	})
}
