package slack

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/detect/finding"
)

const leak = "hunter2xyz"

// leaky is an alert that holds a secret wherever it can, and values that are none.
func leaky() alert.Alert {
	a := fires("cart")
	a.Labels["dsn"], a.Labels["token"] = "postgres://shop:"+leak+"@db:5432/shop", leak
	a.Labels["trace"], a.Labels["commit"] = "0b5d4c9e-93f5-4a52-9d0a-3f1f4f6b2c11", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
	a.Annotations["summary"], a.Annotations["description"] = "cart logs password="+leak, "see https://x.example/?page=2&secret="+leak+" of cart"
	a.Annotations["runbook_url"] = "https://ops:" + leak + "@runbooks.example.org/slow"
	a.Links = []alert.Link{{Name: "dashboard", URL: "https://grafana.example.org/d/shop?from=1&to=2&token=" + leak}, {Name: "wiki", URL: "https://wiki.example.org/cart?from=1"}}
	a.Acknowledged = &alert.Acknowledgement{By: "anna", Comment: "pwd: " + leak}
	a.Samples[0].Text = "api_key=" + leak
	a.Explanation.Traits[0] = finding.Trait{Attribute: "db.password", Value: leak, Now: 1, Also: []finding.Attribute{{Name: "header", Value: "Bearer " + leak + ".x"}}}
	a.Chart = &finding.Chart{}
	return a
}

// No message, thread, list or chart shows a secret, whatever holds it; other values are shown as they are.
func TestHiddenSecrets(t *testing.T) {
	own := `{{ range .Alerts }}{{ .Labels }}{{ .Annotations }}{{ .Explanation }}{{ range .Samples }}{{ .Text }}{{ end }}{{ range .Links }}{{ .URL }}{{ end }}` +
		`{{ .Acknowledged.Comment }}{{ end }}{{ .CommonLabels }}{{ .CommonAnnotations }}{{ .GroupLabels }}`
	for name, change := range map[string]func(*alert.SlackConfig){
		"freshet's form": func(*alert.SlackConfig) {},
		"own form": func(c *alert.SlackConfig) {
			c.Text, c.MessageText, c.Username, c.TitleLink = own, own, "{{ .CommonLabels.token }}", "{{ .CommonAnnotations.runbook_url }}"
		},
		"webhook": func(c *alert.SlackConfig) { c.APIURL, c.Token = c.AppLevelToken, "" },
	} {
		t.Run(name, func(t *testing.T) {
			s := slacktest.New(t)
			group := ""
			c := alert.SlackConfig{Token: slacktest.Token, Channel: slacktest.Channel, AppURL: s.API(), AppLevelToken: alert.Secret(s.HookURL())}
			change(&c)
			n := mustNew(t, c, Options{Buttons: true, Limiter: NewLimiter(time.Microsecond), Chart: func(a *alert.Alert) ([]byte, error) {
				group = a.Labels.String()
				return []byte("PNG"), nil
			}})
			one := func(id string) *alert.Notification {
				out := notification(id, alert.FirstNotification, "", leaky())
				out.Group, out.Data.GroupLabels = id, alert.KV{"token": leak}
				out.Data.Notes = []alert.Note{{At: start, Text: "the remediation answered token=" + leak}}
				return out
			}
			before := one("1")
			mustNotify(t, n, before)
			storm := make([]*alert.Notification, 30)
			for i := range storm {
				storm[i] = one(strings.Repeat("x", i+2))
			}
			mustDigest(t, n, storm)
			if before.Data.Alerts[0].Labels["token"] != leak {
				t.Error("the notification itself was changed")
			}
			all := ""
			for _, call := range s.Calls("") {
				all += call.Body + call.Form.Encode()
			}
			if strings.Contains(all+group, leak) {
				at := strings.Index(all+group, leak)
				t.Errorf("a secret is shown: …%s", (all + group)[max(0, at-200):at+20])
			}
			m := append(s.Messages(slacktest.Channel), s.Messages(slacktest.Hook)...)[0]
			contains(t, m.Raw(), "0b5d4c9e-93f5-4a52-9d0a-3f1f4f6b2c11", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "https://wiki.example.org/cart?from=1", "token=",
				"postgres://")
			if name != "webhook" && !strings.Contains(group, "trace=0b5d4c9e") {
				t.Errorf("the chart is of the group %q", group)
			}
			clean(t, s)
		})
	}
}

// Where a notification goes and what its buttons are about is no text for people.
func TestHiddenSecretsDecideNothing(t *testing.T) {
	s := slacktest.New(t)
	n := bot(t, s, func(c *alert.SlackConfig, o *Options) { c.Channel, o.Buttons = "{{ .CommonLabels.secret }}", true })
	a := fires("cart")
	a.Labels["secret"] = slacktest.Channel
	one := notification("1", alert.FirstNotification, "", a)
	one.Group = `{token="` + leak + `"}`
	mustNotify(t, n, one)
	two, edit := *one, *one
	two.ID, two.Group = "2", "2"
	edit.ID, edit.Group, edit.Reason = "3", "3", alert.ContentChanged
	mustDigest(t, n, []*alert.Notification{&two, &edit})
	messages := s.Messages(slacktest.Channel)
	if len(messages) != 2 {
		t.Fatalf("the channel has %d messages", len(messages))
	}
	if _, value, _ := strings.Cut(messages[0].Raw(), `"value":"`); !strings.HasPrefix(value, `{token=\"`+leak) {
		t.Errorf("the buttons are about another group: %s", messages[0].Raw())
	}
}
