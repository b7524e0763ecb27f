package chaos

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// gate stands between two processes and a Slack that allows one write a second, and can have the process killed whose
// call it is. A process reaches Slack's API at its number.
type gate struct {
	*httptest.Server
	trap

	t     *testing.T
	slack *slacktest.Server
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t, slack: slacktest.New(t)}
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
	springs := func(at step) func(process int) {
		if !writes {
			return nil
		}
		return g.due(at)
	}
	if kill := springs(beforeReceipt); kill != nil {
		kill(process)
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
	if kill := springs(beforeAnswer); kill != nil {
		kill(process)
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
