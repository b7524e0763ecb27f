package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
)

const presetSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// presets are the files of deploy/receivers: how the service answers, and what it takes by its documentation.
var presets = map[string]struct {
	env    func(address string) map[string]string
	answer int
	check  func(t *testing.T, r webhooktest.Request, n *alert.Notification)
}{
	"pagerduty": {
		env: func(a string) map[string]string {
			return map[string]string{"PAGERDUTY_URL": a + "/v2/enqueue", "PAGERDUTY_ROUTING_KEY": strings.Repeat("0a", 16)}
		},
		answer: http.StatusAccepted, check: checkPagerDuty,
	},
	"teams": {
		env:    func(a string) map[string]string { return map[string]string{"TEAMS_WEBHOOK_URL": a + "/workflows/1"} },
		answer: http.StatusAccepted, check: checkTeams,
	},
	"discord": {
		env: func(a string) map[string]string {
			return map[string]string{"DISCORD_WEBHOOK_URL": a + "/api/webhooks/1/token"}
		},
		answer: http.StatusNoContent, check: checkDiscord,
	},
	"alertmanager": {
		env:    func(a string) map[string]string { return map[string]string{"ALERTMANAGER_URL": a} },
		answer: http.StatusOK, check: checkAlertmanager,
	},
	"github": {
		env: func(a string) map[string]string {
			return map[string]string{"GITHUB_API_URL": a, "GITHUB_REPOSITORY": "shop/infra", "GITHUB_TOKEN": "gh-token"}
		},
		answer: http.StatusNoContent, check: checkGitHub,
	},
	"ntfy": {
		env: func(a string) map[string]string {
			return map[string]string{"NTFY_URL": a, "NTFY_TOPIC": "alerts-0123", "NTFY_TOKEN": "tk_1"}
		},
		answer: http.StatusOK, check: checkNtfy,
	},
	"signed": {
		env: func(a string) map[string]string {
			return map[string]string{"HOOK_URL": a + "/hook", "HOOK_SECRET": presetSecret}
		},
		answer: http.StatusOK, check: checkSigned,
	},
}

// What the files of deploy/receivers have sent is what each service takes, however odd the alerts are.
func TestPresets(t *testing.T) {
	folder := filepath.Join("..", "..", "deploy", "receivers")
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) != len(presets) {
		t.Fatalf("there are %d files and %d tests: %v, %v", len(files), len(presets), files, err)
	}
	for name, preset := range presets {
		t.Run(name, func(t *testing.T) {
			server := webhooktest.New(t)
			server.Always(webhooktest.Status(preset.answer, ""))
			env := preset.env(server.URL)
			path := filepath.Join(folder, name+".yaml")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cfg, faults := config.Parse(path, content, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			for _, i := range cfg.Alert.Integrations(cfg.Alert.Defaults()) {
				notifier, err := pipeline.NewNotifier(i)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range presetNotifications(i) {
					before := len(server.Requests())
					if _, err := notifier.Notify(t.Context(), n); err != nil {
						t.Fatal(err)
					}
					if got := server.Requests(); len(got) != before+1 {
						t.Fatalf("%d requests", len(got)-before)
					}
					preset.check(t, server.Requests()[before], n)
				}
			}
		})
	}
}

// The examples of the guide to webhooks are without fault, and it names each file of deploy/receivers.
func TestWebhookGuide(t *testing.T) {
	path := filepath.Join("..", "..", "alert", "webhook", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name := range presets {
		if !strings.Contains(string(text), "(../../deploy/receivers/"+name+".yaml)") {
			t.Errorf("the guide does not name %s.yaml", name)
		}
	}
	examples := strings.Split(string(text), "```yaml\n")[1:]
	for _, example := range examples {
		example, _, _ = strings.Cut(example, "```")
		_, faults := config.Parse(path, []byte(example), func(string) (string, bool) { return "value", true })
		if len(faults) > 0 {
			t.Errorf("%v in\n%s", faults, example)
		}
	}
	if len(examples) < 3 {
		t.Errorf("%d examples", len(examples))
	}
}

// movedText is what a notification says of an alert whose severity another route takes.
const movedText = "moved to critical, told to pager"

// presetNotifications are a plain alert, the test message, and a dozen alerts that break what can be broken, each firing and
// resolved, and one that moved to another route: alone, and from one that stays.
func presetNotifications(i alert.Integration) []*alert.Notification {
	now := time.Date(2026, 3, 1, 10, 0, 0, 123456789, time.UTC)
	value, threshold := 1.24, 1.0
	plain := alert.Alert{Labels: alert.KV{"alertname": "Slow", "severity": "critical", "service_name": "checkout"}, Fingerprint: "00000000000000aa",
		Annotations: alert.KV{"summary": "checkout is slow"}, StartsAt: now, GeneratorURL: "https://freshet.example.org/?alert=00000000000000aa",
		Evidence: alert.Evidence{Value: &value, Threshold: &threshold, Unit: "s", Condition: "p99(duration) > 1"}}
	var odd alert.Alerts
	for n := range 12 {
		odd = append(odd, alert.Alert{Labels: alert.KV{"alertname": strings.Repeat("Löng", 200), "note": "\"}\\\n@everyone <@1> `x` \x01" + strings.Repeat("ü", 3000)},
			Annotations: alert.KV{"summary": strings.Repeat("\"\\\n{{ .Status }}\u2028", 400)}, StartsAt: now, Fingerprint: fmt.Sprintf("%016x", n)})
	}
	var out []*alert.Notification
	for n, alerts := range []alert.Alerts{{plain}, odd} {
		for _, status := range []string{"firing", "resolved"} {
			told := slices.Clone(alerts)
			for a := range told {
				told[a].Status = status
				if status == "resolved" {
					told[a].EndsAt = now.Add(time.Minute)
				}
			}
			data := (alert.Data{ExternalURL: "https://freshet.example.org"}).Only(told)
			data.Receiver = i.Receiver
			out = append(out, &alert.Notification{ID: fmt.Sprintf("%d-%s", n, status), Integration: i, GroupKey: fmt.Sprintf("{}:{n=\"%d%s\"}", n, strings.Repeat("x", 400*n)),
				Created: now, Attempt: 1, Data: data})
		}
	}
	moved, stays := plain, plain
	moved.Status, moved.Moved = "firing", movedText
	stays.Status, stays.Labels = "firing", alert.KV{"alertname": "Slow", "severity": "warning", "service_name": "cart"}
	for _, alerts := range []alert.Alerts{{moved}, {stays, moved}} {
		// The group is that of the severity which the alert had before.
		data := (alert.Data{GroupLabels: alert.KV{"alertname": "Slow", "severity": "warning", "service_name": "checkout"}}).Only(alerts)
		out = append(out, &alert.Notification{ID: fmt.Sprintf("moved-%d", len(alerts)), Integration: i, GroupKey: "{}:{}", Created: now, Attempt: 1, Data: data})
	}
	firing, resolved := testNotifications(i, "", now)
	return append(out, firing, resolved)
}

// strictly decodes a body that may have the keys of a type only.
func strictly(t *testing.T, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

// within says that a text has at least one character and at most so many.
func within(t *testing.T, what, text string, most int) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n < 1 || n > most {
		t.Errorf("%s has %d characters, expected 1 to %d", what, n, most)
	}
}

// shown says that what is there if it is an address is one.
func shown(t *testing.T, what string, address *string) {
	t.Helper()
	if address == nil {
		return
	}
	if u, err := url.Parse(*address); err != nil || u.Host == "" {
		t.Errorf("%s is %q", what, *address)
	}
}

// saysMoved checks that a message calls moved what moved to another route, and that alone.
func saysMoved(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	t.Helper()
	moved := slices.ContainsFunc(n.Data.Alerts, func(a alert.Alert) bool { return a.Moved != "" })
	if got := strings.Contains(string(r.Body), movedText); got != moved {
		t.Errorf("that an alert moved is said: %v, in %s", got, r.Body)
	}
	if stays := len(n.Data.Alerts.Staying()) > 0; moved && stays != strings.Contains(string(r.Body), "FIRING") {
		t.Errorf("what moved is called firing, or what stays is not: %s", r.Body)
	}
}

func checkPagerDuty(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	var e struct {
		RoutingKey  string  `json:"routing_key"`
		EventAction string  `json:"event_action"`
		DedupKey    string  `json:"dedup_key"`
		Client      string  `json:"client"`
		ClientURL   *string `json:"client_url"`
		Payload     struct {
			Summary       string         `json:"summary"`
			Source        string         `json:"source"`
			Severity      string         `json:"severity"`
			Timestamp     time.Time      `json:"timestamp"`
			Component     string         `json:"component"`
			Group         string         `json:"group"`
			Class         string         `json:"class"`
			CustomDetails map[string]any `json:"custom_details"`
		} `json:"payload"`
	}
	strictly(t, r.Body, &e)
	action := "resolve"
	if slices.ContainsFunc(n.Data.Alerts, func(a alert.Alert) bool { return a.Status == "firing" && a.Moved == "" }) {
		action = "trigger" // else nothing that the incident is about is left to this receiver
	}
	if len(e.RoutingKey) != 32 || e.EventAction != action || r.URI != "/v2/enqueue" || len(r.Body) > 512<<10 {
		t.Errorf("got %+v at %s, expected %s", e, r.URI, action)
	}
	within(t, "dedup_key", e.DedupKey, 255)
	within(t, "summary", e.Payload.Summary, 1024)
	within(t, "source", e.Payload.Source, 255)
	shown(t, "client_url", e.ClientURL)
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity) || e.Payload.Timestamp.IsZero() {
		t.Errorf("payload is %+v", e.Payload)
	}
}

func checkTeams(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	saysMoved(t, r, n)
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			ContentURL  *string
			Content     struct {
				Schema  string `json:"$schema"`
				Type    string
				Version string
				MSTeams map[string]string
				Body    []struct {
					Type, Weight, Size, Color, Text string
					Wrap                            bool
					Facts                           []struct{ Title, Value string }
				}
				Actions []struct{ Type, Title, URL string }
			}
		}
	}
	strictly(t, r.Body, &m)
	if m.Type != "message" || len(m.Attachments) != 1 || len(r.Body) > 28<<10 {
		t.Fatalf("%d bytes: %+v", len(r.Body), m)
	}
	a := m.Attachments[0]
	if a.ContentType != "application/vnd.microsoft.card.adaptive" || a.Content.Type != "AdaptiveCard" || a.Content.Version != "1.4" ||
		a.Content.Schema != "http://adaptivecards.io/schemas/adaptive-card.json" || len(a.Content.Body) == 0 {
		t.Errorf("card is %+v", a)
	}
	for _, e := range a.Content.Body {
		switch e.Type {
		case "TextBlock":
			within(t, "text", e.Text, 600)
			if e.Color != "" && !slices.Contains([]string{"Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"}, e.Color) {
				t.Errorf("color %s", e.Color)
			}
		case "FactSet":
			for _, f := range e.Facts {
				within(t, "fact", f.Value, 600)
			}
		default:
			t.Errorf("element %s", e.Type)
		}
	}
	for _, action := range a.Content.Actions {
		shown(t, "action", &action.URL)
	}
}

func checkDiscord(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	saysMoved(t, r, n)
	var m struct {
		Username        string `json:"username"`
		AllowedMentions struct {
			Parse []string `json:"parse"`
		} `json:"allowed_mentions"`
		Embeds []struct {
			Title       string    `json:"title"`
			Description string    `json:"description"`
			URL         *string   `json:"url"`
			Color       int       `json:"color"`
			Timestamp   time.Time `json:"timestamp"`
			Footer      struct {
				Text string `json:"text"`
			} `json:"footer"`
		} `json:"embeds"`
	}
	strictly(t, r.Body, &m)
	if m.AllowedMentions.Parse == nil || len(m.AllowedMentions.Parse) > 0 || len(m.Embeds) < 1 || len(m.Embeds) > 10 {
		t.Fatalf("message is %+v", m)
	}
	within(t, "username", m.Username, 80)
	total := 0
	for _, e := range m.Embeds {
		within(t, "title", e.Title, 256)
		within(t, "description", e.Description, 4096)
		within(t, "footer", e.Footer.Text, 2048)
		shown(t, "url", e.URL)
		if e.Color < 0 || e.Color > 0xffffff || e.Timestamp.IsZero() {
			t.Errorf("embed is %+v", e)
		}
		total += utf8.RuneCountInString(e.Title + e.Description + e.Footer.Text)
	}
	if total > 6000 {
		t.Errorf("the embeds have %d characters", total)
	}
}

func checkAlertmanager(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	var alerts models.PostableAlerts
	strictly(t, r.Body, &alerts)
	if err := alerts.Validate(strfmt.Default); err != nil || r.URI != "/api/v2/alerts" || len(alerts) != len(n.Data.Alerts) {
		t.Errorf("%s: %v, %d alerts", r.URI, err, len(alerts))
	}
	for i, a := range alerts {
		ends := time.Until(time.Time(a.EndsAt))
		firing := n.Data.Alerts[i].Status == "firing" && n.Data.Alerts[i].Moved == ""
		labels := n.Data.Alerts[i].Labels
		if n.Data.Alerts[i].Moved != "" {
			labels = n.Data.GroupLabels // those that were posted before
		}
		if !maps.Equal(a.Labels, models.LabelSet(labels)) {
			t.Errorf("alert %d has labels %v, expected %v", i, a.Labels, labels)
		}
		if a.Labels["alertname"] != n.Data.Alerts[i].Name() || firing != (ends > 23*time.Hour && ends <= 24*time.Hour) || !firing && ends > 0 {
			t.Errorf("alert %d is %+v", i, a)
		}
	}
}

func checkGitHub(t *testing.T, r webhooktest.Request, _ *alert.Notification) {
	var e struct {
		EventType     string         `json:"event_type"`
		ClientPayload map[string]any `json:"client_payload"`
	}
	strictly(t, r.Body, &e)
	within(t, "event_type", e.EventType, 100)
	if r.URI != "/repos/shop/infra/dispatches" || r.Header.Get("Authorization") != "Bearer gh-token" || r.Header.Get("Accept") != "application/vnd.github+json" ||
		r.Header.Get("X-Github-Api-Version") != "2022-11-28" || r.Header.Get("User-Agent") == "" {
		t.Errorf("%s %v", r.URI, r.Header)
	}
	if len(e.ClientPayload) > 10 || len(e.ClientPayload) == 0 || len(r.Body) > 64<<10 || e.ClientPayload["call"] != r.Key() {
		t.Errorf("%d bytes, payload is %v", len(r.Body), e.ClientPayload)
	}
}

func checkNtfy(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	saysMoved(t, r, n)
	var m struct {
		Topic    string   `json:"topic"`
		Title    string   `json:"title"`
		Message  string   `json:"message"`
		Tags     []string `json:"tags"`
		Click    *string  `json:"click"`
		Priority int      `json:"priority"`
	}
	strictly(t, r.Body, &m)
	within(t, "title", m.Title, 250)
	shown(t, "click", m.Click)
	if m.Topic != "alerts-0123" || m.Priority < 1 || m.Priority > 5 || len(m.Tags) != 1 || m.Message == "" || len(m.Message) > 4096 ||
		r.URI != "/" || r.Header.Get("Authorization") != "Bearer tk_1" {
		t.Errorf("%s %v: %d bytes of %+v", r.URI, r.Header, len(m.Message), m)
	}
}

func checkSigned(t *testing.T, r webhooktest.Request, n *alert.Notification) {
	verifier, err := standardwebhooks.NewWebhook(presetSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(r.Body, r.Header); err != nil {
		t.Error(err)
	}
	var m struct{ Version, Status string }
	if err := json.Unmarshal(r.Body, &m); err != nil || m.Version != "4" || m.Status != n.Data.Status {
		t.Errorf("%+v, %v", m, err)
	}
}
