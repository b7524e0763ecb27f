package browsertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/dashboards/web"
	"github.com/freshet-dev/freshet/rules/label"
)

// command is an alert.Command as the page sends it.
type command struct {
	Kind    string `json:"kind"`
	By      string `json:"by"`
	Comment string `json:"comment"`
	Silence *struct {
		ID        string    `json:"id"`
		Matchers  []string  `json:"matchers"`
		StartsAt  time.Time `json:"starts_at"`
		EndsAt    time.Time `json:"ends_at"`
		CreatedBy string    `json:"created_by"`
		Comment   string    `json:"comment"`
		Schedule  string    `json:"schedule"`
		Duration  int64     `json:"duration"`
		Location  string    `json:"location"`
	} `json:"silence"`
	SilenceID string `json:"silence_id"`
	Subject   struct {
		Fingerprints []label.Fingerprint `json:"fingerprints"`
	} `json:"subject"`
}

// backend is a freshet that does what the page asks for.
type backend struct {
	*pipeline
	server *httptest.Server

	mu        sync.Mutex
	commands  []command
	asked     []string // decisions and matchers
	refuse    int      // the status that commands are answered with, 0 is that they are taken
	decisions []any
	rules     []any
}

func newBackend(t *testing.T, p *pipeline) *backend {
	b := &backend{pipeline: p}
	page := p.page()
	mux := http.NewServeMux()
	mux.Handle("/", page)
	guard := http.NewCrossOriginProtection()
	mux.Handle("POST /api/freshet/commands", guard.Handler(http.HandlerFunc(b.command)))
	mux.HandleFunc("GET /api/freshet/decisions", func(w http.ResponseWriter, r *http.Request) {
		b.note(r.URL.Query().Get("fingerprint") + " " + r.URL.Query().Get("since"))
		b.answer(w, b.decisions)
	})
	mux.HandleFunc("GET /api/freshet/statistics", func(w http.ResponseWriter, _ *http.Request) { b.answer(w, b.rules) })
	mux.HandleFunc("GET /api/v2/alerts", func(w http.ResponseWriter, r *http.Request) {
		filters := r.URL.Query()["filter"]
		b.note(strings.Join(filters, " "))
		for _, f := range filters {
			if !strings.Contains(f, "=") {
				w.WriteHeader(http.StatusBadRequest)
				b.answer(w, `filter "`+f+`" is no matcher: expected name="value"`)
				return
			}
		}
		b.answer(w, make([]struct{}, 2))
	})
	b.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		page.Close()
		b.server.CloseClientConnections()
		b.server.Close()
	})
	return b
}

func (b *backend) note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, text)
}

func (b *backend) answer(w http.ResponseWriter, value any) {
	_ = json.NewEncoder(w).Encode(value)
}

func (b *backend) command(w http.ResponseWriter, r *http.Request) {
	var c command
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != 0 {
		http.Error(w, "refused: "+hostile, b.refuse)
		return
	}
	b.commands = append(b.commands, c)
	b.set(func(p *pipeline) { p.take(&c) })
}

// take does what a command says.
func (p *pipeline) take(c *command) {
	now := time.Now()
	switch c.Kind {
	case "silence":
		s := web.Silence{ID: c.Silence.ID, State: "active", Matchers: c.Silence.Matchers, StartsAt: c.Silence.StartsAt, EndsAt: c.Silence.EndsAt,
			By: c.Silence.CreatedBy, Comment: c.Silence.Comment, Schedule: c.Silence.Schedule, Each: time.Duration(c.Silence.Duration), Location: c.Silence.Location}
		if s.ID == "" {
			s.ID = "new"
			for i := range p.alerts {
				p.alerts[i].SilencedBy = []string{s.ID}
				s.Alerts++
			}
		}
		for i := range p.silences {
			if p.silences[i].ID == s.ID {
				p.silences[i] = s
				return
			}
		}
		p.silences = append(p.silences, s)
	case "expire":
		for i := range p.silences {
			if p.silences[i].ID == c.SilenceID {
				p.silences[i].State, p.silences[i].EndsAt, p.silences[i].Alerts = "expired", now, 0
			}
		}
		for i := range p.alerts {
			p.alerts[i].SilencedBy = nil
		}
	}
	for i := range p.alerts {
		a := &p.alerts[i]
		for _, fp := range c.Subject.Fingerprints {
			switch {
			case fp != a.Fingerprint:
			case c.Kind == "acknowledge":
				a.Acknowledged = &web.Acknowledgement{By: c.By, At: now}
			case c.Kind == "unacknowledge":
				a.Acknowledged = nil
			case c.Kind == "noise":
				a.Noise = true
			}
		}
	}
}

// last returns the newest command.
func (b *backend) last(t *testing.T) command {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.commands) == 0 {
		t.Fatal("no command came")
	}
	return b.commands[len(b.commands)-1]
}
