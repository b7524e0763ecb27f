package detect

import (
	"strconv"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
)

// AddFinding adds a finding to a batch as rules on findings see it: its labels, state, value and rule group are attributes.
// Its time is that of its Kafka record. They see the settled ones that say that an alert fires or is over, but for those of
// rules that read findings themselves, so that none leads to itself; ok is false for all others.
func AddFinding(b *ingest.Batch, f *finding.Finding) (ok bool) {
	if !f.Settled || f.Derived || f.Update || f.State == finding.Pending {
		return false
	}
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
	return true
}
