package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/freshet-dev/freshet/rules/expr"
)

// An entry is one key of a mapping and its value.
type entry struct {
	key   string
	place place // of the key
	value ast.Node
}

// root parses the file and returns the node of its only document, nil after a fault.
func (d *document) root() ast.Node {
	file, err := parser.ParseBytes([]byte(d.content), parser.ParseComments, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case body == nil:
			body = doc.Body
		default:
			d.fault(d.placeOf(doc.Body), d.kind.Name+" is one YAML document, and here a second begins", "remove the --- or use two files")
		}
	}
	if body == nil && len(d.problems) == 0 {
		d.fault(place{}, d.kind.Empty, "it begins with "+d.kind.Begins)
	}
	return body
}

// syntax reports what the YAML parser stopped at.
func (d *document) syntax(err error) {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		d.fault(place{}, "this is no YAML: "+err.Error(), "")
		return
	}
	p := d.placeAt(d.offsetOf(at.GetToken().Position), 1)
	hint := ""
	for _, line := range []int{p.line, p.line - 1} {
		if hint = d.trap(line); hint != "" {
			break
		}
	}
	d.fault(p, "this is no YAML: "+at.GetMessage(), hint)
}

// trap returns the quoted form of a line's value when the value is one that YAML misreads without quotes.
func (d *document) trap(line int) string {
	text := strings.TrimPrefix(strings.TrimSpace(d.line(line)), "- ")
	key, value, found := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !found || value == "" || strings.ContainsAny(key, " \"'{[") {
		return ""
	}
	switch {
	case strings.HasPrefix(value, `"`):
		if strings.Contains(value, `\`) && strings.HasSuffix(value, `"`) {
			return `\ begins an escape within "…"; write ` + key + ": " + quoted(strings.Trim(value, `"`))
		}
		return ""
	case strings.HasPrefix(value, "["), strings.HasPrefix(value, "{") && !strings.HasPrefix(value, "{{"):
		return "within […] and {…} quote what holds brackets, braces, commas or a colon, as in ['attributes[\"user.name\"]']"
	case strings.HasPrefix(value, "'"), strings.HasPrefix(value, "|"), strings.HasPrefix(value, ">"):
		return ""
	case strings.HasPrefix(value, "{{"), strings.IndexByte("!&*@`%", value[0]) >= 0, strings.Contains(value, ": "):
		return "quote it: " + key + ": " + quoted(value)
	default:
		return ""
	}
}

// unwrap follows anchors, aliases and the tag !!str; nil after a fault.
func (d *document) unwrap(n ast.Node) ast.Node {
	for range 100 { // more is a loop of aliases
		switch v := n.(type) {
		case *ast.AnchorNode:
			d.anchors[v.Name.GetToken().Value] = v.Value
			n = v.Value
		case *ast.AliasNode:
			name := v.Value.GetToken().Value
			target := d.anchors[name]
			if target == nil {
				at := d.placeOf(v)
				d.fault(at, "YAML reads *"+name+" as an alias, and there is no anchor &"+name, "quote it: "+quoted(d.rest(at)))
				return nil
			}
			n = target
		case *ast.TagNode:
			if v.GetToken().Value == "!!str" {
				n = v.Value
				continue
			}
			at := d.placeOf(v)
			d.fault(at, "YAML reads "+v.GetToken().Value+" as a tag", "quote it: "+quoted(d.rest(at)))
			return nil
		default:
			return n
		}
	}
	return nil
}

// entries returns the entries of a mapping, of each key the first, and reports unknown and repeated keys. what names
// the mapping in messages; a nil keys allows all.
func (d *document) entries(n ast.Node, what string, keys []string) []entry {
	n = d.unwrap(n)
	var values []*ast.MappingValueNode
	flow := false
	switch v := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		values, flow = v.Values, v.IsFlowStyle
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		hint := ""
		if len(keys) > 0 {
			hint = "its keys are " + strings.Join(keys, ", ")
		}
		d.fault(d.placeOf(n), what+" is a mapping, and this is "+describe(n), hint)
		return nil
	}
	var out []entry
	for _, v := range values {
		at := d.placeOf(v.Key)
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			d.fault(at, "YAML's merge key << is not supported", d.kind.Merge)
			continue
		}
		key := v.Key.GetToken().Value
		if flow && isNull(v.Value) && !d.isWritten(v.Value, at) && !slices.Contains(keys, key) {
			d.fault(at, "YAML splits "+what+" at this comma, so `"+key+"` is a key without a value", "quote what holds a comma, as in "+d.flowHint(out, at))
			continue
		}
		if i := slices.IndexFunc(out, func(e entry) bool { return e.key == key }); i >= 0 {
			d.fault(at, "`"+key+"` stands twice in "+what, "remove one")
			continue
		}
		if keys != nil && !slices.Contains(keys, key) {
			d.unknownKey(at, key, what, keys)
			continue
		}
		out = append(out, entry{key: key, place: at, value: v.Value})
	}
	return out
}

// flowHint returns the quoted form of the value before a comma together with what follows it.
func (d *document) flowHint(before []entry, at place) string {
	if len(before) == 0 {
		return "{key: 'a, b'}"
	}
	last := before[len(before)-1]
	begin := d.placeOf(last.value)
	if begin.line != at.line {
		return "{key: 'a, b'}"
	}
	line := []rune(d.line(at.line))
	end := len(line)
	for i := at.column - 1; i < len(line); i++ {
		if line[i] == '}' || line[i] == ',' {
			end = i
			break
		}
	}
	return last.key + ": " + quoted(strings.TrimSpace(string(line[begin.column-1:end])))
}

func isNull(n ast.Node) bool { return n == nil || n.Type() == ast.NullType }

// isWritten says whether a null stands there as a word, such as null or ~, behind a key.
func (d *document) isWritten(n ast.Node, key place) bool {
	if n == nil {
		return false
	}
	at := d.placeOf(n)
	return at != key && strings.HasPrefix(d.rest(at), n.GetToken().Value)
}

// describe names what a node is.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "empty"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	default:
		return "a text"
	}
}

func (d *document) unknownKey(at place, key, what string, keys []string) {
	hint := ""
	if d.kind.Foreign != nil {
		hint = d.kind.Foreign(key, keys)
	}
	if hint == "" {
		if near := expr.Nearest(key, keys); near != "" {
			hint = "did you mean " + near + "?"
		} else {
			hint = "its keys are " + strings.Join(keys, ", ")
		}
	}
	d.fault(at, what+" has no key `"+key+"`", hint)
}

// ruleFile is the kind of a rule file.
func ruleFile() DocumentKind {
	return DocumentKind{
		Name: "a rule file", Empty: "the file has no rules", Begins: "groups:",
		Merge: "defaults of all rules of a group stand in the group", Foreign: foreignKey,
	}
}

// foreignKey returns a hint for keys of Prometheus, ElastAlert, Datadog, Grafana and Loki that are called otherwise.
func foreignKey(key string, keys []string) string {
	word, note := "", ""
	switch key {
	case "expr", "query", "condition", "expression":
		word = "when"
	case "query_key", "group_by", "groupBy", "groupby", "aggregation_key":
		word = "by"
	case "timeframe", "range", "period":
		word = "window"
	case "query_offset", "query_delay", "evaluation_delay":
		word = "lateness"
	case "limit", "max_query_size":
		word = "max_groups"
	case "filter", "filters", "match", "if":
		word = "where"
	case "index", "source", "signal", "data_source", "datasource", "stream":
		word = "from"
	case "name", "rule", "title":
		word = "alert"
	case "keepFiringFor":
		word = "keep_firing_for"
	case "evaluate_every", "run_every", "step", "evaluation_interval", "every":
		word = "interval"
	case "duration", "pending_period":
		word = "for"
	case "runbook_url", "summary", "description", "message":
		word, note = "annotations", " as annotations: {"+key+": …}"
	case "severity", "priority", "team":
		word, note = "labels", " as labels: {"+key+": …}"
	case "num_events", "threshold":
		word, note = "when", " as when: count() > …"
	case "topics":
		word = "topic"
	case "rule_files", "tests":
		return "this is a file of tests of rules, which `freshet rules test` runs"
	case "type":
		return "there are no types of rules: the condition in when: says it all"
	default:
		return ""
	}
	if !slices.Contains(keys, word) {
		return ""
	}
	if note != "" {
		return "write it" + note
	}
	return "write " + word + ":"
}

// text returns the value of an entry as a scalar; ok is false after a fault.
func (d *document) text(e entry) (scalar, bool) {
	n := d.unwrap(e.value)
	if n == nil {
		return scalar{}, false
	}
	if isNull(n) {
		if token := n.GetToken(); d.isWritten(n, e.place) {
			d.fault(d.placeOf(n), "YAML reads "+token.Value+" as no value", "quote it: "+e.key+": "+quoted(token.Value))
		} else {
			d.fault(e.place, "`"+e.key+"` is empty", "give it a value or remove it")
		}
		return scalar{}, false
	}
	s, ok := d.scalarOf(n)
	if !ok {
		at := d.placeOf(n)
		hint := ""
		if rest := d.rest(at); strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "[") {
			hint = "quote it: " + e.key + ": " + quoted(rest)
		}
		d.fault(at, "`"+e.key+"` is a text, and this is "+describe(n), hint)
		return scalar{}, false
	}
	if strings.TrimSpace(s.text) == "" {
		d.fault(e.place, "`"+e.key+"` is empty", "give it a value or remove it")
		return scalar{}, false
	}
	if s.plain && s.comment != "" && !strings.HasPrefix(s.comment, "# ") && strings.TrimLeft(s.comment, "#") != "" && !strings.HasPrefix(s.comment, "##") {
		d.fault(d.at(s, len(s.text), 1), "YAML cuts this text at ` #`: what follows is a comment", d.cutHint(e.key, s))
		return scalar{}, false
	}
	return s, true
}

// cutHint returns the quoted form of a text that YAML cut at a comment.
func (d *document) cutHint(key string, s scalar) string {
	return "quote it: " + key + ": " + quoted(d.rest(s.place)) + ", or write the comment as `# …`"
}

// items returns the items of a sequence; a single value counts as a list of one.
func (d *document) items(n ast.Node) []ast.Node {
	n = d.unwrap(n)
	switch v := n.(type) {
	case nil:
		return nil
	case *ast.SequenceNode:
		return v.Values
	default:
		return []ast.Node{n}
	}
}
