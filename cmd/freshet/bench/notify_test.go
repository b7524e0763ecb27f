package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
	"github.com/freshet-dev/freshet/rules/label"
)

// BenchmarkFindingToWebhook measures the time from a finding that is produced to the POST about it, at 20 alerts a second,
// each a group of its own without group_wait, over 20 s. On a disk several synced writes lie between the two, one after
// the other, so what one takes meanwhile is measured too.
func BenchmarkFindingToWebhook(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		findingToWebhook(b, kafkatest.Embedded(b, broker.Options{}), "memory")
	})
	b.Run("disk", func(b *testing.B) {
		stop := probeDisk(b)
		findingToWebhook(b, kafkatest.Embedded(b, broker.Options{DataDir: b.TempDir()}), "disk")
		b.ReportMetric(quantile(stop(), 0.99)*1e3, "fsync-p99-ms")
	})
	if c, ok := kafkatest.Real(); ok {
		b.Run(c.Name, func(b *testing.B) { findingToWebhook(b, c, c.Name) })
	}
}

// probeDisk writes and syncs a few bytes again and again; stop returns how long each took.
func probeDisk(b *testing.B) (stop func() []float64) {
	file, err := os.Create(filepath.Join(b.TempDir(), "probe"))
	if err != nil {
		b.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan []float64)
	go func() {
		defer file.Close()
		var took []float64
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-end:
				tick.Stop()
				ended <- took
				return
			case <-tick.C:
			}
			start := time.Now()
			if _, err := file.WriteString("probe"); err != nil {
				b.Error(err)
			}
			if err := file.Sync(); err != nil {
				b.Error(err)
			}
			took = append(took, time.Since(start).Seconds())
		}
	}()
	return func() []float64 {
		close(end)
		return <-ended
	}
}

func findingToWebhook(b *testing.B, c kafkatest.Cluster, name string) {
	const perSecond, alerts = 20, 400
	client, namespace, hook := newClient(b, c.Brokers), kafkatest.Name("bench"), webhooktest.New(b)
	p := harness.Start(b, fmt.Sprintf(`
kafka: {brokers: [%s], namespace: %s, instance: %s}
http: {listen: "127.0.0.1:0"}
alert:
  route: {receiver: hook, group_by: ['...'], group_wait: 0s}
  receivers: [{name: hook, webhook_configs: [{url: %s/hook}]}]
`, strings.Join(c.Brokers, ", "), namespace, namespace, hook.URL), "run", "--target", "alert").Running()
	// The first one waits for the consumer group; what is measured is an alerter at work.
	tell(b, client, namespace, -1)
	hook.Wait(b, 1, 30*time.Second)

	var took []float64
	for b.Loop() {
		first, start := len(took), time.Now()
		sent := make(map[string]time.Time, alerts)
		for n := range alerts {
			time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / perSecond)))
			sent[strconv.Itoa(first+n)] = time.Now()
			tell(b, client, namespace, first+n)
		}
		for _, r := range hook.Wait(b, 1+first+alerts, 30*time.Second)[1+first:] {
			var m struct {
				Alerts []struct{ Labels map[string]string }
			}
			if err := json.Unmarshal(r.Body, &m); err != nil || len(m.Alerts) != 1 {
				b.Fatalf("%v: %s", err, r.Body)
			}
			number := m.Alerts[0].Labels["n"]
			at, ok := sent[number]
			if !ok {
				b.Fatalf("alert %s was told twice", number)
			}
			delete(sent, number)
			took = append(took, r.At.Sub(at).Seconds())
		}
	}
	p.Stop()
	p50, p99 := quantile(took, 0.5), quantile(took, 0.99)
	fmt.Printf("figure: finding_to_webhook_%s_p50 %s s\n", name, short(p50))
	fmt.Printf("figure: finding_to_webhook_%s_p99 %s s\n", name, short(p99))
	b.ReportMetric(p50*1e3, "p50-ms")
	b.ReportMetric(p99*1e3, "p99-ms")
}

// tell writes a finding that alert n fires.
func tell(b *testing.B, client *kafka.Client, namespace string, n int) {
	now := time.Now()
	value, threshold := 12.0, 10.0
	labels := label.New(label.AlertName, "Bench", "n", strconv.Itoa(n), "severity", "critical")
	f := &finding.Finding{ID: fmt.Sprintf("bench/%d", n), Fingerprint: labels.Fingerprint(), Rule: "Bench", Group: "bench", State: finding.Firing,
		Settled: true, Birth: int64(n + 1), Episode: 1, Transition: 1, Labels: labels, Value: &value, Threshold: &threshold,
		Condition: "count() > 10", WindowStart: now.Add(-time.Minute), WindowEnd: now, StartsAt: now}
	text, err := finding.Encode(f)
	if err != nil {
		b.Fatal(err)
	}
	client.ProduceAsync(kafka.Message{Topic: namespace + ".findings", Key: f.Key(), Value: text}, func(err error) {
		if err != nil {
			b.Error(err)
		}
	})
}
