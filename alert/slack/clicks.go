package slack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// clickTimeout bounds what a click does, its answer included.
	clickTimeout = 20 * time.Second
	// maxClicks is how many clicks are worked on at a time.
	maxClicks = 8
)

// ClickOptions configure Clicks.
type ClickOptions struct {
	// Do carries a command out. It returns when the command is sure to be taken.
	Do func(context.Context, *alert.Command) error
	// Users are the IDs of the users who may use the buttons of an integration, by its key; everybody where there are none.
	// Buttons of an integration without a key here do nothing.
	Users map[string][]string
	// AppLevelToken is what Run connects with, SigningSecret what ServeHTTP checks requests by.
	AppLevelToken     alert.Secret
	AppLevelTokenFile string
	SigningSecret     alert.Secret
	SigningSecretFile string
	// AppURL is where Slack's API is, by default https://slack.com/api/.
	AppURL string
	// HTTPConfig says how Run reaches Slack, HTTPConfigs how the answers to clicks of an integration's buttons do, by its key.
	// Where there is none, that is as the environment says.
	HTTPConfig  *alert.HTTPConfig
	HTTPConfigs map[string]*alert.HTTPConfig
	Log         *slog.Logger
}

// Clicks turns clicks of buttons into commands. They come by Socket Mode (Run) or by a request URL (ServeHTTP).
type Clicks struct {
	options ClickOptions
	users   map[string][]string // by block ID
	clients map[string]client   // by block ID
	slots   chan struct{}
}

// client reaches Slack, or says why it cannot.
type client struct {
	*http.Client
	err error
}

func clientOf(h *alert.HTTPConfig) client {
	if h == nil {
		return client{Client: http.DefaultClient}
	}
	c, err := h.Client("slack")
	return client{c, err}
}

// NewClicks returns Clicks.
func NewClicks(o ClickOptions) *Clicks {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Clicks{options: o, users: map[string][]string{}, clients: map[string]client{}, slots: make(chan struct{}, maxClicks)}
	for key, ids := range o.Users {
		c.users[blockID(key)] = ids
	}
	for key, h := range o.HTTPConfigs {
		c.clients[blockID(key)] = clientOf(h)
	}
	return c
}

// errNoReceiver says that nobody knows any more who may use the button.
var errNoReceiver = errors.New("the configuration does not have the receiver of this message any more: use freshet's page")

// errNotAllowed says that the user may not use the button.
var errNotAllowed = errors.New("only some people may use the buttons here (button_users)")

// take carries out what a person clicked and tells him, and only him, what came of it. Other interactions are ignored.
func (c *Clicks) take(ctx context.Context, click *slack.InteractionCallback) {
	if click.Type != slack.InteractionTypeBlockActions {
		return
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, clickTimeout)
	defer cancel()
	for _, action := range click.ActionCallback.BlockActions {
		command, done := commandOf(click, action, time.Now())
		if command == nil {
			continue
		}
		err := c.do(ctx, click, action, command)
		log := c.options.Log.With("user", click.User.ID, "command", string(command.Kind), "group", alert.Excerpt(command.Subject.Group, 200))
		if err != nil {
			log.WarnContext(ctx, "a click of a button did nothing", "error", err)
			done = "That did not work: " + escape(alert.Excerpt(err.Error(), 300))
		} else {
			log.InfoContext(ctx, "somebody clicked a button")
		}
		if err := c.answer(ctx, action.BlockID, click.ResponseURL, done); err != nil {
			log.WarnContext(ctx, "the answer to a click could not be shown", "error", err)
		}
	}
}

func (c *Clicks) do(ctx context.Context, click *slack.InteractionCallback, action *slack.BlockAction, command *alert.Command) error {
	switch users, known := c.users[action.BlockID]; {
	case !known:
		return errNoReceiver
	case len(users) > 0 && !slices.Contains(users, click.User.ID):
		return errNotAllowed
	}
	if err := command.Validate(); err != nil {
		return fmt.Errorf("the button names no alerts: %w", err)
	}
	return c.options.Do(ctx, command)
}

// commandOf returns what a button means, and what is said when that is done; nil for what is no button of freshet's. The
// same click, delivered twice, gives the same command.
func commandOf(click *slack.InteractionCallback, action *slack.BlockAction, now time.Time) (c *alert.Command, done string) {
	sum := sha256.Sum256([]byte(strings.Join([]string{click.Container.ChannelID, click.Container.MessageTs, action.ActionID, action.ActionTs,
		click.User.ID, action.Value}, "\xff")))
	c = &alert.Command{ID: "slack-" + hex.EncodeToString(sum[:16]), At: now, By: who(&click.User), Subject: alert.Subject{Group: action.Value}}
	switch action.ActionID {
	case actAcknowledge:
		c.Kind, done = alert.Acknowledge, "Acknowledged: nobody is reminded of these alerts until they resolve."
	case actUnacknowledge:
		c.Kind, done = alert.Unacknowledge, "No longer acknowledged: reminders go on."
	case actSilence:
		c.Kind, c.Duration, done = alert.SilenceSubject, silenceFor, "Silenced for 1 hour."
	case actNoise:
		c.Kind, done = alert.MarkNoise, "Counted as noise. The rule's share of noise shows which rules to mend."
	default:
		return nil, ""
	}
	return c, done
}

// who names a user by name and ID, as names may change.
func who(u *slack.User) string {
	if u.Name == "" {
		return u.ID
	}
	return u.Name + " (" + u.ID + ")"
}

// answer shows a text to the person who clicked a button of a block.
func (c *Clicks) answer(ctx context.Context, block, address, text string) error {
	if address == "" {
		return nil
	}
	reach, known := c.clients[block]
	if !known {
		reach = clientOf(c.options.HTTPConfig)
	}
	if reach.err != nil {
		return reach.err
	}
	body, err := json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": text})
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the response URL is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := reach.Do(req)
	if err != nil {
		return alert.RedactURL(err) //nolint:wrapcheck // names the host
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the response URL answered %s", resp.Status)
	}
	return nil
}
