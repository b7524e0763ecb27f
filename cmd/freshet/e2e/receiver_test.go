package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

// message is what a webhook receives: Alertmanager's body, version 4.
type message struct {
	Version string `json:"version"`
	Status  string `json:"status"`
	Alerts  []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Freshet     struct {
			Value   *float64 `json:"value"`
			Samples []struct {
				Topic string `json:"topic"`
				Text  string `json:"text"`
			} `json:"samples"`
		} `json:"freshet"`
	} `json:"alerts"`

	key string // the Idempotency-Key
	at  time.Time
}

// receiver is an HTTP server that takes webhooks.
type receiver struct {
	*httptest.Server
	// hold, when set, is called before a message is answered.
	hold func()

	mu       sync.Mutex
	messages []message
	faults   []string
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	at := time.Now()
	var m message
	err := json.NewDecoder(req.Body).Decode(&m)
	m.key, m.at = req.Header.Get("Idempotency-Key"), at
	if r.hold != nil {
		r.hold()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.faults = append(r.faults, err.Error())
	case req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || m.Version != "4" || m.key == "":
		r.faults = append(r.faults, req.Method+" "+req.Header.Get("Content-Type")+" version "+m.Version)
	default:
		r.messages = append(r.messages, m)
	}
	w.WriteHeader(http.StatusOK)
}

// told returns the messages about an alert with a status, and fails the test for a malformed one.
func (r *receiver) told(t testing.TB, alert, status string) []message {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) > 0 {
		t.Fatalf("not Alertmanager's webhook: %v", r.faults)
	}
	var out []message
	for _, m := range r.messages {
		for _, a := range m.Alerts {
			if a.Labels["alertname"] == alert && a.Status == status {
				out = append(out, m)
			}
		}
	}
	return out
}

// once waits for the one message about an alert with a status and returns it; a second one within a moment fails the test.
func (r *receiver) once(t testing.TB, within time.Duration, alert, status string) message {
	t.Helper()
	harness.Eventually(t, within, alert+" is "+status, func() bool { return len(r.told(t, alert, status)) > 0 })
	harness.Never(t, 2*time.Second, alert+" is told twice to be "+status, func() bool { return len(r.told(t, alert, status)) > 1 })
	return r.told(t, alert, status)[0]
}
