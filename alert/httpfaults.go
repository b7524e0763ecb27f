package alert

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// jwtBearer is the grant type of RFC 7523.
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

func (h *HTTPConfig) authenticates() bool {
	return h != nil && (h.Authorization != nil || h.BasicAuth != nil || h.OAuth2 != nil || h.BearerToken != "" || h.BearerTokenFile != "")
}

func (h *HTTPConfig) faults(fs *faults, path string) {
	if h == nil {
		return
	}
	exclusive(fs, path, "bearer_token", h.BearerToken != "", "bearer_token_file", h.BearerTokenFile != "")
	ways := []struct {
		key   string
		given bool
	}{
		{"authorization", h.Authorization != nil}, {"basic_auth", h.BasicAuth != nil},
		{"bearer_token", h.BearerToken != "" || h.BearerTokenFile != ""}, {"oauth2", h.OAuth2 != nil},
	}
	for i, a := range ways {
		for _, b := range ways[i+1:] {
			exclusive(fs, path, a.key, a.given, b.key, b.given)
		}
	}
	if a := h.Authorization; a != nil {
		exclusive(fs, path+".authorization", "credentials", a.Credentials != "", "credentials_file", a.CredentialsFile != "")
		if strings.EqualFold(strings.TrimSpace(a.Type), "basic") {
			fs.add(path+".authorization.type", "basic credentials have a key of their own", "use basic_auth")
		}
	}
	if b := h.BasicAuth; b != nil {
		exclusive(fs, path+".basic_auth", "username", b.Username != "", "username_file", b.UsernameFile != "")
		exclusive(fs, path+".basic_auth", "password", b.Password != "", "password_file", b.PasswordFile != "")
	}
	h.OAuth2.faults(fs, path+".oauth2")
	h.TLSConfig.faults(fs, path+".tls_config")
	h.ProxyConfig.faults(fs, path)
	for _, name := range slices.Sorted(maps.Keys(h.HTTPHeaders)) {
		canonical := http.CanonicalHeaderKey(name)
		switch _, reserved := commoncfg.ReservedHeaders[canonical]; {
		case canonical == "Authorization":
			fs.add(path+".http_headers."+name, "credentials have keys of their own", "use authorization, basic_auth or oauth2")
		case reserved:
			fs.add(path+".http_headers."+name, "this header follows from the request and cannot be set", "remove it")
		case !headerName.MatchString(name):
			fs.add(path+".http_headers."+name, fmt.Sprintf("%q is no header's name", name), "")
		}
	}
}

// lint says which credentials are empty: a server that needs none takes them, so they are no fault.
func (h *HTTPConfig) lint(l *linter, path string) {
	if h == nil {
		return
	}
	if a := h.Authorization; a != nil && a.Credentials == "" && a.CredentialsFile == "" {
		l.add(path+".authorization", "the header is sent without credentials", "set credentials or credentials_file")
	}
	if b := h.BasicAuth; b != nil && b.Username == "" && b.UsernameFile == "" {
		l.add(path+".basic_auth", "an empty user name is sent", "set username or username_file")
	}
}

func (o *OAuth2) faults(fs *faults, path string) {
	if o == nil {
		return
	}
	if o.ClientID == "" {
		fs.add(path, "client_id is missing", "")
	}
	if o.TokenURL == "" {
		fs.add(path, "token_url is missing", "the address at which the provider hands out tokens")
	}
	urlFault(fs, path+".token_url", o.TokenURL)
	exclusive(fs, path, "client_secret", o.ClientSecret != "", "client_secret_file", o.ClientSecretFile != "")
	exclusive(fs, path, "client_certificate_key", o.ClientCertificateKey != "", "client_certificate_key_file", o.ClientCertificateKeyFile != "")
	switch o.GrantType {
	case "", "client_credentials":
	case jwtBearer:
		if o.ClientCertificateKey == "" && o.ClientCertificateKeyFile == "" {
			fs.add(path, "client_certificate_key is missing: this grant type signs with it", "")
		}
	default:
		fs.add(path+".grant_type", fmt.Sprintf("expected client_credentials or %s, found %q", jwtBearer, o.GrantType), "")
	}
	if a := o.SignatureAlgorithm; a != "" && a != "RS256" && a != "RS384" && a != "RS512" {
		fs.add(path+".signature_algorithm", fmt.Sprintf("expected RS256, RS384 or RS512, found %q", a), "")
	}
	o.TLSConfig.faults(fs, path+".tls_config")
	o.ProxyConfig.faults(fs, path)
}

func (t *TLSConfig) faults(fs *faults, path string) {
	if t == nil {
		return
	}
	exclusive(fs, path, "ca", t.CA != "", "ca_file", t.CAFile != "")
	exclusive(fs, path, "cert", t.Cert != "", "cert_file", t.CertFile != "")
	exclusive(fs, path, "key", t.Key != "", "key_file", t.KeyFile != "")
	cert, key := "cert", "key"
	if t.CertFile+t.KeyFile != "" {
		cert, key = "cert_file", "key_file"
	}
	if (t.Cert+t.CertFile == "") != (string(t.Key)+t.KeyFile == "") {
		fs.add(path, cert+" and "+key+" belong together, one is missing", "")
	}
	if t.MaxVersion != 0 && t.MaxVersion < t.MinVersion {
		fs.add(path+".max_version", "it is below min_version", "")
	}
}

func (p *ProxyConfig) faults(fs *faults, path string) {
	proxyFault(fs, path+".proxy_url", string(p.ProxyURL))
	exclusive(fs, path, "proxy_from_environment", p.ProxyFromEnvironment, "proxy_url", p.ProxyURL != "")
	exclusive(fs, path, "proxy_from_environment", p.ProxyFromEnvironment, "no_proxy", p.NoProxy != "")
	if p.ProxyURL == "" && !p.ProxyFromEnvironment {
		if p.NoProxy != "" {
			fs.add(path+".no_proxy", "there is no proxy that it excepts from", "add proxy_url")
		}
		if len(p.ProxyConnectHeader) > 0 {
			fs.add(path+".proxy_connect_header", "there is no proxy that it is sent to", "add proxy_url")
		}
	}
}

// proxyFault does not repeat the address: it may hold a password.
func proxyFault(fs *faults, path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		fs.add(path, "expected an address that begins with http://, https:// or socks5:// and has a host", "")
	}
}

// files returns the paths of files with secrets and certificates.
func (h *HTTPConfig) files(at string) []named {
	if h == nil {
		return nil
	}
	out := []named{{at + "bearer_token_file", &h.BearerTokenFile}}
	if a := h.Authorization; a != nil {
		out = append(out, named{at + "authorization.credentials_file", &a.CredentialsFile})
	}
	if b := h.BasicAuth; b != nil {
		out = append(out, named{at + "basic_auth.username_file", &b.UsernameFile}, named{at + "basic_auth.password_file", &b.PasswordFile})
	}
	out = append(out, h.TLSConfig.files(at+"tls_config.")...)
	if o := h.OAuth2; o != nil {
		out = append(out, named{at + "oauth2.client_secret_file", &o.ClientSecretFile},
			named{at + "oauth2.client_certificate_key_file", &o.ClientCertificateKeyFile})
		out = append(out, o.TLSConfig.files(at+"oauth2.tls_config.")...)
	}
	for _, name := range slices.Sorted(maps.Keys(h.HTTPHeaders)) {
		files := h.HTTPHeaders[name].Files
		for i := range files {
			out = append(out, named{fmt.Sprintf("%shttp_headers.%s.files[%d]", at, name, i), &files[i]})
		}
	}
	return out
}

func (t *TLSConfig) files(at string) []named {
	if t == nil {
		return nil
	}
	return []named{{at + "ca_file", &t.CAFile}, {at + "cert_file", &t.CertFile}, {at + "key_file", &t.KeyFile}}
}
