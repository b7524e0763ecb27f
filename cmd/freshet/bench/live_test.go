package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// liveKafka is the real Kafka, or the embedded broker where there is none.
func liveKafka(tb testing.TB) kafkatest.Cluster {
	tb.Helper()
	if c, ok := kafkatest.Real(); ok {
		return c
	}
	return kafkatest.Embedded(tb, broker.Options{})
}

// play writes the messages of a workload when their last log is due and calls before just before each.
func (w *workload) play(tb testing.TB, out *writer, before func(m message)) {
	tb.Helper()
	var e encoder
	for n := range w.messages {
		m := w.message(n)
		value := e.encode(tb, n, m)
		due := w.start.Add(time.Duration(float64((n+1)*perMessage) / w.perSecond * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-tb.Context().Done():
			tb.Fatal(tb.Context().Err())
		}
		before(m)
		out.write(n, value)
	}
	out.flush()
}

// crossings tells which log has the errors of a service in some window cross the threshold first.
type crossings struct {
	counts map[int]map[time.Time]int // by service and end of the window
	at     map[string]time.Time      // when that log was written, by service
}

func (c *crossings) add(m message, now time.Time) {
	if c.counts[m.service] == nil {
		c.counts[m.service] = map[time.Time]int{}
	}
	for _, l := range m.logs {
		if !l.failed {
			continue
		}
		for end := l.at.Truncate(step).Add(step); !end.After(l.at.Add(window)); end = end.Add(step) {
			c.counts[m.service][end]++
			if _, known := c.at[serviceName(m.service)]; c.counts[m.service][end] > threshold && !known {
				c.at[serviceName(m.service)] = now
			}
		}
	}
}

// BenchmarkLive measures how soon three spikes in a stream of 3,333 logs a second are told, and how soon the last windows
// close after the stream has fallen silent. It takes two minutes and a half.
func BenchmarkLive(b *testing.B) {
	c := liveKafka(b)
	client := newClient(b, c.Brokers)
	topic, namespace := kafkatest.Name("live"), kafkatest.Name("bench")
	makeTopic(b, client, topic)
	p := harness.Start(b, config(b, c.Brokers, namespace, topic, referenceRules), "run", "--target", "detect").Running()
	findings := watch(b, client, namespace)
	w := reference(2_000) // a minute
	w.spikes = nil
	for n, service := range []int{3, 17, 31} {
		at := time.Duration(15+15*n) * time.Second
		w.spikes = append(w.spikes, spike{service, at, at + 15*time.Second, 0.6})
	}
	cross := crossings{map[int]map[time.Time]int{}, map[string]time.Time{}}
	var o oracle
	w.start = time.Now()
	w.play(b, newWriter(b, client, topic), func(m message) {
		o.add(m)
		cross.add(m, time.Now())
	})
	silent := time.Now()
	want := o.alerts()
	within(2*window, 100*time.Millisecond, func() bool { return len(findings.settled()) >= len(want) })
	p.Stop()
	if missing, extra, text := difference(want, findings.settled()); missing+extra > 0 {
		b.Errorf("of %d alerts %d are missing and %d are too many:\n%s", len(want), missing, extra, text)
	}
	var told, closed []float64
	for _, s := range w.spikes {
		name := serviceName(s.service)
		first := slices.IndexFunc(findings.all(), func(a arrival) bool {
			return a.State == finding.Firing && a.Labels.Get("service_name") == name
		})
		if first < 0 || cross.at[name].IsZero() {
			b.Fatalf("the spike of %s was not found", name)
		}
		told = append(told, findings.all()[first].at.Sub(cross.at[name]).Seconds())
	}
	for _, a := range findings.all() {
		if a.Settled && a.at.After(silent.Add(lateness)) {
			closed = append(closed, a.at.Sub(a.WindowEnd.Add(lateness)).Seconds())
		}
	}
	figures("live_"+c.Name+"_spike_to_finding", "s", told)
	fmt.Printf("figure: live_%s_spike_to_finding_max %s s\n", c.Name, short(slices.Max(told)))
	if len(closed) == 0 {
		b.Fatal("no window closed after the silence")
	}
	fmt.Printf("figure: live_%s_window_after_silence_max %s s\n", c.Name, short(slices.Max(closed)))
	fmt.Printf("figure: live_%s_cpu %s cores\n", c.Name, short(p.CPU().Seconds()/b.Elapsed().Seconds()))
}

// markedRules find each user with an error.
const markedRules = `
groups:
  - name: marked
    interval: 1s
    lateness: 2s
    rules:
      - alert: Marked
        from: logs
        by: [user.id]
        window: 1s
        when: count(severity >= ERROR) > 0
`

// BenchmarkRecordToFinding measures the time from a record that is produced to the finding about it, at 10,000 records a
// second over 20 s: every second message has one error, of a user of its own.
func BenchmarkRecordToFinding(b *testing.B) {
	kafkas := []kafkatest.Cluster{kafkatest.Embedded(b, broker.Options{DataDir: b.TempDir()})}
	if c, ok := kafkatest.Real(); ok {
		kafkas = append(kafkas, c)
	}
	for _, c := range kafkas {
		b.Run(c.Name, func(b *testing.B) {
			recordToFinding(b, c)
		})
	}
}

func recordToFinding(b *testing.B, c kafkatest.Cluster) {
	client := newClient(b, c.Brokers)
	topic, namespace := kafkatest.Name("marked"), kafkatest.Name("bench")
	makeTopic(b, client, topic)
	p := harness.Start(b, config(b, c.Brokers, namespace, topic, markedRules), "run", "--target", "detect").Running()
	findings := watch(b, client, namespace)
	// A group of consumers takes a second to come together; what is measured is a detector at work.
	within(20*time.Second, 50*time.Millisecond, func() bool {
		const panes = 4 // partitions, the default
		return len(p.Metrics(b.Context()).Label("freshet_detect_watermark_delay_seconds", "partition")) == panes
	})
	w := reference(2_000)
	w.start, w.perSecond, w.spikes = time.Now(), 10_000, nil
	var written []time.Time
	w.mark = func(number, index int) bool { return number%2 == 0 && index == perMessage-1 }
	w.play(b, newWriter(b, client, topic), func(message) { written = append(written, time.Now()) })
	firsts := map[string]time.Time{}
	within(20*time.Second, 100*time.Millisecond, func() bool {
		for _, a := range findings.all() {
			user := a.Labels.Get("user_id")
			if _, known := firsts[user]; a.State == finding.Firing && !known {
				firsts[user] = a.at
			}
		}
		return len(firsts) == w.messages/2
	})
	p.Stop()
	var took []float64
	for number, at := range written {
		if number%2 != 0 {
			continue
		}
		first, ok := firsts[userID(number, perMessage-1)]
		if !ok {
			b.Fatalf("the error in message %d was not found", number)
		}
		took = append(took, first.Sub(at).Seconds())
	}
	slices.Sort(took)
	fmt.Printf("figure: record_to_finding_%s_p50 %s s\n", c.Name, short(took[len(took)/2]))
	fmt.Printf("figure: record_to_finding_%s_p99 %s s\n", c.Name, short(took[len(took)*99/100]))
}
