// Package pipeline wires freshet's roles to Kafka:
//
//	agent ──► input topics ──► accumulate ──► freshet.panes ──► evaluate ──► freshet.findings ──► notify ──► Slack, webhooks
//	                               └────► freshet.health ──► judge ───────────────┘
//
// The decisions are made by the pure cores of packages detect and alert; here are their adapters, which decode, call
// them, and encode.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/memory"
	"github.com/freshet-dev/freshet/dashboards/web"
	"github.com/freshet-dev/freshet/ingest/agent"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/rules"
)

// Targets are the roles that a process runs.
type Targets struct{ Agent, Detect, Alert bool }

// All says whether every role runs.
func (t Targets) All() bool { return t.Agent && t.Detect && t.Alert }

// String names the roles, e.g. "detect,alert".
func (t Targets) String() string {
	var names []string
	for _, r := range []struct {
		on   bool
		name string
	}{{t.Agent, "agent"}, {t.Detect, "detect"}, {t.Alert, "alert"}} {
		if r.on {
			names = append(names, r.name)
		}
	}
	return strings.Join(names, ",")
}

// Options configure a Pipeline.
type Options struct {
	Config *config.Config
	Rules  *rules.Set
	// Files are what Rules was made of, and Read reads them anew for a reload. Without Read there is none.
	Files []rules.File
	Read  func() ([]rules.File, error)
	// ConfigPath is the file that Config was made of, and Reconfigure loads it anew for a reload of the alerter's part. Without
	// Reconfigure there is none.
	ConfigPath  string
	Reconfigure func() (*config.Config, []config.Fault, error)
	// Problems, when set, is given what is wrong with files that are not loaded; else the log is.
	Problems func([]rules.Problem)

	Targets Targets
	Log     *slog.Logger
	Version string
	// Receiver, when set, is notified of everything beside the configured receivers: the demo prints.
	Receiver *Receiver
	// Notified, when set, is told what came of each attempt to notify.
	Notified func(*alert.Notification, error)
}

// Pipeline is one process's share of freshet. New opens its listeners, Run does its work.
type Pipeline struct {
	cfg     *config.Config
	loaded  atomic.Pointer[loaded]
	reloads *reloads
	targets Targets
	log     *slog.Logger
	version string

	configPath     string
	names          Names
	panePartitions int32
	recorded       *recordedMetrics

	accumulating, evaluating *kafka.Handover

	registry *prometheus.Registry
	metrics  *metrics
	listener net.Listener
	broker   *broker.Broker
	client   *kafka.Client
	agent    *agent.Agent
	charts   *web.Charts
	progress progress
	presence presence
	rate     rate
	thrift   thrift
	memory   *memory.Guard
	alerts   atomic.Pointer[notify]
	swap     sync.Mutex // what sends notifications and how it is configured change together
	alerting atomic.Pointer[alerting]
	limiter  *slack.Limiter
	receiver *Receiver
	notified func(*alert.Notification, error)
	active   atomic.Pointer[active]
	between  http.RoundTripper // to other instances
	taken    waiting
	clicks   *clicks
	opened   time.Time
	readers  chan struct{} // a place for each answer that is read from Kafka now
	started  chan struct{}
}

// New checks what can be checked and opens listeners and, without brokers, the embedded one. It does not wait for Kafka.
// Close what it returns if Run is not called.
func New(o Options) (p *Pipeline, err error) {
	p = &Pipeline{
		cfg: o.Config, reloads: newReloads(o), targets: o.Targets, log: o.Log, version: o.Version,
		configPath: o.ConfigPath, limiter: slack.NewLimiter(0), receiver: o.Receiver, notified: o.Notified,
		names: NamesIn(o.Config.Kafka.Namespace), panePartitions: o.Config.Kafka.Topics.PanePartitions,
		accumulating: kafka.NewHandover(), evaluating: kafka.NewHandover(),
		recorded: newRecordedMetrics(), registry: prometheus.NewRegistry(), opened: time.Now(), started: make(chan struct{}),
		readers: make(chan struct{}, readers),
		charts:  web.NewCharts(web.ChartsOptions{Resolution: chartResolution(o.Rules)}),
	}
	p.limiter.Active = p.sends
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.metrics = newMetrics(p.registry)
	p.registry.MustRegister(newProgressMetrics(&p.progress), p.recorded)
	p.memory = p.newGuard()
	p.metrics.build.WithLabelValues(p.version, p.targets.String()).Set(1)
	l := newLoaded(o.Config, o.Rules, p.opened)
	if err = p.try(l); err != nil {
		return p, err
	}
	p.loaded.Store(l)
	p.metrics.rules.Set(float64(len(o.Rules.Rules)))
	p.metrics.rulesReloads.loaded(p.opened)
	p.metrics.configReloads.loaded(p.opened)
	a, err := p.newAlerting(o.Config)
	if err != nil {
		return p, err
	}
	p.alerting.Store(a)
	p.clicks = newClicks(a.clicks, p.Do, p.log)
	if p.between, err = o.Config.HTTP.Between(); err != nil {
		return p, err //nolint:wrapcheck // it says what failed
	}
	if err = p.listen(); err != nil {
		return p, err
	}
	if len(o.Config.Kafka.Brokers) == 0 {
		if p.broker, err = StartBroker(o.Config, o.Log); err != nil {
			return p, err
		}
	}
	if p.client, err = NewClient(o.Config, o.Targets.String(), o.Log, p.registry); err != nil {
		return p, err
	}
	if o.Targets.Agent {
		p.agent, err = agent.New(o.Config.Agent, p.client, o.Log.With(slog.String("component", "agent")), p.registry)
	}
	return p, err
}

// Run does the work of the targets until ctx ends, and returns when everything it started has.
func (p *Pipeline) Run(ctx context.Context) error {
	defer p.Close()
	defer context.AfterFunc(ctx, func() { p.log.Info("freshet stops: what is under way is finished first") })()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.serve(ctx) })
	g.Go(func() error { return p.memory.Run(ctx) })
	g.Go(func() error {
		if err := p.prepare(ctx); err != nil {
			return err
		}
		close(p.started)
		l := p.loaded.Load()
		p.log.Info("freshet runs", slog.String("targets", p.targets.String()), slog.Int("rules", len(l.rules.Rules)),
			slog.String("page", p.URL()), slog.Duration("took", time.Since(p.opened).Round(time.Millisecond)))
		if p.targets.Agent {
			g.Go(func() error { return p.agent.Run(ctx) })
		}
		if p.targets.Detect {
			g.Go(func() error { return p.client.Run(ctx, p.accumulateStage(l)) })
			g.Go(func() error { return p.client.Run(ctx, p.evaluateStage(l)) })
		}
		if p.targets.Alert {
			g.Go(func() error { return p.client.Run(ctx, p.notifyStage()) })
			g.Go(func() error { return p.clicks.run(ctx) })
		}
		if p.targets.Detect || p.targets.Alert {
			g.Go(func() error { p.followActive(ctx); return nil })
			g.Go(func() error { p.watchTopics(ctx); return nil })
			g.Go(func() error { return p.client.Run(ctx, p.healthStage()) })
		}
		g.Go(func() error { p.serveReloads(ctx); return nil })
		g.Go(func() error { p.watchFiles(ctx); return nil })
		return nil
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// prepare waits for Kafka and makes the topics that are missing.
func (p *Pipeline) prepare(ctx context.Context) error {
	if err := p.client.WaitReady(ctx); err != nil {
		return err
	}
	if err := p.createTopics(ctx, p.loaded.Load().rules); err != nil {
		return err
	}
	// The number of panes partitions decides where a group lives, so what the topic has counts, not the configuration.
	n, err := p.client.Partitions(ctx, p.names.Panes)
	if err != nil {
		return fmt.Errorf("%s: %w (make it with `freshet topics create`)", p.names.Panes, err)
	}
	p.panePartitions = n
	if !p.targets.Detect && !p.targets.Alert {
		return nil
	}
	return p.checkTopics(ctx)
}

// checkTopics says which of freshet's own topics are missing or have another number of partitions than what is read from them
// in one order, or by panes, allows. Settings that lose state are told, and left to whoever made the topic.
func (p *Pipeline) checkTopics(ctx context.Context) error {
	var wrong []string
	specs, single := ownTopics(p.cfg), []string{p.names.Findings, p.names.Notifications, p.names.Health}
	for _, s := range specs {
		n, err := p.client.Partitions(ctx, s.Name)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", s.Name, err)
		case n == 0:
			wrong = append(wrong, s.Name+" is missing")
		case s.Name == p.names.State && n < p.panePartitions:
			wrong = append(wrong, fmt.Sprintf("%s has %d partitions, expected %d as %s has", s.Name, n, p.panePartitions, p.names.Panes))
		case n != 1 && slices.Contains(single, s.Name):
			wrong = append(wrong, fmt.Sprintf("%s has %d partitions, expected 1", s.Name, n))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("topics of freshet: %s. `freshet topics create` makes those that are missing; one of another size must be deleted first, "+
			"as partitions cannot be taken away: what it holds is lost", strings.Join(wrong, "; "))
	}
	differences, err := p.client.VerifyTopics(ctx, specs)
	if err != nil { // freshet may have no right to ask
		p.log.Debug("the settings of topics are not verified", slog.Any("error", err))
	}
	for _, d := range differences {
		if d.Key == "cleanup.policy" {
			p.log.Error("a topic loses what freshet keeps in it: set it with Kafka's own tools", slog.String("topic", d.Topic),
				slog.String("setting", d.Key), slog.String("want", d.Want), slog.String("have", d.Have))
		}
	}
	return nil
}

// createTopics makes the topics that are missing, unless that is left to others.
func (p *Pipeline) createTopics(ctx context.Context, set *rules.Set) error {
	if !p.cfg.Kafka.Topics.Create {
		return nil
	}
	results, err := p.client.CreateTopics(ctx, TopicSpecs(p.cfg, set))
	if err != nil {
		return fmt.Errorf("creating topics: %w (kafka.topics.create: false leaves that to you)", err)
	}
	for _, r := range results {
		if r.Created {
			p.log.Info("topic created", slog.String("topic", r.Topic))
		}
	}
	return nil
}

// Close releases what New opened. Run calls it.
func (p *Pipeline) Close() {
	if p.listener != nil {
		_ = p.listener.Close() // closed already after serving
	}
	if p.agent != nil {
		_ = p.agent.Close()
	}
	if p.client != nil {
		if err := p.client.Close(); err != nil {
			p.log.Warn("closing the Kafka client", slog.Any("error", err))
		}
	}
	if p.broker != nil {
		if err := p.broker.Close(); err != nil {
			p.log.Warn("closing the embedded broker", slog.Any("error", err))
		}
	}
}

// URL is where the page is.
func (p *Pipeline) URL() string { return "http://" + p.listener.Addr().String() + "/" }

// Brokers are the addresses of the Kafka that is used.
func (p *Pipeline) Brokers() []string { return p.cfg.Kafka.Brokers }

// Names are freshet's topics and groups.
func (p *Pipeline) Names() Names { return p.names }

// Client is the client of the Kafka that is used.
func (p *Pipeline) Client() *kafka.Client { return p.client }

// Started is closed when Kafka and its topics are there and the roles begin.
func (p *Pipeline) Started() <-chan struct{} { return p.started }

// externalURL is how links in messages begin.
func (p *Pipeline) externalURL() string {
	if p.cfg.HTTP.ExternalURL != "" {
		return strings.TrimSuffix(p.cfg.HTTP.ExternalURL, "/")
	}
	return strings.TrimSuffix(p.advertisedURL(), "/")
}

// instance names this process in a consumer group and its transactions: stable across restarts, and different for each
// process. Two processes on one host cannot share a port, so the port tells them apart.
func (p *Pipeline) instance(role string) string {
	if p.cfg.Kafka.Instance != "" {
		return p.cfg.Kafka.Instance + "-" + role
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(p.listener.Addr().String())
	return host + "-" + port + "-" + role
}

// chartResolution is the shortest step of any rule.
func chartResolution(set *rules.Set) time.Duration {
	shortest := 5 * time.Second
	for _, r := range set.Rules {
		shortest = min(shortest, r.Interval)
	}
	return shortest
}
