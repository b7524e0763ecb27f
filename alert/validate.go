package alert

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/common/model"
)

// Fault is one thing that is wrong in a configuration.
type Fault struct {
	// Path is where it is, as in "receivers[0].slack_configs[1].channel".
	Path string
	// Message says what is wrong, Hint what to do, "" when the message says it.
	Message, Hint string
}

// Error returns path, message and hint in one line.
func (f Fault) Error() string {
	text := f.Path + ": " + f.Message
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

type faults []Fault

func (fs *faults) add(path, message, hint string) {
	*fs = append(*fs, Fault{Path: path, Message: message, Hint: hint})
}

// Validate returns all that is wrong with the configuration, nil when nothing is. No fault shows a secret.
func (c *Config) Validate() []Fault {
	var fs faults
	names := c.receiverFaults(&fs)
	switch {
	case c.Route != nil:
		if c.Route.Receiver == "" {
			fs.add("route", "receiver is missing: the first route must say who gets what no other route takes",
				"add receiver: and a name from receivers")
		}
		if len(c.Route.Matchers)+len(c.Route.Match)+len(c.Route.MatchRE) > 0 {
			fs.add("route", "the first route takes every alert, so it can have no matchers", "put them on a route under routes:")
		}
		if c.Route.Continue {
			fs.add("route.continue", "the first route has no siblings to continue with", "remove it")
		}
		c.Route.faults(&fs, "route", names)
	case len(c.Receivers) > 1:
		fs.add("receivers", fmt.Sprintf("there are %d receivers and no route, so nobody knows which gets what", len(c.Receivers)),
			"add route: with a receiver")
	}
	c.templateFaults(&fs)
	return fs
}

func (c *Config) receiverFaults(fs *faults) []string {
	exclusive(fs, "global", "slack_api_url", c.Global.SlackAPIURL != "", "slack_api_url_file", c.Global.SlackAPIURLFile != "")
	exclusive(fs, "global", "slack_app_token", c.Global.SlackAppToken != "", "slack_app_token_file", c.Global.SlackAppTokenFile != "")
	exclusive(fs, "global", "slack_app_level_token", c.Global.SlackAppLevelToken != "", "slack_app_level_token_file", c.Global.SlackAppLevelTokenFile != "")
	exclusive(fs, "global", "slack_signing_secret", c.Global.SlackSigningSecret != "", "slack_signing_secret_file", c.Global.SlackSigningSecretFile != "")
	appLevelFault(fs, "global.slack_app_level_token", c.Global.SlackAppLevelToken)
	urlFault(fs, "global.slack_api_url", string(c.Global.SlackAPIURL))
	urlFault(fs, "global.slack_app_url", c.Global.SlackAppURL)
	names := make([]string, 0, len(c.Receivers))
	for i := range c.Receivers {
		r := &c.Receivers[i]
		path := fmt.Sprintf("receivers[%d]", i)
		switch {
		case r.Name == "":
			fs.add(path, "name is missing", "")
		case slices.Contains(names, r.Name):
			fs.add(path+".name", fmt.Sprintf("receiver %q stands twice", r.Name), "names must differ")
		}
		names = append(names, r.Name)
		for j := range r.SlackConfigs {
			r.SlackConfigs[j].faults(fs, fmt.Sprintf("%s.slack_configs[%d]", path, j), &c.Global)
		}
		for j := range r.WebhookConfigs {
			r.WebhookConfigs[j].faults(fs, fmt.Sprintf("%s.webhook_configs[%d]", path, j))
		}
	}
	return names
}

func (r *RouteConfig) faults(fs *faults, path string, receivers []string) {
	if r.Receiver != "" && !slices.Contains(receivers, r.Receiver) {
		known := slices.DeleteFunc(slices.Clone(receivers), func(s string) bool { return s == "" })
		fs.add(path+".receiver", fmt.Sprintf("no receiver is named %q", r.Receiver), "known: "+strings.Join(known, ", "))
	}
	seen := map[string]bool{}
	for i, name := range r.GroupBy {
		at := fmt.Sprintf("%s.group_by[%d]", path, i)
		switch {
		case seen[name]:
			fs.add(at, fmt.Sprintf("label %q stands twice", name), "")
		case name == "..." && len(r.GroupBy) > 1:
			fs.add(at, "... means all labels and stands alone", "")
		case name != "..." && !model.LegacyValidation.IsValidLabelName(name):
			fs.add(at, fmt.Sprintf("%q is no label name", name), "labels have letters, digits and _: a dot in an attribute's name becomes _")
		}
		seen[name] = true
	}
	for i, text := range r.Matchers {
		if _, err := compat.Matchers(text, "route"); err != nil {
			fs.add(fmt.Sprintf("%s.matchers[%d]", path, i), fmt.Sprintf("%q is no matcher", text),
				`write name="value", or !=, =~, !~: `+err.Error())
		}
	}
	for _, name := range sortedKeys(r.MatchRE) {
		if _, err := regexp.Compile(r.MatchRE[name]); err != nil {
			fs.add(path+".match_re."+name, err.Error(), "")
		}
	}
	durationFault(fs, path+".group_wait", r.GroupWait, true)
	durationFault(fs, path+".group_interval", r.GroupInterval, false)
	durationFault(fs, path+".repeat_interval", r.RepeatInterval, false)
	for i := range r.Routes {
		r.Routes[i].faults(fs, fmt.Sprintf("%s.routes[%d]", path, i), receivers)
	}
}

func (w *WebhookConfig) faults(fs *faults, path string) {
	exclusive(fs, path, "url", w.URL != "", "url_file", w.URLFile != "")
	if w.URL == "" && w.URLFile == "" {
		fs.add(path, "url is missing", "set url, or url_file when the address is a secret")
	}
	urlFault(fs, path+".url", string(w.URL))
	if w.MaxAlerts < 0 {
		fs.add(path+".max_alerts", "expected 0 (no bound) or more", "")
	}
	timeoutFault(fs, path+".timeout", w.Timeout)
	w.HTTPConfig.faults(fs, path+".http_config")
}

func (h *HTTPConfig) authenticates() bool {
	return h != nil && (h.Authorization != nil || h.BasicAuth != nil || h.BearerToken != "" || h.BearerTokenFile != "")
}

func (h *HTTPConfig) faults(fs *faults, path string) {
	if h == nil {
		return
	}
	bearer := h.BearerToken != "" || h.BearerTokenFile != ""
	exclusive(fs, path, "bearer_token", h.BearerToken != "", "bearer_token_file", h.BearerTokenFile != "")
	exclusive(fs, path, "authorization", h.Authorization != nil, "basic_auth", h.BasicAuth != nil)
	exclusive(fs, path, "authorization", h.Authorization != nil, "bearer_token", bearer)
	exclusive(fs, path, "basic_auth", h.BasicAuth != nil, "bearer_token", bearer)
	if a := h.Authorization; a != nil {
		exclusive(fs, path+".authorization", "credentials", a.Credentials != "", "credentials_file", a.CredentialsFile != "")
		if a.Credentials == "" && a.CredentialsFile == "" {
			fs.add(path+".authorization", "credentials or credentials_file is missing", "")
		}
		if strings.EqualFold(a.Type, "basic") {
			fs.add(path+".authorization.type", "basic credentials have a key of their own", "use basic_auth")
		}
	}
	if b := h.BasicAuth; b != nil {
		exclusive(fs, path+".basic_auth", "username", b.Username != "", "username_file", b.UsernameFile != "")
		exclusive(fs, path+".basic_auth", "password", b.Password != "", "password_file", b.PasswordFile != "")
		if b.Username == "" && b.UsernameFile == "" {
			fs.add(path+".basic_auth", "username is missing", "")
		}
	}
	if t := h.TLSConfig; t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		fs.add(path+".tls_config", "cert_file and key_file belong together, one is missing", "")
	}
	urlFault(fs, path+".proxy_url", string(h.ProxyURL))
}

// templateFaults parses every template, so that a mistake shows now and not with the first alert.
func (c *Config) templateFaults(fs *faults) {
	if _, err := NewTemplates(c.Templates...); err != nil {
		fs.add("templates", err.Error(), "")
	}
	for i := range c.Receivers {
		for j, s := range c.Receivers[i].SlackConfigs {
			s.templateFaults(fs, fmt.Sprintf("receivers[%d].slack_configs[%d].", i, j))
		}
	}
}

func exclusive(fs *faults, path, a string, hasA bool, b string, hasB bool) {
	if hasA && hasB {
		fs.add(path, a+" and "+b+" are both given", "keep one")
	}
}

// urlFault does not repeat the address: it may hold a secret.
func urlFault(fs *faults, path, text string) {
	if text == "" {
		return
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		fs.add(path, "expected an address that begins with http:// or https:// and has a host", "")
	}
}

func durationFault(fs *faults, path string, d *time.Duration, zero bool) {
	if d != nil && (*d < 0 || *d == 0 && !zero) {
		fs.add(path, "expected a duration above 0", "")
	}
}

func timeoutFault(fs *faults, path string, d time.Duration) {
	if d < 0 || d > 5*time.Minute {
		fs.add(path, "expected a duration up to 5m", "the default is 10s")
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
