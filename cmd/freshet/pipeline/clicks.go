package pipeline

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack"
)

// clicksPath is where Slack sends what people click, when it does so by a request URL.
const clicksPath = "/api/freshet/slack"

// ways are how what people click in Slack comes.
type ways struct {
	// users are those who may use the buttons, by integration.
	users map[string][]string
	// reach says how Slack is reached, by integration.
	reach map[string]*alert.HTTPConfig
	// apps are reached by Socket Mode, each once.
	apps []connection
	// signed is an integration whose app sends requests, nil without a signing secret.
	signed *signedApp
}

// app is a Slack app, by how it is reached.
type app struct {
	token     alert.Secret
	tokenFile string
	url       string
}

// connection is how an app is connected to: as its first receiver reaches Slack.
type connection struct {
	app
	reach *alert.HTTPConfig
}

type signedApp struct {
	secret     alert.Secret
	secretFile string
	url        string
}

// waysOf returns the ways that the configuration names, by its integrations.
func waysOf(integrations []alert.Integration) ways {
	w := ways{users: map[string][]string{}, reach: map[string]*alert.HTTPConfig{}}
	seen := map[app]bool{}
	for _, i := range integrations {
		if i.Slack == nil || !i.Slack.Buttons() {
			continue
		}
		w.users[i.Key()], w.reach[i.Key()] = i.Slack.ButtonUsers, i.Slack.HTTPConfig
		a := app{i.Slack.AppLevelToken, i.Slack.AppLevelTokenFile, i.Slack.AppURL}
		if (a.token != "" || a.tokenFile != "") && !seen[a] {
			seen[a] = true
			w.apps = append(w.apps, connection{a, i.Slack.HTTPConfig})
		}
		if i.Slack.SigningSecret != "" || i.Slack.SigningSecretFile != "" {
			w.signed = &signedApp{i.Slack.SigningSecret, i.Slack.SigningSecretFile, i.Slack.AppURL}
		}
	}
	return w
}

// clicks takes what people click, by ways that may change.
type clicks struct {
	do      func(context.Context, *alert.Command) error
	log     *slog.Logger
	changed chan struct{}

	mu     sync.Mutex
	ways   ways
	signed *slack.Clicks // nil without a signing secret
}

func newClicks(w ways, do func(context.Context, *alert.Command) error, log *slog.Logger) *clicks {
	c := &clicks{do: do, log: log, changed: make(chan struct{}, 1)}
	c.set(w)
	return c
}

func (c *clicks) set(w ways) {
	c.ways, c.signed = w, nil
	if s := w.signed; s != nil {
		c.signed = slack.NewClicks(slack.ClickOptions{Do: c.do, Users: w.users, SigningSecret: s.secret, SigningSecretFile: s.secretFile,
			AppURL: s.url, HTTPConfigs: w.reach, Log: c.log})
	}
}

// goOver has clicks come by other ways.
func (c *clicks) goOver(w ways) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reflect.DeepEqual(w, c.ways) {
		return // connections stay as they are
	}
	c.set(w)
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// run keeps the connections to Slack until ctx ends.
func (c *clicks) run(ctx context.Context) error {
	var g errgroup.Group
	for ctx.Err() == nil {
		connected, stop := context.WithCancel(ctx)
		for _, s := range c.sockets() {
			g.Go(func() error { return s.Run(connected) })
		}
		select {
		case <-ctx.Done():
		case <-c.changed:
		}
		stop()
	}
	return g.Wait() //nolint:wrapcheck // it says what failed
}

// sockets returns what connects to each app.
func (c *clicks) sockets() (out []*slack.Clicks) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.ways.apps {
		out = append(out, slack.NewClicks(slack.ClickOptions{Do: c.do, Users: c.ways.users, AppLevelToken: a.token, AppLevelTokenFile: a.tokenFile,
			AppURL: a.url, HTTPConfig: a.reach, HTTPConfigs: c.ways.reach, Log: c.log}))
	}
	return out
}

// ServeHTTP is the request URL.
func (c *clicks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	signed := c.signed
	c.mu.Unlock()
	if signed == nil {
		http.NotFound(w, r)
		return
	}
	signed.ServeHTTP(w, r)
}
