package alert

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// redacted is an error whose text shows no secret. What it was is still found by errors.Is and errors.As.
type redacted struct {
	text  string
	cause error
}

// Error implements error.
func (r *redacted) Error() string { return r.text }

// Unwrap returns the error as it was, which may name secrets.
func (r *redacted) Unwrap() error { return r.cause }

var addressInText = regexp.MustCompile(`(?i)\b(https?|socks5h?)://[^\s"'<>\\]+`)

// RedactURL takes addresses out of an HTTP client's error, except their hosts: paths and queries hold secrets.
func RedactURL(err error) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return err
	}
	host := "the receiver"
	if u, parseErr := url.Parse(ue.URL); parseErr == nil && u.Host != "" {
		host = u.Host
	}
	return &redacted{fmt.Sprintf("%s %s: %s", strings.ToLower(ue.Op), host, hideAddresses(ue.Err.Error())), ue.Err}
}

// hideAddresses leaves scheme and host of each address in a text.
func hideAddresses(text string) string {
	return addressInText.ReplaceAllStringFunc(text, func(address string) string {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return "<address>"
		}
		return u.Scheme + "://" + u.Host
	})
}

// RedactSecrets replaces every occurrence of the secrets in a text, as they are and as JSON, JSON within JSON, a URL or a
// basic Authorization header have them.
func RedactSecrets(text string, secrets ...string) string {
	var all []string
	for _, s := range secrets {
		if len(s) < 4 { // shorter ones, "/" among them, are in any text
			continue
		}
		quoted := quote(s)
		all = append(all, s, quoted, quote(quoted), url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s)))
	}
	// The longest first, so that none leaves the rest of one that it begins.
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, s := range slices.Compact(all) {
		text = strings.ReplaceAll(text, s, "<secret>")
	}
	return text
}

// quote returns a text as it stands in JSON, without the quotes around it.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // of a string: cannot fail
	return string(quoted[1 : len(quoted)-1])
}

// hideSecrets takes addresses and secrets out of an error. The secrets are asked for only then.
func hideSecrets(err error, secrets func() []string) error {
	err = RedactURL(err)
	text := Excerpt(RedactSecrets(hideAddresses(err.Error()), secrets()...), 500)
	if text == err.Error() {
		return err
	}
	return &redacted{text, err}
}

// secretsIn returns what of an address must not be shown: all but its scheme and host, and the parts that a receiver may
// repeat alone.
func secretsIn(address string) []string {
	const shortest = 12 // path elements below are words such as "services"
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	out := []string{address, u.RequestURI(), u.Path}
	if password, ok := u.User.Password(); ok {
		out = append(out, password, u.User.String())
	}
	for _, values := range u.Query() {
		out = append(out, values...)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if len(part) >= shortest {
			out = append(out, part)
		}
	}
	return out
}

// secrets returns the texts that no error may show, those in files as they are now.
func (h *HTTPConfig) secrets() []string {
	if h == nil {
		return nil
	}
	out := []string{string(h.BearerToken), fileText(h.BearerTokenFile)}
	if a := h.Authorization; a != nil {
		out = append(out, string(a.Credentials), fileText(a.CredentialsFile))
	}
	if b := h.BasicAuth; b != nil {
		user, password := b.Username+fileText(b.UsernameFile), string(b.Password)+fileText(b.PasswordFile)
		out = append(out, password, user+":"+password)
	}
	out = append(out, h.TLSConfig.secrets()...)
	out = append(out, h.proxySecrets()...)
	if o := h.OAuth2; o != nil {
		secret := string(o.ClientSecret) + fileText(o.ClientSecretFile)
		out = append(out, secret, o.ClientID+":"+secret, string(o.ClientCertificateKey), fileText(o.ClientCertificateKeyFile))
		out = append(out, secretsIn(o.TokenURL)...)
		for _, v := range o.EndpointParams {
			out = append(out, v)
		}
		out = append(out, o.TLSConfig.secrets()...)
		out = append(out, o.proxySecrets()...)
	}
	for _, header := range h.HTTPHeaders {
		for _, s := range header.Secrets {
			out = append(out, string(s))
		}
		for _, f := range header.Files {
			out = append(out, fileText(f))
		}
	}
	return out
}

func (t *TLSConfig) secrets() []string {
	if t == nil {
		return nil
	}
	return []string{string(t.Key)}
}

func (p *ProxyConfig) proxySecrets() []string {
	var out []string
	if p.ProxyURL != "" {
		out = append(out, secretsIn(string(p.ProxyURL))...)
	}
	for _, values := range p.ProxyConnectHeader {
		for _, v := range values {
			out = append(out, string(v))
		}
	}
	return out
}

// fileText returns what a file of a secret holds, "" when there is none.
func fileText(file string) string {
	text, err := ReadSecret("", file)
	if err != nil {
		return ""
	}
	return text
}
