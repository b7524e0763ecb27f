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
	for _, i := range cfg.Alert.Integrations(defaults) {
		n, err := newNotifier(i)
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
			a.targets[i].Notifier = watched{a.targets[i].Notifier, watch}
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

func newNotifier(i alert.Integration) (alert.Notifier, error) {
	switch i.Kind {
	case "slack":
		return slack.New(*i.Slack, slack.Options{})
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
