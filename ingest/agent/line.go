package agent

import (
	"encoding/hex"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/freshet-dev/freshet/ingest"
)

// Usual names of the fields of a JSON log line, the likeliest first.
var (
	timeNames    = []string{"time", "timestamp", "@timestamp", "ts", "datetime"}                               //nolint:gochecknoglobals // constant table
	levelNames   = []string{"level", "severity", "lvl", "log.level", "levelname", "loglevel", "severity_text"} //nolint:gochecknoglobals // constant table
	messageNames = []string{"message", "msg", "body", "log", "event"}                                          //nolint:gochecknoglobals // constant table
	traceNames   = []string{"trace_id", "traceId", "trace.id", "traceid"}                                      //nolint:gochecknoglobals // constant table
	spanNames    = []string{"span_id", "spanId", "span.id", "spanid"}                                          //nolint:gochecknoglobals // constant table
	levelMarkers = []string{"level=", "lvl=", "severity=", "level\":\"", "level: "}                            //nolint:gochecknoglobals // constant table
)

const (
	// levelWithin is how much of a line is searched for a level's name; further on such a word is part of the message.
	levelWithin = 160
	// maxFields bounds the fields of a JSON line that become attributes; a line with more is kept as text.
	maxFields = 512
)

// parseLine fills in a record from a line. A JSON object gives its fields as attributes, nested ones by dotted path,
// its message (or else the line) as body, and its time and level. Of other text the body is the line; its level is the
// name of one where loggers write it, its time an RFC 3339 timestamp at the start.
func parseLine(text []byte, parser *fastjson.Parser, record plog.LogRecord) {
	line := strings.ToValidUTF8(string(text), "\uFFFD")
	if strings.HasPrefix(line, "{") && parseObject(line, parser, record) {
		return
	}
	record.Body().SetStr(line)
	if t, ok := leadingTime(line); ok {
		record.SetTimestamp(pcommon.NewTimestampFromTime(t))
	}
	if name := levelIn(line); name != "" {
		setLevel(record, name)
	}
}

func setLevel(record plog.LogRecord, name string) {
	record.SetSeverityText(name)
	record.SetSeverityNumber(plog.SeverityNumber(ingest.SeverityOf(name)))
}

func parseObject(line string, parser *fastjson.Parser, record plog.LogRecord) bool {
	v, err := parser.Parse(line)
	if err != nil || v.Type() != fastjson.TypeObject || countFields(v) > maxFields {
		return false
	}
	attributes := record.Attributes()
	flatten("", v, attributes)
	if body, ok := firstText(attributes, messageNames); ok {
		record.Body().SetStr(body)
	} else {
		record.Body().SetStr(line)
	}
	if name, ok := firstText(attributes, levelNames); ok {
		setLevel(record, name)
	}
	for _, name := range timeNames {
		if value, found := attributes.Get(name); found {
			if t, ok := timeOf(value); ok {
				record.SetTimestamp(pcommon.NewTimestampFromTime(t))
				break
			}
		}
	}
	if text, ok := firstText(attributes, traceNames); ok {
		var id pcommon.TraceID
		if decodeHex(id[:], strings.ReplaceAll(text, "-", "")) {
			record.SetTraceID(id)
		}
	}
	if text, ok := firstText(attributes, spanNames); ok {
		var id pcommon.SpanID
		if decodeHex(id[:], text) {
			record.SetSpanID(id)
		}
	}
	return true
}

// decodeHex fills id from text of exactly its length.
func decodeHex(id []byte, text string) bool {
	if len(text) != hex.EncodedLen(len(id)) {
		return false
	}
	_, err := hex.Decode(id, []byte(text))
	return err == nil
}

func countFields(v *fastjson.Value) int {
	switch v.Type() {
	case fastjson.TypeObject:
		n := 0
		v.GetObject().Visit(func(_ []byte, child *fastjson.Value) { n += countFields(child) })
		return n
	case fastjson.TypeArray:
		n := 0
		for _, child := range v.GetArray() {
			n += countFields(child)
		}
		return n
	default:
		return 1
	}
}

// flatten puts the fields of an object into attributes; those of nested objects have the path to them as name.
func flatten(prefix string, v *fastjson.Value, attributes pcommon.Map) {
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		name := prefix + string(key)
		switch child.Type() {
		case fastjson.TypeObject:
			flatten(name+".", child, attributes)
		case fastjson.TypeNull:
		default:
			setValue(child, attributes.PutEmpty(name))
		}
	})
}

func setValue(v *fastjson.Value, out pcommon.Value) {
	switch v.Type() {
	case fastjson.TypeString:
		out.SetStr(string(v.GetStringBytes()))
	case fastjson.TypeNumber:
		if n, err := v.Int64(); err == nil {
			out.SetInt(n)
		} else {
			out.SetDouble(v.GetFloat64())
		}
	case fastjson.TypeTrue, fastjson.TypeFalse:
		out.SetBool(v.GetBool())
	case fastjson.TypeArray:
		list := out.SetEmptySlice()
		for _, child := range v.GetArray() {
			setValue(child, list.AppendEmpty())
		}
	case fastjson.TypeObject:
		m := out.SetEmptyMap()
		v.GetObject().Visit(func(key []byte, child *fastjson.Value) { setValue(child, m.PutEmpty(string(key))) })
	case fastjson.TypeNull:
	}
}

// firstText returns the first of the named attributes that is a text.
func firstText(attributes pcommon.Map, names []string) (string, bool) {
	for _, name := range names {
		if v, found := attributes.Get(name); found && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
			return v.Str(), true
		}
	}
	return "", false
}

// timeOf reads a time as loggers write it: RFC 3339 text, or seconds, milliseconds, microseconds or nanoseconds since
// 1970, told apart by size.
func timeOf(v pcommon.Value) (time.Time, bool) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		t, err := time.Parse(time.RFC3339Nano, v.Str())
		return t, err == nil
	case pcommon.ValueTypeInt:
		switch n := v.Int(); {
		case n < 1e8:
			return time.Time{}, false
		case n < 1e11:
			return time.Unix(n, 0), true
		case n < 1e14:
			return time.UnixMilli(n), true
		case n < 1e17:
			return time.UnixMicro(n), true
		default:
			return time.Unix(0, n), true
		}
	case pcommon.ValueTypeDouble:
		f := v.Double()
		if f >= 1e11 && f < 1e14 {
			f /= 1000
		}
		if inRange := f >= 1e8 && f < 1e11; !inRange { // also when it is no number
			return time.Time{}, false
		}
		seconds, fraction := math.Modf(f)
		// A double holds microseconds of today's times, not nanoseconds.
		return time.Unix(int64(seconds), int64(math.Round(fraction*1e6))*1000), true
	default:
		return time.Time{}, false
	}
}

// leadingTime reads an RFC 3339 timestamp with a zone at the start of a line, bare or in brackets.
func leadingTime(line string) (time.Time, bool) {
	line = strings.TrimPrefix(line, "[")
	if len(line) < len("2006-01-02T15:04:05Z") || line[4] != '-' || line[10] != 'T' {
		return time.Time{}, false
	}
	stamp := line[:min(len(line), len(time.RFC3339Nano))]
	if end := strings.IndexAny(stamp, " \t]|"); end >= 0 {
		stamp = stamp[:end]
	}
	t, err := time.Parse(time.RFC3339Nano, stamp)
	return t, err == nil
}

// levelIn finds the name of a level where loggers write it: after "level=", in brackets, in capitals, before a colon
// at the start of the line, or as the letter of a klog prefix such as E0102. It returns "" when there is none.
func levelIn(line string) string {
	if len(line) > 5 && strings.IndexByte("IWEF", line[0]) >= 0 && allDigits(line[1:5]) && line[5] == ' ' {
		return line[:1]
	}
	start := line[:min(len(line), levelWithin)]
	for _, marker := range levelMarkers {
		if i := strings.Index(start, marker); i >= 0 {
			if w := word(strings.TrimLeft(line[i+len(marker):], `"'`)); ingest.SeverityOf(w) != 0 {
				return w
			}
		}
	}
	for i := 0; i < len(start); {
		w := word(start[i:])
		if w == "" {
			_, size := utf8.DecodeRuneInString(start[i:])
			i += size
			continue
		}
		before, after := byte(0), byte(0)
		if i > 0 {
			before = start[i-1]
		}
		if i+len(w) < len(line) {
			after = line[i+len(w)]
		}
		if ingest.SeverityOf(w) != 0 && len(w) > 1 {
			switch {
			case len(w) >= 3 && strings.ToUpper(w) == w, before == '[' && after == ']', before == '<' && after == '>',
				before == '|' && after == '|', before == 0 && after == ':':
				return w
			}
		}
		i += len(w)
	}
	return ""
}

// word returns the letters, digits and underscores that a text begins with.
func word(s string) string {
	end := 0
	for end < len(s) && (s[end] >= 'a' && s[end] <= 'z' || s[end] >= 'A' && s[end] <= 'Z' || s[end] >= '0' && s[end] <= '9' || s[end] == '_') {
		end++
	}
	return s[:end]
}

func allDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
