//go:build !race

package promequal

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// kind is what a series is: it decides its shape on both sides.
type kind uint8

const (
	gauge kind = iota
	counter
	classic // a histogram with explicit buckets: in Prometheus several series
	native  // an exponential histogram
)

// series is a time series, without a word of either side. The name and the labels are dotted, as in OpenTelemetry.
type series struct {
	name    string
	kind    kind
	labels  map[string]string
	samples []sample
}

// sample is one scrape. The time is Prometheus's, in Unix milliseconds.
type sample struct {
	at      int64
	value   float64  // of a gauge or counter; the sum of a histogram
	buckets []uint64 // of a histogram, not summed up; of a native one from firstIndex on
	start   int64    // since when a counter counts, in Unix milliseconds, 0 where that is not known
	stale   bool     // the target is gone: Prometheus writes a stale marker, OTLP the flag "no recorded value"
}

// bounds are those of all classic histograms; the last bucket has none.
var bounds = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// scale is that of all native histograms: four buckets for each doubling, the first of which begins at 1/16.
const (
	scale      = 2
	firstIndex = -16 // as OpenTelemetry counts; Prometheus counts buckets by their upper bound, which is one more
)

// points returns the series as freshet reads it. A window of Prometheus is open on the left and closed on the right, one
// of freshet the other way round, and both begin and end at whole milliseconds here: what is one millisecond earlier is in
// the same windows. The points are so many milliseconds later than that.
func (s *series) points(later int64) []ingest.Record {
	var attrs ingest.Attrs
	for _, k := range slices.Sorted(maps.Keys(s.labels)) {
		attrs = append(attrs, ingest.Attr{Key: k, Value: ingest.StringValue(s.labels[k])})
	}
	records := make([]ingest.Record, 0, len(s.samples))
	for i := range s.samples {
		at := &s.samples[i]
		p := s.point(at)
		p.NoValue = at.stale
		if at.stale {
			p.Value = ingest.Value{}
		}
		if at.start != 0 {
			p.StartTime = shifted(at.start + later)
		}
		records = append(records, ingest.Record{
			Signal: ingest.Metrics, Name: s.name, Time: shifted(at.at + later), Attributes: attrs, Point: p,
			Scope: &ingest.Scope{}, Resource: &ingest.Resource{},
		})
	}
	return records
}

func shifted(ms int64) int64 { return (ms - 1) * int64(time.Millisecond) }

func (s *series) point(at *sample) *ingest.Point {
	switch s.kind {
	case counter:
		return &ingest.Point{Type: ingest.Sum, Monotonic: true, Cumulative: true, Value: ingest.DoubleValue(at.value)}
	case classic:
		p := &ingest.Point{Type: ingest.Histogram, Cumulative: true, Count: total(at.buckets), Sum: at.value, HasSum: true}
		if !at.stale {
			p.Bounds, p.Buckets = bounds, at.buckets
		}
		return p
	case native:
		return &ingest.Point{
			Type: ingest.ExponentialHistogram, Cumulative: true, Count: total(at.buckets), Sum: at.value, HasSum: true,
			Exponential: &ingest.Exponential{Scale: scale, PositiveOffset: firstIndex, Positive: at.buckets},
		}
	default:
		return &ingest.Point{Type: ingest.Gauge, Value: ingest.DoubleValue(at.value)}
	}
}

func total(buckets []uint64) (n uint64) {
	for _, b := range buckets {
		n += b
	}
	return n
}

// promName returns the name of a series in Prometheus: that of OpenTelemetry's translation, without units.
func (s *series) promName() string {
	name := strings.ReplaceAll(s.name, ".", "_")
	if s.kind == counter {
		name += "_total"
	}
	return name
}

func labelName(dotted string) string { return expr.LabelName(dotted) }
