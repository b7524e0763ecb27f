package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/rules/label"
)

// freshet why tells of each alert what was decided and why: sent, inhibited, silenced, failed, a repeat.
func TestWhy(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		team, pager := newReceiver(t), newReceiver(t)
		config := k.alerter(severities(team.URL, pager.URL))
		p := active(t, config)
		second := standby(t, k, config)
		d := harness.NewDetector(t, k.client, k.namespace)
		// shows waits until the command prints a line with all of the texts.
		shows := func(of string, texts ...string) {
			t.Helper()
			harness.Eventually(t, 20*time.Second, "freshet why "+of+" shows "+strings.Join(texts, " and "), func() bool {
				out, err := harness.Try(t, config, "why", of, "--url", second.Page) // any process answers
				if err != nil && !strings.Contains(out, "nothing was decided about") {
					t.Fatal(out)
				}
				for line := range strings.Lines(out) {
					missing := false
					for _, text := range texts {
						missing = missing || !strings.Contains(line, text)
					}
					if !missing {
						return true
					}
				}
				return false
			})
		}

		down := d.Fires(label.AlertName, "Down", label.Severity, "critical", "service", "shop")
		d.Write(down)
		shows("Down", "fired", "count() > 10")
		shows("Down", "grouped", "pager", "group_wait 0s")
		shows("Down", "sent", "pager/webhook[0]", "first notification")
		d.Write(down, down) // as a detector does that was killed
		shows("Down", "deduplicated", "tells nothing new")
		if out := harness.Output(t, config, "why", "Down", "--url", p.Page); strings.Count(out, "deduplicated") != 1 {
			t.Errorf("repeats are told more than once:\n%s", out)
		}

		slow := d.Fires(label.AlertName, "Slow", label.Severity, "warning", "service", "shop")
		d.Write(slow)
		shows("Slow", "inhibited", `by Down`, "worse")
		shows(slow.Fingerprint.String(), "inhibited")

		id := strings.TrimSpace(harness.Output(t, config, "silence", "add", "alertname=Full", "--comment", "disk is being cleaned", "--author", "ada", "--url", p.Page))
		full := []string{label.AlertName, "Full", label.Severity, "warning", "service", "db"}
		d.Fire(full...)
		shows("Full", "silenced", "by ada until", "disk is being cleaned", id)
		harness.Output(t, config, "silence", "expire", id, "--url", p.Page)
		shows("Full", "unmuted")
		shows("Full", "sent", "team/webhook[0]")
		d.End(full...)
		shows("Full", "resolved")
		shows("Full", "sent", "all alerts resolved")

		team.Close()
		d.Fire(label.AlertName, "Late", label.Severity, "warning", "service", "db")
		shows("Late", "failed", "team/webhook[0]", "connection refused")
		d.End(label.AlertName, "Down", label.Severity, "critical", "service", "shop")
		shows("Slow", "unmuted", "no other alert mutes it any longer")
	})
}

// freshet silence works against the process that sends and one that stands by.
func TestSilenceCommand(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		team, pager := newReceiver(t), newReceiver(t)
		config := k.alerter(severities(team.URL, pager.URL))
		p := active(t, config)
		second := standby(t, k, config)
		harness.NewDetector(t, k.client, k.namespace).Fire(label.AlertName, "Slow", label.Severity, "warning", "service", "shop")
		team.once(t, 20*time.Second, "Slow", "firing")
		for _, at := range []*harness.Program{p, second} {
			silence := func(args ...string) string {
				t.Helper()
				return harness.Output(t, config, append([]string{"silence"}, append(args, "--url", at.Page)...)...)
			}
			is := func(state string) {
				t.Helper()
				harness.Eventually(t, 20*time.Second, "the alert is "+state, func() bool { return alertState(t, at, "Slow") == state })
			}
			if out := silence("list"); out != "There are no silences.\n" {
				t.Errorf("before: %s", out)
			}
			id := strings.TrimSpace(silence("add", "alertname=Slow", `service=~"shop|till"`, "--comment", "deployment", "--author", "ada", "--duration", "2h"))
			is("suppressed")
			contains(t, silence("list"), id, "active", "ada", `alertname="Slow"`, `service=~"shop|till"`, "deployment")
			contains(t, silence("list", "alertname=Other"), "There are no silences.")
			file := filepath.Join(t.TempDir(), "silences.json")
			harness.Write(t, file, silence("list", "--json"))
			silence("expire", id)
			is("active")
			contains(t, silence("list"), "There are no silences.")
			contains(t, silence("list", "--expired"), id, "expired")
			contains(t, silence("import", file), "1 silence added, 0 over and left out")
			is("suppressed")
			imported := strings.Fields(strings.Split(silence("list"), "\n")[1])[0]
			silence("expire", imported)
			is("active")
			weekly := strings.TrimSpace(silence("add", "alertname=Slow", "--schedule", "0 2 * * 0", "--each", "1s", "--location", "Europe/Berlin",
				"--duration", "365d", "--comment", "backup"))
			contains(t, silence("list"), weekly, "at 0 2 * * 0 for 1s, Europe/Berlin")
			is("active")
			silence("expire", weekly)
			harness.Never(t, time.Second, "what is expired is forgotten at once", func() bool {
				return !strings.Contains(silence("list", "--expired"), weekly)
			})
			if status, _ := at.Get("/api/v2/silence/" + id); status != http.StatusOK {
				t.Errorf("the silence is answered with %d", status)
			}
		}
	})
}
