package alert

import (
	"fmt"
	"os"
	"path/filepath"
)

// named is a path that the configuration holds, and the key it is at.
type named struct {
	key  string
	path *string
}

// SetDirectory makes the relative paths of the configuration relative to a folder.
func (c *Config) SetDirectory(dir string) {
	files := c.files()
	for i := range c.Templates {
		files = append(files, named{path: &c.Templates[i]})
	}
	for _, f := range files {
		if *f.path != "" && !filepath.IsAbs(*f.path) {
			*f.path = filepath.Join(dir, *f.path)
		}
	}
}

// Unreadable returns a fault for each file with a secret or a certificate that cannot be read, so that it shows now and
// not with the first alert.
func (c *Config) Unreadable() []Fault {
	var out faults
	for _, f := range c.files() {
		if *f.path == "" {
			continue
		}
		if _, err := os.ReadFile(*f.path); err != nil {
			out.add(f.key, "cannot be read: "+withoutPath(err).Error(), "")
		}
	}
	return out
}

// files returns the paths of files with secrets and certificates.
func (c *Config) files() []named {
	out := []named{{"global.slack_api_url_file", &c.Global.SlackAPIURLFile}, {"global.slack_app_token_file", &c.Global.SlackAppTokenFile},
		{"global.slack_app_level_token_file", &c.Global.SlackAppLevelTokenFile}, {"global.slack_signing_secret_file", &c.Global.SlackSigningSecretFile}}
	for i := range c.Receivers {
		r := &c.Receivers[i]
		for j := range r.SlackConfigs {
			s, at := &r.SlackConfigs[j], fmt.Sprintf("receivers[%d].slack_configs[%d].", i, j)
			out = append(out, named{at + "api_url_file", &s.APIURLFile}, named{at + "token_file", &s.TokenFile}, named{at + "app_token_file", &s.AppTokenFile},
				named{at + "app_level_token_file", &s.AppLevelTokenFile})
			out = append(out, s.HTTPConfig.files(at+"http_config.")...)
		}
		for j := range r.WebhookConfigs {
			w, at := &r.WebhookConfigs[j], fmt.Sprintf("receivers[%d].webhook_configs[%d].", i, j)
			out = append(out, named{at + "url_file", &w.URLFile})
			out = append(out, w.HTTPConfig.files(at+"http_config.")...)
		}
	}
	return out
}

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
	if t := h.TLSConfig; t != nil {
		out = append(out, named{at + "tls_config.ca_file", &t.CAFile}, named{at + "tls_config.cert_file", &t.CertFile}, named{at + "tls_config.key_file", &t.KeyFile})
	}
	return out
}
