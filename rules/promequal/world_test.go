//go:build !race

package promequal

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// The world begins at an instant of which every step is a multiple, is scraped every tick, and is watched for a while after
// all its series have ended.
const (
	tick     = 15 * time.Second
	lookback = 5 * time.Minute // Prometheus's default: how old a sample may be that stands for now
	length   = time.Hour
	silence  = 12 * time.Minute
)

func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// walk draws the samples of series. Numbers are whole eighths, so that sums are exact in whatever order they are taken.
type walk struct{ *rand.Rand }

// shape is what may befall a series.
type shape struct {
	gaps   bool
	resets bool
	ends   bool // may be over before the world is
	// longest is the longest gap in scrapes. Between two samples of a counter there may be no more than the lookback.
	longest int
}

// scraped returns the times at which a series was seen, at an offset in the scrape interval that differs by series: also
// on the boundary of a step, and one millisecond after one.
func (w walk) scraped(s shape) []int64 {
	offsets := []int64{1, 3700, 9250, tick.Milliseconds()}
	at := epoch().UnixMilli() + offsets[w.IntN(len(offsets))]
	n := int(length / tick)
	if s.ends && w.IntN(3) == 0 {
		n -= w.IntN(n / 3)
	}
	var times []int64
	gap := 0
	for i := range n {
		switch {
		case gap > 0:
			gap--
			continue
		case s.gaps && i > 0 && w.IntN(50) == 0:
			gap = 1 + w.IntN([]int{2, 10, s.longest}[w.IntN(3)])
		}
		times = append(times, at+int64(i)*tick.Milliseconds())
	}
	return times
}

// gauge walks around levels that it leaves now and then.
func (w walk) gauge(s shape, levels []float64, noise int) (samples []sample) {
	level := levels[w.IntN(len(levels))]
	for _, at := range w.scraped(s) {
		if w.IntN(25) == 0 {
			level = levels[w.IntN(len(levels))]
		}
		x := level
		if noise > 0 {
			x += float64(w.IntN(2*noise*8)-noise*8) / 8
		}
		samples = append(samples, sample{at: at, value: x})
	}
	return samples
}

// counter grows by as much as a regime of it allows.
func (w walk) counter(s shape, steps []int) (samples []sample) {
	x, step := float64(w.IntN(1000)), steps[0]
	for _, at := range w.scraped(s) {
		if w.IntN(20) == 0 {
			step = steps[w.IntN(len(steps))]
		}
		x += float64(w.IntN(step + 1))
		if s.resets && w.IntN(60) == 0 {
			x = float64(w.IntN(step + 1))
		}
		samples = append(samples, sample{at: at, value: x})
	}
	return samples
}

// histogram fills buckets around a middle that moves. It begins anew once, when every bucket holds more than can come until
// the next sample: Prometheus, which sees each bucket alone, sees it too then.
func (w walk) histogram(s shape, buckets int) (samples []sample) {
	held := make([]uint64, buckets)
	for i := range held {
		held[i] = uint64(300 + w.IntN(20))
	}
	middle, sum := w.IntN(buckets), 10_000.0
	for _, at := range w.scraped(s) {
		if w.IntN(20) == 0 {
			middle = w.IntN(buckets)
		}
		if s.resets && w.IntN(100) == 0 {
			clear(held)
			sum, s.resets = 0, false
		}
		for range w.IntN(12) {
			i := min(max(middle+w.IntN(4)-1, 0), buckets-1)
			held[i]++
			sum += float64(i+1) / 8
		}
		samples = append(samples, sample{at: at, value: sum, buckets: append([]uint64(nil), held...)})
	}
	return samples
}

// newWorld draws all series of a seed.
func newWorld(seed uint64) (world []series) {
	w := walk{rand.New(rand.NewPCG(seed, 0))}
	levels := []float64{10, 40, 70, 100}
	rough := shape{gaps: true, ends: true, longest: 30}
	counted := shape{gaps: true, resets: true, ends: true, longest: 18}
	add := func(name string, k kind, samples []sample, labels ...string) {
		s := series{name: name, kind: k, samples: samples, labels: map[string]string{}}
		for i := 0; i < len(labels); i += 2 {
			s.labels[labels[i]] = labels[i+1]
		}
		world = append(world, s)
	}
	for _, of := range []struct {
		service string
		hosts   int
	}{{"cart", 3}, {"pay", 2}, {"mail", 1}} {
		for h := range of.hosts {
			at := []string{"service.name", of.service, "host.name", fmt.Sprintf("%s-%d", of.service, h)}
			add("queue.size", gauge, w.gauge(rough, levels, 8), at...)
			add("queue.capacity", gauge, w.gauge(rough, []float64{64, 128}, 0), at...)
			add("cpu.load", gauge, w.gauge(shape{}, levels, 12), at...)
			add("temperature", gauge, w.gauge(rough, []float64{-20, -5, 0, 5, 20}, 4), at...)
			add("node.ready", gauge, w.gauge(shape{}, []float64{0, 1}, 0), at...)
			add("mode", gauge, w.gauge(shape{gaps: true, longest: 6}, []float64{8, 1024}, 0), at...)
			for _, code := range []string{"200", "404", "500"} {
				steps := map[string][]int{"200": {40, 2, 120}, "404": {0, 6}, "500": {0, 3, 30}}[code]
				add("http.requests", counter, w.counter(counted, steps), append(at, "http.response.status_code", code)...)
			}
			add("jobs.done", counter, w.counter(shape{gaps: true, resets: true, ends: true, longest: 4}, []int{0, 1, 3}), at...)
			add("http.duration", classic, w.histogram(counted, len(bounds)+1), at...)
			add("rpc.duration", native, w.histogram(shape{resets: true}, 24), at...)
			version := w.scraped(shape{})
			cut := len(version)/4 + w.IntN(len(version)/2)
			for i, times := range [][]int64{version[:cut], version[cut:]} {
				var samples []sample
				for _, t := range times {
					samples = append(samples, sample{at: t, value: 1})
				}
				add("app.info", gauge, samples, append(at, "service.version", fmt.Sprintf("1.%d", i))...)
			}
		}
	}
	return world
}
