package ruletest

import (
	"regexp"

	"github.com/freshet-dev/freshet/ingest"
)

// text is a text that differs from record to record of a stream: generators stand in it within braces.
type text struct {
	parts []part
	buf   []byte
}

// part is a generator, or a literal where that is nil.
type part struct {
	literal   string
	generator *generator
}

var bracePattern = regexp.MustCompile(`\{(i(?:%[^{}]*)?|(?:ramp|random|cycle|series)(?: [^{}]*)?)\}`)

// readText reads a text. Braces around anything but a generator are nothing special.
func readText(s string) (*text, *notationFault) {
	t := new(text)
	at := 0
	for _, found := range bracePattern.FindAllStringSubmatchIndex(s, -1) {
		g, ok, fault := readGenerator(s[found[2]:found[3]])
		if fault != nil {
			fault.offset += found[2]
			return nil, fault
		}
		if !ok {
			continue
		}
		if found[0] > at {
			t.parts = append(t.parts, part{literal: s[at:found[0]]})
		}
		t.parts = append(t.parts, part{generator: g})
		at = found[1]
	}
	if at < len(s) {
		t.parts = append(t.parts, part{literal: s[at:]})
	}
	return t, nil
}

// fixed returns the text if it is the same for all records.
func (t *text) fixed() (s string, ok bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].generator == nil:
		return t.parts[0].literal, true
	default:
		return "", false
	}
}

// value returns the value for a record: that of the generator where it is all there is, so that it may be a number; else
// a text.
func (t *text) value(m moment) ingest.Value {
	if len(t.parts) == 1 && t.parts[0].generator != nil {
		return t.parts[0].generator.value(m)
	}
	return ingest.StringValue(t.string(m))
}

// string returns the text for a record.
func (t *text) string(m moment) string {
	if s, ok := t.fixed(); ok {
		return s
	}
	t.buf = t.append(t.buf[:0], m)
	return string(t.buf)
}

func (t *text) append(b []byte, m moment) []byte {
	for i := range t.parts {
		if p := &t.parts[i]; p.generator != nil {
			b = p.generator.value(m).AppendText(b)
		} else {
			b = append(b, p.literal...)
		}
	}
	return b
}
