package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/rules/label"
)

// slackWith is an alerter that tells Slack as the settings of slack_configs say; global is what stands under that.
func slackWith(k *cluster, global, settings string) string {
	return k.alerter(fmt.Sprintf(`
  global: {%s}
  route: {receiver: chat, group_by: [alertname, service], group_wait: 0s, group_interval: 5m}
  receivers:
    - {name: chat, slack_configs: [{%s}]}
`, global, settings))
}

func botOf(s *slacktest.Server) string {
	return fmt.Sprintf("token: %s, channel: %s, app_url: %q", slacktest.Token, slacktest.Channel, s.API())
}

// An alert that ends while Slack, asked for its first message, wants to be left alone for a second is told in full.
// Alertmanager tells nothing of it.
func TestSlackThatAsksForRest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, channel string
		settings        func(*slacktest.Server) string
	}{
		"bot":     {"chat.postMessage", slacktest.Channel, botOf},
		"webhook": {slacktest.Hook, slacktest.Hook, func(s *slacktest.Server) string { return fmt.Sprintf("send_resolved: true, api_url: %q", s.HookURL()) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachKafka(t, func(t *testing.T, k *cluster) {
				s := slacktest.New(t)
				s.RateLimit(time.Second)
				s.Fail(slacktest.Limited(tc.method, 1))
				p := active(t, slackWith(k, "", tc.settings(s)))
				d := harness.NewDetector(t, k.client, k.namespace)
				d.Fire(label.AlertName, "Brief", label.Severity, "critical", "service", "shop")
				harness.Eventually(t, 20*time.Second, "Slack is asked", func() bool { return len(s.Calls(tc.method)) > 0 })
				d.End(label.AlertName, "Brief", label.Severity, "critical", "service", "shop")
				// A bot edits its message and says in the thread what changed; an incoming webhook can only post.
				var posted []string
				harness.Eventually(t, 20*time.Second, "the end is told", func() bool {
					posted = nil
					for _, c := range s.Calls(tc.method) {
						if text := c.Form.Get("text"); text == "" {
							posted = append(posted, c.Body)
						} else if !strings.HasPrefix(text, "Why: ") {
							posted = append(posted, text)
						}
					}
					return len(posted) >= 3
				})
				harness.Never(t, 3*time.Second, "more is told", func() bool { return len(s.Calls(tc.method)) > len(posted) })
				if posted[0] != posted[1] || !strings.Contains(posted[1], "CRITICAL: Brief") || !strings.Contains(posted[2], "RESOLVED") {
					t.Errorf("posted %q, want the first one twice and then the end", posted)
				}
				calls := s.Calls(tc.method)
				if rest := calls[1].At.Sub(calls[0].At); rest < time.Second || rest > 4*time.Second {
					t.Errorf("the second attempt came after %s, Slack asked for 1 s", rest)
				}
				if wrong := s.Invalid(); len(wrong)+s.Limits() > 0 {
					t.Errorf("refused as malformed %v, %d as too soon", wrong, s.Limits())
				}
				p.Stop()
			})
		})
	}
}

// ada clicks.
func ada(action string) slacktest.Click {
	return slacktest.Click{UserID: "U012", UserName: "ada", Action: "freshet_" + action}
}

// clicked is an alerter with buttons, and an alert of which Slack has a message.
type clicked struct {
	t       *testing.T
	slack   *slacktest.Server
	program *harness.Program
	config  string
}

func newClicked(t *testing.T, k *cluster, global string) *clicked {
	t.Helper()
	c := &clicked{t: t, slack: slacktest.New(t)}
	c.config = slackWith(k, global, botOf(c.slack)+", button_users: [U012]")
	c.program = active(t, c.config)
	harness.NewDetector(t, k.client, k.namespace).Fire(label.AlertName, "Slow", label.Severity, "critical", "service", "shop")
	harness.Eventually(t, 20*time.Second, "a message", func() bool { return len(c.slack.Messages(slacktest.Channel)) == 1 })
	return c
}

func (c *clicked) message() *slacktest.Message { return &c.slack.Messages(slacktest.Channel)[0] }

// noted waits until the thread says something.
func (c *clicked) noted(text string) {
	c.t.Helper()
	harness.Eventually(c.t, 20*time.Second, "the thread says "+text, func() bool {
		return slices.ContainsFunc(c.slack.Thread(slacktest.Channel, c.message().TS), func(m slacktest.Message) bool { return strings.Contains(m.Raw(), text) })
	})
}

// answered waits until the person who clicked is told something.
func (c *clicked) answered(text string) {
	c.t.Helper()
	harness.Eventually(c.t, 20*time.Second, "the answer "+text, func() bool {
		return slices.ContainsFunc(c.slack.Answers(), func(a slacktest.Answer) bool { return strings.Contains(a.Text, text) })
	})
}

// decided waits until freshet why shows something.
func (c *clicked) decided(texts ...string) {
	c.t.Helper()
	harness.Eventually(c.t, 20*time.Second, fmt.Sprintf("freshet why shows %q", texts), func() bool {
		out, err := harness.Try(c.t, c.config, "why", "Slow", "--url", c.program.Page)
		return err == nil && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(out, text) })
	})
}

// clicks presses all buttons by a way to send interactions, which returns when Slack has an answer.
func (c *clicked) clicks(send func(payload []byte)) {
	c.t.Helper()
	stranger := ada("acknowledge")
	stranger.UserID, stranger.UserName = "U999", "mallory"
	send(c.slack.Payload(*c.message(), stranger))
	c.answered("only some people may use the buttons")

	send(c.slack.Payload(*c.message(), ada("acknowledge")))
	c.answered("Acknowledged")
	c.noted("acknowledged by ada (U012)")
	c.decided("acknowledged", "by ada (U012)")
	harness.Eventually(c.t, 20*time.Second, "the message says so", func() bool {
		return strings.Contains(c.message().Raw(), "*Acknowledged* by ada (U012)") && strings.Contains(c.message().Raw(), "freshet_unacknowledge")
	})
	send(c.slack.Payload(*c.message(), ada("noise")))
	c.answered("noise")
	c.noted("called noise by ada (U012)")
	c.decided("noise")
	if _, body := c.program.Get("/api/freshet/statistics"); !strings.Contains(body, `"acknowledged":1,"noise":1`) {
		c.t.Errorf("statistics %s", body)
	}
	if state := alertState(c.t, c.program, "Slow"); state != "active" {
		c.t.Errorf("the alert is %s before it is silenced", state)
	}
	send(c.slack.Payload(*c.message(), ada("silence")))
	c.answered("Silenced for 1 hour")
	c.noted("silenced for 1 h by ada (U012)")
	harness.Eventually(c.t, 20*time.Second, "it is suppressed", func() bool { return alertState(c.t, c.program, "Slow") == "suppressed" })
	if _, body := c.program.Get("/api/v2/silences"); !strings.Contains(body, `"createdBy":"ada (U012)"`) || !strings.Contains(body, `"value":"Slow"`) {
		c.t.Errorf("silences %s", body)
	}
	c.decided("silenced", "by ada (U012) until")
	if _, body := c.program.Get("/api/freshet/decisions?alertname=Slow"); strings.Contains(body, "mallory") {
		c.t.Errorf("a stranger's click was carried out: %s", body)
	}
	if wrong := c.slack.Invalid(); len(wrong) > 0 {
		c.t.Errorf("Slack refuses as malformed: %v", wrong)
	}
}

// What people click in Slack comes by Socket Mode: it is acknowledged, carried out, shown in the thread and by the API.
func TestButtonsBySocketMode(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		c := newClicked(t, k, "slack_app_level_token: "+slacktest.AppLevelToken)
		harness.Eventually(t, 20*time.Second, "freshet connects", func() bool { return c.slack.Connected() == 1 })
		c.clicks(func(payload []byte) {
			t.Helper()
			id, err := c.slack.Push(payload)
			if err != nil {
				t.Fatal(err)
			}
			harness.Eventually(t, 3*time.Second, "the click is acknowledged in time", func() bool { return slices.Contains(c.slack.Acks(), id) })
		})
		c.program.Stop()
	})
}

// Clicks may also come as signed requests, and none that is not signed, signed by another or old is taken.
func TestButtonsByRequest(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		c := newClicked(t, k, "slack_signing_secret: "+slacktest.SigningSecret)
		address := c.program.Page + "api/freshet/slack"
		post := func(r *http.Request) int {
			t.Helper()
			resp, err := http.DefaultClient.Do(r.WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body) // only the status is of interest
			return resp.StatusCode
		}
		payload := c.slack.Payload(*c.message(), ada("silence"))
		unsigned := slacktest.Request(address, payload, slacktest.SigningSecret, time.Now())
		unsigned.Header.Del("X-Slack-Signature")
		for what, r := range map[string]*http.Request{
			"another secret": slacktest.Request(address, payload, "another", time.Now()),
			"an old time":    slacktest.Request(address, payload, slacktest.SigningSecret, time.Now().Add(-10*time.Minute)),
			"no signature":   unsigned,
		} {
			if status := post(r); status != http.StatusUnauthorized {
				t.Errorf("%s is answered with %d", what, status)
			}
		}
		harness.Never(t, 2*time.Second, "a refused click silences", func() bool { return alertState(t, c.program, "Slow") != "active" })
		c.clicks(func(payload []byte) {
			t.Helper()
			if status := post(slacktest.Request(address, payload, slacktest.SigningSecret, time.Now())); status != http.StatusOK {
				t.Errorf("a signed click is answered with %d", status)
			}
		})
		c.program.Stop()
	})
}
