package chaos

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// hook is a webhook receiver that honours the idempotency key, that fails now and then, and that can have the process killed
// whose request it is.
type hook struct {
	*httptest.Server
	trap
	faults

	t        *testing.T
	mu       sync.Mutex
	keys     map[string]taken
	heard    map[string][]string // statuses by alert, without repeats of a request
	belated  map[string]bool
	requests int
	repeats  int
	from     map[int]int // requests by process
	// unanswered counts requests that were taken and whose answer nobody waits for.
	unanswered int
	// different counts repeats that say something else, late those by the woken process of what another sent.
	different, late int
	woken           int
}

const resolved = "resolved"

// taken is what a request said, and whose it was.
type taken struct {
	said string
	by   int
}

// nobody is no process.
const nobody = -1

// wake notes which process goes on after it was stopped.
func (h *hook) wake(process int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.woken = process
}

// told is what a request says of an alert.
type told struct {
	Status  string            `json:"status"`
	Labels  map[string]string `json:"labels"`
	Freshet struct {
		Belated bool `json:"belated"`
	} `json:"freshet"`
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{t: t, keys: map[string]taken{}, woken: nobody, heard: map[string][]string{}, belated: map[string]bool{}, from: map[int]int{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// ServeHTTP takes a notification.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	process, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		h.t.Errorf("a request to %s", r.URL.Path)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // its process was killed
	}
	h.mu.Lock()
	h.from[process]++
	h.mu.Unlock()
	if h.kills(beforeReceipt, process) {
		return
	}
	fault := h.draw(hookFails)
	if fault.instead(w, r) {
		return
	}
	h.take(r.Header.Get("Idempotency-Key"), body, process)
	if h.kills(beforeAnswer, process) {
		return
	}
	if fault.unanswered(w, r) || r.Context().Err() != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.unanswered++
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	h.after(process)
}

// asked counts the requests of a process.
func (h *hook) asked(process int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.from[process]
}

func (h *hook) take(key string, body []byte, process int) {
	var m struct {
		Alerts []told `json:"alerts"`
	}
	if err := json.Unmarshal(body, &m); err != nil || key == "" {
		h.t.Errorf("a request with key %q and body %q", key, body)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	said := ""
	for _, a := range m.Alerts {
		said += a.Labels["name"] + " " + a.Status + "\n"
	}
	if before, again := h.keys[key]; again {
		h.repeats++
		if before.said != said {
			h.different++
		}
		if process == h.woken && before.by != process {
			h.late++
		}
		return
	}
	h.keys[key] = taken{said, process}
	news := slices.ContainsFunc(m.Alerts, func(a told) bool { return a.Status != h.last(a.Labels["name"]) })
	for _, a := range m.Alerts {
		name := a.Labels["name"]
		// That others still fire may be said with what is new; who says nothing new, or an end twice, tells it again.
		if !news || a.Status == resolved || a.Status != h.last(name) {
			h.heard[name] = append(h.heard[name], a.Status)
		}
		h.belated[name] = h.belated[name] || a.Freshet.Belated
	}
}

// last is what was told of an alert last, "" when nothing was.
func (h *hook) last(name string) string {
	if heard := h.heard[name]; len(heard) > 0 {
		return heard[len(heard)-1]
	}
	return ""
}

// tellsOf says whether an alert was told of.
func (h *hook) tellsOf(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last(name) != ""
}

// ended says whether the end of an alert was told.
func (h *hook) ended(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last(name) == resolved
}

// ends counts the alerts whose end was told.
func (h *hook) ends() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for name := range h.heard {
		if h.last(name) == resolved {
			n++
		}
	}
	return n
}
