package e2e

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

// service is an OpenTelemetry SDK program that logs.
type service struct {
	t        testing.TB
	provider *sdk.LoggerProvider
	logger   log.Logger
}

// newService connects to an agent's OTLP/gRPC address.
func newService(t testing.TB, name, agent string) *service {
	t.Helper()
	exporter, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(agent), otlploggrpc.WithInsecure(),
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{
			Enabled: true, InitialInterval: 200 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: 5 * time.Minute,
		}), otlploggrpc.WithTimeout(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, provider: sdk.NewLoggerProvider(
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", name))),
		sdk.WithProcessor(sdk.NewBatchProcessor(exporter, sdk.WithExportTimeout(5*time.Minute), sdk.WithExportInterval(100*time.Millisecond))),
	)}
	s.logger = s.provider.Logger("e2e")
	t.Cleanup(func() { _ = s.provider.Shutdown(context.WithoutCancel(t.Context())) })
	return s
}

// logs emits n records of a severity, of now, and returns when the agent has accepted them.
func (s *service) logs(n int, severity log.Severity, body string) {
	s.t.Helper()
	s.emit(n, severity, body)
	if err := s.provider.ForceFlush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *service) emit(n int, severity log.Severity, body string) {
	for range n {
		var r log.Record
		r.SetTimestamp(time.Now())
		r.SetSeverity(severity)
		r.SetBody(attribute.StringValue(body))
		s.logger.Emit(s.t.Context(), r)
	}
}
