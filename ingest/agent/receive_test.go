package agent

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func testResource() *resource.Resource {
	return resource.NewSchemaless(attribute.String("service.name", "checkout"), attribute.Int("shard", 7))
}

// The exporters of the OpenTelemetry SDK, as users have them, in both protocols and with compression.

func logExporters(t *testing.T, a *running) map[string]log.Exporter {
	t.Helper()
	g, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(a.Addrs().GRPC.String()), otlploggrpc.WithInsecure(),
		otlploggrpc.WithCompressor("gzip"),
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond, MaxElapsedTime: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	h, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpoint(a.Addrs().HTTP.String()), otlploghttp.WithInsecure(),
		otlploghttp.WithCompression(otlploghttp.GzipCompression),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond, MaxElapsedTime: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]log.Exporter{"grpc": g, "http": h}
}

func TestLogsOfTheSDK(t *testing.T) {
	for _, protocol := range []string{"grpc", "http"} {
		for _, failures := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s, Kafka fails %d times", protocol, failures), func(t *testing.T) {
				t.Parallel()
				a := runAgent(t, nil)
				a.kafka.failures = failures
				provider := log.NewLoggerProvider(log.WithResource(testResource()),
					log.WithProcessor(log.NewBatchProcessor(logExporters(t, a)[protocol])))
				logger := provider.Logger("test", otellog.WithInstrumentationVersion("1.2.3"))
				at := time.Unix(1_700_000_000, 123)
				var want []string
				for i := range 200 {
					var r otellog.Record
					r.SetTimestamp(at)
					r.SetSeverity(otellog.SeverityError)
					r.SetBody(attribute.StringValue(fmt.Sprint("message ", i)))
					r.AddAttributes(attribute.Int("i", i))
					logger.Emit(t.Context(), r)
					want = append(want, fmt.Sprint("message ", i))
				}
				if err := provider.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				var got []string
				for i, r := range a.kafka.records(t) {
					got = append(got, r.Body().Str())
					if n, ok := r.Attributes().Get("i"); !ok || n.Int() != int64(i) || r.SeverityNumber() != plog.SeverityNumberError || !r.Timestamp().AsTime().Equal(at) {
						t.Fatalf("record %d is not what was sent: %v", i, r.Attributes().AsRaw())
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%d records arrived, want %d", len(got), len(want))
				}
				rl := a.kafka.logs(t)[0]
				if raw := rl.Resource().Attributes().AsRaw(); raw["service.name"] != "checkout" || raw["shard"] != int64(7) || len(raw) != 2 {
					t.Errorf("the resource is %v", raw)
				}
				if s := rl.ScopeLogs().At(0).Scope(); s.Name() != "test" || s.Version() != "1.2.3" {
					t.Errorf("the scope is %s %s", s.Name(), s.Version())
				}
			})
		}
	}
}

func TestTracesOfTheSDK(t *testing.T) {
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			a := runAgent(t, nil)
			a.kafka.failures = 1
			var exporter trace.SpanExporter
			var err error
			if protocol == "grpc" {
				exporter, err = otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(a.Addrs().GRPC.String()), otlptracegrpc.WithInsecure(),
					otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond, MaxElapsedTime: time.Minute}))
			} else {
				exporter, err = otlptracehttp.New(t.Context(), otlptracehttp.WithEndpoint(a.Addrs().HTTP.String()), otlptracehttp.WithInsecure(),
					otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
					otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond, MaxElapsedTime: time.Minute}))
			}
			if err != nil {
				t.Fatal(err)
			}
			provider := trace.NewTracerProvider(trace.WithResource(testResource()), trace.WithBatcher(exporter))
			ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
			for i := range 100 {
				_, child := provider.Tracer("test").Start(ctx, fmt.Sprint("child ", i))
				child.End()
			}
			parent.End()
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			spans := a.kafka.spans(t)
			if len(spans) != 101 {
				t.Fatalf("%d spans arrived, want 101", len(spans))
			}
			root := spans[100]
			for i, s := range spans[:100] {
				if s.Name() != fmt.Sprint("child ", i) || s.ParentSpanID() != root.SpanID() || s.TraceID() != root.TraceID() {
					t.Errorf("span %d is %q with parent %s", i, s.Name(), s.ParentSpanID())
				}
			}
		})
	}
}

func TestMetricsOfTheSDK(t *testing.T) {
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			a := runAgent(t, nil)
			a.kafka.failures = 1
			var exporter metric.Exporter
			var err error
			if protocol == "grpc" {
				exporter, err = otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(a.Addrs().GRPC.String()), otlpmetricgrpc.WithInsecure(),
					otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: true, InitialInterval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond, MaxElapsedTime: time.Minute}))
			} else {
				exporter, err = otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(a.Addrs().HTTP.String()), otlpmetrichttp.WithInsecure(),
					otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond, MaxElapsedTime: time.Minute}))
			}
			if err != nil {
				t.Fatal(err)
			}
			provider := metric.NewMeterProvider(metric.WithResource(testResource()), metric.WithReader(metric.NewPeriodicReader(exporter, metric.WithInterval(time.Hour))))
			meter := provider.Meter("test")
			counter, err := meter.Int64Counter("orders")
			if err != nil {
				t.Fatal(err)
			}
			histogram, err := meter.Float64Histogram("http.server.request.duration")
			if err != nil {
				t.Fatal(err)
			}
			for range 42 {
				counter.Add(t.Context(), 1)
				histogram.Record(t.Context(), 0.25)
			}
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := map[string]pmetric.Metric{}
			for _, m := range a.kafka.metrics(t) {
				got[m.Name()] = m
			}
			if n := got["orders"].Sum().DataPoints().At(0).IntValue(); n != 42 {
				t.Errorf("orders is %d, want 42", n)
			}
			if p := got["http.server.request.duration"].Histogram().DataPoints().At(0); p.Count() != 42 || p.Sum() != 42*0.25 {
				t.Errorf("the histogram has count %d, sum %g", p.Count(), p.Sum())
			}
		})
	}
}

// TestPartOfARequestIsSentAgain has Kafka take half of a request before it fails: the retry brings all of it.
func TestPartOfARequestIsSentAgain(t *testing.T) {
	a := runAgent(t, func(c *Config) { c.Limits.MaxRecordBytes = 1 << 10; c.Limits.MaxLineBytes = 256 })
	a.kafka.failures, a.kafka.half = 1, true
	provider := log.NewLoggerProvider(log.WithProcessor(log.NewBatchProcessor(logExporters(t, a)["grpc"])))
	for i := range 300 {
		var r otellog.Record
		r.SetBody(attribute.StringValue(fmt.Sprint(i)))
		provider.Logger("test").Emit(t.Context(), r)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range a.kafka.records(t) {
		seen[r.Body().Str()]++
	}
	for i := range 300 {
		if n := seen[fmt.Sprint(i)]; n != 1 && n != 2 {
			t.Errorf("record %d arrived %d times", i, n)
		}
	}
}

// dial returns a client of the agent's log service.
func dial(t *testing.T, a *running) (plogotlp.GRPCClient, *grpc.ClientConn) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+a.Addrs().GRPC.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return plogotlp.NewGRPCClient(conn), conn
}

func logsOf(bodies ...string) plog.Logs {
	ld := plog.NewLogs()
	sl := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for _, b := range bodies {
		sl.LogRecords().AppendEmpty().Body().SetStr(b)
	}
	return ld
}

func retryInfo(err error) bool {
	return slices.ContainsFunc(status.Convert(err).Details(), func(d any) bool { _, ok := d.(*errdetails.RetryInfo); return ok })
}

func TestGRPCRefusals(t *testing.T) {
	a := runAgent(t, func(c *Config) {
		c.Limits = Limits{MaxRequestBytes: 2 << 10, MaxRecordBytes: 1 << 10, MaxInFlightBytes: 2 << 10, MaxLineBytes: 256,
			ProduceTimeout: 10 * time.Second, PollInterval: time.Second}
	})
	client, conn := dial(t, a)
	export := func(bodies ...string) (plogotlp.ExportResponse, error) {
		return client.Export(t.Context(), plogotlp.NewExportRequestFromLogs(logsOf(bodies...)))
	}
	long := func(n int) string { return string(slices.Repeat([]byte("x"), n)) }

	a.kafka.failures = 1
	if _, err := export("x"); status.Code(err) != codes.Unavailable || !retryInfo(err) {
		t.Errorf("without Kafka the error is %v", err)
	}
	if err := a.Ready(); err == nil {
		t.Error("the agent is ready while Kafka is away")
	}
	if _, err := export("x"); err != nil || a.Ready() != nil {
		t.Errorf("with Kafka back: %v, ready: %v", err, a.Ready())
	}

	if _, err := export(long(3 << 10)); status.Code(err) != codes.ResourceExhausted || retryInfo(err) {
		t.Errorf("for a request that is too large the error is %v; it must not be retried", err)
	}

	r, err := export("a", long(1500), "b")
	if err != nil || r.PartialSuccess().RejectedLogRecords() != 1 || r.PartialSuccess().ErrorMessage() == "" {
		t.Errorf("a record that is too large: %v, %d rejected", err, r.PartialSuccess().RejectedLogRecords())
	}

	// Two requests wait for Kafka; a third finds no room.
	hold, holding := make(chan struct{}), make(chan struct{})
	a.kafka.set(func(k *fakeKafka) { k.hold, k.holding = hold, holding })
	results := make(chan error, 2)
	for range 2 {
		go func() { _, err := export(long(900)); results <- err }()
		<-holding
	}
	if _, err := export(long(900)); status.Code(err) != codes.ResourceExhausted || !retryInfo(err) {
		t.Errorf("with too much in flight the error is %v", err)
	}
	a.kafka.set(func(k *fakeKafka) { k.hold = nil })
	close(hold)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if _, err := export(long(900)); err != nil {
		t.Errorf("after the others ended: %v", err)
	}

	// Nothing more is even read when no room is left.
	if err := a.delivery.reserve(a.delivery.capacity); err != nil {
		t.Fatal(err)
	}
	if _, err := export("x"); status.Code(err) != codes.ResourceExhausted || !retryInfo(err) {
		t.Errorf("with no room left the error is %v", err)
	}

	health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || health.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	want := map[string]float64{"kafka": 1, "too_large": 1, "busy": 2}
	eventually(t, "the refusals to be counted", func() bool {
		for reason, n := range want {
			if testutil.ToFloat64(a.delivery.metrics.refused.WithLabelValues(receiverGRPC, reason)) != n {
				return false
			}
		}
		return true
	})
}

// TestStopLetsRequestsFinish ends the agent while a request waits for Kafka: it is acknowledged.
func TestStopLetsRequestsFinish(t *testing.T) {
	a := runAgent(t, nil)
	client, _ := dial(t, a)
	hold, holding := make(chan struct{}), make(chan struct{})
	a.kafka.set(func(k *fakeKafka) { k.hold, k.holding = hold, holding })
	result := make(chan error, 1)
	go func() {
		_, err := client.Export(context.Background(), plogotlp.NewExportRequestFromLogs(logsOf("x")))
		result <- err
	}()
	<-holding
	stopped := make(chan struct{})
	go func() { defer close(stopped); a.stop() }()
	eventually(t, "the agent to say that it ends", func() bool { return a.Ready() != nil })
	close(hold)
	if err := <-result; err != nil {
		t.Errorf("the request in flight ended with %v", err)
	}
	<-stopped
	if n := len(a.kafka.records(t)); n != 1 {
		t.Errorf("%d records were produced", n)
	}
}
