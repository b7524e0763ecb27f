package slacktest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// stamp reads a message's timestamp, in microseconds.
func stamp(ts string) (int64, bool) {
	seconds, fraction, _ := strings.Cut(ts, ".")
	if len(fraction) > 6 {
		return 0, false
	}
	n, err := strconv.ParseUint(seconds+fraction+strings.Repeat("0", 6-len(fraction)), 10, 63)
	return int64(n), err == nil
}

// window is which part of a conversation is asked for.
type window struct {
	oldest, latest int64 // 0 for no bound
	inclusive      bool
	limit          int
	next           int64 // where the page begins, 0 for the first
}

// maxPage is how many messages a page has at most, defaultPage how many where nothing is asked for.
const (
	maxPage     = 999
	defaultPage = 100
	cursorMark  = "next_ts:"
)

func windowOf(c Call) (window, *problem) {
	w := window{limit: defaultPage, inclusive: slices.Contains([]string{"1", "true"}, c.Form.Get("inclusive"))}
	for name, to := range map[string]*int64{"oldest": &w.oldest, "latest": &w.latest} {
		if text := c.Form.Get(name); text != "" {
			at, ok := stamp(text)
			if !ok {
				return w, &problem{"invalid_ts_" + name, text}
			}
			*to = at
		}
	}
	if text := c.Form.Get("limit"); text != "" && text != "0" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return w, &problem{"invalid_limit", text}
		}
		w.limit = n
	}
	if text := c.Form.Get("cursor"); text != "" {
		b, err := base64.StdEncoding.DecodeString(text)
		at, ok := strings.CutPrefix(string(b), cursorMark)
		next, parseErr := strconv.ParseInt(at, 10, 64)
		if err != nil || !ok || parseErr != nil {
			return w, &problem{"invalid_cursor", text}
		}
		w.next = next
	}
	return w, nil
}

// has says whether a message lies within the bounds.
func (w window) has(at int64) bool {
	after, before := w.oldest == 0 || at > w.oldest, w.latest == 0 || at < w.latest
	if w.inclusive {
		after, before = after || at == w.oldest, before || at == w.latest
	}
	return after && before
}

// history pages from the newest message to the oldest, as the real method does; replies page from the oldest. A page begins where
// the one before ended, whatever was posted meanwhile.
func (s *Server) history(c Call, keep func(*Message) bool) reply {
	if r, lacks := s.missing("channels:history"); lacks {
		return r
	}
	id := c.Form.Get("channel")
	if s.channels[id] != id {
		return refuse("channel_not_found")
	}
	w, p := windowOf(c)
	if p != nil {
		return s.wrong(c.Method, p)
	}
	newestFirst := c.Method == "conversations.history"
	all := slices.Clone(s.messages)
	if newestFirst {
		slices.Reverse(all)
	}
	page, next := []map[string]any{}, ""
	for _, m := range all {
		at, _ := stamp(m.TS)
		begun := w.next == 0 || newestFirst && at <= w.next || !newestFirst && at >= w.next
		if m.Channel != id || !keep(m) || !w.has(at) || !begun {
			continue
		}
		if len(page) == w.limit {
			next = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%d", cursorMark, at))
			break
		}
		page = append(page, m.entry(c.Form.Get("include_all_metadata") != ""))
	}
	return s.ok(map[string]any{"messages": page, "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}})
}

// entry is the message as the methods that read give it.
func (m *Message) entry(withMetadata bool) map[string]any {
	entry := map[string]any{"type": "message", "ts": m.TS, "text": m.Text}
	if m.ThreadTS != "" {
		entry["thread_ts"] = m.ThreadTS
	}
	if len(m.Metadata) > 0 && withMetadata {
		entry["metadata"] = m.Metadata
	}
	var files []map[string]any
	for _, f := range m.Files {
		files = append(files, map[string]any{"id": f.ID, "name": f.Name, "title": f.Title})
	}
	if files != nil {
		entry["files"] = files
	}
	return entry
}
