package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// fakeSlack is a server that behaves as Slack documents: chat.postMessage, chat.update, conversations.history and
// .replies, and an incoming webhook. Faults are answers that it gives before it does anything.
type fakeSlack struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	calls  []call
	posted []*posted
	faults []fault // consumed one per call
}

type call struct {
	method string
	form   url.Values
	body   string
	auth   string
}

type posted struct {
	ts, thread, metadata string
	attachments, text    string
	edits                int
}

// fault is an answer to one call of a method, "" for any.
type fault struct {
	method string
	status int
	header http.Header
	body   string
	after  bool // the call is done first, and only its answer is lost
}

const botToken = "xoxb-1-s3cretpart"

func newFakeSlack(t *testing.T) *fakeSlack {
	t.Helper()
	f := &fakeSlack{t: t}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeSlack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	c := call{method: strings.TrimPrefix(r.URL.Path, "/api/"), form: form, body: string(body), auth: r.Header.Get("Authorization")}
	f.calls = append(f.calls, c)
	var late *fault
	if len(f.faults) > 0 && (f.faults[0].method == "" || f.faults[0].method == c.method) {
		next := f.faults[0]
		f.faults = f.faults[1:]
		if !next.after {
			next.answer(w)
			return
		}
		late = &next
	}
	answer := f.do(c)
	if late != nil {
		late.answer(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

func (f fault) answer(w http.ResponseWriter) {
	maps.Copy(w.Header(), f.header)
	if f.status != 0 {
		w.WriteHeader(f.status)
	}
	_, _ = io.WriteString(w, f.body)
}

func (f *fakeSlack) do(c call) string {
	if strings.HasPrefix(c.method, "/services/") {
		return "ok"
	}
	if token := c.form.Get("token"); token != botToken && c.auth != "Bearer "+botToken {
		return `{"ok":false,"error":"invalid_auth"}`
	}
	switch c.method {
	case "chat.postMessage":
		m := &posted{ts: fmt.Sprintf("1700000000.%06d", len(f.posted)+1), thread: c.form.Get("thread_ts"), text: c.form.Get("text"),
			metadata: c.form.Get("metadata"), attachments: c.form.Get("attachments")}
		f.posted = append(f.posted, m)
		return `{"ok":true,"channel":"C012","ts":"` + m.ts + `"}`
	case "chat.update":
		for _, m := range f.posted {
			if m.ts == c.form.Get("ts") && c.form.Get("channel") == "C012" {
				m.attachments = c.form.Get("attachments")
				m.edits++
				return `{"ok":true,"channel":"C012","ts":"` + m.ts + `"}`
			}
		}
		return `{"ok":false,"error":"message_not_found"}`
	case "conversations.history", "conversations.replies":
		var messages []map[string]any
		for _, m := range f.posted {
			if m.thread != "" && m.thread != c.form.Get("ts") {
				continue
			}
			entry := map[string]any{"ts": m.ts, "type": "message"}
			if m.metadata != "" && c.form.Get("include_all_metadata") != "" {
				entry["metadata"] = json.RawMessage(m.metadata)
			}
			messages = append(messages, entry)
		}
		b, err := json.Marshal(map[string]any{"ok": true, "messages": messages})
		if err != nil {
			f.t.Error(err)
		}
		return string(b)
	default:
		f.t.Errorf("unknown method %s", c.method)
		return `{"ok":false,"error":"unknown_method"}`
	}
}

// top and thread return the messages that stand in the channel and those in threads.
func (f *fakeSlack) top() (out []*posted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.posted {
		if m.thread == "" {
			out = append(out, m)
		}
	}
	return out
}

func (f *fakeSlack) thread() (out []*posted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.posted {
		if m.thread != "" {
			out = append(out, m)
		}
	}
	return out
}

func (f *fakeSlack) last() call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1]
}
