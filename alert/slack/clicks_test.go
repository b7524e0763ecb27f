package slack

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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

// forwarder is a proxy that leads to one server, whatever it is asked for, and notes for which hosts.
type forwarder struct {
	to    string
	mu    sync.Mutex
	hosts []string
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.hosts = append(f.hosts, r.Method+" "+r.URL.Host)
	f.mu.Unlock()
	if r.Method != http.MethodConnect {
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.Host = f.to }}).ServeHTTP(w, r)
		return
	}
	there, err := net.Dial("tcp", f.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	go func() {
		_, _ = io.Copy(there, here)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

func (f *forwarder) asked(request string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.hosts, request)
}

// Socket Mode and the answers to clicks go through the receiver's proxy.
func TestClicksThroughAProxy(t *testing.T) {
	s := slacktest.New(t)
	here := strings.TrimPrefix(s.URL, "http://")
	f := &forwarder{to: here}
	proxy := httptest.NewServer(f)
	defer proxy.Close()
	through := &alert.HTTPConfig{ProxyConfig: alert.ProxyConfig{ProxyURL: alert.Secret(proxy.URL)}}
	var did commands
	c := NewClicks(ClickOptions{Do: did.do, AppLevelToken: slacktest.AppLevelToken, AppURL: "http://slack.invalid/api/", HTTPConfig: through,
		HTTPConfigs: map[string]*alert.HTTPConfig{"ops/slack[0]": through}, Users: map[string][]string{"ops/slack[0]": nil}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	until(t, "freshet is connected", func() bool { return s.Connected() > 0 })
	payload := s.Payload(withButtons(t, s), slacktest.Click{UserID: "U1", Action: actAcknowledge})
	payload = bytes.ReplaceAll(payload, []byte(s.URL+"/response"), []byte("http://hooks.invalid/response"))
	if _, err := s.Push(payload); err != nil {
		t.Fatal(err)
	}
	until(t, "the click is answered", func() bool { return len(s.Answers()) == 1 })
	for _, request := range []string{"POST slack.invalid", "CONNECT " + here, "POST hooks.invalid"} {
		if !f.asked(request) {
			t.Errorf("the proxy was not asked to %s: %q", request, f.hosts)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Socket Mode trusts the authority that the receiver's http_config names, and no other.
func TestSocketModeWithItsOwnAuthority(t *testing.T) {
	s := slacktest.New(t)
	there, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewUnstartedServer(nil)
	forward := httputil.NewSingleHostReverseProxy(there)
	secure.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "apps.connections.open") {
			_, _ = io.WriteString(w, `{"ok":true,"url":"wss`+strings.TrimPrefix(secure.URL, "https")+`/socket"}`)
			return
		}
		forward.ServeHTTP(w, r)
	})
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	for _, ca := range []string{"", authority} {
		var text safeBuffer
		c := NewClicks(ClickOptions{AppLevelToken: slacktest.AppLevelToken, AppURL: secure.URL + "/api/", Log: slog.New(slog.NewTextHandler(&text, nil)),
			HTTPConfig: &alert.HTTPConfig{TLSConfig: &alert.TLSConfig{CA: ca}}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		if ca == "" {
			until(t, "it is refused", func() bool { return strings.Contains(text.String(), "certificate") })
			if s.Connected() > 0 {
				t.Error("it is connected to somebody whom it does not trust")
			}
		} else {
			until(t, "freshet is connected", func() bool { return s.Connected() > 0 })
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
