package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// recoveryRules have a group for each user, and find each probe at once.
const recoveryRules = `
groups:
  - name: recovery
    lateness: 2s
    rules:
      - alert: ManyErrors
        from: logs
        by: [user.id]
        window: 60s
        interval: 5s
        max_groups: 10000000
        when: count(severity >= ERROR) > 1000000
      - alert: Probe
        from: logs
        by: [probe.id]
        window: 1s
        interval: 1s
        when: count() > 0
`

// users is a stream in which each of many users has an error every 40 s, and a probe comes every 100 ms.
type users struct {
	out    *writer
	groups int
	next   int

	mu     sync.Mutex
	probes map[string]time.Time // when each was written
}

// run writes until ctx ends.
func (u *users) run(ctx context.Context, tb testing.TB) {
	const tick = 100 * time.Millisecond
	perTick := max(1, (u.groups+399)/400)
	begin := time.Now()
	for n := 0; ; n++ {
		for left := perTick; left > 0; left -= perMessage {
			u.out.write(n+left/perMessage, u.encode(tb, min(left, perMessage), ""))
		}
		probe := fmt.Sprintf("p-%d", n)
		u.mu.Lock()
		u.probes[probe] = time.Now()
		u.mu.Unlock()
		u.out.write(n, u.encode(tb, 1, probe))
		select {
		case <-ctx.Done():
			u.out.flush()
			return
		case <-time.After(time.Until(begin.Add(time.Duration(n+1) * tick))): // a late tick is made up for
		}
	}
}

func (u *users) encode(tb testing.TB, logs int, probe string) []byte {
	tb.Helper()
	export := plog.NewLogs()
	rl := export.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for range logs {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		if probe != "" {
			r.Attributes().PutStr("probe.id", probe)
			continue
		}
		r.SetSeverityNumber(plog.SeverityNumberError)
		r.Attributes().PutStr("user.id", fmt.Sprintf("u-%07d", u.next%u.groups))
		u.next++
	}
	value, err := new(plog.ProtoMarshaler).MarshalLogs(export)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

// BenchmarkRecovery kills the only detector under load, with ACTIVE_GROUPS groups, and measures from the start of the next to
// its first finding about what was written after that start. The load takes a minute to bring all groups.
func BenchmarkRecovery(b *testing.B) {
	c := liveKafka(b)
	groups := setting(b, "ACTIVE_GROUPS", 100_000)
	client := newClient(b, c.Brokers)
	topic, namespace := kafkatest.Name("recovery"), kafkatest.Name("bench")
	makeTopic(b, client, topic)
	yaml := config(b, c.Brokers, namespace, topic, recoveryRules)
	born := time.Now()
	p := harness.Start(b, yaml, "run", "--target", "detect").Running()
	findings := watch(b, client, namespace)
	u := &users{out: newWriter(b, client, topic), groups: groups, probes: map[string]time.Time{}}
	ctx, stop := context.WithCancel(b.Context())
	var load sync.WaitGroup
	load.Go(func() { u.run(ctx, b) })
	defer load.Wait()
	defer stop()
	held := func() int { return int(p.Metrics(b.Context()).Sum("freshet_detect_groups")) }
	eventually(b, 5*time.Minute, time.Second, "all groups are there", func() bool { return held() >= groups })
	// A window more, so that they are full and the state is written as it always is.
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
	}
	fmt.Printf("figure: groups_%d_rss_max %.0f MiB\n", groups, float64(harness.PeakMemory(p.PID()))/(1<<20))
	p.Kill()
	started := time.Now()
	fmt.Printf("figure: groups_%d_cpu %s cores\n", groups, short(p.CPU().Seconds()/started.Sub(born).Seconds()))
	p = harness.Start(b, yaml, "run", "--target", "detect").Running()
	fmt.Printf("figure: recovery_%d_groups_running %s s\n", groups, short(time.Since(started).Seconds()))
	var first time.Time
	eventually(b, 5*time.Minute, 20*time.Millisecond, "a probe is found", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, f := range findings.all() {
			if at := u.probes[f.Labels.Get("probe_id")]; f.Rule == "Probe" && at.After(started) {
				first = f.at
				return true
			}
		}
		return false
	})
	fmt.Printf("figure: recovery_%d_groups %s s\n", groups, short(first.Sub(started).Seconds()))
	eventually(b, time.Minute, 100*time.Millisecond, "all groups are there again", func() bool { return held() >= groups })
	fmt.Printf("figure: recovery_%d_groups_rss_max %.0f MiB\n", groups, float64(harness.PeakMemory(p.PID()))/(1<<20))
	p.Stop()
}
