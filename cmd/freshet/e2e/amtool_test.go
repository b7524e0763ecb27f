package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/rules/label"
)

// amtool is Alertmanager's own tool against a running freshet.
type amtool struct {
	t    *testing.T
	path string
	url  string
}

// run runs it and returns what it prints and its status.
func (a amtool) run(args ...string) (out string, status int) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), a.path, append([]string{"--alertmanager.url=" + a.url}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+a.t.TempDir()) // where it looks for settings
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		a.t.Fatal(err)
	}
	return text.String(), cmd.ProcessState.ExitCode()
}

// prints runs it and returns what it prints; another status than 0 fails the test.
func (a amtool) prints(args ...string) string {
	a.t.Helper()
	out, status := a.run(args...)
	if status != 0 {
		a.t.Errorf("amtool %v: status %d\n%s", args, status, out)
	}
	return out
}

// names returns the first word of each line but the heading.
func (a amtool) names(args ...string) (out []string) {
	a.t.Helper()
	for i, line := range strings.Split(strings.TrimSpace(a.prints(args...)), "\n") {
		if words := strings.Fields(line); i > 0 && len(words) > 0 {
			out = append(out, words[0])
		}
	}
	slices.Sort(out)
	return out
}

// becomes waits until the names are those.
func (a amtool) becomes(want []string, args ...string) {
	a.t.Helper()
	harness.Eventually(a.t, 20*time.Second, "amtool "+strings.Join(args, " ")+" shows "+strings.Join(want, ", "), func() bool {
		return slices.Equal(a.names(args...), want)
	})
}

// contains fails the test for each text that is not in the output.
func contains(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%q is missing in:\n%s", text, out)
		}
	}
}

// amtool works against freshet as against Alertmanager: against the process that sends, and one that stands by.
func TestAmtool(t *testing.T) {
	t.Parallel()
	path := os.Getenv("FRESHET_TEST_AMTOOL")
	if path == "" {
		t.Log("left out: FRESHET_TEST_AMTOOL is not set")
		return
	}
	onEachKafka(t, func(t *testing.T, k *cluster) {
		team, pager := newReceiver(t), newReceiver(t)
		config := k.alerter(severities(team.URL+"/?token=s3cretpart", pager.URL))
		p := active(t, config)
		second := standby(t, k, config)
		d := harness.NewDetector(t, k.client, k.namespace)
		d.Fire(label.AlertName, "Own", label.Severity, "warning", "service", "cart")
		amtoolAlerts(amtool{t, path, p.Page})
		team.once(t, 20*time.Second, "Own", "firing")
		pager.once(t, 20*time.Second, "Down", "firing")
		if n := len(team.told(t, "Slow", "firing")); n > 0 {
			t.Errorf("an inhibited alert was told %d times", n)
		}
		amtoolSilences(amtool{t, path, p.Page})
		amtoolSilences(amtool{t, path, second.Page})
		amtoolConfig(amtool{t, path, p.Page})
		amtoolConfig(amtool{t, path, second.Page})

		// One that stands by takes alerts too, and shows what the active one knows.
		a := amtool{t, path, second.Page}
		a.prints("alert", "add", "Standby", "severity=critical", "service=mail")
		a.becomes([]string{"Down", "Own", "Standby"}, "alert", "query", "--active")
		a.becomes([]string{"Slow"}, "alert", "query", "--inhibited")
		pager.once(t, 20*time.Second, "Standby", "firing")
	})
}

func amtoolAlerts(a amtool) {
	a.t.Helper()
	a.prints("alert", "add", "alertname=Down", "severity=critical", "service=shop", "--annotation=summary=the shop is down",
		"--generator-url=http://prometheus.example.org/graph")
	a.becomes([]string{"Down", "Own"}, "alert")
	a.prints("alert", "add", "Slow", "severity=warning", "service=shop", "--end="+time.Now().Add(time.Hour).Format(time.RFC3339))
	a.becomes([]string{"Slow"}, "alert", "query", "--inhibited")
	for query, want := range map[string][]string{
		`alert query --active`:                     {"Down", "Own"},
		`alert query Own`:                          {"Own"},
		`alert query alertname=~"D.*|S.*"`:         {"Down"},
		`alert query --inhibited service=shop`:     {"Slow"},
		`alert query severity!=critical`:           {"Own"},
		`alert query --receiver=pager`:             {"Down"},
		`alert query --silenced`:                   nil,
		`alert query --unprocessed --receiver=nil`: nil,
	} {
		if got := a.names(strings.Fields(query)...); !slices.Equal(got, want) {
			a.t.Errorf("amtool %s shows %v, want %v", query, got, want)
		}
	}
	contains(a.t, a.prints("alert", "query", "-o", "extended", "alertname=Down"),
		`alertname="Down"`, `service="shop"`, `summary="the shop is down"`, "http://prometheus.example.org/graph", "active")
	contains(a.t, a.prints("alert", "query", "-o", "json", "--inhibited", "alertname=Slow"), `"state":"suppressed"`, `"inhibitedBy":["`, `"name":"team"`)
	if out, status := a.run("alert", "query", "Own", "service=~("); status == 0 {
		a.t.Errorf("a broken matcher is taken: %s", out)
	}
}

var silenceID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func amtoolSilences(a amtool) {
	a.t.Helper()
	id := strings.TrimSpace(a.prints("silence", "add", "Own", `service=~"cart|till"`, "--author=ada", "--comment=deployment", "--duration=1h"))
	if !silenceID.MatchString(id) {
		a.t.Fatalf("silence add prints %q", id)
	}
	a.becomes([]string{"Own"}, "alert", "query", "--silenced")
	a.becomes([]string{"Down"}, "alert", "query", "--active", "alertname!=Standby")
	contains(a.t, a.prints("silence", "query"), id, `alertname="Own"`, `service=~"cart|till"`, "ada", "deployment")
	contains(a.t, a.prints("silence", "query", "alertname=Own", "--within=2h"), id)
	contains(a.t, a.prints("silence", "query", "-o", "extended"), "Updated At", "deployment")
	if out := a.prints("silence", "query", "-q", "alertname=Other"); strings.TrimSpace(out) != "" {
		a.t.Errorf("a query for another alert gives %q", out)
	}
	contains(a.t, a.prints("silence", "update", id, "--duration=3h", "--comment=it takes longer"), id, "it takes longer")
	if out := strings.TrimSpace(a.prints("silence", "query", "-q")); out != id {
		a.t.Errorf("after the update there are silences %q, want %q", out, id)
	}
	file := filepath.Join(a.t.TempDir(), "silences.json")
	harness.Write(a.t, file, a.prints("silence", "query", "-o", "json"))
	a.prints("silence", "expire", id)
	a.becomes(nil, "alert", "query", "--silenced")
	contains(a.t, a.prints("silence", "query", "--expired"), id)
	a.prints("silence", "import", file)
	a.becomes([]string{"Own"}, "alert", "query", "--silenced")
	imported := strings.TrimSpace(a.prints("silence", "query", "-q"))
	if !silenceID.MatchString(imported) || imported == id {
		a.t.Errorf("the import of %s gives %q, want one silence of its own", id, imported)
	}
	a.prints(append([]string{"silence", "expire"}, strings.Fields(imported)...)...)
	a.becomes(nil, "alert", "query", "--silenced")
	if out, status := a.run("silence", "expire", "00000000-0000-4000-8000-000000000000"); status == 0 {
		a.t.Errorf("a silence that is not there is expired: %s", out)
	}
	if out, status := a.run("silence", "add", "--comment=all", `alertname=~".*"`); status == 0 {
		a.t.Errorf("a silence of everything is taken: %s", out)
	}
}

func amtoolConfig(a amtool) {
	a.t.Helper()
	out := a.prints("config", "show")
	contains(a.t, out, "receiver: team", "name: pager", `severity="critical"`, "equal:")
	if strings.Contains(out, "s3cretpart") {
		a.t.Errorf("config show gives a secret away:\n%s", out)
	}
	contains(a.t, a.prints("config", "routes", "show"), "default-route  receiver: team", `{severity="critical"}  receiver: pager`)
	for labels, want := range map[string]string{"severity=critical": "pager", "severity=warning": "team"} {
		if got := strings.TrimSpace(a.prints("config", "routes", "test", "--verify.receivers="+want, labels)); got != want {
			a.t.Errorf("%s goes to %q, want %s", labels, got, want)
		}
	}
	if out, status := a.run("config", "routes", "test", "--verify.receivers=pager", "severity=warning"); status == 0 {
		a.t.Errorf("a wrong receiver is found right: %s", out)
	}
	contains(a.t, a.prints("cluster", "show"), "disabled")
}
