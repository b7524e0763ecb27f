package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

// spikeRules fire when exactly the expected number of errors is there, or more: a lost record keeps the alert away, and
// one counted twice shows in the settled value.
const spikeRules = `
groups:
  - name: e2e
    interval: 1s
    lateness: 3s
    rules:
      - alert: ErrorSpike
        from: logs
        by: [service.name]
        window: %s
        when: count(severity >= ERROR) >= %d
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.service_name }}: {{ $value }} errors'}
`

// config returns a freshet.yaml with the rules of a file beside it, one webhook, and agents on the given addresses.
func (k *cluster) config(t testing.TB, rules, webhook, grpc string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	harness.Write(t, path, rules)
	return k.kafkaConfig() + fmt.Sprintf(`
http: {listen: "127.0.0.1:0"}
rules: {files: [%q]}
alert:
  receivers:
    - name: hook
      webhook_configs: [{url: %q}]
agent:
  data_dir: agent
  otlp: {grpc: %q, http: ""}
  topics: {logs: %s, metrics: %s, spans: %s}
`, path, webhook, grpc, k.topic("logs"), k.topic("metrics"), k.topic("spans"))
}

// An error spike sent by OTLP becomes one message with the right count, and one more when it is over.
func TestSpikeBecomesOneMessage(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(spikeRules, "10s", 200), hook.URL, grpc), "run").Running()
		checkout := newService(t, "checkout", grpc)
		checkout.logs(50, log.SeverityInfo, "order placed")
		checkout.logs(200, log.SeverityError, "payment declined: upstream timeout")

		m := hook.once(t, 30*time.Second, "ErrorSpike", "firing")
		a := m.Alerts[0]
		if a.Labels["service_name"] != "checkout" || a.Labels["severity"] != "critical" {
			t.Errorf("labels %v", a.Labels)
		}
		if v := a.Freshet.Value; v == nil || *v != 200 {
			t.Errorf("value %v, want 200", v)
		}
		if want := "checkout: 200 errors"; a.Annotations["summary"] != want {
			t.Errorf("summary %q, want %q", a.Annotations["summary"], want)
		}
		if len(a.Freshet.Samples) != 3 || !strings.Contains(a.Freshet.Samples[0].Text, "payment declined") {
			t.Errorf("samples %v", a.Freshet.Samples)
		}
		if got := k.settled(t, "ErrorSpike"); got != 200 {
			t.Errorf("settled value %v, want 200", got)
		}
		hook.once(t, 40*time.Second, "ErrorSpike", "resolved")
		for _, want := range []string{"freshet_kafka_consumed_records_total", "freshet_detect_findings_total", "freshet_alert_notifications_total",
			"freshet_detect_watermark_delay_seconds", "freshet_kafka_consumer_lag", "freshet_agent_received_records_total"} {
			if _, body := p.Get("/metrics"); !strings.Contains(body, want) {
				t.Errorf("/metrics lacks %s", want)
			}
		}
		if status, _ := p.Get("/-/healthy"); status != http.StatusOK {
			t.Errorf("/-/healthy answers %d", status)
		}
		if status, body := p.Get("/-/ready"); status != http.StatusOK {
			t.Errorf("/-/ready answers %d: %s", status, body)
		}
		p.Stop()
	})
}

// Agent, detector and alerter as three processes do the same job as one.
func TestThreeProcesses(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		config := k.config(t, fmt.Sprintf(spikeRules, "20s", 300), hook.URL, grpc)
		var programs []*harness.Program
		for _, target := range []string{"agent", "detect", "alert"} {
			own := strings.Replace(config, "instance: "+k.namespace, "instance: "+target, 1)
			programs = append(programs, harness.Start(t, own, "run", "--target", target).Running())
		}
		newService(t, "checkout", grpc).logs(300, log.SeverityError, "boom")
		m := hook.once(t, 30*time.Second, "ErrorSpike", "firing")
		if v := m.Alerts[0].Freshet.Value; v == nil || *v != 300 {
			t.Errorf("value %v, want 300", v)
		}
		if got := k.settled(t, "ErrorSpike"); got != 300 {
			t.Errorf("settled value %v, want 300", got)
		}
		for _, p := range programs {
			p.Stop()
		}
	})
}

// A detector that is killed in the middle of a spike and started again counts every record once.
func TestDetectorKilledInMidSpike(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		config := k.config(t, fmt.Sprintf(spikeRules, "1m", 500), hook.URL, grpc)
		as := func(target string) *harness.Program {
			return harness.Start(t, strings.Replace(config, "instance: "+k.namespace, "instance: "+target, 1), "run", "--target", target)
		}
		as("agent").Running()
		as("alert").Running()
		detector := as("detect").Running()
		checkout := newService(t, "checkout", grpc)
		for i := range 5 {
			checkout.logs(60, log.SeverityError, "boom")
			if i%2 == 1 {
				detector.Kill()
				checkout.logs(20, log.SeverityError, "boom while the detector is away")
				detector = as("detect").Running()
			}
		}
		checkout.logs(160, log.SeverityError, "boom")
		m := hook.once(t, 60*time.Second, "ErrorSpike", "firing")
		if v := m.Alerts[0].Freshet.Value; v == nil || *v != 500 {
			t.Errorf("value %v, want 500", v)
		}
		if got := k.settled(t, "ErrorSpike"); got != 500 {
			t.Errorf("settled value %v, want 500", got)
		}
	})
}

// Killing and restarting the alerter repeats and loses nothing.
func TestAlerterRestarts(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		config := k.config(t, fmt.Sprintf(spikeRules, "12s", 100), hook.URL, grpc)
		p := harness.Start(t, config, "run").Running()
		newService(t, "checkout", grpc).logs(100, log.SeverityError, "boom")
		hook.once(t, 30*time.Second, "ErrorSpike", "firing")
		p.Kill()
		harness.Start(t, config, "run").Running()
		hook.once(t, 60*time.Second, "ErrorSpike", "resolved")
		if n := len(hook.told(t, "ErrorSpike", "firing")); n != 1 {
			t.Errorf("told %d times that the alert fires, want once", n)
		}
	})
}

// Who is interrupted while a message is on its way hears the answer first, so that the next process does not send it again.
func TestInterruptWhileSending(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		arrived, answer := make(chan struct{}, 10), make(chan struct{})
		hook.hold = func() { arrived <- struct{}{}; <-answer }
		config := k.config(t, fmt.Sprintf(spikeRules, "10s", 100), hook.URL, grpc)
		p := harness.Start(t, config, "run").Running()
		newService(t, "checkout", grpc).logs(100, log.SeverityError, "boom")
		<-arrived
		p.Signal(syscall.SIGINT)
		harness.Eventually(t, 10*time.Second, "the interrupt is noticed", func() bool { return p.Logged("freshet stops") > 0 })
		close(answer)
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
		harness.Start(t, config, "run").Running()
		hook.once(t, 60*time.Second, "ErrorSpike", "resolved")
		if n := len(hook.told(t, "ErrorSpike", "firing")); n != 1 {
			t.Errorf("told %d times that the alert fires, want once", n)
		}
	})
}

// The OpenTelemetry Collector's own load generator, over OTLP.
func TestTelemetrygen(t *testing.T) {
	t.Parallel()
	tool := os.Getenv("FRESHET_TEST_TELEMETRYGEN")
	if tool == "" {
		t.Log("left out: FRESHET_TEST_TELEMETRYGEN is not set")
		return
	}
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook, grpc := newReceiver(t), harness.FreeAddress(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(spikeRules, "20s", 250), hook.URL, grpc), "run").Running()
		run(t, tool, "logs", "--otlp-endpoint", grpc, "--otlp-insecure", "--logs", "250", "--workers", "1", "--rate", "0",
			"--severity-number", "17", "--severity-text", "Error", "--service", "generated")
		m := hook.once(t, 30*time.Second, "ErrorSpike", "firing")
		if v := m.Alerts[0].Freshet.Value; v == nil || *v != 250 {
			t.Errorf("value %v, want 250", v)
		}
		if got := k.settled(t, "ErrorSpike"); got != 250 {
			t.Errorf("settled value %v, want 250", got)
		}
		p.Stop()
	})
}

// A second freshet on one machine's data folder is told so and changes nothing.
func TestEmbeddedBroker(t *testing.T) {
	t.Parallel()
	hook, grpc, data := newReceiver(t), harness.FreeAddress(t), t.TempDir()
	k := newCluster(t, "embedded", "127.0.0.1:1")
	config := k.config(t, fmt.Sprintf(spikeRules, "20s", 100), hook.URL, grpc)
	listen := harness.FreeAddress(t)
	config = strings.Replace(config, k.kafkaConfig(), fmt.Sprintf("kafka: {data_dir: %q, listen: %q, namespace: %s, instance: one}\n", data, listen, k.namespace), 1)
	p := harness.Start(t, config, "run").Running()
	second := harness.Start(t, strings.Replace(config, grpc, harness.FreeAddress(t), 1), "run")
	err := second.Wait()
	if err == nil || second.Logged(data) == 0 {
		t.Errorf("a second process on the same data ends with %v", err)
	}
	checkout := newService(t, "checkout", grpc)
	checkout.logs(60, log.SeverityError, "boom")
	p.Kill()
	p = harness.Start(t, config, "run").Running()
	checkout.logs(40, log.SeverityError, "boom")
	if v := hook.once(t, 60*time.Second, "ErrorSpike", "firing").Alerts[0].Freshet.Value; v == nil || *v != 100 {
		t.Errorf("value %v over a kill of everything, want 100", v)
	}
	p.Stop()
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return string(out)
}
