package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/api/v2/models"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

// alerter is a freshet.yaml of an alerter: what a test has under alert, with routes of its own, and beside it.
func (k *cluster) alerter(alert string) string {
	return k.kafkaConfig() + "http: {listen: \"127.0.0.1:0\"}\nalert:\n" + alert
}

// severities routes critical alerts to one webhook and others to another, and has critical ones mute warnings.
func severities(team, pager string) string {
	return fmt.Sprintf(`
  route:
    receiver: team
    group_by: [alertname]
    group_wait: 0s
    group_interval: 1s
    routes:
      - {receiver: pager, matchers: ['severity="critical"']}
  inhibit_rules:
    - {name: worse, source_matchers: ['severity="critical"'], target_matchers: ['severity="warning"'], equal: [service]}
  receivers:
    - {name: team, webhook_configs: [{url: %q}]}
    - {name: pager, webhook_configs: [{url: %q}]}
`, team, pager)
}

// standby starts a second process that is not the active alerter.
func standby(t *testing.T, k *cluster, config string) *harness.Program {
	t.Helper()
	return harness.Start(t, strings.Replace(config, "instance: "+k.namespace, "instance: "+k.namespace+"-standby", 1), "run", "--target", "alert").Running()
}

// active starts a process that is the active alerter.
func active(t *testing.T, config string) *harness.Program {
	t.Helper()
	p := harness.Start(t, config, "run", "--target", "alert").Running()
	harness.Eventually(t, 30*time.Second, "the alerter sends", func() bool { return p.Logged("this process sends the notifications") > 0 })
	return p
}

// alertState is the state of an alert that fires, by its name, as Alertmanager's API gives it; "" when it does not fire.
func alertState(t *testing.T, p *harness.Program, name string) string {
	t.Helper()
	status, body := p.Get("/api/v2/alerts?filter=" + url.QueryEscape("alertname="+strconv.Quote(name)))
	var alerts models.GettableAlerts
	if err := json.Unmarshal([]byte(body), &alerts); err != nil || status != http.StatusOK || len(alerts) > 1 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if len(alerts) == 0 {
		return ""
	}
	return *alerts[0].Status.State
}
