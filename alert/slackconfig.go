package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SlackConfig is one way to a Slack channel: an incoming webhook (api_url), or a bot token and a channel.
type SlackConfig struct {
	SendResolved *bool `yaml:"send_resolved"`
	// APIURL is an incoming webhook. It needs no token and can only post.
	APIURL     Secret `yaml:"api_url"`
	APIURLFile string `yaml:"api_url_file"`
	// Token is a bot's token (xoxb-…) with the scope chat:write; AppToken is Alertmanager's name for it. With a token
	// the message of a group is edited in place.
	Token        Secret `yaml:"token"`
	TokenFile    string `yaml:"token_file"`
	AppToken     Secret `yaml:"app_token"`
	AppTokenFile string `yaml:"app_token_file"`
	// AppLevelToken (xapp-…) lets the buttons of messages work by Socket Mode.
	AppLevelToken     Secret `yaml:"app_level_token"`
	AppLevelTokenFile string `yaml:"app_level_token_file"`
	// ButtonUsers are the IDs of the users who may use the buttons (U012AB3CD); all who see the message when there are none.
	ButtonUsers []string `yaml:"button_users"`
	// AppURL is where Slack's API is, by default https://slack.com/api/.
	AppURL string `yaml:"app_url"`
	// Channel is a name, or better an ID: by a name a message whose delivery is in doubt is looked for only once another was made
	// there since the start. It may be a template.
	Channel string `yaml:"channel"`
	// Title, Text, Pretext, Fields and what follows them make messages as Alertmanager makes them; they are templates. When
	// none is given and no file of templates redefines slack.default.title and the like, freshet writes its own.
	Title       string        `yaml:"title"`
	TitleLink   string        `yaml:"title_link"`
	Pretext     string        `yaml:"pretext"`
	Text        string        `yaml:"text"`
	Fields      []SlackField  `yaml:"fields"`
	ShortFields bool          `yaml:"short_fields"`
	Footer      string        `yaml:"footer"`
	Fallback    string        `yaml:"fallback"`
	CallbackID  string        `yaml:"callback_id"`
	ImageURL    string        `yaml:"image_url"`
	ThumbURL    string        `yaml:"thumb_url"`
	Actions     []SlackAction `yaml:"actions"`
	MrkdwnIn    []string      `yaml:"mrkdwn_in"`
	// MessageText stands above the message, Color and LinkNames are for either form.
	MessageText string `yaml:"message_text"`
	Color       string `yaml:"color"`
	LinkNames   bool   `yaml:"link_names"`
	// UpdateMessage is Alertmanager's switch for editing in place, which freshet does wherever there is a token.
	UpdateMessage bool   `yaml:"update_message"`
	Username      string `yaml:"username"`
	IconEmoji     string `yaml:"icon_emoji"`
	IconURL       string `yaml:"icon_url"`
	// Timeout bounds one call of Slack's API, 0 for the default of 10 s.
	Timeout    time.Duration `yaml:"timeout"`
	HTTPConfig *HTTPConfig   `yaml:"http_config"`
	// TemplateFiles are the configuration's templates, filled in by Integrations.
	TemplateFiles []string `yaml:"-"`
	// SigningSecret is the configuration's, filled in by Integrations.
	SigningSecret     Secret `yaml:"-"`
	SigningSecretFile string `yaml:"-"`
}

// SlackField is a title and a value in a message of Alertmanager's form.
type SlackField struct {
	Title string `yaml:"title"`
	Value string `yaml:"value"`
	Short *bool  `yaml:"short"`
}

// SlackAction is a button in a message of Alertmanager's form. Those with a url are links.
type SlackAction struct {
	Type    string              `yaml:"type"`
	Text    string              `yaml:"text"`
	URL     string              `yaml:"url"`
	Style   string              `yaml:"style"`
	Name    string              `yaml:"name"`
	Value   string              `yaml:"value"`
	Confirm *SlackConfirmAction `yaml:"confirm"`
}

// SlackConfirmAction asks before a button does what it does.
type SlackConfirmAction struct {
	Title       string `yaml:"title"`
	Text        string `yaml:"text"`
	OKText      string `yaml:"ok_text"`
	DismissText string `yaml:"dismiss_text"`
}

// BotToken returns the token and the file that holds it, under either of its names.
func (s *SlackConfig) BotToken() (Secret, string) {
	if s.Token != "" || s.TokenFile != "" {
		return s.Token, s.TokenFile
	}
	return s.AppToken, s.AppTokenFile
}

// Buttons says whether anything is configured by which clicks of buttons reach freshet.
func (s *SlackConfig) Buttons() bool {
	return s.AppLevelToken != "" || s.AppLevelTokenFile != "" || s.SigningSecret != "" || s.SigningSecretFile != ""
}

// WithTemplates returns the settings with the default templates of Alertmanager that the template files redefine, where the
// entry gives no text of its own.
func (s SlackConfig) WithTemplates(t *Templates) SlackConfig {
	for name, text := range map[string]*string{"title": &s.Title, "titlelink": &s.TitleLink, "pretext": &s.Pretext, "text": &s.Text,
		"footer": &s.Footer, "fallback": &s.Fallback, "callbackid": &s.CallbackID, "color": &s.Color, "username": &s.Username,
		"iconemoji": &s.IconEmoji, "iconurl": &s.IconURL} {
		if name = "slack.default." + name; *text == "" && t.Redefined(name) {
			*text = fmt.Sprintf("{{ template %q . }}", name)
		}
	}
	return s
}

// OwnForm says that the configuration writes the message, in Alertmanager's form.
func (s *SlackConfig) OwnForm() bool {
	return s.Title != "" || s.TitleLink != "" || s.Text != "" || s.Pretext != "" || len(s.Fields) > 0 || s.Footer != "" || s.ImageURL != "" ||
		s.ThumbURL != "" || len(s.Actions) > 0
}

func (s *SlackConfig) hasToken() bool {
	token, file := s.BotToken()
	return token != "" || file != ""
}

func (s *SlackConfig) hasWebhook() bool { return s.APIURL != "" || s.APIURLFile != "" }

const postMethod = "/chat.postMessage"

// withGlobal fills in what the configuration leaves to the global settings, and turns the older form of a bot token (the
// method's address and a bearer token) into the newer.
func (s SlackConfig) withGlobal(g *Global) SlackConfig {
	if !s.hasToken() && !s.hasWebhook() {
		// A token of global's goes before its address, as in Alertmanager, but not where credentials of the entry's own say
		// otherwise.
		if (g.SlackAppToken != "" || g.SlackAppTokenFile != "") && (s.HTTPConfig == nil || s.HTTPConfig.Authorization == nil) {
			s.AppToken, s.AppTokenFile = g.SlackAppToken, g.SlackAppTokenFile
		} else {
			s.APIURL, s.APIURLFile = g.SlackAPIURL, g.SlackAPIURLFile
		}
	}
	s.HTTPConfig = cmp.Or(s.HTTPConfig, g.HTTPConfig)
	if h := s.HTTPConfig; strings.HasSuffix(string(s.APIURL), postMethod) && !s.hasToken() && h.bearer() {
		without := *h
		if a := h.Authorization; a != nil {
			s.AppToken, s.AppTokenFile = a.Credentials, a.CredentialsFile
		} else {
			s.AppToken, s.AppTokenFile = h.BearerToken, h.BearerTokenFile
		}
		without.Authorization, without.BearerToken, without.BearerTokenFile = nil, "", ""
		s.AppURL, s.APIURL, s.HTTPConfig = string(s.APIURL), "", &without
	}
	if s.AppURL == "" {
		s.AppURL = g.SlackAppURL
	}
	if s.AppLevelToken == "" && s.AppLevelTokenFile == "" {
		s.AppLevelToken, s.AppLevelTokenFile = g.SlackAppLevelToken, g.SlackAppLevelTokenFile
	}
	s.SigningSecret, s.SigningSecretFile = g.SlackSigningSecret, g.SlackSigningSecretFile
	return s
}

// bearer says whether the settings hold a bearer token.
func (h *HTTPConfig) bearer() bool {
	return h != nil && (h.BearerToken != "" || h.BearerTokenFile != "" ||
		h.Authorization != nil && (h.Authorization.Type == "" || strings.EqualFold(h.Authorization.Type, "bearer")))
}

func (s *SlackConfig) faults(fs *faults, path string, global *Global) {
	exclusive(fs, path, "api_url", s.APIURL != "", "api_url_file", s.APIURLFile != "")
	exclusive(fs, path, "token", s.Token != "", "token_file", s.TokenFile != "")
	exclusive(fs, path, "app_token", s.AppToken != "", "app_token_file", s.AppTokenFile != "")
	exclusive(fs, path, "token", s.Token != "" || s.TokenFile != "", "app_token", s.AppToken != "" || s.AppTokenFile != "")
	exclusive(fs, path, "app_level_token", s.AppLevelToken != "", "app_level_token_file", s.AppLevelTokenFile != "")
	exclusive(fs, path, "api_url", s.hasWebhook(), "token", s.hasToken())
	merged := s.withGlobal(global)
	switch {
	case !merged.hasWebhook() && !merged.hasToken():
		fs.add(path, "neither an incoming webhook nor a bot token is given", "set api_url, or token and channel")
	case !merged.hasWebhook() && s.Channel == "":
		fs.add(path, "a bot token needs a channel", "add channel: with a name such as #alerts or an ID such as C0123456789")
	}
	if strings.HasSuffix(string(merged.APIURL), postMethod) {
		fs.add(path+".api_url", "this is a method of Slack's API, not an incoming webhook", "give the bot token as token: and a channel:")
	}
	if s.UpdateMessage && merged.hasWebhook() {
		fs.add(path+".update_message", "an incoming webhook cannot edit its messages", "give a bot token as token: and a channel:")
	}
	appLevelFault(fs, path+".app_level_token", s.AppLevelToken)
	for i, id := range s.ButtonUsers {
		if len(id) < 2 || !strings.ContainsAny(id[:1], "UW") || strings.ToUpper(id) != id {
			fs.add(fmt.Sprintf("%s.button_users[%d]", path, i), fmt.Sprintf("%q is no ID of a user", id),
				"IDs look like U012AB3CD; they are in the user's profile under More, Copy member ID")
		}
	}
	if len(s.ButtonUsers) > 0 && !merged.Buttons() {
		fs.add(path+".button_users", "there are no buttons", "set slack_app_level_token or slack_signing_secret under global")
	}
	for i, f := range s.Fields {
		if f.Title == "" || f.Value == "" {
			fs.add(fmt.Sprintf("%s.fields[%d]", path, i), "title or value is missing", "")
		}
	}
	for i, a := range s.Actions {
		if a.Type == "" || a.Text == "" || a.URL == "" && a.Name == "" {
			fs.add(fmt.Sprintf("%s.actions[%d]", path, i), "type, text, or one of url and name is missing", "")
		}
	}
	for i, name := range s.MrkdwnIn {
		if !slices.Contains([]string{"fallback", "pretext", "text", "fields", "title"}, name) {
			fs.add(fmt.Sprintf("%s.mrkdwn_in[%d]", path, i), fmt.Sprintf("%q has no formatting", name), "known: pretext, text, fields")
		}
	}
	urlFault(fs, path+".api_url", string(s.APIURL))
	urlFault(fs, path+".app_url", s.AppURL)
	timeoutFault(fs, path+".timeout", s.Timeout)
	s.HTTPConfig.faults(fs, path+".http_config")
	if s.hasToken() && s.HTTPConfig.authenticates() {
		fs.add(path+".http_config", "credentials here would replace the bot token", "remove them")
	}
}

// appLevelFault notices a bot's token where an app-level token belongs.
func appLevelFault(fs *faults, path string, token Secret) {
	if token != "" && !strings.HasPrefix(string(token), "xapp-") {
		fs.add(path, "this is no app-level token", "it begins with xapp- and is made under Basic Information, App-Level Tokens, with the scope connections:write")
	}
}

// templateFaults parses the texts that are templates.
func (s *SlackConfig) templateFaults(fs *faults, path string) {
	texts := [][2]string{{"title", s.Title}, {"title_link", s.TitleLink}, {"pretext", s.Pretext}, {"text", s.Text}, {"footer", s.Footer},
		{"fallback", s.Fallback}, {"callback_id", s.CallbackID}, {"image_url", s.ImageURL}, {"thumb_url", s.ThumbURL},
		{"message_text", s.MessageText}, {"color", s.Color}, {"username", s.Username}, {"icon_emoji", s.IconEmoji},
		{"icon_url", s.IconURL}, {"channel", s.Channel}}
	for i, f := range s.Fields {
		at := fmt.Sprintf("fields[%d].", i)
		texts = append(texts, [2]string{at + "title", f.Title}, [2]string{at + "value", f.Value})
	}
	for i, a := range s.Actions {
		at := fmt.Sprintf("actions[%d].", i)
		texts = append(texts, [2]string{at + "text", a.Text}, [2]string{at + "url", a.URL}, [2]string{at + "name", a.Name}, [2]string{at + "value", a.Value})
	}
	for _, kv := range texts {
		if err := checkTemplate(kv[1]); err != nil {
			fs.add(path+kv[0], err.Error(), "")
		}
	}
}
