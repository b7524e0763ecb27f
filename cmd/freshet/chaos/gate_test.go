package chaos

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// gate stands between two processes and a Slack that allows one write a second and fails now and then, and can have the
// process killed whose call it is. A process reaches Slack's API at its number.
type gate struct {
	*httptest.Server
	trap
	faults

	t     *testing.T
	slack *slacktest.Server

	mu   sync.Mutex
	now  map[string]string // the text of each message as it is, by its timestamp
	said map[string]string // as it was when it was said; of a reply, that of its message
	// woken is a process that was stopped for so long that another took over, late are its writes since.
	woken, late int
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t, slack: slacktest.New(t), now: map[string]string{}, said: map[string]string{}, woken: nobody}
	g.slack.RateLimit(time.Second)
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

// ServeHTTP passes a call on. Only calls that write spring the trap.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	process, err := strconv.Atoi(number)
	if err != nil {
		g.t.Errorf("a call of %s", r.URL.Path)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // its process was killed
	}
	writes := strings.Contains(path, "chat.") || strings.Contains(path, "completeUpload")
	g.count(process, path, writes)
	if writes && g.kills(beforeReceipt, process) {
		return
	}
	share := writesFail
	if !writes {
		share = readsFail
	}
	fault := g.draw(share)
	if fault.instead(w, r) {
		return
	}
	// Slack finishes what it has begun, also when who asked is gone.
	call, err := http.NewRequestWithContext(g.t.Context(), r.Method, g.slack.URL+"/"+path, bytes.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return
	}
	call.Header = r.Header
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		return // the test ends
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return // as above
	}
	if answer.StatusCode == http.StatusTooManyRequests {
		g.t.Logf("%s: %s of process %d came too soon", time.Now().Format(time.TimeOnly), path, process)
	}
	g.hear(path, body, text)
	if writes && g.kills(beforeAnswer, process) {
		return
	}
	if fault.unanswered(w, r) {
		return
	}
	// Files go by the gate too: a token is given to the API alone.
	text = bytes.ReplaceAll(text, []byte(g.slack.URL), []byte(g.URL+"/"+number))
	maps.Copy(w.Header(), answer.Header)
	w.Header().Del("Content-Length")
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(text) // the process may be gone
	if writes {
		_ = http.NewResponseController(w).Flush()
		g.after(process)
	}
}

// hear notes what a call has said, if it was carried out: a message that is edited does not tell what it said before.
func (g *gate) hear(path string, body, answer []byte) {
	form, err := url.ParseQuery(string(body))
	var done struct {
		OK bool
		TS string
	}
	if err != nil || json.Unmarshal(answer, &done) != nil || !done.OK {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	thread := form.Get("thread_ts")
	switch {
	case strings.HasSuffix(path, "chat.update"):
		g.now[done.TS] = form.Get("text")
	case !strings.HasSuffix(path, "chat.postMessage"):
	case thread != "":
		g.said[done.TS] = g.now[thread]
	default:
		g.now[done.TS], g.said[done.TS] = form.Get("text"), form.Get("text")
	}
}

// text is what a message said when it was new; of a reply it is what the message above it said then.
func (g *gate) text(ts string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said[ts]
}

// wake notes which process goes on after it was stopped.
func (g *gate) wake(process int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.woken = process
	if process != nobody {
		g.t.Logf("%s: process %d goes on", time.Now().Format("15:04:05.000"), process)
	}
}

// count counts the writes of a process that goes on though another one took over.
func (g *gate) count(process int, path string, writes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if writes && process == g.woken {
		g.late++
		g.t.Logf("%s: process %d, which was stopped, calls %s", time.Now().Format("15:04:05.000"), process, path)
	}
}
