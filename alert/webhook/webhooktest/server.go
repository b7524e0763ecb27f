// Package webhooktest is a receiver of webhooks for tests: a real HTTP server that writes down what it gets, carries out
// each idempotency key once, and fails as receivers do.
package webhooktest

import (
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Request is one that arrived whole.
type Request struct {
	Method string
	// URI is the path with the query.
	URI    string
	Header http.Header
	Body   []byte
	At     time.Time
}

// Key is the request's Idempotency-Key.
func (r Request) Key() string { return r.Header.Get("Idempotency-Key") }

// Fault is how a request is treated. The zero value answers 200 after the work is done.
type Fault struct {
	// Status is the answer's, Body its text. The work is done when it is 2xx.
	Status int
	Body   string
	Header http.Header
	// Worked has the work done although the answer does not say so.
	Worked bool
	// Cut closes the connection where the answer should begin, Hang gives none until the server is closed.
	Cut, Hang bool
	// Slow is how long the answer's body takes after its head.
	Slow time.Duration
}

// TooMany answers 429 with Retry-After in whole seconds.
func TooMany(after time.Duration) Fault { return Resting(http.StatusTooManyRequests, after) }

// Unavailable answers 503 with Retry-After in whole seconds.
func Unavailable(after time.Duration) Fault { return Resting(http.StatusServiceUnavailable, after) }

// Resting answers a status with Retry-After in whole seconds.
func Resting(status int, after time.Duration) Fault {
	return Fault{Status: status, Header: http.Header{"Retry-After": {strconv.Itoa(int(after / time.Second))}}}
}

// Status answers so.
func Status(code int, body string) Fault { return Fault{Status: code, Body: body} }

// CutBefore closes the connection before the work is done, CutAfter after it.
func CutBefore() Fault { return Fault{Cut: true} }

// CutAfter closes the connection after the work is done.
func CutAfter() Fault { return Fault{Cut: true, Worked: true} }

// Hang gives no answer; worked says whether the work is done.
func Hang(worked bool) Fault { return Fault{Hang: true, Worked: worked} }

// Redirect answers 307 with another address.
func Redirect(to string) Fault {
	return Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {to}}}
}

// SlowBody does the work, and takes so long for the answer's body.
func SlowBody(d time.Duration) Fault { return Fault{Body: "done", Slow: d} }

// Server is the receiver.
type Server struct {
	*httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	script   []Fault
	always   Fault
	requests []Request
	worked   []Request
	keys     map[string]bool
	changed  chan struct{} // closed and replaced with each request
}

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := Unstarted()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Unstarted returns a server that listens and answers nobody until Start or StartTLS.
func Unstarted() *Server {
	s := &Server{closed: make(chan struct{}), keys: map[string]bool{}, changed: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.take))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are for the client to tell
	return s
}

// Close ends the server and the requests that hang.
func (s *Server) Close() {
	close(s.closed)
	s.Server.Close()
}

// Then has the next requests, one each, treated so; those after them as Always says.
func (s *Server) Then(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Always has all requests treated so that Then says nothing of.
func (s *Server) Always(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = f
}

// Requests returns all that arrived.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Worked returns the requests whose work was done: the first of each idempotency key, and all without one.
func (s *Server) Worked() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.worked)
}

// Wait returns the requests when there are so many, or fails the test.
func (s *Server) Wait(t testing.TB, count int, within time.Duration) []Request {
	t.Helper()
	limit := time.After(within)
	for {
		s.mu.Lock()
		got, changed := slices.Clone(s.requests), s.changed
		s.mu.Unlock()
		if len(got) >= count {
			return got
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%d of %d requests came within %s", len(got), count, within)
		}
	}
}

func (s *Server) take(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it did not arrive
	}
	f := s.note(Request{Method: r.Method, URI: r.URL.RequestURI(), Header: r.Header.Clone(), Body: body, At: at})
	switch {
	case f.Hang:
		select {
		case <-s.closed:
		case <-r.Context().Done():
		}
		return
	case f.Cut:
		cut(w)
		return
	}
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	if f.Slow > 0 {
		_ = http.NewResponseController(w).Flush() // the client may have gone
		timer := time.NewTimer(f.Slow)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closed:
		case <-r.Context().Done():
		}
	}
	_, _ = io.WriteString(w, f.Body) // the client may have gone
}

// note writes the request down, does its work, and says how to answer.
func (s *Server) note(r Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.always
	if len(s.script) > 0 {
		f, s.script = s.script[0], s.script[1:]
	}
	if f.Status == 0 {
		f.Status = http.StatusOK
	}
	s.requests = append(s.requests, r)
	if works := f.Worked || f.Status/100 == 2 && !f.Cut && !f.Hang; works && !s.keys[r.Key()] {
		s.worked = append(s.worked, r)
		if r.Key() != "" {
			s.keys[r.Key()] = true
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return f
}

// cut ends the connection with a reset where the system allows it.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: the stream is reset
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
