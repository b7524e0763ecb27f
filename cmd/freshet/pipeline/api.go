package pipeline

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/apiv2"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// serveAPIs adds Alertmanager's API, Prometheus's about rules and alerts, and freshet's own about what was decided.
func (p *Pipeline) serveAPIs(mux *http.ServeMux) {
	v2 := apiv2.New(apiv2.Options{
		Alerts: p.alertViews, Groups: fromAlerter(p, (*notify).groups), Silences: fromAlerter(p, (*notify).silences),
		Setting: func() apiv2.Setting { return p.alerting.Load().api },
		Do:      p.Do, Post: p.Post, Version: p.version, Started: p.opened, Log: p.log,
	})
	mux.Handle("/api/v2/", p.whenStarted(p.fromActive(v2)))
	mux.Handle("POST "+clicksPath, p.clicks)
	mux.Handle("POST /api/freshet/commands", p.whenStarted(http.HandlerFunc(p.serveCommand)))
	mux.Handle("GET /api/freshet/decisions", p.whenStarted(http.HandlerFunc(p.serveDecisions)))
	mux.Handle("GET /api/freshet/undelivered", p.whenStarted(http.HandlerFunc(p.serveUndelivered)))
	mux.Handle("GET /api/freshet/statistics", p.whenStarted(p.fromActive(jsonOf(fromAlerter(p, (*notify).statistics)))))
	mux.Handle("GET /api/v1/rules", p.whenStarted(p.fromActive(http.HandlerFunc(p.serveRules))))
	mux.Handle("GET /api/v1/alerts", p.whenStarted(p.fromActive(http.HandlerFunc(p.serveAlerts))))
}

// fromAlerter returns what the active alerter of this process gives, nothing where there is none.
func fromAlerter[T any](p *Pipeline, f func(*notify) []T) func() []T {
	return func() []T {
		if t := p.alerts.Load(); t != nil {
			return f(t)
		}
		return nil
	}
}

func (p *Pipeline) alertViews() []alert.View { return fromAlerter(p, (*notify).views)() }

// whenStarted answers that freshet is starting until it has.
func (p *Pipeline) whenStarted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-p.started:
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusServiceUnavailable, errStarting.Error())
		}
	})
}

func jsonOf[T any](f func() []T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, append([]T{}, f()...)) })
}

func writeJSON(w http.ResponseWriter, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // an error means that the reader went away
}

// serveCommand takes a command, as the page sends it: who sends it needs to give neither IDs nor the time.
func (p *Pipeline) serveCommand(w http.ResponseWriter, r *http.Request) {
	c := new(alert.Command)
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(c); err != nil {
		http.Error(w, "expected a command as JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	if user, _, _ := r.BasicAuth(); user != "" {
		c.By = signed(c.By, user)
		if c.Silence != nil && c.Silence.CreatedBy != "" {
			c.Silence.CreatedBy = signed(c.Silence.CreatedBy, user)
		}
	}
	if err := complete(c, time.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	err := p.Do(r.Context(), c)
	if errors.Is(err, alert.ErrOver) || errors.Is(err, alert.ErrTooManySilences) {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	if err != nil {
		p.log.Warn("a command is not kept", slog.String("kind", string(c.Kind)), slog.Any("error", err))
		http.Error(w, "it is not kept, try again: "+err.Error(), http.StatusServiceUnavailable)
	}
}

// signed is the name that somebody gives with the one that he has proved, so that nobody decides in the name of another.
func signed(name, user string) string {
	if name == "" || name == user {
		return user
	}
	return name + " (" + user + ")"
}

// complete fills in what a command leaves out, and says what is wrong with it.
func complete(c *alert.Command, now time.Time) error {
	c.ID, c.At = cmp.Or(c.ID, uuid.NewString()), now
	if s := c.Silence; s != nil && c.Kind == alert.AddSilence {
		s.ID, s.UpdatedAt, s.CreatedBy = cmp.Or(s.ID, uuid.NewString()), now, cmp.Or(s.CreatedBy, c.By)
		if s.StartsAt.Before(now) {
			s.StartsAt = now
		}
		if !s.EndsAt.IsZero() && s.EndsAt.Before(now) {
			return errors.New("ends_at: expected a time to come")
		}
	}
	return c.Validate() //nolint:wrapcheck // it says what is wrong
}

const (
	// shown bounds an answer of decisions, or of notifications that were given up, by default, and mostShown in any case.
	shown, mostShown = 200, 10_000
	// readers is how many of such answers are read from Kafka at a time; others wait.
	readers = 4
)

// serveDecisions gives what was decided about an alert (fingerprint=) or a rule's alerts (alertname=) since a time ago
// (since=24h), the newest last.
func (p *Pipeline) serveDecisions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	fingerprint, name := q.Get("fingerprint"), q.Get("alertname")
	if (fingerprint == "") == (name == "") {
		http.Error(w, "expected fingerprint= or alertname=", http.StatusBadRequest)
		return
	}
	serveNewest(p, w, r, p.names.Decisions, func(m *kafka.Message) (*alert.Decision, bool) {
		if fingerprint != "" && string(m.Key) != fingerprint {
			return nil, false
		}
		d, err := alert.DecodeDecision(m.Value)
		return d, err == nil && (name == "" || d.AlertName == name)
	})
}

// serveUndelivered gives the notifications that were given up since a time ago (since=24h), the newest last.
func (p *Pipeline) serveUndelivered(w http.ResponseWriter, r *http.Request) {
	serveNewest(p, w, r, p.names.Undelivered, func(m *kafka.Message) (*alert.DeadLetter, bool) {
		l, err := alert.DecodeDeadLetter(m.Value)
		return l, err == nil
	})
}

// serveNewest gives the newest of what was written to a topic since a time ago (since=24h), limit= of them, the newest last. One
// that cannot be read hides no other.
func serveNewest[T any](p *Pipeline, w http.ResponseWriter, r *http.Request, topic string, decode func(*kafka.Message) (*T, bool)) {
	since := 24 * time.Hour
	if text := r.URL.Query().Get("since"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			http.Error(w, fmt.Sprintf("since is %q, expected a duration such as 24h", text), http.StatusBadRequest)
			return
		}
		since = d
	}
	limit := shown
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostShown {
			http.Error(w, fmt.Sprintf("limit is %q, expected a number from 1 to %d", text, mostShown), http.StatusBadRequest)
			return
		}
		limit = n
	}
	select {
	case p.readers <- struct{}{}:
		defer func() { <-p.readers }()
	case <-r.Context().Done():
		return
	}
	out := []*T{}
	err := p.client.ReadTopic(r.Context(), topic, kafka.At(time.Now().Add(-since)), func(m *kafka.Message) error {
		one, ok := decode(m)
		if !ok {
			return nil
		}
		if len(out) == 2*limit {
			out = append(out[:0], out[limit:]...)
		}
		out = append(out, one)
		return nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, out[max(0, len(out)-limit):])
}
