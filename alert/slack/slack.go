// Package slack delivers notifications to a Slack channel.
//
// With a bot token (scope chat:write) a group of alerts has one message: it is edited in place as alerts join, resolve
// and change, and each change is said in its thread. With an incoming webhook, which can only post, each notification is
// a message of its own.
//
// What labels and records hold is escaped, so that they cannot forge mentions, links or code blocks. Tokens and webhook
// addresses appear in no error.
package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	defaultAPI = "https://slack.com/api/"
	// eventType marks freshet's messages, so that one whose delivery is in doubt can be found again.
	eventType = "freshet_notification"
	// defaultRest is how long Slack is left alone after a 429 that names no time.
	defaultRest = time.Second
)

// Notifier posts to one channel.
type Notifier struct {
	config    alert.SlackConfig
	templates *alert.Templates
	client    *http.Client
}

// New returns a Notifier for a valid configuration. It reads the files that the configuration names once, so that a
// missing one shows at the start.
func New(c alert.SlackConfig) (*Notifier, error) {
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
	return &Notifier{config: c, templates: templates, client: client}, nil
}

// Notify implements alert.Notifier.
func (n *Notifier) Notify(ctx context.Context, notification *alert.Notification) (alert.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, n.config.Timeout)
	defer cancel()
	m, err := n.render(notification)
	if err != nil {
		return alert.Outcome{Permanent: true}, fmt.Errorf("slack: %w", err)
	}
	secret, file := n.config.BotToken()
	send := n.edit
	if secret == "" && file == "" {
		secret, file = n.config.APIURL, n.config.APIURLFile
		send = n.post
	}
	secretText, err := alert.ReadSecret(secret, file)
	if err != nil {
		return alert.Outcome{Permanent: true}, fmt.Errorf("slack: %w", err)
	}
	outcome, err := send(ctx, secretText, notification, m)
	if err != nil {
		return outcome, fmt.Errorf("slack: %w", err)
	}
	return outcome, nil
}

// post sends the message to an incoming webhook.
func (n *Notifier) post(ctx context.Context, address string, _ *alert.Notification, m message) (alert.Outcome, error) {
	body, err := json.Marshal(slack.WebhookMessage{
		Username: n.config.Username, IconEmoji: n.config.IconEmoji, IconURL: n.config.IconURL, Channel: n.config.Channel,
		Attachments: []slack.Attachment{m.attachment()},
	})
	if err != nil {
		return alert.Outcome{Permanent: true}, fmt.Errorf("encoding the message: %w", err)
	}
	return alert.Post(ctx, n.client, n.config.HTTPConfig, address, http.Header{}, body)
}

// edit keeps the group's one message up to date and says in its thread what changed.
func (n *Notifier) edit(ctx context.Context, token string, notification *alert.Notification, m message) (alert.Outcome, error) {
	api := slack.New(token, slack.OptionHTTPClient(n.client), slack.OptionAPIURL(apiURL(n.config.AppURL)))
	at, known := parseRef(notification.Ref)
	if known {
		_, _, _, err := api.UpdateMessageContext(ctx, at.channel, at.timestamp, m.options()...)
		switch {
		case err == nil:
			if notification.Reason != alert.ContentChanged {
				err = n.reply(ctx, api, at, notification, m)
			}
			outcome, err := judge(err, token)
			outcome.Ref = at.String()
			return outcome, err
		case !gone(err):
			return judge(err, token)
		}
	}
	if notification.Repeated {
		if found, ok := find(ctx, api, n.config.Channel, notification); ok {
			return alert.Outcome{Ref: found.String()}, nil
		}
	}
	channel, timestamp, err := api.PostMessageContext(ctx, n.config.Channel, append(m.options(), n.identity(notification)...)...)
	outcome, err := judge(err, token)
	if err == nil {
		outcome.Ref = ref{channel, timestamp}.String()
	}
	return outcome, err
}

// reply says in the thread what changed. New alerts and reminders are shown in the channel too: an edit alone rings
// nobody's phone.
func (n *Notifier) reply(ctx context.Context, api *slack.Client, at ref, notification *alert.Notification, m message) error {
	if notification.Repeated && replied(ctx, api, at, notification.ID) {
		return nil
	}
	options := append(n.identity(notification), slack.MsgOptionTS(at.timestamp), slack.MsgOptionText(m.change, false),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionParse(false))
	if notification.Reason == alert.NewAlerts || notification.Reason == alert.RepeatElapsed {
		options = append(options, slack.MsgOptionBroadcast())
	}
	_, _, err := api.PostMessageContext(ctx, at.channel, options...)
	return err
}

// identity is who posts and which notification it is.
func (n *Notifier) identity(notification *alert.Notification) []slack.MsgOption {
	options := []slack.MsgOption{slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType: eventType, EventPayload: map[string]any{"id": notification.ID},
	})}
	if n.config.Username != "" {
		options = append(options, slack.MsgOptionUsername(n.config.Username))
	}
	if n.config.IconEmoji != "" {
		options = append(options, slack.MsgOptionIconEmoji(n.config.IconEmoji))
	}
	if n.config.IconURL != "" {
		options = append(options, slack.MsgOptionIconURL(n.config.IconURL))
	}
	return options
}

// find looks for a message whose delivery is in doubt. It needs the channel's ID rather than its name, and the scope
// channels:history; without them the message may stand twice.
func find(ctx context.Context, api *slack.Client, channel string, n *alert.Notification) (ref, bool) {
	if strings.HasPrefix(channel, "#") || strings.HasPrefix(channel, "@") {
		return ref{}, false
	}
	history, err := api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: channel, Oldest: strconv.FormatInt(n.Created.Add(-time.Minute).Unix(), 10), Limit: 200, IncludeAllMetadata: true,
	})
	if err != nil {
		return ref{}, false
	}
	if i := withID(history.Messages, n.ID); i >= 0 {
		return ref{channel, history.Messages[i].Timestamp}, true
	}
	return ref{}, false
}

func replied(ctx context.Context, api *slack.Client, at ref, id string) bool {
	messages, _, _, err := api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
		ChannelID: at.channel, Timestamp: at.timestamp, Limit: 200, IncludeAllMetadata: true,
	})
	return err == nil && withID(messages, id) >= 0
}

func withID(messages []slack.Message, id string) int {
	for i, m := range messages {
		if m.Metadata.EventType == eventType && m.Metadata.EventPayload["id"] == id {
			return i
		}
	}
	return -1
}

// ref names a message by its channel's ID and its timestamp.
type ref struct{ channel, timestamp string }

func (r ref) String() string { return r.channel + "/" + r.timestamp }

func parseRef(text string) (ref, bool) {
	channel, timestamp, ok := strings.Cut(text, "/")
	return ref{channel, timestamp}, ok && channel != "" && timestamp != ""
}

// apiURL accepts the address of the API and, as Alertmanager writes it, that of its method chat.postMessage.
func apiURL(configured string) string {
	if configured == "" {
		return defaultAPI
	}
	return strings.TrimRight(strings.TrimSuffix(configured, "chat.postMessage"), "/") + "/"
}

// gone says that a message cannot be edited any more, so that a new one must take its place.
func gone(err error) bool {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Err {
	case "message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "is_inactive":
		return true
	default:
		return false
	}
}
