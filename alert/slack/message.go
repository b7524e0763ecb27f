package slack

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// How many alerts one message shows, and up to how many it shows each with all that is known of it.
const (
	maxAlerts = 12
	maxFull   = 3
	// maxPreview is how long the text of a notification may be.
	maxPreview = 1000
)

// The colours of the bar beside a message, and the marks that say the same to those who see no colours.
const (
	red    = "#d0021b"
	orange = "#f5a623"
	blue   = "#2d7ff9"
	green  = "#2eb67d"
	grey   = "#8d8d8d"

	movedMark = "➡️"
)

// message is a notification in Slack's terms.
type message struct {
	// preview is what a phone shows of it, escaped. It is shown in the channel only where there are no blocks.
	preview    string
	blocks     []slack.Block
	attachment slack.Attachment
	linkNames  bool
	// username and the icons are who posts, as the configuration has it.
	username, iconEmoji, iconURL string
}

func (m message) options() []slack.MsgOption {
	attachments := []slack.Attachment{} // an edit without the list keeps what was there
	if m.attachment.Color != "" {
		attachments = append(attachments, m.attachment)
	}
	options := []slack.MsgOption{slack.MsgOptionText(m.preview, false), slack.MsgOptionAttachments(attachments...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if len(m.blocks) > 0 {
		options = append(options, slack.MsgOptionBlocks(m.blocks...))
	}
	if m.linkNames {
		options = append(options, slack.MsgOptionLinkNames(true))
	}
	return options
}

// bare is the message without all that Slack may find fault with.
func (m message) bare() message {
	text := m.preview
	if text == "" {
		text = m.attachment.Fallback
	}
	return message{preview: trim(notEmpty(text), maxText), linkNames: m.linkNames, username: m.username, iconEmoji: m.iconEmoji, iconURL: m.iconURL}
}

// render writes the message of a notification. Where there is no thread, what belongs there is in the message.
func (n *Notifier) render(notification *alert.Notification, threads bool) (message, error) {
	if n.config.OwnForm() {
		return n.renderOwn(notification)
	}
	d := &notification.Data
	m := message{preview: trim(n.unlinked(preview(d)), maxPreview), linkNames: n.config.LinkNames}
	m.attachment = slack.Attachment{Color: color(d), Fallback: m.preview}
	if err := n.overrides(&m, d); err != nil {
		return message{}, err
	}
	m.blocks = []slack.Block{header(title(d))}
	blocks := n.alertBlocks(notification, threads)
	if n.options.Buttons && len(d.Alerts.Staying()) > 0 {
		blocks = append(blocks, buttons(notification)...)
	}
	m.attachment.Blocks = slack.Blocks{BlockSet: blocks}
	return m, nil
}

// unlinked breaks the names that Slack would make mentions of with link_names, by a character that is not seen.
func (n *Notifier) unlinked(s string) string {
	if !n.config.LinkNames {
		return s
	}
	return strings.ReplaceAll(s, "@", "@\u200b")
}

// overrides applies the templates that stand beside freshet's own form.
func (n *Notifier) overrides(m *message, d *alert.Data) error {
	if n.config.Color == "" && n.config.MessageText == "" && n.config.Fallback == "" {
		return nil
	}
	safe := n.escaped(*d)
	for _, own := range []struct {
		template string
		set      func(string)
	}{
		{n.config.Color, func(s string) { m.attachment.Color = colorName(s) }},
		{n.config.Fallback, func(s string) { m.attachment.Fallback = trim(s, maxText) }},
		{n.config.MessageText, func(s string) { m.preview = trim(s, maxText) }},
	} {
		if own.template == "" {
			continue
		}
		s, err := n.templates.Execute(own.template, &safe)
		if err != nil {
			return err //nolint:wrapcheck // says that it renders a template
		}
		own.set(s)
	}
	return nil
}

// signed fills in who posts.
func (n *Notifier) signed(m message, d *alert.Data) (message, error) {
	for _, own := range []struct {
		template string
		to       *string
		limit    int
	}{{n.config.Username, &m.username, 80}, {n.config.IconEmoji, &m.iconEmoji, 100}, {n.config.IconURL, &m.iconURL, maxURL + 1}} {
		s, err := n.execute(own.template, d)
		if err != nil {
			return message{}, err
		}
		*own.to = clip(s, own.limit)
	}
	m.iconURL = address(m.iconURL) // none where it is too long
	return m, nil
}

// execute renders a template that is no text for people; what is none costs nothing.
func (n *Notifier) execute(text string, d *alert.Data) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	s, err := n.templates.Execute(text, d)
	return strings.TrimSpace(s), err //nolint:wrapcheck // says that it renders a template
}

const firing = "firing"

// alertBlocks shows as many alerts as a message may, and says how many are left out.
func (n *Notifier) alertBlocks(notification *alert.Notification, threads bool) []slack.Block {
	d := &notification.Data
	var blocks []slack.Block
	shown, room := 0, maxMessage-maxPreview
	for _, a := range d.Alerts {
		next := n.compact(notification, a)
		if len(d.Alerts) <= maxFull {
			next = n.full(notification, a)
			if !threads {
				next = append(next, evidence(a)...)
			}
		}
		if shown == 0 {
			next = fit(next, room)
		}
		if room -= costs(next); shown == maxAlerts || shown > 0 && room < 0 {
			break
		}
		blocks = append(blocks, next...)
		shown++
	}
	if more := len(d.Alerts) - shown; more > 0 {
		text := fmt.Sprintf("… and %d more alerts", more)
		if more == 1 {
			text = "… and one more alert"
		}
		if link := hyperlink(d.ExternalURL, "See all in freshet"); link != "" {
			text += "  " + link
		}
		blocks = append(blocks, footnote(text))
	}
	if lines := notes(notification); !threads && len(lines) > 0 {
		blocks = append(blocks, footnote(strings.Join(lines, "\n")))
	}
	return blocks
}

// title says how bad, what, where and how many: "🔴 CRITICAL: ErrorSpike · cart (3 firing, 1 resolved)".
func title(d *alert.Data) string {
	firing, resolved := d.Alerts.Firing(), d.Alerts.Resolved()
	mark, state := "🟢", "RESOLVED"
	if here := d.Alerts.Staying(); len(here) > 0 {
		mark, state = marked(worst(here))
	} else if len(firing) > 0 {
		mark, state = movedMark, "MOVED"
		if to := firing[0].Severity(); to != "" {
			state += " TO " + strings.ToUpper(clip(oneLine(to), 20))
		}
	}
	name := d.CommonLabels["alertname"]
	if name == "" {
		name = fmt.Sprintf("%d alerts", len(d.Alerts))
	}
	text := clip(fmt.Sprintf("%s %s: %s", mark, state, oneLine(name)), 90)
	if at := where(d.CommonLabels); at != "" {
		text += " · " + at
	}
	switch {
	case len(firing) > 0 && len(resolved) > 0:
		text += fmt.Sprintf(" (%d firing, %d resolved)", len(firing), len(resolved))
	case len(d.Alerts) > 1 && d.CommonLabels["alertname"] != "":
		text += fmt.Sprintf(" (%d alerts)", len(d.Alerts))
	}
	return text
}

// preview is the title and the first alert's summary and value, so that the first line on a phone says it all.
func preview(d *alert.Data) string {
	text := escape(clip(title(d), maxHeader))
	if len(d.Alerts) == 0 {
		return text
	}
	a := d.Alerts[0]
	if s := a.Summary(); s != "" {
		text += " – " + escape(clip(oneLine(s), 300))
	}
	if v := measured(a); v != "" && a.Status == firing {
		text += " (" + escape(v) + ")"
	}
	return text
}

// where names the values of the labels that say what an alert is about.
func where(labels alert.KV) string {
	var values []string
	for _, p := range labels.Remove([]string{"alertname", "severity"}).SortedPairs() {
		if v := oneLine(p.Value); v != "" {
			values = append(values, clip(v, 30))
		}
	}
	if len(values) > 3 {
		values = append(values[:3:3], "…")
	}
	return strings.Join(values, ", ")
}

// worst returns the colour of the most severe alert that fires and the name of its severity.
func worst(firing []alert.Alert) (best, name string) {
	best = blue
	for i, a := range firing {
		s := a.Severity()
		switch c := severityColor(s); {
		case i == 0, c == red && best != red, c == orange && best == blue:
			best, name = c, s
		}
	}
	return best, name
}

func severityColor(severity string) string {
	switch severity {
	case "info", "notice", "low", "none", "debug":
		return blue
	case "warning", "warn", "medium":
		return orange
	default: // critical, and whatever has no known severity
		return red
	}
}

// marked returns the sign of a colour and what stands in capitals beside it.
func marked(color, severity string) (mark, state string) {
	state = "FIRING"
	if severity != "" {
		state = strings.ToUpper(clip(oneLine(severity), 20))
	}
	switch color {
	case blue:
		return "🔵", state
	case orange:
		return "🟠", state
	default:
		return "🔴", state
	}
}

func color(d *alert.Data) string {
	firing := d.Alerts.Staying()
	switch {
	case len(firing) > 0:
		c, _ := worst(firing)
		return c
	case d.Status == "firing":
		return grey
	default:
		return green
	}
}

// colorName maps the names that Alertmanager's templates give to a colour.
func colorName(s string) string {
	switch s = strings.TrimSpace(s); s {
	case "good":
		return green
	case "warning":
		return orange
	case "danger":
		return red
	default:
		return clip(s, 20)
	}
}
