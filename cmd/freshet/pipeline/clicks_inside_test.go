package pipeline

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// After a reload clicks come by the apps that the configuration names then, and by no others.
func TestClicksFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	before, after := slacktest.New(t), slacktest.New(t)
	by := func(s *slacktest.Server, secret alert.Secret) ways {
		return waysOf([]alert.Integration{{Receiver: "team", Kind: "slack", Slack: &alert.SlackConfig{
			Token: slacktest.Token, Channel: slacktest.Channel, AppLevelToken: slacktest.AppLevelToken, AppURL: s.API(), SigningSecret: secret}}})
	}
	c := newClicks(by(before, ""), func(context.Context, *alert.Command) error { return nil }, kafkatest.Logger(t))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()
	status := func() int {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, slacktest.Request("http://127.0.0.1"+clicksPath, []byte(`{"type":"block_actions"}`), slacktest.SigningSecret, time.Now()))
		return w.Code
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not within 20 s: %s", what)
			}
		}
	}
	until("it is connected", func() bool { return before.Connected() == 1 })
	if got := status(); got != http.StatusNotFound {
		t.Errorf("without a signing secret a request is answered %d", got)
	}
	c.goOver(by(before, "")) // nothing changes
	c.goOver(by(after, slacktest.SigningSecret))
	until("the other app is connected, and it alone", func() bool { return after.Connected() == 1 && before.Connected() == 0 })
	if got := status(); got != http.StatusOK {
		t.Errorf("with a signing secret a request is answered %d", got)
	}
	c.goOver(ways{})
	until("nothing is connected", func() bool { return after.Connected() == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The guide names the address that Slack must be given.
func TestGuideNamesTheRequestURL(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../alert/slack/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guide), "https://freshet.example.org"+clicksPath+"\n") {
		t.Errorf("the guide does not name the request URL with %s", clicksPath)
	}
}

// Clicks are received and answered as the receivers' http_config says.
func TestClicksFollowTheHTTPConfig(t *testing.T) {
	t.Parallel()
	one, other := &alert.HTTPConfig{}, &alert.HTTPConfig{}
	w := waysOf([]alert.Integration{
		{Receiver: "one", Kind: "slack", Slack: &alert.SlackConfig{AppLevelToken: "xapp-1", HTTPConfig: one}},
		{Receiver: "other", Kind: "slack", Slack: &alert.SlackConfig{AppLevelToken: "xapp-1", HTTPConfig: other}},
	})
	if len(w.apps) != 1 || w.apps[0].reach != one || w.reach["one/slack[0]"] != one || w.reach["other/slack[0]"] != other {
		t.Errorf("the ways are %+v", w)
	}
}
