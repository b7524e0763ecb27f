package otlp

import (
	"github.com/freshet-dev/freshet/ingest"
)

// Metrics decodes ExportMetricsServiceRequest or MetricsData, which are the same on the wire. Each data point gives a
// record. The zero value is ready for use.
type Metrics struct {
	// MaxRecords bounds the records of one message; 0 is no bound.
	MaxRecords int

	decoder
}

// Decode implements ingest.Decoder.
func (m *Metrics) Decode(value []byte, b *ingest.Batch) error {
	m.emit = (*decoder).metric
	m.max = m.MaxRecords
	return m.decode(value, b)
}

// noRecordedValue is the bit of a data point's flags that says that it has no value.
const noRecordedValue = 1

// cumulative is the number of AGGREGATION_TEMPORALITY_CUMULATIVE.
const cumulative = 2

// metricData is what the points of one metric share.
type metricData struct {
	res   *ingest.Resource
	scope *ingest.Scope
	name  string
	point ingest.Point // type, unit, description, temporality and monotonicity
}

// metric reads a Metric. Its name and unit may come after its data, so the data is put aside until they are known. Of
// several data fields the last one counts; the others are checked.
func (d *decoder) metric(b []byte, res *ingest.Resource, scope *ingest.Scope) bool {
	m := metricData{res: res, scope: scope}
	var data []byte
	var f field
	for len(b) > 0 {
		at := b
		if b = f.next(b); f.fault != 0 {
			return d.broken(&f, at, "metric")
		}
		switch f.num {
		case 1, 2, 3, 5, 7, 9, 10, 11, 12:
			if f.typ != bytesType {
				return d.wrongType(&f, at, "metric")
			}
		}
		switch f.num {
		case 1:
			m.name = text(f.data)
		case 2:
			m.point.Description = text(f.data)
		case 3:
			m.point.Unit = text(f.data)
		case 5, 7, 9, 10, 11:
			if m.point.Type != 0 {
				n := len(d.batch.Records)
				if !d.points(data, m) {
					return false
				}
				d.batch.Records = d.batch.Records[:n]
			}
			data, m.point.Type = f.data, metricType(f.num)
		case 12: // metadata
			if !d.attribute(f.data, &d.unused) {
				return false
			}
		}
	}
	return m.point.Type == 0 || d.points(data, m)
}

func metricType(field int32) ingest.MetricType {
	switch field {
	case 5:
		return ingest.Gauge
	case 7:
		return ingest.Sum
	case 9:
		return ingest.Histogram
	case 10:
		return ingest.ExponentialHistogram
	default:
		return ingest.Summary
	}
}

// points reads a Gauge, Sum, Histogram, ExponentialHistogram or Summary. Temporality (2) and monotonicity (3) come after
// the points (1) on the wire, so they are looked for first.
func (d *decoder) points(b []byte, m metricData) bool {
	hasTemporality := m.point.Type != ingest.Gauge && m.point.Type != ingest.Summary
	hasMonotonic := m.point.Type == ingest.Sum
	var f field
	for rest := b; len(rest) > 0; {
		at := rest
		if rest = f.next(rest); f.fault != 0 {
			return d.broken(&f, at, "metric's data")
		}
		switch {
		case f.num == 1 && f.typ == bytesType:
		case f.num == 2 && f.typ == varintType && hasTemporality:
			m.point.Cumulative = int32(f.number) == cumulative
		case f.num == 3 && f.typ == varintType && hasMonotonic:
			m.point.Monotonic = f.number != 0
		case f.num == 1, f.num == 2 && hasTemporality, f.num == 3 && hasMonotonic:
			return d.wrongType(&f, at, "metric's data")
		}
	}
	for len(b) > 0 {
		if b = f.next(b); f.num != 1 {
			continue
		}
		r := d.add(ingest.Metrics, m.res, m.scope)
		if r == nil {
			return false
		}
		r.Name = m.name
		p := d.arena.Points.New()
		*p = m.point
		r.Point = p
		var ok bool
		switch p.Type {
		case ingest.Gauge, ingest.Sum:
			ok = d.numberPoint(f.data, r, p)
		case ingest.Histogram:
			ok = d.histogramPoint(f.data, r, p)
		case ingest.ExponentialHistogram:
			ok = d.exponentialPoint(f.data, r, p)
		default:
			ok = d.summaryPoint(f.data, r, p)
		}
		if !ok {
			return false
		}
	}
	return true
}
