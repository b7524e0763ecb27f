package pipeline

import (
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack"
)

// clicksPath is where Slack sends what people click, when it does so by a request URL.
const clicksPath = "/api/freshet/slack"

// clicks are the ways by which what people click in Slack comes.
type clicks struct {
	sockets []*slack.Clicks // one for each app
	signed  *slack.Clicks   // nil without a signing secret
}

// app is a Slack app, by how it is reached.
type app struct {
	token     alert.Secret
	tokenFile string
	url       string
}

// newClicks returns the ways that the configuration names, by integrations of Slack.
func newClicks(integrations []alert.Integration, do func(context.Context, *alert.Command) error, log *slog.Logger) *clicks {
	c := &clicks{}
	users := map[string][]string{}
	var apps []app
	seen := map[app]bool{}
	var signing *alert.SlackConfig
	for _, i := range integrations {
		if i.Slack == nil || !i.Slack.Buttons() {
			continue
		}
		users[i.Key()] = i.Slack.ButtonUsers
		a := app{i.Slack.AppLevelToken, i.Slack.AppLevelTokenFile, i.Slack.AppURL}
		if (a.token != "" || a.tokenFile != "") && !seen[a] {
			seen[a] = true
			apps = append(apps, a)
		}
		if i.Slack.SigningSecret != "" || i.Slack.SigningSecretFile != "" {
			signing = i.Slack
		}
	}
	for _, a := range apps {
		c.sockets = append(c.sockets, slack.NewClicks(slack.ClickOptions{Do: do, Users: users, AppLevelToken: a.token, AppLevelTokenFile: a.tokenFile, AppURL: a.url, Log: log}))
	}
	if signing != nil {
		c.signed = slack.NewClicks(slack.ClickOptions{Do: do, Users: users, SigningSecret: signing.SigningSecret, SigningSecretFile: signing.SigningSecretFile,
			AppURL: signing.AppURL, Log: log})
	}
	return c
}

// run keeps the connections to Slack until ctx ends.
func (c *clicks) run(ctx context.Context) error {
	var g errgroup.Group
	for _, s := range c.sockets {
		g.Go(func() error { return s.Run(ctx) })
	}
	return g.Wait() //nolint:wrapcheck // it says what failed
}

// serve adds the request URL.
func (c *clicks) serve(mux *http.ServeMux) {
	if c.signed != nil {
		mux.Handle("POST "+clicksPath, c.signed)
	}
}
