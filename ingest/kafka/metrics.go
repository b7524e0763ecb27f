package kafka

import "github.com/prometheus/client_golang/prometheus"

// metrics are the figures of a Client.
type metrics struct {
	consumedRecords, consumedBytes *prometheus.CounterVec
	producedRecords, producedBytes *prometheus.CounterVec
	lag                            *prometheus.GaugeVec
	flush                          *prometheus.HistogramVec
	transactions                   *prometheus.CounterVec
	leftOut                        *prometheus.CounterVec
	errors                         *prometheus.CounterVec
	connected                      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "freshet_kafka_" + name, Help: help}, labels)
	}
	m := &metrics{
		consumedRecords: counter("consumed_records_total", "Kafka records read.", "topic"),
		consumedBytes:   counter("consumed_bytes_total", "Bytes of keys and values read, uncompressed.", "topic"),
		producedRecords: counter("produced_records_total", "Kafka records written: acknowledged by the brokers, and committed if in a transaction.", "topic"),
		producedBytes:   counter("produced_bytes_total", "Bytes of keys, values and headers of the Kafka records written, uncompressed.", "topic"),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_kafka_consumer_lag",
			Help: "Offsets between the position of a stage and the end of the partition it owns.",
		}, []string{"topic", "partition"}),
		flush: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "freshet_kafka_flush_duration_seconds",
			Help:    "Time from taking the tasks' output to the commit of its transaction.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"group"}),
		transactions: counter("transactions_total", "Transactions ended.", "group", "outcome"),
		leftOut:      counter("left_out_records_total", "Records that were not written because they are larger than their topic allows.", "group"),
		errors:       counter("errors_total", "Errors of brokers and of tasks. Nearly all are tried again.", "class"),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_kafka_connected",
			Help: "1 while the brokers answer, else 0.",
		}),
	}
	for _, c := range []prometheus.Collector{
		m.consumedRecords, m.consumedBytes, m.producedRecords, m.producedBytes,
		m.lag, m.flush, m.transactions, m.leftOut, m.errors, m.connected,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	// What has been counted once before it is scraped for the first time would not show as an increase.
	for _, c := range []class{connection, abortable, fenced, membership, authorization, data, task} {
		m.errors.WithLabelValues(string(c))
	}
	return m, nil
}

// failed counts an error.
func (m *metrics) failed(c class) { m.errors.WithLabelValues(string(c)).Inc() }
