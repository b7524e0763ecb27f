package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/freshet-dev/freshet/alert"
)

// secretHeader tells the headers whose values are secrets.
var secretHeader = regexp.MustCompile(`(?i)auth|token|key|secret|cookie|password|signature`)

// render makes the request of an attempt. No error shows a secret. With an error the request holds what could be rendered.
func (n *Notifier) render(notification *alert.Notification, now time.Time) (alert.Request, error) {
	s, err := n.secrets()
	if err != nil {
		return alert.Request{}, err
	}
	d := &data{Message: newMessage(notification, n.config.MaxAlerts), ID: notification.ID, Group: groupName(notification),
		Attempt: notification.Attempt, secrets: s.named}
	if n.config.Remediation != nil {
		d.Remediation = newRemediation(notification)
	}
	r := alert.Request{Method: n.config.Method, Header: http.Header{}, Secrets: slices.Collect(maps.Values(s.named)),
		Once: n.config.Remediation != nil}
	if err := n.fill(&r, d, s, now); err != nil {
		return r, errors.New(alert.RedactSecrets(err.Error(), append(r.Secrets, s.address)...))
	}
	return r, nil
}

// fill renders address, body and headers.
func (n *Notifier) fill(r *alert.Request, d *data, s secrets, now time.Time) (err error) {
	if r.URL, err = n.address(s.address, d); err != nil {
		return err
	}
	for name, text := range n.config.Headers {
		value, err := n.templates.Execute(string(text), d)
		if err != nil {
			return fmt.Errorf("headers: %s: %w", name, err)
		}
		if value = headerValue(value); value == "" {
			continue
		}
		r.Header.Set(name, value)
		if secretHeader.MatchString(name) {
			r.Secrets = append(r.Secrets, value)
			if _, credentials, ok := strings.Cut(value, " "); ok {
				r.Secrets = append(r.Secrets, credentials)
			}
		}
	}
	body, contentType, err := n.body(d)
	r.Body = body
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Idempotency-Key", d.ID)
	sign(r.Header, d.ID, now, body, s.signing)
	return err
}

// address renders the address.
func (n *Notifier) address(text string, d *data) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	address, err := n.templates.Execute(text, d)
	if err != nil {
		return "", fmt.Errorf("url: %w", err)
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("url: what the template makes is no address that begins with http:// or https:// and has a host")
	}
	return address, nil
}

// headerValue makes a text fit for a header: in one line, without control characters, of bounded length.
func headerValue(text string) string {
	const most = 4096
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// groupName returns a short name of the notification's group.
func groupName(n *alert.Notification) string {
	if n.Group != "" {
		return n.Group
	}
	return shortHash(n.GroupKey)
}

// Preview returns the request that Notify would make, as a text for people: without secrets. It is returned also with the
// error that the body is not JSON.
func (n *Notifier) Preview(notification *alert.Notification) (string, error) {
	r, err := n.render(notification, time.Now())
	if err != nil {
		err = fmt.Errorf("webhook: %w", err)
	}
	if err != nil && r.Body == nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", method(r), host(r))
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		value := r.Header.Get(name)
		if secretHeader.MatchString(name) && name != "Idempotency-Key" {
			value = "<secret>"
		}
		fmt.Fprintf(&b, "%s: %s\n", name, alert.RedactSecrets(value, r.Secrets...))
	}
	body := bytes.NewBuffer(nil)
	if !isJSON(r.Header.Get("Content-Type")) || json.Indent(body, r.Body, "", "  ") != nil {
		body = bytes.NewBuffer(r.Body)
	}
	fmt.Fprintf(&b, "\n%s\n", alert.RedactSecrets(body.String(), append(r.Secrets, r.URL)...))
	return alert.Printable(b.String()), err
}

func method(r alert.Request) string {
	if r.Method == "" {
		return http.MethodPost
	}
	return r.Method
}

// host returns what of the address may be shown.
func host(r alert.Request) string {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return "<address>"
	}
	return u.Scheme + "://" + u.Host + "/…"
}
