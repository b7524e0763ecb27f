package otlp

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Gauge is one point of a gauge.
type Gauge struct {
	Name, Unit string
	Attributes map[string]string
	Time       int64 // Unix nanoseconds
	Value      float64
}

// EncodeGauges returns points as MetricsData in protobuf, under a scope of freshet's. Points of one metric that follow each
// other become one metric.
func EncodeGauges(points []Gauge) ([]byte, error) {
	metrics := pmetric.NewMetrics()
	scope := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	scope.Scope().SetName("github.com/freshet-dev/freshet")
	var m pmetric.Metric
	for i := range points {
		p := &points[i]
		if i == 0 || points[i-1].Name != p.Name {
			m = scope.Metrics().AppendEmpty()
			m.SetName(p.Name)
			m.SetUnit(p.Unit)
			m.SetEmptyGauge()
		}
		point := m.Gauge().DataPoints().AppendEmpty()
		point.SetTimestamp(pcommon.Timestamp(p.Time))
		point.SetDoubleValue(p.Value)
		for name, value := range p.Attributes {
			point.Attributes().PutStr(name, value)
		}
	}
	value, err := new(pmetric.ProtoMarshaler).MarshalMetrics(metrics)
	if err != nil {
		return nil, fmt.Errorf("encoding metrics: %w", err)
	}
	return value, nil
}
