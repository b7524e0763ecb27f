// Package slacktest is a Slack for tests: an HTTP server that behaves as Slack's documents say, its limits and refusals
// included. It has the methods that freshet uses, an incoming webhook, uploads, Socket Mode and response URLs.
//
//	s := slacktest.New(t)
//	… talk to s.API() with slacktest.Token and channel "C012" …
//	messages := s.Messages("C012")
//	s.Invalid() // must be empty
//
// A request that Slack would refuse as such is refused with Slack's error and recorded: see Invalid.
package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the server knows: a bot's token, an app's, and one channel by ID and name.
const (
	Token         = "xoxb-1-s3cretpart"
	AppLevelToken = "xapp-1-s3cretpart"
	Channel       = "C012"
	ChannelName   = "#alerts"
	Hook          = "/services/T0/B0/s3cretpart"
)

// Server is the fake.
type Server struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	channels map[string]string // ID by name and by ID
	messages []*Message
	files    map[string]*File
	calls    []Call
	invalid  []string
	faults   []Fault
	chaos    func(method string) *Fault
	scopes   map[string]bool
	interval time.Duration
	writes   map[string][]time.Time // by channel
	limited  int
	answers  []Answer
	sockets  map[*socket]bool
	acks     []string
	clock    int64 // of the newest message, in microseconds
	clicks   int
}

// Call is one request.
type Call struct {
	Method string
	Form   url.Values
	Body   string
	At     time.Time
}

// Message is a message as it is now.
type Message struct {
	Channel, TS, ThreadTS string
	Text                  string
	Blocks, Attachments   json.RawMessage
	Metadata              json.RawMessage
	Username, IconEmoji   string
	Broadcast             bool
	Edits                 int
	Files                 []*File
}

// Raw is all that the message holds, to search in.
func (m *Message) Raw() string {
	return m.Text + "\n" + string(m.Blocks) + "\n" + string(m.Attachments)
}

// File is an upload.
type File struct {
	ID, Name, Title string
	Content         []byte
	Shared          bool
	want            int
}

// Answer is what was sent to a response URL.
type Answer struct {
	ResponseType    string `json:"response_type"`
	ReplaceOriginal bool   `json:"replace_original"`
	Text            string `json:"text"`
}

// Fault is an answer to one call in the place of Slack's.
type Fault struct {
	// Method is the method that it happens to, "" for any.
	Method string
	// Status, Header and Body are the answer; Status is 200 by default.
	Status int
	Header http.Header
	Body   string
	// Done says that the call is carried out first, and only its answer is lost.
	Done bool
	// Cut breaks the connection without an answer, Delay waits before the answer.
	Cut   bool
	Delay time.Duration
}

// Error is a Fault of a method by Slack's own word.
func Error(method, word string) Fault {
	return Fault{Method: method, Body: fmt.Sprintf(`{"ok":false,"error":%q}`, word)}
}

// Limited is Slack's refusal because of the rate.
func Limited(method string, seconds int) Fault {
	return Fault{Method: method, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {fmt.Sprint(seconds)}},
		Body: `{"ok":false,"error":"ratelimited"}`}
}

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, channels: map[string]string{Channel: Channel, ChannelName: Channel}, files: map[string]*File{},
		writes: map[string][]time.Time{}, sockets: map[*socket]bool{}, scopes: map[string]bool{}}
	for _, scope := range []string{"chat:write", "files:write", "channels:history", "connections:write"} {
		s.scopes[scope] = true
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.Disconnect()
		s.Close()
	})
	return s
}

// API is the address of the API as freshet is configured with it.
func (s *Server) API() string { return s.URL + "/api/" }

// HookURL is the address of an incoming webhook.
func (s *Server) HookURL() string { return s.URL + Hook }

// RateLimit refuses writes to a channel that come sooner after the last than an interval; 0, as at first, refuses none.
func (s *Server) RateLimit(interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interval = interval
}

// Fail has faults happen to the next calls that they fit.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// FailBy asks a function for the fault of each call that no other fault fits; nil is none. Calls do not overlap.
func (s *Server) FailBy(chaos func(method string) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chaos = chaos
}

// Revoke takes a scope from the app.
func (s *Server) Revoke(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.scopes, scope)
}

// AddChannel makes another channel known.
func (s *Server) AddChannel(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[id], s.channels[name] = id, id
}

// Calls returns all requests to a method, or to all when it is "".
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool { return method != "" && c.Method != method })
}

// Invalid returns what was wrong with requests: what freshet must not send.
func (s *Server) Invalid() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.invalid)
}

// Limits returns how many writes were refused because of RateLimit.
func (s *Server) Limits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limited
}

// Writes returns when a channel was written to.
func (s *Server) Writes(channel string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes[channel])
}

// Messages returns what stands in a channel, without what is in threads.
func (s *Server) Messages(channel string) []Message {
	return s.where(func(m *Message) bool { return m.Channel == channel && m.ThreadTS == "" })
}

// Thread returns the replies to a message.
func (s *Server) Thread(channel, ts string) []Message {
	return s.where(func(m *Message) bool { return m.Channel == channel && m.ThreadTS == ts })
}

func (s *Server) where(keep func(*Message) bool) (out []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if keep(m) {
			out = append(out, *m)
		}
	}
	return out
}

// Delete removes a message, as a person does.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.Channel == channel && m.TS == ts })
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/socket" {
		s.serveSocket(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return
	}
	form, _ := url.ParseQuery(string(body))
	c := Call{Method: strings.TrimPrefix(r.URL.Path, "/api/"), Form: form, Body: string(body), At: time.Now()}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	fault := s.fault(c.Method)
	var answer reply
	if fault == nil || fault.Done {
		answer = s.do(r, c)
	}
	s.mu.Unlock()
	if fault != nil {
		answer = fault.answer(r)
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

// reply is an answer of the server.
type reply struct {
	status int
	header http.Header
	body   string
}

func (s *Server) fault(method string) *Fault {
	for i, f := range s.faults {
		if f.Method == "" || f.Method == method {
			s.faults = slices.Delete(s.faults, i, i+1)
			return &f
		}
	}
	if s.chaos != nil {
		return s.chaos(method)
	}
	return nil
}

func (f *Fault) answer(r *http.Request) reply {
	if f.Delay > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(f.Delay):
		}
	}
	if f.Cut {
		panic(http.ErrAbortHandler)
	}
	out := reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: f.Body}
	maps.Copy(out.header, f.Header)
	if f.Status != 0 {
		out.status = f.Status
	}
	return out
}

// text and ok are answers that succeed, refuse is one that does not.
func text(body string) reply { return reply{status: http.StatusOK, body: body} }

func (s *Server) ok(fields map[string]any) reply {
	fields["ok"] = true
	b, err := json.Marshal(fields)
	if err != nil {
		s.t.Error(err)
	}
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: string(b)}
}

func refuse(word string) reply {
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: fmt.Sprintf(`{"ok":false,"error":%q}`, word)}
}

// wrong refuses what freshet must not send.
func (s *Server) wrong(method string, p *problem) reply {
	s.invalid = append(s.invalid, method+": "+p.Error())
	return refuse(p.word)
}

// missing refuses a call for which the app lacks a scope.
func (s *Server) missing(scope string) (reply, bool) {
	if s.scopes[scope] {
		return reply{}, false
	}
	r := refuse("missing_scope")
	r.body = fmt.Sprintf(`{"ok":false,"error":"missing_scope","needed":%q,"provided":"chat:write"}`, scope)
	return r, true
}
