package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// answer is what the API answers.
type answer struct {
	OK       bool
	Error    string
	TS       string
	HasMore  bool `json:"has_more"`
	Messages []struct{ Text string }
	Meta     struct {
		Cursor string `json:"next_cursor"`
	} `json:"response_metadata"`
}

func (a answer) texts() string {
	var out []string
	for _, m := range a.Messages {
		out = append(out, m.Text)
	}
	return strings.Join(out, " ")
}

func call(t *testing.T, s *Server, method string, pairs ...string) (a answer) {
	t.Helper()
	form := url.Values{"token": {Token}, "channel": {Channel}}
	for pair := range slices.Chunk(pairs, 2) {
		form.Set(pair[0], pair[1])
	}
	resp, err := http.PostForm(s.API()+method, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

// The history is read in pages, between two times that are themselves left out unless asked for.
func TestHistory(t *testing.T) {
	s := New(t)
	ts := make([]string, 6)
	for i := range ts {
		ts[i] = call(t, s, "chat.postMessage", "text", fmt.Sprint(i)).TS
	}
	second, _, _ := strings.Cut(ts[0], ".")
	for _, tc := range []struct {
		asked []string
		want  string
		more  bool
	}{
		{nil, "5 4 3 2 1 0", false},
		{[]string{"oldest", second + ".0"}, "5 4 3 2 1 0", false},
		{[]string{"oldest", ts[3]}, "5 4", false},
		{[]string{"oldest", ts[3], "inclusive", "true"}, "5 4 3", false},
		{[]string{"latest", ts[2]}, "1 0", false},
		{[]string{"latest", ts[2], "oldest", ts[0], "inclusive", "1"}, "2 1 0", false},
		{[]string{"latest", ts[4], "oldest", ts[1]}, "3 2", false},
		{[]string{"oldest", "9000000000"}, "", false},
		{[]string{"limit", "2"}, "5 4", true},
		{[]string{"limit", "2", "latest", ts[2]}, "1 0", false},
	} {
		if got := call(t, s, "conversations.history", tc.asked...); !got.OK || got.texts() != tc.want || got.HasMore != tc.more || got.HasMore != (got.Meta.Cursor != "") {
			t.Errorf("%q gives %+v, expected %q", tc.asked, got, tc.want)
		}
	}
	// What is posted between two pages moves nothing.
	page := call(t, s, "conversations.history", "limit", "4")
	call(t, s, "chat.postMessage", "text", "new")
	if next := call(t, s, "conversations.history", "limit", "4", "cursor", page.Meta.Cursor); next.texts() != "1 0" || next.HasMore {
		t.Errorf("the second page is %+v", next)
	}
	for range 2 {
		call(t, s, "chat.postMessage", "text", "reply", "thread_ts", ts[0])
	}
	thread := call(t, s, "conversations.replies", "ts", ts[0], "limit", "2")
	if rest := call(t, s, "conversations.replies", "ts", ts[0], "limit", "2", "cursor", thread.Meta.Cursor); thread.texts() != "0 reply" || rest.texts() != "reply" {
		t.Errorf("the thread is %+v and then %+v", thread, rest)
	}
	if wrong := s.Invalid(); len(wrong) > 0 {
		t.Errorf("refused as malformed: %q", wrong)
	}
	for word, asked := range map[string][]string{
		"invalid_ts_oldest": {"oldest", "yesterday"}, "invalid_ts_latest": {"latest", "1.1234567"}, "invalid_cursor": {"cursor", "4"}, "invalid_limit": {"limit", "1000"},
	} {
		if got := call(t, s, "conversations.history", asked...); got.OK || got.Error != word {
			t.Errorf("%q gives %+v", asked, got)
		}
	}
	if wrong := s.Invalid(); len(wrong) != 4 {
		t.Errorf("%d are noted as malformed: %q", len(wrong), wrong)
	}
}
