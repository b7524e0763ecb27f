package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// errBusy means that more bytes wait for Kafka than max_in_flight_bytes allows.
var errBusy = errors.New("too much is waiting for Kafka already, retry later")

// errKafka is the kind of error for which a sender should retry because Kafka did not acknowledge.
var errKafka = errors.New("not acknowledged by Kafka, retry later")

// errSlow is why, when Kafka says nothing.
var errSlow = errors.New("no acknowledgement within produce_timeout")

// retryAfter is how long a refused sender is asked to wait.
const retryAfter = time.Second

// doubted is how long after Kafka last failed to acknowledge the agent is not ready. Whoever sends to ready agents only must send
// again for it to be known that Kafka is back.
const doubted = 10 * time.Second

// delivery takes decoded requests to Kafka, for all receivers.
type delivery struct {
	attempts   *attempts
	topics     Topics
	attributes map[string]string
	maxRecord  int
	timeout    time.Duration
	log        *slog.Logger
	metrics    *metrics

	mu       sync.Mutex
	capacity int64 // of inFlight
	inFlight int64
	away     error // the last error while Kafka is away, else nil
	awayAt   time.Time
}

func newDelivery(cfg Config, producer Producer, log *slog.Logger, m *metrics) *delivery {
	d := &delivery{
		topics:     cfg.Topics,
		attributes: cfg.ResourceAttributes,
		maxRecord:  int(cfg.Limits.MaxRecordBytes),
		timeout:    cfg.Limits.ProduceTimeout,
		log:        log,
		metrics:    m,
		capacity:   int64(cfg.Limits.MaxInFlightBytes),
	}
	d.attempts = newAttempts(producer, d.hold)
	return d
}

// reserve takes n bytes of what may be in flight, or returns errBusy. The caller must release them.
func (d *delivery) reserve(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inFlight+n > d.capacity {
		return errBusy
	}
	d.inFlight += n
	d.metrics.inFlight.Set(float64(d.inFlight))
	return nil
}

// hold takes n bytes in any case.
func (d *delivery) hold(n int64) { d.release(-n) }

func (d *delivery) release(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight -= n
	d.metrics.inFlight.Set(float64(d.inFlight))
}

// full says whether nothing more should even be read.
func (d *delivery) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inFlight >= d.capacity
}

// send produces a parcel and waits for the acknowledgement, for as long as a sender can be expected to wait. An error is
// errKafka or the end of ctx: the sender retries, and its retry joins what is still under way.
func (d *delivery) send(ctx context.Context, receiver string, p *parcel) error {
	return d.await(ctx, receiver, p, false)
}

// sendPatiently waits until Kafka acknowledges or ctx ends. It is for those that would send something else the next time.
func (d *delivery) sendPatiently(ctx context.Context, receiver string, p *parcel) error {
	return d.await(ctx, receiver, p, true)
}

func (d *delivery) await(ctx context.Context, receiver string, p *parcel, patiently bool) error {
	if len(p.messages) == 0 {
		d.count(receiver, p)
		return nil
	}
	start := time.Now()
	t, again := d.attempts.begin(p, start)
	if again {
		d.metrics.repeated.Inc()
	}
	limit := time.NewTimer(d.timeout)
	defer limit.Stop()
	for {
		select {
		case <-t.done:
			return d.settle(receiver, p, t.err, start)
		case <-ctx.Done():
			if d.attempts.giveUp(t, time.Now()) {
				return ctx.Err() // the sender gave up; that says nothing about Kafka
			}
		case <-limit.C:
			if patiently {
				d.observe(errSlow)
				limit.Reset(d.timeout)
			} else if d.attempts.giveUp(t, time.Now()) {
				return d.settle(receiver, p, errSlow, start)
			}
		}
	}
}

// settle counts what came of a parcel.
func (d *delivery) settle(receiver string, p *parcel, err error, start time.Time) error {
	result := resultAcknowledged
	if err != nil {
		result = resultFailed
	}
	d.metrics.produce.WithLabelValues(result).Observe(time.Since(start).Seconds())
	d.observe(err)
	if err != nil {
		return fmt.Errorf("%w: %w", errKafka, err)
	}
	d.count(receiver, p)
	return nil
}

func (d *delivery) count(receiver string, p *parcel) {
	d.metrics.records.WithLabelValues(p.signal, receiver).Add(float64(p.records))
	d.metrics.bytes.WithLabelValues(p.signal, receiver).Add(float64(p.bytes))
	if p.rejected > 0 {
		d.metrics.rejected.WithLabelValues(p.signal, receiver).Add(float64(p.rejected))
		d.log.Debug("records are larger than max_record_bytes", "signal", p.signal, "receiver", receiver, "rejected", p.rejected)
	}
}

// observe logs the two edges of an outage, so that a long one is said once.
func (d *delivery) observe(err error) {
	d.mu.Lock()
	was := d.away
	d.away, d.awayAt = err, time.Now()
	d.mu.Unlock()
	switch {
	case err != nil && was == nil:
		d.log.Warn("Kafka does not acknowledge; senders are told to retry until it does", "error", err)
	case err == nil && was != nil:
		d.log.Info("Kafka acknowledges again")
	}
}

func (d *delivery) ready(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil && now.Sub(d.awayAt) < doubted {
		return fmt.Errorf("waiting for Kafka: %w", d.away)
	}
	return nil
}

// amend adds the configured attributes to a resource; its own win.
func (d *delivery) amend(resource pcommon.Resource) {
	for key, value := range d.attributes {
		if _, found := resource.Attributes().Get(key); !found {
			resource.Attributes().PutStr(key, value)
		}
	}
}
