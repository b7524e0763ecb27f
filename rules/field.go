package rules

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// DocumentKind says what a Document is, for messages.
type DocumentKind struct {
	// Name names it with its article: "a rule file". Empty says that there is nothing in it, Begins is its first key and
	// Merge what to do in the place of YAML's merge key.
	Name, Empty, Begins, Merge string
	// Foreign returns a hint for a key that other systems have where one of keys stands here, or "".
	Foreign func(key string, keys []string) string
}

// Document is a YAML file about rules, such as their tests, that is read as strictly as the rules themselves: each fault
// is noted with its place and with what was probably meant, and reading goes on.
type Document struct{ document *document }

// NewDocument begins to read a file.
func NewDocument(file string, content []byte, kind DocumentKind) *Document {
	d := newDocument(file, content)
	d.kind = kind
	return &Document{d}
}

// Root returns the value of the whole file; ok is false after a fault.
func (d *Document) Root() (f Field, ok bool) {
	root := d.document.root()
	if root == nil {
		return Field{}, false
	}
	return Field{document: d.document, entry: entry{place: d.document.placeOf(root), value: root}}, true
}

// About names what is being read, such as a test, in the problems from here on; "" ends it.
func (d *Document) About(name string) { d.document.rule = name }

// Problems returns what was noted, in the order of the file.
func (d *Document) Problems() []Problem { return tidy(d.document.problems) }

// Faults returns how many errors were noted so far.
func (d *Document) Faults() int {
	n := 0
	for _, p := range d.document.problems {
		if faulty(p) {
			n++
		}
	}
	return n
}

// Field is a value of a Document and the key that it stands under.
type Field struct {
	document *document
	entry    entry
}

// Key returns the key of the field; items of a list have that of the list.
func (f Field) Key() string { return f.entry.key }

// Is says whether the field is there: the zero Field is not.
func (f Field) Is() bool { return f.document != nil }

// Shape is what a Field's value is.
type Shape uint8

// The shapes.
const (
	NoShape Shape = iota // null, or a fault
	MappingShape
	ListShape
	TextShape
	IntegerShape
	FloatShape
	TruthShape
)

// Shape returns what the value is.
func (f Field) Shape() Shape {
	switch f.document.unwrap(f.entry.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return MappingShape
	case *ast.SequenceNode:
		return ListShape
	case *ast.IntegerNode:
		return IntegerShape
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return FloatShape
	case *ast.BoolNode:
		return TruthShape
	case *ast.StringNode, *ast.LiteralNode:
		return TextShape
	default:
		return NoShape
	}
}

// Fields returns the entries of a mapping, of each key the first, and notes those that are none of keys; without keys
// all are allowed. what names the mapping in messages.
func (f Field) Fields(what string, keys []string) []Field {
	if isNull(f.document.unwrap(f.entry.value)) {
		f.Fault(what+" is empty", "give it entries or remove it")
		return nil
	}
	var out []Field
	for _, e := range f.document.entries(f.entry.value, what, keys) {
		out = append(out, Field{f.document, e})
	}
	return out
}

// Items returns the items of a list; a single value counts as a list of one, and nothing as an empty list.
func (f Field) Items() []Field {
	if isNull(f.document.unwrap(f.entry.value)) {
		return nil
	}
	var out []Field
	for _, n := range f.document.items(f.entry.value) {
		out = append(out, Field{f.document, entry{key: f.entry.key, place: f.document.placeOf(n), value: n}})
	}
	return out
}

// Scalar is a text, number or truth value as it is written.
type Scalar struct {
	Text     string
	document *document
	scalar   scalar
}

// Scalar returns the value as a scalar that is not empty; ok is false after a fault.
func (f Field) Scalar() (s Scalar, ok bool) {
	read, ok := f.document.text(f.entry)
	return Scalar{read.text, f.document, read}, ok
}

// Blank returns the value as Scalar does, but lets an empty text pass.
func (f Field) Blank() (s Scalar, ok bool) {
	if n := f.document.unwrap(f.entry.value); n != nil {
		if read, is := f.document.scalarOf(n); is && read.text == "" && !read.plain {
			return Scalar{"", f.document, read}, true
		}
	}
	return f.Scalar()
}

// Length returns the value as a length of time; ok is false after a fault.
func (f Field) Length() (d time.Duration, ok bool) {
	into := map[string]length{}
	f.document.length(f.entry, into)
	l, ok := into[f.entry.key]
	return l.value, ok
}

// Whole returns the value as a whole number from least to most; ok is false after a fault.
func (f Field) Whole(least, most int) (n int, ok bool) {
	s, ok := f.Scalar()
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(s.Text, "_", ""))
	if err != nil || n < least || n > most {
		s.Fault(0, len(s.Text), "`"+f.Key()+"` is a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "")
		return 0, false
	}
	return n, true
}

// Truth returns the value as true or false; ok is false after a fault.
func (f Field) Truth() (value, ok bool) {
	into := map[string]bool{}
	f.document.flag(f.entry, into)
	value, ok = into[f.entry.key]
	return value, ok
}

// Fault notes an error about the field's key, or about the item of a list.
func (f Field) Fault(message, hint string) { f.document.fault(f.entry.place, message, hint) }

// FaultAtValue notes an error about the field's value.
func (f Field) FaultAtValue(message, hint string) {
	at := f.entry.place
	if !isNull(f.entry.value) {
		at = f.document.placeOf(f.entry.value)
	}
	f.document.fault(at, message, hint)
}

// Warn notes a warning about the field's key.
func (f Field) Warn(message, hint string) { f.document.add(Warning, f.entry.place, message, hint) }

// Place returns a problem that only says where the field is, for messages about it later on.
func (f Field) Place() Problem {
	at := f.entry.place
	return Problem{File: f.document.file, Line: at.line, Column: at.column, Length: at.length, Source: f.document.line(at.line)}
}

// Rest returns the source from the value to the end of its line.
func (f Field) Rest() string { return f.document.rest(f.document.placeOf(f.entry.value)) }

// Fault notes an error about a span of the text, in bytes.
func (s Scalar) Fault(offset, size int, message, hint string) {
	s.document.fault(s.document.at(s.scalar, offset, size), message, hint)
}
