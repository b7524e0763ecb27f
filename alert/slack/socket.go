package slack

import (
	"context"
	"errors"
	"io"
	"log"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// maxEnvelope bounds what Slack may send over the socket at a time.
	maxEnvelope = 1 << 20
	// reconnectAfter is the first wait after a connection that could not be made, longestReconnect the longest.
	reconnectAfter   = time.Second
	longestReconnect = 5 * time.Minute
	// handshakeTimeout bounds how long a connection takes to be made.
	handshakeTimeout = 45 * time.Second
)

// Run receives clicks over Socket Mode until ctx ends: Slack is connected to, so that nothing of freshet must be reachable.
// A connection that is lost is made again. It returns nil.
func (c *Clicks) Run(ctx context.Context) error {
	wait := reconnectAfter
	for {
		begin := time.Now()
		err := c.connected(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(begin) > time.Minute {
			wait = reconnectAfter
		}
		c.options.Log.ErrorContext(ctx, "Socket Mode is not connected: the buttons of messages do nothing", "error", err, "again_in", wait.String())
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		wait = min(2*wait, longestReconnect)
	}
}

// connected receives clicks for as long as slack-go keeps connecting.
func (c *Clicks) connected(ctx context.Context) error {
	token, err := alert.ReadSecret(c.options.AppLevelToken, c.options.AppLevelTokenFile)
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	reach := clientOf(c.options.HTTPConfig)
	if reach.err != nil {
		return reach.err
	}
	defer reach.CloseIdleConnections()
	api := slack.New("", slack.OptionAppLevelToken(token), slack.OptionHTTPClient(reach.Client), slack.OptionAPIURL(apiURL(c.options.AppURL)),
		slack.OptionLog(log.New(io.Discard, "", 0)))
	options := []socketmode.Option{socketmode.OptionReadLimit(maxEnvelope), socketmode.OptionLog(log.New(io.Discard, "", 0))}
	if h := c.options.HTTPConfig; h != nil {
		proxy, secure, err := h.Connection()
		if err != nil {
			return err //nolint:wrapcheck // names http_config
		}
		options = append(options, socketmode.OptionDialer(&websocket.Dialer{Proxy: proxy, TLSClientConfig: secure, HandshakeTimeout: handshakeTimeout}))
	}
	socket := socketmode.New(api, options...)
	lasting, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.SetLimit(maxClicks + 2) // the connection, and clicks
	g.Go(func() error {
		defer stop()
		return socketError(socket.RunContext(lasting), token)
	})
	for {
		select {
		case <-lasting.Done():
			return g.Wait() //nolint:wrapcheck // made by socketError
		case e := <-socket.Events:
			// What was clicked is done also when the connection ends meanwhile.
			c.event(lasting, ctx, socket, e, &g)
		}
	}
}

// socketError says what to do about a connection that cannot be made.
func socketError(err error, token string) error {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		_, err = judge(err, token)
		return err
	}
	text := "the API refused: " + alert.Excerpt(answer.Err, 100)
	switch answer.Err {
	case "invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive", "missing_scope":
		text += " (use an app-level token of the app, it begins with xapp- and needs the scope connections:write)"
	case "forbidden_team", "socket_mode_disabled", "access_denied":
		text += " (enable Socket Mode in the app's settings)"
	}
	return errors.New(text)
}

// event answers a click at once, as Slack asks, and then does what was clicked.
func (c *Clicks) event(lasting, ctx context.Context, socket *socketmode.Client, e socketmode.Event, g *errgroup.Group) {
	if e.Request != nil && e.Request.EnvelopeID != "" {
		if err := socket.AckCtx(lasting, e.Request.EnvelopeID, nil); err != nil {
			return // the connection is gone, and Slack sends the click again
		}
	}
	switch e.Type {
	case socketmode.EventTypeConnected:
		c.options.Log.InfoContext(ctx, "connected to Slack by Socket Mode: the buttons of messages work")
	case socketmode.EventTypeConnectionError, socketmode.EventTypeInvalidAuth:
		err := errors.New("the token is refused")
		if failed, ok := e.Data.(*slack.ConnectionErrorEvent); ok {
			err = socketError(failed.ErrorObj, "")
		}
		c.options.Log.WarnContext(ctx, "connecting to Slack by Socket Mode failed and is tried again", "error", err)
	case socketmode.EventTypeInteractive:
		if click, ok := e.Data.(slack.InteractionCallback); ok {
			g.Go(func() error {
				c.take(ctx, &click)
				return nil
			})
		}
	default:
	}
}
