package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/log"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
)

// What cannot be decoded goes to the dead-letter topic with its origin, and the rest is counted.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		hook := newReceiver(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(spikeRules, "20s", 10), hook.URL, harness.FreeAddress(t)), "run").Running()
		good := errorLogs(t, "checkout", 10)
		half := len(good) / 2
		huge := append([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 10<<20)...)
		k.produce(t, k.topic("logs"), good[:half], []byte{0xff, 0xfe, 0x00, 0x81, 0x03}, huge, good)

		m := hook.once(t, 30*time.Second, "ErrorSpike", "firing")
		if v := m.Alerts[0].Freshet.Value; v == nil || *v != 10 {
			t.Errorf("value %v, want 10", v)
		}
		var dead []kafka.Message
		harness.Eventually(t, 30*time.Second, "three dead letters", func() bool {
			dead = k.read(t, k.namespace+".dead_letter")
			return len(dead) == 3
		})
		kinds := map[string]bool{}
		for _, d := range dead {
			headers := map[string]string{}
			for _, h := range d.Headers {
				headers[h.Key] = h.Value
			}
			kinds[headers["freshet.error_kind"]] = true
			if !strings.HasPrefix(headers["freshet.origin"], k.topic("logs")+"/") || headers["freshet.error"] == "" {
				t.Errorf("headers %v", headers)
			}
			if headers["freshet.error_kind"] == "too_large" && !bytes.Equal(d.Value, huge) {
				t.Errorf("the large record has %d bytes, want all %d", len(d.Value), len(huge))
			}
		}
		if !kinds["too_large"] || len(kinds) < 2 {
			t.Errorf("kinds %v", kinds)
		}
		if _, body := p.Get("/metrics"); !strings.Contains(body, `freshet_detect_dead_lettered_records_total{kind="too_large"`) {
			t.Error("/metrics does not count the dead letters")
		}
		p.Stop()
	})
}

// errorLogs returns an OTLP export of n errors of a service, as the Collector's Kafka exporter writes it.
func errorLogs(t *testing.T, service string, n int) []byte {
	t.Helper()
	logs := plog.NewLogs()
	r := logs.ResourceLogs().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", service)
	records := r.ScopeLogs().AppendEmpty().LogRecords()
	for range n {
		l := records.AppendEmpty()
		l.SetTimestamp(timestamp(time.Now()))
		l.SetSeverityNumber(plog.SeverityNumberError)
		l.Body().SetStr("boom")
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A broker that is away at the start, and later goes away for a while, is waited for; nothing sent in between is lost.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	address, data := harness.FreeAddress(t), t.TempDir()
	k := newCluster(t, "embedded", address)
	hook, grpc := newReceiver(t), harness.FreeAddress(t)
	listen := harness.FreeAddress(t)
	config := strings.Replace(k.config(t, fmt.Sprintf(spikeRules, "2m", 200), hook.URL, grpc), "127.0.0.1:0", listen, 1)
	p := harness.Start(t, config, "run")
	p.Page = "http://" + listen + "/"
	harness.Eventually(t, 20*time.Second, "/-/ready says what is waited for", func() bool {
		status, body := p.Get("/-/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(body, address)
	})
	if status, _ := p.Get("/-/healthy"); status != http.StatusOK {
		t.Errorf("/-/healthy answers %d while Kafka is away", status)
	}
	b, err := broker.Start(broker.Options{DataDir: data, Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	p.Running()
	if n := p.Logged("Kafka cannot be reached"); n != 1 {
		t.Errorf("the log says %d times that Kafka is waited for, want once", n)
	}
	checkout := newService(t, "checkout", grpc)
	checkout.logs(80, log.SeverityError, "boom before")
	harness.Eventually(t, 20*time.Second, "ready", func() bool { status, _ := p.Get("/-/ready"); return status == http.StatusOK })

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	checkout.emit(70, log.SeverityError, "boom while it is away")
	away := time.After(30 * time.Second)
	harness.Eventually(t, 20*time.Second, "not ready", func() bool {
		status, _ := p.Get("/-/ready")
		return status == http.StatusServiceUnavailable
	})
	<-away
	if b, err = broker.Start(broker.Options{DataDir: data, Listen: address}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	checkout.logs(50, log.SeverityError, "boom after")
	if v := hook.once(t, 60*time.Second, "ErrorSpike", "firing").Alerts[0].Freshet.Value; v == nil || *v != 200 {
		t.Errorf("value %v, want 200", v)
	}
	if got := k.settled(t, "ErrorSpike"); got != 200 {
		t.Errorf("settled value %v, want 200", got)
	}
}
