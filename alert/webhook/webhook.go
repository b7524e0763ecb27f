// Package webhook delivers notifications as HTTP requests. By default the body is that of Alertmanager's webhook, version
// 4, so that what reads Alertmanager's reads freshet's; each alert has an additional key "freshet" with the value,
// threshold, condition, sample records, the offsets of all matching ones, and an explanation of what sets them apart from
// those before. Templates make any other body, header and address of it.
//
// The headers Idempotency-Key and webhook-id are the same for all attempts to deliver one notification. With a secret,
// requests are signed as Standard Webhooks says. A webhook may be one that mends: see Remediation. Secrets in sample
// records are hidden.
package webhook

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	commoncfg "github.com/prometheus/common/config"

	"github.com/freshet-dev/freshet/alert"
)

// Notifier makes requests to one address.
type Notifier struct {
	config    alert.WebhookConfig
	templates *alert.Templates
	client    *http.Client
}

// New returns a Notifier for a valid configuration. It reads the files that the configuration names once, so that a
// missing one shows at the start.
func New(c alert.WebhookConfig) (*Notifier, error) {
	var options []commoncfg.HTTPClientOption
	if c.Remediation != nil {
		// A connection that the server has given up in the meantime would leave it open whether it was called.
		options = append(options, commoncfg.WithKeepAlivesDisabled())
	}
	client, err := c.HTTPConfig.Client("webhook", options...)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if c.Timeout <= 0 {
		c.Timeout = alert.DefaultTimeout
	}
	templates, err := alert.NewTemplates(c.TemplateFiles...)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	n := &Notifier{config: c, templates: templates, client: client}
	if _, err := n.secrets(); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return n, nil
}

// secrets are what the configuration and the files that it names hold now.
type secrets struct {
	address string
	signing [][]byte
	named   map[string]string
}

func (n *Notifier) secrets() (secrets, error) {
	s := secrets{named: map[string]string{}}
	var err error
	if s.address, err = alert.ReadSecret(n.config.URL, n.config.URLFile); err != nil {
		return s, fmt.Errorf("url_file: %w", err)
	}
	for name, value := range n.config.Secrets {
		s.named[name] = string(value)
	}
	for _, name := range slices.Sorted(maps.Keys(n.config.SecretFiles)) {
		if s.named[name], err = alert.ReadSecret("", *n.config.SecretFiles[name]); err != nil {
			return s, fmt.Errorf("secret_files: %s: %w", name, err)
		}
	}
	signing, err := alert.ReadSecret(n.config.SigningSecret, n.config.SigningSecretFile)
	if err != nil {
		return s, fmt.Errorf("signing_secret_file: %w", err)
	}
	if signing != "" {
		if s.signing, err = alert.SigningKeys(signing); err != nil {
			return s, fmt.Errorf("signing_secret: %w", err)
		}
	}
	return s, nil
}

// Notify implements alert.Notifier.
func (n *Notifier) Notify(ctx context.Context, notification *alert.Notification) (alert.Outcome, error) {
	r, err := n.render(notification, time.Now())
	if err != nil {
		return alert.Outcome{Permanent: true}, fmt.Errorf("webhook: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, n.config.Timeout)
	defer cancel()
	var outcome alert.Outcome
	if n.config.Remediation != nil {
		outcome, err = n.mend(ctx, r)
	} else {
		_, outcome, err = alert.Do(ctx, n.client, n.config.HTTPConfig, r)
	}
	if err != nil {
		return outcome, fmt.Errorf("webhook: %w", err)
	}
	return outcome, nil
}
