package slacktest

import (
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// do carries a call out.
func (s *Server) do(r *http.Request, c Call) reply {
	switch {
	case strings.HasPrefix(c.Method, "/services/"):
		return s.hook(c)
	case strings.HasPrefix(c.Method, "/upload/"):
		return s.upload(r, c)
	case strings.HasPrefix(c.Method, "/response/"):
		return s.respond(c)
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c.Method == "apps.connections.open" {
		if token != AppLevelToken {
			return refuse("invalid_auth")
		}
		return s.ok(map[string]any{"url": "ws" + strings.TrimPrefix(s.URL, "http") + "/socket"})
	}
	if t := c.Form.Get("token"); t != "" {
		token = t
	}
	if token != Token {
		return refuse("invalid_auth")
	}
	switch c.Method {
	case "chat.postMessage":
		return s.post(c)
	case "chat.update":
		return s.update(c)
	case "conversations.history":
		return s.history(c, func(m *Message) bool { return m.ThreadTS == "" || m.Broadcast })
	case "conversations.replies":
		ts := c.Form.Get("ts")
		return s.history(c, func(m *Message) bool { return m.TS == ts || m.ThreadTS == ts })
	case "files.getUploadURLExternal":
		return s.uploadURL(c)
	case "files.completeUploadExternal":
		return s.complete(c)
	default:
		return s.wrong(c.Method, &problem{"unknown_method", "no such method"})
	}
}

// turn refuses a write that comes too soon after the last.
func (s *Server) turn(channel string) (reply, bool) {
	now := time.Now()
	if before := s.writes[channel]; s.interval > 0 && len(before) > 0 {
		if wait := s.interval - now.Sub(before[len(before)-1]); wait > 0 {
			s.limited++
			r := refuse("ratelimited")
			r.status = http.StatusTooManyRequests
			r.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			return r, true
		}
	}
	s.writes[channel] = append(s.writes[channel], now)
	return reply{}, false
}

func (s *Server) post(c Call) reply {
	if r, lacks := s.missing("chat:write"); lacks {
		return r
	}
	id, ok := s.channels[c.Form.Get("channel")]
	if !ok {
		return refuse("channel_not_found")
	}
	if r, refused := s.turn(id); refused {
		return r
	}
	m := &Message{Channel: id, ThreadTS: c.Form.Get("thread_ts"), Broadcast: c.Form.Get("reply_broadcast") == "true",
		Username: c.Form.Get("username"), IconEmoji: c.Form.Get("icon_emoji"), Metadata: json.RawMessage(c.Form.Get("metadata"))}
	if p := m.set(c); p != nil {
		return s.wrong(c.Method, p)
	}
	if p := checkMetadata(m.Metadata); p != nil {
		return s.wrong(c.Method, p)
	}
	if m.ThreadTS != "" && s.message(id, m.ThreadTS) == nil {
		return refuse("thread_not_found")
	}
	s.add(m)
	return s.ok(map[string]any{"channel": id, "ts": m.TS})
}

func (s *Server) add(m *Message) {
	s.clock = max(s.clock+1, time.Now().UnixMicro()) // no two messages have one timestamp
	m.TS = fmt.Sprintf("%d.%06d", s.clock/1_000_000, s.clock%1_000_000)
	s.messages = append(s.messages, m)
}

func (s *Server) message(channel, ts string) *Message {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// set takes the content of a call, as far as it has any, and checks the message that comes of it.
func (m *Message) set(c Call) *problem {
	hasBlocks, hasAttachments := c.Form.Has("blocks"), c.Form.Has("attachments")
	if hasBlocks {
		m.Blocks = json.RawMessage(c.Form.Get("blocks"))
	}
	if hasAttachments {
		m.Attachments = json.RawMessage(c.Form.Get("attachments"))
	}
	if c.Form.Has("text") {
		m.Text = c.Form.Get("text")
		if !hasBlocks {
			m.Blocks = nil // a text takes the place of the blocks
		}
	}
	return m.check()
}

func (s *Server) update(c Call) reply {
	id := c.Form.Get("channel")
	if s.channels[id] != id {
		return refuse("channel_not_found") // a name will not do
	}
	if r, refused := s.turn(id); refused {
		return r
	}
	m := s.message(id, c.Form.Get("ts"))
	if m == nil {
		return refuse("message_not_found")
	}
	edited := *m
	if p := edited.set(c); p != nil {
		return s.wrong(c.Method, p)
	}
	edited.Edits++
	*m = edited
	return s.ok(map[string]any{"channel": id, "ts": m.TS})
}

func (s *Server) hook(c Call) reply {
	if c.Method != Hook {
		return reply{status: http.StatusNotFound, body: "no_service"}
	}
	if r, refused := s.turn(Hook); refused {
		return r
	}
	var body struct {
		Text        string          `json:"text"`
		Username    string          `json:"username"`
		Blocks      json.RawMessage `json:"blocks"`
		Attachments json.RawMessage `json:"attachments"`
	}
	if err := json.Unmarshal([]byte(c.Body), &body); err != nil {
		s.invalid = append(s.invalid, "webhook: "+err.Error())
		return reply{status: http.StatusBadRequest, body: "invalid_payload"}
	}
	m := &Message{Channel: Hook, Text: body.Text, Blocks: body.Blocks, Attachments: body.Attachments, Username: body.Username}
	if p := m.check(); p != nil {
		s.invalid = append(s.invalid, "webhook: "+p.Error())
		return reply{status: http.StatusBadRequest, body: p.word}
	}
	s.add(m)
	return text("ok")
}

func (s *Server) uploadURL(c Call) reply {
	if r, lacks := s.missing("files:write"); lacks {
		return r
	}
	length, err := strconv.Atoi(c.Form.Get("length"))
	if err != nil || length <= 0 || c.Form.Get("filename") == "" {
		return s.wrong(c.Method, &problem{"invalid_arguments", "length and filename are needed"})
	}
	if len(c.Form.Get("alt_txt")) > 1000 {
		return s.wrong(c.Method, &problem{"alt_txt_too_large", "over 1000"})
	}
	f := &File{ID: fmt.Sprintf("F%09d", len(s.files)+1), Name: c.Form.Get("filename"), want: length}
	s.files[f.ID] = f
	return s.ok(map[string]any{"upload_url": s.URL + "/upload/" + f.ID, "file_id": f.ID})
}

func (s *Server) upload(r *http.Request, c Call) reply {
	f := s.files[strings.TrimPrefix(c.Method, "/upload/")]
	if f == nil {
		return reply{status: http.StatusNotFound}
	}
	f.Content = []byte(c.Body)
	if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		form, err := multipart.NewReader(strings.NewReader(c.Body), params["boundary"]).ReadForm(64 << 20)
		if err != nil || len(form.File["file"]) != 1 {
			return reply{status: http.StatusBadRequest}
		}
		part, err := form.File["file"][0].Open()
		if err != nil {
			return reply{status: http.StatusBadRequest}
		}
		f.Content = make([]byte, form.File["file"][0].Size)
		if _, err := part.Read(f.Content); err != nil {
			return reply{status: http.StatusBadRequest}
		}
	}
	if len(f.Content) != f.want {
		s.invalid = append(s.invalid, fmt.Sprintf("upload: %d bytes, %d were announced", len(f.Content), f.want))
		return reply{status: http.StatusBadRequest}
	}
	return text("OK")
}

func (s *Server) complete(c Call) reply {
	if r, lacks := s.missing("files:write"); lacks {
		return r
	}
	var list []struct{ ID, Title string }
	if err := json.Unmarshal([]byte(c.Form.Get("files")), &list); err != nil || len(list) == 0 {
		return s.wrong(c.Method, &problem{"invalid_arguments", "files is no list"})
	}
	id := c.Form.Get("channel_id")
	if s.channels[id] != id {
		return s.wrong(c.Method, &problem{"invalid_channel", "channel_id must be an ID: " + id})
	}
	if r, refused := s.turn(id); refused {
		return r
	}
	m := &Message{Channel: id, ThreadTS: c.Form.Get("thread_ts")}
	var files []map[string]any
	for _, entry := range list {
		f := s.files[entry.ID]
		if f == nil || f.Content == nil || f.Shared {
			return refuse("file_not_found")
		}
		f.Title, f.Shared = entry.Title, true
		m.Files = append(m.Files, f)
		files = append(files, map[string]any{"id": f.ID, "title": f.Title})
	}
	s.add(m)
	return s.ok(map[string]any{"files": files})
}
