package rules

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/rules/expr"
)

// generated compares the part of README.md of a name with what the code says, and writes it with -update.
func generated(t *testing.T, name, now string) {
	t.Helper()
	begin := "<!-- " + name + ": begin; written by `go test ./rules -run README -update` -->\n"
	head, rest, ok := strings.Cut(readme(t), begin)
	end := "<!-- " + name + ": end -->\n"
	written, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md has no %s", name)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(head+begin+now+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(now, written); diff != "" {
		t.Errorf("the %s has changed (-code +README); write it with -update:\n%s", name, diff)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// reference writes the tables of the README from the tables of the compiler.
func reference() string {
	var b strings.Builder
	rows := expr.References()
	table := func(title, note, head, kind string) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| %s | | example |\n| --- | --- | --- |\n", title, note, head)
		for _, r := range rows {
			if r.Kind == kind {
				fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", r.Name, r.Doc, r.Example)
			}
		}
	}
	b.WriteString("\n## Reference\n")
	table("Aggregates", "What they take is about one record; an optional last argument is a filter. `avg(x, p)` is the mean of `x` where `p` holds.", "aggregate", "aggregate")
	table("On measures", "They stand behind an aggregate, or behind any expression with aggregates in it.", "function", "measure")
	table("On values", "For fields and attributes, and for the names of `by`.", "function", "function")
	b.WriteString("\n### Fields and constants\n\nOther names are attributes.\n\n| signal | name | |\n| --- | --- | --- |\n")
	for _, r := range rows {
		if r.Signal != "" {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", r.Signal, r.Name, r.Doc)
		}
	}
	return b.String() + "\n"
}

func TestReferenceOfREADME(t *testing.T) { generated(t, "reference", reference()) }

// keyTable writes a table of keys.
func keyTable(table []key) string {
	var b strings.Builder
	b.WriteString("| key | meaning | default |\n| --- | --- | --- |\n")
	for _, k := range table {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, k.doc, k.otherwise)
	}
	return strings.ReplaceAll(b.String(), "|  |", "| |")
}

func TestKeysOfREADME(t *testing.T) {
	generated(t, "keys", "\n"+keyTable(ruleTable)+"\n")
	generated(t, "slo keys", "\n"+keyTable(sloTable)+"\n")
}

// Every example loads, without a warning; those of tests are run by package ruletest.
func TestExamplesOfREADME(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d examples", len(blocks))
	}
	for i, block := range blocks {
		if IsTest("example_test.yaml", []byte(block[1])) {
			continue
		}
		if set, problems := Parse(fmt.Sprintf("example %d", i+1), []byte(block[1])); set == nil || len(problems) > 0 {
			t.Errorf("%s\n%s", block[1], printed(problems))
		}
	}
}

func TestKeysAreInREADME(t *testing.T) {
	text := readme(t)
	for _, key := range ruleKeys {
		if !strings.Contains(text, "\n| `"+key+"` |") {
			t.Errorf("README.md has no row for %s", key)
		}
	}
	for _, key := range append(templateFunctionNames(), groupKeys...) {
		if !strings.Contains(text, "`"+key+"`") {
			t.Errorf("README.md does not name %s", key)
		}
	}
	for _, value := range []string{"`5s`", "`1m`", fmt.Sprintf("`%d`", DefaultMaxGroups)} {
		if !strings.Contains(text, "| "+value+" |") {
			t.Errorf("README.md does not have the default %s", value)
		}
	}
	for _, field := range regexp.MustCompile(`\]\((library/[^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(field[1]); err != nil {
			t.Error(err)
		}
	}
}
