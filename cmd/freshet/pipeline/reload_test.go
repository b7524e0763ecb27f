package pipeline_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

const reloadConfig = `
agent: {topics: {logs: PREFIX-logs, metrics: PREFIX-metrics, spans: PREFIX-spans}}
health: {enabled: false}
`

const reloadRules = `
groups:
  - name: shop
    interval: 1s
    window: 5s
    lateness: 1s
    rules:
      - {alert: Orders, from: events, topic: PREFIX-orders, by: [service.name], when: count() >= 1}
`

const reloadMore = reloadRules + `
      - {alert: Jobs, from: events, topic: PREFIX-jobs, by: [service.name], when: count() >= 1}
`

// Topics that new rules read are made and read, and those of rules that are gone are let go; an alert of a rule that is
// gone ends with it, one of a rule that stays goes on.
func TestReloadReadsOtherTopics(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		r := newRig(t, cluster, reloadConfig, reloadRules)
		r.start(everything)
		r.follow()
		r.every(200*time.Millisecond, func() { r.send("-orders", "pay", 0) })
		r.within(20*time.Second, "Orders fires", func() bool { return slices.Equal(r.all("Orders"), []string{"firing"}) })
		r.reload(0, reloadMore)
		stop := r.every(200*time.Millisecond, func() { r.send("-jobs", "mail", 0) })
		r.within(20*time.Second, "Jobs fires", func() bool { return slices.Equal(r.all("Jobs"), []string{"firing"}) })
		r.reload(0, reloadRules)
		stop()
		r.within(20*time.Second, "Jobs is resolved", func() bool {
			return slices.Equal(r.all("Jobs", "reason"), []string{"firing", "resolved (rule removed)"})
		})
		r.reload(0, "groups: []")
		r.within(20*time.Second, "Orders is resolved", func() bool {
			return slices.Equal(r.all("Orders", "reason"), []string{"firing", "resolved (rule removed)"})
		})
	})
}

// What could not be for want of Kafka is tried again though no file has changed, and until then all is as it was.
func TestReloadThatKafkaRefuses(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	r := newRig(t, cluster, reloadConfig, reloadRules)
	r.start(everything)
	r.follow()
	refused := cluster.Embedded.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	r.write(reloadMore)
	var failed *pipeline.ReloadError
	if err := r.started[0].Reload(t.Context()); !errors.As(err, &failed) || !strings.Contains(failed.Details(10), r.prefix+"-jobs") {
		t.Fatalf("reloaded (%v) though a topic cannot be made", err)
	}
	ask := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, r.started[0].URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if status, body := ask(http.MethodPost, "-/reload"); status != http.StatusInternalServerError || !strings.Contains(body, "CREATE") {
		t.Errorf("/-/reload answers %d: %s", status, body)
	}
	if _, body := ask(http.MethodGet, "api/freshet/status"); !strings.Contains(body, `"rules":1,`) || !strings.Contains(body, "rules_problem") {
		t.Errorf("the page shows %s", body)
	}
	r.every(200*time.Millisecond, func() { r.send("-orders", "pay", 0) })
	r.within(20*time.Second, "Orders fires", func() bool { return slices.Equal(r.all("Orders"), []string{"firing"}) })
	refused.Remove()
	if status, body := ask(http.MethodPut, "-/reload"); status != http.StatusOK {
		t.Errorf("/-/reload answers %d: %s", status, body)
	}
	r.every(200*time.Millisecond, func() { r.send("-jobs", "mail", 0) })
	r.within(20*time.Second, "Jobs fires", func() bool { return slices.Equal(r.all("Jobs"), []string{"firing"}) })
	if _, body := ask(http.MethodGet, "api/freshet/status"); !strings.Contains(body, `"rules":2,`) || strings.Contains(body, "rules_problem") {
		t.Errorf("the page shows %s", body)
	}
	if status, _ := ask(http.MethodGet, "-/reload"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET of /-/reload answers %d", status)
	}
}
