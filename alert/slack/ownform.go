package slack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
)

// What Alertmanager writes where a configuration says nothing.
const (
	defaultTitle    = `{{ template "slack.default.title" . }}`
	defaultFallback = `{{ template "slack.default.title" . }} | {{ .ExternalURL }}`
	defaultLink     = `{{ .ExternalURL }}`
	maxOwnTitle     = 1024
	maxOwnText      = 8000
	maxOwnFields    = 40
)

// renderOwn writes a message in Alertmanager's form: an attachment whose parts are the configuration's templates.
func (n *Notifier) renderOwn(notification *alert.Notification) (message, error) {
	c := &n.config
	safe := n.escaped(notification.Data)
	var failed error
	render := func(template string, d *alert.Data) string {
		if template == "" || failed != nil {
			return ""
		}
		s, err := n.templates.Execute(template, d)
		if err != nil {
			failed = err
		}
		return strings.ToValidUTF8(s, "·")
	}
	text := func(template string, limit int) string { return trim(render(template, &safe), limit) }
	// Addresses are no mrkdwn: what is escaped for it would be another address.
	link := func(template string) string { return address(render(template, &notification.Data)) }
	a := slack.Attachment{
		Title: text(cmp.Or(c.Title, defaultTitle), maxOwnTitle), TitleLink: link(cmp.Or(c.TitleLink, defaultLink)),
		Pretext: text(c.Pretext, maxText), Text: text(c.Text, maxOwnText), Footer: text(c.Footer, 300),
		Fallback: text(cmp.Or(c.Fallback, defaultFallback), maxText), CallbackID: text(c.CallbackID, maxBlockID),
		ImageURL: link(c.ImageURL), ThumbURL: link(c.ThumbURL),
		Color: colorName(text(c.Color, 100)), MarkdownIn: c.MrkdwnIn,
	}
	if a.Color == "" {
		a.Color = color(&notification.Data)
	}
	if len(a.MarkdownIn) == 0 {
		a.MarkdownIn = []string{"fallback", "pretext", "text"}
	}
	for _, f := range c.Fields[:min(len(c.Fields), maxOwnFields)] {
		short := c.ShortFields
		if f.Short != nil {
			short = *f.Short
		}
		a.Fields = append(a.Fields, slack.AttachmentField{Title: text(f.Title, detailText), Value: text(f.Value, maxValue), Short: short})
	}
	for _, x := range c.Actions {
		action := slack.AttachmentAction{Type: slack.ActionType(text(x.Type, 20)), Text: text(x.Text, 75), URL: link(x.URL),
			Style: text(x.Style, 20), Name: text(x.Name, maxBlockID), Value: text(x.Value, maxValue)}
		if f := x.Confirm; f != nil {
			action.Confirm = &slack.ConfirmationField{Title: text(f.Title, 100), Text: text(f.Text, 300), OkText: text(f.OKText, 30),
				DismissText: text(f.DismissText, 30)}
		}
		a.Actions = append(a.Actions, action)
	}
	for more := true; more && size(a) > maxOwnSize; {
		more = shorten(&a)
	}
	return message{preview: text(c.MessageText, maxText), attachment: a, linkNames: c.LinkNames}, failed
}

// maxOwnSize bounds an attachment as JSON; beyond it Slack refuses the message.
const maxOwnSize = 14_000

func size(a slack.Attachment) int {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(a) != nil {
		return 0
	}
	return b.Len()
}

// shorten takes away what is least missed: fields, then half of the text.
func shorten(a *slack.Attachment) bool {
	switch {
	case len(a.Fields) > 4:
		a.Fields = a.Fields[:len(a.Fields)/2]
	case units(a.Text) > 200:
		a.Text = trim(a.Text, units(a.Text)/2)
	case units(a.Pretext) > 200:
		a.Pretext = trim(a.Pretext, units(a.Pretext)/2)
	case len(a.Fields) > 0:
		a.Fields = a.Fields[:len(a.Fields)-1]
	case units(a.Fallback) > 200:
		a.Fallback = trim(a.Fallback, 200)
	default:
		return false
	}
	return true
}

// address returns an address that a template made, "" when it is none that a person can follow. What cannot stand in one is
// written as it can.
func address(s string) string {
	s = addressable(strings.TrimSpace(s))
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || units(s) > maxURL {
		return ""
	}
	return s
}

// escaped returns the data with everything that comes from labels, annotations and records escaped, for the configuration's own templates.
func (n *Notifier) escaped(d alert.Data) alert.Data {
	safe := func(s string) string { return n.unlinked(escape(s)) }
	e := escaping(safe)
	d.GroupLabels, d.CommonLabels, d.CommonAnnotations, d.RouteLabels = e.kv(d.GroupLabels), e.kv(d.CommonLabels), e.kv(d.CommonAnnotations), e.kv(d.RouteLabels)
	d.ExternalURL = safeURL(d.ExternalURL)
	alerts := make(alert.Alerts, len(d.Alerts))
	for i, a := range d.Alerts {
		alerts[i] = e.alert(a)
	}
	d.Alerts = alerts
	notes := make([]alert.Note, len(d.Notes))
	for i, note := range d.Notes {
		notes[i] = alert.Note{At: note.At, Text: safe(note.Text)}
	}
	d.Notes = notes
	return d
}

type escaping func(string) string

func (e escaping) kv(in alert.KV) alert.KV {
	out := make(alert.KV, len(in))
	for k, v := range in {
		out[e(k)] = e(v)
	}
	return out
}

func (e escaping) alert(a alert.Alert) alert.Alert {
	a.Status, a.Fingerprint, a.Unit = e(a.Status), e(a.Fingerprint), e(a.Unit)
	a.Labels, a.Annotations, a.Reason, a.Condition = e.kv(a.Labels), e.kv(a.Annotations), e(a.Reason), e(a.Condition)
	a.GeneratorURL, a.Moved, a.Muted = safeURL(a.GeneratorURL), e(a.Moved), e(a.Muted)
	samples := make([]alert.Sample, len(a.Samples))
	for j, s := range a.Samples {
		s.Text, s.Topic, s.TraceID = e(s.Text), e(s.Topic), e(s.TraceID)
		samples[j] = s
	}
	a.Samples = samples
	offsets := make([]finding.OffsetRange, len(a.Offsets))
	for j, o := range a.Offsets {
		o.Topic = e(o.Topic)
		offsets[j] = o
	}
	a.Offsets = offsets
	links := make([]alert.Link, len(a.Links))
	for j, l := range a.Links {
		links[j] = alert.Link{Name: e(l.Name), URL: safeURL(l.URL)}
	}
	a.Links = links
	named := make(map[string]float64, len(a.Values))
	for k, v := range a.Values {
		named[e(k)] = v
	}
	a.Values = named
	if ack := a.Acknowledged; ack != nil {
		a.Acknowledged = &alert.Acknowledgement{By: e(ack.By), At: ack.At, Comment: e(ack.Comment)}
	}
	a.Explanation = e.explanation(a.Explanation)
	return a
}

func (e escaping) explanation(x *finding.Explanation) *finding.Explanation {
	if x == nil {
		return nil
	}
	out := *x
	out.Against = e(x.Against)
	out.Traits = make([]finding.Trait, len(x.Traits))
	for i, t := range x.Traits {
		t.Attribute, t.Value, t.Also = e(t.Attribute), e(t.Value), slices.Clone(t.Also)
		for j, o := range t.Also {
			t.Also[j] = finding.Attribute{Name: e(o.Name), Value: e(o.Value)}
		}
		out.Traits[i] = t
	}
	return &out
}
