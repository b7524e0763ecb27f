package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v3"

	"github.com/freshet-dev/freshet/rules/label"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rules.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("rules.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate reads a file as an editor does and judges it by the schema.
func validate(t *testing.T, schema *jsonschema.Schema, content []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(content, &v); err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	return schema.Validate(v)
}

func TestSchemaTakesWhatLoads(t *testing.T) {
	schema := compileSchema(t)
	for _, pattern := range []string{"testdata/*.good.yaml", "library/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if IsTest(file, content) {
				continue
			}
			if err := validate(t, schema, content); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme(t), -1) {
		if IsTest("example_test.yaml", []byte(block[1])) {
			continue
		}
		if err := validate(t, schema, []byte(block[1])); err != nil {
			t.Errorf("%s\n%v", block[1], err)
		}
	}
}

func TestSchemaRefusesWhatDoesNot(t *testing.T) {
	schema := compileSchema(t)
	for _, file := range []string{"structure", "five", "lengths", "severities"} {
		content, err := os.ReadFile("testdata/" + file + ".bad.yaml")
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.Replace(content, []byte("        window: 2m\n"), nil, 1) // a key that stands twice is no YAML to some
		if err := validate(t, schema, content); err == nil {
			t.Errorf("%s.bad.yaml is taken", file)
		}
	}
	const rule = "alert: A, from: logs, when: count() > 1"
	for _, wrong := range []string{
		"group: []",
		"groups: []",
		"groups: [{name: g}]",
		"groups: [{name: g, rules: []}]",
		"groups: [{rules: [{" + rule + "}]}]",
		"groups: [{name: g, query_offset: 5s, rules: [{" + rule + "}]}]",
		"groups: [{name: g, when: count() > 1, rules: [{" + rule + "}]}]",
	} {
		if err := validate(t, schema, []byte(wrong)); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	if err := validate(t, schema, []byte("groups: [{name: g, rules: [{"+rule+"}]}]")); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{
		"from: logs, when: count() > 1",
		"alert: A, when: count() > 1",
		"alert: A, from: logs",
		"alert: A, from: traces, when: count() > 1",
		rule + ", expr: count() > 1",
		rule + ", topic: numbers",
		rule + ", for: 5 minutes",
		rule + ", for: 30",
		rule + ", window: ''",
		rule + ", on_missing: maybe",
		rule + ", time: now",
		rule + ", max_groups: 0",
		rule + ", max_groups: many",
		rule + ", notify: 7",
		rule + ", labels: {a-b: c}",
		rule + ", labels: {a: [c]}",
		rule + ", by: [[service.name]]",
		rule + ", slo: {objective: 99%, good: count(), total: count()}",
		"alert: A, from: logs, when: {urgent: count() > 1}",
		"alert: A, from: logs, slo: {objective: 99%, good: count()}",
		"alert: A, from: logs, slo: {objective: 99, good: count(), total: count()}",
		"alert: A, from: logs, until: count() < 1, slo: {objective: 99%, good: count(), total: count()}",
	} {
		if err := validate(t, schema, []byte("groups: [{name: g, rules: [{"+wrong+"}]}]")); err == nil {
			t.Errorf("%s is taken", wrong)
		}
		if set, _ := Parse("x.yaml", []byte("groups: [{name: g, rules: [{"+wrong+"}]}]")); set != nil {
			t.Errorf("%s is loaded", wrong)
		}
	}
}

// Each key is explained, its examples and its default are such as the key takes, and each word that a key takes is offered.
func TestSchemaExplains(t *testing.T) {
	schema := compileSchema(t)
	group := schema.Properties["groups"].Items2020.Ref
	rule := group.Properties["rules"].Items2020.Ref
	slo := rule.Properties["slo"]
	for of, keys := range map[*jsonschema.Schema][]string{schema: fileKeys, group: groupKeys, rule: ruleKeys, slo: sloKeys} {
		if len(of.Properties) != len(keys) {
			t.Errorf("%d properties, expected %v", len(of.Properties), keys)
		}
		for _, name := range keys {
			p := of.Properties[name]
			if p == nil || p.Description == "" || strings.ContainsAny(p.Description, "`") {
				t.Errorf("%s is not explained: %+v", name, p)
				continue
			}
			values := p.Examples
			if p.Default != nil {
				values = append(values, *p.Default)
			}
			for _, value := range values {
				if err := p.Validate(value); err != nil {
					t.Errorf("%s: %v: %v", name, value, err)
				}
			}
		}
	}
	for name, want := range map[string][]string{"from": signals, "on_missing": missingNames[MissingZero:], "time": clocks} {
		for _, word := range want {
			if !slices.Contains(rule.Properties[name].Enum.Values, any(word)) {
				t.Errorf("%s does not offer %s", name, word)
			}
		}
	}
	for _, severity := range label.Severities() {
		if rule.Properties["when"].OneOf[1].Properties[severity] == nil {
			t.Errorf("when does not offer %s", severity)
		}
	}
	for _, name := range []string{"count", "forecast", "outlier"} {
		if !bytes.Contains(Schema(), fmt.Appendf(nil, "%s(", name)) {
			t.Errorf("%s is not offered", name)
		}
	}
}
