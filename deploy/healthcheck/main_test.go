package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not yet", status)
	}))
	if err := check(t.Context(), server.URL); err != nil {
		t.Errorf("a healthy server: %v", err)
	}
	status = http.StatusServiceUnavailable
	if err := check(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("a server that answers 503 gives %v, expected the status and the answer", err)
	}
	server.Close()
	if err := check(t.Context(), server.URL); err == nil {
		t.Error("a server that is away counts as healthy")
	}
}
