package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
)

// DefaultTimeout bounds one attempt to notify where the configuration says nothing.
const DefaultTimeout = 10 * time.Second

// longestRest bounds what a receiver may ask for by Retry-After.
const longestRest = time.Hour

// Client returns the HTTP client that the configuration describes; a nil one gives the defaults. Files of secrets are
// read when they are needed, so that exchanged ones are used.
func (h *HTTPConfig) Client(name string) (*http.Client, error) {
	c := commoncfg.HTTPClientConfig{EnableHTTP2: true}
	if h != nil {
		c.FollowRedirects = h.FollowRedirects
		c.BearerToken, c.BearerTokenFile = commoncfg.Secret(h.BearerToken), h.BearerTokenFile
		if a := h.Authorization; a != nil {
			c.Authorization = &commoncfg.Authorization{Type: a.Type, Credentials: commoncfg.Secret(a.Credentials),
				CredentialsFile: a.CredentialsFile}
		}
		if b := h.BasicAuth; b != nil {
			c.BasicAuth = &commoncfg.BasicAuth{Username: b.Username, UsernameFile: b.UsernameFile,
				Password: commoncfg.Secret(b.Password), PasswordFile: b.PasswordFile}
		}
		if t := h.TLSConfig; t != nil {
			c.TLSConfig = commoncfg.TLSConfig{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile,
				ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
		}
		if h.ProxyURL != "" {
			u, err := url.Parse(string(h.ProxyURL))
			if err != nil {
				return nil, errors.New("proxy_url is no URL")
			}
			c.ProxyURL = commoncfg.URL{URL: u}
		}
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	client, err := commoncfg.NewClientFromConfig(c, name, commoncfg.WithUserAgent("freshet"))
	if err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	return client, nil
}

// secrets returns the texts that no error may show.
func (h *HTTPConfig) secrets() []string {
	if h == nil {
		return nil
	}
	out := []string{string(h.BearerToken), string(h.ProxyURL)}
	if h.Authorization != nil {
		out = append(out, string(h.Authorization.Credentials))
	}
	if h.BasicAuth != nil {
		out = append(out, string(h.BasicAuth.Password))
	}
	return out
}

// Post sends a JSON body to an address and judges the answer: an error is permanent when the receiver refuses the
// request as such (4xx, or a redirect), else another attempt may succeed. No error shows more of the address than its
// scheme and host, nor any secret of the configuration.
func Post(ctx context.Context, client *http.Client, h *HTTPConfig, address string, header http.Header, body []byte) (Outcome, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Outcome{Permanent: true}, errors.New("the address is no URL")
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return Outcome{}, RedactURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // a broken answer shows by its status
	return judge(resp, RedactSecrets(string(answer), append(h.secrets(), address, req.URL.RequestURI())...))
}

func judge(resp *http.Response, answer string) (Outcome, error) {
	code := resp.StatusCode
	if code/100 == 2 {
		return Outcome{}, nil
	}
	text := fmt.Sprintf("%s answered %s", resp.Request.URL.Host, resp.Status)
	if answer = Excerpt(oneLine(answer), 200); answer != "" {
		text += ": " + answer
	}
	o := Outcome{RetryAfter: retryAfter(resp.Header, time.Now())}
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code/100 == 5:
	case code/100 == 3:
		o = Outcome{Permanent: true}
		text += " (redirects are not followed: set the address that it leads to, or follow_redirects)"
	default:
		o = Outcome{Permanent: true}
	}
	return o, errors.New(text)
}

// retryAfter reads the header, which holds seconds or a date; 0 when it is missing or makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return clampRest(time.Duration(n) * time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return clampRest(at.Sub(now))
	}
	return 0
}

func clampRest(d time.Duration) time.Duration { return max(0, min(d, longestRest)) }

// RedactURL takes the address out of an HTTP client's error, except its host: paths and queries hold secrets.
func RedactURL(err error) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return err
	}
	host := "the receiver"
	if u, parseErr := url.Parse(ue.URL); parseErr == nil && u.Host != "" {
		host = u.Host
	}
	return fmt.Errorf("%s %s: %w", strings.ToLower(ue.Op), host, ue.Err)
}

// RedactSecrets replaces every occurrence of the secrets in a text.
func RedactSecrets(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) > 3 { // shorter ones, "/" among them, are in any text
			text = strings.ReplaceAll(text, s, "<secret>")
		}
	}
	return text
}

// Excerpt returns the beginning of a text, at most max characters, printable.
func Excerpt(text string, limit int) string {
	r := []rune(Printable(text))
	if len(r) <= limit {
		return string(r)
	}
	return string(r[:limit-1]) + "…"
}
