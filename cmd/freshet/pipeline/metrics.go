package pipeline

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
)

// metrics are those of the detector at Kafka; the loop, the agent and the alerter have their own.
type metrics struct {
	records      *prometheus.CounterVec
	deadLettered *prometheus.CounterVec
	late, future *prometheus.CounterVec
	findings     *prometheus.CounterVec
	toFinding    *prometheus.HistogramVec
	overflows    *prometheus.CounterVec
	skipped      *prometheus.CounterVec
	rules        prometheus.Gauge
	build        *prometheus.GaugeVec

	rulesReloads, configReloads *reloadMetrics
}

// reloadMetrics are those of what is loaded anew.
type reloadMetrics struct {
	reloads    *prometheus.CounterVec
	successful prometheus.Gauge
	at         prometheus.Gauge
}

func newReloadMetrics(reg prometheus.Registerer, prefix, what string) *reloadMetrics {
	m := &reloadMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "reloads_total", Help: "Reloads of " + what + ", by SIGHUP, /-/reload or because they changed.",
		}, []string{"result"}),
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "last_reload_successful", Help: "Whether the last reload of " + what + " was a success, 1 before the first.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "last_reload_success_timestamp_seconds", Help: "When what is loaded of " + what + " was loaded, in Unix time.",
		}),
	}
	reg.MustRegister(m.reloads, m.successful, m.at)
	for _, result := range []string{reloadSuccess, reloadFailure} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

func (m *reloadMetrics) loaded(at time.Time) {
	m.successful.Set(1)
	m.at.Set(float64(at.UnixMilli()) / 1000)
}

func (m *reloadMetrics) succeeded(at time.Time) {
	m.reloads.WithLabelValues(reloadSuccess).Inc()
	m.loaded(at)
}

func (m *reloadMetrics) failed() {
	m.reloads.WithLabelValues(reloadFailure).Inc()
	m.successful.Set(0)
}

// Results of a reload.
const (
	reloadSuccess = "success"
	reloadFailure = "failure"
)

// Reasons why a pane was not evaluated.
const (
	paneLate    = "late"
	paneUnknown = "unknown_rule"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		records: counter("freshet_detect_records_total",
			"Records decoded from input topics: log records, data points, spans, span events, events.", "topic"),
		deadLettered: counter("freshet_detect_dead_lettered_records_total",
			"Kafka records that could not be decoded: those of input topics went to the dead-letter topic, those of freshet's own were skipped.", "topic", "kind"),
		late: counter("freshet_detect_late_records_total",
			"Records that came later than a rule's lateness allows and were not counted by it.", "service"),
		future: counter("freshet_detect_future_records_total",
			"Records whose event time lies ahead of their Kafka timestamp and were not counted.", "service"),
		findings: counter("freshet_detect_findings_total",
			"Findings produced; an early finding and its settled one count as two.", "state"),
		toFinding: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "freshet_detect_record_to_finding_seconds",
			Help: "Time from the event time of a firing finding's newest sample, or without one from the end of its window, " +
				"until it was found.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 30, 60},
		}, []string{"settled"}),
		overflows: counter("freshet_detect_overflow_panes_total",
			"Panes of groups beyond a rule's max_groups, which are counted as one group.", "rule"),
		skipped: counter("freshet_detect_skipped_panes_total",
			"Panes that were not evaluated: late ones came after their step was over, those of an unknown rule were written under other rules.", "reason"),
		rules: prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_rules", Help: "Rules loaded."}),
		build: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_build_info", Help: "1, with what runs.",
		}, []string{"version", "targets"}),
	}
	reg.MustRegister(m.records, m.deadLettered, m.late, m.future, m.findings, m.toFinding, m.overflows, m.skipped, m.rules, m.build)
	m.rulesReloads = newReloadMetrics(reg, "freshet_rules_", "the rule files")
	m.configReloads = newReloadMetrics(reg, "freshet_config_", "the alerter's part of the configuration")
	// What has been counted once before it is scraped for the first time would not show as an increase.
	for _, s := range []finding.State{finding.Pending, finding.Firing, finding.Resolved} {
		m.findings.WithLabelValues(string(s))
	}
	for _, reason := range []string{paneLate, paneUnknown} {
		m.skipped.WithLabelValues(reason)
	}
	for _, settled := range []bool{true, false} {
		m.toFinding.WithLabelValues(strconv.FormatBool(settled))
	}
	return m
}

// reads makes the metrics of an input topic.
func (m *metrics) reads(topic string) prometheus.Counter {
	for f := ingest.Malformed; f <= ingest.UnknownFormat; f++ {
		m.deadLettered.WithLabelValues(topic, f.String())
	}
	return m.records.WithLabelValues(topic)
}

// found counts a finding.
func (m *metrics) found(f *finding.Finding, now time.Time) {
	m.findings.WithLabelValues(string(f.State)).Inc()
	if f.State != finding.Firing {
		return
	}
	var since time.Time
	for _, s := range f.Samples {
		if s.Time.After(since) {
			since = s.Time
		}
	}
	if since.IsZero() {
		since = f.WindowEnd
	}
	m.toFinding.WithLabelValues(strconv.FormatBool(f.Settled)).Observe(max(0, now.Sub(since).Seconds()))
}

// progressMetrics are read from the progress at each scrape: the delay goes on growing while nothing is read.
type progressMetrics struct {
	progress               *progress
	delay, groups, waiting *prometheus.Desc
}

func newProgressMetrics(p *progress) *progressMetrics {
	labels := []string{"partition"}
	return &progressMetrics{
		progress: p,
		delay: prometheus.NewDesc("freshet_detect_watermark_delay_seconds",
			"How far the event time up to which all input is complete lies behind the clock.", labels, nil),
		groups: prometheus.NewDesc("freshet_detect_groups", "Groups that are held, of all rules.", labels, nil),
		waiting: prometheus.NewDesc("freshet_detect_waiting_rules",
			"Rules that are not judged because some of their input is read under other rules, by a detector that has yet to reload.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *progressMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.delay
	out <- m.groups
	out <- m.waiting
}

// Collect implements prometheus.Collector.
func (m *progressMetrics) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	for partition, at := range m.progress.marks() {
		label := strconv.Itoa(int(partition))
		out <- prometheus.MustNewConstMetric(m.groups, prometheus.GaugeValue, float64(at.groups), label)
		out <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(at.waiting), label)
		if !at.watermark.IsZero() {
			out <- prometheus.MustNewConstMetric(m.delay, prometheus.GaugeValue, at.delay(now).Seconds(), label)
		}
	}
}

// Registry holds the metrics of the process.
func (p *Pipeline) Registry() *prometheus.Registry { return p.registry }

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
