package detect

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/label"
)

// maxKeyText bounds one value of a group's key in bytes; a longer one is cut.
const maxKeyText = 1024

// overflowLabel marks the group that stands for all groups beyond a rule's max_groups.
const overflowLabel = "overflow"

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

// splitKey returns the n texts of a key. A malformed key gives what could be read.
func splitKey(key string, n int) []string {
	texts := make([]string, 0, n)
	for len(texts) < n {
		size, used := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		if used <= 0 || uint64(len(key)-used) < size {
			return texts
		}
		texts = append(texts, key[used:used+int(size)])
		key = key[used+int(size):]
	}
	return texts
}

// keyLabels returns the labels of a group.
func keyLabels(by []rules.Key, key string) label.Set {
	m := make(map[string]string, len(by))
	for i, text := range splitKey(key, len(by)) {
		m[by[i].Label] = strings.ToValidUTF8(text, "\uFFFD")
	}
	return label.FromMap(m)
}

// keyValues returns the values of a group's key as a condition sees them.
func keyValues(by []rules.Key, key string) []ingest.Value {
	values := make([]ingest.Value, len(by))
	for i, text := range splitKey(key, len(by)) {
		values[i] = ingest.StringValue(text)
	}
	return values
}

// keyClass computes the key once per record for all rules with the same `by`.
type keyClass struct {
	by   []rules.Key
	buf  []byte
	ok   bool
	done bool
}

func (c *keyClass) key(r *ingest.Record) (key []byte, ok bool) {
	if !c.done {
		c.buf, c.ok = appendKey(c.buf[:0], c.by, r)
		c.done = true
	}
	return c.buf, c.ok
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
