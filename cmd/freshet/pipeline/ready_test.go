package pipeline_test

import (
	"net/http"
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

// A process whose output Kafka refuses is not ready, and says why, though it lives; its agent takes telemetry all the while.
func TestNotReadyWhileOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	h := listenFor(t)
	r := newRig(t, cluster, "agent: {data_dir: "+t.TempDir()+", otlp: {grpc: \"127.0.0.1:0\", http: \"127.0.0.1:0\"}}\n"+receivers(h, "", "ops"), "groups: []")
	r.start(pipeline.Targets{Agent: true, Alert: true})
	answers := func(path string, want int, text string) func() bool {
		return func() bool {
			code, body := r.ask(0, http.MethodGet, path, "")
			return code == want && strings.Contains(body, text)
		}
	}
	r.post("firing", "a")
	r.hears(h, "/ops firing a")
	r.within(20*time.Second, "it is ready", answers("-/ready", http.StatusOK, "freshet is ready."))
	fault := cluster.Embedded.Cluster().Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: r.prefix + ".notifications", Err: kerr.NotEnoughReplicas, Count: -1,
	})
	r.post("firing", "b")
	const trouble = "-alert cannot be committed since "
	r.within(time.Minute, "it is not ready", answers("-/ready", http.StatusServiceUnavailable, trouble))
	for path, want := range map[string]int{
		"-/healthy": http.StatusOK, "-/ready?target=agent": http.StatusOK, "-/ready?target=alert": http.StatusServiceUnavailable,
		"-/ready?target=detect": http.StatusBadRequest, "-/ready?target=x": http.StatusBadRequest,
	} {
		if code, body := r.ask(0, http.MethodGet, path, ""); code != want {
			t.Errorf("%s answers %d %q, expected %d", path, code, body, want)
		}
	}
	if !answers("api/freshet/status", http.StatusOK, trouble)() {
		t.Error("the page does not say it")
	}
	fault.Remove()
	r.within(20*time.Second, "it is ready again", answers("-/ready", http.StatusOK, ""))
	r.hears(h, "/ops firing a", "/ops firing b")
}
