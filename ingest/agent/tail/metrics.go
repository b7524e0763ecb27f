package tail

import "github.com/prometheus/client_golang/prometheus"

// Kinds of rotation: the values of a metric's label.
const (
	rotationRename   = "rename" // still matched by a glob
	rotationAway     = "away"   // deleted, or renamed to what no glob matches
	rotationTruncate = "truncate"
	rotationCopy     = "copy"
)

// Operations that failed: the values of a metric's label.
const (
	failedOpen    = "open"
	failedRead    = "read"
	failedDeliver = "deliver"
	failedSave    = "save" // the positions
)

type metrics struct {
	files     prometheus.Gauge
	lag       prometheus.Gauge
	truncated prometheus.Counter
	rotations *prometheus.CounterVec // kind
	errors    *prometheus.CounterVec // operation
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		files: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_agent_tailed_files",
			Help: "Files that are tailed now, those rotated away and not yet read to their end included.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_agent_tailed_lag_bytes",
			Help: "Bytes of all tailed files that are written but not yet delivered.",
		}),
		truncated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_agent_tailed_truncated_lines_total",
			Help: "Lines that were longer than the limit and lost their rest.",
		}),
		rotations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_tailed_rotations_total",
			Help: "Rotations noticed.",
		}, []string{"kind"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_tailed_errors_total",
			Help: "Failures to open, read or deliver, and to save positions. All are tried again.",
		}, []string{"operation"}),
	}
	reg.MustRegister(m.files, m.lag, m.truncated, m.rotations, m.errors)
	// What has been counted once before it is scraped for the first time would not show as an increase.
	for _, kind := range []string{rotationRename, rotationAway, rotationTruncate, rotationCopy} {
		m.rotations.WithLabelValues(kind)
	}
	for _, operation := range []string{failedOpen, failedRead, failedDeliver, failedSave} {
		m.errors.WithLabelValues(operation)
	}
	return m
}
