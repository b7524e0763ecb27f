package shop

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// port is what every service listens on.
const port = 8080

// trace is one customer's request on its way through the services.
type trace struct {
	shop *Shop
	id   pcommon.TraceID
	// incident says that it fails because of the bad deploy.
	incident bool
}

// exception is an error as the conventions have it.
type exception struct{ kind, message, stack string }

// span is one operation of a trace while it is being described.
type span struct {
	in         *instance
	id, parent pcommon.SpanID
	kind       ptrace.SpanKind
	name       string
	start, end time.Time
	method     string
	route      string // of a server span
	path       string
	peer       string // of a client span: the server's address
	status     int    // 0 when no answer came
	errorType  string
	exception  *exception
	orderID    string
	statusText string
}

func (s *Shop) newTrace() *trace {
	t := &trace{shop: s}
	binary.BigEndian.PutUint64(t.id[:8], s.rng.Uint64())
	binary.BigEndian.PutUint64(t.id[8:], s.rng.Uint64()|1)
	return t
}

func (t *trace) newID() (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], t.shop.rng.Uint64()|1)
	return id
}

// server begins the handling of a request by a service.
func (t *trace) server(in *instance, parent *span, at time.Time, method, route, path string) *span {
	sp := &span{in: in, id: t.newID(), kind: ptrace.SpanKindServer, name: method + " " + route, start: at,
		method: method, route: route, path: path}
	if parent != nil {
		sp.parent = parent.id
	}
	t.shop.later(at, func(*collector) { in.meter.active++ })
	return sp
}

// client begins a call to another service.
func (t *trace) client(parent *span, at time.Time, method, peer, path string) *span {
	return &span{in: parent.in, id: t.newID(), parent: parent.id, kind: ptrace.SpanKindClient, name: method, start: at,
		method: method, peer: peer, path: path}
}

// finish ends a span with an HTTP status; it is sent at that time. A server is at fault from 500 on, a client from 400.
func (t *trace) finish(sp *span, at time.Time, status int) {
	sp.end, sp.status = at, status
	if sp.errorType == "" && (status >= 500 || status >= 400 && sp.kind == ptrace.SpanKindClient) {
		sp.errorType = fmt.Sprint(status)
	}
	t.shop.later(at, func(out *collector) {
		if sp.kind == ptrace.SpanKindServer {
			sp.in.meter.active--
			sp.in.meter.observe(endpoint{sp.method, sp.route, status, sp.errorType}, at.Sub(sp.start))
		}
		sp.write(out.span(sp.in), t.id)
	})
}

func (sp *span) write(out ptrace.Span, traceID pcommon.TraceID) {
	out.SetTraceID(traceID)
	out.SetSpanID(sp.id)
	out.SetParentSpanID(sp.parent)
	out.SetKind(sp.kind)
	out.SetName(sp.name)
	out.SetStartTimestamp(pcommon.NewTimestampFromTime(sp.start))
	out.SetEndTimestamp(pcommon.NewTimestampFromTime(sp.end))
	a := out.Attributes()
	a.PutStr("http.request.method", sp.method)
	switch sp.kind {
	case ptrace.SpanKindServer:
		a.PutStr("http.route", sp.route)
		a.PutStr("url.path", sp.path)
		a.PutStr("url.scheme", "http")
		a.PutStr("server.address", sp.in.service)
		a.PutInt("server.port", port)
		a.PutStr("network.protocol.version", "1.1")
	default:
		a.PutStr("server.address", sp.peer)
		a.PutInt("server.port", port)
		a.PutStr("url.full", fmt.Sprintf("http://%s:%d%s", sp.peer, port, sp.path))
	}
	if sp.status > 0 {
		a.PutInt("http.response.status_code", int64(sp.status))
	}
	if sp.orderID != "" {
		a.PutStr("shop.order.id", sp.orderID)
	}
	if sp.errorType != "" {
		a.PutStr("error.type", sp.errorType)
		out.Status().SetCode(ptrace.StatusCodeError)
		out.Status().SetMessage(sp.statusText)
	}
	if sp.exception != nil {
		event := out.Events().AppendEmpty()
		event.SetName("exception")
		event.SetTimestamp(out.EndTimestamp())
		sp.exception.write(event.Attributes())
	}
}

func (e *exception) write(a pcommon.Map) {
	a.PutStr("exception.type", e.kind)
	a.PutStr("exception.message", e.message)
	a.PutStr("exception.stacktrace", e.stack)
}

// entry is one log record while it is being described.
type entry struct {
	in        *instance
	severity  plog.SeverityNumber
	body      string
	trace     *trace
	span      *span
	exception *exception
	orderID   string
	// access adds the attributes of the span's request, as access logs have them.
	access bool
}

// logAt has a record sent at a time.
func (s *Shop) logAt(at time.Time, e entry) {
	s.later(at, func(out *collector) {
		if e.severity >= plog.SeverityNumberError && e.trace != nil && e.trace.incident && s.failing && s.firstError.IsZero() {
			s.firstError = at
		}
		r := out.log(e.in)
		r.SetTimestamp(pcommon.NewTimestampFromTime(at))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(at))
		r.SetSeverityNumber(e.severity)
		r.SetSeverityText(map[plog.SeverityNumber]string{
			plog.SeverityNumberInfo: "INFO", plog.SeverityNumberWarn: "WARN", plog.SeverityNumberError: "ERROR",
		}[e.severity])
		r.Body().SetStr(e.body)
		if e.trace != nil {
			r.SetTraceID(e.trace.id)
			r.SetSpanID(e.span.id)
		}
		if e.orderID != "" {
			r.Attributes().PutStr("shop.order.id", e.orderID)
		}
		if e.access {
			a := r.Attributes()
			a.PutStr("http.request.method", e.span.method)
			a.PutStr("http.route", e.span.route)
			a.PutStr("url.path", e.span.path)
			if e.span.status > 0 {
				a.PutInt("http.response.status_code", int64(e.span.status))
			}
			if e.span.errorType != "" {
				a.PutStr("error.type", e.span.errorType)
			}
		}
		if e.exception != nil {
			e.exception.write(r.Attributes())
		}
	})
}

// spread draws a duration around a median in milliseconds; sigma says how long the tail is.
func (s *Shop) spread(median, sigma float64) time.Duration {
	return time.Duration(median * math.Exp(sigma*s.rng.NormFloat64()) * float64(time.Millisecond))
}

// between draws a duration from a range.
func (s *Shop) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.rng.Float64()*float64(high-low))
}
