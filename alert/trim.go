package alert

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/detect/finding"
)

// trimmedAnnotation is what is left of a long annotation, in bytes.
const trimmedAnnotation = 1000

// Trim returns a smaller change for one that the topic refuses for its size: without an alert's samples, charts and
// explanations, then without the ends of its long annotations, and without the notes that wait to be told of a group. ok is
// false when nothing of it can be spared. What messages say before the next restart does not change.
func (c Change) Trim() (smaller Change, ok bool) {
	key := string(c.Key)
	var kept any
	switch {
	case c.Value == nil:
	case strings.HasPrefix(key, alertPrefix):
		if s, err := decodeState(key, c.Value); err == nil {
			kept, ok = s, s.spareEvidence() || s.spareText()
		}
	case strings.HasPrefix(key, sentPrefix):
		if e, err := decodeEntry(key, c.Value); err == nil {
			kept, ok = e, e.spareNotes()
		}
	}
	if !ok {
		return c, false
	}
	value, err := json.Marshal(kept)
	return Change{Key: c.Key, Value: value}, err == nil
}

func (s *state) findings() (all []*finding.Finding) {
	for _, f := range []*finding.Finding{s.Pending, s.Firing, s.Now, s.Resolved, s.Held} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

func (s *state) spareEvidence() (had bool) {
	for _, f := range s.findings() {
		had = had || len(f.Samples)+len(f.Offsets) > 0 || f.Explanation != nil || f.Chart != nil
		f.Samples, f.Offsets, f.Explanation, f.Chart = nil, nil, nil, nil
	}
	return had
}

func (s *state) spareText() (had bool) {
	for _, f := range s.findings() {
		for name, text := range f.Annotations {
			if len(text) <= trimmedAnnotation {
				continue
			}
			end := trimmedAnnotation - len("…")
			for !utf8.RuneStart(text[end]) {
				end--
			}
			f.Annotations[name], had = text[:end]+"…", true
		}
	}
	return had
}

func (e *entry) spareNotes() (had bool) {
	had, e.Notes = len(e.Notes) > 0, nil
	if e.Intent != nil {
		had, e.Intent.Notes = had || len(e.Intent.Notes) > 0, nil
	}
	return had
}
