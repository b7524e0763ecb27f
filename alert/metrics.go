package alert

import "github.com/prometheus/client_golang/prometheus"

// metrics are the alerter's own, and those that its Sender fills.
type metrics struct {
	findings      *prometheus.CounterVec
	deduplicated  *prometheus.CounterVec
	alerts        *prometheus.GaugeVec
	notifications *prometheus.CounterVec
	delay         prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_alert_findings_total", Help: "Findings received, by the state that they report.",
		}, []string{"state"}),
		deduplicated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_alert_findings_deduplicated_total",
			Help: "Findings that told nothing new: a repeat of the current one, or stale, from before it.",
		}, []string{"reason"}),
		alerts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_alert_alerts", Help: "Alerts that are pending or firing now.",
		}, []string{"state"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_alert_notifications_total",
			Help: "Attempts to notify, by receiver, its kind and status: delivered, failed (to be tried again) or abandoned.",
		}, []string{"receiver", "kind", "status"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "freshet_alert_finding_to_notification_seconds",
			Help:    "Time from the receipt of a firing finding to the delivery of its first notification.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 20),
		}),
	}
	if reg != nil {
		reg.MustRegister(m.findings, m.deduplicated, m.alerts, m.notifications, m.delay)
	}
	for _, s := range []string{"pending", "firing"} {
		m.alerts.WithLabelValues(s)
	}
	return m
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
			Help:    "Time that one attempt to notify took, by receiver and kind.",
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
