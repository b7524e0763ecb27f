package alert

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/detect/finding"
)

// Statuses of attempts to notify: the values of a metric's label.
const (
	notifyDelivered = "delivered"
	notifyDry       = "dry_run"
	notifyFailed    = "failed"    // to be tried again
	notifyAbandoned = "abandoned" // about what has long been over
)

// metrics are the alerter's own, and those that its Sender fills.
type metrics struct {
	findings      *prometheus.CounterVec
	deduplicated  *prometheus.CounterVec
	alerts        *prometheus.GaugeVec
	notifications *prometheus.CounterVec
	delay         prometheus.Histogram
	commands      *prometheus.CounterVec
	decisions     *prometheus.CounterVec
	refused       prometheus.Counter
	silences      *prometheus.GaugeVec
	suppressed    *prometheus.GaugeVec
	groups        prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, integrations []Integration) *metrics {
	m := &metrics{
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_alert_findings_total", Help: "Findings received.",
		}, []string{"state"}),
		deduplicated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_alert_deduplicated_findings_total",
			Help: "Findings that told nothing new, as after a crash of the detector.",
		}, []string{"reason"}),
		alerts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_alert_alerts", Help: "Alerts that are pending or firing now.",
		}, []string{"state"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_alert_notifications_total",
			Help: "Attempts to notify by what came of them, and notifications that were given up.",
		}, []string{"receiver", "kind", "status"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "freshet_alert_finding_to_notification_seconds",
			Help:    "Time from the receipt of a firing finding to the delivery of its first notification, group_wait included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 20),
		}),
	}
	m.commands = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "freshet_alert_commands_total", Help: "Silences, acknowledgements and other decisions of people, by kind.",
	}, []string{"kind"})
	m.decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "freshet_alert_decisions_total", Help: "Decisions about alerts, as freshet why shows them.",
	}, []string{"decision"})
	m.refused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "freshet_alert_refused_silences_total", Help: "Silences that were not taken because there are too many.",
	})
	m.silences = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "freshet_alert_silences", Help: "Silences by state: active, pending or expired within the last days.",
	}, []string{"state"})
	m.suppressed = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "freshet_alert_suppressed_alerts", Help: "Alerts that fire and that a silence or another alert mutes now.",
	}, []string{"reason"})
	m.groups = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "freshet_alert_groups", Help: "Groups of alerts of which something is or may be to be told.",
	})
	if reg != nil {
		reg.MustRegister(m.silences, m.suppressed, m.groups)
		reg.MustRegister(m.findings, m.deduplicated, m.alerts, m.notifications, m.delay, m.commands, m.decisions, m.refused)
	}
	// What has been counted once before it is scraped for the first time would not show as an increase.
	for _, s := range []finding.State{finding.Pending, finding.Firing} {
		m.alerts.WithLabelValues(string(s))
		m.findings.WithLabelValues(string(s))
	}
	m.findings.WithLabelValues(string(finding.Resolved))
	for _, v := range []verdict{repeated, stale} {
		m.deduplicated.WithLabelValues(string(v))
	}
	for _, s := range []string{silenceActive, silencePending, silenceExpired} {
		m.silences.WithLabelValues(s)
	}
	for _, k := range []Kind{AddSilence, ExpireSilence, SilenceSubject, Acknowledge, Unacknowledge, MarkNoise} {
		m.commands.WithLabelValues(string(k))
	}
	for _, v := range []Verdict{Silenced, Inhibited} {
		m.suppressed.WithLabelValues(string(v))
	}
	m.expect(integrations)
	return m
}

// expect has what is counted by integration show before there is anything to count.
func (m *metrics) expect(integrations []Integration) {
	for _, i := range integrations {
		for _, status := range []string{notifyDelivered, notifyFailed, notifyAbandoned} {
			m.notifications.WithLabelValues(i.Receiver, i.Kind, status)
		}
		if i.DryRun || i.Remediation != nil && i.Remediation.DryRun {
			m.notifications.WithLabelValues(i.Receiver, i.Kind, notifyDry)
		}
	}
}

// senderMetrics are the Sender's.
type senderMetrics struct {
	duration *prometheus.HistogramVec
	queued   *prometheus.GaugeVec
}

func newSenderMetrics(reg prometheus.Registerer) *senderMetrics {
	m := &senderMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "freshet_alert_notification_duration_seconds",
			Help:    "Time that one attempt to notify took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, []string{"receiver", "kind"}),
		queued: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_alert_queued_notifications", Help: "Notifications that wait for an earlier one of the same integration.",
		}, []string{"integration"}),
	}
	if reg != nil {
		reg.MustRegister(m.duration, m.queued)
	}
	return m
}

// expect has an integration show before there is anything to count.
func (m *senderMetrics) expect(i Integration) {
	m.duration.WithLabelValues(i.Receiver, i.Kind)
	m.queued.WithLabelValues(i.Key())
}
