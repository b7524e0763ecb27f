package memory

import "github.com/prometheus/client_golang/prometheus"

type guardMetrics struct {
	limit, used, paused prometheus.Gauge
	pausedFor           prometheus.Counter
	sheds               *prometheus.CounterVec
}

func newGuardMetrics(reg prometheus.Registerer, sheds []Shed) *guardMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &guardMetrics{
		limit: gauge("freshet_memory_limit_bytes", "Memory that the process may use, 0 where there is no limit."),
		used: gauge("freshet_memory_used_bytes",
			"Memory that the process cannot do without: alive when garbage was last collected, and what Go needs around it."),
		paused: gauge("freshet_memory_paused", "1 while nothing is read because memory is short, else 0."),
		pausedFor: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_memory_paused_seconds_total", Help: "Time in which nothing was read because memory was short.",
		}),
		sheds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_memory_shed_times_total", Help: "How often something was let go of because memory was short.",
		}, []string{"what"}),
	}
	reg.MustRegister(m.limit, m.used, m.paused, m.pausedFor, m.sheds)
	for _, s := range sheds {
		m.sheds.WithLabelValues(s.Name)
	}
	return m
}
