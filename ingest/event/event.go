// Package event decodes what is not OTLP: flat JSON, of any producer, and lines of text.
//
// Every field of a JSON object is an attribute, a field of a nested object by its dotted path (http.status), an array
// as JSON text. A null is no attribute. Fields with usual names also give the record its time, severity, message and
// trace, whatever their case: timestamp, time, ts, @timestamp …; level, severity, log.level …; message, msg, log …;
// trace_id, span_id, traceparent …. Several objects in one message, as an array or one after the other, are several
// records.
//
// Numbers are told apart as seconds, milliseconds, microseconds or nanoseconds by their magnitude. A text without a zone
// is taken as UTC. What is no point in time, such as a date alone, is left to the attributes, and the record has no time.
package event

import (
	"fmt"
	"unsafe"

	"github.com/freshet-dev/freshet/ingest"
)

// maxFlat is how deeply objects are flattened; a deeper one stays one attribute with its JSON text.
const maxFlat = 16

// JSON decodes flat JSON.
type JSON struct {
	// Signal is that of the records: Events or Logs.
	Signal ingest.Signal
	// MaxRecords bounds the records of one message; 0 is no bound.
	MaxRecords int

	scanner
	batch *ingest.Batch
	attrs []ingest.Attr // the run of the record that is read
	path  []byte        // the dotted path of the object that is read
	paths int           // bytes that paths may still take
	rec   recognised
}

// Decode implements ingest.Decoder. A message of nothing but white space has no records.
func (j *JSON) Decode(value []byte, b *ingest.Batch) error {
	j.batch = b
	j.scanner = scanner{s: unsafe.String(unsafe.SliceData(value), len(value)), arena: b.Begin(), buf: j.buf}
	// A long key above many fields is repeated in the path of each, so paths have a bound of their own.
	j.paths = 8*len(value) + 64<<10
	var err error
	if !j.document() {
		err = j.err()
		b.Reset()
	}
	j.scanner = scanner{buf: j.buf}
	j.batch, j.attrs = nil, nil
	return err
}

func (j *JSON) err() error {
	e := &ingest.DecodeError{Fault: j.fault, Format: "json"}
	switch j.fault {
	case ingest.TooLarge:
		e.Message = j.expected
	case ingest.Truncated:
		e.Message = fmt.Sprintf("the JSON ends too early, after %d bytes: expected %s", len(j.s), j.expected)
	default:
		e.Message = fmt.Sprintf("no valid JSON at byte %d of %d: expected %s", j.at, len(j.s), j.expected)
	}
	return e
}

func (j *JSON) document() bool {
	res, scope := j.arena.Resources.New(), j.arena.Scopes.New()
	for i := j.space(0); i < len(j.s); i = j.space(i) {
		if j.s[i] != '[' {
			if i = j.record(i, res, scope); i < 0 {
				return false
			}
			continue
		}
		if i = j.space(i + 1); i < len(j.s) && j.s[i] == ']' {
			i++
			continue
		}
		for last := false; !last; {
			if i = j.record(i, res, scope); i < 0 {
				return false
			}
			if i, last = j.separator(i, ']'); i < 0 {
				return false
			}
		}
	}
	return true
}

// record reads the object at i as a record.
func (j *JSON) record(i int, res *ingest.Resource, scope *ingest.Scope) int {
	if i >= len(j.s) || j.s[i] != '{' {
		return j.fail(i, "an object")
	}
	if j.MaxRecords > 0 && len(j.batch.Records) >= j.MaxRecords {
		j.fault, j.expected = ingest.TooLarge, fmt.Sprintf("more than %d records in one message", j.MaxRecords)
		return -1
	}
	j.rec = recognised{}
	j.attrs = j.arena.Attrs.Run()
	j.path = j.path[:0]
	end := j.object(i, 0)
	if end < 0 {
		return end
	}
	r := j.batch.Add()
	r.Signal, r.Resource, r.Scope = j.Signal, res, scope
	r.Attributes = j.arena.Attrs.Keep(j.attrs)
	j.rec.fill(r, j.arena)
	return end
}

// object reads the fields of the object at i, which lies within depth others and whose path is j.path.
func (j *JSON) object(i, depth int) int {
	if i = j.space(i + 1); i < len(j.s) && j.s[i] == '}' {
		if depth == 0 {
			return i + 1
		}
		path, ok := j.pathText()
		if !ok {
			return -1
		}
		j.add(path, ingest.MapValue("{}"))
		return i + 1
	}
	for {
		if i >= len(j.s) || j.s[i] != '"' {
			return j.fail(i, "a key in quotes")
		}
		key, end := j.text(i)
		if end < 0 {
			return end
		}
		if i = j.colon(end); i < 0 {
			return i
		}
		if i = j.field(key, i, depth); i < 0 {
			return i
		}
		var last bool
		if i, last = j.separator(i, '}'); i < 0 || last {
			return i
		}
	}
}

// field reads the value at i of a field.
func (j *JSON) field(key string, i, depth int) int {
	parent := len(j.path)
	nested := i < len(j.s) && (j.s[i] == '{' || j.s[i] == '[')
	if nested && j.s[i] == '{' && depth < maxFlat {
		if depth > 0 {
			j.path = append(j.path, '.')
		}
		j.path = append(j.path, key...)
		i = j.object(i, depth+1)
		j.path = j.path[:parent]
		return i
	}
	if depth > 0 {
		j.path = append(append(j.path, '.'), key...)
		var ok bool
		if key, ok = j.pathText(); !ok {
			return -1
		}
		j.path = j.path[:parent]
	}
	if nested {
		object := j.s[i] == '{'
		raw, end := j.raw(i, depth+1)
		if end < 0 {
			return end
		}
		if object {
			j.add(key, ingest.MapValue(raw))
		} else {
			j.add(key, ingest.ListValue(raw))
		}
		return end
	}
	v, end := j.scalar(i)
	if end < 0 {
		return end
	}
	if v.Kind == ingest.Missing {
		return end
	}
	j.add(key, v)
	j.recognise(key, v, j.s[i:end])
	return end
}

// pathText returns the path as a text in the arena.
func (j *JSON) pathText() (string, bool) {
	if j.paths -= len(j.path); j.paths < 0 {
		j.fault, j.expected = ingest.TooLarge, "the paths of nested fields take more than eight times the message"
		return "", false
	}
	return j.arena.Text(j.path), true
}

func (j *JSON) add(key string, v ingest.Value) {
	j.attrs = j.arena.Attrs.Extend(j.attrs)
	j.attrs[len(j.attrs)-1] = ingest.Attr{Key: key, Value: v}
}

// recognise notes a field with a usual name. raw is the value as it is written.
func (j *JSON) recognise(path string, v ingest.Value, raw string) {
	if len(path) > longestName {
		return
	}
	var lower [longestName]byte
	for i := range len(path) {
		c := path[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	if role, rank := roleOf(lower[:len(path)]); role != noRole {
		j.rec.note(role, rank, v, raw)
	}
}
