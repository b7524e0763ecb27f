package chart

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

var noon = time.Date(2026, 3, 12, 12, 0, 0, 0, time.UTC)

// points makes points of a function, nil for NaN.
func points(n int, f func(i int) float64) []*float64 {
	out := make([]*float64, n)
	for i := range out {
		if x := f(i); !math.IsNaN(x) {
			out[i] = &x
		}
	}
	return out
}

func always(n int, x float64) []*float64 { return points(n, func(int) float64 { return x }) }

// noise returns numbers around 0 that are the same in every run.
func noise(seed uint64) func(i int) float64 {
	return func(i int) float64 { return rand.New(rand.NewPCG(seed, uint64(i))).NormFloat64() }
}

// bump rises from 0 to 1 over some points, stays there and falls again.
func bump(i, from, rise, to, fall int) float64 {
	switch {
	case i < from || i > to+fall:
		return 0
	case i < from+rise:
		return float64(i-from) / float64(rise)
	case i <= to:
		return 1
	default:
		return 1 - float64(i-to)/float64(fall)
	}
}

type sample struct {
	name    string
	chart   finding.Chart
	options Options
}

func at(minutes float64) time.Time {
	return noon.Add(time.Duration(minutes * float64(time.Minute)))
}

// samples are pictures as people get them.
func samples() []sample {
	n := noise(7)
	wave := func(i int, period float64) float64 { return math.Sin(2 * math.Pi * float64(i) / period) }
	cpu := func(i int) float64 { return 0.42 + 0.14*wave(i, 90) }
	p99 := func(i int) float64 { return 0.32 + 0.1*wave(i, 70) }
	return []sample{
		{
			name: "errorspike",
			chart: finding.Chart{Start: noon, Step: 15, Above: true, Thresholds: always(80, 100), Values: points(80, func(i int) float64 {
				return math.Round(max(0, 9+4*n(i)) + bump(i, 52, 9, 90, 1)*(290+14*n(i)))
			})},
			options: Options{Title: "ErrorSpike", Group: "service_name=payment, deployment_environment=prod", FiringFrom: at(13.75)},
		},
		{
			name: "latency",
			chart: finding.Chart{Start: noon, Step: 15, Above: true, Unit: "s",
				Thresholds: points(120, func(i int) float64 { return 1.5 * p99(i) }),
				Values: points(120, func(i int) float64 {
					return p99(i)*(1+0.06*n(i)) + bump(i, 70, 6, 92, 5)*0.62*(1+0.1*n(i))
				})},
			options: Options{Title: "RouteSlow", Group: "service_name=checkout, http_route=/api/v1/orders/{id}/items", FiringFrom: at(17.9), FiringTo: at(23.75)},
		},
		{
			name: "band",
			chart: finding.Chart{Start: noon, Step: 60, Above: true, Unit: "1",
				Lower: points(120, func(i int) float64 { return cpu(i) - 0.12 }), Upper: points(120, func(i int) float64 { return cpu(i) + 0.12 }),
				Values: points(120, func(i int) float64 { return min(0.99, cpu(i)+0.03*n(i)+bump(i, 100, 6, 130, 1)*0.42) })},
			options: Options{Title: "CPUUnusual", Group: "host_name=web-17", FiringFrom: at(104)},
		},
		{
			name: "anomaly", // as of a rule that judges by .anomaly("1d") > 4: the threshold is four deviations away, the band three
			chart: finding.Chart{Start: noon, Step: 15, Above: true, Unit: "s",
				Lower: points(120, func(i int) float64 { return p99(i) - 0.09 }), Upper: points(120, func(i int) float64 { return p99(i) + 0.09 }),
				Thresholds: points(120, func(i int) float64 { return p99(i) + 0.12 }),
				Values:     points(120, func(i int) float64 { return p99(i) + 0.024*n(i) + bump(i, 111, 5, 130, 1)*0.55 })},
			options: Options{Title: "LatencyUnusual", Group: "service_name=search, cluster=eu-west-1", FiringFrom: at(28.25)},
		},
		{
			name: "falling",
			chart: finding.Chart{Start: noon, Step: 60, Thresholds: points(60, func(i int) float64 { return 2100 + 6*float64(i) }),
				Values: points(60, func(i int) float64 { return 3300 + 9*float64(i) + 120*n(i) - bump(i, 42, 8, 70, 1)*2900 })},
			options: Options{Title: "OrdersLow", Group: "country=de", FiringFrom: at(47), Location: time.FixedZone("CET", 3600)},
		},
		{
			name: "gaps",
			chart: finding.Chart{Start: noon, Step: 10, Above: true, Unit: "By", Thresholds: always(90, 6<<30), Values: points(90, func(i int) float64 {
				if i > 20 && i < 32 || i == 50 || i > 60 && i < 64 || i == 65 {
					return math.NaN()
				}
				return float64(int64(3)<<30) + 3e7*float64(i) + 1e8*n(i)
			})},
			options: Options{Title: "HeapHigh", Group: "pod=cart-7d9f"},
		},
	}
}

// odd are charts at the limits of what there is.
func odd() []sample {
	n := noise(9)
	base := finding.Chart{Start: noon, Step: 15, Above: true}
	with := func(name string, change func(c *finding.Chart, o *Options)) sample {
		s := sample{name: name, chart: base, options: Options{Title: name, Group: "host_name=a"}}
		change(&s.chart, &s.options)
		return s
	}
	return []sample{
		with("single", func(c *finding.Chart, o *Options) {
			c.Values, c.Thresholds, o.FiringFrom = always(1, 42), always(1, 40), noon
		}),
		with("equal", func(c *finding.Chart, _ *Options) { c.Values, c.Thresholds = always(30, 100), always(30, 100) }),
		with("zero", func(c *finding.Chart, _ *Options) { c.Values, c.Thresholds = always(30, 0), always(30, 0) }),
		with("far", func(c *finding.Chart, _ *Options) {
			c.Values, c.Thresholds = points(120, func(i int) float64 { return math.Abs(3 * n(i)) }), always(120, 5000)
		}),
		with("huge", func(c *finding.Chart, o *Options) {
			c.Values = points(120, func(i int) float64 { return 50 + 9*n(i) + bump(i, 80, 12, 100, 10)*2.5e6 })
			c.Thresholds, o.FiringFrom, o.FiringTo = always(120, 100), at(20.25), at(27.5)
		}),
		with("negative", func(c *finding.Chart, o *Options) {
			c.Values, c.Thresholds = points(500, func(i int) float64 { return -18 + 2*n(i) + bump(i, 300, 80, 600, 1)*26 }), always(500, -5)
			c.Step, o.FiringFrom = 3600, noon.Add(340*time.Hour)
			o.Title = "FreezerWarm 🧊 \u202e evil \x00\xff\n 冷凍庫が暖かい " + o.Title
		}),
		with("begun", func(c *finding.Chart, o *Options) {
			c.Values, c.Thresholds = points(60, func(i int) float64 { return math.Round(90 + 5*n(i) + bump(i, 58, 1, 99, 1)*20) }), always(60, 100)
			o.FiringFrom = at(14.75)
		}),
		with("bothsides", func(c *finding.Chart, _ *Options) {
			c.Unit = "ms"
			c.Values = points(120, func(i int) float64 { return 210 + 9*n(i) + bump(i, 30, 5, 44, 5)*160 - bump(i, 80, 5, 94, 5)*130 })
			c.Lower, c.Upper = always(120, 170), always(120, 260)
		}),
	}
}
