package alert

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// HTTPConfig says how to reach and convince an HTTP server, in the keys of Prometheus and Alertmanager. It repeats the
// library's type because that one is filled by its own decoder only, which stops at the first fault and knows no places.
type HTTPConfig struct {
	Authorization   *Authorization `yaml:"authorization"`
	BasicAuth       *BasicAuth     `yaml:"basic_auth"`
	OAuth2          *OAuth2        `yaml:"oauth2"`
	BearerToken     Secret         `yaml:"bearer_token"`
	BearerTokenFile string         `yaml:"bearer_token_file"`
	TLSConfig       *TLSConfig     `yaml:"tls_config"`
	// FollowRedirects is false by default; in a file of Alertmanager's it is true, as there.
	FollowRedirects *bool `yaml:"follow_redirects"`
	// EnableHTTP2 is true by default.
	EnableHTTP2 *bool `yaml:"enable_http2"`
	ProxyConfig `yaml:",inline"`
	HTTPHeaders map[string]HTTPHeader `yaml:"http_headers"`
}

// ProxyConfig says through what to go.
type ProxyConfig struct {
	ProxyURL             Secret              `yaml:"proxy_url"`
	NoProxy              string              `yaml:"no_proxy"`
	ProxyFromEnvironment bool                `yaml:"proxy_from_environment"`
	ProxyConnectHeader   map[string][]Secret `yaml:"proxy_connect_header"`
}

// HTTPHeader holds the values of a header.
type HTTPHeader struct {
	Values  []string `yaml:"values"`
	Secrets []Secret `yaml:"secrets"`
	Files   []string `yaml:"files"`
}

// Authorization is an Authorization header.
type Authorization struct {
	// Type is Bearer by default.
	Type            string `yaml:"type"`
	Credentials     Secret `yaml:"credentials"`
	CredentialsFile string `yaml:"credentials_file"`
}

// BasicAuth is a user and a password.
type BasicAuth struct {
	Username     string `yaml:"username"`
	UsernameFile string `yaml:"username_file"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

// OAuth2 has a token fetched before the first request, and again when it ends.
type OAuth2 struct {
	ClientID                 string `yaml:"client_id"`
	ClientSecret             Secret `yaml:"client_secret"`
	ClientSecretFile         string `yaml:"client_secret_file"`
	ClientCertificateKeyID   string `yaml:"client_certificate_key_id"`
	ClientCertificateKey     Secret `yaml:"client_certificate_key"`
	ClientCertificateKeyFile string `yaml:"client_certificate_key_file"`
	// GrantType is client_credentials by default, or that of RFC 7523, which SignatureAlgorithm, Iss, Audience and Claims
	// are for.
	GrantType          string            `yaml:"grant_type"`
	SignatureAlgorithm string            `yaml:"signature_algorithm"`
	Iss                string            `yaml:"iss"`
	Audience           string            `yaml:"audience"`
	Claims             map[string]any    `yaml:"claims"`
	Scopes             []string          `yaml:"scopes"`
	TokenURL           string            `yaml:"token_url"`
	EndpointParams     map[string]string `yaml:"endpoint_params"`
	TLSConfig          *TLSConfig        `yaml:"tls_config"`
	ProxyConfig        `yaml:",inline"`
}

// TLSConfig says whom to trust and who freshet is.
type TLSConfig struct {
	CA                 string     `yaml:"ca"`
	Cert               string     `yaml:"cert"`
	Key                Secret     `yaml:"key"`
	CAFile             string     `yaml:"ca_file"`
	CertFile           string     `yaml:"cert_file"`
	KeyFile            string     `yaml:"key_file"`
	ServerName         string     `yaml:"server_name"`
	InsecureSkipVerify bool       `yaml:"insecure_skip_verify"`
	MinVersion         TLSVersion `yaml:"min_version"`
	MaxVersion         TLSVersion `yaml:"max_version"`
}

// TLSVersion is one of TLS, 0 for the default.
type TLSVersion uint16

// UnmarshalText reads TLS12 and the like.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	known, ok := commoncfg.TLSVersions[string(text)]
	if !ok {
		return fmt.Errorf("known: %s", strings.Join(slices.Sorted(maps.Keys(commoncfg.TLSVersions)), ", "))
	}
	*v = TLSVersion(known)
	return nil
}

// withDefaults returns the configuration with what depends on where it stands filled in.
func (h *HTTPConfig) withDefaults(d Defaults) *HTTPConfig {
	out := HTTPConfig{}
	if h != nil {
		out = *h
	}
	if out.FollowRedirects == nil {
		out.FollowRedirects = &d.FollowRedirects
	}
	return &out
}

const userAgent = "freshet"

// Client returns the HTTP client that the configuration describes; a nil one gives the defaults. Files of secrets are
// read when they are needed, so that exchanged ones are used.
func (h *HTTPConfig) Client(name string, options ...commoncfg.HTTPClientOption) (*http.Client, error) {
	c, err := h.library()
	if err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	oauth2 := c.OAuth2
	c.OAuth2 = nil
	client, err := commoncfg.NewClientFromConfig(*c, name, append(options, commoncfg.WithUserAgent(userAgent))...)
	if err != nil {
		return nil, fmt.Errorf("http_config: %w", hideSecrets(err, h.secrets))
	}
	if oauth2 != nil {
		client.Transport = commoncfg.NewUserAgentRoundTripper(userAgent, h.OAuth2.withTokens(oauth2, client.Transport, tokenLimit))
	}
	return client, nil
}

// Connection returns the proxy and the TLS settings of what is no request but begins as one: a WebSocket. The proxy is asked
// for by proxy_url and its credentials there; proxy_connect_header is for requests alone.
func (h *HTTPConfig) Connection() (proxy func(*http.Request) (*url.URL, error), tls *tls.Config, err error) {
	c, err := h.library()
	if err != nil {
		return nil, nil, fmt.Errorf("http_config: %w", err)
	}
	if tls, err = commoncfg.NewTLSConfig(&c.TLSConfig); err != nil {
		return nil, nil, fmt.Errorf("http_config: %w", hideSecrets(err, h.secrets))
	}
	return c.Proxy(), tls, nil
}

// library returns the configuration as the library has it.
func (h *HTTPConfig) library() (*commoncfg.HTTPClientConfig, error) {
	c := &commoncfg.HTTPClientConfig{EnableHTTP2: true}
	if h == nil {
		return c, nil
	}
	c.FollowRedirects = orDefault(h.FollowRedirects, false)
	c.EnableHTTP2 = orDefault(h.EnableHTTP2, true)
	c.BearerToken, c.BearerTokenFile = commoncfg.Secret(h.BearerToken), h.BearerTokenFile
	if a := h.Authorization; a != nil {
		c.Authorization = &commoncfg.Authorization{Type: a.Type, Credentials: commoncfg.Secret(a.Credentials),
			CredentialsFile: a.CredentialsFile}
	}
	if b := h.BasicAuth; b != nil {
		c.BasicAuth = &commoncfg.BasicAuth{Username: b.Username, UsernameFile: b.UsernameFile,
			Password: commoncfg.Secret(b.Password), PasswordFile: b.PasswordFile}
	}
	c.TLSConfig = h.TLSConfig.library()
	proxy, err := h.ProxyConfig.library()
	if err != nil {
		return nil, err
	}
	c.ProxyConfig = proxy
	if c.OAuth2, err = h.OAuth2.library(); err != nil {
		return nil, err
	}
	if len(h.HTTPHeaders) > 0 {
		c.HTTPHeaders = &commoncfg.Headers{Headers: map[string]commoncfg.Header{}}
		for name, header := range h.HTTPHeaders {
			c.HTTPHeaders.Headers[name] = commoncfg.Header{Values: header.Values, Files: header.Files, Secrets: librarySecrets(header.Secrets)}
		}
	}
	return c, c.Validate()
}

func librarySecrets(secrets []Secret) []commoncfg.Secret {
	out := make([]commoncfg.Secret, len(secrets))
	for i, s := range secrets {
		out[i] = commoncfg.Secret(s)
	}
	return out
}

func (p *ProxyConfig) library() (commoncfg.ProxyConfig, error) {
	out := commoncfg.ProxyConfig{NoProxy: p.NoProxy, ProxyFromEnvironment: p.ProxyFromEnvironment}
	if p.ProxyURL != "" {
		u, err := url.Parse(string(p.ProxyURL))
		if err != nil {
			return out, errors.New("proxy_url is no URL")
		}
		out.ProxyURL = commoncfg.URL{URL: u}
	}
	for name, values := range p.ProxyConnectHeader {
		if out.ProxyConnectHeader == nil {
			out.ProxyConnectHeader = commoncfg.ProxyHeader{}
		}
		out.ProxyConnectHeader[name] = librarySecrets(values)
	}
	return out, nil
}

func (o *OAuth2) library() (*commoncfg.OAuth2, error) {
	if o == nil {
		return nil, nil //nolint:nilnil // the library's value for "none"
	}
	proxy, err := o.ProxyConfig.library()
	if err != nil {
		return nil, fmt.Errorf("oauth2: %w", err)
	}
	return &commoncfg.OAuth2{
		ClientID: o.ClientID, ClientSecret: commoncfg.Secret(o.ClientSecret), ClientSecretFile: o.ClientSecretFile,
		ClientCertificateKeyID: o.ClientCertificateKeyID, ClientCertificateKey: commoncfg.Secret(o.ClientCertificateKey),
		ClientCertificateKeyFile: o.ClientCertificateKeyFile, GrantType: o.GrantType, SignatureAlgorithm: o.SignatureAlgorithm,
		Iss: o.Iss, Audience: o.Audience, Claims: o.Claims, Scopes: o.Scopes, TokenURL: o.TokenURL,
		EndpointParams: o.EndpointParams, TLSConfig: o.TLSConfig.library(), ProxyConfig: proxy,
	}, nil
}

func (t *TLSConfig) library() commoncfg.TLSConfig {
	if t == nil {
		return commoncfg.TLSConfig{}
	}
	return commoncfg.TLSConfig{CA: t.CA, Cert: t.Cert, Key: commoncfg.Secret(t.Key), CAFile: t.CAFile, CertFile: t.CertFile,
		KeyFile: t.KeyFile, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion: commoncfg.TLSVersion(t.MinVersion), MaxVersion: commoncfg.TLSVersion(t.MaxVersion)}
}
