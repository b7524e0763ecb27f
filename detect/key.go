package detect

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// maxKeyText bounds one value of a group's key in bytes; a longer one is cut.
const maxKeyText = 1024

// appendKey appends the key of the group that a record belongs to: the text of each `by` value with its length before
// it. A record that lacks one of the values belongs to no group: ok is false.
func appendKey(b []byte, by []rules.Key, r *ingest.Record) (key []byte, ok bool) {
	for i := range by {
		v := by[i].Value(r)
		if v.Kind == ingest.Missing {
			return b, false
		}
		if v.Kind >= ingest.String {
			text := cut(v.Str, maxKeyText)
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
			continue
		}
		// Numbers are short: their length takes one byte, which is filled in afterwards.
		n := len(b)
		b = v.AppendText(append(b, 0))
		b[n] = byte(len(b) - n - 1)
	}
	return b, true
}

// cut returns at most n bytes of a text and does not split a rune.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// nextText takes the first text off a key; ok is false when the key is at its end or malformed.
func nextText(key string) (text, rest string, ok bool) {
	size, shift := uint64(0), 0
	for i := 0; i < len(key) && shift < 63; i++ {
		size |= uint64(key[i]&0x7f) << shift
		if shift += 7; key[i] >= 0x80 {
			continue
		}
		if rest = key[i+1:]; size > uint64(len(rest)) {
			return "", "", false
		}
		return rest[:size], rest[size:], true
	}
	return "", "", false
}

// keyLabels returns the labels of a group.
func keyLabels(by []rules.Key, key string) label.Set {
	if partition, ok := overflowPartition(key); ok {
		return overflowLabels(by, partition)
	}
	m := make(map[string]string, len(by))
	for i := range by {
		text, rest, ok := nextText(key)
		if !ok {
			break
		}
		m[by[i].Label] = strings.ToValidUTF8(text, "\uFFFD")
		key = rest
	}
	return label.FromMap(m)
}

// keyValues fills in the values of a group's key as a condition sees them; what the key lacks is missing.
func keyValues(values []ingest.Value, key string) {
	if _, ok := overflowPartition(key); ok {
		overflowValues(values)
		return
	}
	for i := range values {
		text, rest, ok := nextText(key)
		if !ok {
			clear(values[i:])
			return
		}
		values[i] = ingest.StringValue(text)
		key = rest
	}
}

// keyClass computes the key once per record for all rules with the same `by`.
type keyClass struct {
	by        []rules.Key
	key, last []byte
	ok        bool
	done      bool
	// run counts the runs of records with the same key: most messages have all of one group together, so that a rule
	// need not look for the group that it has in hand.
	run uint64
}

// next says that another record is in hand.
func (c *keyClass) next() { c.done = false }

// of returns the key of the record in hand, and the number of the run of equal keys that it belongs to.
func (c *keyClass) of(r *ingest.Record) (key []byte, run uint64, ok bool) {
	if !c.done {
		c.key, c.last = c.last, c.key
		c.key, c.ok = appendKey(c.key[:0], c.by, r)
		if !c.ok || !bytes.Equal(c.key, c.last) || c.run == 0 {
			c.run++
		}
		c.done = true
	}
	return c.key, c.run, c.ok
}

// byText names a `by` list: rules with equal texts group alike.
func byText(by []rules.Key) string {
	var b strings.Builder
	for i := range by {
		b.WriteString(by[i].Text)
		b.WriteByte(0)
	}
	return b.String()
}
