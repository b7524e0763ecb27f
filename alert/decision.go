package alert

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/rules/label"
)

// Verdict is what was decided about an alert or a notification of it.
type Verdict string

// The verdicts.
const (
	// Fired and Ended: an incident began, or was over.
	Fired Verdict = "fired"
	Ended Verdict = "resolved"
	// Grouped: the alert joined a group that waits before it tells a receiver.
	Grouped Verdict = "grouped"
	// Unrouted: the alert's routes lead to a receiver that tells nobody.
	Unrouted Verdict = "unrouted"
	// Sent: a receiver has been told.
	Sent Verdict = "sent"
	// DryRun: a receiver would have been told.
	DryRun Verdict = "dry_run"
	// Failed: an attempt to tell a receiver failed. It is tried again.
	Failed Verdict = "failed"
	// RateLimited: a receiver asked to be left alone for a while, or a limit of freshet's holds the notification back.
	RateLimited Verdict = "rate_limited"
	// Abandoned: a notification was given up.
	Abandoned Verdict = "abandoned"
	// Deduplicated: a finding told nothing new.
	Deduplicated Verdict = "deduplicated"
	Inhibited    Verdict = "inhibited"
	Silenced     Verdict = "silenced"
	// Muted: the route's time intervals mute it.
	Muted Verdict = "muted"
	// Unmuted: nothing mutes it any longer.
	Unmuted Verdict = "unmuted"
	// Quieted: the rule says that nobody is to be notified.
	Quieted Verdict = "quiet"
	// Flapping: the alert fires too often for each end to be told.
	Flapping Verdict = "flapping"
	// Acknowledged and Noise are what people said.
	Acknowledged   Verdict = "acknowledged"
	Unacknowledged Verdict = "unacknowledged"
	Noise          Verdict = "noise"
	// Remediated: a remediation was called; Unknown: it is not known whether it was.
	Remediated Verdict = "remediated"
	Unknown    Verdict = "unknown"
)

// Decision is one thing that the alerter decided, and why. Decisions are kept in the topic freshet.decisions.
type Decision struct {
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"decision"`
	// Reason says why, for people.
	Reason string `json:"reason,omitempty"`

	Fingerprint label.Fingerprint `json:"fingerprint"`
	AlertName   string            `json:"alertname"`
	Labels      label.Set         `json:"labels,omitempty"`
	// Receiver, Integration, GroupKey and Notification (its ID) are set where the decision is about them.
	Receiver     string `json:"receiver,omitempty"`
	Integration  string `json:"integration,omitempty"`
	GroupKey     string `json:"group_key,omitempty"`
	Notification string `json:"notification,omitempty"`
	// By is who decided when a person did.
	By string `json:"by,omitempty"`
}

// Encode writes the decision as its Kafka value.
func (d *Decision) Encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding a decision: %w", err)
	}
	return b, nil
}

// DecodeDecision reads what Encode wrote.
func DecodeDecision(value []byte) (*Decision, error) {
	d := new(Decision)
	if err := json.Unmarshal(value, d); err != nil {
		return nil, fmt.Errorf("decoding a decision: %w", err)
	}
	if d.Verdict == "" || d.At.IsZero() {
		return nil, fmt.Errorf("decoding a decision: no decision or no time in %d bytes of JSON", len(value))
	}
	return d, nil
}

// Decisions returns what was decided since the last call, to be kept together with Changes.
func (a *Alerter) Decisions() []Decision {
	out := a.decisions
	a.decisions = nil
	return out
}

func (a *Alerter) decided(now time.Time, s *state, d Decision) {
	if a.resuming && d.Verdict != Unknown && d.Verdict != Abandoned {
		return // it was decided before the restart
	}
	d.At, d.Fingerprint = now, s.Fingerprint
	if f := s.shown(); f != nil {
		d.AlertName, d.Labels = f.Rule, f.Labels
	}
	a.metrics.decisions.WithLabelValues(string(d.Verdict)).Inc()
	a.decisions = append(a.decisions, d)
}

// about is the part of a decision that an entry of the ledger gives.
func (e *entry) about(v Verdict, reason string) Decision {
	d := Decision{Verdict: v, Reason: reason, Receiver: e.to.Receiver, Integration: e.to.Key(), GroupKey: e.GroupKey}
	if e.Intent != nil {
		d.Notification = e.Intent.ID
	}
	return d
}
