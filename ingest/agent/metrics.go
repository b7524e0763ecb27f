package agent

import "github.com/prometheus/client_golang/prometheus"

// Reasons for which requests are refused: the values of a metric's label.
const (
	refusedMalformed   = "malformed"
	refusedUnsupported = "unsupported"
	refusedTooLarge    = "too_large"
	refusedBusy        = "busy"
	refusedKafka       = "kafka"
	refusedCanceled    = "canceled"
)

type metrics struct {
	records  *prometheus.CounterVec // signal, receiver
	bytes    *prometheus.CounterVec // signal, receiver
	rejected *prometheus.CounterVec // signal, receiver
	refused  *prometheus.CounterVec // receiver, reason
	produce  *prometheus.HistogramVec
	repeated prometheus.Counter
	inFlight prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_received_records_total",
			Help: "Log records, metric data points and spans that were received and acknowledged by Kafka.",
		}, []string{"signal", "receiver"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_received_bytes_total",
			Help: "Uncompressed OTLP bytes that were received and acknowledged by Kafka.",
		}, []string{"signal", "receiver"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_rejected_records_total",
			Help: "Records that are larger than max_record_bytes by themselves; the sender is told.",
		}, []string{"signal", "receiver"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_refused_total",
			Help: "Requests that were not accepted, by reason. Those refused as busy or because of kafka are retried by their senders.",
		}, []string{"receiver", "reason"}),
		produce: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "freshet_agent_produce_duration_seconds",
			Help:    "Time until Kafka acknowledged what one request or one reading of files gave, by result.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"result"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_agent_repeated_requests_total",
			Help: "Requests that repeated one that was still under way or had been written meanwhile, and were not written again.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_agent_in_flight_bytes",
			Help: "Bytes received and not yet acknowledged by Kafka.",
		}),
	}
	reg.MustRegister(m.records, m.bytes, m.rejected, m.refused, m.produce, m.repeated, m.inFlight)
	return m
}
