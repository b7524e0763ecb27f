package alert

import (
	"context"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Reason says why a group is notified, in Alertmanager's words.
type Reason string

// The reasons.
const (
	FirstNotification Reason = "first notification"
	NewAlerts         Reason = "new alerts added"
	SomeResolved      Reason = "some alerts resolved"
	AllResolved       Reason = "all alerts resolved"
	RepeatElapsed     Reason = "repeat interval elapsed"
	// ContentChanged is for receivers that edit their message: who fires is the same, but a value or a text changed.
	ContentChanged Reason = "content changed"
	// NoteAdded is for them too: somebody acknowledged or silenced an alert, or a remediation did something.
	NoteAdded Reason = "note added"
	// SeverityRaised says that an alert that was told of has become more severe.
	SeverityRaised Reason = "severity raised"
)

// edits says that a notification only changes or adds to a message that was sent, which notifies nobody.
func (r Reason) edits() bool { return r == ContentChanged || r == NoteAdded }

// Notification is one message about one group of alerts for one integration. It does not change once made, so that a
// repeated attempt says the same under the same ID.
type Notification struct {
	// ID is the idempotency key: all attempts to deliver this notification have it, before and after a restart.
	ID string
	// Integration is where it goes.
	Integration Integration
	// Group names the group for commands: see Subject.
	Group string
	// GroupKey identifies the group as Alertmanager writes it: {}/{severity="critical"}:{alertname="ErrorSpike"}.
	GroupKey string
	Reason   Reason
	// Created is when the notification was decided on.
	Created time.Time
	// Ref is what the last outcome for this group named its message by, "" when there is none to edit.
	Ref string
	// Attempt counts from 1. Repeated says that an earlier attempt may have been delivered without freshet knowing.
	Attempt  int
	Repeated bool
	// Digest is the name of the newest digest that was to tell of it, "" when there was none: see DigestProgress.
	Digest string
	// Stale says that another notification is to take its place, unless it has been delivered: who Edits looks for it, and
	// answers with ErrStale when it is not there.
	Stale bool
	Data  Data
}

// About names the group that the notification is about, "" when it does not say.
func (n *Notification) About() string {
	if n.Group == "" && n.GroupKey == "" {
		return ""
	}
	return n.Group + "\xff" + n.GroupKey
}

// Outcome is what came of one attempt to deliver a notification, beside the error.
type Outcome struct {
	// Ref names the message for later edits, e.g. a Slack channel and timestamp. It is kept also when the attempt
	// failed after the message was made.
	Ref string
	// Note, when set, says what the attempt did, for the Slack threads of the same alerts: what a remediation answered.
	Note string
	// Dry says that nothing was sent: the attempt passes as one that succeeded until the integration is in a dry run no more.
	Dry bool
	// Permanent says of a failed attempt that another cannot succeed until somebody mends the configuration.
	Permanent bool
	// RetryAfter is how long the receiver asks to be left alone, 0 when it does not say.
	RetryAfter time.Duration
	// Partly says that RetryAfter is about something that other notifications may not need, such as edits: they need not wait.
	Partly bool
}

// Notifier delivers notifications to one integration. Notify returns when the receiver has answered or ctx ends; the
// error names no secret. It may be called concurrently for different groups, never for the same one.
type Notifier interface {
	Notify(ctx context.Context, n *Notification) (Outcome, error)
}

// Integration is one way in which a receiver is notified: one entry of its slack_configs or webhook_configs.
type Integration struct {
	// Receiver is the receiver's name, Kind is "slack", "webhook" or another notifier's, Index counts the entries of
	// that kind from 0.
	Receiver string
	Kind     string
	Index    int
	// DryRun says that nothing is sent, and what would be is recorded.
	DryRun bool
	// SendResolved says whether the end of an alert is told too.
	SendResolved bool
	// Edits says that the notifier changes the message it sent before, so that small changes may be told at once, and that it
	// can look for it.
	Edits bool
	// Slack and Webhook are the settings; the one of Kind is set.
	Slack   *SlackConfig
	Webhook *WebhookConfig
	// Remediation is set for a webhook that mends: it is called at most once for each incident, and never again when it is
	// not known what came of a call.
	Remediation *RemediationConfig
}

// Key identifies the integration among all: receiver/kind[index].
func (i Integration) Key() string { return i.Receiver + "/" + i.Kind + "[" + itoa(i.Index) + "]" }

// timeout is what the configuration sets, 0 for the default.
func (i Integration) timeout() time.Duration {
	switch {
	case i.Slack != nil:
		return i.Slack.Timeout
	case i.Webhook != nil:
		return i.Webhook.Timeout
	default:
		return 0
	}
}

// integrationNamed returns what the key of an integration says, for one that the configuration has no more.
func integrationNamed(key string) Integration {
	name, kind := key, ""
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		name, kind = key[:i], key[i+1:]
	}
	kind, _, _ = strings.Cut(kind, "[")
	return Integration{Receiver: name, Kind: kind}
}

// View is an alert as the web page and the API show it.
type View struct {
	Fingerprint label.Fingerprint `json:"fingerprint"`
	Name        string            `json:"name"`
	// Group and File say which rule it comes from.
	Group string `json:"group"`
	// State is pending, firing or resolved.
	State       string            `json:"state"`
	Labels      label.Set         `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Value       *float64          `json:"value,omitempty"`
	Threshold   *float64          `json:"threshold,omitempty"`
	Unit        string            `json:"unit,omitempty"`
	Condition   string            `json:"condition"`
	// Since is when the episode began and Until when it ended, in event time; Reason says why it ended if its condition
	// was not the cause.
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// FirstRecord is the event time of the first matching record, Received when the alerter learned that it fires.
	FirstRecord time.Time `json:"first_record,omitzero"`
	Received    time.Time `json:"received,omitzero"`
	Samples     []Sample  `json:"samples,omitempty"`
	// Offsets is where the matching records lie, Explanation what sets them apart from those before.
	Offsets     []finding.OffsetRange `json:"offsets,omitempty"`
	Explanation *finding.Explanation  `json:"explanation,omitempty"`
	// Peak is the value furthest beyond the threshold since it fires.
	Peak *float64 `json:"peak,omitempty"`
	// SilencedBy are the silences, InhibitedBy the alerts and MutedBy the time intervals that mute it now.
	SilencedBy  []string            `json:"silenced_by,omitempty"`
	InhibitedBy []label.Fingerprint `json:"inhibited_by,omitempty"`
	MutedBy     []string            `json:"muted_by,omitempty"`
	// Acknowledged is nil until somebody acknowledges it; Noise says that somebody called it that.
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	Noise        bool             `json:"noise,omitempty"`
	// Flapping is how often it fired of late when it flaps, else 0; Calm is when its end counts, zero while it fires.
	Flapping int       `json:"flapping,omitempty"`
	Calm     time.Time `json:"calm,omitzero"`
	// Expires is when an alert that others posted is over unless it is posted again, GeneratorURL where it says it is from.
	Expires      time.Time `json:"expires,omitzero"`
	GeneratorURL string    `json:"generator_url,omitempty"`
	// Updated is when anything last changed.
	Updated time.Time `json:"updated"`
	// Receivers are the names of those that its routes lead to; Notified is when one was last told something new of it.
	Receivers []string  `json:"receivers,omitempty"`
	Notified  time.Time `json:"notified,omitzero"`
	// LastError is why the newest attempt to tell somebody failed, "" when it did not.
	LastError string `json:"last_error,omitempty"`
}

// GroupView is a group of alerts and how far each integration has been told of it.
type GroupView struct {
	Key          string              `json:"key"`
	Receiver     string              `json:"receiver"`
	Labels       label.Set           `json:"labels"`
	Alerts       []label.Fingerprint `json:"alerts"`
	Integrations []ProgressView      `json:"integrations"`
	// RouteLabels are those of its route, rendered.
	RouteLabels KV `json:"route_labels,omitempty"`
	// MutedBy are the time intervals that mute the group's route now.
	MutedBy []string `json:"muted_by,omitempty"`
}

// ProgressView says what one integration has been told of a group.
type ProgressView struct {
	Integration string `json:"integration"`
	// Notified is when a notification was last delivered, Next when the next one is due, zero when none is.
	Notified time.Time `json:"notified,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	// Outstanding is the ID of a notification that is decided on but not delivered, Attempts how often it was tried.
	Outstanding string `json:"outstanding,omitempty"`
	Attempts    int    `json:"attempts,omitempty"`
	LastError   string `json:"last_error,omitempty"`
}
