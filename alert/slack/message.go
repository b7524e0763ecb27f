package slack

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
)

// Slack's limits, and how many alerts one message shows so that all of them stay well within.
const (
	maxHeader  = 150
	maxText    = 3000
	maxBlocks  = 50
	maxAlerts  = 10
	maxSamples = 3
	maxTraits  = 3
	sampleText = 300
	labelText  = 900
	traitText  = 120
)

// The colours of the bar beside a message.
const (
	red    = "#d0021b"
	orange = "#f5a623"
	blue   = "#2d7ff9"
	green  = "#2eb67d"
)

// message is a notification in Slack's terms.
type message struct {
	color  string
	title  string // plain
	short  string // mrkdwn, for the preview of a phone
	change string // mrkdwn, for the thread
	blocks []slack.Block
}

func (m message) attachment() slack.Attachment {
	return slack.Attachment{Color: m.color, Fallback: m.short, Blocks: slack.Blocks{BlockSet: m.blocks}}
}

func (m message) options() []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionAttachments(m.attachment()), slack.MsgOptionDisableLinkUnfurl()}
}

func (n *Notifier) render(notification *alert.Notification) (message, error) {
	d := &notification.Data
	m := message{color: color(d), title: title(d)}
	m.short = escape(m.title)
	if len(d.Alerts) > 0 && d.Alerts[0].Summary() != "" {
		m.short += ": " + escape(clip(d.Alerts[0].Summary(), sampleText))
	}
	m.change = change(notification)
	var text string
	if n.config.Title != "" || n.config.Text != "" || n.config.Color != "" {
		safe := escaped(*d)
		for _, own := range []struct {
			template string
			set      func(string)
		}{
			{n.config.Title, func(s string) { m.title, m.short = unescape(s), s }},
			{n.config.Text, func(s string) { text = s }},
			{n.config.Color, func(s string) { m.color = colorName(s) }},
		} {
			if own.template == "" {
				continue
			}
			s, err := n.templates.Execute(own.template, &safe)
			if err != nil {
				return message{}, err
			}
			own.set(s)
		}
	}
	m.blocks = append(m.blocks, slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, plain(clip(m.title, maxHeader)), false, false)))
	if n.config.Text != "" {
		m.blocks = append(m.blocks, section(text))
	} else {
		for _, a := range d.Alerts[:min(len(d.Alerts), maxAlerts)] {
			m.blocks = append(m.blocks, alertBlocks(a)...)
		}
	}
	if footer := footer(notification); footer != "" {
		m.blocks = append(m.blocks, footnote(footer))
	}
	m.blocks = m.blocks[:min(len(m.blocks), maxBlocks)]
	return m, nil
}

// title says what and how many: "FIRING: ErrorSpike", "FIRING: ErrorSpike (3 alerts)".
func title(d *alert.Data) string {
	name := d.CommonLabels["alertname"]
	if name == "" {
		name = fmt.Sprintf("%d alerts", len(d.Alerts))
	}
	firing, resolved := len(d.Alerts.Firing()), len(d.Alerts.Resolved())
	switch {
	case firing == 0 && resolved > 1:
		return fmt.Sprintf("RESOLVED: %s (%d alerts)", name, resolved)
	case firing == 0:
		return "RESOLVED: " + name
	case resolved > 0:
		return fmt.Sprintf("FIRING: %s (%d firing, %d resolved)", name, firing, resolved)
	case firing > 1:
		return fmt.Sprintf("FIRING: %s (%d alerts)", name, firing)
	default:
		return "FIRING: " + name
	}
}

// change says in a few lines what this notification is about, for the thread.
func change(n *alert.Notification) string {
	var lines []string
	for _, a := range n.Data.Alerts {
		if !a.New && n.Reason != alert.RepeatElapsed {
			continue
		}
		line := fmt.Sprintf("*%s* %s", strings.ToUpper(a.Status), escape(clip(headline(a), sampleText)))
		if a.Status == "resolved" {
			line += " after " + alert.FormatDuration(a.EndsAt.Sub(a.StartsAt).Round(time.Second))
			if a.Reason != "" {
				line += " (" + escape(clip(a.Reason, sampleText)) + ")"
			}
		} else if v := measure(a); v != "" {
			line += ": " + escape(v)
		}
		lines = append(lines, line)
	}
	if more := len(lines) - maxAlerts; more > 0 {
		lines = append(lines[:maxAlerts], fmt.Sprintf("… and %d more", more))
	}
	if n.Reason == alert.RepeatElapsed {
		lines = append([]string{"Still firing:"}, lines...)
	}
	if len(lines) == 0 {
		lines = []string{escape(string(n.Reason))}
	}
	return strings.Join(lines, "\n")
}

func headline(a alert.Alert) string {
	if s := a.Summary(); s != "" {
		return s
	}
	return a.Name() + " " + labels(a)
}

func measure(a alert.Alert) string {
	v, t := a.ShownValue(), a.ShownThreshold()
	if v != "" && t != "" {
		return v + " (threshold " + t + ")"
	}
	return v
}

func alertBlocks(a alert.Alert) []slack.Block {
	var b strings.Builder
	mark := "*" + strings.ToUpper(a.Status)
	if s := a.Severity(); s != "" {
		mark += " " + escape(clip(s, 40))
	}
	fmt.Fprintf(&b, "%s*  %s", mark, escape(clip(headline(a), labelText)))
	if d := a.Annotations["description"]; d != "" && d != headline(a) {
		fmt.Fprintf(&b, "\n%s", escape(clip(d, labelText)))
	}
	if v := measure(a); v != "" {
		fmt.Fprintf(&b, "\n*Value* %s", escape(v))
	}
	if a.Status == "firing" {
		fmt.Fprintf(&b, "\n*Since* %s", date(a.StartsAt))
	} else {
		fmt.Fprintf(&b, "\n*From* %s *to* %s, %s", date(a.StartsAt), date(a.EndsAt),
			alert.FormatDuration(a.EndsAt.Sub(a.StartsAt).Round(time.Second)))
		if a.Reason != "" {
			fmt.Fprintf(&b, " (%s)", escape(clip(a.Reason, sampleText)))
		}
	}
	if a.Condition != "" {
		fmt.Fprintf(&b, "\n*When* `%s`", code(clip(strings.Join(strings.Fields(a.Condition), " "), sampleText)))
	}
	for i, t := range a.Traits(maxTraits) {
		lead := "\n*Stands out*"
		if i > 0 {
			lead = ","
		}
		fmt.Fprintf(&b, "%s `%s` %s", lead, code(clip(t.Name(), traitText)), escape(t.Shares()))
	}
	blocks := []slack.Block{section(b.String())}
	if s := samples(a); s != "" {
		blocks = append(blocks, section(s))
	}
	var foot []string
	if l := labels(a); l != "" {
		foot = append(foot, "`"+code(clip(l, labelText))+"`")
	}
	foot = append(foot, links(a)...)
	if len(foot) > 0 {
		blocks = append(blocks, footnote(strings.Join(foot, "  ")))
	}
	return blocks
}

func samples(a alert.Alert) string {
	if a.Status != "firing" || len(a.Samples) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("```")
	for _, s := range a.Samples[:min(len(a.Samples), maxSamples)] {
		line := s.Time.UTC().Format("15:04:05.000") + " " + strings.Join(strings.Fields(s.Text), " ")
		fmt.Fprintf(&b, "%s\n", code(clip(line, sampleText)))
	}
	return strings.TrimRight(b.String(), "\n") + "```"
}

func labels(a alert.Alert) string { return a.Labels.Remove([]string{"alertname", "severity"}).String() }

func links(a alert.Alert) []string {
	var out []string
	if a.GeneratorURL != "" {
		out = append(out, hyperlink(a.GeneratorURL, "Open in freshet"))
	}
	if u := a.Annotations["runbook_url"]; strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") {
		out = append(out, hyperlink(u, "Runbook"))
	}
	return out
}

func footer(n *alert.Notification) string {
	var parts []string
	if more := len(n.Data.Alerts) - maxAlerts; more > 0 {
		parts = append(parts, fmt.Sprintf("… and %d more alerts", more))
		if n.Data.ExternalURL != "" {
			parts = append(parts, hyperlink(n.Data.ExternalURL, "See all in freshet"))
		}
	}
	return strings.Join(parts, "  ")
}

func color(d *alert.Data) string {
	firing := d.Alerts.Firing()
	if len(firing) == 0 {
		return green
	}
	best := blue
	for _, a := range firing {
		switch a.Severity() {
		case "info", "notice", "low", "none", "debug":
		case "warning", "warn", "medium":
			if best == blue {
				best = orange
			}
		default:
			return red // critical, and whatever has no known severity
		}
	}
	return best
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
		return s
	}
}

// section and footnote hold mrkdwn that is escaped already. Verbatim keeps Slack from making links of it by itself.
func section(text string) slack.Block {
	return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, trim(text, maxText), false, true), nil, nil)
}

func footnote(text string) slack.Block {
	return slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, trim(text, maxText), false, true))
}

// date lets Slack write a time in the reader's own zone.
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time_secs}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04:05 MST"))
}

func hyperlink(address, text string) string {
	safe := strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "\n", "", "\r", "").Replace(address)
	return "<" + strings.ReplaceAll(safe, "&", "&amp;") + "|" + text + ">"
}

// escape makes text safe in mrkdwn: mentions and links begin with <, code blocks with three backticks. A single one may
// stay, so that a summary can quote a name.
func escape(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(alert.Printable(s))
	if !strings.Contains(s, "``") {
		return s
	}
	return strings.ReplaceAll(s, "`", "'")
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// code makes text safe between backticks.
func code(s string) string { return strings.ReplaceAll(escape(s), "`", "'") }

// plain makes text safe in plain_text, where nothing is escaped: no mention begins without <.
func plain(s string) string {
	s = strings.NewReplacer("<", "‹", ">", "›").Replace(alert.Printable(strings.Join(strings.Fields(s), " ")))
	if s == "" {
		return "Alert"
	}
	return clip(s, maxHeader)
}

// escaped returns the data with everything that comes from labels, annotations and records escaped, for the
// configuration's own templates.
func escaped(d alert.Data) alert.Data {
	kv := func(in alert.KV) alert.KV {
		out := make(alert.KV, len(in))
		for k, v := range in {
			out[k] = escape(v)
		}
		return out
	}
	d.GroupLabels, d.CommonLabels, d.CommonAnnotations = kv(d.GroupLabels), kv(d.CommonLabels), kv(d.CommonAnnotations)
	alerts := make(alert.Alerts, len(d.Alerts))
	for i, a := range d.Alerts {
		a.Labels, a.Annotations, a.Reason, a.Condition = kv(a.Labels), kv(a.Annotations), escape(a.Reason), escape(a.Condition)
		samples := make([]alert.Sample, len(a.Samples))
		for j, s := range a.Samples {
			s.Text = escape(s.Text)
			samples[j] = s
		}
		a.Samples = samples
		a.Explanation = escapedExplanation(a.Explanation)
		alerts[i] = a
	}
	d.Alerts = alerts
	return d
}

func escapedExplanation(e *finding.Explanation) *finding.Explanation {
	if e == nil {
		return nil
	}
	out := *e
	out.Traits = make([]finding.Trait, len(e.Traits))
	for i, t := range e.Traits {
		t.Attribute, t.Value = escape(t.Attribute), escape(t.Value)
		also := make([]finding.Attribute, len(t.Also))
		for j, a := range t.Also {
			also[j] = finding.Attribute{Name: escape(a.Name), Value: escape(a.Value)}
		}
		t.Also = also
		out.Traits[i] = t
	}
	return &out
}

// clip shortens text to a number of characters, before it is escaped.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	r := []rune(s)
	return string(r[:limit-1]) + "…"
}

// trim shortens escaped text without cutting through an entity, a link or a code block.
func trim(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	r := []rune(s)
	cut := string(r[:limit-4])
	if i := strings.LastIndexByte(cut, '&'); i >= 0 && !strings.Contains(cut[i:], ";") {
		cut = cut[:i]
	}
	if i := strings.LastIndexByte(cut, '<'); i >= 0 && !strings.Contains(cut[i:], ">") {
		cut = cut[:i]
	}
	if strings.Count(cut, "```")%2 == 1 {
		return cut + "```"
	}
	return cut + "…"
}
