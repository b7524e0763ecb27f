package pipeline_test

import (
	"encoding/json"
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

// ask sends a request to a process, counted from 0.
func (r *rig) ask(process int, method, path, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.started[process].URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// The page of a process that stands by shows what the active alerter knows, and takes commands as the page sends them.
func TestPageOfActiveAndStandby(t *testing.T) {
	t.Parallel()
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), reloadConfig, reloadRules)
	alerter := pipeline.Targets{Alert: true}
	r.start(alerter)
	shows := func(process int, what string, texts ...string) func() bool {
		return func() bool {
			_, body := r.ask(process, http.MethodGet, "api/freshet/"+what, "")
			for _, text := range texts {
				if !strings.Contains(body, text) {
					return false
				}
			}
			return true
		}
	}
	r.within(20*time.Second, "the first is active", func() bool { return !shows(0, "status", "alerts_unknown")() })
	r.start(alerter)
	r.within(20*time.Second, "the second stands by", shows(1, "status", `"alerts_from":"`+r.started[0].URL()+`"`))
	if status, body := r.ask(1, http.MethodPost, "api/v2/alerts", `[{"labels":{"alertname":"Disk","host":"db-1"},"annotations":{"summary":"full"}}]`); status != http.StatusOK {
		t.Fatalf("posting an alert answers %d %s", status, body)
	}
	r.within(20*time.Second, "both show it", func() bool {
		return shows(0, "alerts", `"rule":"Disk"`)() && shows(1, "alerts", `"rule":"Disk"`, `"summary":"full"`)()
	})
	var alerts []struct{ Fingerprint string }
	_, body := r.ask(1, http.MethodGet, "api/freshet/alerts", "")
	if err := json.Unmarshal([]byte(body), &alerts); err != nil || len(alerts) != 1 {
		t.Fatalf("alerts are %s (%v)", body, err)
	}
	r.within(20*time.Second, "it is counted", shows(1, "overview", `"rule":"Disk"`, `"counts":{"firing":1,`))
	if status, body := r.ask(1, http.MethodGet, "api/freshet/alerts/"+alerts[0].Fingerprint, ""); status != http.StatusOK || !strings.Contains(body, `"rule":"Disk"`) {
		t.Errorf("the alert itself is %d %s", status, body)
	}

	command := func(body string) {
		t.Helper()
		if status, answer := r.ask(1, http.MethodPost, "api/freshet/commands", body); status != http.StatusOK {
			t.Errorf("%s answers %d %s", body, status, answer)
		}
	}
	command(`{"kind":"acknowledge","by":"ana","subject":{"fingerprints":["` + alerts[0].Fingerprint + `"]}}`)
	r.within(20*time.Second, "it is acknowledged", shows(1, "alerts", `"acknowledged":{"by":"ana"`))
	ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	command(fmt.Sprintf(`{"kind":"silence","by":"ana","silence":{"matchers":["host=~\"db-.*\""],"starts_at":"2020-01-01T00:00:00Z","ends_at":%q,`+
		`"created_by":"ana","comment":"moving","schedule":"* * * * *","duration":7200000000000,"location":"Europe/Berlin"}}`, ends))
	r.within(20*time.Second, "it is silenced", shows(1, "alerts", `"silenced_by":["`))
	r.within(20*time.Second, "the silence is shown", shows(1, "silences", `"state":"active"`, `"by":"ana"`, `"alerts":1`,
		`"schedule":"* * * * *"`, `"location":"Europe/Berlin"`, `"each_seconds":7200`, `"ends_at":"`+ends))
	if shows(1, "silences", "2020-01-01")() {
		t.Error("a silence begins in the past")
	}
	r.within(20*time.Second, "what was decided is told", shows(1, "decisions?fingerprint="+alerts[0].Fingerprint, `"decision":"silenced"`))
	r.within(20*time.Second, "the rule is counted", shows(1, "statistics", `"rule":"Disk"`, `"acknowledged":1`))

	for body, want := range map[string]string{
		`{"kind":"silence","silence":{"matchers":["host"],"ends_at":"` + ends + `"}}`:            `"host" is no matcher`,
		`{"kind":"silence","silence":{"matchers":["a=\"b\""],"ends_at":"2020-01-01T00:00:00Z"}}`: "ends_at: expected a time to come",
		`{"kind":"silence","silence":{"matchers":["a=\"b\""]}}`:                                  "ends_at: expected a time after starts_at",
		`{"kind":"acknowledge"}`: "subject is missing",
		`{"kind":"praise"}`:      `kind "praise" is not known`,
	} {
		if status, answer := r.ask(1, http.MethodPost, "api/freshet/commands", body); status != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s answers %d %q, expected 400 %q", body, status, answer, want)
		}
	}
}
