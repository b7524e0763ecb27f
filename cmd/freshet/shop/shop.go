// Package shop is the simulated small shop of `freshet demo`: four services that send logs, metrics and traces by
// OpenTelemetry's semantic conventions, and a bad deploy that makes one of them fail.
//
//	customer ──► frontend ──► checkout ──► inventory
//	                │             └──────► payment ──► acquirer (outside)
//	                └───────────────────► inventory
//
// Shop is the simulation, pure and reproducible: the same seed and the same calls give the same telemetry, however the
// time is cut into steps. Run drives it by the clock and sends to agents.
package shop

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The services, by service.name.
const (
	Frontend  = "frontend"
	Checkout  = "checkout"
	Payment   = "payment"
	Inventory = "inventory"
)

// Services returns the names of all services.
func Services() []string { return []string{Frontend, Checkout, Payment, Inventory} }

const (
	// outage is how long a bad deploy refuses all connections before it answers some of them.
	outage = 800 * time.Millisecond
	// metricsEvery is the time between two exports of each service's metrics.
	metricsEvery = time.Second
	// goodPayment is the version of payment before and after the incident.
	goodPayment = "1.4.1"
)

// Options configure a Shop.
type Options struct {
	// Seed decides all that is random.
	Seed uint64
	// RequestsPerSecond is the mean rate of customers' requests, 40 by default; six in ten are checkouts.
	RequestsPerSecond float64
	// Environment is deployment.environment.name, "prod" by default.
	Environment string
}

// Telemetry is what the services sent in one step, by service; a service that sent nothing of a kind is not there.
type Telemetry struct {
	Logs    map[string]plog.Logs
	Metrics map[string]pmetric.Metrics
	Traces  map[string]ptrace.Traces
}

// Shop simulates. Its methods may be called from several goroutines.
type Shop struct {
	opts Options

	mu         sync.Mutex
	rng        *rand.Rand // requests
	noise      *rand.Rand // gauges, apart from rng so that neither disturbs the other
	began      bool
	now        time.Time // the end of the last step
	arrival    time.Time // of the next request
	tick       time.Time // of the next metrics
	pending    queue     // what is sent later: the ends of spans, logs of running requests
	seq        uint64
	instances  map[string]*instance
	deploy     string // the version to start at the next step, "" for none
	failing    bool
	refusing   time.Time // until when payment refuses connections
	waiting    float64   // orders in checkout's queue
	orders     uint64
	firstError time.Time
}

// New returns a shop in which all is well.
func New(opts Options) *Shop {
	if opts.RequestsPerSecond <= 0 {
		opts.RequestsPerSecond = 40
	}
	if opts.Environment == "" {
		opts.Environment = "prod"
	}
	return &Shop{
		opts:      opts,
		rng:       rand.New(rand.NewPCG(opts.Seed, 1)),
		noise:     rand.New(rand.NewPCG(opts.Seed, 2)),
		instances: map[string]*instance{},
		orders:    opts.Seed % 1000 * 1000,
	}
}

// Deploy puts a bad version of payment in place at the next step: connections are refused for 0.8 s, then of
// the payments four in ten fail and two in ten take 1.5 to 3 s, so that checkouts fail or become slow.
func (s *Shop) Deploy(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deploy, s.failing, s.firstError = version, true, time.Time{}
}

// Rollback puts the good version of payment back at the next step.
func (s *Shop) Rollback() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deploy, s.failing = goodPayment, false
}

// FirstError returns the event time of the first log record of severity ERROR that the last Deploy caused, or the zero
// time while there is none.
func (s *Shop) FirstError() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.firstError
}

// Step returns what the services send from a time up to, and not including, another. Each step begins where the last
// one ended; if it begins later, no customers came in between.
func (s *Shop) Step(from, to time.Time) Telemetry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began {
		s.began = true
		s.tick = from.Add(metricsEvery)
		s.start(from)
		s.arrival = from.Add(s.gap())
	} else if from.After(s.now) {
		s.arrival = from.Add(s.gap())
		s.tick = maxTime(s.tick, from)
	}
	if s.deploy != "" {
		s.restart(from)
	}
	out := newCollector()
	for {
		next, what := s.arrival, s.request
		if s.tick.Before(next) {
			next, what = s.tick, func(at time.Time) { s.export(at, out); s.tick = at.Add(metricsEvery) }
		}
		if len(s.pending) > 0 && s.pending[0].at.Before(next) {
			next, what = s.pending[0].at, func(time.Time) { heap.Pop(&s.pending).(*item).emit(out) }
		}
		if !next.Before(to) {
			s.now = to
			return out.telemetry
		}
		what(next)
	}
}

// gap is the time between two requests: customers do not know of each other, so it is exponential.
func (s *Shop) gap() time.Duration {
	return max(1, time.Duration(s.rng.ExpFloat64()/s.opts.RequestsPerSecond*float64(time.Second)))
}

// start brings up the first instance of every service.
func (s *Shop) start(at time.Time) {
	for name, version := range map[string]string{Frontend: "3.9.0", Checkout: "2.7.3", Payment: goodPayment, Inventory: "1.12.5"} {
		s.instances[name] = newInstance(name, version, s.opts, 0, at)
	}
}

// restart replaces payment's instance.
func (s *Shop) restart(at time.Time) {
	old := s.instances[Payment]
	next := newInstance(Payment, s.deploy, s.opts, old.generation+1, at)
	s.instances[Payment], s.deploy = next, ""
	s.refusing = time.Time{}
	if s.failing {
		s.refusing = at.Add(outage)
	}
	s.logAt(at, entry{in: old, severity: plog.SeverityNumberInfo, body: "received SIGTERM, draining connections"})
	s.logAt(at, entry{in: next, severity: plog.SeverityNumberInfo,
		body: fmt.Sprintf("payment %s listening on :8080, acquirer pool size 8", next.version)})
}

// request lets a customer come and sets the time of the next.
func (s *Shop) request(at time.Time) {
	s.arrival = at.Add(s.gap())
	if s.rng.Float64() < 0.6 {
		s.checkout(at)
	} else {
		s.browse(at)
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// item is something that a service sends at a time.
type item struct {
	at   time.Time
	seq  uint64 // orders items of one time
	emit func(*collector)
}

// queue is a heap of items by time.
type queue []*item

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(*item)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}

func (s *Shop) later(at time.Time, emit func(*collector)) {
	s.seq++
	heap.Push(&s.pending, &item{at: at, seq: s.seq, emit: emit})
}
