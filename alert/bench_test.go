package alert

import (
	"strconv"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// BenchmarkReceive is what deduplication, routing and grouping cost a finding: of 5,000 alerts that fire and resolve,
// each finding comes twice, as after a crash of the detector.
func BenchmarkReceive(b *testing.B) {
	a := New(one(InlineDefaults(), RouteConfig{}))
	subjects := make([]*subject, 5000)
	for i := range subjects {
		subjects[i] = &subject{name: strconv.Itoa(i)}
	}
	var findings []*finding.Finding
	for range 10 {
		for _, s := range subjects {
			f := s.fire(epoch)
			if s.episode%2 == 0 {
				f = s.resolve(epoch)
			}
			findings = append(findings, f, f)
		}
	}
	now := epoch
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		a.Receive(findings[n%len(findings)], now)
		if n++; n%len(findings) == 0 {
			b.StopTimer()
			a = New(one(InlineDefaults(), RouteConfig{}))
			b.StartTimer()
		}
		if n%1000 == 0 { // a flush
			now = now.Add(100 * time.Millisecond)
			a.Tick(now)
			if _, err := a.Changes(); err != nil {
				b.Fatal(err)
			}
			a.Decisions()
			a.Committed()
			for _, d := range a.Deliveries() {
				a.Delivered(d.ID, Outcome{}, nil, now)
			}
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "findings/s")
}
