package alert

import (
	"fmt"
	"reflect"
	"strings"
)

// Unused is a key of Alertmanager's that a configuration may have and that changes nothing here. It takes any value and
// keeps none of it.
type Unused struct{ given bool }

// UnmarshalYAML notes that the key is given.
func (u *Unused) UnmarshalYAML(func(any) error) error {
	u.given = true
	return nil
}

// GlobalOfOthers are the keys of global for receivers of kinds that freshet does not have.
type GlobalOfOthers struct {
	SMTPFrom                 Unused `yaml:"smtp_from"`
	SMTPHello                Unused `yaml:"smtp_hello"`
	SMTPSmarthost            Unused `yaml:"smtp_smarthost"`
	SMTPAuthUsername         Unused `yaml:"smtp_auth_username"`
	SMTPAuthPassword         Unused `yaml:"smtp_auth_password"`
	SMTPAuthPasswordFile     Unused `yaml:"smtp_auth_password_file"`
	SMTPAuthSecret           Unused `yaml:"smtp_auth_secret"`
	SMTPAuthSecretFile       Unused `yaml:"smtp_auth_secret_file"`
	SMTPAuthIdentity         Unused `yaml:"smtp_auth_identity"`
	SMTPRequireTLS           Unused `yaml:"smtp_require_tls"`
	SMTPTLSConfig            Unused `yaml:"smtp_tls_config"`
	SMTPForceImplicitTLS     Unused `yaml:"smtp_force_implicit_tls"`
	JiraAPIURL               Unused `yaml:"jira_api_url"`
	PagerdutyURL             Unused `yaml:"pagerduty_url"`
	OpsgenieAPIURL           Unused `yaml:"opsgenie_api_url"`
	OpsgenieAPIKey           Unused `yaml:"opsgenie_api_key"`
	OpsgenieAPIKeyFile       Unused `yaml:"opsgenie_api_key_file"`
	WechatAPIURL             Unused `yaml:"wechat_api_url"`
	WechatAPISecret          Unused `yaml:"wechat_api_secret"`
	WechatAPISecretFile      Unused `yaml:"wechat_api_secret_file"`
	WechatAPICorpID          Unused `yaml:"wechat_api_corp_id"`
	VictoropsAPIURL          Unused `yaml:"victorops_api_url"`
	VictoropsAPIKey          Unused `yaml:"victorops_api_key"`
	VictoropsAPIKeyFile      Unused `yaml:"victorops_api_key_file"`
	TelegramAPIURL           Unused `yaml:"telegram_api_url"`
	TelegramBotToken         Unused `yaml:"telegram_bot_token"`
	TelegramBotTokenFile     Unused `yaml:"telegram_bot_token_file"`
	WebexAPIURL              Unused `yaml:"webex_api_url"`
	RocketchatAPIURL         Unused `yaml:"rocketchat_api_url"`
	RocketchatToken          Unused `yaml:"rocketchat_token"`
	RocketchatTokenFile      Unused `yaml:"rocketchat_token_file"`
	RocketchatTokenID        Unused `yaml:"rocketchat_token_id"`
	RocketchatTokenIDFile    Unused `yaml:"rocketchat_token_id_file"`
	MattermostWebhookURL     Unused `yaml:"mattermost_webhook_url"`
	MattermostWebhookURLFile Unused `yaml:"mattermost_webhook_url_file"`
}

// ReceiversOfOthers are the kinds of receivers that freshet does not have. Other than a key without effect, one of them
// is a fault: whoever it names would not be told.
type ReceiversOfOthers struct {
	Discord    Unused `yaml:"discord_configs" kind:"Discord"`
	Email      Unused `yaml:"email_configs" kind:"email"`
	Incidentio Unused `yaml:"incidentio_configs" kind:"incident.io"`
	Jira       Unused `yaml:"jira_configs" kind:"Jira"`
	Mattermost Unused `yaml:"mattermost_configs" kind:"Mattermost"`
	Teams      Unused `yaml:"msteams_configs" kind:"Microsoft Teams"`
	TeamsV2    Unused `yaml:"msteamsv2_configs" kind:"Microsoft Teams"`
	Opsgenie   Unused `yaml:"opsgenie_configs" kind:"Opsgenie"`
	Pagerduty  Unused `yaml:"pagerduty_configs" kind:"PagerDuty"`
	Pushover   Unused `yaml:"pushover_configs" kind:"Pushover"`
	Rocketchat Unused `yaml:"rocketchat_configs" kind:"Rocket.Chat"`
	SNS        Unused `yaml:"sns_configs" kind:"Amazon SNS"`
	Telegram   Unused `yaml:"telegram_configs" kind:"Telegram"`
	Victorops  Unused `yaml:"victorops_configs" kind:"VictorOps"`
	Webex      Unused `yaml:"webex_configs" kind:"Webex"`
	Wechat     Unused `yaml:"wechat_configs" kind:"WeChat"`
}

// presets are the files of deploy/receivers that reach a kind of receiver by a webhook.
func presets() map[string]string {
	return map[string]string{"PagerDuty": "pagerduty", "Microsoft Teams": "teams", "Discord": "discord"}
}

// otherFaults says which kinds of receivers are given that freshet does not have, and what to do instead.
func (o *ReceiversOfOthers) otherFaults(fs *faults, path string) {
	for _, field := range given(o) {
		kind := field.Tag.Get("kind")
		hint := "call its API with webhook_configs and a body: of your own, or have a small program forward the webhook"
		switch preset, ok := presets()[kind]; {
		case ok:
			hint = fmt.Sprintf("deploy/receivers/%s.yaml reaches it by webhook_configs: copy it from there", preset)
		case kind == "email":
			hint = "have a program that sends mail take webhook_configs, or send to a Slack channel"
		}
		fs.add(path+"."+key(field), "freshet has no receivers of the kind "+kind+": it notifies by slack_configs and webhook_configs", hint)
	}
}

// given returns the fields of the type Unused that a configuration has, of a struct that points to them.
func given(of any) []reflect.StructField {
	var out []reflect.StructField
	v := reflect.ValueOf(of).Elem()
	for i := range v.NumField() {
		if u, ok := reflect.TypeAssert[Unused](v.Field(i)); ok && u.given {
			out = append(out, v.Type().Field(i))
		}
	}
	return out
}

// key is the name of a field in the configuration.
func key(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// Notes returns what a configuration has that is without effect here, as nobody may rely on it.
func (c *Config) Notes() []Fault {
	var fs faults
	for _, field := range given(c) {
		fs.add(key(field), "has no effect: it is about Alertmanager's own process",
			"freshet tells of itself by its metrics on /metrics and its log")
	}
	for _, field := range given(&c.Global.GlobalOfOthers) {
		fs.add("global."+key(field), "has no effect: freshet has no receivers of that kind", "")
	}
	for i := range c.Receivers {
		for _, field := range given(&c.Receivers[i]) {
			fs.add(fmt.Sprintf("receivers[%d].%s", i, key(field)), "has no effect", "")
		}
	}
	return fs
}
