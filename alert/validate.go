package alert

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Fault is one thing that is wrong in a configuration.
type Fault struct {
	// Path is where it is, as in "receivers[0].slack_configs[1].channel".
	Path string
	// Message says what is wrong, Hint what to do, "" when the message says it.
	Message, Hint string
	// Unknown is a word that stands where one of Known is expected, so that whoever shows the fault can say which is meant.
	Unknown string
	Known   []string
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

func (fs *faults) unknown(path, message, word string, known []string) {
	known = slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })
	slices.Sort(known)
	known = slices.Compact(known)
	hint := "known: " + strings.Join(known, ", ")
	if len(known) == 0 {
		hint = "none is known"
	}
	*fs = append(*fs, Fault{Path: path, Message: message, Hint: hint, Unknown: word, Known: known})
}

func (fs *faults) add(path, message, hint string) {
	*fs = append(*fs, Fault{Path: path, Message: message, Hint: hint})
}

// Validate returns all that is wrong with the configuration, nil when nothing is. No fault shows a secret.
func (c *Config) Validate() []Fault {
	var fs faults
	receivers := c.receiverFaults(&fs)
	intervals := c.intervalFaults(&fs)
	c.routeFaults(&fs, receivers, intervals)
	c.inhibitFaults(&fs)
	c.additionFaults(&fs, receivers)
	c.templateFaults(&fs)
	return fs
}

func (c *Config) receiverFaults(fs *faults) []string {
	exclusive(fs, "global", "slack_api_url", c.Global.SlackAPIURL != "", "slack_api_url_file", c.Global.SlackAPIURLFile != "")
	exclusive(fs, "global", "slack_app_token", c.Global.SlackAppToken != "", "slack_app_token_file", c.Global.SlackAppTokenFile != "")
	exclusive(fs, "global", "slack_app_level_token", c.Global.SlackAppLevelToken != "", "slack_app_level_token_file", c.Global.SlackAppLevelTokenFile != "")
	exclusive(fs, "global", "slack_signing_secret", c.Global.SlackSigningSecret != "", "slack_signing_secret_file", c.Global.SlackSigningSecretFile != "")
	if g := &c.Global; (g.SlackAppToken != "" || g.SlackAppTokenFile != "") && (g.SlackAPIURL != "" || g.SlackAPIURLFile != "") &&
		!strings.HasSuffix(string(g.SlackAPIURL), postMethod) {
		fs.add("global", "slack_api_url and slack_app_token are both given", "keep the one that receivers without their own shall use")
	}
	appLevelFault(fs, "global.slack_app_level_token", c.Global.SlackAppLevelToken)
	urlFault(fs, "global.slack_api_url", string(c.Global.SlackAPIURL))
	urlFault(fs, "global.slack_app_url", c.Global.SlackAppURL)
	c.Global.HTTPConfig.faults(fs, "global.http_config")
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
		r.otherFaults(fs, path)
	}
	return names
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
