package alert

import (
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
)

// Config is the alerter's part of the configuration, in Alertmanager's keys. Decode it strictly (unknown keys are
// faults), then call Validate.
type Config struct {
	Global        Global               `yaml:"global"`
	Route         *RouteConfig         `yaml:"route"`
	Receivers     []Receiver           `yaml:"receivers"`
	InhibitRules  []InhibitRuleConfig  `yaml:"inhibit_rules"`
	TimeIntervals []TimeIntervalConfig `yaml:"time_intervals"`
	// MuteTimeIntervals is the older name of TimeIntervals.
	MuteTimeIntervals []TimeIntervalConfig `yaml:"mute_time_intervals"`
	// Templates are globs of template files.
	Templates []string `yaml:"templates"`
	// Flapping says when an alert flaps.
	Flapping *FlappingConfig `yaml:"flapping"`
	// Deadman is a message that is sent all the time, so that its absence shows that freshet, or the way from it, is down.
	Deadman *DeadmanConfig `yaml:"dead_mans_switch"`
	// DryRun decides and records everything, and sends nothing.
	DryRun bool `yaml:"dry_run"`
}

// FlappingConfig says when an alert flaps: it began to fire Count times within Window. It then counts as firing until it
// has been calm for Calm.
type FlappingConfig struct {
	Count  int           `yaml:"count"`
	Window time.Duration `yaml:"window"`
	Calm   time.Duration `yaml:"calm"`
}

// DeadmanConfig names who is told every Interval that freshet works.
type DeadmanConfig struct {
	Receiver string        `yaml:"receiver"`
	Interval time.Duration `yaml:"interval"`
}

// InhibitRuleConfig mutes targets while a source fires whose Equal labels have the same values.
type InhibitRuleConfig struct {
	Name           string            `yaml:"name"`
	SourceMatch    map[string]string `yaml:"source_match"`
	SourceMatchRE  map[string]string `yaml:"source_match_re"`
	SourceMatchers []string          `yaml:"source_matchers"`
	TargetMatch    map[string]string `yaml:"target_match"`
	TargetMatchRE  map[string]string `yaml:"target_match_re"`
	TargetMatchers []string          `yaml:"target_matchers"`
	Equal          []string          `yaml:"equal"`
}

// TimeIntervalConfig is a named set of times, in Alertmanager's keys.
type TimeIntervalConfig struct {
	Name          string                      `yaml:"name"`
	TimeIntervals []timeinterval.TimeInterval `yaml:"time_intervals"`
}

// RemediationConfig bounds what a webhook that mends may do.
type RemediationConfig struct {
	// Cooldown is the least time between two calls about alerts of the same group.
	Cooldown time.Duration `yaml:"cooldown"`
	// MaxPerHour and MaxConcurrent bound the calls of the receiver.
	MaxPerHour    int `yaml:"max_per_hour"`
	MaxConcurrent int `yaml:"max_concurrent"`
	// DryRun says in the thread what would be called, and calls nothing.
	DryRun bool `yaml:"dry_run"`
}

// Global holds what receivers use where they say nothing themselves.
type Global struct {
	SlackAPIURL       Secret `yaml:"slack_api_url"`
	SlackAPIURLFile   string `yaml:"slack_api_url_file"`
	SlackAppToken     Secret `yaml:"slack_app_token"`
	SlackAppTokenFile string `yaml:"slack_app_token_file"`
	SlackAppURL       string `yaml:"slack_app_url"`
	// SlackAppLevelToken (xapp-…, scope connections:write) lets the buttons of messages work by Socket Mode;
	// SlackSigningSecret lets them work by a request URL, which Slack must be able to reach.
	SlackAppLevelToken     Secret `yaml:"slack_app_level_token"`
	SlackAppLevelTokenFile string `yaml:"slack_app_level_token_file"`
	SlackSigningSecret     Secret `yaml:"slack_signing_secret"`
	SlackSigningSecretFile string `yaml:"slack_signing_secret_file"`
}

// RouteConfig is one node of the route tree as written. A nil field means "as the parent has it".
type RouteConfig struct {
	Receiver       string            `yaml:"receiver"`
	GroupBy        []string          `yaml:"group_by"`
	Matchers       []string          `yaml:"matchers"`
	Match          map[string]string `yaml:"match"`
	MatchRE        map[string]string `yaml:"match_re"`
	Continue       bool              `yaml:"continue"`
	GroupWait      *time.Duration    `yaml:"group_wait"`
	GroupInterval  *time.Duration    `yaml:"group_interval"`
	RepeatInterval *time.Duration    `yaml:"repeat_interval"`
	// RepeatMax makes repeat_interval double with each reminder up to so long, 0 for the same all the time.
	RepeatMax           *time.Duration `yaml:"repeat_interval_max"`
	MuteTimeIntervals   []string       `yaml:"mute_time_intervals"`
	ActiveTimeIntervals []string       `yaml:"active_time_intervals"`
	Routes              []RouteConfig  `yaml:"routes"`
}

// Receiver is a name and the ways in which it is notified. A receiver without any drops what is routed to it.
type Receiver struct {
	Name           string          `yaml:"name"`
	SlackConfigs   []SlackConfig   `yaml:"slack_configs"`
	WebhookConfigs []WebhookConfig `yaml:"webhook_configs"`
}

// WebhookConfig is one address that receives Alertmanager's JSON body, version 4.
type WebhookConfig struct {
	SendResolved *bool  `yaml:"send_resolved"`
	URL          Secret `yaml:"url"`
	URLFile      string `yaml:"url_file"`
	// MaxAlerts bounds the alerts in one body, 0 for no bound.
	MaxAlerts int64 `yaml:"max_alerts"`
	// Timeout bounds one attempt, 0 for the default of 10 s.
	Timeout    time.Duration `yaml:"timeout"`
	HTTPConfig *HTTPConfig   `yaml:"http_config"`
	// Remediation makes the webhook one that mends: see RemediationConfig.
	Remediation *RemediationConfig `yaml:"remediation"`
}

// HTTPConfig says how to reach and convince an HTTP server.
type HTTPConfig struct {
	Authorization   *Authorization `yaml:"authorization"`
	BasicAuth       *BasicAuth     `yaml:"basic_auth"`
	BearerToken     Secret         `yaml:"bearer_token"`
	BearerTokenFile string         `yaml:"bearer_token_file"`
	TLSConfig       *TLSConfig     `yaml:"tls_config"`
	ProxyURL        Secret         `yaml:"proxy_url"`
	// FollowRedirects is false by default: a redirected alert may end where nobody wants it.
	FollowRedirects bool `yaml:"follow_redirects"`
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

// TLSConfig says whom to trust and who freshet is.
type TLSConfig struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// Defaults are the values of keys that a configuration leaves out.
type Defaults struct {
	GroupBy                                  []string
	GroupWait, GroupInterval, RepeatInterval time.Duration
	// SlackSendResolved is the send_resolved of Slack receivers; that of webhooks is true.
	SlackSendResolved bool
	// Prompt tells ends and edits without waiting for group_interval.
	Prompt bool
}

// InlineDefaults are those of the keys in freshet.yaml: a group is what one rule found, it is told of at once and of its
// end too, and new alerts in it wait for at most ten seconds since the last message.
func InlineDefaults() Defaults {
	return Defaults{GroupBy: []string{"alertname"}, GroupWait: 0, GroupInterval: 10 * time.Second,
		RepeatInterval: 4 * time.Hour, SlackSendResolved: true, Prompt: true}
}

// AlertmanagerDefaults are those of a loaded alertmanager.yml, which keeps the meaning that it has in Alertmanager.
func AlertmanagerDefaults() Defaults {
	return Defaults{GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute, RepeatInterval: 4 * time.Hour}
}

// RouteTree returns the tree of routes. Without a route, all alerts go to the first receiver.
func (c *Config) RouteTree(d Defaults) *Route {
	root := RouteConfig{}
	if len(c.Receivers) > 0 {
		root.Receiver = c.Receivers[0].Name
	}
	if c.Route != nil {
		root = *c.Route
	}
	return newRoute(&root, &Route{GroupBy: d.GroupBy, GroupWait: d.GroupWait, GroupInterval: d.GroupInterval,
		RepeatInterval: d.RepeatInterval}, -1)
}

// Integrations returns every way in which any receiver is notified, with global settings filled in.
func (c *Config) Integrations(d Defaults) []Integration {
	var out []Integration
	for _, r := range c.Receivers {
		for i, s := range r.SlackConfigs {
			s = s.withGlobal(&c.Global)
			s.TemplateFiles = c.Templates
			out = append(out, Integration{Receiver: r.Name, Kind: "slack", Index: i, Slack: &s,
				SendResolved: orDefault(s.SendResolved, d.SlackSendResolved), Edits: s.hasToken()})
		}
		for i, w := range r.WebhookConfigs {
			out = append(out, Integration{Receiver: r.Name, Kind: "webhook", Index: i, Webhook: &w,
				Remediation: w.Remediation, SendResolved: orDefault(w.SendResolved, true)})
		}
	}
	return out
}

func orDefault(b *bool, d bool) bool {
	if b != nil {
		return *b
	}
	return d
}
