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

func (s *SlackConfig) faults(fs *faults, path string, global *Global) {
	exclusive(fs, path, "api_url", s.APIURL != "", "api_url_file", s.APIURLFile != "")
	exclusive(fs, path, "token", s.Token != "", "token_file", s.TokenFile != "")
	exclusive(fs, path, "app_token", s.AppToken != "", "app_token_file", s.AppTokenFile != "")
	exclusive(fs, path, "token", s.Token != "" || s.TokenFile != "", "app_token", s.AppToken != "" || s.AppTokenFile != "")
	exclusive(fs, path, "api_url", s.hasWebhook(), "token", s.hasToken())
	switch merged := s.withGlobal(global); {
	case !merged.hasWebhook() && !merged.hasToken():
		fs.add(path, "neither an incoming webhook nor a bot token is given", "set api_url, or token and channel")
	case !merged.hasWebhook() && s.Channel == "":
		fs.add(path, "a bot token needs a channel", "add channel: with a name such as #alerts or an ID such as C0123456789")
	}
	if strings.HasSuffix(string(s.APIURL), "/chat.postMessage") {
		fs.add(path+".api_url", "this is a method of Slack's API, not an incoming webhook", "give the bot token as token: and a channel:")
	}
	urlFault(fs, path+".api_url", string(s.APIURL))
	urlFault(fs, path+".app_url", s.AppURL)
	timeoutFault(fs, path+".timeout", s.Timeout)
	s.HTTPConfig.faults(fs, path+".http_config")
	if s.hasToken() && s.HTTPConfig.authenticates() {
		fs.add(path+".http_config", "credentials here would replace the bot token", "remove them")
	}
}

func (w *WebhookConfig) faults(fs *faults, path string) {
	exclusive(fs, path, "url", w.URL != "", "url_file", w.URLFile != "")
	if w.URL == "" && w.URLFile == "" {
		fs.add(path, "url is missing", "set url, or url_file when the address is a secret")
	}
	w.requestFaults(fs, path)
	if w.MaxAlerts < 0 {
		fs.add(path+".max_alerts", "expected 0 (no bound) or more", "")
	}
	timeoutFault(fs, path+".timeout", w.Timeout)
	w.HTTPConfig.faults(fs, path+".http_config")
}

// templateFaults parses every template, so that a mistake shows now and not with the first alert.
func (c *Config) templateFaults(fs *faults) {
	if _, err := NewTemplates(c.Templates...); err != nil {
		fs.add("templates", err.Error(), "")
	}
	for i := range c.Receivers {
		for j, s := range c.Receivers[i].SlackConfigs {
			for _, kv := range [][2]string{{"title", s.Title}, {"text", s.Text}, {"color", s.Color}} {
				if err := checkTemplate(kv[1]); err != nil {
					fs.add(fmt.Sprintf("receivers[%d].slack_configs[%d].%s", i, j, kv[0]), err.Error(), "")
				}
			}
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
