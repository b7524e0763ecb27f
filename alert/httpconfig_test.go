package alert

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	commoncfg "github.com/prometheus/common/config"
)

// yamlKeys returns the YAML keys of a type with those below them.
func yamlKeys(t reflect.Type, at string, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[commoncfg.URL]() {
		return
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			yamlKeys(f.Type, at, into)
		case name != "" && name != "-":
			into[at+name] = true
			yamlKeys(f.Type, at+name+".", into)
		}
	}
}

// The keys of http_config are those of the library, but for names in a secret manager, which there is none of here or in
// Alertmanager.
func TestHTTPConfigKeys(t *testing.T) {
	ours, theirs := map[string]bool{}, map[string]bool{}
	yamlKeys(reflect.TypeFor[HTTPConfig](), "", ours)
	yamlKeys(reflect.TypeFor[commoncfg.HTTPClientConfig](), "", theirs)
	maps.DeleteFunc(theirs, func(key string, _ bool) bool { return strings.HasSuffix(key, "_ref") })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(ours))); diff != "" {
		t.Errorf("-library +ours:\n%s", diff)
	}
}

// What the library's decoder makes of a file, ours makes too.
func TestHTTPConfigMeansTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         `{}`,
		"basic":         `{basic_auth: {username: u, password: p}, follow_redirects: false, enable_http2: false}`,
		"basic files":   `{basic_auth: {username_file: u, password_file: p}}`,
		"bearer":        `{bearer_token: t}`,
		"bearer file":   `{bearer_token_file: t}`,
		"authorization": `{authorization: {type: ApiKey, credentials: c}}`,
		"credentials":   `{authorization: {credentials_file: c}}`,
		"oauth2": `{oauth2: {client_id: i, client_secret: s, scopes: [a, b], token_url: 'https://example.org/t', endpoint_params: {a: b},
			tls_config: {ca_file: ca, min_version: TLS12}, proxy_url: 'http://user:pw@proxy:3128', no_proxy: x}}`,
		"jwt": `{oauth2: {client_id: i, client_certificate_key_id: k, client_certificate_key_file: f, token_url: 'https://example.org/t', iss: me, audience: you,
			grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', signature_algorithm: RS384, claims: {a: b, c: true}}}`,
		"tls":     `{tls_config: {ca: a, cert: b, key: c, server_name: n, insecure_skip_verify: true, min_version: TLS10, max_version: TLS13}}`,
		"files":   `{tls_config: {ca_file: a, cert_file: b, key_file: c}}`,
		"proxy":   `{proxy_url: 'http://user:pw@proxy:3128', no_proxy: 'a,b', proxy_connect_header: {X-Via: [a, b]}}`,
		"env":     `{proxy_from_environment: true, proxy_connect_header: {X-Via: [a]}}`,
		"headers": `{http_headers: {X-A: {values: [a, b], secrets: [c], files: [d]}, X-B: {values: [e]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			want, err := commoncfg.LoadHTTPConfig(strings.ReplaceAll(text, "\t", " "))
			if err != nil {
				t.Fatal(err)
			}
			c := decode(t, "receivers: [{name: a, webhook_configs: [{url: 'https://example.org', http_config: "+strings.ReplaceAll(text, "\t", " ")+"}]}]")
			if fs := c.Validate(); len(fs) > 0 {
				t.Fatal(fs)
			}
			got, err := c.Integrations(AlertmanagerDefaults())[0].Webhook.HTTPConfig.library()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(commoncfg.ProxyConfig{}), cmp.AllowUnexported(url.Userinfo{})); diff != "" {
				t.Errorf("-library +ours:\n%s", diff)
			}
		})
	}
}

// An alertmanager.yml has redirects followed, as in Alertmanager; freshet.yaml does not unless it says so.
func TestRedirectsByDefault(t *testing.T) {
	c := decode(t, `receivers: [{name: a, webhook_configs: [{url: 'https://example.org'}, {url: 'https://example.org', http_config: {follow_redirects: true}}]}]`)
	for _, tc := range []struct {
		defaults Defaults
		want     []bool
	}{{InlineDefaults(), []bool{false, true}}, {AlertmanagerDefaults(), []bool{true, true}}} {
		for i, integration := range c.Integrations(tc.defaults) {
			if got := *integration.Webhook.HTTPConfig.FollowRedirects; got != tc.want[i] {
				t.Errorf("webhook %d: %v, want %v", i, got, tc.want[i])
			}
		}
	}
}

func TestRedactSecrets(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"a s3cret/+ b", "a <secret> b"},
		{"s3cret/+long s3cret/+", "<secret> <secret>"},
		{"s3cret%2F%2B", "<secret>"},
		{"nothing", "nothing"},
	} {
		if got := RedactSecrets(tc.text, "s3cret/+", "s3cret/+long", "", "a"); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
