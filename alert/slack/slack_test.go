package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
)

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func firing(name string) alert.Alert {
	value, threshold := 1.24, 1.0
	return alert.Alert{
		Status:      "firing",
		Labels:      alert.KV{"alertname": "Slow", "service_name": name, "severity": "critical"},
		Annotations: alert.KV{"summary": name + " is slow", "runbook_url": "https://runbooks.example.org/slow"},
		StartsAt:    start, Fingerprint: "00000000000000aa", GeneratorURL: "http://freshet.example.org/?alert=00000000000000aa",
		Evidence: alert.Evidence{Value: &value, Threshold: &threshold, Unit: "s", Condition: "p99(duration) > 1", New: true,
			Samples: []alert.Sample{{Topic: "otlp_spans", Offset: 42, Time: start.Add(-time.Second), Text: "GET /cart 2.1 s"}},
			Explanation: &finding.Explanation{
				Now: 64, Before: 120, Since: start.Add(-10 * time.Second), Against: finding.AgainstMatching, Traits: []finding.Trait{
					{Attribute: "service.version", Value: "1.4.2", Now: 59.0 / 64, Before: 4.0 / 120, NowCount: 59, BeforeCount: 4,
						Also: []finding.Attribute{{Name: "k8s.pod.name", Value: "payment-77f4"}}},
					{Attribute: "error.type", Value: "pool <exhausted>", Now: 0.5, Before: 0, NowCount: 32},
				}}},
	}
}

func over(a alert.Alert) alert.Alert {
	a.Status, a.EndsAt = "resolved", a.StartsAt.Add(192*time.Second)
	return a
}

func notification(id string, reason alert.Reason, ref string, alerts ...alert.Alert) *alert.Notification {
	d := (alert.Data{ExternalURL: "http://freshet.example.org", NotificationReason: string(reason)}).Only(alerts)
	d.GroupLabels = alert.KV{"alertname": "Slow"}
	return &alert.Notification{ID: id, GroupKey: `{}:{alertname="Slow"}`, Reason: reason, Ref: ref, Attempt: 1, Created: start, Data: d}
}

func bot(t *testing.T, f *fakeSlack, change func(*alert.SlackConfig)) *Notifier {
	t.Helper()
	c := alert.SlackConfig{Token: botToken, Channel: "C012", AppURL: f.URL + "/api/chat.postMessage"}
	if change != nil {
		change(&c)
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func hook(t *testing.T, f *fakeSlack) *Notifier {
	t.Helper()
	n, err := New(alert.SlackConfig{APIURL: alert.Secret(f.URL + "/services/T0/B0/s3cretpart")})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustNotify(t *testing.T, n *Notifier, message *alert.Notification) string {
	t.Helper()
	o, err := n.Notify(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	return o.Ref
}

// The life of a group with a bot token: one message in the channel, its changes in its thread.
func TestOneMessageIsEdited(t *testing.T) {
	f := newFakeSlack(t)
	n := bot(t, f, nil)
	a, b := firing("cart"), firing("checkout")
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", a))
	if ref != "C012/1700000000.000001" {
		t.Fatalf("the message is named %q", ref)
	}
	old := a
	old.New = false
	n = bot(t, f, nil) // a new process knows the message by its name only
	mustNotify(t, n, notification("2", alert.NewAlerts, ref, old, b))
	if broadcast := f.last().form.Get("reply_broadcast"); broadcast != "true" {
		t.Error("a new alert in the thread is not shown in the channel")
	}
	mustNotify(t, n, notification("3", alert.ContentChanged, ref, old, b))
	mustNotify(t, n, notification("4", alert.AllResolved, ref, over(a), over(b)))
	if broadcast := f.last().form.Get("reply_broadcast"); broadcast != "" {
		t.Error("the end is shown in the channel although the message there says it")
	}
	top, thread := f.top(), f.thread()
	if len(top) != 1 || top[0].edits != 3 || !strings.Contains(top[0].attachments, "RESOLVED") || !strings.Contains(top[0].attachments, green) {
		t.Errorf("the channel has %d messages, the first %+v", len(top), top[0])
	}
	want := []string{"*FIRING* checkout is slow: 1.24 s (threshold 1 s)", "*RESOLVED* cart is slow after 3 min 12 s\n*RESOLVED* checkout is slow after 3 min 12 s"}
	if len(thread) != 2 || thread[0].text != want[0] || thread[1].text != want[1] {
		t.Errorf("the thread has %d messages, expected %q", len(thread), want)
		for _, m := range thread {
			t.Logf("%q", m.text)
		}
	}
}

func TestDoubtfulDeliveries(t *testing.T) {
	f := newFakeSlack(t)
	n := bot(t, f, nil)
	lost := fault{method: "chat.postMessage", status: 502, body: "<html>", after: true}
	f.faults = []fault{lost}
	first := notification("1", alert.FirstNotification, "", firing("cart"))
	if o, err := n.Notify(t.Context(), first); err == nil || o.Permanent || o.Ref != "" {
		t.Fatalf("got %+v, %v", o, err)
	}
	again := *first
	again.Attempt, again.Repeated = 2, true
	ref := mustNotify(t, n, &again)
	if len(f.top()) != 1 || ref != "C012/1700000000.000001" {
		t.Fatalf("the channel has %d messages after a doubtful post, the message is named %q", len(f.top()), ref)
	}
	f.faults = []fault{lost}
	end := notification("2", alert.AllResolved, ref, over(firing("cart")))
	if o, err := n.Notify(t.Context(), end); err == nil || o.Ref != ref {
		t.Fatalf("got %+v, %v", o, err)
	}
	again = *end
	again.Attempt, again.Repeated = 2, true
	mustNotify(t, n, &again)
	if len(f.thread()) != 1 {
		t.Errorf("the thread has %d messages after a doubtful reply", len(f.thread()))
	}
	// When the message was deleted by a person, a new one takes its place.
	if ref := mustNotify(t, n, notification("3", alert.RepeatElapsed, "C012/1.1", firing("cart"))); ref == "C012/1.1" || len(f.top()) != 2 {
		t.Errorf("the message is named %q, the channel has %d", ref, len(f.top()))
	}
	// Without the right to read the channel the message is posted.
	f.faults = []fault{{method: "conversations.history", body: `{"ok":false,"error":"missing_scope","needed":"channels:history"}`}}
	again = *notification("4", alert.FirstNotification, "", firing("cart"))
	again.Repeated = true
	mustNotify(t, n, &again)
	if len(f.top()) != 3 {
		t.Errorf("the channel has %d messages, expected 3", len(f.top()))
	}
}

func TestIncomingWebhook(t *testing.T) {
	f := newFakeSlack(t)
	n := hook(t, f)
	mustNotify(t, n, notification("1", alert.FirstNotification, "", firing("cart")))
	c := f.last()
	if c.method != "/services/T0/B0/s3cretpart" || !json.Valid([]byte(c.body)) || !strings.Contains(c.body, "cart is slow") || !strings.Contains(c.body, red) {
		t.Errorf("the call is %s with %s", c.method, c.body)
	}
}

func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault     fault
		permanent bool
		rest      time.Duration
		text      string
	}{
		"rate limited":          {fault: fault{status: 429, header: http.Header{"Retry-After": {"30"}}}, rest: 30 * time.Second, text: "rate limited"},
		"rate limited, no time": {fault: fault{status: 429}, rest: time.Second, text: "rate limited"},
		"rate limited, ok":      {fault: fault{body: `{"ok":false,"error":"ratelimited"}`}, rest: time.Second, text: "ratelimited"},
		"unavailable":           {fault: fault{status: 503, body: "<html>down</html>"}, text: "503"},
		"proxy's page":          {fault: fault{body: "<html>sign in</html>"}, text: "invalid character"},
		"internal":              {fault: fault{body: `{"ok":false,"error":"internal_error"}`}, text: "internal_error"},
		"revoked":               {fault: fault{body: `{"ok":false,"error":"token_revoked"}`}, permanent: true, text: "reinstall the app"},
		"channel":               {fault: fault{body: `{"ok":false,"error":"channel_not_found"}`}, permanent: true, text: "check the name"},
		"outside":               {fault: fault{body: `{"ok":false,"error":"not_in_channel"}`}, permanent: true, text: "invite the app"},
		"scope":                 {fault: fault{body: `{"ok":false,"error":"missing_scope","needed":"chat:write"}`}, permanent: true, text: "lacks the scope chat:write"},
		"new error":             {fault: fault{body: `{"ok":false,"error":"something_new"}`}, permanent: true, text: "something_new"},
		"forbidden":             {fault: fault{status: 403}, permanent: true, text: "403"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeSlack(t)
			f.faults = []fault{tc.fault}
			o, err := bot(t, f, nil).Notify(t.Context(), notification("1", alert.FirstNotification, "", firing("cart")))
			if err == nil || o.Permanent != tc.permanent || o.RetryAfter != tc.rest || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %+v, %v; expected %q", o, err, tc.text)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	for name, tc := range map[string]struct {
		fault     fault
		permanent bool
		rest      time.Duration
		text      string
	}{
		"rate limited": {fault: fault{status: 429, header: http.Header{"Retry-After": {"30"}}}, rest: 30 * time.Second, text: "429"},
		"gone":         {fault: fault{status: 404, body: "no_service"}, permanent: true, text: "no_service"},
		"broken":       {fault: fault{status: 500, body: "rollup_error"}, text: "rollup_error"},
	} {
		t.Run("webhook "+name, func(t *testing.T) {
			f := newFakeSlack(t)
			f.faults = []fault{tc.fault}
			o, err := hook(t, f).Notify(t.Context(), notification("1", alert.FirstNotification, "", firing("cart")))
			if err == nil || o.Permanent != tc.permanent || o.RetryAfter != tc.rest || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %+v, %v; expected %q", o, err, tc.text)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the address: %v", err)
			}
		})
	}
}

func TestUnreachableAndSlow(t *testing.T) {
	f := newFakeSlack(t)
	release := make(chan struct{})
	slow := newSlowServer(t, release)
	for name, n := range map[string]*Notifier{
		"bot":          bot(t, f, func(c *alert.SlackConfig) { c.AppURL = slow; c.Timeout = 50 * time.Millisecond }),
		"wrong token":  bot(t, f, func(c *alert.SlackConfig) { c.Token = "xoxb-2-s3cretpart" }),
		"closed":       bot(t, f, func(c *alert.SlackConfig) { c.AppURL = "http://127.0.0.1:1/" }),
		"closed hook":  mustNew(t, alert.SlackConfig{APIURL: "http://127.0.0.1:1/services/s3cretpart"}),
		"missing file": {config: alert.SlackConfig{TokenFile: filepath.Join(t.TempDir(), "none"), Timeout: time.Second}, client: http.DefaultClient},
	} {
		o, err := n.Notify(t.Context(), notification("1", alert.FirstNotification, "", firing("cart")))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
		if want := name == "wrong token" || name == "missing file"; o.Permanent != want {
			t.Errorf("%s: permanent is %v: %v", name, o.Permanent, err)
		}
	}
	close(release)
}

func newSlowServer(t *testing.T, release chan struct{}) string {
	t.Helper()
	f := newFakeSlack(t)
	f.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	return f.URL
}

func mustNew(t *testing.T, c alert.SlackConfig) *Notifier {
	t.Helper()
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMessage(t *testing.T) {
	f := newFakeSlack(t)
	mustNotify(t, bot(t, f, nil), notification("1", alert.FirstNotification, "", firing("cart"), over(firing("checkout"))))
	var pretty strings.Builder
	var v any
	if err := json.Unmarshal([]byte(f.last().form.Get("attachments")), &v); err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(&pretty)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/message.golden.json"
	if os.Getenv("FRESHET_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(pretty.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if pretty.String() != string(want) {
		t.Errorf("got\n%s\nexpected\n%s", pretty.String(), want)
	}
}

func TestColors(t *testing.T) {
	with := func(severities ...string) *alert.Data {
		var alerts alert.Alerts
		for _, s := range severities {
			a := firing("x")
			a.Labels = alert.KV{"severity": s}
			if s == "over" {
				a.Status = "resolved"
			}
			alerts = append(alerts, a)
		}
		return &alert.Data{Alerts: alerts}
	}
	for want, d := range map[string][]*alert.Data{
		red:    {with("critical"), with("info", "Critical", "warning"), with(""), with("over", "page")},
		orange: {with("warning"), with("info", "Warning"), with("over", "warning")},
		blue:   {with("info"), with("over", "info")},
		green:  {with("over"), with("over", "over")},
	} {
		for _, d := range d {
			if got := color(d); got != want {
				t.Errorf("%v is %s, expected %s", d.Alerts, got, want)
			}
		}
	}
}

// hostile is what a label, an annotation or a record may hold.
var hostile = []string{
	"<!channel> <@U012> <#C012|general> <https://evil.example|Open in freshet>", "```\n<!here>\n```", "& &amp; &lt;!channel&gt;",
	strings.Repeat("<", 5000), strings.Repeat("&", 5000), strings.Repeat("`", 5000), strings.Repeat("é日", 3000), "\x00\x1b[2J\u202e\xff", "",
}

// Whatever labels and records hold, the message keeps within Slack's limits and forges nothing.
func TestHostileContent(t *testing.T) {
	f := newFakeSlack(t)
	var all alert.Alerts
	for i, text := range hostile {
		a := firing("x")
		a.Labels = alert.KV{"alertname": text, "severity": text, "l": text, fmt.Sprintf("l%d", i): text}
		a.Annotations = alert.KV{"summary": text, "description": text + " ", "runbook_url": "https://x.example/" + text}
		a.Condition, a.Reason = text, text
		a.Samples = []alert.Sample{{Text: text}, {Text: text}, {Text: text}}
		a.Explanation = &finding.Explanation{Traits: slices.Repeat([]finding.Trait{{Attribute: text, Value: text, Now: 0.001, Before: 0.999,
			Also: []finding.Attribute{{Name: text, Value: text}}}}, 5)}
		all = append(all, a, over(a))
	}
	for i := range 40 {
		all = append(all, firing(fmt.Sprint(i)))
	}
	for _, alerts := range []alert.Alerts{all, all[:1], all[2:4], all[6:8], all[8:10], all[10:12]} {
		for _, c := range []func(*alert.SlackConfig){nil, func(c *alert.SlackConfig) {
			c.Title = `{{ .CommonLabels.alertname }}`
			c.Text = `{{ range .Alerts }}{{ .Annotations.summary }} {{ .Labels.l }}{{ range .Samples }}{{ .Text }}{{ end }}{{ .Explanation }}{{ end }}`
		}} {
			n := bot(t, f, c)
			for _, ref := range []string{"", mustNotify(t, n, notification("1", alert.FirstNotification, "", alerts...))} {
				mustNotify(t, n, notification("2", alert.RepeatElapsed, ref, alerts...))
			}
		}
	}
	for _, c := range f.calls {
		if text := c.form.Get("text"); utf8.RuneCountInString(text) > 40000 {
			t.Errorf("a reply has %d characters", utf8.RuneCountInString(text))
		} else {
			noForgery(t, text)
		}
		if c.form.Get("attachments") == "" {
			continue
		}
		var attachments []struct {
			Fallback string
			Blocks   []struct {
				Type     string
				Text     *struct{ Type, Text string }
				Elements []struct{ Type, Text string }
			}
		}
		if err := json.Unmarshal([]byte(c.form.Get("attachments")), &attachments); err != nil {
			t.Fatal(err)
		}
		a := attachments[0]
		noForgery(t, a.Fallback)
		if len(a.Blocks) > maxBlocks {
			t.Errorf("%d blocks", len(a.Blocks))
		}
		for _, b := range a.Blocks {
			if b.Text != nil {
				b.Elements = append(b.Elements, *b.Text)
			}
			for _, e := range b.Elements {
				limit := maxText
				if b.Type == "header" {
					limit = maxHeader
				}
				if n := utf8.RuneCountInString(e.Text); n > limit || n == 0 {
					t.Errorf("a %s has %d characters, the limit is %d", b.Type, n, limit)
				}
				if b.Type == "header" {
					if strings.ContainsAny(e.Text, "<>\n") {
						t.Errorf("forged in a header: %q", e.Text)
					}
					continue // plain text has neither entities nor code
				}
				noForgery(t, e.Text)
				if strings.Count(e.Text, "```")%2 == 1 || strings.Count(e.Text, "```") > 2 {
					t.Errorf("a code block is not closed, or broken out of: %q", e.Text)
				}
			}
		}
	}
}

// noForgery checks that every < begins one of freshet's own links or dates, and that every & is an entity.
func noForgery(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		rest := text[i:]
		switch r {
		case '<':
			if !strings.HasPrefix(rest, "<!date^") && !strings.HasPrefix(rest, "<http://freshet.example.org") && !strings.HasPrefix(rest, "<https://x.example/") {
				t.Errorf("forged: %.60q", rest)
				return
			}
		case '&':
			if !strings.HasPrefix(rest, "&amp;") && !strings.HasPrefix(rest, "&lt;") && !strings.HasPrefix(rest, "&gt;") {
				t.Errorf("an entity is cut: %.60q", rest)
				return
			}
		}
	}
}
