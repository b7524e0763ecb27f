package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// Silences are asked of a server as amtool asks, in all four kinds of matchers; no error shows what an address holds.
func TestSilencesFromURL(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/alerts/api/v2/silences" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`[{"id": "s1", "status": {"state": "active"}, "startsAt": "2026-11-28T00:00:00Z", "endsAt": "2026-11-29T00:00:00Z",
			"matchers": [{"name": "a", "value": "say \"hi\"", "isRegex": false}, {"name": "b", "value": "x|y", "isRegex": true, "isEqual": true},
				{"name": "c", "value": "z", "isRegex": false, "isEqual": false}, {"name": "d", "value": "z+", "isRegex": true, "isEqual": false}]},
			{"id": "s2", "status": {"state": "expired"}, "matchers": []}]`))
	}))
	defer server.Close()
	test := routesTest{silencesFrom: server.URL + "/alerts"}
	silences, err := test.readSilences(t.Context(), at)
	if err != nil || len(silences) != 1 || silences[0].ID != "s1" || !silences[0].Active(at) {
		t.Fatalf("%+v, %v", silences, err)
	}
	fitting := label.New("a", `say "hi"`, "b", "y", "c", "", "d", "y")
	if !silences[0].Matches(fitting) {
		t.Errorf("%s is not silenced", fitting)
	}
	for _, other := range []label.Set{label.New("a", "x"), label.New("b", "xy"), label.New("c", "z"), label.New("d", "zz")} {
		if set := fitting.With(other); silences[0].Matches(set) {
			t.Errorf("%s is silenced", set)
		}
	}
	for _, wrong := range []string{server.URL + "/other?token=hunter2", "http://user:hunter2@127.0.0.1:1/"} {
		test.silencesFrom = wrong
		if _, err := test.readSilences(t.Context(), at); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
