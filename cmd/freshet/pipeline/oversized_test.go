package pipeline_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// Alerts whose state does not fit the topic, which an operator made, are told as all others are, and do not keep those from being
// told, also after a restart. Without its long annotations the state is kept; one that is all labels is not.
func TestStateThatIsTooLarge(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		h := listenFor(t)
		r := newRig(t, cluster, receivers(h, "", "ops"), "groups: []")
		_, err := r.client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: r.prefix + ".notifications", Partitions: 1,
			Config: map[string]string{"cleanup.policy": "compact", "max.message.bytes": "20000"}}})
		if err != nil {
			t.Fatal(err)
		}
		stop := r.start(pipeline.Targets{Alert: true})
		long := make([]byte, 60_000)
		for i := range long {
			long[i] = byte('!' + rand.IntN(90)) // does not shrink
		}
		post := func(host, more string, annotations map[string]string, over bool) {
			t.Helper()
			a := map[string]any{"labels": map[string]string{"alertname": "Disk", "host": host, "more": more}, "annotations": annotations}
			if over {
				a["startsAt"], a["endsAt"] = time.Now().Add(-time.Minute), time.Now().Add(-time.Millisecond)
			}
			body, err := json.Marshal([]any{a})
			if err != nil {
				t.Fatal(err)
			}
			r.within(20*time.Second, "the alert is taken", func() bool {
				code, _ := r.ask(len(r.started)-1, http.MethodPost, "api/v2/alerts", string(body))
				return code == http.StatusOK
			})
		}
		text := map[string]string{"text": string(long)}
		post("text", "", text, false)
		post("wide", string(long), nil, false)
		post("small", "", nil, false)
		want := []string{"/ops firing small", "/ops firing text", "/ops firing wide"}
		r.hears(h, want...)
		_, metrics := r.ask(0, http.MethodGet, "metrics", "")
		left := regexp.MustCompile(fmt.Sprintf(`(?m)^freshet_kafka_left_out_records_total\{group="%s-alert"\} [1-9]`, r.prefix))
		if !left.MatchString(metrics) {
			t.Error("what was left out is not counted")
		}
		stop()
		r.start(pipeline.Targets{Alert: true})
		post("text", "", text, true)
		post("small", "", nil, true)
		r.hears(h, append(want, "/ops resolved small", "/ops resolved text")...)
	})
}
