package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/alert"
)

const webhookConfig = `
alert:
  receivers:
    - name: hook
      webhook_configs:
        - url: https://example.org/{{ .Status }}
          payload:
            text: '{{ .Status }} ${WORD}'
            number: 3
            exact: "3"
            flag: true
            none: ~
            list: [a, {b: 1.5}]
          secret_files: {key: secrets/key}
          http_config:
            tls_config: {min_version: TLS12, ca_file: ca.pem}
            follow_redirects: true
            proxy_url: http://proxy.example.org
            proxy_connect_header: {X-Via: [a, b]}
            http_headers: {X-A: {values: [b], files: [secrets/header]}}
            oauth2:
              client_id: freshet
              client_secret_file: secrets/client
              token_url: https://example.org/token
              claims: {tenant: "1", admin: true, level: 2}
              endpoint_params: {audience: hook}
`

// What is decoded by walking has the values that the file has, and paths in it begin at its folder.
func TestWebhookValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"ca.pem", "secrets/key", "secrets/header", "secrets/client"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, faults := Parse(filepath.Join(dir, "freshet.yaml"), []byte(webhookConfig), func(name string) (string, bool) { return "word", name == "WORD" })
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	w := cfg.Alert.Receivers[0].WebhookConfigs[0]
	yes, key := true, filepath.Join(dir, "secrets/key")
	want := alert.WebhookConfig{
		URL: "https://example.org/{{ .Status }}",
		Payload: map[string]any{"text": "{{ .Status }} word", "number": 3, "exact": "3", "flag": true, "none": nil,
			"list": []any{"a", map[string]any{"b": 1.5}}},
		SecretFiles: map[string]*string{"key": &key},
		HTTPConfig: &alert.HTTPConfig{
			TLSConfig: &alert.TLSConfig{MinVersion: 0x0303, CAFile: filepath.Join(dir, "ca.pem")}, FollowRedirects: &yes,
			ProxyConfig: alert.ProxyConfig{ProxyURL: "http://proxy.example.org", ProxyConnectHeader: map[string][]alert.Secret{"X-Via": {"a", "b"}}},
			HTTPHeaders: map[string]alert.HTTPHeader{"X-A": {Values: []string{"b"}, Files: []string{filepath.Join(dir, "secrets/header")}}},
			OAuth2: &alert.OAuth2{ClientID: "freshet", ClientSecretFile: filepath.Join(dir, "secrets/client"), TokenURL: "https://example.org/token",
				Claims: map[string]any{"tenant": "1", "admin": true, "level": 2}, EndpointParams: map[string]string{"audience": "hook"}},
		},
	}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Faults stand at their places, those in a structure of any form too.
func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`tls_config: {min_version: TLS9}`:                                                     `alert.receivers[0].webhook_configs[0].http_config.tls_config.min_version 3:98 expected a tlsversion, found "TLS9" known: TLS10, TLS11, TLS12, TLS13`,
		`oauth2: {client_idd: a, client_id: b, token_url: 'https://example.org'}`:             `alert.receivers[0].webhook_configs[0].http_config.oauth2.client_idd 3:81 unknown key "client_idd" did you mean client_id?`,
		`oauth2: {client_id: b, token_url: 'https://example.org', claims: {a: '${NOWHERE}'}}`: `alert.receivers[0].webhook_configs[0].http_config.oauth2.claims.a 3:141 environment variable NOWHERE is not set set it, or give a default: ${NOWHERE:-value}`,
		`tls_config: {cert_file: ca.pem}`:                                                     `alert.receivers[0].webhook_configs[0].http_config.tls_config 3:84 cert_file and key_file belong together, one is missing`,
		`proxy_conect_header: {}`:                                                             `alert.receivers[0].webhook_configs[0].http_config.proxy_conect_header 3:72 unknown key "proxy_conect_header" did you mean proxy_connect_header?`,
	} {
		_, faults := Parse("freshet.yaml", []byte("alert:\n  receivers:\n    - {name: a, webhook_configs: [{url: 'https://e.org', http_config: {"+text+"}}]}\n"), noEnv)
		got := ""
		for _, f := range faults {
			got += strings.TrimSpace(fmt.Sprintf("%s %d:%d %s %s", f.Path, f.Line, f.Column, f.Message, f.Hint))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
