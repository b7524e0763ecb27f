package alert

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
			out = append(out, named{at + "url_file", &w.URLFile}, named{at + "signing_secret_file", &w.SigningSecretFile})
			for _, name := range slices.Sorted(maps.Keys(w.SecretFiles)) {
				if file := w.SecretFiles[name]; file != nil {
					out = append(out, named{at + "secret_files." + name, file})
				}
			}
			out = append(out, w.HTTPConfig.files(at+"http_config.")...)
		}
	}
	out = append(out, c.Global.HTTPConfig.files("global.http_config.")...)
	return out
}
