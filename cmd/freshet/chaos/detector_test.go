package chaos

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

// detector is a place for a process: whatever runs there has the same configuration.
type detector struct {
	t      testing.TB
	config string
	busy   sync.Mutex // one disturbance at a time
	now    *harness.Program
}

// crew are the detectors of a run, and its namespace.
type crew struct {
	namespace string
	detectors []*detector
}

// newCrew makes places for n detectors over the topic of the load.
func newCrew(t testing.TB, namespace, topic string, n int, brokers []string, rulesText string) *crew {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	harness.Write(t, path, rulesText)
	c := &crew{namespace: namespace}
	for i := range n {
		c.detectors = append(c.detectors, &detector{t: t, config: fmt.Sprintf(`
kafka: {brokers: [%s], namespace: %s, instance: %s-%d}
http: {listen: "127.0.0.1:0"}
log: {level: debug}
rules: {files: [%q]}
agent: {topics: {logs: %s, metrics: %s_metrics, spans: %s_spans}}
`, strings.Join(brokers, ", "), namespace, namespace, i, path, topic, namespace, namespace)})
	}
	return c
}

func (d *detector) start() { d.now = harness.Start(d.t, d.config, "run", "--target", "detect") }

// kill kills the process and starts another after a while.
func (d *detector) kill(after time.Duration) {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.now.Kill()
	wait(d.t.Context(), after)
	d.start()
}

// pause stops the process for a while: it does not notice.
func (d *detector) pause(during time.Duration) {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.now.Signal(syscall.SIGSTOP)
	wait(d.t.Context(), during)
	d.now.Signal(syscall.SIGCONT)
}

// visit has a process come and go.
func (d *detector) visit(during time.Duration, harsh bool) {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.start()
	wait(d.t.Context(), during)
	if harsh {
		d.now.Kill()
		return
	}
	d.now.Stop()
}

// reached waits until every partition of panes has been evaluated up to a time. It fails the test if that takes too long.
func (c *crew) reached(t testing.TB, at time.Time, within time.Duration) {
	t.Helper()
	const panes = 4 // partitions, the default
	seen, said := map[string]time.Time{}, time.Now()
	harness.Eventually(t, within, fmt.Sprintf("all partitions are evaluated up to %s", at.UTC().Format(time.TimeOnly)), func() bool {
		seen = map[string]time.Time{}
		now := time.Now()
		for _, d := range c.detectors {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			for p, delay := range d.now.Metrics(ctx).Label("freshet_detect_watermark_delay_seconds", "partition") {
				seen[p] = now.Add(-time.Duration(delay * float64(time.Second)))
			}
			cancel()
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			fmt.Fprintf(t.Output(), "%s: waiting until %s is complete:", c.namespace, at.UTC().Format(time.TimeOnly))
			for _, p := range slices.Sorted(maps.Keys(seen)) {
				fmt.Fprintf(t.Output(), " partition %s at %s", p, seen[p].UTC().Format(time.TimeOnly))
			}
			fmt.Fprintln(t.Output())
		}
		slowest := slices.MinFunc(append(slices.Collect(maps.Values(seen)), now), time.Time.Compare)
		return len(seen) == panes && !slowest.Before(at)
	})
}

// late returns how many records counted as late at the detectors that run now.
func (c *crew) late(ctx context.Context) float64 {
	n := 0.0
	for _, d := range c.detectors {
		n += d.now.Metrics(ctx).Sum("freshet_detect_late_records_total")
	}
	return n
}
