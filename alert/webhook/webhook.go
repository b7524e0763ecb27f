// Package webhook delivers notifications as HTTP POSTs with the JSON body of Alertmanager's webhook, version 4, so that
// what reads Alertmanager's reads freshet's.
//
// Each alert has an additional key "freshet" with the value, threshold, condition, sample records, the offsets of all
// matching ones, and an explanation of what sets them apart from those before. Secrets in sample records are hidden. The
// header Idempotency-Key is the same for all attempts to deliver one notification.
package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/redact"
)

// Notifier posts to one address.
type Notifier struct {
	config alert.WebhookConfig
	client *http.Client
}

// New returns a Notifier for a valid configuration. It reads the files that the configuration names once, so that a
// missing one shows at the start.
func New(c alert.WebhookConfig) (*Notifier, error) {
	if _, err := alert.ReadSecret(c.URL, c.URLFile); err != nil {
		return nil, fmt.Errorf("webhook: url_file: %w", err)
	}
	client, err := c.HTTPConfig.Client("webhook")
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if c.Timeout <= 0 {
		c.Timeout = alert.DefaultTimeout
	}
	return &Notifier{config: c, client: client}, nil
}

// Message is the body.
type Message struct {
	alert.Data
	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
}

// Body returns the body of a notification with at most maxAlerts alerts, all when it is 0.
func Body(n *alert.Notification, maxAlerts int64) ([]byte, error) {
	m := Message{Data: n.Data, Version: "4", GroupKey: n.GroupKey}
	m.Alerts = hidden(m.Alerts)
	if total := len(n.Data.Alerts); maxAlerts > 0 && int64(total) > maxAlerts {
		m.Data = n.Data.Only(m.Alerts[:maxAlerts])
		m.TruncatedAlerts = uint64(total) - uint64(maxAlerts)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the webhook's body: %w", err)
	}
	return body, nil
}

// hidden returns the alerts without the secrets in their records.
func hidden(alerts alert.Alerts) alert.Alerts {
	out := slices.Clone(alerts)
	for i := range out {
		out[i].Samples = slices.Clone(out[i].Samples)
		for j := range out[i].Samples {
			out[i].Samples[j].Text = redact.Text(out[i].Samples[j].Text)
		}
	}
	return out
}

// Notify implements alert.Notifier.
func (n *Notifier) Notify(ctx context.Context, notification *alert.Notification) (alert.Outcome, error) {
	body, err := Body(notification, n.config.MaxAlerts)
	if err != nil {
		return alert.Outcome{Permanent: true}, err
	}
	address, err := alert.ReadSecret(n.config.URL, n.config.URLFile)
	if err != nil {
		return alert.Outcome{Permanent: true}, fmt.Errorf("webhook: url_file: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, n.config.Timeout)
	defer cancel()
	header := http.Header{"Idempotency-Key": {notification.ID}}
	outcome, err := alert.Post(ctx, n.client, n.config.HTTPConfig, address, header, body)
	if err != nil {
		return outcome, fmt.Errorf("webhook: %w", err)
	}
	return outcome, nil
}
