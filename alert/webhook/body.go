package webhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/template"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/redact"
)

const typeJSON = "application/json"

// Message is the body.
type Message struct {
	alert.Data
	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
	// Remediation is in the body of a webhook that mends only.
	Remediation *Remediation `json:"remediation,omitempty"`
}

// newMessage returns the message of a notification with at most maxAlerts alerts, all when it is 0.
func newMessage(n *alert.Notification, maxAlerts int64) Message {
	m := Message{Data: n.Data, Version: "4", GroupKey: n.GroupKey}
	m.Alerts = hidden(m.Alerts)
	if total := len(n.Data.Alerts); maxAlerts > 0 && int64(total) > maxAlerts {
		m.Data = n.Data.Only(m.Alerts[:maxAlerts])
		m.TruncatedAlerts = uint64(total) - uint64(maxAlerts)
	}
	return m
}

// data is what templates know: the message, and what stands in no body by itself.
type data struct {
	Message
	// ID is the notification's, Group a short name of the group that is the same for all notifications about it.
	ID    string `json:"-"`
	Group string `json:"-"`
	// Attempt counts from 1.
	Attempt int `json:"-"`

	secrets map[string]string
}

// Secret returns what the configuration holds under secrets or secret_files.
func (d *data) Secret(name string) (string, error) {
	if s, ok := d.secrets[name]; ok {
		return s, nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(d.secrets)), ", ")
	return "", fmt.Errorf("no secret is named %q; secrets and secret_files have: %s", name, cmp.Or(known, "none"))
}

// body renders the body and returns it with its content type, together with an error when it is not JSON and should be.
func (n *Notifier) body(d *data) (body []byte, contentType string, err error) {
	switch {
	case n.config.Payload != nil:
		execute := func(text string) (string, error) { return n.templates.Execute(text, d) }
		rendered, err := template.DeepCopyWithTemplate(n.config.Payload, execute)
		if err != nil {
			return nil, "", fmt.Errorf("payload: %w", err)
		}
		if body, err = json.Marshal(rendered); err != nil {
			return nil, "", fmt.Errorf("payload: %w", err)
		}
		return body, typeJSON, nil
	case n.config.Body != "":
		text, err := n.templates.Execute(n.config.Body, d)
		if err != nil {
			return nil, "", fmt.Errorf("body: %w", err)
		}
		contentType = cmp.Or(n.config.ContentType, typeJSON)
		if isJSON(contentType) {
			if err := checkJSON([]byte(text)); err != nil {
				return []byte(text), contentType, fmt.Errorf("body: what the template makes is not JSON: %w", err)
			}
		}
		return []byte(text), contentType, nil
	default:
		if body, err = json.Marshal(d.Message); err != nil {
			return nil, "", fmt.Errorf("encoding the body: %w", err)
		}
		return body, typeJSON, nil
	}
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == typeJSON || strings.HasSuffix(media, "+json"))
}

// checkJSON says where a text ceases to be JSON, without showing it: it may hold secrets.
func checkJSON(text []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(text, &value)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err //nolint:wrapcheck // nil, as a raw message takes all that is valid
	}
	before := text[:min(int(max(syntax.Offset-1, 0)), len(text))]
	line, column := 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w (write values as {{ .Value | toJson }}, which quotes them; "+
		"`freshet receivers test --dry-run` shows the whole)", line, column, err)
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
