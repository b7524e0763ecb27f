package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// Template is the text of a label or an annotation, with {{ }} expressions as in Prometheus's rules.
type Template struct {
	// Name is the label's or annotation's.
	Name string
	// Text is the text as written.
	Text string

	compiled *template.Template // nil for a text without expressions
}

// Data is what a template is rendered with.
type Data struct {
	// Labels are $labels and Value is $value, NaN when missing.
	Labels label.Set
	Value  float64
	// Threshold is $threshold, NaN when missing.
	Threshold float64
	// Values are $values, the named measures.
	Values map[string]float64
	// Time is the end of the window, $time, in seconds within templates.
	Time time.Time
}

// The variables that a template begins with. The parser counts offsets in the text with this before it.
const preamble = `{{$labels := .Labels}}{{$value := .Value}}{{$threshold := .Threshold}}{{$values := .Values}}{{$time := .Time}}`

// NewTemplate compiles a text. Expressions may use $labels, $value, $threshold, $values, $time and the functions that
// rules/README.md lists.
func NewTemplate(name, text string) (Template, error) {
	t := Template{Name: name, Text: text}
	if !strings.Contains(text, "{{") {
		return t, nil
	}
	compiled, err := template.New(name).Funcs(templateFunctions()).Option("missingkey=zero").Parse(preamble + text)
	if err != nil {
		return t, fmt.Errorf("compiling template %s: %w", name, err)
	}
	t.compiled = compiled
	return t, nil
}

// Render returns the text for the data. When the template fails the text says so and holds the template, so that an
// alert is never lost for its text; the error is for the log.
func (t Template) Render(d Data) (string, error) {
	if t.compiled == nil {
		if !strings.Contains(t.Text, "{{") {
			return t.Text, nil
		}
		var err error
		if t, err = NewTemplate(t.Name, t.Text); err != nil {
			return failed(t.Text, err), err
		}
	}
	var b strings.Builder
	err := t.compiled.Execute(&b, struct {
		Labels           map[string]string
		Value, Threshold float64
		Values           map[string]float64
		Time             float64
	}{d.Labels.Map(), d.Value, d.Threshold, d.Values, float64(d.Time.UnixMilli()) / 1000})
	if err != nil {
		err = fmt.Errorf("rendering template %s: %w", t.Name, err)
		return failed(t.Text, err), err
	}
	return b.String(), nil
}

func failed(text string, err error) string { return text + " (" + err.Error() + ")" }

// A templateFault is one thing wrong with a template, at a byte offset of its text.
type templateFault struct {
	offset, length int
	severity       Severity
	message, hint  string
}

// newTemplate compiles a text and looks through its expressions: labels are those that $labels can have, values the named
// measures.
func newTemplate(name, text string, labels, values []string) (Template, []templateFault) {
	t, err := NewTemplate(name, text)
	if err != nil {
		return t, []templateFault{parseFault(text, err)}
	}
	if t.compiled == nil {
		return t, nil
	}
	l := linter{text: text, labels: labels, values: values}
	for _, one := range t.compiled.Templates() {
		l.walk(one.Root)
	}
	return t, l.faults
}

// parseFault words an error of the template parser, which tells a line and a message.
func parseFault(text string, err error) templateFault {
	f := templateFault{length: 1, severity: Error, message: err.Error()}
	_, rest, _ := strings.Cut(f.message, "template: ")
	_, rest, _ = strings.Cut(rest, ":")
	number, rest, ok := strings.Cut(rest, ": ")
	if !ok {
		return f
	}
	f.message = "the template does not compile: " + rest
	line, _ := strconv.Atoi(strings.TrimSuffix(number, ":"))
	for ; line > 1; line-- {
		i := strings.IndexByte(text[f.offset:], '\n')
		if i < 0 {
			break
		}
		f.offset += i + 1
	}
	if i := strings.Index(text[f.offset:], "{{"); i >= 0 {
		f.offset, f.length = f.offset+i, 2
	} else { // the end is named where something begun before it is not closed
		f.offset, f.length = max(strings.LastIndex(text, "{{"), 0), 2
		f.hint = "an {{ end }} or }} is missing"
	}
	if _, name, ok := strings.Cut(rest, "function \""); ok {
		f.name(text, name)
		f.hint = unknownFunctionHint(f.word(text))
	}
	if _, name, ok := strings.Cut(rest, "undefined variable \""); ok {
		f.name(text, name)
		f.hint = "the variables are $labels, $value, $threshold, $values and $time"
		if near := expr.Nearest(f.word(text), []string{"$labels", "$value", "$threshold", "$values", "$time"}); near != "" {
			f.hint = "did you mean " + near + "?"
		}
	}
	return f
}

// name moves the fault to a name that its message quotes.
func (f *templateFault) name(text, quotedName string) {
	name, _, _ := strings.Cut(quotedName, "\"")
	if i := strings.Index(text[f.offset:], name); i >= 0 && name != "" {
		f.offset, f.length = f.offset+i, len(name)
	}
}

func (f *templateFault) word(text string) string {
	return text[f.offset:min(f.offset+f.length, len(text))]
}

func unknownFunctionHint(name string) string {
	names := templateFunctionNames()
	switch name {
	case "query", "first", "label", "strvalue", "sortByLabel", "tableLink", "graphLink", "externalURL", "pathPrefix":
		return "templates cannot query; they have $labels, $value, $threshold and $values"
	}
	if near := expr.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "the functions are " + strings.Join(names, ", ") + " and those of Go's text/template"
}

// A linter finds uses of $labels and $value that cannot work.
type linter struct {
	text   string
	labels []string
	values []string
	faults []templateFault
}

func (l *linter) walk(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			l.walk(child)
		}
	case *parse.ActionNode:
		l.walk(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, c := range n.Cmds {
			l.walk(c)
		}
	case *parse.CommandNode:
		for _, arg := range n.Args {
			l.walk(arg)
		}
	case *parse.VariableNode:
		l.variable(n.Ident, int(n.Pos))
	case *parse.FieldNode:
		l.variable(append([]string{"$" + strings.ToLower(n.Ident[0])}, n.Ident[1:]...), int(n.Pos))
	case *parse.ChainNode:
		l.walk(n.Node)
	case *parse.IfNode:
		l.branch(&n.BranchNode)
	case *parse.RangeNode:
		l.branch(&n.BranchNode)
	case *parse.WithNode:
		l.branch(&n.BranchNode)
	case *parse.TemplateNode:
		l.walk(n.Pipe)
	}
}

func (l *linter) branch(n *parse.BranchNode) {
	l.walk(n.Pipe)
	l.walk(n.List)
	l.walk(n.ElseList)
}

// variable judges $labels.a.b and the like.
func (l *linter) variable(parts []string, pos int) {
	if len(parts) < 2 {
		return
	}
	written := strings.Join(parts, ".")
	offset := pos - len(preamble)
	if offset < 0 || offset > len(l.text) {
		return // the preamble's own
	}
	if i := strings.Index(l.text[offset:], parts[1]); i >= 0 && i <= len(written) {
		offset += i
	}
	f := templateFault{offset: offset, length: len(strings.Join(parts[1:], ".")), severity: Error}
	switch parts[0] {
	case "$value", "$threshold", "$time":
		f.message, f.hint = "`"+parts[0]+"` is a number and has no parts", "write {{ "+parts[0]+" }}"
	case "$labels":
		name := strings.Join(parts[1:], ".")
		flat := expr.LabelName(name)
		switch {
		case len(parts) > 2:
			f.message, f.hint = "a label has no parts", "dots of a name are underscores in its label: $labels."+flat
		case slices.Contains(l.labels, name):
			return
		default:
			f.severity = Warning
			f.message = "this rule gives no label `" + name + "`"
			f.hint = l.labelHint(name)
		}
	case "$values":
		if slices.Contains(l.values, parts[1]) {
			return
		}
		f.severity = Warning
		f.message, f.hint = "this rule has no named measure `"+parts[1]+"`", "the measure that it compares is $value, and what it is compared with $threshold"
		if near := expr.Nearest(parts[1], l.values); near != "" {
			f.hint = "did you mean $values." + near + "?"
		} else if len(l.values) > 0 {
			f.hint = "those of let: are " + strings.Join(l.values, ", ")
		}
	default:
		return
	}
	l.faults = append(l.faults, f)
}

func (l *linter) labelHint(name string) string {
	if near := expr.Nearest(name, l.labels); near != "" {
		return "did you mean $labels." + near + "?"
	}
	names := slices.DeleteFunc(slices.Clone(l.labels), func(n string) bool { return n == label.AlertName })
	if len(names) == 0 {
		return "add it to by:"
	}
	return "add it to by:, or use " + strings.Join(names, ", ")
}
