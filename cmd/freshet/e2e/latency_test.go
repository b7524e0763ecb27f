package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// BenchmarkFirstErrorToWebhook measures what a person waits for: from the first error that a service logs through the
// OpenTelemetry SDK to the POST at the webhook, over ten incidents of ten services on the embedded broker.
func BenchmarkFirstErrorToWebhook(b *testing.B) {
	kafka, err := broker.Start(broker.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = kafka.Close() })
	k, hook, grpc := newCluster(b, "embedded", kafka.Addr()), newReceiver(b), harness.FreeAddress(b)
	config := strings.Replace(k.config(b, fmt.Sprintf(spikeRules, "15s", 10), hook.URL, grpc),
		"alert:\n", "alert:\n  route: {receiver: hook, group_by: [service_name]}\n", 1)
	harness.Start(b, config, "run").Running()

	const incidents = 10
	var took []time.Duration
	for b.Loop() {
		for range incidents {
			name := fmt.Sprintf("service-%d", len(took))
			s := newService(b, name, grpc)
			s.logs(5, log.SeverityInfo, "all is well")
			first := time.Now()
			s.logs(12, log.SeverityError, "payment declined: upstream timeout")
			var told []message
			harness.Eventually(b, 30*time.Second, "the alert of "+name, func() bool {
				told = slices.DeleteFunc(hook.told(b, "ErrorSpike", "firing"), func(m message) bool { return m.Alerts[0].Labels["service_name"] != name })
				return len(told) > 0
			})
			took = append(took, told[0].at.Sub(first))
		}
	}
	slices.Sort(took)
	fmt.Printf("figure: first_error_to_webhook_median %.3f s\n", took[len(took)/2].Seconds())
	fmt.Printf("figure: first_error_to_webhook_max %.3f s\n", took[len(took)-1].Seconds())
	b.ReportMetric(took[len(took)/2].Seconds(), "s/incident")
}
