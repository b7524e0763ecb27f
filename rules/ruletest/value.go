package ruletest

import (
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
	"github.com/freshet-dev/freshet/rules/expr"
)

// reader reads values that differ from record to record. Each that is random is random in its own way.
type reader struct {
	purposes uint64
	depth    int // of the value being read
}

// mostDepth bounds how deeply values are nested: more is an alias of YAML that holds itself.
const mostDepth = 32

// tell gives a generator a purpose of its own.
func (r *reader) tell(g *generator) *generator {
	r.purposes++
	g.purpose = r.purposes
	return g
}

// text reads a text; ok is false after a fault.
func (r *reader) text(f rules.Field) (t *text, ok bool) {
	s, ok := f.Blank()
	if !ok {
		return nil, false
	}
	return r.textOf(s)
}

func (r *reader) textOf(s rules.Scalar) (t *text, ok bool) {
	t, fault := readText(s.Text)
	noteFault(s, fault)
	if fault != nil {
		return nil, false
	}
	for _, p := range t.parts {
		if p.generator != nil {
			r.tell(p.generator)
		}
	}
	return t, true
}

// number reads a number, a range, a series or a generator in braces; lengths lets numbers be lengths of time, which count
// in seconds. ok is false after a fault.
func (r *reader) number(f rules.Field, lengths bool) (g *generator, ok bool) {
	s, ok := f.Scalar()
	if !ok {
		return nil, false
	}
	g, fault := readAmount(strings.TrimSpace(s.Text), lengths)
	noteFault(s, fault)
	if fault != nil {
		return nil, false
	}
	return r.tell(g), true
}

// readAmount reads what a field that is a number may be.
func readAmount(text string, lengths bool) (*generator, *notationFault) {
	if x, ok := readNumber(text, lengths); ok {
		return &generator{from: x}, nil
	}
	if inner, is := strings.CutPrefix(text, "{"); is && strings.HasSuffix(inner, "}") {
		g, known, fault := readGenerator(strings.TrimSuffix(inner, "}"))
		if fault != nil {
			fault.offset++
			return nil, fault
		}
		if known && (g.kind != cycle || numeric(g.values)) {
			return g, nil
		}
	}
	if strings.Contains(text, "..") {
		return readRange(text, lengths)
	}
	if g, fault := readSeries(text); fault == nil {
		return g, nil
	}
	hint := "as in 0.5, 0.1..2 or 1x9 5x20"
	if lengths {
		hint = "as in 0.5, 250ms, 0.1..2 or 1x9 5x20"
	}
	return nil, &notationFault{length: len(text), message: strconv.Quote(text) + " is no number", hint: hint}
}

func numeric(values []ingest.Value) bool {
	for _, v := range values {
		if _, ok := v.Number(); !ok {
			return false
		}
	}
	return true
}

// value is what an attribute may be: a text, a number, a truth value, or a list of those.
type value struct {
	fixed  ingest.Value
	text   *text    // where it is not fixed
	list   []*value // likewise
	object *object  // likewise
}

// isFixed says whether the value is the same for all records.
func (v *value) isFixed() bool { return v.text == nil && v.list == nil && v.object == nil }

func (v *value) at(m moment) ingest.Value {
	switch {
	case v.text != nil:
		return v.text.value(m)
	case v.list != nil:
		return ingest.ListValue(string(v.appendJSON(nil, m)))
	case v.object != nil:
		return ingest.MapValue(string(v.object.append(nil, m)))
	default:
		return v.fixed
	}
}

func (v *value) appendJSON(b []byte, m moment) []byte {
	if v.list == nil {
		return v.at(m).AppendJSON(b)
	}
	b = append(b, '[')
	for i, item := range v.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = item.appendJSON(b, m)
	}
	return append(b, ']')
}

// value reads a value; ok is false after a fault. With maps it may be a mapping, which becomes JSON.
func (r *reader) value(f rules.Field, maps bool) (v *value, ok bool) {
	v = new(value)
	if r.depth >= mostDepth {
		f.FaultAtValue("this is nested too deeply", "")
		return nil, false
	}
	r.depth++
	defer func() { r.depth-- }()
	switch f.Shape() {
	case rules.MappingShape:
		if maps {
			v.object, ok = r.object(f)
			return v, ok
		}
		hint := "a nested attribute is written by its dotted name"
		if rest := f.Rest(); strings.HasPrefix(rest, "{") {
			end := strings.IndexByte(rest, '}') + 1
			hint = "quote it: " + f.Key() + ": '" + rest[:max(end, 1)] + "'"
		}
		f.FaultAtValue("`"+f.Key()+"` is a text, a number, true or false, or a list of them, and this is a mapping", hint)
		return nil, false
	case rules.ListShape:
		v.list = []*value{}
		ok = true
		for _, item := range f.Items() {
			one, good := r.value(item, maps)
			ok = ok && good
			v.list = append(v.list, one)
		}
		return v, ok
	case rules.NoShape:
		if maps { // JSON has null
			return v, true
		}
		_, ok = f.Scalar() // which says what is wrong
		return nil, ok
	default:
		s, ok := f.Blank()
		if !ok {
			return nil, false
		}
		if v.fixed, ok = typed(f.Shape(), s.Text); ok {
			return v, true
		}
		t, ok := r.textOf(s)
		if !ok {
			return nil, false
		}
		if fixed, is := t.fixed(); is {
			v.fixed = ingest.StringValue(fixed)
		} else {
			v.text = t
		}
		return v, true
	}
}

// typed returns the value of a scalar that YAML takes for a number or a truth value.
func typed(shape rules.Shape, text string) (ingest.Value, bool) {
	switch shape {
	case rules.TruthShape:
		b, err := strconv.ParseBool(strings.ToLower(text))
		return ingest.BoolValue(b), err == nil
	case rules.IntegerShape:
		n, err := strconv.ParseInt(text, 0, 64)
		return ingest.IntValue(n), err == nil
	case rules.FloatShape:
		// YAML writes .inf and .nan for what Go reads without the point.
		word := strings.ToLower(strings.ReplaceAll(text, "_", ""))
		if strings.HasSuffix(word, ".inf") || strings.HasSuffix(word, ".nan") {
			word = strings.Replace(word, ".", "", 1)
		}
		x, err := strconv.ParseFloat(word, 64)
		return ingest.DoubleValue(x), err == nil
	default:
		return ingest.Value{}, false
	}
}

// attributes are those of a record, a resource or a scope.
type attributes struct {
	names  []string
	values []*value
	fixed  ingest.Attrs // where all are
	buf    ingest.Attrs
}

func (a *attributes) isFixed() bool { return len(a.fixed) == len(a.values) }

// at returns the attributes of a record, valid until the next call.
func (a *attributes) at(m moment) ingest.Attrs {
	if a.isFixed() {
		return a.fixed
	}
	a.buf = a.buf[:0]
	for i, v := range a.values {
		a.buf = append(a.buf, ingest.Attr{Key: a.names[i], Value: v.at(m)})
	}
	return a.buf
}

// set adds an attribute.
func (a *attributes) set(name string, v *value) {
	if v.isFixed() && a.isFixed() {
		a.fixed = append(a.fixed, ingest.Attr{Key: name, Value: v.fixed})
	}
	a.names, a.values = append(a.names, name), append(a.values, v)
}

// attributes reads a mapping of attributes into a.
func (r *reader) attributes(f rules.Field, a *attributes) {
	for _, entry := range f.Fields("`"+f.Key()+"`", nil) {
		if v, ok := r.value(entry, false); ok {
			a.set(entry.Key(), v)
		}
	}
}

// object is a JSON object whose values may differ from record to record.
type object struct {
	names  []string
	values []*value
}

func (r *reader) object(f rules.Field) (j *object, ok bool) {
	j, ok = new(object), true
	for _, entry := range f.Fields("`"+f.Key()+"`", nil) {
		v, good := r.value(entry, true)
		ok = ok && good
		j.names, j.values = append(j.names, entry.Key()), append(j.values, v)
	}
	return j, ok
}

func (j *object) append(b []byte, m moment) []byte {
	b = append(b, '{')
	for i, v := range j.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = ingest.AppendJSONString(b, j.names[i])
		b = append(b, ':')
		b = v.appendJSON(b, m)
	}
	return append(b, '}')
}

// choice is a number that a name stands for, or several, taken one after the other.
type choice struct {
	numbers []int32
	names   []string
}

func (c *choice) at(m moment) (int32, string) {
	if len(c.numbers) == 0 {
		return 0, ""
	}
	i := m.i % len(c.numbers)
	return c.numbers[i], c.names[i]
}

// choice reads a name, or a cycle of names. number returns what a name stands for, names are the usual ones.
func (r *reader) choice(f rules.Field, number func(name string) (int32, bool), names []string) (c choice, ok bool) {
	s, ok := f.Scalar()
	if !ok {
		return c, false
	}
	t, ok := r.textOf(s)
	if !ok {
		return c, false
	}
	words := []string{s.Text}
	if len(t.parts) == 1 && t.parts[0].generator != nil && t.parts[0].generator.kind == cycle {
		words = words[:0]
		for _, v := range t.parts[0].generator.values {
			words = append(words, v.Text())
		}
	}
	for _, word := range words {
		n, ok := number(word)
		if !ok {
			hint := "it is one of " + strings.Join(names, ", ")
			if near := expr.Nearest(word, names); near != "" {
				hint = "did you mean " + near + "?"
			}
			s.Fault(strings.Index(s.Text, word), len(word), "there is no `"+f.Key()+"` "+word, hint)
			return c, false
		}
		c.numbers, c.names = append(c.numbers, n), append(c.names, word)
	}
	return c, true
}
