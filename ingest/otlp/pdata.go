package otlp

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/ingest"
)

// FromLogs replaces the batch's records with those of ld, whose strings they share.
func FromLogs(ld plog.Logs, b *ingest.Batch) {
	c := converter{batch: b, arena: b.Begin()}
	for _, rl := range ld.ResourceLogs().All() {
		res := c.resource(rl.Resource(), rl.SchemaUrl())
		for _, sl := range rl.ScopeLogs().All() {
			scope := c.scope(sl.Scope())
			for _, lr := range sl.LogRecords().All() {
				r := c.record(ingest.Logs, res, scope, lr.Attributes())
				r.Time = unixNano(uint64(lr.Timestamp()))
				if lr.Timestamp() == 0 {
					r.Time = unixNano(uint64(lr.ObservedTimestamp()))
				}
				r.Name = lr.EventName()
				r.TraceID, r.SpanID = c.traceID(lr.TraceID()), c.spanID(lr.SpanID())
				r.SeverityText = lr.SeverityText()
				r.Severity = severity(int32(lr.SeverityNumber()), r.SeverityText)
				r.Body = c.value(lr.Body())
			}
		}
	}
}

// FromTraces replaces the batch's records with those of td, whose strings they share: each span, followed by its events.
func FromTraces(td ptrace.Traces, b *ingest.Batch) {
	c := converter{batch: b, arena: b.Begin()}
	for _, rs := range td.ResourceSpans().All() {
		res := c.resource(rs.Resource(), rs.SchemaUrl())
		for _, ss := range rs.ScopeSpans().All() {
			scope := c.scope(ss.Scope())
			for _, span := range ss.Spans().All() {
				r := c.record(ingest.Spans, res, scope, span.Attributes())
				r.Time, r.Duration = spanTime(uint64(span.StartTimestamp()), uint64(span.EndTimestamp()))
				r.Name = span.Name()
				r.TraceID, r.SpanID = c.traceID(span.TraceID()), c.spanID(span.SpanID())
				r.ParentSpanID = c.spanID(span.ParentSpanID())
				r.SpanKind = int32(span.Kind())
				r.StatusCode, r.StatusMessage = int32(span.Status().Code()), span.Status().Message()
				traceID, spanID := r.TraceID, r.SpanID
				for _, event := range span.Events().All() {
					r := c.record(ingest.SpanEvents, res, scope, event.Attributes())
					r.Time = unixNano(uint64(event.Timestamp()))
					r.Name = event.Name()
					r.TraceID, r.SpanID = traceID, spanID
				}
			}
		}
	}
}

// FromMetrics replaces the batch's records with those of md, whose strings they share: one for each data point.
func FromMetrics(md pmetric.Metrics, b *ingest.Batch) {
	c := converter{batch: b, arena: b.Begin()}
	for _, rm := range md.ResourceMetrics().All() {
		res := c.resource(rm.Resource(), rm.SchemaUrl())
		for _, sm := range rm.ScopeMetrics().All() {
			scope := c.scope(sm.Scope())
			for _, m := range sm.Metrics().All() {
				c.metric(m, res, scope)
			}
		}
	}
}

// converter turns pdata into records.
type converter struct {
	batch *ingest.Batch
	arena *ingest.Arena
	json  []byte
}

func (c *converter) resource(r pcommon.Resource, schemaURL string) *ingest.Resource {
	res := c.arena.Resources.New()
	res.SchemaURL = schemaURL
	res.Attributes = c.attributes(r.Attributes())
	return res
}

func (c *converter) scope(s pcommon.InstrumentationScope) *ingest.Scope {
	scope := c.arena.Scopes.New()
	scope.Name, scope.Version = s.Name(), s.Version()
	scope.Attributes = c.attributes(s.Attributes())
	return scope
}

func (c *converter) record(
	signal ingest.Signal, res *ingest.Resource, scope *ingest.Scope, attributes pcommon.Map,
) *ingest.Record {
	r := c.batch.Add()
	r.Signal, r.Resource, r.Scope = signal, res, scope
	r.Attributes = c.attributes(attributes)
	return r
}

func (c *converter) attributes(m pcommon.Map) ingest.Attrs {
	attrs := &c.arena.Attrs
	run := attrs.Run()
	for k, v := range m.All() {
		run = attrs.Extend(run)
		run[len(run)-1] = ingest.Attr{Key: k, Value: c.value(v)}
	}
	return attrs.Keep(run)
}

func (c *converter) traceID(id pcommon.TraceID) string { return c.arena.ID(id[:]) }

func (c *converter) spanID(id pcommon.SpanID) string { return c.arena.ID(id[:]) }

func (c *converter) value(v pcommon.Value) ingest.Value {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return ingest.StringValue(v.Str())
	case pcommon.ValueTypeBool:
		return ingest.BoolValue(v.Bool())
	case pcommon.ValueTypeInt:
		return ingest.IntValue(v.Int())
	case pcommon.ValueTypeDouble:
		return ingest.DoubleValue(v.Double())
	case pcommon.ValueTypeBytes:
		return ingest.BytesValue(string(v.Bytes().AsRaw()))
	case pcommon.ValueTypeSlice:
		c.json = c.appendJSON(c.json[:0], v)
		return ingest.ListValue(c.arena.Text(c.json))
	case pcommon.ValueTypeMap:
		c.json = c.appendJSON(c.json[:0], v)
		return ingest.MapValue(c.arena.Text(c.json))
	case pcommon.ValueTypeEmpty:
		return ingest.Value{}
	default:
		return ingest.Value{}
	}
}

// appendJSON appends a value as JSON text. pdata's readers bound the depth.
func (c *converter) appendJSON(b []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeSlice:
		b = append(b, '[')
		for i, item := range v.Slice().All() {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.appendJSON(b, item)
		}
		return append(b, ']')
	case pcommon.ValueTypeMap:
		b = append(b, '{')
		first := true
		for k, item := range v.Map().All() {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = c.appendJSON(append(ingest.AppendJSONString(b, k), ':'), item)
		}
		return append(b, '}')
	default:
		return c.value(v).AppendJSON(b)
	}
}

func (c *converter) metric(m pmetric.Metric, res *ingest.Resource, scope *ingest.Scope) {
	name := m.Name()
	shared := ingest.Point{Unit: m.Unit(), Description: m.Description()}
	point := func(attributes pcommon.Map, start, time pcommon.Timestamp, noValue bool) *ingest.Point {
		r := c.record(ingest.Metrics, res, scope, attributes)
		r.Name, r.Time = name, unixNano(uint64(time))
		r.Point = c.arena.Points.New()
		*r.Point = shared
		r.Point.StartTime, r.Point.NoValue = unixNano(uint64(start)), noValue
		return r.Point
	}
	number := func(points pmetric.NumberDataPointSlice) {
		for _, dp := range points.All() {
			p := point(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), dp.Flags().NoRecordedValue())
			if p.NoValue {
				continue
			}
			switch dp.ValueType() {
			case pmetric.NumberDataPointValueTypeInt:
				p.Value = ingest.IntValue(dp.IntValue())
			case pmetric.NumberDataPointValueTypeDouble:
				p.Value = ingest.DoubleValue(dp.DoubleValue())
			case pmetric.NumberDataPointValueTypeEmpty:
			}
		}
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		shared.Type = ingest.Gauge
		number(m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		shared.Type = ingest.Sum
		shared.Cumulative = m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityCumulative
		shared.Monotonic = m.Sum().IsMonotonic()
		number(m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		shared.Type = ingest.Histogram
		shared.Cumulative = m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityCumulative
		for _, dp := range m.Histogram().DataPoints().All() {
			p := point(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), dp.Flags().NoRecordedValue())
			p.Count = dp.Count()
			p.Sum, p.HasSum = dp.Sum(), dp.HasSum()
			p.Min, p.HasMin = dp.Min(), dp.HasMin()
			p.Max, p.HasMax = dp.Max(), dp.HasMax()
			if dp.BucketCounts().Len() == dp.ExplicitBounds().Len()+1 {
				p.Buckets, p.Bounds = dp.BucketCounts().AsRaw(), dp.ExplicitBounds().AsRaw()
			}
		}
	case pmetric.MetricTypeExponentialHistogram:
		shared.Type = ingest.ExponentialHistogram
		shared.Cumulative = m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityCumulative
		for _, dp := range m.ExponentialHistogram().DataPoints().All() {
			p := point(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), dp.Flags().NoRecordedValue())
			p.Count = dp.Count()
			p.Sum, p.HasSum = dp.Sum(), dp.HasSum()
			p.Min, p.HasMin = dp.Min(), dp.HasMin()
			p.Max, p.HasMax = dp.Max(), dp.HasMax()
			p.Exponential = c.arena.Exponentials.New()
			*p.Exponential = ingest.Exponential{
				Scale: dp.Scale(), ZeroCount: dp.ZeroCount(), ZeroThreshold: dp.ZeroThreshold(),
				PositiveOffset: dp.Positive().Offset(), Positive: dp.Positive().BucketCounts().AsRaw(),
				NegativeOffset: dp.Negative().Offset(), Negative: dp.Negative().BucketCounts().AsRaw(),
			}
		}
	case pmetric.MetricTypeSummary:
		shared.Type = ingest.Summary
		for _, dp := range m.Summary().DataPoints().All() {
			p := point(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), dp.Flags().NoRecordedValue())
			p.Count, p.Sum, p.HasSum = dp.Count(), dp.Sum(), true
			quantiles := &c.arena.Quantiles
			run := quantiles.Run()
			for _, q := range dp.QuantileValues().All() {
				run = quantiles.Extend(run)
				run[len(run)-1] = ingest.Quantile{Quantile: q.Quantile(), Value: q.Value()}
			}
			p.Quantiles = quantiles.Keep(run)
		}
	case pmetric.MetricTypeEmpty:
	}
}
