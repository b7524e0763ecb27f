package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/webhook/webhooktest"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// issue returns a certificate for 127.0.0.1 and its key as PEM.
func (a *authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secured starts a server that asks for a certificate of the authority.
func secured(t *testing.T, a *authority, c *tls.Config) *webhooktest.Server {
	t.Helper()
	cert, key := a.issue(t, "hook.example.org")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	c.Certificates = []tls.Certificate{pair}
	c.ClientCAs = x509.NewCertPool()
	c.ClientCAs.AddCert(a.cert)
	s := webhooktest.Unstarted()
	s.TLS = c
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestMutualTLS(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.issue(t, "freshet")
	strangeCert, strangeKey := stranger.issue(t, "freshet")
	mutual := secured(t, a, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert})
	modern := secured(t, a, &tls.Config{MinVersion: tls.VersionTLS13})
	for name, tc := range map[string]struct {
		server *webhooktest.Server
		config alert.TLSConfig
		want   string // in the error; "any" where TLS 1.3 leaves open how soon the client learns of the refusal
	}{
		"inline":           {mutual, alert.TLSConfig{CA: a.pem, Cert: cert, Key: alert.Secret(key)}, ""},
		"files":            {mutual, alert.TLSConfig{CAFile: write(t, "ca", a.pem), CertFile: write(t, "cert", cert), KeyFile: write(t, "key", key)}, ""},
		"server name":      {mutual, alert.TLSConfig{CA: a.pem, Cert: cert, Key: alert.Secret(key), ServerName: "hook.example.org"}, ""},
		"wrong name":       {mutual, alert.TLSConfig{CA: a.pem, Cert: cert, Key: alert.Secret(key), ServerName: "other.example.org"}, "not other.example.org"},
		"no authority":     {mutual, alert.TLSConfig{Cert: cert, Key: alert.Secret(key)}, "unknown authority"},
		"unchecked":        {mutual, alert.TLSConfig{Cert: cert, Key: alert.Secret(key), InsecureSkipVerify: true}, ""},
		"no certificate":   {mutual, alert.TLSConfig{CA: a.pem}, "any"},
		"of somebody else": {mutual, alert.TLSConfig{CA: a.pem, Cert: strangeCert, Key: alert.Secret(strangeKey)}, "any"},
		"too old":          {modern, alert.TLSConfig{CA: a.pem, MaxVersion: tls.VersionTLS12}, "protocol version"},
		"new enough":       {modern, alert.TLSConfig{CA: a.pem, MinVersion: tls.VersionTLS13}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(tc.server.Requests())
			_, err := deliver(t, tc.server, alert.WebhookConfig{HTTPConfig: &alert.HTTPConfig{TLSConfig: &tc.config}}, notification())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || tc.want != "any" && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if arrived := len(tc.server.Requests()) - before; arrived > 0 == (tc.want != "") {
				t.Errorf("%d requests arrived", arrived)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
}

// A certificate that was exchanged in its file is used without a restart.
func TestExchangedCertificate(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	s := secured(t, a, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert})
	cert, key := stranger.issue(t, "freshet")
	certFile, keyFile := write(t, "cert", cert), write(t, "key", key)
	n, err := New(alert.WebhookConfig{URL: alert.Secret(s.URL), HTTPConfig: &alert.HTTPConfig{
		TLSConfig: &alert.TLSConfig{CA: a.pem, CertFile: certFile, KeyFile: keyFile}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Notify(t.Context(), notification()); err == nil {
		t.Fatal("a stranger's certificate was accepted")
	}
	cert, key = a.issue(t, "freshet")
	for file, text := range map[string]string{certFile: cert, keyFile: key} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Notify(t.Context(), notification()); err != nil {
		t.Fatal(err)
	}
}

func TestHTTP2AndHeaders(t *testing.T) {
	a := newAuthority(t)
	s := webhooktest.Unstarted()
	cert, key := a.issue(t, "hook")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	var protocol atomic.Value
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol.Store(r.Proto)
		inner.ServeHTTP(w, r)
	})
	s.TLS, s.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{pair}}, true
	s.StartTLS()
	t.Cleanup(s.Close)
	no := false
	for want, enable := range map[string]*bool{"HTTP/2.0": nil, "HTTP/1.1": &no} {
		r := send(t, s, alert.WebhookConfig{HTTPConfig: &alert.HTTPConfig{EnableHTTP2: enable, TLSConfig: &alert.TLSConfig{CA: a.pem},
			HTTPHeaders: map[string]alert.HTTPHeader{"X-Scope-OrgID": {Values: []string{"a", "b"}}, "X-Api-Key": {Secrets: []alert.Secret{"k"}, Files: []string{write(t, "f", "from file\n")}}},
		}}, notification())
		if protocol.Load() != want {
			t.Errorf("protocol %s, want %s", protocol.Load(), want)
		}
		if got := fmt.Sprint(r.Header.Values("X-Scope-OrgID"), r.Header.Values("X-Api-Key")); got != "[a b] [k from file]" {
			t.Errorf("headers are %s", got)
		}
	}
}

// provider is an OAuth 2.0 token endpoint.
type provider struct {
	*httptest.Server
	tokens atomic.Int32
	faulty atomic.Bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		err := r.ParseForm()
		if p.faulty.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s of %s is wrong"}`, secret, id)
			return
		}
		ok := err == nil && id == "freshet" && r.Form.Get("grant_type") == "client_credentials" &&
			r.Form.Get("scope") == "alerts write" && r.Form.Get("audience") == "hook"
		if !ok || secret != "cl1ent-s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"t0ken-%d","token_type":"Bearer","expires_in":3600}`, p.tokens.Add(1))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) config() *alert.OAuth2 {
	return &alert.OAuth2{ClientID: "freshet", ClientSecret: "cl1ent-s3cret", TokenURL: p.URL + "/token?tenant=t3nant-part",
		Scopes: []string{"alerts", "write"}, EndpointParams: map[string]string{"audience": "hook"}}
}

func TestOAuth2(t *testing.T) {
	p, s := newProvider(t), webhooktest.New(t)
	byFile := p.config()
	byFile.ClientSecret, byFile.ClientSecretFile = "", write(t, "secret", "cl1ent-s3cret\n")
	for i, o := range []*alert.OAuth2{p.config(), byFile} {
		n, err := New(alert.WebhookConfig{URL: alert.Secret(s.URL), HTTPConfig: &alert.HTTPConfig{OAuth2: o}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := n.Notify(t.Context(), notification()); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range s.Requests()[2*i:] {
			if got := r.Header.Get("Authorization"); got != fmt.Sprintf("Bearer t0ken-%d", i+1) {
				t.Errorf("Authorization is %s", got)
			}
		}
	}
	p.faulty.Store(true)
	_, err := deliver(t, s, alert.WebhookConfig{HTTPConfig: &alert.HTTPConfig{OAuth2: p.config()}}, notification())
	if err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Fatalf("got %v", err)
	}
	p.Close()
	_, unreachable := deliver(t, s, alert.WebhookConfig{HTTPConfig: &alert.HTTPConfig{OAuth2: p.config()}}, notification())
	if unreachable == nil || !strings.Contains(unreachable.Error(), "refused") {
		t.Fatalf("got %v", unreachable)
	}
	for _, text := range []string{err.Error(), unreachable.Error()} {
		if strings.Contains(text, "cl1ent-s3cret") || strings.Contains(text, "t3nant-part") {
			t.Errorf("the error shows a secret: %s", text)
		}
	}
}

func TestProxy(t *testing.T) {
	var seen atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
		seen.Store(r.Method + " " + r.URL.String() + " " + user + " " + r.Header.Get("X-Via"))
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, password)
	}))
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("u", "pr0xy-s3cret")
	through := alert.ProxyConfig{ProxyURL: alert.Secret(u.String()), NoProxy: "direct.example.org",
		ProxyConnectHeader: map[string][]alert.Secret{"X-Via": {"v1a-s3cret"}}}
	s := webhooktest.New(t)
	if _, err := deliver(t, s, alert.WebhookConfig{URL: "http://hook.example.org/a", HTTPConfig: &alert.HTTPConfig{ProxyConfig: through}}, notification()); err != nil {
		t.Fatal(err)
	}
	if got := seen.Load(); got != "POST http://hook.example.org/a Basic " {
		t.Errorf("the proxy saw %s", got)
	}
	_, err = deliver(t, s, alert.WebhookConfig{URL: "https://hook.example.org/a", HTTPConfig: &alert.HTTPConfig{ProxyConfig: through}}, notification())
	if got := seen.Load(); err == nil || got != "CONNECT //hook.example.org:443 Basic v1a-s3cret" {
		t.Errorf("the proxy saw %s, and the error is %v", got, err)
	}
	proxy.Close()
	_, refused := deliver(t, s, alert.WebhookConfig{URL: "https://hook.example.org/a", HTTPConfig: &alert.HTTPConfig{ProxyConfig: through}}, notification())
	for _, err := range []error{err, refused} {
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestRedirects(t *testing.T) {
	yes := true
	for name, tc := range map[string]struct {
		follow *bool
		want   int // requests that arrive at the second server
	}{"by default": {nil, 0}, "when asked to": {&yes, 1}} {
		t.Run(name, func(t *testing.T) {
			first, second := webhooktest.New(t), webhooktest.New(t)
			first.Always(webhooktest.Redirect(second.URL + "/moved"))
			o, err := deliver(t, first, alert.WebhookConfig{HTTPConfig: &alert.HTTPConfig{FollowRedirects: tc.follow}}, notification())
			if got := second.Requests(); len(got) != tc.want || (err == nil) != (tc.want == 1) || o.Permanent != (tc.want == 0) {
				t.Errorf("%d requests, %+v, %v", len(got), o, err)
			}
		})
	}
}
