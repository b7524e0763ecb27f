package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/apiv2"
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

// alerting is what follows from the alerter's part of the configuration: the routes, and a notifier for each integration. It
// does not change: a reload puts another in its place.
type alerting struct {
	targets []alert.Target
	// settings are the alerter's options, but for those that the process has.
	settings alert.Options
	api      apiv2.Setting
	clicks   ways
	watch    bool // the files for changes
}

// newAlerting does all that can fail.
func (p *Pipeline) newAlerting(cfg *config.Config) (*alerting, error) {
	c, defaults := &cfg.Alert.Config, cfg.Alert.Defaults()
	templates, err := alert.NewTemplates(c.Templates...)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	a := &alerting{watch: cfg.Alert.Watch, settings: alert.Options{
		Route: c.RouteTree(defaults), Prompt: defaults.Prompt, Inhibitions: c.Inhibitions(), Intervals: c.Intervals(),
		Flapping: c.FlappingOr(defaults.Flapping), DashboardURL: c.DashboardURL, TraceURL: c.TraceURL, Templates: templates,
	}}
	if c.Deadman != nil {
		a.settings.Deadman = *c.Deadman
	}
	integrations := c.Integrations(defaults)
	for _, i := range integrations {
		if !p.targets.Alert {
			a.settings.Integrations = append(a.settings.Integrations, i)
			continue // who sends nothing need not be able to read the secrets
		}
		n, err := newNotifier(i, slack.Options{
			Limiter: p.limiter, Chart: picture, Buttons: i.Slack != nil && i.Slack.Buttons(), FlappingWindow: a.settings.Flapping.Window, Log: p.log,
		})
		if err != nil {
			return nil, fmt.Errorf("receiver %s: %w", i.Receiver, err)
		}
		a.targets = append(a.targets, alert.Target{Integration: i, Notifier: n})
	}
	if extra := p.receiver; extra != nil {
		root := a.settings.Route
		root.Receiver = cmp.Or(root.Receiver, extra.Name)
		a.targets = append(a.targets, alert.Target{
			Integration: alert.Integration{Receiver: root.Receiver, Kind: extra.Name, SendResolved: true}, Notifier: extra.Notifier,
		})
	}
	for i := range a.targets {
		t := &a.targets[i]
		if c.DryRun {
			t.Notifier, t.Integration.DryRun = dryRun{p.log}, true
		}
		if p.notified != nil {
			t.Notifier = watching(t.Notifier, p.notified)
		}
		a.settings.Integrations = append(a.settings.Integrations, t.Integration)
	}
	a.clicks = waysOf(integrations)
	a.api.ResolveTimeout = cmp.Or(c.Global.ResolveTimeout, alert.DefaultResolveTimeout)
	a.settings.ResolveTimeout = a.api.ResolveTimeout
	for _, r := range c.Receivers {
		a.api.Receivers = append(a.api.Receivers, r.Name)
	}
	a.api.Config, err = c.Alertmanager(defaults)
	return a, err //nolint:wrapcheck // it says what failed
}

// options are those of an alerter.
func (a *alerting) options(externalURL string, reg prometheus.Registerer) alert.Options {
	o := a.settings
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
	return alert.Outcome{Dry: true, Note: "dry run: nothing was sent"}, nil
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
func (w watchedDigester) Digest(ctx context.Context, ns []*alert.Notification, p alert.DigestProgress) {
	done := p.Done
	p.Done = func(n *alert.Notification, o alert.Outcome, err error) {
		done(n, o, err)
		w.watch(n, err)
	}
	w.digester.Digest(ctx, ns, p)
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
