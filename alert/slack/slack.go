// Package slack delivers notifications to a Slack channel.
//
// With a bot token (scope chat:write) a group of alerts has one message: it is edited in place as alerts join, resolve
// and change. Its thread holds why the alerts fire, what changed, and what people did; files:write adds a chart. With an
// incoming webhook, which can only post, each notification is a message of its own that holds what fits.
//
// Each channel is written to once in a second at most, by all notifiers that share a Limiter. A storm of notifications is
// one message: see Digest. Buttons act by Clicks, over Socket Mode or a request URL.
//
// What labels and records hold is escaped, so that they cannot forge mentions, links or code blocks, and secrets in them are
// hidden. Tokens and webhook addresses appear in no error.
package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	defaultAPI = "https://slack.com/api/"
	// postMessage is the method that makes messages, hookPost stands for it with an incoming webhook.
	postMessage = "chat.postMessage"
	hookPost    = "webhook"
)

// Options are what notifiers get from the program; all may be left out.
type Options struct {
	// Limiter is shared by all notifiers of a process; without one the notifier has its own.
	Limiter *Limiter
	// Chart draws the picture of an alert as PNG, nil when there is nothing to draw.
	Chart func(*alert.Alert) ([]byte, error)
	// Buttons says that clicks reach freshet: see Clicks.
	Buttons bool
	// FlappingWindow is within which time a flapping alert is counted, for the words about it.
	FlappingWindow time.Duration
	Log            *slog.Logger
}

// Notifier posts to one channel.
type Notifier struct {
	config     alert.SlackConfig
	options    Options
	templates  *alert.Templates
	client     *http.Client
	complaints sync.Map     // what was logged once
	owed       owed         // edits of messages
	noFiles    atomic.Int64 // until when lists are text, as Unix time in nanoseconds
}

var _ alert.Digester = (*Notifier)(nil)

// New returns a Notifier for a valid configuration. It reads the files that the configuration names once, so that a
// missing one shows at the start.
func New(c alert.SlackConfig, o Options) (*Notifier, error) {
	token, file := c.BotToken()
	if token == "" && file == "" {
		token, file = c.APIURL, c.APIURLFile
	}
	if _, err := alert.ReadSecret(token, file); err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	client, err := c.HTTPConfig.Client("slack")
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	if c.Timeout <= 0 {
		c.Timeout = alert.DefaultTimeout
	}
	templates, err := alert.NewTemplates(c.TemplateFiles...)
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	if o.Limiter == nil {
		o.Limiter = NewLimiter(0)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Notifier{config: c.WithTemplates(templates), options: o, templates: templates, client: client}, nil
}

// Notify implements alert.Notifier.
func (n *Notifier) Notify(ctx context.Context, notification *alert.Notification) (alert.Outcome, error) {
	c, err := n.channel(&notification.Data)
	if err != nil {
		return nowhere(notification, err)
	}
	o, err := c.tell(ctx, hide(notification))
	if err != nil {
		return o, fmt.Errorf("slack: %w", err)
	}
	return o, nil
}

// nowhere is the outcome for a notification of which nobody can say where it goes.
func nowhere(notification *alert.Notification, err error) (alert.Outcome, error) {
	if notification.Stale {
		err = alert.ErrStale
	}
	return alert.Outcome{Permanent: true}, fmt.Errorf("slack: %w", err)
}

// tell delivers a notification, whose secrets are hidden.
func (c *channel) tell(ctx context.Context, notification *alert.Notification) (alert.Outcome, error) {
	switch {
	case notification.Stale && c.api == nil:
		return alert.Outcome{}, alert.ErrStale
	case notification.Stale: // a form that cannot be made is not needed
		return c.notify(ctx, notification, message{})
	}
	m, err := c.n.render(notification, c.api != nil)
	if err == nil {
		m, err = c.n.signed(m, &notification.Data)
	}
	switch {
	case err != nil:
		return alert.Outcome{Permanent: true}, err
	case c.api == nil:
		return c.hook(ctx, m)
	default:
		return c.notify(ctx, notification, m)
	}
}

// channel returns where a message goes. It has no api when that is an incoming webhook.
func (n *Notifier) channel(d *alert.Data) (*channel, error) {
	secret, file := n.config.BotToken()
	hook := secret == "" && file == ""
	if hook {
		secret, file = n.config.APIURL, n.config.APIURLFile
	}
	token, err := alert.ReadSecret(secret, file)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	name, err := n.execute(n.config.Channel, d)
	if err != nil {
		return nil, err
	}
	c := &channel{n: n, token: token, name: name}
	if !hook {
		c.api = slack.New(token, slack.OptionHTTPClient(n.client), slack.OptionAPIURL(apiURL(n.config.AppURL)))
	}
	return c, nil
}

// hook sends the message to an incoming webhook.
func (c *channel) hook(ctx context.Context, m message) (alert.Outcome, error) {
	o, err := c.postHook(ctx, m)
	if err != nil && o.Permanent && strings.Contains(err.Error(), "invalid_") {
		c.n.complain(ctx, "form", err)
		o, err = c.postHook(ctx, m.bare())
	}
	return o, err
}

// hookMessage is what an incoming webhook takes.
type hookMessage struct {
	slack.WebhookMessage
	LinkNames bool `json:"link_names,omitempty"`
}

func (c *channel) postHook(ctx context.Context, m message) (o alert.Outcome, err error) {
	w := hookMessage{LinkNames: m.linkNames}
	w.WebhookMessage = slack.WebhookMessage{Username: m.username, IconEmoji: m.iconEmoji, IconURL: m.iconURL, Channel: c.name, Text: m.preview,
		Attachments: []slack.Attachment{m.attachment}}
	if len(m.blocks) > 0 {
		w.Blocks = &slack.Blocks{BlockSet: m.blocks}
	}
	body, err := json.Marshal(w)
	if err != nil {
		return alert.Outcome{Permanent: true}, fmt.Errorf("encoding the message: %w", err)
	}
	err = c.write(ctx, hookPost, true, func(ctx context.Context) (time.Duration, error) {
		var answer alert.Answer
		answer, o, err = alert.Do(ctx, c.n.client, c.n.config.HTTPConfig,
			alert.Request{URL: c.token, Header: http.Header{"Content-Type": {"application/json"}}, Body: body})
		if answer.Code == http.StatusTooManyRequests && o.RetryAfter == 0 {
			o.RetryAfter = defaultRest
		}
		o.RetryAfter = min(o.RetryAfter, longestRest)
		return o.RetryAfter, err //nolint:wrapcheck // shows what was posted to
	})
	if r := (*resting)(nil); errors.As(err, &r) {
		o.RetryAfter = r.rest
	}
	return o, err
}

// notify keeps the group's one message up to date and says in its thread what changed.
func (c *channel) notify(ctx context.Context, n *alert.Notification, m message) (alert.Outcome, error) {
	at, known := parseRef(n.Ref)
	if known {
		c.n.options.Limiter.learn(c.token, c.name, at.channel)
	}
	if known && at.digest && n.Reason == alert.ContentChanged {
		return alert.Outcome{Ref: n.Ref}, nil // a digest shows no values that could change
	}
	found, err := c.find(ctx, []*alert.Notification{n})
	if err == nil && n.Stale {
		_, err = c.findReplies(ctx, found, []*alert.Notification{n})
	}
	if err != nil {
		return outcome(err, c.token, at)
	}
	told, isTold := found[n.ID]
	switch {
	case n.Stale && !isTold:
		return alert.Outcome{}, alert.ErrStale
	case n.Stale: // what is there tells it
	case known && at.digest && n.Reason == alert.NoteAdded:
		if !isTold {
			err = c.reply(ctx, at, n)
		}
		return outcome(err, c.token, at)
	case known && !at.digest:
		here := &channel{n: c.n, api: c.api, token: c.token, name: at.channel}
		err := here.update(ctx, at, m, n.Reason != alert.ContentChanged)
		if err == nil && !isTold {
			err = here.reply(ctx, at, n)
		}
		if !gone(err) {
			return outcome(err, c.token, at)
		}
	}
	if isTold {
		if told.digest {
			err = c.listFound(ctx, found, []*alert.Notification{n})
		} else if !n.Stale {
			c.begin(ctx, told.ref, n)
		}
		if n.Stale && told.digest && isOwn(n.Ref) {
			told.ref = at
		}
		return outcome(err, c.token, told.ref)
	}
	made, err := c.post(ctx, m, aboutOne(eventType, n.ID), true)
	if err != nil {
		return outcome(err, c.token, ref{})
	}
	fresh := *n
	fresh.Repeated = false
	c.begin(ctx, made, &fresh)
	return alert.Outcome{Ref: made.String()}, nil
}

// reply says in the thread what changed.
func (c *channel) reply(ctx context.Context, at ref, n *alert.Notification) error {
	r, ok := followUp(n)
	if !ok {
		return nil
	}
	if n.Repeated {
		if yes, err := c.said(ctx, at, eventType, n.ID); yes || err != nil {
			return err
		}
	}
	if at.digest {
		r.text = escape(clip(title(&n.Data), maxHeader)) + ": " + r.text
		r.blocks = nil
	}
	return c.sayInThread(ctx, at, r, aboutOne(eventType, n.ID), r.broadcast, &n.Data)
}

func (c *channel) sayInThread(ctx context.Context, at ref, r reply, about about, urgent bool, d *alert.Data) error {
	m, err := c.n.signed(message{preview: trim(r.text, maxText), blocks: r.blocks}, d)
	if err != nil {
		return err
	}
	options := []slack.MsgOption{slack.MsgOptionTS(at.timestamp)}
	if r.broadcast {
		options = append(options, slack.MsgOptionBroadcast())
	}
	here := &channel{n: c.n, api: c.api, token: c.token, name: at.channel}
	_, err = here.post(ctx, m, about, urgent, options...)
	return err
}

// begin fills the thread of a new message with why the alerts fire, and a chart. The message has been delivered without
// it, so that what fails here is only logged.
func (c *channel) begin(ctx context.Context, at ref, n *alert.Notification) {
	if r, ok := beginning(n); ok {
		said := false
		if n.Repeated {
			yes, err := c.said(ctx, at, beginningType, n.ID)
			said = yes || err != nil
		}
		if !said {
			if err := c.sayInThread(ctx, at, r, aboutOne(beginningType, n.ID), false, &n.Data); err != nil && ctx.Err() == nil {
				c.n.complain(ctx, "evidence", err)
			}
		}
		if n.Repeated {
			return // the chart, too, is only sent with certainty that it is not there
		}
	}
	c.chart(ctx, at, n)
}

// apiURL accepts the address of the API and, as Alertmanager writes it, that of its method chat.postMessage.
func apiURL(configured string) string {
	if configured == "" {
		return defaultAPI
	}
	return strings.TrimRight(strings.TrimSuffix(configured, postMessage), "/") + "/"
}

// gone says that a message cannot be edited any more, so that a new one must take its place.
func gone(err error) bool {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Err {
	case "message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "is_inactive", "thread_not_found":
		return true
	default:
		return false
	}
}
