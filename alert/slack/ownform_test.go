package slack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// attachment is what Alertmanager sends.
type attachment struct {
	Title, Text, Pretext, Fallback, Footer, Color string
	TitleLink                                     string `json:"title_link"`
	ImageURL                                      string `json:"image_url"`
	ThumbURL                                      string `json:"thumb_url"`
	CallbackID                                    string `json:"callback_id"`
	MrkdwnIn                                      []string
	Fields                                        []struct {
		Title, Value string
		Short        bool
	}
	Actions []struct{ Type, Text, URL, Style string }
	Blocks  []any
}

func ownAttachment(t *testing.T, m slacktest.Message) attachment {
	t.Helper()
	var as []attachment
	if err := json.Unmarshal(m.Attachments, &as); err != nil || len(as) != 1 {
		t.Fatalf("%d attachments: %v", len(as), err)
	}
	return as[0]
}

// A configuration of Alertmanager's makes the message that Alertmanager makes.
func TestAlertmanagersForm(t *testing.T) {
	s := slacktest.New(t)
	file := filepath.Join(t.TempDir(), "shop.tmpl")
	if err := os.WriteFile(file, []byte(`{{ define "shop.text" }}{{ range .Alerts }}*{{ .Labels.service_name }}*: {{ .Annotations.summary }}{{ end }}{{ end }}`), 0o600); err != nil {
		t.Fatal(err)
	}
	no := false
	n := bot(t, s, func(c *alert.SlackConfig, _ *Options) {
		c.TemplateFiles = []string{file}
		c.Title = `{{ template "slack.default.title" . }}`
		c.Text = `<!here> {{ template "shop.text" . }}`
		c.Color = `{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}`
		c.Fields = []alert.SlackField{{Title: "Severity", Value: "{{ .CommonLabels.severity }}"}, {Title: "Long", Value: "x", Short: &no}}
		c.ShortFields = true
		c.Actions = []alert.SlackAction{{Type: "button", Text: "Runbook", URL: "{{ (index .Alerts 0).Annotations.runbook_url }}", Style: "primary"}}
		c.Username, c.Footer, c.ImageURL, c.CallbackID = "{{ .CommonLabels.severity }}", "foot", "https://x.example/i.png", "call"
		c.MessageText = "for the preview"
	})
	a := fires("cart")
	a.Annotations["summary"] = "5 < 6 & <!channel>"
	ref := mustNotify(t, n, notification("1", alert.FirstNotification, "", a))
	m := s.Messages(slacktest.Channel)[0]
	got := ownAttachment(t, m)
	for name, pair := range map[string][2]string{
		"title":       {got.Title, `[FIRING:1] Slow (cart critical)`},
		"title_link":  {got.TitleLink, "http://freshet.example.org"},
		"text":        {got.Text, "<!here> *cart*: 5 &lt; 6 &amp; &lt;!channel&gt;"},
		"color":       {got.Color, red},
		"footer":      {got.Footer, "foot"},
		"image_url":   {got.ImageURL, "https://x.example/i.png"},
		"callback_id": {got.CallbackID, "call"},
		"username":    {m.Username, "critical"},
		"text above":  {m.Text, "for the preview"},
		"runbook":     {got.Actions[0].URL, "https://runbooks.example.org/slow"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, expected %q", name, pair[0], pair[1])
		}
	}
	if len(got.Fields) != 2 || got.Fields[0].Value != "critical" || !got.Fields[0].Short || got.Fields[1].Short || len(got.Blocks) > 0 || len(m.Blocks) > 0 {
		t.Errorf("the message is %s", m.Raw())
	}
	mustNotify(t, n, notification("2", alert.AllResolved, ref, over(a)))
	if m := s.Messages(slacktest.Channel); len(m) != 1 || ownAttachment(t, m[0]).Color != green {
		t.Errorf("the end is shown as %+v", m)
	}
	clean(t, s)
}

// With link_names a label cannot mention anybody, and the configuration can.
func TestLinkNames(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, func(c *alert.SlackConfig, _ *Options) {
		c.Text, c.LinkNames = "@oncall {{ .CommonLabels.service_name }}", true
	})
	mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("@here")))
	text := ownAttachment(t, s.Messages(slacktest.Channel)[0]).Text
	if !strings.HasPrefix(text, "@oncall ") || strings.Contains(text, "@here") {
		t.Errorf("the text is %q", text)
	}
	if call := s.Calls("chat.postMessage")[0]; call.Form.Get("link_names") != "true" {
		t.Errorf("link_names is %q", call.Form.Get("link_names"))
	}
	// An incoming webhook is told so too, also when Slack refuses the form; freshet's own form mentions nobody either.
	for _, own := range []string{"@oncall", ""} {
		n = mustNew(t, alert.SlackConfig{APIURL: alert.Secret(s.HookURL()), Text: own, LinkNames: true}, Options{Limiter: NewLimiter(time.Microsecond)})
		s.Fail(slacktest.Fault{Method: slacktest.Hook, Status: 400, Body: "invalid_attachments"})
		a := fires("cart")
		a.Annotations["summary"] = "@here it burns"
		before := len(s.Calls(slacktest.Hook))
		mustNotify(t, n, notification("hook", alert.FirstNotification, "", a))
		for _, call := range s.Calls(slacktest.Hook)[before:] {
			if !strings.Contains(call.Body, `"link_names":true`) || strings.Contains(call.Body, `"text":"@here`) || strings.Contains(call.Body, " @here") {
				t.Errorf("the webhook is sent %s", call.Body)
			}
		}
		if calls := len(s.Calls(slacktest.Hook)) - before; calls != 2 {
			t.Errorf("%d calls, expected one that is refused and one in plain text", calls)
		}
	}
	// A template that fails is the configuration's fault, not Slack's.
	n = bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.Text = `{{ template "none" . }}` })
	if o, err := n.Notify(t.Context(), notification("2", alert.FirstNotification, "", fires("x"))); err == nil || !o.Permanent {
		t.Errorf("got %+v, %v", o, err)
	}
}

// Default templates of Alertmanager that a file redefines take effect where a receiver writes nothing of its own.
func TestRedefinedTemplates(t *testing.T) {
	define := func(name, text string) string { return `{{ define "` + name + `" }}` + text + `{{ end }}` }
	for name, tc := range map[string]struct {
		file, title string // of the receiver
		own         bool
		want        attachment
		username    string
	}{
		"none of Slack's": {file: define("shop.text", "x")},
		"the same":        {file: define("slack.default.title", `{{ template "__subject" . }}`)},
		"title": {file: define("slack.default.title", "SHOP {{ .CommonLabels.service_name }}"), own: true,
			want: attachment{Title: "SHOP cart", TitleLink: "http://freshet.example.org"}},
		"title, written out": {file: define("slack.default.title", "SHOP"), title: `{{ template "slack.default.title" . }}`, own: true,
			want: attachment{Title: "SHOP", TitleLink: "http://freshet.example.org"}},
		"title, and one of the receiver's": {file: define("slack.default.title", "SHOP") + define("slack.default.text", "{{ .Status }}"), title: "Mine", own: true,
			want: attachment{Title: "Mine", TitleLink: "http://freshet.example.org", Text: "firing"}},
		"what the title calls": {file: define("__subject", "SUBJECT"), own: true, want: attachment{Title: "SUBJECT", TitleLink: "http://freshet.example.org"}},
		"titlelink": {file: define("slack.default.titlelink", "https://wiki.example.org/{{ .CommonLabels.alertname }}"), own: true,
			want: attachment{Title: "[FIRING:1] Slow (cart critical)", TitleLink: "https://wiki.example.org/Slow"}},
		"username": {file: define("slack.default.username", "{{ .Status }}"), username: "firing"},
	} {
		file := filepath.Join(t.TempDir(), "shop.tmpl")
		if err := os.WriteFile(file, []byte(tc.file), 0o600); err != nil {
			t.Fatal(err)
		}
		s := slacktest.New(t)
		n := bot(t, s, func(c *alert.SlackConfig, _ *Options) { c.TemplateFiles, c.Title = []string{file}, tc.title })
		mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("cart")))
		m := s.Messages(slacktest.Channel)[0]
		if got := ownAttachment(t, m); (len(got.Blocks) == 0) != tc.own || tc.own && (got.Title != tc.want.Title || got.TitleLink != tc.want.TitleLink || got.Text != tc.want.Text) {
			t.Errorf("%s: the message is %s", name, m.Raw())
		}
		if m.Username != tc.username {
			t.Errorf("%s: it is posted by %q", name, m.Username)
		}
		clean(t, s)
	}
}

// Addresses hold what labels hold, and not what would be written in a text; what is no address is left out.
func TestAddresses(t *testing.T) {
	for template, want := range map[string]string{
		"https://x.example/?q={{ .CommonLabels.service_name }}&n=2":            "https://x.example/?q=a&b%3Cc%3E&n=2",
		"https://x.example/?q={{ .CommonLabels.service_name | urlquery }}&n=2": "https://x.example/?q=a%26b%3Cc%3E&n=2",
		"{{ (index .Alerts 0).GeneratorURL }}":                                 "https://prometheus.example.org/graph?g0.expr=up&g0.tab=1",
		`{{ reReplaceAll "&" ";" (index .Alerts 0).GeneratorURL }}`:            "https://prometheus.example.org/graph?g0.expr=up;g0.tab=1",
		" {{ .ExternalURL }}/#/alerts?receiver=a&b ":                           "http://freshet.example.org/#/alerts?receiver=a&b",
		"{{ (index .Alerts 0).Annotations.runbook_url }}":                      "https://runbooks.example.org/slow",
		"javascript:alert(1)":                                                  "", "https:///path": "", "{{ .CommonLabels.alertname }}": "", "https://x.example:port/": "",
		"https://x.example/" + strings.Repeat("x", maxURL): "",
	} {
		s := slacktest.New(t)
		n := bot(t, s, func(c *alert.SlackConfig, _ *Options) {
			c.TitleLink, c.ImageURL, c.ThumbURL, c.Text = template, template, template, "{{ .CommonLabels.service_name }}"
			c.Actions, c.IconURL = []alert.SlackAction{{Type: "button", Text: "Go", URL: template}}, template
		})
		a := fires("a&b<c>")
		a.GeneratorURL = "https://prometheus.example.org/graph?g0.expr=up&g0.tab=1"
		mustNotify(t, n, notification("1", alert.FirstNotification, "", a))
		got := ownAttachment(t, s.Messages(slacktest.Channel)[0])
		for field, address := range map[string]string{"title_link": got.TitleLink, "image_url": got.ImageURL, "thumb_url": got.ThumbURL, "url": got.Actions[0].URL,
			"icon_url": s.Calls("chat.postMessage")[0].Form.Get("icon_url")} {
			if address != want {
				t.Errorf("%s of %s is %q, expected %q", field, template, address, want)
			}
		}
		if got.Text != "a&amp;b&lt;c&gt;" {
			t.Errorf("the text is %q", got.Text)
		}
		clean(t, s)
	}
}
