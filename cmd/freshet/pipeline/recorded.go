package pipeline

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/otlp"
	"github.com/freshet-dev/freshet/rules"
)

const (
	// recordedPoints is how many points one message of the measures topic holds at most.
	recordedPoints = 2000
	// staleAfter is how long a recorded metric is shown after its last value, as long as Prometheus looks back.
	staleAfter = 5 * time.Minute
)

// recordedMessages encodes recorded values for the measures topic.
func recordedMessages(topic string, values []detect.Recorded) ([]kafka.Message, error) {
	if len(values) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(values, func(a, b detect.Recorded) int { return strings.Compare(a.Name, b.Name) })
	var out []kafka.Message
	var points []otlp.Gauge
	for i := range values {
		v := &values[i]
		points = append(points, otlp.Gauge{Name: v.Name, Unit: v.Unit, Attributes: v.Labels.Map(), Time: v.Time, Value: v.Value})
		if len(points) < recordedPoints && i+1 < len(values) && values[i+1].Name == v.Name {
			continue
		}
		value, err := otlp.EncodeGauges(points)
		if err != nil {
			return nil, err
		}
		out = append(out, kafka.Message{Topic: topic, Partition: -1, Key: []byte(v.Name), Value: value})
		points = points[:0]
	}
	return out, nil
}

// records says whether any rule of a set does.
func records(set *rules.Set) bool {
	return set != nil && slices.ContainsFunc(set.Rules, func(r *rules.Rule) bool { return r.Records })
}

// recordedMetrics shows the latest recorded values on /metrics.
type recordedMetrics struct {
	mu     sync.Mutex
	series map[string]*recordedSeries
}

type recordedSeries struct {
	desc      *prometheus.Desc
	labels    []string
	value     float64
	seen      time.Time
	partition int32
}

func newRecordedMetrics() *recordedMetrics {
	return &recordedMetrics{series: map[string]*recordedSeries{}}
}

// observe takes the values of a partition of freshet.panes, of each series the last.
func (m *recordedMetrics) observe(partition int32, values []detect.Recorded, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range values {
		v := &values[i]
		key := v.Name + v.Labels.String()
		s := m.series[key]
		if s == nil {
			names := make([]string, len(v.Labels))
			labels := make([]string, len(v.Labels))
			for j, l := range v.Labels {
				names[j], labels[j] = l.Name, l.Value
			}
			s = &recordedSeries{desc: prometheus.NewDesc(v.Name, "Recorded by a rule.", names, nil), labels: labels}
			m.series[key] = s
		}
		s.value, s.seen, s.partition = v.Value, now, partition
	}
}

// drop forgets the series of a partition that another process has now.
func (m *recordedMetrics) drop(partition int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, s := range m.series {
		if s.partition == partition {
			delete(m.series, key)
		}
	}
}

// Describe implements prometheus.Collector: which metrics there are is not known before.
func (m *recordedMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *recordedMetrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, s := range m.series {
		if time.Since(s.seen) > staleAfter {
			delete(m.series, key)
			continue
		}
		metric, err := prometheus.NewConstMetric(s.desc, prometheus.GaugeValue, s.value, s.labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(s.desc, err) // the scrape says so; nothing else is lost
		}
		out <- metric
	}
}
