package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// heard is what the receivers of webhooks have got: how often each was told what, as "/ops firing a".
type heard struct {
	*httptest.Server
	mu   sync.Mutex
	told map[string]int
	// treat says whether a request is taken, before it is; nil takes all.
	treat func(path string, hosts []string) bool
}

func listenFor(t *testing.T) *heard {
	h := &heard{told: map[string]int{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Alerts []struct {
				Status string
				Labels map[string]string
				Extra  struct {
					New bool `json:"new"`
				} `json:"freshet"`
			}
		}
		content, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(content, &body)
		}
		if err != nil {
			t.Errorf("%s: %v in %s", r.URL.Path, err, content)
		}
		var lines, hosts []string
		for _, a := range body.Alerts {
			if a.Extra.New {
				lines = append(lines, fmt.Sprintf("%s %s %s", r.URL.Path, a.Status, a.Labels["host"]))
			}
			hosts = append(hosts, a.Labels["host"])
		}
		h.mu.Lock()
		treat := h.treat
		h.mu.Unlock()
		if treat != nil && !treat(r.URL.Path, hosts) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, line := range lines {
			h.told[line]++
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *heard) treating(f func(path string, hosts []string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.treat = f
}

// all returns what was told, sorted, with how often where that is more than once.
func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, line := range slices.Sorted(maps.Keys(h.told)) {
		if n := h.told[line]; n > 1 {
			line += fmt.Sprintf(" (%d times)", n)
		}
		out = append(out, line)
	}
	return out
}

func (r *rig) post(status string, hosts ...string) {
	r.t.Helper()
	var alerts []map[string]any
	for _, host := range hosts {
		a := map[string]any{"labels": map[string]string{"alertname": "Disk", "host": host}}
		if status == "resolved" {
			a["startsAt"], a["endsAt"] = time.Now().Add(-time.Minute), time.Now().Add(-time.Millisecond)
		}
		alerts = append(alerts, a)
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		r.t.Fatal(err)
	}
	r.within(20*time.Second, "alerts are taken", func() bool {
		code, _ := r.ask(0, http.MethodPost, "api/v2/alerts", string(body))
		return code == http.StatusOK
	})
}

func (r *rig) hears(h *heard, want ...string) {
	r.t.Helper()
	var got []string
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the receivers heard %s", cmp.Diff(want, got))
		}
	}()
	r.within(time.Minute, "the receivers hear all, once", func() bool { got = h.all(); return slices.Equal(got, want) })
}

// receivers returns the alert part of a configuration.
func receivers(h *heard, routes string, names ...string) string {
	text := "health: {enabled: false}\nalert:\n  route: {receiver: ops, group_by: [host], group_interval: 1s, routes: [" + routes + "]}\n  receivers:\n"
	for _, name := range names {
		text += fmt.Sprintf("    - {name: %s, webhook_configs: [{url: %q}]}\n", name, h.URL+"/"+name)
	}
	return text
}

// The alerter goes over to another configuration: a message on its way arrives once, who was told is told of the end, whoever
// the new routes lead to is told, and the API shows the new receivers. A file with a fault changes nothing and is shown.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		h := listenFor(t)
		r := newRig(t, cluster, receivers(h, "", "ops"), "groups: []")
		stop := r.start(pipeline.Targets{Alert: true})
		r.post("firing", "a", "b")
		r.hears(h, "/ops firing a", "/ops firing b")

		arrived, release := make(chan struct{}), make(chan struct{})
		once, let := sync.OnceFunc(func() { close(arrived) }), sync.OnceFunc(func() { close(release) })
		defer let()
		h.treating(func(path string, _ []string) bool {
			if path == "/ops" {
				once()
				<-release
			}
			return true
		})
		r.post("firing", "c")
		<-arrived
		good := receivers(h, `{receiver: db, matchers: [host=b]}`, "ops", "db")
		r.configure(0, good)
		if err := r.started[0].Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.hears(h, "/db firing b", "/ops firing a", "/ops firing b") // though c is still on its way
		h.treating(nil)
		let()
		r.hears(h, "/db firing b", "/ops firing a", "/ops firing b", "/ops firing c")
		_, status := r.ask(0, http.MethodGet, "api/v2/status", "")
		_, list := r.ask(0, http.MethodGet, "api/v2/receivers", "")
		if !strings.Contains(status, `host=\"b\"`) && !strings.Contains(status, `host=\\\"b\\\"`) || !strings.Contains(list, `"db"`) {
			t.Errorf("the API shows the configuration %s and the receivers %s", status, list)
		}

		r.configure(0, strings.Replace(good, "receiver: db", "receiver: dba", 1))
		var failed *pipeline.ReloadError
		if err := r.started[0].Reload(t.Context()); !errors.As(err, &failed) || !strings.Contains(failed.Details(10), `no receiver is named "dba"`) {
			t.Errorf("a route to nowhere is loaded: %v", err)
		}
		if code, body := r.ask(0, http.MethodPost, "-/reload", ""); code != http.StatusInternalServerError || !strings.Contains(body, "did you mean db?") {
			t.Errorf("/-/reload answers %d: %s", code, body)
		}
		if _, body := r.ask(0, http.MethodGet, "api/freshet/status", ""); !strings.Contains(body, `"config_problem":{"text":"`) {
			t.Errorf("the page shows %s", body)
		}
		_, metrics := r.ask(0, http.MethodGet, "metrics", "")
		for _, line := range []string{"freshet_config_last_reload_successful 0", `freshet_config_reloads_total{result="failure"} 2`,
			`freshet_config_reloads_total{result="success"} 1`, "freshet_rules_last_reload_successful 1"} {
			if !strings.Contains(metrics, "\n"+line+"\n") {
				t.Errorf("metrics do not have %s", line)
			}
		}
		// A file that is empty for a moment, as programs leave it that write it, is no configuration that tells nobody.
		if err := os.WriteFile(r.configure(0, good), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.started[0].Reload(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "freshet-0.yaml is empty") {
			t.Errorf("an empty file gives %v", err)
		}
		r.post("firing", "d")
		r.hears(h, "/db firing b", "/ops firing a", "/ops firing b", "/ops firing c", "/ops firing d")
		r.configure(0, good)
		if code, body := r.ask(0, http.MethodPost, "-/reload", ""); code != http.StatusOK || body != "The rules are reloaded: 0.\nThe alerter's configuration is reloaded, receivers: 2.\n" {
			t.Errorf("/-/reload answers %d: %s", code, body)
		}
		if _, body := r.ask(0, http.MethodGet, "api/freshet/status", ""); strings.Contains(body, "config_problem") {
			t.Errorf("the page shows %s", body)
		}
		// A new process takes over what was decided under both configurations.
		stop()
		r.config = good
		r.started = nil
		r.start(pipeline.Targets{Alert: true})
		r.post("resolved", "a", "b", "c", "d")
		r.hears(h, "/db firing b", "/db resolved b", "/ops firing a", "/ops firing b", "/ops firing c", "/ops firing d",
			"/ops resolved a", "/ops resolved b", "/ops resolved c", "/ops resolved d")
	})
}

// What was to be told to a receiver that is gone is kept among what was given up.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	h := listenFor(t)
	h.treating(func(path string, _ []string) bool { return path != "/ops" })
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), receivers(h, "", "ops"), "groups: []")
	r.start(pipeline.Targets{Alert: true})
	r.post("firing", "a")
	r.within(20*time.Second, "the receiver refuses", func() bool {
		_, metrics := r.ask(0, http.MethodGet, "metrics", "")
		return strings.Contains(metrics, `freshet_alert_notifications_total{kind="webhook",receiver="ops",status="failed"} 1`)
	})
	r.configure(0, strings.ReplaceAll(receivers(h, "", "db"), "receiver: ops", "receiver: db"))
	if err := r.started[0].Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.hears(h, "/db firing a")
	var letters []alert.DeadLetter
	r.within(20*time.Second, "it is kept", func() bool {
		_, body := r.ask(0, http.MethodGet, "api/freshet/undelivered?since=1h", "")
		if err := json.Unmarshal([]byte(body), &letters); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return len(letters) == 1
	})
	if l := letters[0]; l.Integration != "ops/webhook[0]" || !strings.Contains(l.Reason, "no more") || len(l.Data.Alerts) != 1 || l.Data.Alerts[0].Labels["host"] != "a" {
		t.Errorf("kept is %+v", l)
	}
	if code, _ := r.ask(0, http.MethodGet, "api/freshet/undelivered?since=long", ""); code != http.StatusBadRequest {
		t.Errorf("since=long answers %d", code)
	}
}

// Whatever receivers do, each alert's beginning and end is told once while the configuration changes all the time: the routes
// have other names, the receivers other notifiers.
func TestReconfigureUnderLoad(t *testing.T) {
	t.Parallel()
	h := listenFor(t)
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), receivers(h, "", "ops"), "groups: []")
	r.start(pipeline.Targets{Alert: true})
	seed := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	h.treating(func(string, []string) bool {
		mu.Lock()
		wait, takes := time.Duration(seed.IntN(60))*time.Millisecond, seed.IntN(8) > 0
		mu.Unlock()
		time.Sleep(wait) //nolint:forbidigo // a receiver that takes its time
		return takes
	})
	swaps := 0
	swapped := r.every(50*time.Millisecond, func() {
		routes := []string{"", `{receiver: ops, matchers: [host=~"h.*"]}`, `{receiver: ops, matchers: [host=none]}, {receiver: ops, matchers: [host!=none]}`}
		r.configure(0, receivers(h, routes[swaps%3], "ops"))
		if err := r.started[0].Reload(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		swaps++
	})
	var want []string
	for i := range 60 {
		host := fmt.Sprintf("h%02d", i)
		r.post("firing", host)
		want = append(want, "/ops firing "+host)
	}
	r.hears(h, want...)
	for i := range 60 {
		host := fmt.Sprintf("h%02d", i)
		r.post("resolved", host)
		want = append(want, "/ops resolved "+host)
	}
	r.hears(h, want...)
	swapped()
	if swaps < 20 {
		t.Errorf("%d swaps test too little", swaps)
	}
	t.Logf("%d swaps", swaps)
}

// The configuration is loaded when the file, the one that it names or a template changes; a template that cannot be read is a
// fault.
func TestConfigurationFilesAreWatched(t *testing.T) {
	t.Parallel()
	h := listenFor(t)
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), "alert: {config_file: alertmanager.yml}", "groups: []")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := func(body string) string {
		return fmt.Sprintf("route: {receiver: ops, group_wait: 0s, group_by: [host]}\ntemplates: ['*.tmpl']\nreceivers: [{name: ops, webhook_configs: [{url: %q, body: '%s'}]}]\n",
			h.URL+"/ops", body)
	}
	told := func(host string) string {
		return `{"alerts":[{"status":"firing","labels":{"host":"` + host + `"},"freshet":{"new":true}}]}`
	}
	write("names.tmpl", `{{ define "host" }}one{{ end }}`)
	write("alertmanager.yml", file(told(`{{ template "host" . }}`)))
	r.start(pipeline.Targets{Alert: true})
	r.post("firing", "a")
	r.hears(h, "/ops firing one")
	successes := func(n int) {
		t.Helper()
		r.within(20*time.Second, fmt.Sprintf("%d reloads", n), func() bool {
			_, metrics := r.ask(0, http.MethodGet, "metrics", "")
			return strings.Contains(metrics, fmt.Sprintf("\nfreshet_config_reloads_total{result=\"success\"} %d\n", n))
		})
	}
	write("names.tmpl", `{{ define "host" }}two{{ end }}`)
	successes(1)
	r.post("firing", "b")
	r.hears(h, "/ops firing one", "/ops firing two")
	write("names.tmpl", `{{ define "host" }}two`)
	r.within(20*time.Second, "the page shows the fault", func() bool {
		_, body := r.ask(0, http.MethodGet, "api/freshet/status", "")
		return strings.Contains(body, "config_problem") && strings.Contains(body, "alertmanager.yml:2")
	})
	write("alertmanager.yml", file(told("three")))
	write("names.tmpl", "")
	successes(2)
	r.configure(0, "alert: {config_file: other.yml}")
	r.within(20*time.Second, "the page shows that it is missing", func() bool {
		_, body := r.ask(0, http.MethodGet, "api/freshet/status", "")
		return strings.Contains(body, "other.yml: no such file")
	})
	write("other.yml", file(told("four")))
	successes(3)
	r.post("firing", "c")
	r.hears(h, "/ops firing four", "/ops firing one", "/ops firing two")
}
