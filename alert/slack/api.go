package slack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// defaultRest is how long Slack is left alone after a 429 that names no time.
	defaultRest = time.Second
	// patience is how long a wish to be left alone is waited out here; after a longer one the notification is given back.
	patience = 10 * time.Second
	// longestRest is how long Slack is left alone at most: a header that asks for hours must not silence a channel.
	longestRest = 5 * time.Minute
	// maxLimited is how often a call is made again that Slack refused because of its rate.
	maxLimited = 5
)

// errNotActive is about what has waited too long for its turn.
var errNotActive = errors.New("it is not known, when it is its turn, that this process is the active alerter")

// channel is one place that the notifier writes to.
type channel struct {
	n     *Notifier
	api   *slack.Client
	token string // or the address of an incoming webhook
	name  string // as configured, or the ID of a message that is known
}

// write makes a call when it is the channel's turn, again when Slack asks to be left alone for a while. The call returns
// how long Slack asks for.
func (c *channel) write(ctx context.Context, method string, urgent bool, call func(context.Context) (time.Duration, error)) error {
	limiter := c.n.options.Limiter
	for i := 0; ; i++ {
		if _, bounded := ctx.Deadline(); bounded {
			if err := c.patient(ctx, method); err != nil {
				return err
			}
		}
		mine, err := limiter.acquire(ctx, c.token, c.name, method, urgent)
		if err != nil {
			return fmt.Errorf("waiting for the channel's turn: %w", err)
		}
		if limiter.Active != nil && !limiter.Active() {
			limiter.release(mine)
			return errNotActive
		}
		rest, err := c.bounded(ctx, call)
		if rest > 0 {
			limiter.block(c.token, method, rest)
		}
		limiter.release(mine)
		switch {
		case err == nil || rest == 0:
			return err
		case rest > patience || i == maxLimited || !lasts(ctx, rest):
			return &resting{method, rest, err}
		}
	}
}

// patient returns an error where a method must be left alone for longer than anybody waits here.
func (c *channel) patient(ctx context.Context, method string) error {
	rest := c.n.options.Limiter.resting(c.token, method)
	if rest == 0 || rest <= patience && lasts(ctx, rest) {
		return nil
	}
	return &resting{method: method, rest: rest}
}

// read makes a call that changes nothing.
func (c *channel) read(ctx context.Context, method string, call func(context.Context) (time.Duration, error)) error {
	limiter := c.n.options.Limiter
	if err := c.patient(ctx, method); err != nil {
		return err
	}
	if err := limiter.waitMethod(ctx, c.token, method); err != nil {
		return err
	}
	rest, err := c.bounded(ctx, call)
	if err == nil || rest == 0 {
		return err
	}
	limiter.block(c.token, method, rest)
	return &resting{method, rest, err}
}

func (c *channel) bounded(ctx context.Context, call func(context.Context) (time.Duration, error)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, c.n.config.Timeout)
	defer cancel()
	return call(ctx)
}

// lasts says whether ctx does.
func lasts(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > d)
}

// limited returns how long an error asks to be left alone.
func limited(err error) (time.Duration, error) {
	if err == nil {
		return 0, nil
	}
	o, _ := judge(err, "")
	return o.RetryAfter, err
}

// post makes a message and returns its name. A form that Slack refuses is given up for plain text, and metadata for none:
// a message that people see is worth more.
func (c *channel) post(ctx context.Context, m message, about about, urgent bool, more ...slack.MsgOption) (ref, error) {
	var made ref
	options := append(c.n.identity(m), more...)
	call := func(ctx context.Context) (time.Duration, error) {
		all := append(m.options(), options...)
		if about.eventType != "" {
			all = append(all, slack.MsgOptionMetadata(slack.SlackMetadata{EventType: about.eventType, EventPayload: about.payload}))
		}
		id, timestamp, err := c.api.PostMessageContext(ctx, c.name, all...)
		made = ref{channel: id, timestamp: timestamp}
		return limited(err)
	}
	err := c.write(ctx, postMessage, urgent, call)
	if refusedMetadata(err) {
		c.n.complain(ctx, partMetadata, err)
		about.eventType = ""
		err = c.write(ctx, postMessage, urgent, call)
	}
	if refusedForm(err) {
		c.n.complain(ctx, "form", err)
		m = m.bare()
		err = c.write(ctx, postMessage, urgent, call)
	}
	if err == nil {
		c.n.options.Limiter.learn(c.token, c.name, made.channel)
	}
	return made, err
}

// update edits a message.
func (c *channel) update(ctx context.Context, at ref, m message, urgent bool) error {
	call := func(ctx context.Context) (time.Duration, error) {
		_, _, _, err := c.api.UpdateMessageContext(ctx, at.channel, at.timestamp, m.options()...)
		return limited(err)
	}
	err := c.write(ctx, "chat.update", urgent, call)
	if refusedForm(err) {
		c.n.complain(ctx, "form", err)
		m = m.bare()
		err = c.write(ctx, "chat.update", urgent, call)
	}
	return err
}

// Parts of messages whose lack others ask for.
const (
	partSearch   = "search for messages whose delivery is in doubt"
	partMetadata = "metadata"
)

// complained says whether Slack refuses a part.
func (n *Notifier) complained(part string) bool {
	_, yes := n.complaints.Load(part)
	return yes
}

// complain logs once that Slack refuses something that is not worth to fail for.
func (n *Notifier) complain(ctx context.Context, what string, err error) {
	if _, again := n.complaints.LoadOrStore(what, true); again {
		return
	}
	_, text := judge(err, "")
	n.options.Log.WarnContext(ctx, "Slack refuses a part of a message; messages go out without it", "part", what, "error", text)
}

func refusedForm(err error) bool {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Err {
	case "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "invalid_attachments", "too_many_attachments",
		"attachment_payload_limit_exceeded", "cannot_parse_attachment", "no_text":
		return true
	default:
		return false
	}
}

func refusedMetadata(err error) bool {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Err {
	case "metadata_too_large", "invalid_metadata_format", "invalid_metadata_schema", "metadata_must_be_sent_from_app":
		return true
	default:
		return false
	}
}

// identity is who posts.
func (n *Notifier) identity(m message) []slack.MsgOption {
	var options []slack.MsgOption
	for _, o := range []struct {
		text string
		with func(string) slack.MsgOption
	}{{m.username, slack.MsgOptionUsername}, {m.iconEmoji, slack.MsgOptionIconEmoji}, {m.iconURL, slack.MsgOptionIconURL}} {
		if o.text != "" {
			options = append(options, o.with(o.text))
		}
	}
	return options
}

// about is the metadata of a message, by which it is found again when it is not known whether it was made.
type about struct {
	eventType string
	payload   map[string]any
}

// outcome judges an error, and names the message that exists all the same.
func outcome(err error, token string, made ref) (alert.Outcome, error) {
	o, err := judge(err, token)
	if made.timestamp != "" {
		o.Ref = made.String()
	}
	return o, err
}
