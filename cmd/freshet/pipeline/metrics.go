package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect/finding"
)

// metrics are those of the detector at Kafka; the loop, the agent and the alerter have their own.
type metrics struct {
	records      *prometheus.CounterVec
	deadLettered *prometheus.CounterVec
	late, future *prometheus.CounterVec
	findings     *prometheus.CounterVec
	toFinding    prometheus.Histogram
	watermark    *prometheus.GaugeVec
	groups       *prometheus.GaugeVec
	rules        prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		records: counter("freshet_detect_records_total",
			"Records decoded from input topics: log records, data points, spans, span events, events.", "topic"),
		deadLettered: counter("freshet_detect_dead_lettered_records_total",
			"Kafka records that could not be decoded and went to the dead-letter topic, by topic and kind of fault.", "topic", "kind"),
		late: counter("freshet_detect_late_records_total",
			"Records that came later than a rule's lateness allows and were not counted by it, by service.", "service"),
		future: counter("freshet_detect_future_records_total",
			"Records whose event time lies ahead of their Kafka timestamp and were not counted, by service.", "service"),
		findings: counter("freshet_detect_findings_total",
			"Findings produced, by state; an early finding and its settled one count as two.", "state"),
		toFinding: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "freshet_detect_record_to_finding_seconds",
			Help:    "Time from the event time of the last matching record to the finding that its alert fires.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 30, 60},
		}),
		watermark: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_detect_watermark_delay_seconds",
			Help: "How far the event time up to which all input is complete lies behind the clock, by partition of freshet.panes.",
		}, []string{"partition"}),
		groups: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_detect_groups",
			Help: "Groups of all rules that are held, by partition of freshet.panes.",
		}, []string{"partition"}),
		rules: prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_rules", Help: "Rules loaded."}),
	}
	reg.MustRegister(m.records, m.deadLettered, m.late, m.future, m.findings, m.toFinding, m.watermark, m.groups, m.rules)
	return m
}

// found counts a finding.
func (m *metrics) found(f *finding.Finding, now time.Time) {
	m.findings.WithLabelValues(string(f.State)).Inc()
	if f.State == finding.Firing && !f.LastRecord.IsZero() {
		m.toFinding.Observe(max(0, now.Sub(f.LastRecord).Seconds()))
	}
}

// scope registers the metrics of a task and takes them away when it ends, so that the next one can register its own.
type scope struct {
	prometheus.Registerer
	collectors []prometheus.Collector
}

func newScope(reg prometheus.Registerer) *scope { return &scope{Registerer: reg} }

// MustRegister implements prometheus.Registerer.
func (s *scope) MustRegister(collectors ...prometheus.Collector) {
	s.Registerer.MustRegister(collectors...)
	s.collectors = append(s.collectors, collectors...)
}

func (s *scope) close() {
	for _, c := range s.collectors {
		s.Unregister(c)
	}
	s.collectors = nil
}
