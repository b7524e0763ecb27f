package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

// numberRules is the rule of the guide, as it stands there.
const numberRules = `
groups:
  - name: numbers
    interval: 1s
    rules:
      - alert: NumberHigh
        from: events
        topic: %s
        window: 10s
        when: max(number) > 100
`

// A kafka-python script that sends {"number": i, "timestamp": time.time()} is monitored as it is.
func TestKafkaPython(t *testing.T) {
	t.Parallel()
	python := os.Getenv("FRESHET_TEST_PYTHON")
	if python == "" {
		t.Log("left out: FRESHET_TEST_PYTHON is not set")
		return
	}
	script, err := filepath.Abs(filepath.Join("testdata", "numbers.py"))
	if err != nil {
		t.Fatal(err)
	}
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook := newReceiver(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(numberRules, k.topic("numbers")), hook.URL, harness.FreeAddress(t)), "run").Running()
		run(t, python, script, k.brokers[0], k.topic("numbers"), "90")
		harness.Never(t, 3*time.Second, "an alert for numbers below the threshold", func() bool {
			return len(hook.told(t, "NumberHigh", "firing")) > 0
		})
		run(t, python, script, k.brokers[0], k.topic("numbers"), "123")
		m := hook.once(t, 30*time.Second, "NumberHigh", "firing")
		if v := m.Alerts[0].Freshet.Value; v == nil || *v <= 100 || *v > 122 {
			t.Errorf("value %v, want one from 101 to 122", v)
		}
		if got := k.settled(t, "NumberHigh"); got <= 100 || got > 122 {
			t.Errorf("settled value %v, want one from 101 to 122", got)
		}
		p.Stop()
	})
}

// kcat's lines of JSON are events too.
func TestKcat(t *testing.T) {
	t.Parallel()
	kcat := os.Getenv("FRESHET_TEST_KCAT")
	if kcat == "" {
		t.Log("left out: FRESHET_TEST_KCAT is not set")
		return
	}
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook := newReceiver(t)
		rules := fmt.Sprintf(`
groups:
  - name: orders
    interval: 1s
    rules:
      - alert: OrdersFail
        from: events
        topic: %s
        by: [shop]
        window: 20s
        when: count(level == "error") >= 12
`, k.topic("orders"))
		p := harness.Start(t, k.config(t, rules, hook.URL, harness.FreeAddress(t)), "run").Running()
		var lines strings.Builder
		for i := range 12 {
			fmt.Fprintf(&lines, `{"shop":"lisbon","level":"error","message":"card refused","order":%d}`+"\n", i)
			fmt.Fprintf(&lines, `{"shop":"porto","level":"info","message":"paid","order":%d}`+"\n", i)
		}
		cmd := exec.CommandContext(t.Context(), kcat, "-P", "-b", k.brokers[0], "-t", k.topic("orders"))
		cmd.Stdin = strings.NewReader(lines.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("kcat: %v\n%s", err, out)
		}
		m := hook.once(t, 30*time.Second, "OrdersFail", "firing")
		if a := m.Alerts[0]; a.Labels["shop"] != "lisbon" || a.Freshet.Value == nil || *a.Freshet.Value != 12 {
			t.Errorf("labels %v, value %v", a.Labels, a.Freshet.Value)
		}
		p.Stop()
	})
}

// Records as the Collector's Kafka exporter writes them with encoding otlp_json.
func TestOTLPJSON(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook := newReceiver(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(spikeRules, "20s", 30), hook.URL, harness.FreeAddress(t)), "run").Running()
		for range 10 {
			records := make([]any, 3)
			for i := range records {
				records[i] = map[string]any{
					"timeUnixNano": fmt.Sprint(time.Now().UnixNano()), "severityNumber": 17,
					"body": map[string]any{"stringValue": "boom"},
				}
			}
			k.produce(t, k.topic("logs"), mustJSON(t, map[string]any{"resourceLogs": []any{map[string]any{
				"resource":  map[string]any{"attributes": []any{map[string]any{"key": "service.name", "value": map[string]any{"stringValue": "json"}}}},
				"scopeLogs": []any{map[string]any{"logRecords": records}},
			}}}))
		}
		m := hook.once(t, 30*time.Second, "ErrorSpike", "firing")
		if a := m.Alerts[0]; a.Labels["service_name"] != "json" || a.Freshet.Value == nil || *a.Freshet.Value != 30 {
			t.Errorf("labels %v, value %v", a.Labels, a.Freshet.Value)
		}
		p.Stop()
	})
}
