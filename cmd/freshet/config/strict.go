package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/alert"
)

// Fault is one thing that is wrong in a configuration file.
type Fault struct {
	// File is the file as it was named.
	File string
	// Path is where it is, as in "kafka.sasl.mechanism".
	Path string
	// Line and Column count from 1; both are 0 when the fault belongs to no place in the file.
	Line, Column int
	Message      string
	Hint         string
	// Source is the line of the file.
	Source string
}

// strict decodes YAML into Go values and collects every fault rather than stopping at the first: unknown keys, wrong
// types, unset environment variables. The library's own decoder stops at the first and knows no columns, hence the walk.
type strict struct {
	file      string
	lines     []string
	lookupEnv func(string) (string, bool)
	positions map[string]position
	faults    []Fault
	values    int // decoded so far
	// undecoded are the paths whose values are not known.
	undecoded []string
	// hidden are the nodes that may hold secrets, by their lines.
	hidden map[int][]*yaml.Node
	// foreign says that the file is Alertmanager's, and means what it means there: $$ is left as it is, but before a brace, and
	// yes and no are no texts where any value may stand.
	foreign bool
	// filled are pairs: a value from the environment as a message quotes it, and what stands in the file instead.
	filled []string
}

type position struct{ line, column int }

// decode fills the struct that into points to.
func (s *strict) decode(content []byte, into any) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			s.syntax(err)
		}
		return
	}
	if err := decoder.Decode(&second); err == nil {
		s.fault("", &second, "a second YAML document begins here", "one file holds one document")
	} else if !errors.Is(err, io.EOF) {
		s.syntax(err)
	}
	s.value(doc.Content[0], reflect.ValueOf(into).Elem(), "")
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntax reports what the parser stopped at; it tells the line in its text only.
func (s *strict) syntax(err error) {
	f := Fault{Message: "not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		f.Line, _ = strconv.Atoi(m[1]) // digits, by the pattern
		f.Column = 1
		f.Message = "not valid YAML: " + err.Error()[len(m[0]):]
		if f.Line > 0 && f.Line <= len(s.lines) && sensitive.MatchString(s.lines[f.Line-1]) {
			s.lines[f.Line-1] = "" // nobody knows where a secret is in it
		}
	}
	s.faults = append(s.faults, f)
}

func (s *strict) fault(path string, n *yaml.Node, message, hint string) {
	s.faults = append(s.faults, Fault{Path: path, Line: n.Line, Column: n.Column, Message: message, Hint: hint})
}

// maxValues bounds the values of a file: aliases can stand for more than anybody writes, or without end for themselves.
const maxValues = 100_000

func (s *strict) value(n *yaml.Node, v reflect.Value, path string) {
	if s.values++; s.values >= maxValues || len(path) > 1000 {
		if s.values == maxValues || len(path) > 1000 {
			s.fault("", n, "too many values", "an alias stands for something that holds the alias itself, or for too much")
			s.values = maxValues
		}
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	s.positions[path] = position{n.Line, n.Column}
	if holdsSecret(v.Type()) {
		s.hide(n)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		s.fault(path, n, "the YAML tag "+n.Tag+" has no meaning here", "put the value in quotes: \""+n.Tag+" …\"")
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a key without a value keeps its default
	}
	if v.Type() == reflect.TypeFor[alert.Unused]() && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		return // an empty list of what freshet does not have is as good as none
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		s.value(n, v.Elem(), path)
		return
	}
	if text, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		s.scalar(n, path, "a "+noun(v.Type()), func(raw string) error { return text.UnmarshalText([]byte(raw)) })
		return
	}
	if own, ok := reflect.TypeAssert[selfDecoding](v.Addr()); ok {
		s.self(n, own, path)
		return
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		s.scalar(n, path, "a duration such as 30s, 5m or 1d", func(raw string) error {
			d, err := duration(raw)
			if err == nil {
				v.SetInt(int64(d))
			}
			return err
		})
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		s.mapping(n, v, path)
	case reflect.Slice:
		s.sequence(n, v, path)
	case reflect.Map:
		s.dictionary(n, v, path)
	case reflect.Interface:
		s.anything(n, v, path)
	case reflect.String:
		s.scalar(n, path, "text", func(raw string) error { v.SetString(raw); return nil })
	case reflect.Bool:
		s.scalar(n, path, "true or false", func(raw string) error {
			b, err := boolean(raw)
			if err == nil {
				v.SetBool(b)
			}
			return err
		})
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		s.scalar(n, path, "a whole number", func(raw string) error {
			i, err := strconv.ParseInt(strings.ReplaceAll(raw, "_", ""), 10, v.Type().Bits())
			if err == nil {
				v.SetInt(i)
			}
			return err
		})
	case reflect.Float64:
		s.scalar(n, path, "a number", func(raw string) error {
			f, err := strconv.ParseFloat(raw, 64)
			if err == nil {
				v.SetFloat(f)
			}
			return err
		})
	default:
		s.fault(path, n, fmt.Sprintf("no value can stand here (%s)", v.Kind()), "")
	}
}

func (s *strict) mapping(n *yaml.Node, v reflect.Value, path string) {
	if !s.expect(n, yaml.MappingNode, path, "a mapping of keys to values", "") {
		return
	}
	fields := fieldsOf(v)
	seen := map[string]bool{}
	for _, p := range s.pairs(n, path) {
		key := p.key.Value
		at := join(path, key)
		field, known := fields[key]
		switch {
		case !known:
			s.unknown(p, at, fields)
		case seen[key]:
			if holdsSecret(field.Type()) {
				s.hide(p.value)
			}
			s.fault(at, p.key, fmt.Sprintf("key %q stands twice", key), "")
		default:
			s.value(p.value, field, at)
		}
		seen[key] = true
	}
}

// unknown reports a key that no field has. Its value may be meant for a key that holds a secret.
func (s *strict) unknown(p pair, path string, fields map[string]reflect.Value) {
	key, message := p.key.Value, fmt.Sprintf("unknown key %q", p.key.Value)
	if p.merged {
		message += ", merged in by <<"
	}
	all := slices.Sorted(maps.Keys(fields))
	if field, ok := fields[nearest(key, all)]; ok && holdsSecret(field.Type()) || sensitive.MatchString(key+":") {
		s.hide(p.value)
	}
	useful := slices.DeleteFunc(all, func(name string) bool { return fields[name].Type() == reflect.TypeFor[alert.Unused]() })
	s.fault(path, p.key, message, didYouMean(key, useful))
}

// expect reports a node of another kind.
func (s *strict) expect(n *yaml.Node, kind yaml.Kind, path, what, hint string) bool {
	if n.Kind == kind {
		return true
	}
	s.undecoded = append(s.undecoded, path)
	s.fault(path, n, "expected "+what+", found "+kindOf(n), hint)
	return false
}

func (s *strict) sequence(n *yaml.Node, v reflect.Value, path string) {
	if !s.expect(n, yaml.SequenceNode, path, "a list", "write it as [ … ], or one `- ` entry a line") {
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, e := range n.Content {
		s.value(e, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

func (s *strict) dictionary(n *yaml.Node, v reflect.Value, path string) {
	if !s.expect(n, yaml.MappingNode, path, "a mapping of keys to values", "") {
		return
	}
	out := reflect.MakeMap(v.Type())
	for _, p := range s.pairs(n, path) {
		key := p.key.Value
		at := join(path, key)
		if v.Type().Elem().Kind() == reflect.String && p.value.Kind == yaml.ScalarNode && p.value.Tag == "!!null" {
			s.fault(at, p.key, "the value is missing", `write "" for an empty text`)
			continue
		}
		val := reflect.New(v.Type().Elem()).Elem()
		s.value(p.value, val, at)
		out.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), val)
	}
	v.Set(out)
}

// anything decodes what a key of another system's making may hold. A text is one that stands in quotes or looks like no
// other value, the environment filled in.
func (s *strict) anything(n *yaml.Node, v reflect.Value, path string) {
	switch {
	case n.Kind == yaml.MappingNode:
		into := reflect.ValueOf(new(map[string]any)).Elem()
		s.dictionary(n, into, path)
		v.Set(into)
	case n.Kind == yaml.SequenceNode:
		into := reflect.ValueOf(new([]any)).Elem()
		s.sequence(n, into, path)
		v.Set(into)
	case n.Tag == "!!str":
		if b, known := word(n.Value); known && s.foreign && n.Style == 0 {
			v.Set(reflect.ValueOf(b))
			return
		}
		s.scalar(n, path, "text", func(raw string) error { v.Set(reflect.ValueOf(raw)); return nil })
	default:
		var value any
		if err := n.Decode(&value); err != nil {
			s.fault(path, n, "not a value: "+err.Error(), "")
			return
		}
		v.Set(reflect.ValueOf(value))
	}
}

// scalar hands the node's text, environment variables filled in, to set.
func (s *strict) scalar(n *yaml.Node, path, expected string, set func(string) error) {
	if !s.expect(n, yaml.ScalarNode, path, expected, "") {
		return
	}
	raw := n.Value
	expanded, missing := s.expand(raw)
	for _, name := range missing {
		s.undecoded = append(s.undecoded, path)
		s.fault(path, n, "environment variable "+name+" is not set", "set it, or give a default: ${"+name+":-value}")
	}
	if len(missing) > 0 {
		return
	}
	if expanded != raw {
		s.filled = append(s.filled, strconv.Quote(expanded), strconv.Quote(raw))
	}
	if err := set(expanded); err != nil {
		s.undecoded = append(s.undecoded, path)
		shown := strconv.Quote(raw) // as written, so that no secret from the environment is shown
		s.fault(path, n, fmt.Sprintf("expected %s, found %s", expected, shown), detail(err, expanded, raw))
	}
}

// detail returns an error's text as a hint unless it repeats a value that came from the environment.
func detail(err error, expanded, raw string) string {
	var num *strconv.NumError
	if errors.As(err, &num) || expanded != raw {
		return ""
	}
	return err.Error()
}

// fieldsOf maps the yaml names of a struct's fields, inlined structs included, to the fields.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	t := v.Type()
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("yaml")
		name, opts, _ := strings.Cut(tag, ",")
		if strings.Contains(opts, "inline") {
			field := v.Field(i)
			if field.Kind() == reflect.Pointer {
				if field.IsNil() {
					field.Set(reflect.New(field.Type().Elem()))
				}
				field = field.Elem()
			}
			maps.Copy(out, fieldsOf(field))
			continue
		}
		if name != "" && name != "-" {
			out[name] = v.Field(i)
		}
	}
	return out
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return strconv.Quote(n.Value)
	}
}

func noun(t reflect.Type) string {
	name := t.String()
	return strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
