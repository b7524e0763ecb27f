package e2e

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

const manyRules = `
groups:
  - name: many
    interval: 5s
    lateness: 1s
    rules:
      - alert: Each
        from: logs
        by: [request.id]
        window: 10s
        max_groups: 1000000
        when: count() > 1
      - alert: All
        from: logs
        window: 2h
        when: count() >= %d
`

// A detector with more groups in sight than its memory holds lets go of what is not counted, takes in no more than it
// can, says so, and in the end has counted every record once.
func TestMemoryIsShort(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		const perSecond, seconds = 8000, 20
		if _, err := k.client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: k.topic("logs"), Partitions: 2}}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now().Add(-time.Hour).Truncate(time.Second)
		for s := range seconds {
			var messages []kafka.Message
			for p := range int32(2) {
				messages = append(messages, kafka.Message{Topic: k.topic("logs"), Partition: p, Value: requests(t, begin.Add(time.Duration(s)*time.Second), int(p), perSecond/2)})
			}
			if err := k.client.Produce(t.Context(), messages...); err != nil {
				t.Fatal(err)
			}
		}
		hook := newReceiver(t)
		config := k.config(t, fmt.Sprintf(manyRules, perSecond*seconds), hook.URL, harness.FreeAddress(t)) + "memory_limit: 64MiB\n"
		started := time.Now()
		p := harness.Start(t, config, "run").Running()
		peak, paused := 0.0, 0.0
		harness.Eventually(t, 4*time.Minute, "all records are counted", func() bool {
			m := p.Metrics(t.Context())
			peak = max(peak, m.Sum("freshet_memory_used_bytes"))
			paused = max(paused, m.Sum("freshet_memory_paused_seconds_total"))
			for _, f := range k.findings(t, "All") {
				if f.State == finding.Firing && f.Settled && f.Value != nil {
					if *f.Value != perSecond*seconds {
						t.Fatalf("%g records were counted, want %d", *f.Value, perSecond*seconds)
					}
					return true
				}
			}
			return false
		})
		t.Logf("%d records of as many groups after %s, at most %.0f MiB in use, %.1f s paused",
			perSecond*seconds, time.Since(started).Round(time.Second), peak/(1<<20), paused)
		if paused == 0 || p.Logged("waits in Kafka") == 0 || p.Logged("let go of") == 0 {
			t.Error("memory was not short: the test tests nothing")
		}
		p.Stop()
	})
}

// requests returns logs of one second, each of a request of its own.
func requests(t *testing.T, at time.Time, partition, n int) []byte {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range n {
		r := records.AppendEmpty()
		when := at.Add(time.Duration(i) * time.Second / time.Duration(n))
		r.SetTimestamp(timestamp(when))
		r.Attributes().PutStr("request.id", fmt.Sprintf("%d-%d-%d", partition, at.Unix(), i))
	}
	b, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
