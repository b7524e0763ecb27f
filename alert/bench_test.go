package alert

import (
	"strconv"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// BenchmarkReceive is what findings cost the alerter, flushes every thousand included. In news, of 5,000 alerts that fire
// and resolve, each finding comes twice, as after a crash of the detector; in repeats none tells anything new.
func BenchmarkReceive(b *testing.B) {
	subjects := make([]*subject, 5000)
	for i := range subjects {
		subjects[i] = &subject{name: strconv.Itoa(i)}
	}
	var news, first []*finding.Finding
	for round := range 10 {
		for _, s := range subjects {
			f := s.fire(epoch)
			if s.episode%2 == 0 {
				f = s.resolve(epoch)
			}
			news = append(news, f, f)
			if round == 0 {
				first = append(first, f)
			}
		}
	}
	b.Run("news", func(b *testing.B) { receive(b, nil, news) })
	b.Run("repeats", func(b *testing.B) { receive(b, first, first) })
}

// receive measures findings, again and again by the alerter that has received others before, else each time by a new one.
func receive(b *testing.B, before, findings []*finding.Finding) {
	now := epoch
	flush := func(a *Alerter) {
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
	fresh := func() *Alerter {
		a := New(one(InlineDefaults(), RouteConfig{}))
		for _, f := range before {
			a.Receive(f, now)
		}
		flush(a)
		return a
	}
	a, n := fresh(), 0
	b.ReportAllocs()
	for b.Loop() {
		a.Receive(findings[n%len(findings)], now)
		if n++; before == nil && n%len(findings) == 0 {
			b.StopTimer()
			a = fresh()
			b.StartTimer()
		}
		if n%1000 == 0 {
			flush(a)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "findings/s")
}
