package slacktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// SigningSecret is what Request signs with.
const SigningSecret = "s3cret-signing"

// Click is a press of a button by a user.
type Click struct {
	UserID, UserName string
	// Action is the button's action ID.
	Action string
}

// Payload returns the interaction that Slack sends for a click of a button of a message, with a response URL of the
// server's. It fails the test when the message has no such button.
func (s *Server) Payload(m Message, click Click) []byte {
	s.t.Helper()
	blockID, value, ok := button(m, click.Action)
	if !ok {
		s.t.Fatalf("the message has no button %s: %s", click.Action, m.Raw())
	}
	s.mu.Lock()
	s.clicks++
	n := s.clicks
	s.mu.Unlock()
	b, err := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]any{"id": click.UserID, "username": click.UserName, "name": click.UserName},
		"container":    map[string]any{"type": "message_attachment", "message_ts": m.TS, "channel_id": m.Channel},
		"channel":      map[string]any{"id": m.Channel, "name": "alerts"},
		"response_url": fmt.Sprintf("%s/response/%d", s.URL, n),
		"actions": []map[string]any{{"type": "button", "action_id": click.Action, "block_id": blockID, "value": value,
			"action_ts": fmt.Sprintf("1700000100.%06d", n)}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// button finds a button of a message.
func button(m Message, action string) (blockID, value string, ok bool) {
	type block struct {
		BlockID  string `json:"block_id"`
		Elements []struct {
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
		} `json:"elements"`
	}
	var blocks []block
	_ = json.Unmarshal(m.Blocks, &blocks) // none when there are none
	var attachments []struct {
		Blocks []block `json:"blocks"`
	}
	_ = json.Unmarshal(m.Attachments, &attachments) // as above
	for _, a := range attachments {
		blocks = append(blocks, a.Blocks...)
	}
	for _, b := range blocks {
		for _, e := range b.Elements {
			if e.ActionID == action {
				return b.BlockID, e.Value, true
			}
		}
	}
	return "", "", false
}

// Request returns the request by which Slack sends an interaction to an app's request URL, signed at a time.
func Request(address string, payload []byte, secret string, at time.Time) *http.Request {
	body := url.Values{"payload": {string(payload)}}.Encode()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("v0:" + stamp + ":" + body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func (s *Server) respond(c Call) reply {
	var a Answer
	if err := json.Unmarshal([]byte(c.Body), &a); err != nil || a.Text == "" {
		return s.wrong("response_url", &problem{"invalid_payload", c.Body})
	}
	s.answers = append(s.answers, a)
	return s.ok(map[string]any{})
}

// Answers returns what was sent to response URLs.
func (s *Server) Answers() []Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.answers)
}

// socket is a connection by Socket Mode. Its writes are serialized, as the protocol asks.
type socket struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

func (k *socket) send(v any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn.WriteJSON(v)
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	k := &socket{conn: conn}
	if k.send(map[string]any{"type": "hello", "num_connections": 1}) != nil {
		return
	}
	s.mu.Lock()
	s.sockets[k] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sockets, k)
	}()
	for {
		var ack struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if conn.ReadJSON(&ack) != nil {
			return
		}
		s.mu.Lock()
		s.acks = append(s.acks, ack.EnvelopeID)
		s.mu.Unlock()
	}
}

// Connected returns how many connections by Socket Mode there are.
func (s *Server) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// Push sends an interaction over the connections by Socket Mode and returns the envelope's ID. It fails when there is none.
func (s *Server) Push(payload []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clicks++
	id := fmt.Sprintf("envelope-%d", s.clicks)
	for k := range s.sockets {
		err := k.send(map[string]any{"type": "interactive", "envelope_id": id, "accepts_response_payload": true, "payload": json.RawMessage(payload)})
		return id, err
	}
	return "", fmt.Errorf("nobody is connected")
}

// Acks returns the IDs of the envelopes that were acknowledged.
func (s *Server) Acks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acks)
}

// Disconnect asks those connected to connect anew, as Slack does from time to time, and cuts them off.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.sockets {
		_ = k.send(map[string]any{"type": "disconnect", "reason": "refresh_requested"})
		_ = k.conn.Close()
	}
}
