package alert

import (
	"cmp"
	"strings"
)

// postMethod is the method of Slack's API that sends a message. As an api_url, with the bot token in http_config, it is
// how Alertmanager used bots before it had app_token.
const postMethod = "/chat.postMessage"

// BotToken returns the token and the file that holds it, under either of its names.
func (s *SlackConfig) BotToken() (Secret, string) {
	if s.Token != "" || s.TokenFile != "" {
		return s.Token, s.TokenFile
	}
	return s.AppToken, s.AppTokenFile
}

func (s *SlackConfig) hasToken() bool {
	token, file := s.BotToken()
	return token != "" || file != ""
}

func (s *SlackConfig) hasWebhook() bool { return s.APIURL != "" || s.APIURLFile != "" }

// withGlobal returns what global fills in. A token of global's goes before its address, as in Alertmanager, but not
// where credentials of the entry's own say otherwise.
func (s SlackConfig) withGlobal(g *Global) SlackConfig {
	if !s.hasToken() && !s.hasWebhook() {
		if (g.SlackAppToken != "" || g.SlackAppTokenFile != "") && (s.HTTPConfig == nil || s.HTTPConfig.Authorization == nil) {
			s.AppToken, s.AppTokenFile = g.SlackAppToken, g.SlackAppTokenFile
		} else {
			s.APIURL, s.APIURLFile = g.SlackAPIURL, g.SlackAPIURLFile
		}
	}
	s.AppURL = cmp.Or(s.AppURL, g.SlackAppURL)
	s.HTTPConfig = cmp.Or(s.HTTPConfig, g.HTTPConfig)
	if s.postsByMethod() {
		without := *s.HTTPConfig
		if a := without.Authorization; a != nil {
			s.Token, s.TokenFile = a.Credentials, a.CredentialsFile
		} else {
			s.Token, s.TokenFile = without.BearerToken, without.BearerTokenFile
		}
		without.Authorization, without.BearerToken, without.BearerTokenFile = nil, "", ""
		s.AppURL, s.APIURL, s.HTTPConfig = string(s.APIURL), "", &without
	}
	return s
}

// postsByMethod says whether the address is the method of Slack's API and the bot token stands in http_config.
func (s *SlackConfig) postsByMethod() bool {
	h := s.HTTPConfig
	return strings.HasSuffix(string(s.APIURL), postMethod) && h != nil &&
		(h.Authorization != nil || h.BearerToken != "" || h.BearerTokenFile != "")
}
