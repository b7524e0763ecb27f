package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

const arrivalRules = `
groups:
  - name: clocks
    interval: 1s
    from: events
    topic: %s
    by: [sensor]
    window: 5s
    rules:
      - {alert: Sent, lateness: 1s, when: count() >= 2}
      - {alert: Came, time: arrival, when: count() >= 2}
`

// Sensors whose clocks are a day behind and a day ahead are seen when their records come, by a rule that goes by arrival.
func TestArrivalIsKafkasTime(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		topic := k.topic("sensors")
		spec := kafka.TopicSpec{Name: topic, Partitions: 2, Config: map[string]string{"message.timestamp.type": "LogAppendTime"}}
		if _, err := k.client.CreateTopics(t.Context(), []kafka.TopicSpec{spec}); err != nil {
			t.Fatal(err)
		}
		hook := newReceiver(t)
		rules := fmt.Sprintf(arrivalRules, topic)
		p := harness.Start(t, k.config(t, rules, hook.URL, harness.FreeAddress(t)), "run").Running()
		began := time.Now().Add(-time.Second) // clocks of brokers and tests are those of one machine
		for sensor, off := range map[string]time.Duration{"behind": -24 * time.Hour, "ahead": 24 * time.Hour, "right": 0} {
			for i := range 2 {
				value := fmt.Sprintf(`{"sensor":%q,"timestamp":%d}`, sensor, time.Now().Add(off).UnixMilli())
				if err := k.client.Produce(t.Context(), kafka.Message{Topic: topic, Partition: int32(i), Value: []byte(value)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		harness.Eventually(t, time.Minute, "all alerts by arrival are over", func() bool {
			over := 0
			for _, f := range k.findings(t, "Came") {
				if f.Settled && f.State == finding.Resolved {
					over++
				}
			}
			return over == 3
		})
		for _, f := range k.findings(t, "Came") {
			if f.WindowEnd.Before(began) || f.WindowEnd.After(time.Now().Add(time.Minute)) {
				t.Errorf("%s is %s at %s, expected about now", f.Labels.Get("sensor"), f.State, f.WindowEnd)
			}
		}
		for _, f := range k.findings(t, "Sent") {
			if f.Labels.Get("sensor") == "ahead" {
				t.Errorf("a record of tomorrow was counted today: %+v", f)
			}
		}
		p.Stop()
	})
}
