package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/format"
	"github.com/freshet-dev/freshet/rules"
)

// stage is stage 1 without Kafka: messages in, sections for freshet.panes out.
type stage struct {
	decoder  ingest.Decoder
	acc      *detect.Accumulator
	batch    ingest.Batch
	messages [][]byte
	now      int64 // event time of the next record
	offset   int64
}

func newStage(tb testing.TB, signal ingest.Signal, yaml string, messages [][]byte) *stage {
	tb.Helper()
	set, problems := rules.Parse("bench.yaml", []byte(yaml))
	if set == nil {
		tb.Fatal(problems)
	}
	decoder, err := format.New(signal, format.Auto, format.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	acc, err := detect.NewAccumulator(detect.AccumulatorOptions{
		Rules: set, Source: detect.Source{Topic: "bench"}, Partitions: 1, PanePartitions: 4, ClockTolerance: int64(time.Hour),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &stage{decoder: decoder, acc: acc, messages: messages, now: time.Now().UnixNano()}
}

// flushEvery is after how many messages panes are taken: 40,000 records, a tenth of a second at the speed of the wire.
const flushEvery = 400

// run decodes and accumulates messages, in turn, and returns the number of records.
func (s *stage) run(tb testing.TB, messages int) int {
	tb.Helper()
	records := 0
	for range messages {
		s.offset++
		if err := s.decoder.Decode(s.messages[int(s.offset)%len(s.messages)], &s.batch); err != nil {
			tb.Fatal(err)
		}
		for i := range s.batch.Records {
			s.batch.Records[i].Time = s.now // time goes on, though the messages are the same again and again
			s.now += int64(300 * time.Microsecond)
		}
		s.acc.Add(&s.batch, ingest.Origin{Topic: "bench", Offset: s.offset, Timestamp: s.now})
		records += len(s.batch.Records)
		if s.offset%flushEvery == 0 {
			s.acc.Take()
		}
	}
	return records
}

// cpu returns the time that f takes of the processor, of which others cannot take any away as of the clock's.
func cpu(tb testing.TB, f func()) time.Duration {
	tb.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			tb.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	f()
	return used() - before
}

// logRules are ten of the kinds that a team has, all of them about every log.
const logRules = `
groups:
  - name: logs
    rules:
      - {alert: Errors, from: logs, by: [service.name], when: count(severity >= ERROR) > 1000000}
      - {alert: ErrorRatio, from: logs, by: [service.name], when: count(severity >= ERROR) / count() > 1}
      - {alert: Warnings, from: logs, by: [host.name], when: rate(severity >= WARN) > 1000000}
      - {alert: ServerErrors, from: logs, by: [service.name, http.route], when: count(http.response.status_code >= 500) > 1000000}
      - {alert: Fatal, from: logs, by: [service.name], when: count(severity >= FATAL) > 0}
      - {alert: Volume, from: logs, by: [service.name], when: count() > 1000000000}
      - {alert: Posts, from: logs, by: [http.route], when: 'count(http.request.method == "POST" && http.response.status_code == 503) > 1000000'}
      - {alert: Status, from: logs, by: [service.name], when: max(http.response.status_code) > 599}
      - {alert: Canary, from: logs, by: [host.name], when: 'count(service.version == "1.5.0" && severity >= ERROR) > 10'}
      - {alert: Staging, from: logs, where: 'deployment.environment.name == "staging"', by: [service.name], when: count(severity >= ERROR) > 10}
`

// spanRules and metricRules are about every span and point.
var (
	spanRules   = tenRules("spans", "count(status == ERROR) > %d", "p99(duration) > %d", "count(http.response.status_code >= 500) / count() > %d", "max(duration) > %d", "rate(kind == SERVER) > %d")
	metricRules = tenRules("metrics", `avg(metric("system.cpu.utilization")) > %d`, `max(metric("system.cpu.utilization"), cpu.mode == "user") > %d`, "count() > %d", `min(metric("system.cpu.utilization")) > %d`, `last(metric("system.cpu.utilization")) > %d`)
)

// tenRules makes two rules of each of five conditions.
func tenRules(from string, conditions ...string) string {
	b := strings.Builder{}
	b.WriteString("groups:\n  - name: ten\n    rules:\n")
	for n := range 10 {
		by := []string{"service.name", "host.name"}[n/5]
		fmt.Fprintf(&b, "      - {alert: R%d, from: %s, by: [%s], when: '%s'}\n", n, from, by, fmt.Sprintf(conditions[n%5], 1_000_000))
	}
	return b.String()
}

func logMessages(tb testing.TB, services int) [][]byte {
	tb.Helper()
	w := reference(4 * services)
	w.start = time.Now()
	var e encoder
	out := make([][]byte, w.messages)
	for n := range out {
		m := w.message(n)
		m.service = n % services
		out[n] = e.encode(tb, n, m)
	}
	return out
}

func putResource(m pcommon.Map, service int) {
	m.PutStr("service.name", serviceName(service))
	m.PutStr("service.version", "1.4.2")
	m.PutStr("host.name", fmt.Sprintf("node-%d", service%16))
}

func spanMessages(tb testing.TB) [][]byte {
	tb.Helper()
	var out [][]byte
	for service := range services {
		traces := ptrace.NewTraces()
		rs := traces.ResourceSpans().AppendEmpty()
		putResource(rs.Resource().Attributes(), service)
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for i := range perMessage {
			s := spans.AppendEmpty()
			s.SetName("POST /api/v1/orders/{id}")
			s.SetTraceID(pcommon.TraceID{1, byte(service), byte(i)})
			s.SetSpanID(pcommon.SpanID{2, byte(i)})
			s.SetKind(ptrace.SpanKindServer)
			s.SetStartTimestamp(1_780_000_000_000_000_000)
			s.SetEndTimestamp(pcommon.Timestamp(1_780_000_000_010_000_000 + i*100_000))
			a := s.Attributes()
			a.PutStr("http.request.method", "POST")
			a.PutStr("http.route", "/api/v1/orders/{id}")
			a.PutInt("http.response.status_code", int64(200+i%20/19*303))
			a.PutStr("user.id", userID(service, i))
		}
		value, err := new(ptrace.ProtoMarshaler).MarshalTraces(traces)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, value)
	}
	return out
}

func metricMessages(tb testing.TB) [][]byte {
	tb.Helper()
	var out [][]byte
	for service := range services {
		metrics := pmetric.NewMetrics()
		rm := metrics.ResourceMetrics().AppendEmpty()
		putResource(rm.Resource().Attributes(), service)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("system.cpu.utilization")
		m.SetUnit("1")
		points := m.SetEmptyGauge().DataPoints()
		for i := range perMessage {
			p := points.AppendEmpty()
			p.SetTimestamp(1_780_000_060_000_000_000)
			p.SetDoubleValue(float64(i) / perMessage)
			p.Attributes().PutStr("cpu.mode", []string{"user", "idle"}[i%2])
			p.Attributes().PutInt("cpu.logical_number", int64(i/2))
		}
		value, err := new(pmetric.ProtoMarshaler).MarshalMetrics(metrics)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, value)
	}
	return out
}

// BenchmarkStage1 decodes and accumulates with ten rules, on one core.
func BenchmarkStage1(b *testing.B) {
	for _, s := range []struct {
		signal   ingest.Signal
		rules    string
		messages [][]byte
	}{
		{ingest.Logs, logRules, logMessages(b, services)},
		{ingest.Spans, spanRules, spanMessages(b)},
		{ingest.Metrics, metricRules, metricMessages(b)},
	} {
		b.Run(s.signal.String(), func(b *testing.B) {
			st := newStage(b, s.signal, s.rules, s.messages)
			st.run(b, 10*flushEvery) // all groups and panes are there
			st.acc.Take()
			var speeds []float64
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			records := 0
			for b.Loop() {
				n := 0
				took := cpu(b, func() { n = st.run(b, flushEvery) })
				records += n
				speeds = append(speeds, float64(n)/took.Seconds())
			}
			runtime.ReadMemStats(&after)
			figures("stage1_"+s.signal.String()+"_per_core", "records/s", speeds)
			fmt.Printf("figure: stage1_%s_allocations %.4f per_record\n", s.signal, float64(after.Mallocs-before.Mallocs)/float64(records))
		})
	}
}

// BenchmarkRules compares a thousand rules with ten, of which each is about one of a hundred services, or about all.
func BenchmarkRules(b *testing.B) {
	const hundred = 100
	messages := logMessages(b, hundred)
	for _, kind := range []struct{ name, where string }{{"bound", `where: 'service.name == "%s"', `}, {"unbound", ""}} {
		cost := func(rules int) float64 {
			yaml := strings.Builder{}
			yaml.WriteString("groups:\n  - name: many\n    rules:\n")
			for n := range rules {
				where := kind.where
				if where != "" {
					where = fmt.Sprintf(where, serviceName(n%hundred))
				}
				fmt.Fprintf(&yaml, "      - {alert: R%d, from: logs, %sby: [service.name], when: count(severity >= ERROR) > %d}\n", n, where, 1_000_000+n)
			}
			s := newStage(b, ingest.Logs, yaml.String(), messages)
			s.run(b, hundred)
			rounds := make([]float64, 3)
			for i := range rounds {
				n := 0
				took := cpu(b, func() { n = s.run(b, hundred) })
				rounds[i] = float64(took.Nanoseconds()) / float64(n)
			}
			slices.Sort(rounds)
			return rounds[len(rounds)/2]
		}
		b.Run(kind.name, func(*testing.B) {
			ten, thousand := cost(10), cost(1000)
			name := "thousand_rules_cpu_over_ten"
			if kind.where == "" {
				name = "thousand_unbound_rules_cpu_over_ten"
			}
			fmt.Printf("figure: %s %s x\n", name, short(thousand/ten))
			fmt.Printf("        %s ns a record with ten rules, %s with a thousand\n", short(ten), short(thousand))
		})
	}
}
