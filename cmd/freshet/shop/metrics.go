package shop

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// bounds are those that the semantic conventions advise for durations of requests, in seconds.
var bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10} //nolint:gochecknoglobals // constant table

// endpoint is what the durations of requests are told apart by.
type endpoint struct {
	method, route string
	status        int
	errorType     string
}

// histogram is a cumulative histogram of durations.
type histogram struct {
	count         uint64
	sum, min, max float64
	buckets       []uint64
}

func (h *histogram) observe(seconds float64) {
	if h.count == 0 {
		h.min, h.max = seconds, seconds
	}
	h.count++
	h.sum += seconds
	h.min, h.max = min(h.min, seconds), max(h.max, seconds)
	h.buckets[sort.SearchFloat64s(bounds, seconds)]++
}

// meter is what an instance has counted since it started.
type meter struct {
	requests map[endpoint]*histogram
	active   int
	orders   [2]uint64 // completed, failed
}

func (m *meter) observe(e endpoint, d time.Duration) {
	h := m.requests[e]
	if h == nil {
		h = &histogram{buckets: make([]uint64, len(bounds)+1)}
		m.requests[e] = h
	}
	h.observe(d.Seconds())
}

// export sends the metrics of all instances.
func (s *Shop) export(at time.Time, out *collector) {
	if s.failing {
		s.waiting += s.noise.Float64()
	} else {
		s.waiting = max(0, s.waiting-40*metricsEvery.Seconds())
	}
	for _, name := range Services() {
		in := s.instances[name]
		in.exportHTTP(at, out)
		s.exportHost(in, at, out)
	}
	checkout := s.instances[Checkout]
	metrics := out.metricScope(checkout, scopeHTTP)
	number(metrics, "shop.orders.queue.size", "{order}", "Orders that wait to be processed.", at).
		SetIntValue(int64(math.Round(s.waiting + 4 + 3*s.noise.Float64())))
	orders := counter(metrics, "shop.orders.processed", "{order}", "Orders by outcome.", true)
	for i, outcome := range []string{"completed", "failed"} {
		p := orders.AppendEmpty()
		stamp(p, checkout.started, at)
		p.SetIntValue(int64(checkout.meter.orders[i]))
		p.Attributes().PutStr("shop.order.outcome", outcome)
	}
}

func (in *instance) exportHTTP(at time.Time, out *collector) {
	metrics := out.metricScope(in, scopeHTTP)
	if len(in.meter.requests) > 0 {
		m := metrics.AppendEmpty()
		m.SetName("http.server.request.duration")
		m.SetUnit("s")
		m.SetDescription("Duration of HTTP server requests.")
		h := m.SetEmptyHistogram()
		h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, e := range slices.SortedFunc(maps.Keys(in.meter.requests), func(a, b endpoint) int {
			return cmp.Or(cmp.Compare(a.route, b.route), cmp.Compare(a.method, b.method), cmp.Compare(a.status, b.status), cmp.Compare(a.errorType, b.errorType))
		}) {
			seen := in.meter.requests[e]
			p := h.DataPoints().AppendEmpty()
			p.SetStartTimestamp(pcommon.NewTimestampFromTime(in.started))
			p.SetTimestamp(pcommon.NewTimestampFromTime(at))
			p.SetCount(seen.count)
			p.SetSum(seen.sum)
			p.SetMin(seen.min)
			p.SetMax(seen.max)
			p.ExplicitBounds().FromRaw(bounds)
			p.BucketCounts().FromRaw(seen.buckets)
			p.Attributes().PutStr("http.request.method", e.method)
			p.Attributes().PutStr("http.route", e.route)
			p.Attributes().PutInt("http.response.status_code", int64(e.status))
			p.Attributes().PutStr("url.scheme", "http")
			if e.errorType != "" {
				p.Attributes().PutStr("error.type", e.errorType)
			}
		}
	}
	p := counter(metrics, "http.server.active_requests", "{request}", "Requests that are being answered.", false).AppendEmpty()
	stamp(p, in.started, at)
	p.SetIntValue(int64(in.meter.active))
	p.Attributes().PutStr("url.scheme", "http")
}

// exportHost sends what a host and the process on it use.
func (s *Shop) exportHost(in *instance, at time.Time, out *collector) {
	metrics := out.metricScope(in, scopeHost)
	user := 0.18 + 0.05*s.noise.NormFloat64() + 0.002*float64(in.meter.active)
	if s.failing && in.service == Payment {
		user += 0.35 // its connections are dialled over and over
	}
	user = min(max(user, 0.02), 0.9)
	system := min(max(0.05+0.01*s.noise.NormFloat64(), 0.01), 0.09)
	cpu := metrics.AppendEmpty()
	cpu.SetName("system.cpu.utilization")
	cpu.SetUnit("1")
	cpu.SetDescription("Share of each CPU mode.")
	points := cpu.SetEmptyGauge().DataPoints()
	for _, mode := range []struct {
		name  string
		value float64
	}{{"idle", 1 - user - system}, {"system", system}, {"user", user}} {
		p := points.AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(mode.value)
		p.Attributes().PutStr("cpu.mode", mode.name)
	}
	number(metrics, "system.memory.utilization", "1", "Share of the memory that is used.", at).
		SetDoubleValue(0.42 + 0.01*s.noise.NormFloat64())
	p := counter(metrics, "process.memory.usage", "By", "Memory in use by the process.", false).AppendEmpty()
	stamp(p, in.started, at)
	p.SetIntValue(int64(96<<20 + in.meter.active<<18 + s.noise.IntN(4<<20)))
	p = counter(metrics, "go.goroutine.count", "{goroutine}", "Live goroutines.", false).AppendEmpty()
	stamp(p, in.started, at)
	p.SetIntValue(int64(24 + 3*in.meter.active + s.noise.IntN(4)))
}

func number(metrics pmetric.MetricSlice, name, unit, description string, at time.Time) pmetric.NumberDataPoint {
	m := metrics.AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	m.SetDescription(description)
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	return p
}

func counter(metrics pmetric.MetricSlice, name, unit, description string, monotonic bool) pmetric.NumberDataPointSlice {
	m := metrics.AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	m.SetDescription(description)
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(monotonic)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return sum.DataPoints()
}

func stamp(p pmetric.NumberDataPoint, start, at time.Time) {
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
}
