package pipeline_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// request asks the first process, as a browser does that knows it by another host and shows a page of an origin.
func (r *rig) request(t *testing.T, method, path, host, origin, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.started[0].URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// Pages of other sites get nothing out of a listener on the loopback interface, by whatever name they reach it.
func TestPagesOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), reloadConfig, reloadRules)
	r.http = ", external_url: https://freshet.example.org/monitoring"
	r.start(pipeline.Targets{Alert: true})
	ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	silence := fmt.Sprintf(`{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2020-01-01T00:00:00Z","endsAt":%q,"createdBy":"c","comment":"d"}`, ends)
	for _, c := range []struct {
		method, path, host, origin, body string
		want                             int
	}{
		{"GET", "api/freshet/status", "", "", "", 200},
		{"GET", "metrics", "localhost:8080", "", "", 200},
		{"GET", "metrics", "[::1]:8080", "", "", 200},
		{"GET", "metrics", "Freshet.Example.org", "", "", 200},
		{"GET", "api/freshet/status", "evil.example", "", "", 403},
		{"GET", "debug/pprof/goroutine?debug=1", "evil.example:8080", "", "", 403},
		{"GET", "", "localhost.evil.example", "", "", 403},
		{"POST", "-/reload", "evil.example:8080", "http://evil.example:8080", "", 403},
		{"POST", "api/v2/silences", "", "http://evil.example", silence, 403},
		{"POST", "api/freshet/commands", "", "null", "{}", 403},
		// A proxy that gives its own Host, and one that gives the browser's.
		{"POST", "api/freshet/commands", "", "https://freshet.example.org", "{}", 400},
		{"POST", "api/freshet/commands", "freshet.example.org", "https://freshet.example.org", "{}", 400},
	} {
		got, text := r.request(t, c.method, c.path, c.host, c.origin, c.body)
		if got != c.want {
			t.Errorf("%s /%s as %s from %s answers %d, expected %d: %.200s", c.method, c.path, c.host, c.origin, got, c.want, text)
		}
		if c.host == "evil.example" && !strings.Contains(text, "http.external_url") {
			t.Errorf("a refused host is not told what to do: %s", text)
		}
	}
}

// Whoever decides something is named as who he has proved to be, however he calls himself.
func TestProvedName(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), reloadConfig, reloadRules)
	r.start(pipeline.Targets{Alert: true})
	ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, by := range []string{"ana", "bob", ""} {
		body := fmt.Sprintf(`{"kind":"silence","by":%q,"silence":{"matchers":["host=a"],"ends_at":%q,"comment":"moving"}}`, by, ends)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.started[0].URL()+"api/freshet/commands", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("bob", "x")
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("a silence answers %s", answer.Status)
		}
	}
	r.within(20*time.Second, "the silences carry the names", func() bool {
		_, body := r.ask(0, http.MethodGet, "api/freshet/silences", "")
		return strings.Count(body, `"by":"ana (bob)"`) == 1 && strings.Count(body, `"by":"bob"`) == 2
	})
}

// Two that give the same address as theirs cannot ask each other; the one that stands by says what to do.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), reloadConfig, reloadRules)
	r.http = ", advertise_url: http://127.0.0.1:8080/"
	r.start(pipeline.Targets{Alert: true})
	r.within(20*time.Second, "the first is active", func() bool {
		status, _ := r.ask(0, http.MethodGet, "api/v2/alerts", "")
		return status == http.StatusOK
	})
	r.start(pipeline.Targets{Alert: true})
	r.within(20*time.Second, "the second says what is wrong", func() bool {
		_, page := r.ask(1, http.MethodGet, "api/freshet/status", "")
		status, text := r.ask(1, http.MethodGet, "api/v2/alerts", "")
		return strings.Contains(page, "set http.advertise_url there") && status == http.StatusServiceUnavailable &&
			strings.Contains(text, "The active alerter (process-1) says that it is at http://127.0.0.1:8080/")
	})
}
