// Package bench measures freshet as its users have it: the built program on a Kafka, beside the least that reading the
// same topic costs and beside a program written by hand for the same job. Figures are lines of their own,
// "figure: NAME VALUE UNIT".
package bench

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

const ruleName = "Errors"

// warmUps is how often freshet runs before it is measured.
const warmUps = 3

// referenceRules is the one rule of the reference job.
var referenceRules = fmt.Sprintf(`
groups:
  - name: reference
    interval: %s
    lateness: %s
    rules:
      - alert: %s
        from: logs
        by: [service.name]
        window: %s
        when: count(severity >= ERROR) > %d
`, step, lateness, ruleName, window, threshold)

// job is the reference job on a Kafka, its topic filled.
type job struct {
	kafkatest.Cluster
	client   *kafka.Client
	topic    string
	messages int
	alerts   []transition // expected
}

func newJob(tb testing.TB, c kafkatest.Cluster, logs int) *job {
	tb.Helper()
	w := reference(logs / perMessage)
	w.start = time.Now().Add(-w.length() - 2*window).Truncate(step) // so that the clock closes the last windows at once
	j := &job{Cluster: c, client: newClient(tb, c.Brokers), topic: kafkatest.Name("reference"), messages: w.messages}
	makeTopic(tb, j.client, j.topic)
	var o oracle
	var e encoder
	out := newWriter(tb, j.client, j.topic)
	for n := range w.messages {
		m := w.message(n)
		o.add(m)
		out.write(n, e.encode(tb, n, m))
	}
	out.flush()
	j.alerts = o.alerts()
	return j
}

// runFreshet runs the detector until all input is committed and the findings are there.
func (j *job) runFreshet(tb testing.TB, during func(*harness.Program)) cost {
	tb.Helper()
	namespace := kafkatest.Name("bench")
	g := newGroup(tb, j.Brokers, namespace+"-accumulate", j.topic)
	g.begin()
	p := harness.Start(tb, config(tb, j.Brokers, namespace, j.topic, referenceRules), "run", "--target", "detect").Running()
	connected := time.Now()
	if during != nil {
		during(p)
	}
	eventually(tb, 10*time.Minute, 10*time.Millisecond, "all input is committed", func() bool { return g.committed() == j.messages })
	c := cost{wall: time.Since(connected)}
	w := watch(tb, j.client, namespace)
	within(20*time.Second, 50*time.Millisecond, func() bool { // the comparison says what is missing
		c.alerts = w.settled()
		return len(c.alerts) >= len(j.alerts)
	})
	c.peak = harness.PeakMemory(p.PID())
	p.Stop()
	c.cpu = p.CPU()
	return c
}

// Each program finds exactly the alerts that the oracle expects.
func TestAlertsAreExact(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c kafkatest.Cluster) {
		j := newJob(t, c, 600_000)
		if len(j.alerts) < 4 {
			t.Fatalf("%d alerts expected, too few to tell anything", len(j.alerts))
		}
		o := order{Brokers: c.Brokers, Topic: j.topic, Messages: j.messages}
		for _, p := range []struct {
			name string
			run  func() cost
		}{
			{"naive", func() cost { return runPeer(t, "naive", o) }},
			{"freshet", func() cost { return j.runFreshet(t, nil) }},
		} {
			if missing, extra, text := difference(j.alerts, p.run().alerts); missing+extra > 0 {
				t.Errorf("%s: of %d alerts %d are missing and %d are too many:\n%s", p.name, len(j.alerts), missing, extra, text)
			}
		}
	})
}

// BenchmarkReference runs the reference job on real Kafka: REFERENCE logs (2,000,000), ROUNDS times (3), the programs in
// turn, on a broker that is warm. The figures are medians over the rounds, ratios being those of one round. With PROFILE, freshet runs once more and
// its CPU and heap profiles are written to that folder.
func BenchmarkReference(b *testing.B) {
	c, ok := kafkatest.Real()
	if !ok {
		fmt.Printf("PARTIAL: reference job not measured because %s is not set\n", kafkatest.BrokersVariable)
		return
	}
	j := newJob(b, c, setting(b, "REFERENCE", 2_000_000))
	logs := float64(j.messages * perMessage)
	bare := order{Brokers: c.Brokers, Topic: j.topic, Messages: j.messages}
	tuned := bare
	tuned.Fetch = 4 << 20 // as freshet asks for
	var fetch, tunedFetch, naive, freshet []cost
	// A broker that has just been started spends half a core on compiling what each kind of request runs through. What is
	// to be compared is a broker that has been up for a while.
	runPeer(b, "naive", bare)
	for range warmUps {
		j.runFreshet(b, nil)
	}
	for b.Loop() {
		for range setting(b, "ROUNDS", 3) {
			fetch = append(fetch, runPeer(b, "fetch", bare))
			tunedFetch = append(tunedFetch, runPeer(b, "fetch", tuned))
			naive = append(naive, runPeer(b, "naive", bare))
			freshet = append(freshet, j.runFreshet(b, nil))
		}
	}
	for _, p := range []struct {
		name  string
		costs []cost
	}{{"fetch", fetch}, {"fetch_4mib", tunedFetch}, {"naive", naive}, {"reference", freshet}} {
		figures(p.name+"_cpu", "us/log", over(p.costs, func(c cost) float64 { return c.cpu.Seconds() * 1e6 / logs }))
		figures(p.name+"_records_per_second", "logs/s", over(p.costs, func(c cost) float64 { return logs / c.wall.Seconds() }))
		figures(p.name+"_peak_rss", "MiB", over(p.costs, func(c cost) float64 { return float64(c.peak) / (1 << 20) }))
	}
	j.exact(b, "naive", naive)
	j.exact(b, "reference", freshet)
	cpu := func(c cost) float64 { return c.cpu.Seconds() }
	speed := func(c cost) float64 { return 1 / c.wall.Seconds() }
	figures("reference_cpu_over_fetch", "x", ratio(freshet, fetch, cpu))
	figures("reference_cpu_over_fetch_4mib", "x", ratio(freshet, tunedFetch, cpu))
	figures("reference_cpu_over_naive", "x", ratio(freshet, naive, cpu))
	figures("naive_cpu_over_freshet", "x", ratio(naive, freshet, cpu))
	figures("reference_records_per_second_over_fetch", "x", ratio(freshet, fetch, speed))
	if dir := os.Getenv("PROFILE"); dir != "" {
		seconds := int(math.Ceil(freshet[len(freshet)-1].wall.Seconds()))
		j.runFreshet(b, func(p *harness.Program) { profile(b, p, dir, seconds) })
	}
}

// exact prints in how many rounds a program found exactly the alerts expected.
func (j *job) exact(tb testing.TB, name string, costs []cost) {
	tb.Helper()
	exact := 0
	for _, c := range costs {
		missing, extra, text := difference(j.alerts, c.alerts)
		if missing+extra > 0 {
			tb.Errorf("%s: of %d alerts %d are missing and %d are too many:\n%s", name, len(j.alerts), missing, extra, text)
			continue
		}
		exact++
	}
	fmt.Printf("figure: %s_alerts_expected %d alerts\n", name, len(j.alerts))
	fmt.Printf("figure: %s_alerts_exact %d of_%d_rounds\n", name, exact, len(costs))
}

// profile writes the CPU profile of some seconds from now on, then the heap's.
func profile(tb testing.TB, p *harness.Program, dir string, seconds int) {
	tb.Helper()
	for _, f := range []struct{ name, path string }{
		{"cpu.pprof", "profile?seconds=" + strconv.Itoa(seconds)}, {"heap.pprof", "heap"},
	} {
		status, body := p.Get("/debug/pprof/" + f.path)
		if status != http.StatusOK {
			tb.Fatalf("%s: status %d: %s", f.path, status, body)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(body), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}
