package explain

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
)

// Bounds of what is kept of a record, in bytes. Longer names and values are left out: a part of them could be taken for
// the whole of another.
const (
	maxName  = 64
	maxValue = 128
	// maxList bounds the attributes of one record, and those of what sent it.
	maxList = 1024
	// maxVerdicts bounds the names of which it is remembered whether they may be shown.
	maxVerdicts = 4096
)

// Profile writes the attributes of one record after the other, for all the samples that take it.
type Profile struct {
	shown     map[string]bool // per name of an attribute
	at        int64           // time of the message
	of        *ingest.Record
	own       []byte
	hasOwn    bool
	resource  *ingest.Resource
	scope     *ingest.Scope
	shared    []byte
	hasShared bool
}

// Begin says that records of another message follow, which Kafka has of this time (Unix nanoseconds).
func (p *Profile) Begin(at int64) { p.at, p.of, p.hasOwn, p.hasShared = at, nil, false, false }

// Of returns the attributes of what sent the record, and its own. They are valid until the next call.
func (p *Profile) Of(r *ingest.Record) (shared, own []byte) {
	if !p.hasShared || p.resource != r.Resource || p.scope != r.Scope {
		p.resource, p.scope, p.hasShared = r.Resource, r.Scope, true
		p.shared = p.list(p.shared[:0], r.Scope.Attributes)
		p.shared = p.attribute(p.shared, "scope.name", ingest.StringValue(r.Scope.Name))
		p.shared = p.list(p.shared, r.Resource.Attributes)
	}
	if !p.hasOwn || p.of != r {
		p.of, p.hasOwn = r, true
		p.own = p.list(p.own[:0], r.Attributes)
		p.own = p.fields(p.own, r)
	}
	return p.shared, p.own
}

// fields writes what a record of a signal has beside attributes, by the names that rules know.
func (p *Profile) fields(b []byte, r *ingest.Record) []byte {
	switch r.Signal {
	case ingest.Metrics:
		b = p.attribute(b, "metric.name", ingest.StringValue(r.Name))
	case ingest.Logs:
		b = p.attribute(b, "name", ingest.StringValue(r.Name))
		b = p.attribute(b, "body", r.Body)
	case ingest.Spans:
		b = p.attribute(b, "name", ingest.StringValue(r.Name))
		b = p.attribute(b, "kind", ingest.StringValue(spanKind(r.SpanKind)))
		b = p.attribute(b, "status_message", ingest.StringValue(r.StatusMessage))
	case ingest.SpanEvents:
		b = p.attribute(b, "name", ingest.StringValue(r.Name))
	case ingest.Events, ingest.Findings, ingest.Unknown: // all that these have is an attribute
	}
	return b
}

func spanKind(kind int32) string {
	names := [...]string{"", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
	if kind < 0 || int(kind) >= len(names) {
		return ""
	}
	return names[kind]
}

// list writes attributes, of a repeated name the last one.
func (p *Profile) list(b []byte, attributes ingest.Attrs) []byte {
	for i := range attributes {
		a := &attributes[i]
		if !repeated(attributes[i+1:], a.Key) {
			b = p.attribute(b, a.Key, a.Value)
		}
	}
	return b
}

func repeated(later ingest.Attrs, name string) bool {
	for i := range later {
		if later[i].Key == name {
			return true
		}
	}
	return false
}

// attribute writes a name and a value with their lengths, unless it is not to be shown or there is no room. Only texts,
// whole numbers and truth values are written: what else there is hardly ever has the same value twice.
func (p *Profile) attribute(b []byte, name string, v ingest.Value) []byte {
	switch v.Kind {
	case ingest.Bool, ingest.Int, ingest.String:
	default:
		return b
	}
	if len(v.Str) > maxValue || (v.Kind == ingest.String && v.Str == "") || !p.shows(name) || isTime(v, p.at) || isSecret(v.Str) {
		return b
	}
	n := len(b)
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	size := len(b)
	b = append(b, 0, 0) // the length of a value, which is small
	b = v.AppendText(b)
	length := len(b) - size - 2
	b[size], b[size+1] = byte(length)|0x80, byte(length>>7)
	if len(b) > maxList {
		return b[:n]
	}
	return b
}

// shows says whether the values of a name may be sampled at all.
func (p *Profile) shows(name string) bool {
	if shown, known := p.shown[name]; known {
		return shown
	}
	shown := name != "" && len(name) <= maxName && !SecretName(name) && !timeName(name)
	if p.shown == nil || len(p.shown) >= maxVerdicts {
		p.shown = map[string]bool{}
	}
	p.shown[strings.Clone(name)] = shown
	return shown
}

// next takes the first attribute off a list; ok is false at the end.
func next(b []byte) (name, value, rest []byte, ok bool) {
	name, rest, err := readSized(b)
	if err != nil {
		return nil, nil, nil, false
	}
	value, rest, err = readSized(rest)
	return name, value, rest, err == nil
}

// attributes calls a function with each attribute of a record; those of its own hide those of what sent it.
func (r *Record) attributes(each func(name, value []byte)) {
	for b := r.Own; ; {
		name, value, rest, ok := next(b)
		if !ok {
			break
		}
		each(name, value)
		b = rest
	}
	for b := r.Shared; ; {
		name, value, rest, ok := next(b)
		if !ok {
			break
		}
		if !has(r.Own, name) && !has(r.Shared[:len(r.Shared)-len(b)], name) {
			each(name, value)
		}
		b = rest
	}
}

func has(b, name []byte) bool {
	for {
		n, _, rest, ok := next(b)
		if !ok {
			return false
		}
		if bytes.Equal(n, name) {
			return true
		}
		b = rest
	}
}
