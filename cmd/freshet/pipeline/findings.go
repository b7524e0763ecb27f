package pipeline

import (
	"slices"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// readsFindings says whether any rule of a set does.
func readsFindings(set *rules.Set) bool {
	return set != nil && slices.ContainsFunc(set.Rules, func(r *rules.Rule) bool { return r.From == ingest.Findings })
}

// findings decodes freshet's own findings for rules: those that detect.AddFinding takes, without what a replay repeats.
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
	if !detect.AddFinding(b, f) {
		return nil
	}
	if last := d.last[f.Fingerprint]; last != nil && !f.Newer(last) {
		b.Reset()
		return nil
	}
	if d.last == nil {
		d.last = map[label.Fingerprint]*finding.Finding{}
	}
	d.last[f.Fingerprint] = &finding.Finding{Birth: f.Birth, Episode: f.Episode, Transition: f.Transition}
	return nil
}
