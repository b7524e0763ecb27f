package web

import (
	"cmp"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/rules/label"
)

// Alert is one alert as the page shows it: one that is pending or firing now, or one that was.
type Alert struct {
	Fingerprint label.Fingerprint `json:"fingerprint"`
	// Rule is the alert's name.
	Rule   string        `json:"rule"`
	State  finding.State `json:"state"`
	Labels label.Set     `json:"labels"`
	// Severity is the label of that name: critical, warning and info have colours, others and "" are shown as text.
	Severity string `json:"severity,omitempty"`
	// Summary and Description are the annotations of those names, Runbook is runbook_url: only http and https links
	// are shown as links.
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
	Runbook     string `json:"runbook,omitempty"`
	// Value is the measure and Threshold what it was compared with, in Unit; nil when missing.
	Value     *float64 `json:"value,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	Unit      string   `json:"unit,omitempty"`
	// Condition is the rule's `when` as written.
	Condition string `json:"condition,omitempty"`
	// StartsAt is when the condition began to hold, EndsAt when it resolved.
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at,omitzero"`
	// Reason says why an alert resolved when it was not its condition.
	Reason string `json:"reason,omitempty"`
	// Peak is the value furthest beyond the threshold since it fires, nil when not known.
	Peak *float64 `json:"peak,omitempty"`
	// SilencedBy are the IDs of the silences, InhibitedBy the alerts and MutedBy the time intervals that mute it now.
	SilencedBy  []string            `json:"silenced_by,omitempty"`
	InhibitedBy []label.Fingerprint `json:"inhibited_by,omitempty"`
	MutedBy     []string            `json:"muted_by,omitempty"`
	// Acknowledged is nil until somebody acknowledges it; Noise says that somebody called it that.
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	Noise        bool             `json:"noise,omitempty"`
	// Flapping is how often it fired of late when it flaps, else 0; Calm is when its end counts, zero while it fires.
	Flapping int       `json:"flapping,omitempty"`
	Calm     time.Time `json:"calm,omitzero"`
	// Receivers are the names of those that its routes lead to, Notified is when one was last told something new of it,
	// and LastError why the newest attempt failed, "" when it did not.
	Receivers []string  `json:"receivers,omitempty"`
	Notified  time.Time `json:"notified,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	// Samples are some of the records that led to it.
	Samples []finding.Sample `json:"samples,omitempty"`
	// Offsets is where all of them lie, Explanation what sets them apart from records before, nil when nothing does.
	Offsets     []finding.OffsetRange `json:"offsets,omitempty"`
	Explanation *finding.Explanation  `json:"explanation,omitempty"`
}

// Acknowledgement says that somebody looks after an alert.
type Acknowledgement struct {
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
}

// FromFinding returns the alert that a finding describes.
func FromFinding(f *finding.Finding) Alert {
	return Alert{
		Fingerprint: f.Fingerprint,
		Rule:        f.Rule,
		State:       f.State,
		Labels:      f.Labels,
		Severity:    f.Labels.Get("severity"),
		Summary:     f.Annotations["summary"],
		Description: f.Annotations["description"],
		Runbook:     f.Annotations["runbook_url"],
		Value:       f.Value,
		Threshold:   f.Threshold,
		Unit:        f.Unit,
		Condition:   f.Condition,
		StartsAt:    f.StartsAt,
		EndsAt:      f.EndsAt,
		Reason:      f.Reason,
		Samples:     f.Samples,
		Offsets:     f.Offsets,
		Explanation: f.Explanation,
	}
}

// compareAlerts orders the page: firing, pending, resolved; those that nobody looks after first; the severest first; then
// the newest first.
func compareAlerts(a, b Alert) int {
	if c := cmp.Compare(stateRank(a.State), stateRank(b.State)); c != 0 {
		return c
	}
	if a.State == finding.Resolved {
		if c := b.EndsAt.Compare(a.EndsAt); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(careRank(&a), careRank(&b)); c != 0 {
		return c
	}
	if c := cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)); c != 0 {
		return c
	}
	if c := b.StartsAt.Compare(a.StartsAt); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint))
}

func stateRank(s finding.State) int {
	switch s {
	case finding.Firing:
		return 0
	case finding.Pending:
		return 1
	default:
		return 2
	}
}

func careRank(a *Alert) int {
	switch {
	case a.muted():
		return 2
	case a.Acknowledged != nil:
		return 1
	default:
		return 0
	}
}

// muted says whether nobody is told of it now because of a silence or of another alert.
func (a *Alert) muted() bool { return len(a.SilencedBy)+len(a.InhibitedBy) > 0 }

func severityRank(severity string) int {
	switch severity {
	case "critical":
		return 0
	case "warning":
		return 1
	case "info":
		return 3
	default:
		return 2
	}
}
