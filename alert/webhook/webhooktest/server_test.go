package webhooktest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func post(t *testing.T, s *Server, key string, within time.Duration) (status int, header http.Header, body string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/hook?a=b", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	req.GetBody = nil
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), err
}

func TestServer(t *testing.T) {
	s := New(t)
	s.Then(TooMany(7*time.Second), Status(500, "out of order"), Redirect("/elsewhere"), CutBefore(), CutAfter(), Hang(true))
	for _, want := range []struct {
		status       int
		header, body string
		text         string // of the error
		worked       int    // requests, afterwards
	}{
		{status: 429, header: "Retry-After: 7"},
		{status: 500, body: "out of order"},
		{status: 307, header: "Location: /elsewhere"},
		{text: "EOF|reset"},
		{text: "EOF|reset", worked: 1},
		{text: "deadline", worked: 2},
		{status: 200, worked: 3},
	} {
		key := "k" + strings.Repeat("x", want.worked)
		patience := 30 * time.Second
		if want.text == "deadline" {
			patience = 2 * time.Second
		}
		status, header, body, err := post(t, s, key, patience)
		if want.text == "" && err != nil || want.text != "" && (err == nil || !containsAny(err.Error(), want.text)) {
			t.Fatalf("error %v, want %q", err, want.text)
		}
		name, value, _ := strings.Cut(want.header, ": ")
		if status != want.status || body != want.body || header.Get(name) != value {
			t.Errorf("got %d %v %q, want %+v", status, header, body, want)
		}
		if n := len(s.Worked()); n != want.worked {
			t.Errorf("%d requests worked, want %d, after %+v", n, want.worked, want)
		}
	}
	got := s.Wait(t, 7, 30*time.Second)
	if len(got) != 7 || got[0].URI != "/hook?a=b" || got[0].Method != "POST" || string(got[0].Body) != "{}" || got[0].Key() != "k" {
		t.Errorf("got %d requests, the first %+v", len(got), got[0])
	}
}

func containsAny(text, options string) bool {
	for o := range strings.SplitSeq(options, "|") {
		if strings.Contains(text, o) {
			return true
		}
	}
	return false
}

func TestEachKeyWorksOnce(t *testing.T) {
	s := New(t)
	for _, key := range []string{"a", "a", "b", "", ""} {
		if status, _, _, err := post(t, s, key, 30*time.Second); err != nil || status != 200 {
			t.Fatal(status, err)
		}
	}
	if len(s.Requests()) != 5 || len(s.Worked()) != 4 {
		t.Errorf("%d requests, %d worked, want 5 and 4", len(s.Requests()), len(s.Worked()))
	}
}

func TestSlowBody(t *testing.T) {
	s := New(t)
	s.Always(SlowBody(time.Minute))
	status, _, _, err := post(t, s, "a", 2*time.Second)
	if status != 200 || !errors.Is(err, context.DeadlineExceeded) || len(s.Worked()) != 1 {
		t.Errorf("got %d, %v", status, err)
	}
}
