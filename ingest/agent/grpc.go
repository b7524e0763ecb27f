package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // senders may compress
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/durationpb"
)

const receiverGRPC = "otlp_grpc"

// drainTime bounds how long a receiver waits for requests in flight when it stops; each of them is bounded by the
// produce timeout already, so this only ends what hangs.
const drainTime = 30 * time.Second

// grpcReceiver receives OTLP over gRPC.
type grpcReceiver struct {
	listener net.Listener
	server   *grpc.Server
	health   *health.Server
}

func newGRPCReceiver(l net.Listener, d *delivery, maxRequest int) *grpcReceiver {
	r := &grpcReceiver{
		listener: l,
		health:   health.NewServer(),
		server: grpc.NewServer(
			grpc.MaxRecvMsgSize(maxRequest),
			grpc.MaxConcurrentStreams(128), // of one connection; more wait at the sender
			grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
				// A message is decoded before its handler can weigh it, so refuse the next before reading it.
				if d.full() && strings.HasPrefix(info.FullMethodName, "/opentelemetry.") {
					d.metrics.refused.WithLabelValues(receiverGRPC, refusedBusy).Inc()
					return ctx, d.grpcError(errBusy)
				}
				return ctx, nil
			}),
			// Many senders ping idle connections more often than gRPC's default of five minutes allows.
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
			grpc.StatsHandler(refusals{d.metrics}),
		),
	}
	plogotlp.RegisterGRPCServer(r.server, &logsServer{d: d})
	pmetricotlp.RegisterGRPCServer(r.server, &metricsServer{d: d})
	ptraceotlp.RegisterGRPCServer(r.server, &tracesServer{d: d})
	grpc_health_v1.RegisterHealthServer(r.server, r.health)
	return r
}

// run serves until ctx ends, then lets requests in flight finish.
func (r *grpcReceiver) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(r.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving OTLP over gRPC: %w", err)
	case <-ctx.Done():
	}
	r.health.Shutdown()
	timer := time.AfterFunc(drainTime, r.server.Stop)
	defer timer.Stop()
	r.server.GracefulStop()
	if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serving OTLP over gRPC: %w", err)
	}
	return nil
}

type logsServer struct {
	plogotlp.UnimplementedGRPCServer
	d *delivery
}

// Export implements plogotlp.GRPCServer.
func (s *logsServer) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	response := plogotlp.NewExportResponse()
	p, err := s.d.logs(request.Logs())
	if err == nil {
		err = s.d.sendWithin(ctx, receiverGRPC, p)
	}
	if err != nil {
		return response, s.d.grpcError(err)
	}
	if p.rejected > 0 {
		response.PartialSuccess().SetRejectedLogRecords(int64(p.rejected))
		response.PartialSuccess().SetErrorMessage(p.rejection())
	}
	return response, nil
}

type metricsServer struct {
	pmetricotlp.UnimplementedGRPCServer
	d *delivery
}

// Export implements pmetricotlp.GRPCServer.
func (s *metricsServer) Export(ctx context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	response := pmetricotlp.NewExportResponse()
	p, err := s.d.points(request.Metrics())
	if err == nil {
		err = s.d.sendWithin(ctx, receiverGRPC, p)
	}
	if err != nil {
		return response, s.d.grpcError(err)
	}
	if p.rejected > 0 {
		response.PartialSuccess().SetRejectedDataPoints(int64(p.rejected))
		response.PartialSuccess().SetErrorMessage(p.rejection())
	}
	return response, nil
}

type tracesServer struct {
	ptraceotlp.UnimplementedGRPCServer
	d *delivery
}

// Export implements ptraceotlp.GRPCServer.
func (s *tracesServer) Export(ctx context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	response := ptraceotlp.NewExportResponse()
	p, err := s.d.spans(request.Traces())
	if err == nil {
		err = s.d.sendWithin(ctx, receiverGRPC, p)
	}
	if err != nil {
		return response, s.d.grpcError(err)
	}
	if p.rejected > 0 {
		response.PartialSuccess().SetRejectedSpans(int64(p.rejected))
		response.PartialSuccess().SetErrorMessage(p.rejection())
	}
	return response, nil
}

// sendWithin sends a parcel if there is room for it in flight.
func (d *delivery) sendWithin(ctx context.Context, receiver string, p *parcel) error {
	size := int64(p.bytes)
	if err := d.reserve(size); err != nil {
		return err
	}
	defer d.release(size)
	return d.send(ctx, receiver, p)
}

// grpcError returns the status that makes a sender do the right thing: OTLP retries RESOURCE_EXHAUSTED only when it
// comes with RetryInfo, and UNAVAILABLE always.
func (d *delivery) grpcError(err error) error {
	code := codes.Internal
	switch {
	case errors.Is(err, errBusy):
		code = codes.ResourceExhausted
	case errors.Is(err, errKafka):
		code = codes.Unavailable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	st := status.New(code, err.Error())
	if code == codes.Internal {
		return st.Err()
	}
	detailed, detailErr := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	if detailErr != nil {
		return st.Err()
	}
	return detailed.Err()
}

// refusals counts the requests that ended with an error, including those that gRPC itself refuses before a handler
// sees them.
type refusals struct{ metrics *metrics }

// HandleRPC implements stats.Handler.
func (r refusals) HandleRPC(_ context.Context, s stats.RPCStats) {
	end, ok := s.(*stats.End)
	if !ok || end.Error == nil {
		return
	}
	st := status.Convert(end.Error)
	reason := refusedMalformed
	switch st.Code() {
	case codes.ResourceExhausted:
		reason = refusedTooLarge
		if len(st.Details()) > 0 {
			reason = refusedBusy
		}
	case codes.Unavailable:
		reason = refusedKafka
	case codes.Canceled, codes.DeadlineExceeded:
		reason = refusedCanceled
	case codes.Unimplemented:
		reason = refusedUnsupported
	default:
	}
	r.metrics.refused.WithLabelValues(receiverGRPC, reason).Inc()
}

// TagRPC implements stats.Handler.
func (refusals) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (refusals) HandleConn(context.Context, stats.ConnStats) {}

// TagConn implements stats.Handler.
func (refusals) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
