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

// Results of producing: the values of a metric's label.
const (
	resultAcknowledged = "acknowledged"
	resultFailed       = "failed"
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
			Help: "Records that are larger than max_record_bytes by themselves and were dropped; the sender is told.",
		}, []string{"signal", "receiver"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_agent_refused_requests_total",
			Help: "Requests that were not accepted.",
		}, []string{"receiver", "reason"}),
		produce: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "freshet_agent_produce_duration_seconds",
			Help:    "Time until Kafka acknowledged what one request or one reading of files gave.",
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
	// What has been counted once before it is scraped for the first time would not show as an increase.
	for _, receiver := range []string{receiverGRPC, receiverHTTP} {
		for _, reason := range []string{refusedMalformed, refusedUnsupported, refusedTooLarge, refusedBusy, refusedKafka, refusedCanceled} {
			m.refused.WithLabelValues(receiver, reason)
		}
	}
	for _, result := range []string{resultAcknowledged, resultFailed} {
		m.produce.WithLabelValues(result)
	}
	return m
}
