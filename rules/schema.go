package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/freshet-dev/freshet/rules/expr"
	"github.com/freshet-dev/freshet/rules/label"
)

// readmeURL is where descriptions link to.
const readmeURL = "https://github.com/freshet-dev/freshet/blob/main/rules/README.md"

// Patterns of texts, in the dialect that JSON Schema and Go share.
const (
	durationText = `^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$`
	shareText    = `^\s*[0-9]*\.?[0-9]+\s*%?\s*$`
	countText    = `^[0-9_]*[1-9][0-9_]*$`
	someText     = `\S`
)

// object is a JSON object.
type object = map[string]any

// Schema returns a JSON Schema (draft 2020-12) of rule files: editors complete, explain and check by it what is written.
// What needs more than the shape of a file, such as the names in an expression, is for `freshet rules check`.
func Schema() []byte {
	w := schemaWriter{references: expr.References()}
	root := w.mapping(fileTable, "groups")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Rules of freshet"
	root["description"] = "A file of alert rules. " + readmeURL
	root["$defs"] = object{"group": w.group(), "rule": w.rule()}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(root) // texts, numbers and lists of them cannot fail
	return b.Bytes()
}

// schemaWriter makes the schemas of mappings and of values.
type schemaWriter struct{ references []expr.Reference }

// mapping returns the schema of a mapping with the keys of a table.
func (w schemaWriter) mapping(table []key, required ...string) object {
	properties := object{}
	for _, k := range table {
		properties[k.name] = w.property(k)
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func (w schemaWriter) group() object {
	s := w.mapping(slices.Concat(groupTable, sharedTable()), names(groupTable)...)
	// Each rule has a signal, be it that of its group.
	s["anyOf"] = []any{
		object{"required": []string{"from"}},
		object{"properties": object{"rules": object{"items": object{"required": []string{"from"}}}}},
	}
	s["allOf"] = []any{topicNeedsEvents()}
	return s
}

func (w schemaWriter) rule() object {
	s := w.mapping(ruleTable)
	delete(s, "required")
	s["oneOf"] = []any{
		object{"required": []string{"alert", "when"}}, object{"required": []string{"alert", "slo"}},
		object{"required": []string{"record", "value"}, "properties": ofRecords()},
	}
	s["allOf"] = []any{
		topicNeedsEvents(),
		object{
			"if":   object{"required": []string{"slo"}},
			"then": object{"properties": object{"until": false, "value": false}},
		},
	}
	return s
}

// ofRecords takes from a rule that records what is about alerts.
func ofRecords() object {
	none := object{}
	for _, key := range ofAlerts {
		none[key] = false
	}
	return none
}

func topicNeedsEvents() object {
	return object{
		"if":   object{"required": []string{"topic"}},
		"then": object{"properties": object{"from": object{"const": "events"}}},
	}
}

// property returns the schema of a key's value.
func (w schemaWriter) property(k key) object {
	s := w.value(k)
	doc := k.doc
	if k.otherwise != "" {
		doc += "\n\nDefault: " + k.otherwise
	}
	s["description"] = plainText(doc)
	s["markdownDescription"] = strings.ReplaceAll(doc+w.help(k.shape), "](#", "]("+readmeURL+"#")
	if text, ok := strings.CutPrefix(k.otherwise, "`"); ok && strings.Count(k.otherwise, "`") == 2 {
		if text, ok = strings.CutSuffix(text, "`"); ok {
			s["default"] = yamlValue(text)
		}
	}
	for _, example := range k.examples {
		examples, _ := s["examples"].([]any)
		s["examples"] = append(examples, yamlValue(example))
	}
	if snippets := w.snippets(k.shape); len(snippets) > 0 {
		s["defaultSnippets"] = snippets
	}
	return s
}

// value returns the schema of a shape.
func (w schemaWriter) value(k key) object {
	expression := object{"type": []string{"string", "boolean"}, "pattern": someText}
	words := func(all []string) object { return object{"type": "string", "enum": all} }
	byName := func(pattern string, value any) object {
		return object{"type": "object", "propertyNames": object{"pattern": pattern}, "additionalProperties": value, "minProperties": 1}
	}
	name := labelPattern.String()
	switch k.shape {
	case shapeSwitch:
		return object{"type": "boolean"}
	case shapeSignal:
		return words(signals)
	case shapeTopic:
		return object{"type": []string{"string", "number"}, "pattern": topicPattern.String()}
	case shapeMissing:
		return words(missingNames[MissingZero:])
	case shapeClock:
		return words(clocks)
	case shapeDuration:
		return object{"type": []string{"string", "integer"}, "pattern": durationText, "minLength": 1, "maximum": 0, "minimum": 0}
	case shapeCount:
		return object{"type": []string{"integer", "string"}, "minimum": 1, "pattern": countText}
	case shapeShare:
		return object{"type": []string{"string", "number"}, "pattern": shareText, "exclusiveMinimum": 0, "exclusiveMaximum": 1}
	case shapeRecord, shapeMeasure:
		return expression
	case shapeMeasures:
		return byName(name, object{"type": []string{"string", "number", "boolean"}, "pattern": someText})
	case shapeCondition:
		severities := object{}
		for _, severity := range label.Severities() {
			severities[severity] = object{"type": expression["type"], "pattern": someText, "description": "the condition of this severity"}
		}
		return object{"oneOf": []any{expression, object{"type": "object", "properties": severities, "additionalProperties": false, "minProperties": 1}}}
	case shapeKeys:
		entry := []any{object{"type": "string", "pattern": someText}, byName(name, object{"type": "string", "pattern": someText})}
		return object{"oneOf": slices.Concat(entry, []any{object{"type": "array", "items": object{"oneOf": entry}}})}
	case shapeLabels:
		return byName(name, textValue())
	case shapeTexts:
		s := byName(name, textValue())
		s["properties"] = w.mapping(annotationTable)["properties"]
		return s
	case shapeObjective:
		return w.mapping(sloTable, "objective", "good", "total")
	case shapeGroupValues:
		value := textValue()
		group := []any{value, byName(someText, textValue())}
		return object{"oneOf": []any{object{"type": "string", "pattern": `^lists\.`}, object{"type": "array", "items": object{"oneOf": group}, "minItems": 1}}}
	case shapeLists:
		return byName(name, listValue())
	case shapeGroups:
		return object{"type": "array", "items": object{"$ref": "#/$defs/group"}, "minItems": 1}
	case shapeRules:
		return object{"type": "array", "items": object{"$ref": "#/$defs/rule"}, "minItems": 1}
	default:
		return textValue()
	}
}

// textValue is a text, which YAML may take for something else.
func textValue() object {
	return object{"type": []string{"string", "number", "boolean"}, "pattern": someText}
}

// listValue is a list of values, or the file of one.
func listValue() object {
	return object{"oneOf": []any{
		object{"type": "array", "items": textValue(), "minItems": 1},
		object{
			"type": "object", "required": []string{"file"}, "additionalProperties": false,
			"properties": object{"file": object{"type": "string", "pattern": someText, "description": "one text per line, or a YAML list when it is called .yaml; relative to the folder of the rule file"}},
		},
	}}
}

// help returns what an expression of a shape may have in it.
func (w schemaWriter) help(of shape) string {
	var b strings.Builder
	list := func(title string, kinds ...string) {
		fmt.Fprintf(&b, "\n\n**%s**\n", title)
		for _, r := range w.references {
			if slices.Contains(kinds, r.Kind) {
				fmt.Fprintf(&b, "\n- `%s`: %s", r.Example, r.Doc)
			}
		}
	}
	switch of {
	case shapeRecord:
		b.WriteString("\n\n**Fields**; other names are attributes\n")
		for _, signal := range signals {
			var fields []string
			for _, r := range w.references {
				if r.Signal == signal {
					fields = append(fields, code(r.Name))
				}
			}
			fmt.Fprintf(&b, "\n- %s: %s", signal, strings.Join(fields, ", "))
		}
		list("Functions", "function")
	case shapeCondition, shapeMeasure, shapeMeasures:
		list("Aggregates", "aggregate")
		list("On measures", "measure")
	default:
		return ""
	}
	return b.String()
}

// snippets returns what editors offer in the place of an expression on measures.
func (w schemaWriter) snippets(of shape) []any {
	rest := ""
	switch of {
	case shapeMeasure:
	case shapeCondition:
		rest = " > ${1:100}"
	default:
		return nil
	}
	var out []any
	for _, r := range w.references {
		if r.Kind != "aggregate" && r.Kind != "measure" || of == shapeMeasure && r.Truth {
			continue
		}
		body := r.Example
		if !r.Truth {
			body += rest
		}
		out = append(out, object{"label": r.Example, "description": plainText(r.Doc), "body": body})
	}
	return out
}

var linkPattern = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// plainText takes the marks of Markdown out of a text.
func plainText(markdown string) string {
	return strings.ReplaceAll(linkPattern.ReplaceAllString(markdown, "$1"), "`", "")
}

// yamlValue reads a value of the tables; what is no YAML is a text.
func yamlValue(text string) any {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil || v == nil {
		return text
	}
	return v
}
