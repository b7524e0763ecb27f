// Package agent receives telemetry and puts it on Kafka: OTLP over gRPC and HTTP, and lines of files.
//
//	OTLP gRPC ─┐
//	OTLP HTTP ─┼─► split per resource, no larger than a limit ──► otlp_logs, otlp_metrics, otlp_spans
//	files     ─┘
//
// Promises. A request is answered with success only after Kafka acknowledged all of it, and a file's position moves
// only then. Otherwise the sender is told to retry, in the way that its protocol has for it, so what a well-behaved
// sender sent arrives at least once. It may arrive twice when an answer is lost, when only a part of a request was
// acknowledged before Kafka went away, or when the process dies between Kafka's acknowledgement and the write of the
// file positions, which follows at once. Records of one resource keep their order and go to one partition as long as
// the number of partitions stays. Records are passed on as they are; only configured resource attributes are added.
//
// The listeners have neither encryption nor authentication: they bind to the loopback interface unless told otherwise.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/ingest/agent/tail"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// Producer writes messages to Kafka. It returns nil when every one of them is acknowledged.
type Producer interface {
	Produce(ctx context.Context, msgs ...kafka.Message) error
}

// Addrs are the addresses that an agent listens on, nil for a receiver that is switched off.
type Addrs struct {
	GRPC, HTTP net.Addr
}

// Agent receives and produces. Make one with New, then call Run.
type Agent struct {
	delivery  *delivery
	grpc      *grpcReceiver
	http      *httpReceiver
	tailer    *tail.Tailer
	addrs     Addrs
	listeners []net.Listener
	serving   atomic.Bool
}

// New checks the configuration and binds the listeners, so that Addrs is known; nothing is accepted before Run. The
// caller must call Run or Close.
func New(cfg Config, producer Producer, log *slog.Logger, reg prometheus.Registerer) (*Agent, error) {
	if faults := cfg.Validate(); len(faults) > 0 {
		errs := make([]error, len(faults))
		for i, f := range faults {
			errs[i] = f
		}
		return nil, fmt.Errorf("configuring the agent: %w", errors.Join(errs...))
	}
	a := &Agent{delivery: newDelivery(cfg, producer, log, newMetrics(reg))}
	if cfg.OTLP.GRPC != "" {
		l, err := a.listen("otlp.grpc", cfg.OTLP.GRPC)
		if err != nil {
			return nil, err
		}
		a.addrs.GRPC = l.Addr()
		a.grpc = newGRPCReceiver(l, a.delivery, int(cfg.Limits.MaxRequestBytes))
	}
	if cfg.OTLP.HTTP != "" {
		l, err := a.listen("otlp.http", cfg.OTLP.HTTP)
		if err != nil {
			return nil, err
		}
		a.addrs.HTTP = l.Addr()
		a.http = newHTTPReceiver(l, a.delivery, int64(cfg.Limits.MaxRequestBytes), log)
	}
	if len(cfg.Files) > 0 {
		files, err := newFileReceiver(cfg, a.delivery)
		if err == nil {
			a.tailer, err = tail.New(tail.Options{
				Sources:      files.sources(),
				Positions:    filepath.Join(cfg.DataDir, "positions.json"),
				PollInterval: cfg.Limits.PollInterval,
				MaxLineBytes: int(cfg.Limits.MaxLineBytes),
				Deliver:      files.deliver,
			}, log, reg)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("preparing to tail files: %w", err), a.Close())
		}
	}
	return a, nil
}

func (a *Agent) listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for %s: %w", key, err), a.Close())
	}
	a.listeners = append(a.listeners, l)
	return l, nil
}

// Addrs returns the addresses that the agent listens on.
func (a *Agent) Addrs() Addrs { return a.addrs }

// Close frees the listeners of an agent that is not run.
func (a *Agent) Close() error {
	a.delivery.attempts.stop()
	var errs []error
	for _, l := range a.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Run receives until ctx ends, then stops to accept, lets what is in flight finish, and returns nil. It returns early
// only with the error of a receiver that cannot go on.
func (a *Agent) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if a.grpc != nil {
		group.Go(func() error { return a.grpc.run(ctx) })
	}
	if a.http != nil {
		group.Go(func() error { return a.http.run(ctx) })
	}
	if a.tailer != nil {
		group.Go(func() error { return a.tailer.Run(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		a.serving.Store(false)
		return nil
	})
	a.serving.Store(true)
	defer a.delivery.attempts.close()
	return group.Wait()
}

// Ready returns nil when the agent accepts telemetry, and otherwise why it does not.
func (a *Agent) Ready() error {
	if !a.serving.Load() {
		return errors.New("the agent is not running")
	}
	return a.delivery.ready(time.Now())
}

func hostName() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("asking for the name of this host: %w", err)
	}
	return name, nil
}
