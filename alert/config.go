package alert

import (
	"cmp"
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
	// DashboardURL leads from a message to a dashboard: {from} and {to} stand for the time range in milliseconds,
	// {label:service_name} for a label of the alert. TraceURL leads to a trace: {trace_id} stands for its ID, and labels as there.
	DashboardURL string `yaml:"dashboard_url"`
	TraceURL     string `yaml:"trace_url"`
	// DryRun decides and records everything, and sends nothing. What fires still when it is switched off is told then, as new.
	DryRun bool `yaml:"dry_run"`
	// Tracing and EventRecorder are about Alertmanager's process.
	Tracing       Unused `yaml:"tracing"`
	EventRecorder Unused `yaml:"event_recorder"`
}

// FlappingConfig says when an alert flaps: it began to fire Count times within Window. It then counts as firing until it
// has been calm for Calm.
type FlappingConfig struct {
	// Count is how often it begins to fire, or is raised again to a severity that it had, within Window; 0 turns it off.
	Count int `yaml:"count"`
	// Window is the time within which that happens.
	Window time.Duration `yaml:"window"`
	// Calm is how long it must then stay calm for its end to count.
	Calm time.Duration `yaml:"calm"`
}

// FlappingOr returns when an alert flaps; what the configuration leaves out is as in d.
func (c *Config) FlappingOr(d FlappingConfig) FlappingConfig {
	if c.Flapping == nil {
		return d
	}
	f := *c.Flapping
	standard := DefaultFlapping()
	f.Window, f.Calm = cmp.Or(f.Window, standard.Window), cmp.Or(f.Calm, standard.Calm)
	return f
}

// DeadmanConfig names who is told every Interval that freshet works.
type DeadmanConfig struct {
	// Receiver is the name of who is told.
	Receiver string `yaml:"receiver"`
	// Interval is the time between two messages, from 10s to 1d.
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
	// HTTPConfig is for receivers that have none of their own.
	HTTPConfig *HTTPConfig `yaml:"http_config"`
	// ResolveTimeout is when an alert that somebody posts without an end counts as over, by default 5m. After a restart, or
	// when Kafka was away, other posted alerts too have that long to be posted again, or as long as their poster gave if
	// that is less.
	ResolveTimeout time.Duration `yaml:"resolve_timeout"`
	GlobalOfOthers `yaml:",inline"`
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
	// RepeatMax makes RepeatInterval double with each reminder up to so long, 0 for the same all the time.
	RepeatMax           *time.Duration `yaml:"repeat_interval_max"`
	MuteTimeIntervals   []string       `yaml:"mute_time_intervals"`
	ActiveTimeIntervals []string       `yaml:"active_time_intervals"`
	// Labels are templates of texts that messages have as .RouteLabels, those of the parents among them.
	Labels map[string]string `yaml:"labels"`
	Routes []RouteConfig     `yaml:"routes"`
}

// Receiver is a name and the ways in which it is notified. A receiver without any drops what is routed to it.
type Receiver struct {
	Name           string          `yaml:"name"`
	SlackConfigs   []SlackConfig   `yaml:"slack_configs"`
	WebhookConfigs []WebhookConfig `yaml:"webhook_configs"`
	// Labels are for filters of Alertmanager's API.
	Labels            Unused `yaml:"labels"`
	ReceiversOfOthers `yaml:",inline"`
}

// WebhookConfig is one address that receives Alertmanager's JSON body, version 4, or a body of its own.
type WebhookConfig struct {
	SendResolved *bool `yaml:"send_resolved"`
	// URL may be a template.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// Method is POST by default, or PUT.
	Method string `yaml:"method"`
	// Headers are templates.
	Headers map[string]Secret `yaml:"headers"`
	// Body is a template of the whole body, Payload Alertmanager's form: a structure whose texts are templates, which is
	// sent as JSON. ContentType is that of Body, application/json by default.
	Body        string `yaml:"body"`
	Payload     any    `yaml:"payload"`
	ContentType string `yaml:"content_type"`
	// Secrets are what templates know as {{ .Secret "name" }}; what a file of SecretFiles holds is one too.
	Secrets     map[string]Secret  `yaml:"secrets"`
	SecretFiles map[string]*string `yaml:"secret_files"`
	// SigningSecret signs each request as Standard Webhooks says: whsec_ and base64, during a rotation two of them.
	SigningSecret     Secret `yaml:"signing_secret"`
	SigningSecretFile string `yaml:"signing_secret_file"`
	// MaxAlerts bounds the alerts in one body, 0 for no bound.
	MaxAlerts int64 `yaml:"max_alerts"`
	// Timeout bounds one attempt, 0 for the default of 10 s.
	Timeout    time.Duration `yaml:"timeout"`
	HTTPConfig *HTTPConfig   `yaml:"http_config"`
	// Remediation makes the webhook one that mends, at most once for each incident.
	Remediation *RemediationConfig `yaml:"remediation"`
	// TemplateFiles are the configuration's templates, filled in by Integrations.
	TemplateFiles []string `yaml:"-"`
}

// Defaults are the values of keys that a configuration leaves out.
type Defaults struct {
	GroupBy                                  []string
	GroupWait, GroupInterval, RepeatInterval time.Duration
	// SlackSendResolved is the send_resolved of Slack receivers; that of webhooks is true.
	SlackSendResolved bool
	// Prompt tells ends and edits without waiting for group_interval.
	Prompt bool
	// Flapping is when an alert flaps; a Count of 0 means never, as in Alertmanager.
	Flapping FlappingConfig
	// FollowRedirects is http_config's follow_redirects. Alertmanager follows them; a redirected alert may end where nobody
	// wants it.
	FollowRedirects bool
}

// InlineDefaults are those of the keys in freshet.yaml: a group is what one rule found, it is told of at once and of its
// end too, and new alerts in it wait for at most ten seconds since the last message.
func InlineDefaults() Defaults {
	return Defaults{GroupBy: []string{"alertname"}, GroupWait: 0, GroupInterval: 10 * time.Second,
		RepeatInterval: 4 * time.Hour, SlackSendResolved: true, Prompt: true, Flapping: DefaultFlapping()}
}

// AlertmanagerDefaults are those of a loaded alertmanager.yml, which keeps the meaning that it has in Alertmanager.
func AlertmanagerDefaults() Defaults {
	return Defaults{GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute, RepeatInterval: 4 * time.Hour,
		FollowRedirects: true}
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
			s.TemplateFiles, s.HTTPConfig = c.Templates, s.HTTPConfig.withDefaults(d)
			out = append(out, Integration{Receiver: r.Name, Kind: "slack", Index: i, Slack: &s,
				SendResolved: orDefault(s.SendResolved, d.SlackSendResolved), Edits: s.hasToken()})
		}
		for i, w := range r.WebhookConfigs {
			w.TemplateFiles, w.HTTPConfig = c.Templates, cmp.Or(w.HTTPConfig, c.Global.HTTPConfig).withDefaults(d)
			out = append(out, Integration{Receiver: r.Name, Kind: "webhook", Index: i, Webhook: &w,
				Remediation: w.Remediation, SendResolved: orDefault(w.SendResolved, w.Remediation == nil)})
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
