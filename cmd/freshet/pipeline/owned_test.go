package pipeline_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// An alerter that the group does not hear from any longer makes no attempt from half its session on, before another may take
// over, and goes on where the group confirms that it is active.
func TestNoAttemptWithoutTheGroup(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var attempts []time.Time
	h := &heard{Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		attempts = append(attempts, time.Now())
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}))}
	t.Cleanup(h.Close)
	between := func(from, to time.Time) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, at := range attempts {
			if at.After(from) && !at.After(to) {
				n++
			}
		}
		return n
	}
	cluster := kafkatest.Embedded(t, broker.Options{})
	r := newRig(t, cluster, receivers(h, "", "ops"), "groups: []")
	r.start(pipeline.Targets{Alert: true})
	for range 2 {
		r.post("firing", "a")
		start := time.Now()
		r.within(30*time.Second, "two attempts", func() bool { return between(start, time.Now()) >= 2 })
		silent := time.Now()
		fault := cluster.Embedded.Cluster().Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1,
			When: func(req kmsg.Request) bool { return req.(*kmsg.HeartbeatRequest).Group == r.prefix+"-alert" },
		})
		r.within(20*time.Second, "half a session and two seconds", func() bool { return time.Since(silent) > 5*time.Second })
		fault.Remove()
		if n := between(silent, silent.Add(3*time.Second)); n == 0 {
			t.Error("no attempt was made in the first half of the session")
		}
		if n := between(silent.Add(3200*time.Millisecond), silent.Add(5*time.Second)); n > 0 {
			t.Errorf("%d attempts were made in the second half of the session", n)
		}
	}
}
