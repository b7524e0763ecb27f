package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind classifies a token for messages about syntax. CEL's own lexer decides what is valid; this one only finds
// what a person may have meant.
type tokenKind uint8

const (
	word tokenKind = iota + 1
	digits
	quoted
	unterminated // a quoted text without its end
	symbol
)

type token struct {
	kind   tokenKind
	text   string
	offset int
}

func (t token) end() int { return t.offset + len(t.text) }

// tokenize splits the source. It ends for every input and never fails: what is unknown becomes a symbol.
func tokenize(source string) []token {
	var tokens []token
	for i := 0; i < len(source); {
		r, size := utf8.DecodeRuneInString(source[i:])
		n, k := size, symbol
		switch {
		case unicode.IsSpace(r):
			i += size
			continue
		case strings.HasPrefix(source[i:], "//"):
			n = lineLength(source[i:])
			i += n
			continue
		case r == '_' || unicode.IsLetter(r):
			n, k = span(source[i:], func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }), word
			if rest := source[i+n:]; n <= 2 && strings.Trim(source[i:i+n], "rRbB") == "" && rest != "" && (rest[0] == '"' || rest[0] == '\'') {
				m, kq := quotedLength(rest, strings.ContainsAny(source[i:i+n], "rR"))
				n, k = n+m, kq
			}
		case unicode.IsDigit(r):
			n, k = numberLength(source[i:]), digits
		case r == '"' || r == '\'' || r == '`':
			n, k = quotedLength(source[i:], r == '`')
		default:
			for _, op := range []string{"===", "!==", "&&", "||", "==", "!=", "<=", ">=", "<>", "=>", "=<", "=~", "!~", ":="} {
				if strings.HasPrefix(source[i:], op) {
					n = len(op)
					break
				}
			}
		}
		tokens = append(tokens, token{k, source[i : i+n], i})
		i += n
	}
	return tokens
}

func span(s string, is func(rune) bool) int {
	for i, r := range s {
		if !is(r) {
			return i
		}
	}
	return len(s)
}

func lineLength(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

// numberLength takes digits, a fraction and an exponent.
func numberLength(s string) int {
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	n := max(span(s, isDigit), 1)
	if rest := s[n:]; len(rest) > 1 && rest[0] == '.' && isDigit(rune(rest[1])) {
		n += 1 + span(rest[1:], isDigit)
	}
	if rest := s[n:]; rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent := strings.TrimLeft(rest[1:], "+-")
		if digits := span(exponent, isDigit); digits > 0 && len(rest)-1-len(exponent) <= 1 {
			n += len(rest) - len(exponent) + digits
		}
	}
	return n
}

// quotedLength takes a quoted text; in a raw one a backslash means itself.
func quotedLength(s string, raw bool) (int, tokenKind) {
	quote := s[:1]
	if triple := strings.Repeat(quote, 3); quote != "`" && strings.HasPrefix(s, triple) {
		quote = triple
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case s[i] == '\n' && len(quote) == 1:
			return i, unterminated
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote), quoted
		}
	}
	return len(s), unterminated
}
