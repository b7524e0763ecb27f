package rules

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// A document is one rule file while it is read: its lines, for messages, and what is wrong with it so far.
type document struct {
	kind     DocumentKind
	file     string
	content  string
	starts   []int // byte offset of each line
	anchors  map[string]ast.Node
	problems []Problem
	rule     string // the rule being read, for messages
	compiled map[keySource]*expr.Key

	// listFiles were read with the file; lists are what it has, listTexts their values as texts, listProblems what is wrong with
	// the files of some.
	listFiles    []ListFile
	lists        expr.Lists
	listTexts    map[string][]string
	listProblems []Problem
}

// keySource is what an entry of `by` is compiled from. Rules of a file have the same again and again.
type keySource struct {
	signal ingest.Signal
	text   string
}

// key compiles an entry of `by`. The result is nil when there are faults, and not to be changed.
func (d *document) key(text string, signal ingest.Signal) (*expr.Key, expr.Faults) {
	source := keySource{signal, text}
	if key, ok := d.compiled[source]; ok {
		return key, nil
	}
	key, faults := expr.CompileKey(text, signal, d.lists)
	if key != nil {
		if d.compiled == nil {
			d.compiled = map[keySource]*expr.Key{}
		}
		d.compiled[source] = key
	}
	return key, faults
}

func newDocument(file string, content []byte) *document {
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // some editors begin a file with a byte order mark
	d := &document{kind: ruleFile(), file: file, content: string(content), starts: []int{0}, anchors: map[string]ast.Node{}}
	for i := range d.content {
		if d.content[i] == '\n' {
			d.starts = append(d.starts, i+1)
		}
	}
	return d
}

// line returns the text of a line, counted from 1.
func (d *document) line(n int) string {
	if n < 1 || n > len(d.starts) {
		return ""
	}
	rest := d.content[d.starts[n-1]:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return strings.TrimSuffix(rest, "\r")
}

// A place is a span of the file on one line; line 0 is the file as a whole.
type place struct{ line, column, length int }

// placeAt returns the place of a byte offset. The length, in bytes, is cut at the end of the line.
func (d *document) placeAt(offset, length int) place {
	offset = min(max(offset, 0), len(d.content))
	n, found := slices.BinarySearch(d.starts, offset)
	if !found {
		n--
	}
	begin := d.starts[n]
	line := d.line(n + 1)
	column := min(offset-begin, len(line))
	text := line[column:]
	text = text[:min(max(length, 0), len(text))]
	return place{line: n + 1, column: utf8.RuneCountInString(line[:column]) + 1, length: max(utf8.RuneCountInString(text), 1)}
}

// offsetOf returns the byte offset of a token's position.
func (d *document) offsetOf(p *token.Position) int {
	if p.Line < 1 || p.Line > len(d.starts) {
		return 0
	}
	offset := d.starts[p.Line-1]
	for column := p.Column; column > 1 && offset < len(d.content) && d.content[offset] != '\n'; column-- {
		_, size := utf8.DecodeRuneInString(d.content[offset:])
		offset += size
	}
	return offset
}

// placeOf returns the place of a node: its first token.
func (d *document) placeOf(n ast.Node) place {
	t := n.GetToken()
	length := len(t.Value)
	switch v := n.(type) {
	case *ast.MappingNode:
		if len(v.Values) > 0 && !v.IsFlowStyle {
			return d.placeOf(v.Values[0])
		}
		length = 1
	case *ast.MappingValueNode:
		return d.placeOf(v.Key)
	case *ast.SequenceNode:
		length = 1
	case *ast.StringNode:
		if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
			length += 2
		}
	}
	return d.placeAt(d.offsetOf(t.Position), length)
}

// add notes a problem.
func (d *document) add(s Severity, at place, message, hint string) {
	d.problems = append(d.problems, Problem{
		File: d.file, Line: at.line, Column: at.column, Length: at.length, Severity: s,
		Rule: d.rule, Message: message, Hint: hint, Source: d.line(at.line),
	})
}

func (d *document) fault(at place, message, hint string) { d.add(Error, at, message, hint) }

// faulty says whether a problem is an error.
func faulty(p Problem) bool { return p.Severity == Error }

// rest returns the source from a place to the end of its line, without a trailing comma or bracket of a flow map.
func (d *document) rest(at place) string {
	line := []rune(d.line(at.line))
	if at.column < 1 || at.column > len(line) {
		return ""
	}
	return strings.TrimSpace(string(line[at.column-1:]))
}

// quoted returns text as a YAML scalar that means exactly it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
