package rules

import (
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A scalar is a text value and where each of its bytes stands in the file.
type scalar struct {
	text  string
	place place
	// offsets has the file's byte offset of each byte of text, and one more for its end.
	offsets []int
	plain   bool // written without quotes, on which YAML's traps work
	comment string
}

// scalarOf reads a scalar node. ok is false when the node is none.
func (d *document) scalarOf(n ast.Node) (s scalar, ok bool) {
	switch v := n.(type) {
	case *ast.LiteralNode:
		s.text = v.Value.Value
	case *ast.StringNode:
		s.text = v.Value
		s.plain = v.Token.Type != token.SingleQuoteType && v.Token.Type != token.DoubleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s.text, s.plain = n.GetToken().Value, true
	default:
		return scalar{}, false
	}
	if c := n.GetComment(); c != nil {
		s.comment = c.String()
	}
	s.place = d.placeOf(n)
	s.offsets = align(d.content, d.offsetOf(n.GetToken().Position), s.text)
	return s, true
}

// at returns the place of a span of the text.
func (d *document) at(s scalar, offset, length int) place {
	if s.offsets == nil {
		return s.place
	}
	offset = min(max(offset, 0), len(s.text))
	end := min(offset+max(length, 1), len(s.text))
	begin := s.offsets[offset]
	return d.placeAt(begin, max(s.offsets[end]-begin, 1))
}

// align finds where each byte of a scalar's text stands in the source that begins at start. It needs no YAML: white
// space aside, the characters of the text stand in the source in the same order, each as itself or as an escape. Where
// that fails all bytes stand at the start.
func align(source string, start int, text string) []int {
	offsets := make([]int, len(text)+1)
	at, style := start, byte(0)
	if start < len(source) {
		switch source[start] {
		case '"', '\'':
			style = source[start]
			at++
		case '|', '>':
			for at < len(source) && source[at] != '\n' {
				at++
			}
		}
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsSpace(r) {
			at = skipSpace(source, at, style)
		}
		length := unitLength(source, at, style, r)
		if length < 0 {
			for j := range offsets {
				offsets[j] = start
			}
			return offsets
		}
		for j := range size {
			offsets[i+j] = min(at+j, len(source))
		}
		i += size
		at += length
	}
	offsets[len(text)] = min(at, len(source))
	return offsets
}

// skipSpace skips white space and, within double quotes, escaped line breaks.
func skipSpace(source string, at int, style byte) int {
	for at < len(source) {
		r, size := utf8.DecodeRuneInString(source[at:])
		switch {
		case unicode.IsSpace(r):
			at += size
		case style == '"' && r == '\\' && at+1 < len(source) && (source[at+1] == '\n' || source[at+1] == '\r'):
			at += 2
		default:
			return at
		}
	}
	return at
}

// unitLength returns how many bytes of the source at a place stand for the character r, or -1 when they do not.
func unitLength(source string, at int, style byte, r rune) int {
	if at >= len(source) {
		if unicode.IsSpace(r) {
			return 0 // the last line break of a block scalar
		}
		return -1
	}
	found, size := utf8.DecodeRuneInString(source[at:])
	switch {
	case style == '"' && found == '\\':
		return escapeLength(source[at:])
	case style == '\'' && r == '\'' && found == r:
		return 2
	case found == r:
		return size
	case unicode.IsSpace(r):
		return 0 // folded: what is skipped before the next character stands for it
	default:
		return -1
	}
}

// escapeLength returns the length of an escape within double quotes.
func escapeLength(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	var length int
	switch s[1] {
	case 'x':
		length = 4
	case 'u':
		length = 6
	case 'U':
		length = 10
	default:
		_, size := utf8.DecodeRuneInString(s[1:])
		length = 1 + size
	}
	return min(length, len(s))
}
