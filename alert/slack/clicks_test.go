package slack

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// commands collects what clicks lead to.
type commands struct {
	mu   sync.Mutex
	list []*alert.Command
	err  error
}

func (c *commands) do(_ context.Context, command *alert.Command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, command)
	return c.err
}

func (c *commands) all() []*alert.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// until waits for something that happens in another goroutine.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// withButtons posts a message with buttons.
func withButtons(t *testing.T, s *slacktest.Server) slacktest.Message {
	t.Helper()
	n := bot(t, s, func(_ *alert.SlackConfig, o *Options) { o.Buttons = true })
	mustNotify(t, n, notification("1", alert.FirstNotification, "", fires("cart")))
	return s.Messages(slacktest.Channel)[0]
}

func TestRequestURL(t *testing.T) {
	s := slacktest.New(t)
	m := withButtons(t, s)
	var did commands
	c := NewClicks(ClickOptions{Do: did.do, SigningSecret: slacktest.SigningSecret, Users: map[string][]string{"ops/slack[0]": {"U1", "U2"}}})
	app := httptest.NewServer(c)
	defer app.Close()
	press := func(user, action string) {
		t.Helper()
		payload := s.Payload(m, slacktest.Click{UserID: user, UserName: "anna", Action: action})
		resp, err := http.DefaultClient.Do(slacktest.Request(app.URL, payload, slacktest.SigningSecret, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("answered %s", resp.Status)
		}
	}
	for i, tc := range []struct {
		user, action string
		kind         alert.Kind
		answer       string
	}{
		{"U1", actAcknowledge, alert.Acknowledge, "Acknowledged"},
		{"U2", actSilence, alert.SilenceSubject, "Silenced for 1 hour"},
		{"U1", actNoise, alert.MarkNoise, "noise"},
		{"U3", actAcknowledge, "", "only some people"},
	} {
		before := len(did.all())
		press(tc.user, tc.action)
		until(t, "the click is answered", func() bool { return len(s.Answers()) == i+1 })
		contains(t, s.Answers()[i].Text, tc.answer)
		if a := s.Answers()[i]; a.ResponseType != "ephemeral" || a.ReplaceOriginal {
			t.Errorf("the answer is %+v", a)
		}
		list := did.all()[before:]
		if tc.kind == "" {
			if len(list) > 0 {
				t.Errorf("a click of somebody who may not led to %+v", list[0])
			}
			continue
		}
		if len(list) != 1 || list[0].Kind != tc.kind || list[0].Subject.Group != "group-1" || list[0].By != "anna ("+tc.user+")" || list[0].Validate() != nil {
			t.Fatalf("the click led to %+v", list)
		}
		if tc.kind == alert.SilenceSubject && list[0].Duration != time.Hour {
			t.Errorf("silenced for %s", list[0].Duration)
		}
	}
	did.err = errors.New("Kafka <is> down")
	press("U1", actNoise)
	until(t, "the failure is answered", func() bool { return len(s.Answers()) == 5 })
	contains(t, s.Answers()[4].Text, "did not work: Kafka &lt;is&gt; down")
	did.err = alert.ErrOver
	press("U1", actSilence)
	until(t, "it is answered that nothing was done", func() bool { return len(s.Answers()) == 6 })
	contains(t, s.Answers()[5].Text, "these alerts are over: nothing was done")
	clean(t, s)
}

// Buttons of a receiver that was renamed or removed do nothing: nobody knows who may use them.
func TestButtonsOfNoReceiver(t *testing.T) {
	s := slacktest.New(t)
	payload := s.Payload(withButtons(t, s), slacktest.Click{UserID: "U1", Action: actSilence})
	var did commands
	c := NewClicks(ClickOptions{Do: did.do, SigningSecret: slacktest.SigningSecret, Users: map[string][]string{"others/slack[0]": {"U1"}}})
	c.ServeHTTP(httptest.NewRecorder(), slacktest.Request("http://freshet.example.org/slack", payload, slacktest.SigningSecret, time.Now()))
	until(t, "it is answered", func() bool { return len(s.Answers()) == 1 })
	if contains(t, s.Answers()[0].Text, "does not have the receiver of this message any more"); len(did.all()) > 0 {
		t.Errorf("the click led to %+v", did.all())
	}
}

// What Slack has not signed, or long ago, does nothing.
func TestForgedRequests(t *testing.T) {
	s := slacktest.New(t)
	payload := s.Payload(withButtons(t, s), slacktest.Click{UserID: "U1", Action: actAcknowledge})
	var did commands
	request := func(secret string, at time.Time, change func(*http.Request)) *http.Request {
		r := slacktest.Request("http://freshet.example.org/slack", payload, secret, at)
		if change != nil {
			change(r)
		}
		return r
	}
	now := time.Now()
	for name, tc := range map[string]struct {
		r    *http.Request
		code int
	}{
		"good":          {request(slacktest.SigningSecret, now.Add(-4*time.Minute), nil), 200},
		"other secret":  {request("other", now, nil), 401},
		"old":           {request(slacktest.SigningSecret, now.Add(-6*time.Minute), nil), 401},
		"future":        {request(slacktest.SigningSecret, now.Add(6*time.Minute), nil), 401},
		"unsigned":      {request(slacktest.SigningSecret, now, func(r *http.Request) { r.Header.Del("X-Slack-Signature") }), 401},
		"no time":       {request(slacktest.SigningSecret, now, func(r *http.Request) { r.Header.Del("X-Slack-Request-Timestamp") }), 401},
		"no payload":    {slacktest.Request("http://x.example/", []byte("?"), slacktest.SigningSecret, now), 400},
		"get":           {httptest.NewRequest(http.MethodGet, "/", nil), 405},
		"large":         {slacktest.Request("http://x.example/", bytes.Repeat([]byte("x"), 2<<20), slacktest.SigningSecret, now), 413},
		"other buttons": {slacktest.Request("http://x.example/", []byte(`{"type":"block_actions","actions":[{"action_id":"theirs"}]}`), slacktest.SigningSecret, now), 200},
	} {
		before := len(did.all())
		w := httptest.NewRecorder()
		NewClicks(ClickOptions{Do: did.do, SigningSecret: slacktest.SigningSecret, Users: map[string][]string{"ops/slack[0]": nil}}).ServeHTTP(w, tc.r)
		if w.Code != tc.code {
			t.Errorf("%s: answered %d %s, expected %d", name, w.Code, w.Body, tc.code)
		}
		if got := len(did.all()) - before; got != map[bool]int{true: 1}[name == "good"] {
			t.Errorf("%s led to %d commands", name, got)
		}
	}
	// Without a secret nothing is believed.
	w := httptest.NewRecorder()
	NewClicks(ClickOptions{Do: did.do}).ServeHTTP(w, request("", now, nil))
	if w.Code != 401 {
		t.Errorf("without a secret answered %d", w.Code)
	}
}

func TestSocketMode(t *testing.T) {
	s := slacktest.New(t)
	m := withButtons(t, s)
	var did commands
	var log safeBuffer
	c := NewClicks(ClickOptions{Do: did.do, AppLevelToken: slacktest.AppLevelToken, AppURL: s.API(), Users: map[string][]string{"ops/slack[0]": nil}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	connected := func() bool { return s.Connected() > 0 }
	until(t, "freshet is connected", connected)
	payload := s.Payload(m, slacktest.Click{UserID: "U1", UserName: "anna", Action: actAcknowledge})
	id, err := s.Push(payload)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the click is answered", func() bool { return len(s.Answers()) == 1 })
	until(t, "the envelope is acknowledged", func() bool { return slices.Contains(s.Acks(), id) })
	// Slack cuts connections now and then, and sends again what it thinks lost: the same click is the same command.
	s.Disconnect()
	until(t, "the old connection is gone", func() bool { return len(s.Calls("apps.connections.open")) > 1 })
	until(t, "freshet is connected again", connected)
	if _, err := s.Push(payload); err != nil {
		t.Fatal(err)
	}
	until(t, "the click is answered again", func() bool { return len(s.Answers()) == 2 })
	if list := did.all(); len(list) != 2 || list[0].ID != list[1].ID || list[0].Kind != alert.Acknowledge {
		t.Errorf("the clicks led to %+v", list)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log shows the token: %s", log.String())
	}
	clean(t, s)
}

func TestSocketModeRefused(t *testing.T) {
	s := slacktest.New(t)
	var log safeBuffer
	c := NewClicks(ClickOptions{AppLevelToken: "xapp-2-s3cret", AppURL: s.API(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	until(t, "the refusal is logged", func() bool { return strings.Contains(log.String(), "buttons of messages do nothing") })
	contains(t, log.String(), "scope connections:write")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log shows the token: %s", log.String())
	}
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Buttons are only shown where clicks arrive, on what fires, and say what can be done now.
func TestButtons(t *testing.T) {
	acked := fires("cart")
	acked.Acknowledged = &alert.Acknowledgement{By: "anna"}
	long := notification("1", alert.FirstNotification, "", fires("cart"))
	long.Group = strings.Repeat("x", 2001)
	for name, tc := range map[string]struct {
		n       *alert.Notification
		buttons bool
		want    []string
	}{
		"firing":         {notification("1", alert.FirstNotification, "", fires("cart")), true, []string{actAcknowledge, actSilence, actNoise}},
		"acknowledged":   {notification("1", alert.FirstNotification, "", acked), true, []string{actUnacknowledge, actSilence, actNoise}},
		"over":           {notification("1", alert.AllResolved, "", over(fires("cart"))), true, nil},
		"not configured": {notification("1", alert.FirstNotification, "", fires("cart")), false, nil},
		"long name":      {long, true, nil},
	} {
		s := slacktest.New(t)
		mustNotify(t, bot(t, s, func(_ *alert.SlackConfig, o *Options) { o.Buttons = tc.buttons }), tc.n)
		raw := s.Messages(slacktest.Channel)[0].Raw()
		for _, action := range []string{actAcknowledge, actUnacknowledge, actSilence, actNoise} {
			if got := strings.Contains(raw, `"`+action+`"`); got != slices.Contains(tc.want, action) {
				t.Errorf("%s: %s is shown: %v", name, action, got)
			}
		}
		clean(t, s)
	}
}
