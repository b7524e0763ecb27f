package slack

import (
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/redact"
	"github.com/freshet-dev/freshet/detect/finding"
)

// hide returns the notification as people may read it: without the secrets that records, labels, annotations, links and
// what people wrote hold. Whom it is for, and what its buttons are about, stays.
func hide(n *alert.Notification) *alert.Notification {
	out := *n
	d := &out.Data
	d.GroupLabels, d.CommonLabels, d.CommonAnnotations, d.RouteLabels = hideKV(d.GroupLabels), hideKV(d.CommonLabels), hideKV(d.CommonAnnotations), hideKV(d.RouteLabels)
	d.Alerts = make(alert.Alerts, len(n.Data.Alerts))
	for i, a := range n.Data.Alerts {
		d.Alerts[i] = hideAlert(a)
	}
	d.Notes = make([]alert.Note, len(n.Data.Notes))
	for i, note := range n.Data.Notes {
		d.Notes[i] = alert.Note{At: note.At, Text: redact.Text(note.Text)}
	}
	return &out
}

func hideAlert(a alert.Alert) alert.Alert {
	a.Labels, a.Annotations, a.GeneratorURL = hideKV(a.Labels), hideKV(a.Annotations), redact.Text(a.GeneratorURL)
	a.Samples, a.Links = slices.Clone(a.Samples), slices.Clone(a.Links)
	for i := range a.Samples {
		a.Samples[i].Text = redact.Text(a.Samples[i].Text)
	}
	for i := range a.Links {
		a.Links[i].URL = redact.Text(a.Links[i].URL)
	}
	if ack := a.Acknowledged; ack != nil {
		a.Acknowledged = &alert.Acknowledgement{By: ack.By, At: ack.At, Comment: redact.Text(ack.Comment)}
	}
	if x := a.Explanation; x != nil {
		explained := *x
		explained.Traits = make([]finding.Trait, len(x.Traits))
		for i, t := range x.Traits {
			explained.Traits[i] = hideTrait(t)
		}
		a.Explanation = &explained
	}
	return a
}

func hideKV(in alert.KV) alert.KV {
	out := make(alert.KV, len(in))
	for name, value := range in {
		out[name] = hideValue(name, value)
	}
	return out
}

func hideTrait(t finding.Trait) finding.Trait {
	t.Value = hideValue(t.Attribute, t.Value)
	t.Also = slices.Clone(t.Also)
	for i, a := range t.Also {
		t.Also[i].Value = hideValue(a.Name, a.Value)
	}
	return t
}

// hideValue takes a name into account, by which alone some secrets are known.
func hideValue(name, value string) string {
	if rest, ok := strings.CutPrefix(redact.Text(name+"="+value), name+"="); ok {
		return rest
	}
	return redact.Mask
}
