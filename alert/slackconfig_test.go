package alert

import (
	"testing"
)

// Every key that Alertmanager has for Slack is taken, and the older form of a bot token is one.
func TestSlackConfigOfAlertmanager(t *testing.T) {
	c := decode(t, `
global: {slack_app_level_token: xapp-1-a, slack_signing_secret_file: signing}
receivers:
  - name: ops
    slack_configs:
      - send_resolved: true
        api_url: https://slack.com/api/chat.postMessage
        http_config: {authorization: {type: Bearer, credentials: xoxb-1}, proxy_url: "http://proxy.example.org"}
        channel: '#{{ .CommonLabels.team }}'
        username: '{{ template "slack.default.username" . }}'
        color: '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
        title: '{{ template "slack.default.title" . }}'
        title_link: '{{ template "slack.default.titlelink" . }}'
        pretext: p
        text: t
        message_text: m
        fields: [{title: a, value: b, short: false}, {title: c, value: d}]
        short_fields: true
        footer: f
        fallback: f
        callback_id: c
        icon_emoji: ':fire:'
        icon_url: https://x.example/i.png
        image_url: https://x.example/i.png
        thumb_url: https://x.example/i.png
        link_names: true
        mrkdwn_in: [text]
        actions: [{type: button, text: Go, url: https://x.example/, confirm: {title: a, text: b, ok_text: c, dismiss_text: d}}]
        update_message: true
        timeout: 5s
        button_users: [U012AB3CD]
      - {api_url: https://hooks.slack.com/services/T0/B0/x, channel: '#a'}
`)
	if fs := c.Validate(); len(fs) > 0 {
		t.Fatalf("faults in a good configuration: %v", fs)
	}
	is := c.Integrations(AlertmanagerDefaults())
	s := is[0].Slack
	if token, _ := s.BotToken(); token != "xoxb-1" || !is[0].Edits || s.APIURL != "" || s.HTTPConfig.Authorization != nil ||
		s.HTTPConfig.ProxyURL == "" || s.AppURL != "https://slack.com/api/chat.postMessage" || !s.OwnForm() || !s.Buttons() ||
		s.AppLevelToken != "xapp-1-a" || s.SigningSecretFile != "signing" {
		t.Errorf("the bot is %+v", s)
	}
	if c.Receivers[0].SlackConfigs[0].HTTPConfig.Authorization == nil {
		t.Error("the configuration itself was changed")
	}
	if hook := is[1]; hook.Edits || hook.Slack.OwnForm() || string(hook.Slack.APIURL) == "" {
		t.Errorf("the webhook is %+v", hook)
	}
}
