package ruletest

import (
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// metrics makes the points of a metric.
type metrics struct {
	name, unit *text
	point      ingest.Point // what all have in common
	started    time.Duration
	hasStarted bool
	start      int64 // of the test

	samples []sample   // one by one, or else
	value   *generator // of a gauge or sum
	sum     *generator // of a histogram or summary
	count   *generator // of a summary
	buckets []*generator
	// Of an exponential histogram.
	exponential        ingest.Exponential
	zero               *generator
	positive, negative []*generator
	minimum, maximum   *generator
	attributes         attributes

	made ingest.Point // the point in hand
	exp  ingest.Exponential
}

func (s *metrics) add(b *ingest.Batch, m moment, res *ingest.Resource, scope *ingest.Scope) bool {
	s.made = s.point
	p := &s.made
	if s.samples != nil {
		switch x := s.samples[m.i]; {
		case x.gap:
			return false
		case x.stale:
			p.NoValue = true
		default:
			p.Value = ingest.DoubleValue(x.value)
		}
	}
	if s.value != nil {
		p.Value = ingest.DoubleValue(s.value.number(m))
	}
	if s.hasStarted {
		p.StartTime = s.start + int64(s.started)
	}
	s.fillHistogram(p, m)
	r := b.Add()
	r.Signal, r.Time, r.Resource, r.Scope = ingest.Metrics, m.at, res, scope
	r.Name, p.Unit = s.name.string(m), s.unit.string(m)
	r.Attributes, r.Point = s.attributes.at(m), p
	return true
}

func (s *metrics) fillHistogram(p *ingest.Point, m moment) {
	if p.Type < ingest.Histogram {
		return
	}
	p.Buckets = counts(p.Buckets[:0], s.buckets, m)
	total := uint64(0)
	for _, n := range p.Buckets {
		total += n
	}
	if p.Type == ingest.ExponentialHistogram {
		e := &s.exp
		*e = s.exponential
		e.Positive, e.Negative = counts(nil, s.positive, m), counts(nil, s.negative, m)
		if s.zero != nil {
			e.ZeroCount = whole(s.zero.number(m))
		}
		total = e.ZeroCount
		for _, n := range slices.Concat(e.Positive, e.Negative) {
			total += n
		}
		p.Exponential = e
	}
	p.Count = total
	if s.count != nil {
		p.Count = whole(s.count.number(m))
	}
	for _, part := range []struct {
		from *generator
		into *float64
		has  *bool
	}{{s.sum, &p.Sum, &p.HasSum}, {s.minimum, &p.Min, &p.HasMin}, {s.maximum, &p.Max, &p.HasMax}} {
		if part.from != nil {
			*part.into, *part.has = part.from.number(m), true
		}
	}
}

func counts(into []uint64, from []*generator, m moment) []uint64 {
	for _, g := range from {
		into = append(into, whole(g.number(m)))
	}
	return into
}

// whole rounds to a count.
func whole(x float64) uint64 {
	if !(x > 0) {
		return 0
	}
	return uint64(math.Round(min(x, 1<<62)))
}

var metricKeys = slices.Concat(streamKeys, []string{"name", "unit", "type", "temporality", "monotonic", "started", "values", //nolint:gochecknoglobals // constant table
	"value", "histogram", "exponential_histogram", "summary"})

// metricTypes are the types in the order of ingest.MetricType.
func metricTypes() []string {
	return []string{"gauge", "sum", "histogram", "exponential_histogram", "summary"}
}

// metricReader reads a stream of points.
type metricReader struct {
	*streamReader
	metrics *metrics
	// what says what the points hold.
	data                                       rules.Field
	kind, temporality, monotonic, values, name rules.Field
}

func (t *testReader) metrics(f rules.Field) {
	r := &metricReader{
		streamReader: t.newStream(f, ingest.Metrics, metricsTopic),
		metrics:      &metrics{name: new(text), unit: new(text), start: t.test.start.UnixNano()},
	}
	s := r.metrics
	s.point.Cumulative, s.point.Monotonic = true, true
	before := t.document.Faults()
	for _, entry := range f.Fields("a stream of metrics", metricKeys) {
		r.metricKey(entry)
	}
	s.attributes = r.attributes
	if t.document.Faults() > before {
		return // what is missing may stand under a misspelt key
	}
	if !r.name.Is() {
		f.Fault("a metric needs a name", "add name: system.cpu.utilization")
		return
	}
	if !r.data.Is() {
		f.Fault("this does not say what the points hold", "add values: '0.1x20 0.9', or value: 0.9")
		return
	}
	if !r.settle() {
		return
	}
	if r.values.Is() {
		if schedule, ok := r.timing.series(r.values, len(s.samples)); ok {
			r.add(schedule, s)
		}
		return
	}
	r.done(f, s)
}

func (r *metricReader) metricKey(f rules.Field) {
	s := r.metrics
	switch f.Key() {
	case "name":
		r.name = f
		r.keep(&s.name, f)
	case "unit":
		r.keep(&s.unit, f)
	case "type":
		r.kind = f
	case "temporality":
		r.temporality = f
		if c, ok := r.choice(f, numbered([]string{"delta", "cumulative"}, 0), []string{"cumulative", "delta"}); ok {
			s.point.Cumulative = c.numbers[0] == 1
		}
	case "monotonic":
		r.monotonic = f
		s.point.Monotonic, _ = f.Truth()
	case "started":
		s.started, s.hasStarted = readBounded(f)
	case "values", "value", "histogram", "exponential_histogram", "summary":
		if r.data.Is() {
			f.Fault("what the points hold is said twice, by `"+r.data.Key()+"` and by `"+f.Key()+"`", "keep one")
			return
		}
		r.data = f
		r.readData(f)
	default:
		r.key(f)
	}
}

func (r *metricReader) readData(f rules.Field) {
	s := r.metrics
	switch f.Key() {
	case "values":
		r.values = f
		if text, ok := f.Scalar(); ok {
			samples, fault := expandSeries(text.Text)
			noteFault(text, fault)
			s.samples = samples
		}
	case "value":
		s.value, _ = r.number(f, false)
	case "histogram":
		s.point.Type = ingest.Histogram
		r.histogram(f)
	case "exponential_histogram":
		s.point.Type = ingest.ExponentialHistogram
		r.exponential(f)
	case "summary":
		s.point.Type = ingest.Summary
		for _, entry := range f.Fields("`summary`", []string{"count", "sum"}) {
			into := map[string]**generator{"count": &s.count, "sum": &s.sum}[entry.Key()]
			*into, _ = r.number(entry, false)
		}
	}
}

func (r *metricReader) histogram(f rules.Field) {
	s := r.metrics
	for _, entry := range f.Fields("`histogram`", []string{"bounds", "buckets", "sum", "min", "max"}) {
		switch entry.Key() {
		case "bounds":
			for _, g := range r.numbers(entry) {
				if n := len(s.point.Bounds); n > 0 && g.from <= s.point.Bounds[n-1] || g.kind != constant {
					entry.FaultAtValue("bounds are numbers that grow", "as in bounds: [0.1, 0.5, 1]")
					return
				}
				s.point.Bounds = append(s.point.Bounds, g.from)
			}
		case "buckets":
			s.buckets = r.numbers(entry)
		default:
			r.moment(entry)
		}
	}
	if len(s.buckets) != len(s.point.Bounds)+1 {
		f.FaultAtValue("a histogram has a bucket for each bound and one above them", "as in {bounds: [0.1, 1], buckets: [90, 9, 1]}")
	}
}

// moment reads the sum, the least or the greatest value of a histogram.
func (r *metricReader) moment(f rules.Field) {
	s := r.metrics
	into := map[string]**generator{"sum": &s.sum, "min": &s.minimum, "max": &s.maximum}[f.Key()]
	*into, _ = r.number(f, false)
}

func (r *metricReader) exponential(f rules.Field) {
	s := r.metrics
	for _, entry := range f.Fields("`exponential_histogram`", []string{"scale", "zero_count", "zero_threshold", "positive", "negative", "sum", "min", "max"}) {
		switch entry.Key() {
		case "scale":
			n, _ := entry.Whole(-10, 20)
			s.exponential.Scale = int32(n)
		case "zero_count":
			s.zero, _ = r.number(entry, false)
		case "zero_threshold":
			if g, ok := r.number(entry, false); ok {
				s.exponential.ZeroThreshold = g.from
			}
		case "positive":
			s.positive = r.side(entry, &s.exponential.PositiveOffset)
		case "negative":
			s.negative = r.side(entry, &s.exponential.NegativeOffset)
		default:
			r.moment(entry)
		}
	}
}

// side reads the buckets of an exponential histogram on one side of zero.
func (r *metricReader) side(f rules.Field, offset *int32) (buckets []*generator) {
	for _, entry := range f.Fields("`"+f.Key()+"`", []string{"offset", "buckets"}) {
		switch entry.Key() {
		case "offset":
			n, _ := entry.Whole(-1<<20, 1<<20)
			*offset = int32(n)
		case "buckets":
			buckets = r.numbers(entry)
		}
	}
	return buckets
}

// numbers reads a list of numbers.
func (r *metricReader) numbers(f rules.Field) (out []*generator) {
	for _, item := range f.Items() {
		g, ok := r.number(item, false)
		if !ok {
			return nil
		}
		out = append(out, g)
	}
	return out
}

// settle decides the type and the times; ok is false after a fault.
func (r *metricReader) settle() (ok bool) {
	s := r.metrics
	if r.kind.Is() {
		c, ok := r.choice(r.kind, numbered(metricTypes(), int(ingest.Gauge)), metricTypes())
		if !ok {
			return false
		}
		named := ingest.MetricType(c.numbers[0])
		if s.point.Type == 0 && named >= ingest.Histogram || s.point.Type != 0 && named != s.point.Type {
			r.kind.FaultAtValue("a metric of this type does not have `"+r.data.Key()+"`", "a gauge and a sum have values or value, the others a key of their name")
			return false
		}
		s.point.Type = named
	}
	if s.point.Type == 0 {
		s.point.Type = ingest.Gauge
		for _, f := range []rules.Field{r.temporality, r.monotonic} {
			if f.Is() {
				s.point.Type = ingest.Sum
			}
		}
	}
	if s.point.Type == ingest.Gauge {
		if r.temporality.Is() || r.monotonic.Is() {
			r.kind.FaultAtValue("a gauge has no `temporality` and is not `monotonic`", "write type: sum")
			return false
		}
	}
	if s.point.Type == ingest.Gauge || s.point.Type == ingest.Summary {
		s.point.Cumulative, s.point.Monotonic = false, false
	}
	return true
}
