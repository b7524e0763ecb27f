package chaos

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
)

const (
	// shortSoak is how long the soak lasts in CI.
	shortSoak = 45 * time.Second
	mebibyte  = 1 << 20
	// mayGrow and mayGrowShare bound the growth of memory over the second half of a soak, by its trend: what the
	// collector lets lie varies by some MiB. A short soak is still filling windows and pools, so it may grow more.
	mayGrow           = 4 * mebibyte
	mayGrowShare      = 0.05
	mayGrowShareShort = 0.5
)

// soakRules have groups that come for good and groups that come once, in every kind of aggregate.
const soakRules = `
groups:
  - name: soak
    interval: 1s
    window: 10s
    lateness: 8s
    rules:
      - {alert: Errors, from: logs, by: [service.name], when: count(severity >= ERROR) > 100}
      - {alert: Slow, from: logs, by: [service.name], when: p95(app.latency) > 200}
      - {alert: Users, from: logs, by: [service.name], when: distinct(user.id) > 10000}
      - {alert: Average, from: logs, by: [service.name], when: avg(app.latency) > 120, for: 2s}
      - {alert: User, from: logs, by: [user.id], when: count() > 100000}
      - {alert: Stranger, from: logs, where: 'user.id.startsWith("stranger")', by: [user.id], window: 2s, when: count(severity >= ERROR) > 0}
`

// sample is the state of the detector at a time.
type sample struct {
	at          time.Time
	rss, groups float64
}

// The memory of a detector stays as it is while groups come and go.
func TestSoak(t *testing.T) {
	t.Parallel()
	servers := os.Getenv("FRESHET_TEST_BROKERS")
	if servers == "" {
		t.Log("left out: FRESHET_TEST_BROKERS is not set")
		return
	}
	length, long := setting(t, "SOAKTIME", shortSoak)
	brokers := strings.Split(servers, ",")
	name := "soak" + strconv.FormatInt(time.Now().Unix(), 36)
	client := newClient(t, brokers)
	c := newCrew(t, name, name+"_logs", 1, brokers, soakRules)
	d := c.detectors[0]
	d.start()
	d.now.Running()
	l := load{
		seed: 1, from: time.Now().Add(time.Second).Truncate(time.Second), length: length,
		tick: 100 * time.Millisecond, partitions: 4, perMessage: 50, strangers: 0.3,
	}
	written := l.write(t.Context(), t, client, name+"_logs")
	samples := watch(t, d.now, l, written)
	c.reached(t, l.to(), time.Minute)
	if n := c.late(t.Context()); n > 0 {
		t.Errorf("%v records were written later than the rules' lateness (up to %s): too slow a machine for a soak", n, written.longestDelay())
	}
	found := findings(t, client, name)

	half := samples[len(samples)/2:]
	growth, mean := trend(half), 0.0
	for _, s := range half {
		mean += s.rss / float64(len(half))
	}
	bound := mayGrow + mayGrowShare*mean
	if !long {
		bound = mayGrow + mayGrowShareShort*mean
	}
	peak := slices.MaxFunc(samples, func(a, b sample) int { return int(a.rss - b.rss) })
	groups := slices.MaxFunc(half, func(a, b sample) int { return int(a.groups - b.groups) })
	out := t.Output()
	fmt.Fprintf(out, "figure: soak_records %d\n", written.records.Load())
	fmt.Fprintf(out, "figure: soak_findings %d\n", len(found))
	fmt.Fprintf(out, "figure: soak_groups_max %.0f\n", groups.groups)
	fmt.Fprintf(out, "figure: soak_rss_mean %.1f MiB\n", mean/mebibyte)
	fmt.Fprintf(out, "figure: soak_rss_peak %.1f MiB\n", peak.rss/mebibyte)
	fmt.Fprintf(out, "figure: soak_rss_growth_second_half %.1f MiB\n", growth/mebibyte)
	if growth > bound {
		t.Errorf("by its trend the memory grew by %.1f MiB in the second half of the soak, more than %.1f MiB", growth/mebibyte, bound/mebibyte)
	}
	if len(found) == 0 || groups.groups < 1000 {
		t.Errorf("%d findings and %.0f groups: too little for a soak", len(found), groups.groups)
	}
}

// watch samples the detector each second until the load is written, and says now and then how it is.
func watch(t *testing.T, p *harness.Program, l load, written *feed) []sample {
	t.Helper()
	var samples []sample
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-written.done:
			return samples
		case <-tick.C:
		}
		m := p.Metrics(t.Context())
		s := sample{at: time.Now(), rss: m.Sum("process_resident_memory_bytes"), groups: m.Sum("freshet_detect_groups")}
		if s.rss == 0 {
			continue // it did not answer
		}
		samples = append(samples, s)
		if len(samples)%10 == 0 {
			fmt.Fprintf(t.Output(), "soak: %s of %s, %d records written, %.0f groups, %.1f MiB\n",
				time.Since(l.from).Round(time.Second), l.length, written.records.Load(), s.groups, s.rss/mebibyte)
		}
	}
}

// trend returns by how much memory grew over the samples, along the straight line that fits them best.
func trend(samples []sample) float64 {
	if len(samples) < 2 {
		return 0
	}
	var n, sx, sy, sxx, sxy float64
	for _, s := range samples {
		x := s.at.Sub(samples[0].at).Seconds()
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+s.rss, sxx+x*x, sxy+x*s.rss
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return slope * samples[len(samples)-1].at.Sub(samples[0].at).Seconds()
}

// The trend is what makes a soak fail, so it has to see a leak.
func TestTrend(t *testing.T) {
	var flat, leak []sample
	for i := range 300 {
		at := time.Unix(int64(i), 0)
		noise := float64(i*7919%13) * mebibyte / 4
		flat = append(flat, sample{at: at, rss: 60*mebibyte + noise})
		leak = append(leak, sample{at: at, rss: 60*mebibyte + noise + float64(i)*mebibyte/20})
	}
	if g := trend(flat); g > mebibyte || g < -mebibyte {
		t.Errorf("a flat memory grows by %.1f MiB", g/mebibyte)
	}
	if g := trend(leak); g < 14*mebibyte || g > 16*mebibyte {
		t.Errorf("a leak of 15 MiB is seen as one of %.1f MiB", g/mebibyte)
	}
}
