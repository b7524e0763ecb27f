package slack

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// resting says that Slack asked to leave a method alone; cause is what it answered, nil when it was not asked again.
type resting struct {
	method string
	rest   time.Duration
	cause  error
}

// Error implements error.
func (r *resting) Error() string {
	if r.cause != nil {
		return r.cause.Error()
	}
	return "Slack asked to leave " + r.method + " alone for a while"
}

// Unwrap returns the cause.
func (r *resting) Unwrap() error { return r.cause }

// elsewhere says whether what is not about the method can go on: notifications begin with a message.
func (r *resting) elsewhere() bool { return r.method != postMessage && r.method != hookPost }

// judge turns an error of Slack's API into an outcome and an error that says what to do and shows no token.
func judge(err error, token string) (alert.Outcome, error) {
	if err == nil {
		return alert.Outcome{}, nil
	}
	if r := (*resting)(nil); errors.As(err, &r) {
		text := err
		if r.cause != nil {
			_, text = judge(r.cause, token)
		}
		return alert.Outcome{RetryAfter: r.rest, Partly: r.elsewhere()}, text
	}
	var (
		limited *slack.RateLimitedError
		status  slack.StatusCodeError
		answer  slack.SlackErrorResponse
	)
	switch {
	case errors.As(err, &limited):
		return alert.Outcome{RetryAfter: min(max(limited.RetryAfter, defaultRest), longestRest)}, fmt.Errorf("rate limited for %s", limited.RetryAfter)
	case errors.As(err, &status):
		if status.Code == http.StatusTooManyRequests {
			return alert.Outcome{RetryAfter: defaultRest}, errors.New("rate limited")
		}
		permanent := status.Code/100 != 5 && status.Code != http.StatusRequestTimeout
		return alert.Outcome{Permanent: permanent}, fmt.Errorf("the API answered %s", status.Status)
	case errors.As(err, &answer):
		return answerOutcome(answer)
	default:
		return alert.Outcome{}, errors.New(alert.RedactSecrets(alert.RedactURL(err).Error(), token))
	}
}

// answerOutcome judges "ok": false. An error that is not known to pass by itself is permanent.
func answerOutcome(a slack.SlackErrorResponse) (alert.Outcome, error) {
	text := fmt.Sprintf("the API refused: %s", alert.Excerpt(a.Err, 100))
	if hint := hint(a); hint != "" {
		text += " (" + hint + ")"
	}
	switch a.Err {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return alert.Outcome{RetryAfter: defaultRest}, errors.New(text)
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "accesslimited":
		return alert.Outcome{}, errors.New(text)
	default:
		return alert.Outcome{Permanent: true}, errors.New(text)
	}
}

func hint(a slack.SlackErrorResponse) string {
	switch a.Err {
	case "invalid_auth", "not_authed":
		return "the token is wrong: use the bot token of the app, it begins with xoxb-"
	case "token_revoked", "token_expired", "account_inactive":
		return "the token is no longer valid: reinstall the app and use its new bot token"
	case "missing_scope", "no_permission":
		if a.Needed != "" {
			return "the app lacks the scope " + alert.Excerpt(a.Needed, 100) + ": add it and reinstall the app"
		}
		return "the app lacks a scope: add chat:write, files:write for charts, channels:history (groups:history in private channels) to find " +
			"messages again, and reinstall the app"
	case "not_allowed_token_type":
		return "this is another kind of token: use the bot token of the app, it begins with xoxb-"
	case "channel_not_found":
		return "no such channel, or a private one that the app is not in: check the name, or invite the app"
	case "not_in_channel":
		return "invite the app to the channel, or give it the scope chat:write.public"
	case "is_archived":
		return "the channel is archived: choose another"
	case "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long", "attachment_payload_limit_exceeded":
		return "the message is not of the form or the size that Slack takes: check the receiver's own templates, if it has any"
	case "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel":
		return "a setting of the workspace forbids posting there"
	default:
		return ""
	}
}
