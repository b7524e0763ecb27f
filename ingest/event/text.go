package event

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/freshet-dev/freshet/ingest"
)

// Text decodes a message of plain text as one record, whose body it is: a message is what its producer calls one event,
// so a stack trace stays whole. The level is found where loggers write it, and the time if the text begins with one that
// names its zone, or holds one as access logs do; a text without a zone may be in any, so Kafka's timestamp stands for it.
type Text struct {
	// Signal is that of the records: Logs or Events.
	Signal ingest.Signal
}

// Decode implements ingest.Decoder. A message of nothing but white space has no records.
func (t *Text) Decode(value []byte, b *ingest.Batch) error {
	arena := b.Begin()
	if !IsText(value) {
		return &ingest.DecodeError{
			Fault: ingest.Malformed, Format: "text",
			Message: "the message holds binary data, expected printable UTF-8 text",
		}
	}
	line := strings.TrimSpace(unsafe.String(unsafe.SliceData(value), len(value)))
	if line == "" {
		return nil
	}
	r := b.Add()
	r.Signal, r.Resource, r.Scope = t.Signal, arena.Resources.New(), arena.Scopes.New()
	r.Body = ingest.StringValue(line)
	r.Severity, r.SeverityText = sniffLevel(line)
	r.Time = sniffTime(line)
	return nil
}

// IsText says whether a message is printable UTF-8 text. Terminal colours count as printable.
func IsText(value []byte) bool {
	for i := 0; i < len(value); {
		c := value[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(value[i:])
			if r == utf8.RuneError && size == 1 {
				return false
			}
			i += size
			continue
		case c == 0x7f, c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0x1b && c != '\f':
			return false
		}
		i++
	}
	return true
}

// sniffBytes is how far into a text its level and time are looked for.
const sniffBytes = 160

// sniffLevel finds a level. A word in capitals counts where it stands alone; one in other letters only where it is
// marked as a level: [error], error: at the start of the text, or level=error; for "no error found" is none.
func sniffLevel(line string) (severity int32, text string) {
	if s := klogSeverity(line); s != 0 {
		return s, line[:1]
	}
	s := line[:min(len(line), sniffBytes)]
	coloured := -1 // where a terminal's colour ends
	for i := 0; i < len(s); {
		if s[i] == 0x1b {
			i = colourEnd(s, i)
			coloured = i
			continue
		}
		if !isLetter(s[i]) {
			i++
			continue
		}
		start := i
		for i < len(s) && isLetter(s[i]) {
			i++
		}
		if i-start < 3 || i-start > 13 || i == len(s) && len(line) > len(s) {
			continue
		}
		word := s[start:i]
		if coloured != start && !marked(s, start, i, isUpper(word)) {
			continue
		}
		if severity = ingest.SeverityOf(word); severity != 0 {
			return severity, word
		}
	}
	return 0, ""
}

// marked says whether the word s[start:end] stands where a level may stand.
func marked(s string, start, end int, capitals bool) bool {
	before, after := byte(' '), byte(' ')
	if start > 0 {
		before = s[start-1]
	}
	if end < len(s) {
		after = s[end]
	}
	switch before {
	case '[', '<', '(', '|':
		if after == ']' || after == '>' || after == ')' || after == '|' {
			return true
		}
	case '=', '"':
		rest := strings.TrimRight(s[:start], `="`)
		if word := rest[strings.LastIndexAny(rest, " \t,{")+1:]; len(word) <= longestName {
			switch strings.ToLower(word) {
			case "level", "lvl", "severity", "loglevel", "log.level":
				return true
			}
		}
		return false
	}
	if capitals {
		return strings.IndexByte(" \t[(<|-:*\n", before) >= 0 && strings.IndexByte(" \t])>|:-,*\n\x1b", after) >= 0
	}
	return start == 0 && after == ':'
}

// colourEnd returns the end of a terminal's colour that starts at i: ESC [ digits m.
func colourEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != '[' && c != ';' && (c < '0' || c > '9'):
			return i
		}
	}
	return i
}

// klogSeverity knows the header of glog and klog: a letter and four digits, as in E0102 15:04:05.
func klogSeverity(line string) int32 {
	if len(line) < 8 || digitsEnd(line, 1) != 5 || line[5] != ' ' || digitsEnd(line, 6) != 8 {
		return 0
	}
	switch line[0] {
	case 'I', 'W', 'E', 'F':
		return ingest.SeverityOf(line[:1])
	default:
		return 0
	}
}

// sniffTime finds a time that names its zone: at the start of the text, or in brackets as in access logs.
func sniffTime(line string) int64 {
	start := strings.TrimLeft(line[:min(len(line), sniffBytes)], "[\"'")
	if t, _, zoned := isoTime(start); t != 0 {
		if zoned {
			return t
		}
		return 0
	}
	if _, after, found := strings.Cut(line[:min(len(line), sniffBytes)], "["); found {
		if inside, _, found := strings.Cut(after, "]"); found && len(inside) >= 20 && len(inside) <= 40 && inside[0] <= '9' {
			if t, zoned := textTime(inside); zoned {
				return t
			}
		}
	}
	return 0
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isUpper(word string) bool {
	for i := range len(word) {
		if word[i] > 'Z' {
			return false
		}
	}
	return true
}
