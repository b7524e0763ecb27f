package slack

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/detect/finding"
)

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func fires(name string) alert.Alert {
	return alert.Alert{
		Status:      "firing",
		Labels:      alert.KV{"alertname": "Slow", "service_name": name, "severity": "critical"},
		Annotations: alert.KV{"summary": name + " is slow", "runbook_url": "https://runbooks.example.org/slow"},
		StartsAt:    start, Fingerprint: "00000000000000aa", GeneratorURL: "http://freshet.example.org/?alert=00000000000000aa",
		Evidence: alert.Evidence{Value: new(1.24), Threshold: new(1.0), Unit: "s", Condition: "p99(duration) > 1", New: true,
			Samples: []alert.Sample{{Topic: "otlp_spans", Offset: 42, Time: start.Add(-time.Second), Text: "GET /cart?token=hunter2xyz 2.1 s"}},
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

func old(a alert.Alert) alert.Alert {
	a.New = false
	return a
}

func notification(id string, reason alert.Reason, ref string, alerts ...alert.Alert) *alert.Notification {
	d := (alert.Data{ExternalURL: "http://freshet.example.org", NotificationReason: string(reason)}).Only(alerts)
	d.GroupLabels = alert.KV{"alertname": "Slow"}
	return &alert.Notification{ID: id, Integration: alert.Integration{Receiver: "ops", Kind: "slack"}, Group: "group-1",
		GroupKey: `{}:{alertname="Slow"}`, Reason: reason, Ref: ref, Attempt: 1, Created: start.Add(time.Minute), Data: d}
}

func again(n *alert.Notification) *alert.Notification {
	repeated := *n
	repeated.Attempt, repeated.Repeated = 2, true
	return &repeated
}

// bot returns a notifier that does not wait long, as the server does not ask it to unless told.
func bot(t *testing.T, s *slacktest.Server, change func(*alert.SlackConfig, *Options)) *Notifier {
	t.Helper()
	c := alert.SlackConfig{Token: slacktest.Token, Channel: slacktest.Channel, AppURL: s.API() + "chat.postMessage"}
	o := Options{Limiter: NewLimiter(time.Microsecond)}
	if change != nil {
		change(&c, &o)
	}
	return mustNew(t, c, o)
}

func hook(t *testing.T, s *slacktest.Server) *Notifier {
	t.Helper()
	return mustNew(t, alert.SlackConfig{APIURL: alert.Secret(s.HookURL())}, Options{Limiter: NewLimiter(time.Microsecond)})
}

func mustNew(t *testing.T, c alert.SlackConfig, o Options) *Notifier {
	t.Helper()
	n, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustNotify(t *testing.T, n *Notifier, message *alert.Notification) string {
	t.Helper()
	o, err := n.Notify(t.Context(), message)
	if err != nil {
		t.Fatalf("%s: %v", message.ID, err)
	}
	return o.Ref
}

// clean fails when freshet sent what Slack refuses.
func clean(t *testing.T, s *slacktest.Server) {
	t.Helper()
	for _, p := range s.Invalid() {
		t.Errorf("sent what Slack refuses: %s", p)
	}
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// The life of a group with a bot token: one message in the channel, what changes in its thread.
func TestOneMessageIsEdited(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	a, b := fires("cart"), fires("checkout")
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", a))
	first := s.Messages(slacktest.Channel)[0].TS
	if ref != "C012/"+first {
		t.Fatalf("the message is named %q", ref)
	}
	n = bot(t, s, nil) // a new process knows the message by its name only
	thread := func() []slacktest.Message { return s.Thread(slacktest.Channel, first) }
	for _, step := range []struct {
		reason    alert.Reason
		alerts    []alert.Alert
		says      []string // of the newest reply, none when there is none
		broadcast bool
	}{
		{alert.NewAlerts, []alert.Alert{old(a), b}, []string{"*CRITICAL* checkout is slow: 1.24 s, threshold 1 s", "service.version=1.4.2"}, true},
		{alert.ContentChanged, []alert.Alert{old(a), old(b)}, nil, false},
		{alert.SeverityRaised, []alert.Alert{old(a), b}, []string{"Worse than before", "checkout"}, true},
		{alert.RepeatElapsed, []alert.Alert{old(a), old(b)}, []string{"Still firing", "cart is slow", "checkout is slow"}, true},
		{alert.SomeResolved, []alert.Alert{old(a), over(b)}, []string{"*RESOLVED* checkout is slow after 3 min 12 s"}, false},
		{alert.AllResolved, []alert.Alert{over(a), over(old(b))}, []string{"*RESOLVED* cart is slow after 3 min 12 s"}, false},
	} {
		before := len(thread())
		if got := mustNotify(t, n, notification(string(step.reason), step.reason, ref, step.alerts...)); got != ref {
			t.Errorf("%s: the message is named %q", step.reason, got)
		}
		replies := thread()[before:]
		if len(step.says) == 0 {
			if len(replies) > 0 {
				t.Errorf("%s is said in the thread: %s", step.reason, replies[0].Text)
			}
			continue
		}
		if len(replies) != 1 || replies[0].Broadcast != step.broadcast {
			t.Fatalf("%s: %d replies, %+v", step.reason, len(replies), replies)
		}
		contains(t, replies[0].Raw(), step.says...)
	}
	top := s.Messages(slacktest.Channel)
	if len(top) != 1 || top[0].Edits != 6 {
		t.Fatalf("the channel has %d messages, the first was edited %d times", len(top), top[0].Edits)
	}
	contains(t, top[0].Raw(), "RESOLVED", green)
	clean(t, s)
}

// What people did is said in the thread once, and nobody's phone rings for it.
func TestNotes(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("cart")))
	acked := old(fires("cart"))
	acked.Acknowledged = &alert.Acknowledgement{By: "anna (U1)", At: start.Add(time.Minute), Comment: "looking"}
	noted := notification("2", alert.NoteAdded, ref, acked)
	noted.Data.Notes = []alert.Note{{At: start, Text: "acknowledged by anna: <!channel>"}, {At: start, Text: "remediation said ok"}}
	mustNotify(t, n, noted)
	mustNotify(t, n, again(noted))
	thread := s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)
	last := thread[len(thread)-1]
	if len(thread) != 2 || last.Broadcast {
		t.Fatalf("the thread has %d messages: %+v", len(thread), thread)
	}
	contains(t, last.Text, "acknowledged by anna: &lt;!channel&gt;", "remediation said ok")
	contains(t, s.Messages(slacktest.Channel)[0].Raw(), "*Acknowledged* by anna (U1)", "looking")
	clean(t, s)
}

func TestEvidenceAndChart(t *testing.T) {
	s := slacktest.New(t)
	var log bytes.Buffer
	n := bot(t, s, func(_ *alert.SlackConfig, o *Options) {
		o.Chart = func(*alert.Alert) ([]byte, error) { return []byte("PNG"), nil }
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	a := fires("cart")
	a.Chart = &finding.Chart{}
	mustNotify(t, n, notification("1", alert.FirstNotification, "", a))
	thread := s.Thread(slacktest.Channel, s.Messages(slacktest.Channel)[0].TS)
	if len(thread) != 2 || len(thread[1].Files) != 1 || string(thread[1].Files[0].Content) != "PNG" {
		t.Fatalf("the thread has %+v", thread)
	}
	contains(t, string(thread[0].Blocks), "service.version=1.4.2", "92 % now, 3 % before", "k8s.pod.name=payment-77f4", "token=\\u0026lt;redacted")
	if strings.Contains(thread[0].Raw(), "hunter2xyz") {
		t.Error("a secret of a record is shown")
	}
	s.Revoke("files:write")
	for range 2 {
		mustNotify(t, n, notification("2", alert.FirstNotification, "", a))
	}
	if got := strings.Count(log.String(), "files:write"); got != 1 {
		t.Errorf("the missing scope is named %d times in the log:\n%s", got, log.String())
	}
	if len(s.Messages(slacktest.Channel)) != 3 {
		t.Error("without the scope for charts a message is missing")
	}
	clean(t, s)
}

func TestDoubtfulDeliveries(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	lost := slacktest.Fault{Method: "chat.postMessage", Status: 502, Body: "<html>", Done: true}
	s.Fail(lost)
	first := notification("1", alert.FirstNotification, "", fires("cart"))
	if o, err := n.Notify(t.Context(), first); err == nil || o.Permanent || o.Ref != "" {
		t.Fatalf("got %+v, %v", o, err)
	}
	ref := mustNotify(t, n, again(first))
	top := func() int { return len(s.Messages(slacktest.Channel)) }
	made := s.Messages(slacktest.Channel)[0].TS
	if top() != 1 || ref != "C012/"+made {
		t.Fatalf("the channel has %d messages after a doubtful post, the message is named %q", top(), ref)
	}
	thread := func() int { return len(s.Thread(slacktest.Channel, made)) }
	if thread() != 1 {
		t.Errorf("the evidence is said %d times", thread())
	}
	mustNotify(t, n, again(first)) // after another crash
	if thread() != 1 || top() != 1 {
		t.Errorf("the channel has %d messages, the thread %d", top(), thread())
	}
	s.Fail(slacktest.Fault{Method: "chat.postMessage", Cut: true, Done: true})
	end := notification("2", alert.AllResolved, ref, over(fires("cart")))
	if o, err := n.Notify(t.Context(), end); err == nil || o.Ref != ref {
		t.Fatalf("got %+v, %v", o, err)
	}
	mustNotify(t, n, again(end))
	if thread() != 2 {
		t.Errorf("the thread has %d messages after a doubtful reply", thread())
	}
	// When the message was deleted by a person, a new one takes its place.
	s.Delete(slacktest.Channel, made)
	if got := mustNotify(t, n, notification("3", alert.RepeatElapsed, ref, fires("cart"))); got == ref || top() != 1 {
		t.Errorf("the message is named %q, the channel has %d", got, top())
	}
	// Without the right to read the channel the message is posted.
	s.Revoke("channels:history")
	mustNotify(t, n, again(notification("4", alert.FirstNotification, "", fires("cart"))))
	if top() != 2 {
		t.Errorf("the channel has %d messages, expected 2", top())
	}
	clean(t, s)
}

// A form that Slack refuses does not cost the message.
func TestRefusedForm(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, nil)
	s.Fail(slacktest.Error("chat.postMessage", "metadata_too_large"), slacktest.Error("chat.postMessage", "invalid_blocks"))
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("cart")))
	m := s.Messages(slacktest.Channel)[0]
	if contains(t, m.Text, "CRITICAL: Slow · cart – cart is slow"); len(m.Blocks) > 0 || len(m.Metadata) > 0 {
		t.Errorf("the message is %+v", m)
	}
	s.Fail(slacktest.Error("chat.update", "msg_blocks_too_long"))
	mustNotify(t, n, notification("2", alert.AllResolved, ref, over(fires("cart"))))
	if m := s.Messages(slacktest.Channel)[0]; !strings.Contains(m.Text, "RESOLVED") || strings.Contains(string(m.Attachments), "blocks") {
		t.Errorf("the message is %+v", m)
	}
	clean(t, s)
}

func TestIncomingWebhook(t *testing.T) {
	s := slacktest.New(t)
	n := hook(t, s)
	with := notification("1", alert.FirstNotification, "", fires("cart"))
	with.Data.Notes = []alert.Note{{At: start, Text: "silenced by anna"}}
	mustNotify(t, n, with)
	m := s.Messages(slacktest.Hook)[0]
	contains(t, m.Raw(), "cart is slow", red, "service.version=1.4.2", "GET /cart", "silenced by anna")
	s.Fail(slacktest.Fault{Status: 400, Body: "invalid_blocks"})
	mustNotify(t, n, with)
	if len(s.Messages(slacktest.Hook)) != 2 {
		t.Error("a refused form cost the message")
	}
	clean(t, s)
}

func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault     slacktest.Fault
		permanent bool
		rest      time.Duration
		text      string
	}{
		"rate limited": {fault: slacktest.Limited("", 30), rest: 30 * time.Second, text: "rate limited"},
		"unavailable":  {fault: slacktest.Fault{Status: 503, Body: "<html>down</html>"}, text: "503"},
		"proxy's page": {fault: slacktest.Fault{Body: "<html>sign in</html>"}, text: "invalid character"},
		"cut off":      {fault: slacktest.Fault{Cut: true}, text: "EOF"},
		"internal":     {fault: slacktest.Error("", "internal_error"), text: "internal_error"},
		"revoked":      {fault: slacktest.Error("", "token_revoked"), permanent: true, text: "reinstall the app"},
		"channel":      {fault: slacktest.Error("", "channel_not_found"), permanent: true, text: "check the name"},
		"outside":      {fault: slacktest.Error("", "not_in_channel"), permanent: true, text: "invite the app"},
		"scope":        {fault: slacktest.Fault{Body: `{"ok":false,"error":"missing_scope","needed":"chat:write"}`}, permanent: true, text: "lacks the scope chat:write"},
		"new error":    {fault: slacktest.Error("", "something_new"), permanent: true, text: "something_new"},
		"forbidden":    {fault: slacktest.Fault{Status: 403}, permanent: true, text: "403"},
	} {
		t.Run(name, func(t *testing.T) {
			s := slacktest.New(t)
			s.Fail(tc.fault)
			o, err := bot(t, s, nil).Notify(t.Context(), notification("1", alert.FirstNotification, "", fires("cart")))
			if err == nil || o.Permanent != tc.permanent || o.RetryAfter != tc.rest || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %+v, %v; expected %q", o, err, tc.text)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	for name, tc := range map[string]struct {
		fault     slacktest.Fault
		permanent bool
		rest      time.Duration
		text      string
	}{
		"rate limited": {fault: slacktest.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}, rest: 30 * time.Second, text: "429"},
		"gone":         {fault: slacktest.Fault{Status: 404, Body: "no_service"}, permanent: true, text: "no_service"},
		"broken":       {fault: slacktest.Fault{Status: 500, Body: "rollup_error 429"}, text: "rollup_error"},
	} {
		t.Run("webhook "+name, func(t *testing.T) {
			s := slacktest.New(t)
			s.Fail(tc.fault)
			o, err := hook(t, s).Notify(t.Context(), notification("1", alert.FirstNotification, "", fires("cart")))
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
	s := slacktest.New(t)
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	missing := bot(t, s, nil)
	missing.config.Token, missing.config.TokenFile = "", filepath.Join(t.TempDir(), "none")
	for name, n := range map[string]*Notifier{
		"bot":          bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.AppURL = slow.URL; c.Timeout = 50 * time.Millisecond }),
		"wrong token":  bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.Token = "xoxb-2-s3cretpart" }),
		"closed":       bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.AppURL = "http://127.0.0.1:1/" }),
		"closed hook":  mustNew(t, alert.SlackConfig{APIURL: "http://127.0.0.1:1/services/s3cretpart"}, Options{}),
		"missing file": missing,
	} {
		o, err := n.Notify(t.Context(), notification("1", alert.FirstNotification, "", fires("cart")))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
		if want := name == "wrong token" || name == "missing file"; o.Permanent != want {
			t.Errorf("%s: permanent is %v: %v", name, o.Permanent, err)
		}
	}
}
