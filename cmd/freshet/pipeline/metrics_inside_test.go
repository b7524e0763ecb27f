package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/freshet-dev/freshet/detect/finding"
)

// A delay that was set by the work that is behind would stand still with it.
func TestWatermarkDelayNeedsNoWork(t *testing.T) {
	var p progress
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(newProgressMetrics(&p))
	p.set(3, mark{watermark: time.Now().Add(-time.Hour), groups: 7}, time.Now())
	p.set(4, mark{groups: 1}, time.Now()) // has seen no watermark yet
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	delays := 0
	for _, f := range families {
		if f.GetName() != "freshet_detect_watermark_delay_seconds" {
			continue
		}
		for _, series := range f.GetMetric() {
			delays++
			if v := series.GetGauge().GetValue(); v < 3600 || v > 3660 {
				t.Errorf("the delay is %v s, an hour after the watermark", v)
			}
		}
	}
	if delays != 1 {
		t.Errorf("%d partitions have a delay, one has a watermark", delays)
	}
	want := `
# HELP freshet_detect_groups Groups that are held, of all rules.
# TYPE freshet_detect_groups gauge
freshet_detect_groups{partition="3"} 7
freshet_detect_groups{partition="4"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "freshet_detect_groups"); err != nil {
		t.Error(err)
	}
	p.drop(3)
	p.drop(4)
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 0 {
		t.Errorf("%d series of partitions that others have now: %v", n, err)
	}
}

// Detectors that go over to other rules one after the other have some time until the page tells of it.
func TestRulesThatWait(t *testing.T) {
	var p progress
	now := time.Unix(1_800_000_000, 0)
	p.set(0, mark{waiting: 2}, now)
	p.set(1, mark{}, now)
	expect := func(at time.Time, want int) {
		t.Helper()
		if got := p.waiting(at, time.Minute); got != want {
			t.Errorf("%d rules have waited for more than a minute after %s, expected %d", got, at.Sub(now), want)
		}
	}
	expect(now.Add(time.Minute), 0)
	p.set(0, mark{waiting: 3}, now.Add(time.Minute))
	p.set(1, mark{waiting: 5}, now.Add(time.Minute))
	expect(now.Add(90*time.Second), 3)
	expect(now.Add(3*time.Minute), 5)
	p.set(0, mark{}, now.Add(3*time.Minute))
	p.drop(1)
	p.set(0, mark{waiting: 1}, now.Add(4*time.Minute))
	expect(now.Add(4*time.Minute), 0)
}

func TestTimeToFinding(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(before time.Duration) finding.Sample { return finding.Sample{Time: now.Add(-before)} }
	m := newMetrics(prometheus.NewRegistry())
	for _, f := range []finding.Finding{
		{State: finding.Firing, Samples: []finding.Sample{at(9 * time.Second), at(250 * time.Millisecond), at(time.Second)}, WindowEnd: now.Add(time.Second)},
		{State: finding.Firing, Samples: []finding.Sample{at(-time.Second)}}, // its clock is ahead
		{State: finding.Firing, Settled: true, WindowEnd: now.Add(-4 * time.Second)},
		{State: finding.Pending, Samples: []finding.Sample{at(time.Hour)}},
		{State: finding.Resolved, WindowEnd: now.Add(-time.Hour)},
	} {
		m.found(&f, now)
	}
	text, err := testutil.CollectAndFormat(m.toFinding, expfmt.TypeTextPlain, "freshet_detect_record_to_finding_seconds")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`_sum{settled="false"} 0.25`, `_count{settled="false"} 2`, `_sum{settled="true"} 4`, `_count{settled="true"} 1`,
	} {
		if !strings.Contains(string(text), "freshet_detect_record_to_finding_seconds"+line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}
