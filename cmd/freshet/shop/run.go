package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	// sendEvery is the time between two steps: small, so that little of the time to an alert is spent here.
	sendEvery = 100 * time.Millisecond
	// catchUp is the longest step; after a longer pause of the process no customers came in between.
	catchUp = 2 * time.Second
	// backlog is how many steps a service keeps while its agent is away; then it drops, as an SDK does.
	backlog = 300
	// retryEvery is the time between two attempts to reach an agent that is away.
	retryEvery = 250 * time.Millisecond
	// rpcTimeout bounds one attempt.
	rpcTimeout = 10 * time.Second
)

// Run steps the shop by the clock and sends what each service gives to the agent of that service by OTLP over gRPC,
// until ctx ends; then it returns nil. targets are host:port addresses by service, one for each of Services. What an
// agent asks to retry is sent again.
func Run(ctx context.Context, s *Shop, targets map[string]string, log *slog.Logger) error {
	for _, name := range Services() {
		if targets[name] == "" {
			return fmt.Errorf("running the shop: service %s has no agent to send to", name)
		}
	}
	senders := map[string]*sender{}
	for _, name := range Services() {
		conn, err := grpc.NewClient("passthrough:///"+targets[name], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return fmt.Errorf("running the shop: connecting %s to its agent: %w", name, err)
		}
		defer func() { _ = conn.Close() }()
		senders[name] = newSender(name, conn, log)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, sd := range senders {
		group.Go(func() error { return sd.run(ctx) })
	}
	group.Go(func() error {
		ticker := time.NewTicker(sendEvery)
		defer ticker.Stop()
		from := time.Now()
		for {
			select {
			case <-ctx.Done():
				return nil
			case to := <-ticker.C:
				if !to.After(from) {
					continue
				}
				if to.Sub(from) > catchUp {
					from = to.Add(-sendEvery)
				}
				telemetry := s.Step(from, to)
				from = to
				for name, sd := range senders {
					sd.offer(telemetry.of(name))
				}
			}
		}
	})
	return group.Wait()
}

// parcel is what one service sends of one step.
type parcel struct {
	logs    plog.Logs
	metrics pmetric.Metrics
	traces  ptrace.Traces
	has     [3]bool
}

func (t Telemetry) of(service string) (p parcel) {
	p.logs, p.has[0] = t.Logs[service]
	p.metrics, p.has[1] = t.Metrics[service]
	p.traces, p.has[2] = t.Traces[service]
	return p
}

// sender sends for one service, in order.
type sender struct {
	service string
	waiting chan parcel
	logs    plogotlp.GRPCClient
	metrics pmetricotlp.GRPCClient
	traces  ptraceotlp.GRPCClient
	log     *slog.Logger
	away    bool
	full    bool
}

func newSender(service string, conn *grpc.ClientConn, log *slog.Logger) *sender {
	return &sender{
		service: service,
		waiting: make(chan parcel, backlog),
		logs:    plogotlp.NewGRPCClient(conn),
		metrics: pmetricotlp.NewGRPCClient(conn),
		traces:  ptraceotlp.NewGRPCClient(conn),
		log:     log.With("service", service),
	}
}

// offer takes a parcel if there is room. It is called by one goroutine.
func (sd *sender) offer(p parcel) {
	if !slices.Contains(p.has[:], true) {
		return
	}
	select {
	case sd.waiting <- p:
		sd.full = false
	default:
		if !sd.full {
			sd.full = true
			sd.log.Warn("the agent takes nothing; telemetry of the simulated service is dropped")
		}
	}
}

func (sd *sender) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-sd.waiting:
			// Logs first: they carry the errors that an alert waits for.
			err := errors.Join(
				sd.send(ctx, p.has[0], func(ctx context.Context) error {
					_, err := sd.logs.Export(ctx, plogotlp.NewExportRequestFromLogs(p.logs))
					return err
				}),
				sd.send(ctx, p.has[2], func(ctx context.Context) error {
					_, err := sd.traces.Export(ctx, ptraceotlp.NewExportRequestFromTraces(p.traces))
					return err
				}),
				sd.send(ctx, p.has[1], func(ctx context.Context) error {
					_, err := sd.metrics.Export(ctx, pmetricotlp.NewExportRequestFromMetrics(p.metrics))
					return err
				}),
			)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("sending the telemetry of %s: %w", sd.service, err)
			}
		}
	}
}

// send repeats a call for as long as its error asks for that.
func (sd *sender) send(ctx context.Context, has bool, call func(context.Context) error) error {
	for has {
		within, cancel := context.WithTimeout(ctx, rpcTimeout)
		err := call(within)
		cancel()
		switch status.Code(err) {
		case codes.OK:
			if sd.away {
				sd.away = false
				sd.log.Info("the agent takes telemetry again")
			}
			return nil
		case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Canceled:
			if !sd.away && ctx.Err() == nil {
				sd.away = true
				sd.log.Info("the agent does not take telemetry now; it is sent again", "error", err)
			}
		default:
			return err
		}
		timer := time.NewTimer(retryEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
	return nil
}
