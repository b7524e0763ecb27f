package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
	"github.com/freshet-dev/freshet/cmd/freshet/pipeline"
	"github.com/freshet-dev/freshet/cmd/freshet/shop"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/agent"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/library"
)

// The demo's course: all is well, then a bad deploy, then its rollback. With --once it fails when the incident is not
// over by the limit.
const (
	demoCalm     = 10 * time.Second
	demoIncident = 10 * time.Second
	demoLimit    = 45 * time.Second
	badVersion   = "1.4.2"
	demoRules    = "shop.yaml"
)

type demoOptions struct {
	once                    bool
	seed                    uint64
	listen                  string
	rules                   string
	slackWebhook            string
	slackToken, slackTarget string
	webhook                 string
}

func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See an incident from the first error to the notification: no configuration, nothing to install",
		Long: `The demo starts an embedded Kafka broker with its data in a temporary folder, a small shop of four simulated
services, each with an agent, the detector with the rules of rules/library/shop.yaml, the alerter and the web page.
After ten seconds a bad deploy makes checkout fail. Without a receiver the messages are printed. With --rules the rules
are those of a file, which may be changed meanwhile.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.slackToken == "" {
				o.slackToken = os.Getenv("FRESHET_SLACK_TOKEN")
			}
			if err := o.validate(); err != nil {
				return err
			}
			return runDemo(cmd, o, cmd.Flags().Changed("listen"))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.once, "once", false, "end when the incident is over: status 0 if it was detected and resolved")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that decides all that is random in the shop")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the web page; if it is taken, another port is used")
	f.StringVar(&o.rules, "rules", "", "rule `file` in place of the built-in ones; change it and see what happens")
	f.StringVar(&o.slackWebhook, "slack-webhook", "", "Slack incoming webhook `URL` to notify")
	f.StringVar(&o.slackToken, "slack-token", "", "Slack bot `token`, with --slack-channel (default $FRESHET_SLACK_TOKEN)")
	f.StringVar(&o.slackTarget, "slack-channel", "", "Slack `channel`, with --slack-token")
	f.StringVar(&o.webhook, "webhook", "", "`URL` to notify with Alertmanager's webhook body")
	return cmd
}

// validate finds a mistyped flag before the incident has begun. It shows no address of a receiver: many hold a secret.
func (o demoOptions) validate() error {
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return fmt.Errorf("--listen: expected host:port, found %q", o.listen)
	}
	if (o.slackToken == "") != (o.slackTarget == "") {
		return errors.New("--slack-token (or FRESHET_SLACK_TOKEN) and --slack-channel belong together")
	}
	for _, f := range []struct{ name, address string }{{"slack-webhook", o.slackWebhook}, {"webhook", o.webhook}} {
		if f.address == "" {
			continue
		}
		if u, err := url.Parse(f.address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("--%s: expected an address that begins with http:// or https:// and has a host", f.name)
		}
	}
	return nil
}

// runDemo wires the demo: the same pipeline as `freshet run`, an agent for each service, and the shop.
func runDemo(cmd *cobra.Command, o demoOptions, listenGiven bool) error {
	log := newLogger(config.Log{Level: "warn", Format: "text"})
	set, files, err := o.loadRules(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "freshet-demo-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system clears what is left
	story := newStory(cmd.OutOrStdout(), o.receivers())
	cfg := o.config(dir)
	options := pipeline.Options{
		Config: cfg, Rules: set, Targets: pipeline.Targets{Detect: true, Alert: true}, Log: log, Version: version(),
		Notified: story.notified, Files: files, Problems: problemPrinter(cmd.ErrOrStderr(), cfg.Log),
	}
	if o.rules != "" {
		options.Read = func() ([]rules.File, error) { return rules.Read(cfg.Rules.Files) }
	}
	if len(cfg.Alert.Receivers) == 0 {
		options.Receiver = &pipeline.Receiver{Name: "terminal", Notifier: story}
	}
	p, err := pipeline.New(options)
	if errors.Is(err, syscall.EADDRINUSE) && !listenGiven {
		cfg.HTTP.Listen = "127.0.0.1:0"
		p, err = pipeline.New(options)
	}
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(cmd.Context())
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return p.Run(running) })
	g.Go(func() error {
		defer end() // the pipeline ends last: the agents use its client
		select {
		case <-p.Started():
		case <-ctx.Done():
			return nil
		}
		story.begin(p, set, o.rulesName(), shop.New(shop.Options{Seed: o.seed}))
		return story.play(ctx, p, o.once, log)
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if o.once {
		if cmd.Context().Err() != nil {
			return errors.New("stopped before the incident was over")
		}
		return story.verdict()
	}
	story.say("", "stopped", "")
	return nil
}

// play runs the shop and its agents through the course, until it is over or ctx ends.
func (s *story) play(ctx context.Context, p *pipeline.Pipeline, once bool, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer stop()
		targets, err := startAgents(ctx, g, p, log)
		if err != nil {
			return err
		}
		g.Go(func() error { return shop.Run(ctx, s.shop, targets, log) })
		g.Go(func() error { return p.Client().Tail(ctx, p.Names().Findings, kafka.Oldest(), s.tailed) })
		return s.course(ctx, once)
	})
	return g.Wait()
}

// loadRules loads the file of --rules, or the rules that are built in.
func (o demoOptions) loadRules(out io.Writer) (*rules.Set, []rules.File, error) {
	if o.rules != "" {
		return loadRules(out, []string{o.rules})
	}
	content, err := library.Files.ReadFile(demoRules)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the built-in rules: %w", err)
	}
	return checkRules(out, []rules.File{{Name: o.rulesName(), Content: content}})
}

// rulesName says where the rules stand.
func (o demoOptions) rulesName() string { return cmp.Or(o.rules, "rules/library/"+demoRules) }

// config is what the flags say, in the terms of freshet.yaml.
func (o demoOptions) config(dir string) *config.Config {
	cfg := config.Default()
	cfg.Kafka.DataDir, cfg.Kafka.Listen = dir, "127.0.0.1:0"
	cfg.HTTP.Listen = o.listen
	if o.rules != "" {
		cfg.Rules.Files = []string{o.rules}
	}
	r := alert.Receiver{Name: "demo"}
	if o.slackWebhook != "" {
		r.SlackConfigs = append(r.SlackConfigs, alert.SlackConfig{APIURL: alert.Secret(o.slackWebhook)})
	}
	if o.slackToken != "" {
		r.SlackConfigs = append(r.SlackConfigs, alert.SlackConfig{Token: alert.Secret(o.slackToken), Channel: o.slackTarget})
	}
	if o.webhook != "" {
		r.WebhookConfigs = append(r.WebhookConfigs, alert.WebhookConfig{URL: alert.Secret(o.webhook)})
	}
	if len(o.receivers()) > 0 {
		cfg.Alert.Receivers = []alert.Receiver{r}
	}
	return cfg
}

// receivers names who is notified, without secrets.
func (o demoOptions) receivers() []string {
	var out []string
	if o.slackWebhook != "" || o.slackToken != "" {
		out = append(out, "Slack")
	}
	if o.webhook != "" {
		out = append(out, "webhook")
	}
	return out
}

// startAgents starts an agent for each service of the shop and returns where they listen. A label tells their metrics
// apart.
func startAgents(ctx context.Context, g *errgroup.Group, p *pipeline.Pipeline, log *slog.Logger) (map[string]string, error) {
	targets := map[string]string{}
	for _, service := range shop.Services() {
		cfg := agent.DefaultConfig()
		cfg.OTLP = agent.OTLPConfig{GRPC: "127.0.0.1:0"}
		reg := prometheus.WrapRegistererWith(prometheus.Labels{"agent": service}, p.Registry())
		a, err := agent.New(cfg, p.Client(), log.With(slog.String("agent", service)), reg)
		if err != nil {
			return nil, fmt.Errorf("the agent of %s: %w", service, err)
		}
		g.Go(func() error { return a.Run(ctx) })
		targets[service] = a.Addrs().GRPC.String()
	}
	return targets, nil
}

// Notify implements alert.Notifier for when there is no other receiver: the message is printed.
func (s *story) Notify(context.Context, *alert.Notification) (alert.Outcome, error) {
	return alert.Outcome{}, nil // notified, which is told of every attempt, prints it
}

// tailed takes a finding from its topic, as any consumer could.
func (s *story) tailed(m *kafka.Message) error {
	if alert.IsCommand(m.Key) {
		return nil // somebody tries the page
	}
	f, err := finding.Decode(m.Value)
	if err != nil || f.Update {
		return err
	}
	s.found(f)
	return nil
}
