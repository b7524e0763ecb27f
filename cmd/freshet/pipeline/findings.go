package pipeline

import (
	"slices"
	"strconv"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// readsFindings says whether any rule of a set does.
func readsFindings(set *rules.Set) bool {
	return set != nil && slices.ContainsFunc(set.Rules, func(r *rules.Rule) bool { return r.From == ingest.Findings })
}

// findings decodes freshet's own findings for rules: the settled ones that say that an alert fires or is over. Those of
// rules that read findings themselves are left out, so that none leads to itself, and so is what a replay repeats. Their
// time is that of their Kafka record.
type findings struct {
	last map[label.Fingerprint]*finding.Finding // only what orders it
}

// Decode implements ingest.Decoder.
func (d *findings) Decode(value []byte, b *ingest.Batch) error {
	b.Reset()
	f, err := finding.Decode(value)
	if err != nil {
		return &ingest.DecodeError{Fault: ingest.Malformed, Format: "finding", Message: err.Error()}
	}
	if !f.Settled || f.Derived || f.State == finding.Pending {
		return nil
	}
	if last := d.last[f.Fingerprint]; last != nil && !f.Newer(last) {
		return nil
	}
	if d.last == nil {
		d.last = map[label.Fingerprint]*finding.Finding{}
	}
	d.last[f.Fingerprint] = &finding.Finding{Birth: f.Birth, Episode: f.Episode, Transition: f.Transition}
	r := b.Add()
	r.Signal, r.Name = ingest.Findings, f.Fingerprint.String()
	r.Resource, r.Scope = &ingest.Resource{}, &ingest.Scope{}
	add := func(name, text string) {
		r.Attributes = append(r.Attributes, ingest.Attr{Key: name, Value: ingest.StringValue(text)})
	}
	for _, l := range f.Labels {
		add(l.Name, l.Value)
	}
	add("state", string(f.State))
	add("rule_group", f.Group)
	if f.Value != nil {
		add("value", strconv.FormatFloat(*f.Value, 'g', -1, 64))
	}
	r.Body = ingest.StringValue(f.Rule + " " + string(f.State))
	return nil
}
