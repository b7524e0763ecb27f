package shop

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var start = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

// history is what was sent over some steps.
type history struct {
	logs    []plog.LogRecord
	service []string // of each log
	spans   []ptrace.Span
	owner   []string // of each span
	points  map[string][]string
	t       *testing.T
}

// run steps a shop and checks every resource on the way.
func run(t *testing.T, s *Shop, from time.Time, d, step time.Duration) *history {
	t.Helper()
	h := &history{points: map[string][]string{}, t: t}
	for at := from; at.Before(from.Add(d)); at = at.Add(step) {
		h.add(s.Step(at, at.Add(step)))
	}
	return h
}

func (h *history) add(x Telemetry) {
	h.t.Helper()
	for _, name := range Services() {
		if ld, ok := x.Logs[name]; ok {
			for _, rl := range ld.ResourceLogs().All() {
				h.resource(name, rl.Resource())
				for _, r := range rl.ScopeLogs().At(0).LogRecords().All() {
					h.logs, h.service = append(h.logs, r), append(h.service, name)
				}
			}
		}
		if td, ok := x.Traces[name]; ok {
			for _, rs := range td.ResourceSpans().All() {
				h.resource(name, rs.Resource())
				for _, sp := range rs.ScopeSpans().At(0).Spans().All() {
					h.spans, h.owner = append(h.spans, sp), append(h.owner, name)
				}
			}
		}
		if md, ok := x.Metrics[name]; ok {
			for _, rm := range md.ResourceMetrics().All() {
				h.resource(name, rm.Resource())
				for _, sm := range rm.ScopeMetrics().All() {
					for _, m := range sm.Metrics().All() {
						h.points[m.Name()] = append(h.points[m.Name()], name)
					}
				}
			}
		}
	}
}

func (h *history) resource(service string, r pcommon.Resource) {
	h.t.Helper()
	for key, want := range map[string]string{
		"service.name": service, "service.namespace": "shop", "deployment.environment": "prod", "deployment.environment.name": "prod",
		"service.version": "", "host.name": "", "k8s.pod.name": "", "service.instance.id": "",
	} {
		if got, ok := r.Attributes().Get(key); !ok || got.Str() == "" || want != "" && got.Str() != want {
			h.t.Fatalf("resource attribute %s of %s is %q, want %q", key, service, got.AsString(), want)
		}
	}
}

func (h *history) errors(service string, from, to time.Time) (n int) {
	for i, r := range h.logs {
		if at := r.Timestamp().AsTime(); h.service[i] == service && r.SeverityNumber() >= plog.SeverityNumberError && !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// p95 is the 95th percentile of checkout's requests that ended in a span of time.
func (h *history) p95(from, to time.Time) time.Duration {
	var d []time.Duration
	for i, sp := range h.spans {
		if end := sp.EndTimestamp().AsTime(); h.owner[i] == Checkout && sp.Kind() == ptrace.SpanKindServer && !end.Before(from) && end.Before(to) {
			d = append(d, end.Sub(sp.StartTimestamp().AsTime()))
		}
	}
	slices.Sort(d)
	if len(d) == 0 {
		return 0
	}
	return d[len(d)*95/100]
}

func encode(t *testing.T, x Telemetry) []byte {
	t.Helper()
	var all []byte
	add := func(b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	for _, name := range Services() {
		if ld, ok := x.Logs[name]; ok {
			add((&plog.ProtoMarshaler{}).MarshalLogs(ld))
		}
		if td, ok := x.Traces[name]; ok {
			add((&ptrace.ProtoMarshaler{}).MarshalTraces(td))
		}
		if md, ok := x.Metrics[name]; ok {
			add((&pmetric.ProtoMarshaler{}).MarshalMetrics(md))
		}
	}
	return all
}

func TestSameSeedSameTelemetry(t *testing.T) {
	story := func(seed uint64) []byte {
		s := New(Options{Seed: seed})
		all := encode(t, s.Step(start, start.Add(3*time.Second)))
		s.Deploy("1.4.2")
		all = append(all, encode(t, s.Step(start.Add(3*time.Second), start.Add(8*time.Second)))...)
		s.Rollback()
		return append(all, encode(t, s.Step(start.Add(8*time.Second), start.Add(10*time.Second)))...)
	}
	if !bytes.Equal(story(7), story(7)) {
		t.Error("two shops of one seed differ")
	}
	if bytes.Equal(story(7), story(8)) {
		t.Error("shops of two seeds are the same")
	}
}

func TestCutOfStepsDoesNotShow(t *testing.T) {
	describe := func(step time.Duration) []string {
		h := run(t, New(Options{Seed: 3}), start, 6*time.Second, step)
		var out []string
		for i, r := range h.logs {
			out = append(out, fmt.Sprint(h.service[i], r.Timestamp(), r.TraceID(), r.Body().Str()))
		}
		for i, sp := range h.spans {
			out = append(out, fmt.Sprint(h.owner[i], sp.StartTimestamp(), sp.EndTimestamp(), sp.SpanID(), sp.Name(), sp.Attributes().AsRaw()))
		}
		for _, name := range slices.Sorted(maps.Keys(h.points)) {
			out = append(out, fmt.Sprint(name, len(h.points[name])))
		}
		slices.Sort(out)
		return out
	}
	if !slices.Equal(describe(50*time.Millisecond), describe(3*time.Second)) {
		t.Error("steps of 50 ms and of 3 s give different telemetry")
	}
}

func TestTelemetryIsPlausible(t *testing.T) {
	h := run(t, New(Options{Seed: 1}), start, time.Minute, 100*time.Millisecond)
	end := start.Add(time.Minute)

	roots, byID := 0, map[pcommon.SpanID]int{}
	for i, sp := range h.spans {
		if _, twice := byID[sp.SpanID()]; twice || sp.SpanID().IsEmpty() || sp.TraceID().IsEmpty() {
			t.Fatal("a span has no id of its own")
		}
		byID[sp.SpanID()] = i
	}
	crossed := map[pcommon.TraceID]map[string]bool{}
	for i, sp := range h.spans {
		if crossed[sp.TraceID()] == nil {
			crossed[sp.TraceID()] = map[string]bool{}
		}
		crossed[sp.TraceID()][h.owner[i]] = true
		a := sp.Attributes()
		want := []string{"http.request.method", "server.address"}
		if sp.Kind() == ptrace.SpanKindServer {
			want = append(want, "http.route", "url.path", "http.response.status_code")
		}
		for _, key := range want {
			if _, ok := a.Get(key); !ok {
				t.Errorf("span %q of %s has no %s", sp.Name(), h.owner[i], key)
			}
		}
		if sp.ParentSpanID().IsEmpty() {
			roots++
			continue
		}
		// A parent ends after its child here, so it may be missing at the end of the minute only.
		p, ok := byID[sp.ParentSpanID()]
		if !ok {
			if end.Sub(sp.EndTimestamp().AsTime()) > time.Second {
				t.Errorf("the parent of span %q never came", sp.Name())
			}
			continue
		}
		parent := h.spans[p]
		if parent.TraceID() != sp.TraceID() || parent.StartTimestamp() > sp.StartTimestamp() || parent.EndTimestamp() < sp.EndTimestamp() {
			t.Errorf("span %q lies outside of its parent %q", sp.Name(), parent.Name())
		}
		if sp.Kind() == ptrace.SpanKindServer && parent.Kind() != ptrace.SpanKindClient {
			t.Errorf("server span %q was not called by a client span", sp.Name())
		}
	}
	if roots < 60*40*9/10 || roots > 60*40*11/10 {
		t.Errorf("%d requests in a minute, want about %d", roots, 60*40)
	}
	whole := 0
	for _, services := range crossed {
		if len(services) == len(Services()) {
			whole++
		}
	}
	if whole < roots/2 {
		t.Errorf("only %d of %d traces cross all services", whole, roots)
	}
	for _, r := range h.logs {
		if r.Timestamp() == 0 || r.SeverityText() == "" || r.Body().Str() == "" {
			t.Fatal("a log record lacks its time, level or body")
		}
		if _, ok := byID[r.SpanID()]; !ok && end.Sub(r.Timestamp().AsTime()) > time.Second {
			t.Errorf("the span of log %q never came", r.Body().Str())
		}
	}
	for name, want := range map[string]int{
		"http.server.request.duration": 4 * 59, "system.cpu.utilization": 4 * 59, "process.memory.usage": 4 * 59,
		"http.server.active_requests": 4 * 59, "shop.orders.queue.size": 59, "shop.orders.processed": 59,
	} {
		if got := len(h.points[name]); got < want || got > want+4 {
			t.Errorf("%s was sent %d times in a minute, want about %d", name, got, want)
		}
	}
	if p := h.p95(start, end); p < 90*time.Millisecond || p > 160*time.Millisecond {
		t.Errorf("checkout's p95 is %s, want about 120 ms", p)
	}
}

func TestBackgroundErrorsAreRare(t *testing.T) {
	// Ten minutes of several seeds: no 15 s come near what an incident gives in its first second.
	for seed := range uint64(2) {
		h := run(t, New(Options{Seed: seed}), start, 10*time.Minute, 10*time.Second)
		times := map[string][]time.Time{}
		total := 0
		for i, r := range h.logs {
			if r.SeverityNumber() >= plog.SeverityNumberError {
				times[h.service[i]] = append(times[h.service[i]], r.Timestamp().AsTime())
				total++
			}
		}
		for name, at := range times {
			for i := range at {
				if i >= 8 && at[i].Sub(at[i-8]) < 15*time.Second {
					t.Errorf("seed %d: nine errors of %s within 15 s without an incident", seed, name)
				}
			}
		}
		if total < 40 {
			t.Errorf("seed %d: %d errors in ten minutes: nothing goes wrong on a good day", seed, total)
		}
	}
}

func TestIncident(t *testing.T) {
	for seed := range uint64(5) {
		s := New(Options{Seed: seed})
		run(t, s, start, 10*time.Second, 100*time.Millisecond)
		if !s.FirstError().IsZero() {
			t.Fatal("there is a first error before any deploy")
		}
		deployed := start.Add(10 * time.Second)
		s.Deploy("1.4.2")
		h := run(t, s, deployed, 20*time.Second, 100*time.Millisecond)

		first := s.FirstError()
		if first.Before(deployed) || first.Sub(deployed) > 500*time.Millisecond {
			t.Errorf("seed %d: the first error came %s after the deploy", seed, first.Sub(deployed))
		}
		if n := h.errors(Checkout, first, first.Add(time.Second)); n < 11 {
			t.Errorf("seed %d: %d errors of checkout in the first second, want more than ten", seed, n)
		}
		if n := h.errors(Checkout, deployed, deployed.Add(20*time.Second)); n < 8*20 {
			t.Errorf("seed %d: %d errors of checkout in 20 s", seed, n)
		}
		if p := h.p95(deployed.Add(4*time.Second), deployed.Add(20*time.Second)); p < time.Second {
			t.Errorf("seed %d: checkout's p95 is %s during the incident", seed, p)
		}
		counts := map[string]int{}
		for i, r := range h.logs {
			if r.SeverityNumber() < plog.SeverityNumberError || h.service[i] == Inventory {
				continue
			}
			for _, key := range []string{"exception.type", "exception.message", "exception.stacktrace"} {
				if _, ok := r.Attributes().Get(key); !ok {
					t.Errorf("error log %q has no %s", r.Body().Str(), key)
				}
			}
			if strings.Contains(r.Body().Str(), "upstream timeout after 2000ms order=ord-") {
				counts["acquirer"]++
			}
		}
		for i, sp := range h.spans {
			if code, ok := sp.Attributes().Get("http.response.status_code"); ok && h.owner[i] == Checkout && sp.Kind() == ptrace.SpanKindServer {
				counts[code.AsString()]++
				if _, hasType := sp.Attributes().Get("error.type"); hasType != (code.Int() >= 500) {
					t.Errorf("a checkout of status %d: has error.type %v", code.Int(), hasType)
				}
			}
		}
		for _, want := range []string{"acquirer", "200", "500", "504"} {
			if counts[want] == 0 {
				t.Errorf("seed %d: nothing ended as %s during the incident: %v", seed, want, counts)
			}
		}

		s.Rollback()
		after := run(t, s, deployed.Add(20*time.Second), 30*time.Second, 100*time.Millisecond)
		calm := deployed.Add(24 * time.Second)
		if n := after.errors(Checkout, calm, calm.Add(15*time.Second)); n > 8 {
			t.Errorf("seed %d: %d errors of checkout in 15 s after the rollback", seed, n)
		}
		if s.FirstError() != first {
			t.Error("the first error changed after the rollback")
		}
	}
}

func TestQueueGrowsAndDrains(t *testing.T) {
	s := New(Options{Seed: 5})
	size := func(from time.Time, d time.Duration) (last int64) {
		for at := from; at.Before(from.Add(d)); at = at.Add(time.Second) {
			md, ok := s.Step(at, at.Add(time.Second)).Metrics[Checkout]
			if !ok {
				continue
			}
			for _, rm := range md.ResourceMetrics().All() {
				for _, sm := range rm.ScopeMetrics().All() {
					for _, m := range sm.Metrics().All() {
						if m.Name() == "shop.orders.queue.size" {
							last = m.Gauge().DataPoints().At(0).IntValue()
						}
					}
				}
			}
		}
		return last
	}
	before := size(start, 10*time.Second)
	s.Deploy("1.4.2")
	during := size(start.Add(10*time.Second), 20*time.Second)
	s.Rollback()
	after := size(start.Add(30*time.Second), 20*time.Second)
	if before > 20 || during < 150 || after > 20 {
		t.Errorf("the queue holds %d orders before, %d at the end of and %d after the incident", before, during, after)
	}
}

func TestDeployChangesVersionAndRestartsCounters(t *testing.T) {
	s := New(Options{Seed: 2})
	describe := func(x Telemetry) (version, pod string, began pcommon.Timestamp) {
		rms := x.Metrics[Payment].ResourceMetrics()
		rm := rms.At(rms.Len() - 1)
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() == "http.server.request.duration" {
					began = m.Histogram().DataPoints().At(0).StartTimestamp()
				}
			}
		}
		v, _ := rm.Resource().Attributes().Get("service.version")
		p, _ := rm.Resource().Attributes().Get("k8s.pod.name")
		return v.Str(), p.Str(), began
	}
	version, pod, began := describe(s.Step(start, start.Add(5*time.Second)))
	s.Deploy("1.4.2")
	version2, pod2, began2 := describe(s.Step(start.Add(5*time.Second), start.Add(10*time.Second)))
	if version != "1.4.1" || version2 != "1.4.2" {
		t.Errorf("payment's version was %s and is %s", version, version2)
	}
	if pod == pod2 || began2.AsTime() != start.Add(5*time.Second) || began.AsTime() != start {
		t.Errorf("pod %s since %s became %s since %s", pod, began.AsTime(), pod2, began2.AsTime())
	}
}

func TestPauseBringsNoFlood(t *testing.T) {
	s := New(Options{Seed: 2})
	s.Step(start, start.Add(time.Second))
	h := &history{points: map[string][]string{}, t: t}
	later := start.Add(time.Hour)
	h.add(s.Step(later, later.Add(time.Second)))
	if len(h.spans) > 1000 {
		t.Errorf("%d spans came in the second after a pause of an hour", len(h.spans))
	}
}
