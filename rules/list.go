package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules/expr"
)

// ListFile is a file of values that a rule file names under `lists`.
type ListFile struct {
	// Path is what the rule file says, Name where that is: beside the rule file, when it is relative.
	Path, Name string
	Content    []byte
	// Err says why it could not be read.
	Err error
}

// mostListBytes bounds a file of values: what is larger is none.
const mostListBytes = 16 << 20

// readLists reads the files of values that a rule file names. That one cannot be read is a fault of the rule file.
func readLists(name string, content []byte) []ListFile {
	if !bytes.Contains(content, []byte("lists")) {
		return nil
	}
	var out []ListFile
	d := newDocument(name, content)
	for _, e := range d.entries(d.root(), "", nil) {
		if e.key != "lists" {
			continue
		}
		for _, l := range d.entries(e.value, "", nil) {
			if path, ok := d.listPath(l); ok {
				out = append(out, readList(filepath.Dir(name), path.text))
			}
		}
	}
	return out
}

func readList(folder, path string) ListFile {
	f := ListFile{Path: path, Name: path}
	if !filepath.IsAbs(path) {
		f.Name = filepath.Join(folder, path)
	}
	info, err := os.Stat(f.Name)
	switch {
	case err != nil:
		f.Err = err
	case !info.Mode().IsRegular():
		f.Err = errors.New("it is no file")
	case info.Size() > mostListBytes:
		f.Err = fmt.Errorf("it is larger than %d MiB", mostListBytes>>20)
	default:
		f.Content, f.Err = os.ReadFile(f.Name)
	}
	return f
}

// why says in a few words why the file could not be read.
func (f *ListFile) why() string {
	if path, ok := errors.AsType[*fs.PathError](f.Err); ok {
		return path.Err.Error()
	}
	return f.Err.Error()
}

// isYAML says whether the file is a YAML list; others have one text per line.
func (f *ListFile) isYAML() bool {
	ext := filepath.Ext(f.Path)
	return ext == ".yaml" || ext == ".yml"
}

// listPath returns the file that a list names; ok is false when it names none.
func (d *document) listPath(list entry) (path scalar, ok bool) {
	switch d.unwrap(list.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return scalar{}, false
	}
	for _, e := range d.entries(list.value, "list `"+list.key+"`", []string{"file"}) {
		return d.text(e)
	}
	return scalar{}, false
}

// decodeLists decodes the lists of a rule file. One at fault holds nothing, so that who asks for it is not told of more.
func (d *document) decodeLists(e entry) {
	if isNull(d.unwrap(e.value)) {
		d.fault(e.place, "`lists` is empty", "add one, as in lists: {internal: [10.0.0.1, 10.0.0.2]}, or remove it")
		return
	}
	d.lists, d.listTexts = expr.Lists{}, map[string][]string{}
	for _, list := range d.entries(e.value, "`lists`", nil) {
		d.lists[list.key] = expr.NewList(nil)
		if !labelPattern.MatchString(list.key) {
			d.fault(list.place, "`"+list.key+"` is no name of a list: letters, digits and _, and no digit first", "write "+expr.LabelName(list.key))
			continue
		}
		if values := d.list(list); len(values) > 0 {
			d.lists[list.key] = expr.NewList(values)
			for _, v := range values {
				d.listTexts[list.key] = append(d.listTexts[list.key], string(v.AppendText(nil)))
			}
		}
	}
}

// list returns the values of a list, none after a fault.
func (d *document) list(list entry) []ingest.Value {
	switch v := d.unwrap(list.value).(type) {
	case nil:
		return nil
	case *ast.SequenceNode:
		if len(v.Values) == 0 {
			d.emptyList(list)
			return nil
		}
		return d.listValues(v)
	case *ast.MappingNode, *ast.MappingValueNode:
		return d.listOfFile(list)
	default:
		if isNull(v) {
			d.emptyList(list)
			return nil
		}
		hint := "write " + list.key + ": [" + d.rest(d.placeOf(v)) + "]"
		if s, ok := d.scalarOf(v); ok && strings.ContainsAny(s.text, "/.") {
			hint += ", or " + list.key + ": {file: " + s.text + "}"
		}
		d.fault(d.placeOf(v), "list `"+list.key+"` is "+describe(v)+", expected a list of values or the file of one", hint)
		return nil
	}
}

func (d *document) emptyList(list entry) {
	d.fault(list.place, "list `"+list.key+"` is empty", "as in "+list.key+": [a, b], or "+list.key+": {file: lists/"+list.key+".txt}")
}

// listOfFile returns the values of the file that a list names.
func (d *document) listOfFile(list entry) []ingest.Value {
	before := len(d.problems)
	path, ok := d.listPath(list)
	if !ok {
		if len(d.problems) == before {
			d.fault(list.place, "list `"+list.key+"` names no file", "as in "+list.key+": {file: lists/"+list.key+".txt}")
		}
		return nil
	}
	at := d.at(path, 0, len(path.text))
	var file *ListFile
	for i := range d.listFiles {
		if d.listFiles[i].Path == path.text {
			file = &d.listFiles[i]
		}
	}
	switch {
	case file == nil:
		d.fault(at, "there are no files beside these rules", "write the values: "+list.key+": [a, b]")
		return nil
	case file.Err != nil:
		d.fault(at, "list `"+list.key+"` cannot be read from "+file.Name+": "+file.why(), "the path is relative to the folder of the rule file")
		return nil
	}
	in := newDocument(file.Name, file.Content)
	defer func() { d.listProblems = append(d.listProblems, tidy(in.problems)...) }()
	var values []ingest.Value
	if file.isYAML() {
		in.kind = DocumentKind{Name: "a file of values", Empty: "the file has no values", Begins: "- value"}
		root := in.unwrap(in.root())
		if root == nil {
			return nil
		}
		sequence, ok := root.(*ast.SequenceNode)
		if !ok {
			in.fault(in.placeOf(root), "a YAML file of values is a list, and this is "+describe(root), "begin each value with `- `; a file of one text per line is named otherwise, as in "+strings.TrimSuffix(path.text, filepath.Ext(path.text))+".txt")
			return nil
		}
		values = in.listValues(sequence)
	} else {
		values = in.listLines()
	}
	if len(values) == 0 && len(in.problems) == 0 {
		d.fault(at, "list `"+list.key+"` is empty: there is no value in "+file.Name, "")
	}
	return values
}

// repeats finds values that stand twice in a list, and tells of the first.
type repeats struct {
	seen  map[ingest.Value]bool
	first place
	text  string
	count int
}

func (r *repeats) add(v ingest.Value, text string, at place) {
	if r.seen[v] {
		if r.count++; r.count == 1 {
			r.first, r.text = at, text
		}
		return
	}
	r.seen[v] = true
}

func (r *repeats) tell(d *document) {
	switch {
	case r.count == 1:
		d.add(Warning, r.first, "`"+r.text+"` stands twice in this list", "remove one")
	case r.count > 1:
		d.add(Warning, r.first, fmt.Sprintf("`%s` stands twice in this list, the first of %d values that do", r.text, r.count), "remove one of each")
	}
}

// listValues decodes the values of a YAML list.
func (d *document) listValues(list *ast.SequenceNode) []ingest.Value {
	twice := repeats{seen: map[ingest.Value]bool{}}
	var out []ingest.Value
	for _, item := range list.Values {
		v, text, at, ok := d.listValue(item)
		if !ok {
			continue
		}
		twice.add(v, text, at)
		out = append(out, v)
	}
	twice.tell(d)
	return out
}

// listValue decodes one value. A number that YAML makes of what was meant as a text is a fault: 007, 1.10 and 0x1f.
func (d *document) listValue(item ast.Node) (v ingest.Value, text string, at place, ok bool) {
	item = d.unwrap(item)
	if item == nil {
		return v, "", at, false
	}
	at = d.placeOf(item)
	if isNull(item) {
		d.fault(at, "a value of this list is missing", "a text that YAML takes for no value is quoted: 'null'")
		return v, "", at, false
	}
	s, isScalar := d.scalarOf(item)
	if !isScalar {
		d.fault(at, "a value of a list is a text, a number, true or false, and this is "+describe(item), "")
		return v, "", at, false
	}
	switch n := item.(type) {
	case *ast.BoolNode:
		return ingest.BoolValue(n.Value), s.text, at, true
	case *ast.IntegerNode:
		whole, err := strconv.ParseInt(s.text, 10, 64)
		if err == nil && strconv.FormatInt(whole, 10) == s.text {
			return ingest.IntValue(whole), s.text, at, true
		}
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		x, err := strconv.ParseFloat(s.text, 64)
		if err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) && strconv.FormatFloat(x, 'f', -1, 64) == s.text {
			return ingest.DoubleValue(x), s.text, at, true
		}
	default:
		if s.text == "" {
			d.fault(at, "a value of this list is an empty text", "an attribute that is there and empty is asked for by x == \"\"")
			return v, "", at, false
		}
		return ingest.StringValue(s.text), s.text, at, true
	}
	d.fault(at, "YAML reads "+s.text+" as a number", "quote it if it is a text: "+quoted(s.text)+"; a number is written in the usual form, as in 1000 or 0.5")
	return v, "", at, false
}

// listLines decodes a file of one text per line. `#` begins a comment at the begin of a line and behind white space.
func (d *document) listLines() []ingest.Value {
	twice := repeats{seen: map[ingest.Value]bool{}}
	var out []ingest.Value
	for n, offset := range d.starts {
		line := d.line(n + 1)
		text := strings.TrimSpace(withoutComment(line))
		if text == "" {
			continue
		}
		at := d.placeAt(offset+strings.Index(line, text), len(text))
		if i := strings.IndexFunc(text, isNoText); i >= 0 || !utf8.ValidString(text) {
			d.fault(place{}, fmt.Sprintf("line %d is no text", n+1), "a file of values has one text per line, in UTF-8")
			return nil // of a file that is something else every line would be at fault
		}
		v := ingest.StringValue(text)
		twice.add(v, text, at)
		out = append(out, v)
	}
	twice.tell(d)
	return out
}

func isNoText(r rune) bool { return unicode.IsControl(r) && r != '\t' }

func withoutComment(line string) string {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
