package event

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/ingest"
)

// maxDepth is how deeply JSON may be nested.
const maxDepth = 512

// scanner reads JSON as RFC 8259 defines it, and Python's NaN and Infinity besides. Its methods take the position where
// something starts and return the position after it; on a fault they set fault and position and return -1.
type scanner struct {
	s         string
	arena     *ingest.Arena
	buf       []byte // a string while it is unescaped
	nonFinite bool   // skip met NaN or Infinity
	fault     ingest.Fault
	at        int // where the fault is
	expected  string
}

func (sc *scanner) fail(at int, expected string) int {
	if sc.fault == 0 {
		sc.fault, sc.at, sc.expected = ingest.Malformed, at, expected
		if at >= len(sc.s) {
			sc.fault = ingest.Truncated
		}
	}
	return -1
}

// space skips white space.
func (sc *scanner) space(i int) int {
	for i < len(sc.s) {
		switch sc.s[i] {
		case ' ', '\n', '\t', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// stringEnd returns the end of the string whose opening quote is at i, and whether it has escapes.
func (sc *scanner) stringEnd(i int) (end int, escaped bool) {
	s := sc.s
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			i++
			if i >= len(s) {
				return sc.fail(i, "an escape"), false
			}
			switch s[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; i >= len(s) || !isHex(s[i]) {
						return sc.fail(i, "four hexadecimal digits"), false
					}
				}
			default:
				return sc.fail(i, "an escape"), false
			}
		case c < ' ':
			return sc.fail(i, "no control character in a string"), false
		}
	}
	return sc.fail(i, "the end of a string"), false
}

// text reads the string whose opening quote is at i. Without escapes it points into the message, else into the arena.
func (sc *scanner) text(i int) (string, int) {
	end, escaped := sc.stringEnd(i)
	if end < 0 {
		return "", -1
	}
	raw := sc.s[i+1 : end-1]
	if !escaped {
		return raw, end
	}
	sc.buf = appendUnescaped(sc.buf[:0], raw)
	return sc.arena.Text(sc.buf), end
}

// appendUnescaped appends a string whose escapes stringEnd has checked. Half a surrogate pair becomes U+FFFD.
func appendUnescaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hexRune(s[i+1 : i+5])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(s) > i+6 && s[i+1] == '\\' && s[i+2] == 'u' {
					pair = utf16.DecodeRune(r, hexRune(s[i+3:i+7]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, s[i])
		}
	}
	return b
}

func hexRune(s string) rune {
	n, _ := strconv.ParseUint(s, 16, 16)
	return rune(n)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// scalar reads a string, number or literal at i.
func (sc *scanner) scalar(i int) (ingest.Value, int) {
	s := sc.s
	if i >= len(s) {
		return ingest.Value{}, sc.fail(i, "a value")
	}
	switch s[i] {
	case '"':
		text, end := sc.text(i)
		return ingest.StringValue(text), end
	case 't':
		return ingest.BoolValue(true), sc.literal(i, "true")
	case 'f':
		return ingest.BoolValue(false), sc.literal(i, "false")
	case 'n':
		return ingest.Value{}, sc.literal(i, "null")
	}
	if end, whole := numberEnd(s, i); end > 0 {
		return numberValue(s[i:end], whole), end
	}
	if v, n := nonFinite(s, i); n > 0 {
		sc.nonFinite = true
		return v, i + n
	}
	return ingest.Value{}, sc.fail(sc.cut(i), "a value")
}

// cut returns the end of the message if the word or number at i reaches up to it, so that a cut message is told from a
// broken one, and else i.
func (sc *scanner) cut(i int) int {
	for j := i; j < len(sc.s); j++ {
		switch c := sc.s[j]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '+', c == '.':
		default:
			return i
		}
	}
	return len(sc.s)
}

func (sc *scanner) literal(i int, word string) int {
	if len(sc.s)-i >= len(word) && sc.s[i:i+len(word)] == word {
		return i + len(word)
	}
	return sc.fail(sc.cut(i), word)
}

// skip checks the value at i, which lies within depth others, and returns its end.
func (sc *scanner) skip(i, depth int) int {
	if i >= len(sc.s) {
		return sc.fail(i, "a value")
	}
	switch c := sc.s[i]; c {
	case '"':
		end, _ := sc.stringEnd(i)
		return end
	case '{', '[':
		return sc.skipNested(i, depth)
	case 't', 'f', 'n':
		_, end := sc.scalar(i)
		return end
	default:
		if end, _ := numberEnd(sc.s, i); end > 0 {
			return end
		}
		_, end := sc.scalar(i)
		return end
	}
}

func (sc *scanner) skipNested(i, depth int) int {
	if depth >= maxDepth {
		return sc.fail(i, "less than "+strconv.Itoa(maxDepth)+" levels of nesting")
	}
	object := sc.s[i] == '{'
	closing := byte(']')
	if object {
		closing = '}'
	}
	if i = sc.space(i + 1); i < len(sc.s) && sc.s[i] == closing {
		return i + 1
	}
	for {
		if object {
			if i = sc.key(i); i < 0 {
				return i
			}
		}
		if i = sc.skip(i, depth+1); i < 0 {
			return i
		}
		var last bool
		if i, last = sc.separator(i, closing); i < 0 || last {
			return i
		}
	}
}

// key checks a key and its colon at i and returns where the value starts.
func (sc *scanner) key(i int) int {
	if i >= len(sc.s) || sc.s[i] != '"' {
		return sc.fail(i, "a key in quotes")
	}
	end, _ := sc.stringEnd(i)
	if end < 0 {
		return end
	}
	return sc.colon(end)
}

func (sc *scanner) colon(i int) int {
	if i = sc.space(i); i >= len(sc.s) || sc.s[i] != ':' {
		return sc.fail(i, "a colon")
	}
	return sc.space(i + 1)
}

// separator reads what follows an element: a comma, after which the next element starts, or the closing bracket.
func (sc *scanner) separator(i int, closing byte) (next int, last bool) {
	i = sc.space(i)
	switch {
	case i < len(sc.s) && sc.s[i] == ',':
		return sc.space(i + 1), false
	case i < len(sc.s) && sc.s[i] == closing:
		return i + 1, true
	default:
		return sc.fail(i, "a comma or "+string(closing)), false
	}
}

// raw returns the JSON text of the array or object at i. What JSON lacks, NaN and Infinity, is put in quotes.
func (sc *scanner) raw(i, depth int) (string, int) {
	sc.nonFinite = false
	end := sc.skip(i, depth)
	if end < 0 {
		return "", end
	}
	if !sc.nonFinite {
		return sc.s[i:end], end
	}
	sc.buf = sc.buf[:0]
	for j := i; j < end; {
		switch c := sc.s[j]; c {
		case '"':
			stop, _ := sc.stringEnd(j)
			sc.buf = append(sc.buf, sc.s[j:stop]...)
			j = stop
		case 'N', 'I', '-':
			if _, n := nonFinite(sc.s, j); n > 0 {
				sc.buf = append(append(append(sc.buf, '"'), sc.s[j:j+n]...), '"')
				j += n
				continue
			}
			fallthrough
		default:
			sc.buf = append(sc.buf, c)
			j++
		}
	}
	return sc.arena.Text(sc.buf), end
}
