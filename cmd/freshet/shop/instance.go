package shop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	scopeHTTP = "shop/http"
	scopeHost = "shop/host"
	schema    = "https://opentelemetry.io/schemas/1.37.0"
)

// instance is one running process of a service.
type instance struct {
	service, version string
	generation       int
	pod, host, id    string
	environment      string
	started          time.Time
	meter            meter
}

func newInstance(service, version string, opts Options, generation int, at time.Time) *instance {
	// The names are random but the same for a seed, whatever else is drawn.
	h := rand.New(rand.NewPCG(opts.Seed, uint64(1000*(1+slices.Index(Services(), service))+generation)))
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	name := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[h.IntN(len(letters))]
		}
		return string(b)
	}
	return &instance{
		service: service, version: version, generation: generation, started: at, environment: opts.Environment,
		pod:   fmt.Sprintf("%s-%s-%s", service, name(9), name(5)),
		host:  map[string]string{Frontend: "node-a1", Checkout: "node-a2", Payment: "node-b1", Inventory: "node-b2"}[service],
		id:    fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", h.Uint32(), h.Uint32N(1<<16), h.Uint32N(1<<12), h.Uint32N(1<<12), h.Uint64N(1<<48)),
		meter: meter{requests: map[endpoint]*histogram{}},
	}
}

// describe fills in the attributes of the resource that sends as this instance.
func (in *instance) describe(a pcommon.Map) {
	a.PutStr("service.name", in.service)
	a.PutStr("service.namespace", "shop")
	a.PutStr("service.version", in.version)
	a.PutStr("service.instance.id", in.id)
	a.PutStr("deployment.environment.name", in.environment)
	a.PutStr("deployment.environment", in.environment) // the name before 1.27 of the conventions, still common in rules
	a.PutStr("host.name", in.host)
	a.PutStr("k8s.cluster.name", "shop-eu")
	a.PutStr("k8s.namespace.name", "shop")
	a.PutStr("k8s.pod.name", in.pod)
	a.PutStr("telemetry.sdk.language", "go")
	a.PutStr("telemetry.sdk.name", "opentelemetry")
}

// collector gathers what is sent in one step.
type collector struct {
	telemetry Telemetry
	logs      map[*instance]plog.ScopeLogs
	spans     map[*instance]ptrace.ScopeSpans
	metrics   map[*instance]pmetric.ResourceMetrics
}

func newCollector() *collector {
	return &collector{
		telemetry: Telemetry{
			Logs: map[string]plog.Logs{}, Metrics: map[string]pmetric.Metrics{}, Traces: map[string]ptrace.Traces{},
		},
		logs:    map[*instance]plog.ScopeLogs{},
		spans:   map[*instance]ptrace.ScopeSpans{},
		metrics: map[*instance]pmetric.ResourceMetrics{},
	}
}

func (c *collector) log(in *instance) plog.LogRecord {
	scope, found := c.logs[in]
	if !found {
		ld, found := c.telemetry.Logs[in.service]
		if !found {
			ld = plog.NewLogs()
			c.telemetry.Logs[in.service] = ld
		}
		rl := ld.ResourceLogs().AppendEmpty()
		rl.SetSchemaUrl(schema)
		in.describe(rl.Resource().Attributes())
		scope = rl.ScopeLogs().AppendEmpty()
		scope.Scope().SetName(scopeHTTP)
		c.logs[in] = scope
	}
	return scope.LogRecords().AppendEmpty()
}

func (c *collector) span(in *instance) ptrace.Span {
	scope, found := c.spans[in]
	if !found {
		td, found := c.telemetry.Traces[in.service]
		if !found {
			td = ptrace.NewTraces()
			c.telemetry.Traces[in.service] = td
		}
		rs := td.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl(schema)
		in.describe(rs.Resource().Attributes())
		scope = rs.ScopeSpans().AppendEmpty()
		scope.Scope().SetName(scopeHTTP)
		c.spans[in] = scope
	}
	return scope.Spans().AppendEmpty()
}

func (c *collector) metricScope(in *instance, name string) pmetric.MetricSlice {
	rm, found := c.metrics[in]
	if !found {
		md, found := c.telemetry.Metrics[in.service]
		if !found {
			md = pmetric.NewMetrics()
			c.telemetry.Metrics[in.service] = md
		}
		rm = md.ResourceMetrics().AppendEmpty()
		rm.SetSchemaUrl(schema)
		in.describe(rm.Resource().Attributes())
		c.metrics[in] = rm
	}
	for _, sm := range rm.ScopeMetrics().All() {
		if sm.Scope().Name() == name {
			return sm.Metrics()
		}
	}
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName(name)
	return sm.Metrics()
}
