package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack"
	"github.com/freshet-dev/freshet/alert/webhook"
	"github.com/freshet-dev/freshet/cmd/freshet/config"
)

// sessionTimeout is how long a process may be silent before another takes its partitions over.
const sessionTimeout = 10 * time.Second

// Receiver is one that the configuration does not name: everything goes to it too.
type Receiver struct {
	Name     string
	Notifier alert.Notifier
}

// alerting is where notifications go: the routes, and a notifier for each integration.
type alerting struct {
	route   *alert.Route
	targets []alert.Target
	prompt  bool
}

func newAlerting(cfg *config.Config, extra *Receiver, watch func(*alert.Notification, error)) (*alerting, error) {
	defaults := alert.InlineDefaults()
	if cfg.Alert.ConfigFile != "" {
		defaults = alert.AlertmanagerDefaults()
	}
	a := &alerting{route: cfg.Alert.RouteTree(defaults), prompt: defaults.Prompt}
	limiter := slack.NewLimiter(0) // of all receivers, as several may write to one channel
	for _, i := range cfg.Alert.Integrations(defaults) {
		n, err := newNotifier(i, limiter)
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
	if watch != nil {
		for i := range a.targets {
			a.targets[i].Notifier = watching(a.targets[i].Notifier, watch)
		}
	}
	return a, nil
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

func newNotifier(i alert.Integration, limiter *slack.Limiter) (alert.Notifier, error) {
	switch i.Kind {
	case "slack":
		return slack.New(*i.Slack, slack.Options{Limiter: limiter})
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
