package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	perMessage = 100 // logs of a Kafka message
	partitions = 4
	services   = 50
	errorShare = 0.05
	jitter     = time.Second // by which messages are out of order, less than the lateness of a rule
)

// workload is a stream of logs, the same for the same seed, start and number: messages of 100 logs of one service each,
// 5 % errors and more during spikes. Times are event times.
type workload struct {
	seed      uint64
	start     time.Time
	perSecond float64 // logs in a second of event time
	messages  int
	spikes    []spike
	mark      func(number, index int) bool // if set, says which logs are errors, instead of chance
}

// spike is a time in which more of a service's logs are errors.
type spike struct {
	service     int
	from, until time.Duration // after the start
	share       float64
}

// reference is the workload of the reference job: a spike each minute, from one that hardly shows to one in which half
// of a service's logs are errors.
func reference(messages int) workload {
	w := workload{seed: 20_261_127, perSecond: 10_000.0 / 3, messages: messages}
	for at, n := 40*time.Second, 0; at < w.length(); at, n = at+time.Minute, n+1 {
		w.spikes = append(w.spikes, spike{n * 7 % services, at, at + 20*time.Second, 0.1 * float64(1+n%5)})
	}
	return w
}

// userID is whom a log is about: of the logs of one place in their messages, each is about another.
func userID(number, index int) string { return fmt.Sprintf("u-%06d", (number*31+index)%100_000) }

// message is what one Kafka message holds.
type message struct {
	service int
	logs    []logLine
}

// logLine is a log as far as it matters for alerts.
type logLine struct {
	at     time.Time
	failed bool
}

func serviceName(service int) string { return fmt.Sprintf("service-%02d", service) }

// message returns the message of a number. Each has random numbers of its own, so that any may be made alone.
func (w *workload) message(number int) message {
	rng := rand.New(rand.NewPCG(w.seed, uint64(number)))
	m := message{service: rng.IntN(services), logs: make([]logLine, perMessage)}
	back := time.Duration(rng.Int64N(int64(jitter)))
	for i := range m.logs {
		at := time.Duration(float64(number*perMessage+i) / w.perSecond * float64(time.Second))
		failed := rng.Float64() < w.share(m.service, at)
		if w.mark != nil {
			failed = w.mark(number, i)
		}
		m.logs[i] = logLine{at: w.start.Add(at - back), failed: failed}
	}
	return m
}

// share is how many of a service's logs are errors.
func (w *workload) share(service int, at time.Duration) float64 {
	for _, s := range w.spikes {
		if s.service == service && at >= s.from && at < s.until {
			return s.share
		}
	}
	return errorShare
}

// length is the event time that the workload covers.
func (w *workload) length() time.Duration {
	return time.Duration(float64(w.messages*perMessage) / w.perSecond * float64(time.Second))
}

// encoder writes messages as the OpenTelemetry Collector's Kafka exporter does with otlp_proto. One goroutine uses it.
type encoder struct{ marshaler plog.ProtoMarshaler }

func (e *encoder) encode(tb testing.TB, number int, m message) []byte {
	tb.Helper()
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	resource := rl.Resource().Attributes()
	resource.PutStr("service.name", serviceName(m.service))
	resource.PutStr("service.namespace", "shop")
	resource.PutStr("service.version", "1.4.2")
	resource.PutStr("deployment.environment.name", "prod")
	resource.PutStr("host.name", fmt.Sprintf("node-%d", number%16))
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("shop/handler")
	records := sl.LogRecords()
	records.EnsureCapacity(len(m.logs))
	for i, l := range m.logs {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(l.at))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(l.at.Add(time.Millisecond)))
		status := int64(200)
		if l.failed {
			status = 503
			r.SetSeverityNumber(plog.SeverityNumberError)
			r.SetSeverityText("ERROR")
			r.Body().SetStr("the request failed: the upstream did not answer within 2 s, giving up after 3 attempts")
		} else {
			r.SetSeverityNumber(plog.SeverityNumberInfo)
			r.SetSeverityText("INFO")
			r.Body().SetStr("the request was answered: 18 rows in 12.4 ms from the replica, 3 from the cache")
		}
		r.SetTraceID(pcommon.TraceID{byte(number), byte(number >> 8), byte(number >> 16), 4: byte(i), 15: 1}) // ids only have to differ
		r.SetSpanID(pcommon.SpanID{byte(number), byte(number >> 8), byte(i), 7: 1})
		a := r.Attributes()
		a.PutStr("http.request.method", "POST")
		a.PutStr("http.route", "/api/v1/orders/{id}")
		a.PutInt("http.response.status_code", status)
		a.PutStr("client.address", "10.12.7.41")
		a.PutStr("user.id", userID(number, i))
		a.PutStr("thread.name", "worker-4")
	}
	value, err := e.marshaler.MarshalLogs(logs)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}
