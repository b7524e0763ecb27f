package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

const compositeRules = `
groups:
  - name: composite
    interval: 1s
    lateness: 1s
    rules:
      - {alert: Errors, from: events, topic: %s, by: [service], window: 5s, when: count() >= 2}
      - {alert: Widespread, from: findings, by: [], when: active(alertname == "Errors") >= 3}
      - {alert: Itself, from: findings, when: count(alertname == "Widespread") >= 1}
`

// A rule on findings fires when enough alerts are active, resolves when they are not, and no rule on findings sees it.
func TestAlertsAboutAlerts(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		topic := k.topic("shop")
		if _, err := k.client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: topic, Partitions: 1}}); err != nil {
			t.Fatal(err)
		}
		hook := newReceiver(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(compositeRules, topic), hook.URL, harness.FreeAddress(t)), "run").Running()
		fail := func(service string) {
			for range 2 {
				value := fmt.Sprintf(`{"service":%q,"timestamp":%d}`, service, time.Now().UnixMilli())
				if err := k.client.Produce(t.Context(), kafka.Message{Topic: topic, Partition: 0, Value: []byte(value)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		states := func(rule string) (out []finding.State) {
			for _, f := range k.findings(t, rule) {
				if f.Settled {
					out = append(out, f.State)
				}
			}
			return out
		}
		fail("a")
		fail("b")
		harness.Eventually(t, time.Minute, "two alerts fire", func() bool { return len(states("Errors")) >= 2 })
		fail("a")
		fail("b")
		fail("c")
		harness.Eventually(t, time.Minute, "it is widespread, and then over", func() bool {
			s := states("Widespread")
			return len(s) == 2 && s[0] == finding.Firing && s[1] == finding.Resolved
		})
		for _, f := range k.findings(t, "Widespread") {
			if !f.Derived || f.State == finding.Firing && (f.Value == nil || *f.Value != 3) {
				t.Errorf("%+v", f)
			}
		}
		if s := states("Itself"); len(s) > 0 {
			t.Errorf("a rule on findings saw findings of another: %v", s)
		}
		p.Stop()
	})
}
