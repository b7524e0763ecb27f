package pipeline_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// Nobody was told of what fires in a dry run, so all that fires still is told when it is switched off: by a reload, and by
// another process.
func TestDryRunIsSwitchedOff(t *testing.T) {
	t.Parallel()
	h := listenFor(t)
	on := strings.Replace(receivers(h, "", "ops"), "alert:\n", "alert:\n  dry_run: true\n", 1)
	off := receivers(h, "", "ops")
	r := newRig(t, kafkatest.Embedded(t, broker.Options{}), on, "groups: []")
	stop := r.start(pipeline.Targets{Alert: true})
	rehearsed := func(host string) {
		t.Helper()
		r.within(20*time.Second, "it is recorded who would have been told", func() bool {
			var decisions []alert.Decision
			_, body := r.ask(0, http.MethodGet, "api/freshet/decisions?alertname=Disk", "")
			return json.Unmarshal([]byte(body), &decisions) == nil && slices.ContainsFunc(decisions, func(d alert.Decision) bool {
				return d.Verdict == alert.DryRun && d.Labels.Get("host") == host
			})
		})
	}
	r.post("firing", "a", "b")
	rehearsed("a")
	rehearsed("b")
	r.post("resolved", "b")
	r.hears(h)
	r.configure(0, off)
	if err := r.started[0].Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.hears(h, "/ops firing a")

	r.configure(0, on)
	if err := r.started[0].Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.post("firing", "c")
	rehearsed("c")
	r.hears(h, "/ops firing a")
	stop()
	r.config, r.started = off, nil
	r.start(pipeline.Targets{Alert: true})
	r.hears(h, "/ops firing a", "/ops firing c")
}
