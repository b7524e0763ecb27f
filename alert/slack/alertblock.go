package slack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	summaryText = 600
	detailText  = 300
	numberText  = 80
)

// full shows all that a person decides by.
func (n *Notifier) full(notification *alert.Notification, a alert.Alert) []slack.Block {
	var b strings.Builder
	fmt.Fprintf(&b, "%s *%s*", mark(a), escape(clip(oneLine(headline(a)), summaryText)))
	if d := a.Annotations["description"]; d != "" && d != headline(a) {
		fmt.Fprintf(&b, "\n%s", escape(clip(d, summaryText)))
	}
	if v := measured(a); v != "" {
		fmt.Fprintf(&b, "\n*Value* %s", escape(v))
	}
	if p := shown(a, a.Peak); p != "" && p != shown(a, a.Value) {
		fmt.Fprintf(&b, "\n*Peak* %s", escape(p))
	}
	if e := expected(a); e != "" {
		fmt.Fprintf(&b, "\n*Expected* %s", escape(e))
	}
	fmt.Fprintf(&b, "\n%s", span(a, notification.Created))
	if a.Flapping > 0 {
		fmt.Fprintf(&b, "\n*Flapping* fired %d times%s; its end waits until it stays calm", a.Flapping, n.lately())
	}
	if a.Moved != "" {
		fmt.Fprintf(&b, "\n*%s*", escape(clip(oneLine(capital(a.Moved)), detailText)))
	}
	if a.Muted != "" {
		fmt.Fprintf(&b, "\n*Muted* %s", escape(clip(oneLine(a.Muted), detailText)))
	}
	if ack := a.Acknowledged; ack != nil {
		fmt.Fprintf(&b, "\n%s", acknowledged(ack))
	}
	if v := values(a); v != "" {
		fmt.Fprintf(&b, "\n*Measures* %s", v)
	}
	if a.Condition != "" {
		fmt.Fprintf(&b, "\n*When* `%s`", code(clip(oneLine(a.Condition), detailText)))
	}
	var foot []string
	if l := labels(a); l != "" {
		foot = append(foot, "`"+code(clip(oneLine(l), summaryText))+"`")
	}
	foot = append(foot, links(notification, a)...)
	blocks := []slack.Block{section(b.String())}
	if len(foot) > 0 {
		blocks = append(blocks, footnote(strings.Join(foot, "  ")))
	}
	return blocks
}

// compact shows an alert among many.
func (n *Notifier) compact(notification *alert.Notification, a alert.Alert) []slack.Block {
	text := fmt.Sprintf("%s *%s*", mark(a), escape(clip(oneLine(headline(a)), detailText)))
	if v := measured(a); v != "" && a.Status == firing {
		text += " " + escape(v)
	}
	text += "\n" + span(a, notification.Created)
	if a.Flapping > 0 {
		text += fmt.Sprintf(", flapping (%d times%s)", a.Flapping, n.lately())
	}
	if a.Moved != "" {
		text += ", " + escape(clip(oneLine(a.Moved), detailText))
	}
	if a.Muted != "" {
		text += ", muted"
	}
	if a.Acknowledged != nil {
		text += ", " + acknowledged(a.Acknowledged)
	}
	if ls := links(notification, a); len(ls) > 0 {
		text += "  " + ls[0]
	}
	return []slack.Block{section(text)}
}

// lately says within which time an alert flaps.
func (n *Notifier) lately() string {
	if n.options.FlappingWindow <= 0 {
		return " of late"
	}
	return " in " + alert.FormatDuration(n.options.FlappingWindow)
}

// capital begins a text with a capital letter.
func capital(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + s[n:]
}

func mark(a alert.Alert) string {
	switch {
	case a.Status != firing:
		return "🟢"
	case a.Moved != "":
		return movedMark
	}
	m, _ := marked(severityColor(a.Severity()), "")
	return m
}

// headline is the summary, else the name and what it is about.
func headline(a alert.Alert) string {
	if s := a.Summary(); strings.TrimSpace(s) != "" {
		return s
	}
	return strings.TrimSpace(a.Name() + " " + labels(a))
}

func labels(a alert.Alert) string { return a.Labels.Remove([]string{"alertname", "severity"}).String() }

func measured(a alert.Alert) string {
	v, t := clip(oneLine(a.ShownValue()), numberText), clip(oneLine(a.ShownThreshold()), numberText)
	if v != "" && t != "" {
		return v + ", threshold " + t
	}
	return v
}

// shown writes a number as the alert's value is written.
func shown(a alert.Alert, v *float64) string {
	s, _ := alert.FormatMeasure(v, a.Threshold, a.Unit)
	return clip(oneLine(s), numberText)
}

// expected writes what the rule's model expects: a value, a range, or both.
func expected(a alert.Alert) string {
	e := a.Expected
	if e == nil {
		return ""
	}
	low, high := shown(a, e.Lower), shown(a, e.Upper)
	var text string
	switch {
	case low != "" && high != "":
		text = low + " to " + high
	case low != "":
		text = "at least " + low
	case high != "":
		text = "at most " + high
	}
	v := shown(a, e.Value)
	switch {
	case v == "":
		return text
	case text == "":
		return v
	default:
		return v + " (" + text + ")"
	}
}

// span says since when and for how long, or from when to when and why no longer.
func span(a alert.Alert, now time.Time) string {
	if a.Status == firing {
		text := "*Since* " + date(a.StartsAt)
		if d := now.Sub(a.StartsAt).Round(time.Second); d > 0 {
			text += " (" + alert.FormatDuration(d) + ")"
		}
		return text
	}
	text := fmt.Sprintf("*From* %s *to* %s, %s", date(a.StartsAt), date(a.EndsAt), lasted(a))
	if a.Reason != "" {
		text += " (" + escape(clip(oneLine(a.Reason), detailText)) + ")"
	}
	if a.Belated {
		text += "; its beginning could not be delivered"
	}
	return text
}

func lasted(a alert.Alert) string {
	return alert.FormatDuration(max(0, a.EndsAt.Sub(a.StartsAt)).Round(time.Second))
}

func acknowledged(ack *alert.Acknowledgement) string {
	by := "somebody"
	if ack.By != "" {
		by = escape(clip(oneLine(ack.By), 80))
	}
	text := fmt.Sprintf("*Acknowledged* by %s %s", by, date(ack.At))
	if ack.Comment != "" {
		text += ": " + escape(clip(oneLine(ack.Comment), detailText))
	}
	return text
}

// values names the rule's measures.
func values(a alert.Alert) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a.Values)) {
		v := a.Values[name]
		text, _ := alert.FormatMeasure(&v, nil, "")
		parts = append(parts, escape(clip(oneLine(name), 60)+" "+text))
	}
	return spelled(parts, 6)
}

// links are where more is to be seen.
func links(n *alert.Notification, a alert.Alert) []string {
	var out []string
	add := func(address, text string) {
		if l := hyperlink(address, text); l != "" && len(out) < 6 && len(l) < 700 {
			out = append(out, l)
		}
	}
	own := n.Data.ExternalURL != "" && strings.HasPrefix(a.GeneratorURL, n.Data.ExternalURL)
	if own {
		add(a.GeneratorURL, "Open in freshet")
	} else {
		add(a.GeneratorURL, "Source")
	}
	runbook := false
	for _, l := range a.Links {
		runbook = runbook || l.Name == "runbook"
		name := oneLine(l.Name)
		if name == "" {
			continue
		}
		add(l.URL, clip(capital(name), 40))
	}
	if !runbook {
		add(a.Annotations["runbook_url"], "Runbook")
	}
	return out
}
