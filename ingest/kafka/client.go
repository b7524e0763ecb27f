package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
)

// Client is the way to one Kafka cluster. It is safe for concurrent use.
type Client struct {
	cfg    Config
	conf   *sarama.Config
	log    *slog.Logger
	m      *metrics
	health *health
	debts  debts

	ctx  context.Context // the life of the client's own connections and of its producer
	stop context.CancelFunc
	main sarama.Client // metadata, offsets and topics
	wrap func(net.Conn) net.Conn

	mu       sync.Mutex
	producer *producer
	closed   bool
}

// New checks the configuration and reads the certificates it names. It does not connect: WaitReady does, and so does
// whatever is used first. One registerer holds the metrics of one Client.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	conf, err := cfg.sarama()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of Kafka: %w", err)
	}
	c := &Client{cfg: cfg, conf: conf, log: log, m: m}
	c.health = newHealth(cfg.Brokers, log, m.connected)
	c.ctx, c.stop = context.WithCancel(context.Background())
	if c.main, err = c.connect(c.ctx, nil); err != nil {
		c.stop()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return c, nil
}

// Close waits up to ten seconds for what was given to the producer, then closes all connections. Run, Tail and
// ReadPartition have connections of their own, which end with their contexts.
func (c *Client) Close() error {
	c.mu.Lock()
	p := c.producer
	already := c.closed
	c.closed = true
	c.mu.Unlock()
	if already {
		return nil
	}
	var err error
	if p != nil {
		err = p.close(10 * time.Second)
	}
	disconnect(c.main)
	c.stop()
	return err
}

// WaitReady waits until a broker answers, or until ctx ends and then returns why no broker did. It says once in the log
// that it waits.
func (c *Client) WaitReady(ctx context.Context) error {
	for wait := newBackoff(100*time.Millisecond, 3*time.Second); ; {
		err := c.probe(ctx)
		if err == nil {
			c.health.good()
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for Kafka at %s: %w", strings.Join(c.cfg.Brokers, ", "), errors.Join(ctx.Err(), c.health.reason()))
		}
		c.health.bad(err)
		c.m.failed(classify(err))
		if !wait.sleep(ctx) {
			return fmt.Errorf("waiting for Kafka at %s: %w", strings.Join(c.cfg.Brokers, ", "), errors.Join(ctx.Err(), err))
		}
	}
}

// probe asks any broker for metadata, over a connection of its own. Which topic it asks for is of no interest, nor
// whether that may be seen.
func (c *Client) probe(ctx context.Context) error {
	cl, err := c.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer disconnect(cl)
	err = cl.RefreshMetadata("__consumer_offsets")
	if answered(err) && !stranger(err) {
		return nil
	}
	return err
}

// Ready returns nil while the brokers answer, else the reason why not, as /-/ready shows it.
func (c *Client) Ready() error { return c.health.ready() }

// failed reports an error of a request: it is counted, and if it was one of the connection the health of the client is
// told. It returns the class.
func (c *Client) failed(err error) class {
	k := classify(err)
	c.m.failed(k)
	if k == connection && !answered(err) || stranger(err) {
		c.health.bad(err)
	}
	return k
}

// puzzle is a request about a partition that fails again and again though a broker answers.
type puzzle struct{ times int }

// failed reports an error as Client.failed does, and says once what a person may have to mend.
func (p *puzzle) failed(c *Client, tp topicPartition, err error) {
	k := c.failed(err)
	p.times++
	if p.times == 3 && (k == authorization || k == data || errors.Is(err, sarama.ErrUnknownTopicOrPartition)) {
		c.log.Warn("Kafka refuses a request, trying again until it does not", "topic", tp.topic, "partition", tp.id, "err", err)
	}
}

// health decides whether the brokers count as reachable. Single failures do not change it while others succeed, as when
// one of three brokers is down.
type health struct {
	brokers   string
	log       *slog.Logger
	connected prometheus.Gauge

	mu       sync.Mutex
	seen     bool // a broker has answered once
	down     bool // said in the log
	since    time.Time
	lastGood time.Time
	back     time.Time // when it was last found to be back
	err      error
}

// grace is how long requests must have failed without any that succeeded before a cluster that was there counts as away.
const grace = 2 * time.Second

// settling is how long after an outage no partition counts as idle: agents write then what they have held, and they may
// be a little later than we are.
const settling = 5 * time.Second

func newHealth(brokers []string, log *slog.Logger, connected prometheus.Gauge) *health {
	return &health{brokers: strings.Join(brokers, ", "), log: log, connected: connected}
}

func (h *health) good() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.lastGood, h.err = now, nil
	h.connected.Set(1)
	if h.down {
		h.back = now
		h.log.Info("Kafka is back", "brokers", h.brokers, "after", now.Sub(h.since).Round(100*time.Millisecond))
	} else if !h.seen {
		h.log.Info("connected to Kafka", "brokers", h.brokers)
	}
	h.seen, h.down = true, false
}

func (h *health) bad(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.err == nil {
		h.since = now
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the broker closed the connection (if that does not pass, check tls and sasl): %w", err)
	}
	changed := h.down && stranger(err) != stranger(h.err)
	h.err = err
	if h.down && !changed || h.seen && now.Sub(h.lastGood) < grace {
		return
	}
	h.down = true
	h.connected.Set(0)
	if stranger(err) {
		h.log.Error("Kafka refuses the credentials, waiting until that is changed; check sasl", "brokers", h.brokers, "err", err)
		return
	}
	h.log.Warn("Kafka cannot be reached, waiting for it", "brokers", h.brokers, "err", err)
}

// settled says whether the last outage was over for a while at a time.
func (h *health) settled(at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.down && at.Sub(h.back) >= settling
}

func (h *health) reason() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.down:
		return fmt.Errorf("waiting for Kafka at %s since %s: %w", h.brokers, h.since.UTC().Format(time.RFC3339), h.err)
	case !h.seen:
		return fmt.Errorf("not connected to Kafka at %s yet", h.brokers)
	default:
		return nil
	}
}
