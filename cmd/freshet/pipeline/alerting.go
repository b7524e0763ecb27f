package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack"
	"github.com/freshet-dev/freshet/alert/webhook"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
)

// sessionTimeout is how long the active alerter may be silent before another takes over: the least that Kafka's brokers
// let a group have by default, so that a standby sends within ten seconds of its end.
const sessionTimeout = 6 * time.Second

// Receiver is one that the configuration does not name: everything goes to it too.
type Receiver struct {
	Name     string
	Notifier alert.Notifier
}

// alerting is where notifications go: the routes, and a notifier for each integration.
type alerting struct {
	route    *alert.Route
	targets  []alert.Target
	prompt   bool
	defaults alert.Defaults
	// rest are the alerter's options that come from the configuration.
	rest alert.Options
}

func newAlerting(cfg *config.Config, extra *Receiver, watch func(*alert.Notification, error), log *slog.Logger) (*alerting, error) {
	defaults := cfg.Alert.Defaults()
	a := &alerting{route: cfg.Alert.RouteTree(defaults), prompt: defaults.Prompt, defaults: defaults}
	a.rest = alert.Options{Inhibitions: cfg.Alert.Inhibitions(), Intervals: cfg.Alert.Intervals(), Flapping: cfg.Alert.FlappingOr(defaults.Flapping),
		DashboardURL: cfg.Alert.DashboardURL, TraceURL: cfg.Alert.TraceURL}
	if d := cfg.Alert.Deadman; d != nil {
		a.rest.Deadman = *d
	}
	limiter := slack.NewLimiter(0) // of all receivers, as several may write to one channel
	for _, i := range cfg.Alert.Integrations(defaults) {
		n, err := newNotifier(i, slack.Options{
			Limiter: limiter, Chart: picture, Buttons: i.Slack != nil && i.Slack.Buttons(), FlappingWindow: a.rest.Flapping.Window, Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("receiver %s: %w", i.Receiver, err)
		}
		a.targets = append(a.targets, alert.Target{Integration: i, Notifier: n})
	}
	if extra != nil {
		name := a.route.Receiver
		if name == "" {
			name = extra.Name
			a.route.Receiver = name
		}
		a.targets = append(a.targets, alert.Target{
			Integration: alert.Integration{Receiver: name, Kind: extra.Name, SendResolved: true}, Notifier: extra.Notifier,
		})
	}
	if cfg.Alert.DryRun {
		for i := range a.targets {
			a.targets[i].Notifier = dryRun{log}
		}
	}
	if watch != nil {
		for i := range a.targets {
			a.targets[i].Notifier = watching(a.targets[i].Notifier, watch)
		}
	}
	return a, nil
}

// options are those of an alerter.
func (a *alerting) options(externalURL string, reg prometheus.Registerer) alert.Options {
	o := a.rest
	o.Route, o.Integrations, o.Prompt = a.route, a.integrations(), a.prompt
	o.ExternalURL, o.Registerer = externalURL, reg
	return o
}

// dryRun says what would be sent, and sends nothing.
type dryRun struct{ log *slog.Logger }

// Notify implements alert.Notifier.
func (d dryRun) Notify(_ context.Context, n *alert.Notification) (alert.Outcome, error) {
	names := make([]string, 0, len(n.Data.Alerts))
	for _, a := range n.Data.Alerts[:min(len(n.Data.Alerts), 5)] {
		names = append(names, a.Status+" "+a.Name())
	}
	d.log.Info("dry run: nothing is sent", slog.String("integration", n.Integration.Key()), slog.String("reason", string(n.Reason)),
		slog.String("group", n.GroupKey), slog.Int("alerts", len(n.Data.Alerts)), slog.Any("of", names))
	return alert.Outcome{Note: "dry run: nothing was sent"}, nil
}

// watched tells somebody what came of each attempt.
type watched struct {
	alert.Notifier
	watch func(*alert.Notification, error)
}

// Notify implements alert.Notifier.
func (w watched) Notify(ctx context.Context, n *alert.Notification) (alert.Outcome, error) {
	outcome, err := w.Notifier.Notify(ctx, n)
	w.watch(n, err)
	return outcome, err //nolint:wrapcheck // passed on as it is
}

// watchedDigester is watched for a notifier that tells of many notifications at once.
type watchedDigester struct {
	watched
	digester alert.Digester
}

// Digest implements alert.Digester.
func (w watchedDigester) Digest(ctx context.Context, ns []*alert.Notification) ([]alert.Outcome, error) {
	outcomes, err := w.digester.Digest(ctx, ns)
	for _, n := range ns {
		w.watch(n, err)
	}
	return outcomes, err //nolint:wrapcheck // passed on as it is
}

func watching(n alert.Notifier, watch func(*alert.Notification, error)) alert.Notifier {
	if d, ok := n.(alert.Digester); ok {
		return watchedDigester{watched{n, watch}, d}
	}
	return watched{n, watch}
}

// NewNotifier returns what delivers to an integration.
func NewNotifier(i alert.Integration) (alert.Notifier, error) {
	return newNotifier(i, slack.Options{Chart: picture})
}

func newNotifier(i alert.Integration, o slack.Options) (alert.Notifier, error) {
	switch i.Kind {
	case "slack":
		return slack.New(*i.Slack, o)
	case "webhook":
		return webhook.New(*i.Webhook)
	default:
		return nil, fmt.Errorf("nothing delivers to %s", i.Kind)
	}
}

func (a *alerting) integrations() []alert.Integration {
	out := make([]alert.Integration, len(a.targets))
	for i, t := range a.targets {
		out[i] = t.Integration
	}
	return out
}
