package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
)

// previewer is a notifier that can say what it would send.
type previewer interface {
	Preview(n *alert.Notification) (string, error)
}

// preview prints what would be sent to an integration and says whether it could be rendered.
func (t *receiverTest) preview(ctx context.Context, i alert.Integration, steps ...*alert.Notification) bool {
	var sink slackSink
	if i.Kind == "slack" {
		address, stop, err := sink.serve()
		if err != nil {
			t.failed(i, "", alert.Outcome{Permanent: true}, err)
			return false
		}
		defer stop()
		i = sink.instead(i, address)
	}
	n, err := pipeline.NewNotifier(i)
	if err != nil {
		t.failed(i, "", alert.Outcome{Permanent: true}, err)
		return false
	}
	ref := ""
	for _, step := range steps {
		if step.Data.Status == "resolved" && !i.SendResolved {
			continue
		}
		step.Ref = ref
		var text string
		if p, ok := n.(previewer); ok {
			text, err = p.Preview(step)
		} else {
			var outcome alert.Outcome
			outcome, err = n.Notify(ctx, step)
			text, ref = sink.take(), outcome.Ref
		}
		if text != "" {
			fmt.Fprintf(t.out, "--- %s, %s\n%s\n", i.Key(), step.Data.Status, strings.TrimRight(text, "\n"))
		}
		if err != nil {
			fmt.Fprintf(t.out, "%s  FAILED  %s: %v\n", i.Key(), step.Data.Status, err)
			return false
		}
	}
	return true
}

// slackSink stands in for Slack, so that what is sent to it is what the notifier sends.
type slackSink struct{ text strings.Builder }

// serve listens on the loopback interface until stop is called.
func (s *slackSink) serve() (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until stop
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// instead returns the integration with the sink in the place of Slack, and without its secrets.
func (s *slackSink) instead(i alert.Integration, address string) alert.Integration {
	c := *i.Slack
	token, file := c.BotToken()
	c.Token, c.TokenFile, c.AppToken, c.AppTokenFile, c.APIURL, c.APIURLFile, c.HTTPConfig = "", "", "", "", "", "", nil
	if token != "" || file != "" {
		c.Token, c.AppURL = "xoxb-not-sent", address+"/api/"
	} else {
		c.APIURL = alert.Secret(address + "/incoming-webhook")
	}
	i.Slack = &c
	return i
}

// ServeHTTP writes down a request. The notifier makes one at a time.
func (s *slackSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(&s.text, "%s %s\n", r.Method, strings.TrimPrefix(r.URL.Path, "/api/"))
	if form, err := url.ParseQuery(string(body)); err == nil && strings.Contains(r.Header.Get("Content-Type"), "form") {
		form.Del("token")
		for _, name := range slices.Sorted(maps.Keys(form)) {
			fmt.Fprintf(&s.text, "%s: %s\n", name, indented([]byte(form.Get(name))))
		}
	} else {
		fmt.Fprintf(&s.text, "%s\n", indented(body))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok": true, "channel": "C0123456789", "ts": "1700000000.000100", "messages": []}`) // to ourselves
}

func (s *slackSink) take() string {
	text := s.text.String()
	s.text.Reset()
	return alert.Printable(text)
}

func indented(text []byte) []byte {
	var b bytes.Buffer
	if len(text) == 0 || text[0] != '{' && text[0] != '[' || json.Indent(&b, text, "", "  ") != nil {
		return text
	}
	return b.Bytes()
}
