package agent

import (
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/freshet-dev/freshet/ingest"
)

// points turns a request into messages: one per resource, or more where it is larger than the limit; a metric may be
// cut between its points. It takes md apart.
func (d *delivery) points(md pmetric.Metrics) (*parcel, error) {
	p := newParcel(ingest.Metrics, d.topics.Metrics, d.maxRecord)
	keys, groups := groupMetrics(md, d)
	for i, group := range groups {
		var err error
		if n := group.DataPointCount(); n == 0 {
			continue
		} else if (&pmetric.ProtoMarshaler{}).MetricsSize(group) > p.limit {
			err = p.cutMetrics(keys[i], group)
		} else {
			err = p.addMetrics(keys[i], group)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// groupMetrics gathers the resources of equal key, in order of first appearance.
func groupMetrics(md pmetric.Metrics, d *delivery) (keys []uint64, groups []pmetric.Metrics) {
	at := map[uint64]int{}
	for _, rm := range md.ResourceMetrics().All() {
		d.amend(rm.Resource())
		key := resourceKey(rm.Resource())
		i, found := at[key]
		if !found {
			i = len(groups)
			at[key] = i
			keys, groups = append(keys, key), append(groups, pmetric.NewMetrics())
		}
		rm.MoveTo(groups[i].ResourceMetrics().AppendEmpty())
	}
	return keys, groups
}

func (p *parcel) addMetrics(key uint64, md pmetric.Metrics) error {
	value, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	return p.add(key, value, err, md.DataPointCount())
}

func (p *parcel) cutMetrics(key uint64, md pmetric.Metrics) error {
	var sizer pmetric.ProtoMarshaler
	pack := packer{limit: p.limit}
	out := pmetric.NewMetrics()
	var resource pmetric.ResourceMetrics
	var scope pmetric.ScopeMetrics
	for _, rm := range md.ResourceMetrics().All() {
		bareResource := pmetric.NewResourceMetrics()
		rm.Resource().CopyTo(bareResource.Resource())
		bareResource.SetSchemaUrl(rm.SchemaUrl())
		pack.nextResource(sizer.ResourceMetricsSize(bareResource))
		for _, sm := range rm.ScopeMetrics().All() {
			bareScope := pmetric.NewScopeMetrics()
			sm.Scope().CopyTo(bareScope.Scope())
			bareScope.SetSchemaUrl(sm.SchemaUrl())
			pack.nextScope(sizer.ScopeMetricsSize(bareScope))
			for _, metric := range sm.Metrics().All() {
				for _, part := range partsOf(metric, pack.fits) {
					if pointCount(part) == 0 {
						continue // nothing to keep, and a message of it alone would be empty
					}
					size := sizer.MetricSize(part)
					if !pack.fits(size) {
						p.rejected += pointCount(part)
						continue
					}
					cut, openResource, openScope := pack.place(size)
					if cut {
						if err := p.addMetrics(key, out); err != nil {
							return err
						}
						out = pmetric.NewMetrics()
					}
					if openResource {
						resource = out.ResourceMetrics().AppendEmpty()
						bareResource.CopyTo(resource)
					}
					if openScope {
						scope = resource.ScopeMetrics().AppendEmpty()
						bareScope.CopyTo(scope)
					}
					part.MoveTo(scope.Metrics().AppendEmpty())
				}
			}
		}
	}
	if out.DataPointCount() == 0 {
		return nil
	}
	return p.addMetrics(key, out)
}

// partsOf returns the metric itself when it fits a message, else metrics of its name with one point each: packing puts
// as many of them into a message as fit. Such metrics are rare, so the repeated name is a small price.
func partsOf(m pmetric.Metric, fits func(size int) bool) []pmetric.Metric {
	var sizer pmetric.ProtoMarshaler
	if n := pointCount(m); n == 1 || fits(sizer.MetricSize(m)) {
		return []pmetric.Metric{m}
	}
	var parts []pmetric.Metric
	bare := func() pmetric.Metric {
		part := pmetric.NewMetric()
		part.SetName(m.Name())
		part.SetDescription(m.Description())
		part.SetUnit(m.Unit())
		m.Metadata().CopyTo(part.Metadata())
		parts = append(parts, part)
		return part
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			p.MoveTo(bare().SetEmptyGauge().DataPoints().AppendEmpty())
		}
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			sum := bare().SetEmptySum()
			sum.SetIsMonotonic(m.Sum().IsMonotonic())
			sum.SetAggregationTemporality(m.Sum().AggregationTemporality())
			p.MoveTo(sum.DataPoints().AppendEmpty())
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			h := bare().SetEmptyHistogram()
			h.SetAggregationTemporality(m.Histogram().AggregationTemporality())
			p.MoveTo(h.DataPoints().AppendEmpty())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			h := bare().SetEmptyExponentialHistogram()
			h.SetAggregationTemporality(m.ExponentialHistogram().AggregationTemporality())
			p.MoveTo(h.DataPoints().AppendEmpty())
		}
	case pmetric.MetricTypeSummary:
		for _, p := range m.Summary().DataPoints().All() {
			p.MoveTo(bare().SetEmptySummary().DataPoints().AppendEmpty())
		}
	case pmetric.MetricTypeEmpty:
	}
	return parts
}

func pointCount(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	case pmetric.MetricTypeEmpty:
	}
	return 0
}
