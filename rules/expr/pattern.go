package expr

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/ingest"
)

// pattern is a regular expression of a rule, compiled once.
type pattern struct {
	*regexp.Regexp
	// literal is in every text that matches, "" when nothing is known to be. Looking for it is many times cheaper than the
	// expression, and most lines lack it.
	literal string
}

func newPattern(source string) (*pattern, error) {
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	p := &pattern{Regexp: re}
	if tree, err := syntax.Parse(source, syntax.Perl); err == nil {
		p.literal = required(tree.Simplify())
	}
	return p, nil
}

// required returns the longest literal that is part of every match.
func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 || strings.ContainsRune(text, utf8.RuneError) { // which also stands for bytes that are no UTF-8
			return ""
		}
		return text
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if text := required(sub); len(text) > len(longest) {
				longest = text
			}
		}
		return longest
	default:
		return ""
	}
}

func (p *pattern) match(s string) bool {
	return strings.Contains(s, p.literal) && p.MatchString(s)
}

// whole returns the first match. It does not allocate.
func (p *pattern) whole(s string) (string, bool) {
	if !strings.Contains(s, p.literal) {
		return "", false
	}
	found := p.FindString(s)
	return found, found != "" || p.MatchString(s)
}

// group returns what the only group has of the first match; false also where the match has no part in it. It allocates
// the 4 numbers in which package regexp gives a match.
func (p *pattern) group(s string) (string, bool) {
	if !strings.Contains(s, p.literal) {
		return "", false
	}
	at := p.FindStringSubmatchIndex(s)
	if at == nil || at[2] < 0 {
		return "", false
	}
	return s[at[2]:at[3]], true
}

// pattern compiles the pattern that a function takes, nil after a fault: one from the record would have to be compiled for
// each.
func (l *lowering[T]) pattern(function string, e ast.Expr) *pattern {
	at := l.starts[e.ID()]
	if e.Kind() != ast.LiteralKind {
		l.fault(at, 1, "as in "+l.language.functions[function].example, "the pattern of `%s` is a text in quotes", function)
		return nil
	}
	source, _ := e.AsLiteral().(types.String)
	p, err := newPattern(string(source))
	if err != nil {
		hint := ""
		if strings.Contains(string(source), "(?=") || strings.Contains(string(source), "(?!") || strings.Contains(string(source), "(?<") {
			hint = "RE2 has no look-ahead and no look-behind"
		}
		length := 1
		if wrong := new(syntax.Error); errors.As(err, &wrong) && wrong.Expr != "" {
			if i := strings.Index(l.source[at:l.end(e)], wrong.Expr); i > 0 { // else there are escapes in between
				at, length = at+i, len(wrong.Expr)
			}
		}
		l.fault(at, length, hint, "the pattern is no RE2 expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil
	}
	return p
}

// matches lowers x.matches("pattern").
func (l *lowering[T]) matches(target operand[T], e ast.Expr) operand[T] {
	p := l.pattern("matches", e)
	if p == nil {
		return operand[T]{kind: truth, truth: func(*T) bool { return false }}
	}
	in := target.asText()
	return operand[T]{kind: truth, truth: func(t *T) bool { s, ok := in(t); return ok && p.match(s) }}
}

// extract lowers extract(x, "pattern"). What it gives is dynamic, as an attribute is: a text that may hold a number.
func (l *lowering[T]) extract(target operand[T], e ast.Expr) operand[T] {
	p := l.pattern("extract", e)
	if p != nil && p.NumSubexp() > 1 {
		l.fault(l.starts[e.ID()], 1, "write (?:…) for a group that is not to be extracted", "the pattern of `extract` has %d groups, and one can be extracted", p.NumSubexp())
		p = nil
	}
	if p == nil {
		return operand[T]{kind: dynamic, value: func(*T) ingest.Value { return ingest.Value{} }}
	}
	in, find := target.asText(), p.group
	if p.NumSubexp() == 0 {
		find = p.whole
	}
	return operand[T]{kind: dynamic, trend: onlyFixed(target.trend), value: func(t *T) ingest.Value {
		s, ok := in(t)
		if !ok {
			return ingest.Value{}
		}
		found, ok := find(s)
		if !ok {
			return ingest.Value{}
		}
		return ingest.StringValue(found)
	}}
}
