package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/rules/expr"
)

const (
	libraryREADME = "library/README.md"
	runbooks      = "https://github.com/freshet-dev/freshet/blob/main/rules/"
)

const libraryHead = `# The library

Rules to begin with, a file for each thing that is watched, and beside each file its tests. This page is written from them by
` + "`go test ./rules -run README -update`" + `; the rules' ` + "`runbook_url`" + ` leads here.

Copy the files that you need, or name them where they are, in freshet's configuration:

` + "```yaml" + `
rules:
  files: [rules/library/hosts.yaml, rules/library/red.yaml, my-rules/*.yaml]
` + "```" + `

Read what stands at the head of a file: what has to send what, and what to set to your own numbers. Then run its tests with
what you changed, and see what the rules would have read:

` + "```sh" + `
freshet rules test rules/library/auth_test.yaml
freshet tail otlp_logs --from 1h --where 'event.outcome == "failure"' --by client.address
` + "```" + `

The [rule language](../README.md) says what a condition means, and how rules are [tested](../README.md#testing-rules).
A rule that is not wanted is left out with ` + "`enabled: false`" + `; one that is to be watched for a while first has ` + "`notify: false`" + `.
Where a condition has names, they are explained below it.
`

// libraryFiles returns the rule files of the library, without their tests.
func libraryFiles(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("library/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.yaml") { // package ruletest runs it
			files = append(files, name)
		}
	}
	if len(files) < 5 {
		t.Fatalf("the library has only %q", files)
	}
	return files
}

func libraryName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".yaml") }

// libraryRule is what the page tells of a rule, as written.
type libraryRule struct {
	Alert, Record string
	Where         string
	When          yaml.MapSlice // by severity, or one without
	Let           yaml.MapSlice
	Value         string
	SLO           struct{ Objective, Good, Total string }
	For           string
	Labels        map[string]string
	Annotations   map[string]string
}

// UnmarshalYAML takes a condition of its own for `when`, as rules do.
func (r *libraryRule) UnmarshalYAML(content []byte) error {
	var raw struct {
		Alert, Record, Where, Value, For string
		When                             any
		Let                              yaml.MapSlice
		SLO                              struct{ Objective, Good, Total string }
		Labels, Annotations              map[string]string
	}
	if err := yaml.UnmarshalWithOptions(content, &raw, yaml.UseOrderedMap()); err != nil {
		return err
	}
	*r = libraryRule{
		Alert: raw.Alert, Record: raw.Record, Where: raw.Where, Value: raw.Value, For: raw.For, Let: raw.Let, SLO: raw.SLO,
		Labels: raw.Labels, Annotations: raw.Annotations,
	}
	switch when := raw.When.(type) {
	case yaml.MapSlice:
		r.When = when
	case nil:
	default:
		r.When = yaml.MapSlice{{Key: raw.Labels["severity"], Value: when}}
	}
	return nil
}

// condition writes when the alert fires, or what is recorded, with what a window of that length holds.
func (r *libraryRule) condition(window time.Duration) string {
	var lines []string
	switch {
	case r.SLO.Objective != "":
		lines = append(lines, fmt.Sprintf("burns the budget of %s: %s of %s", r.SLO.Objective, cell(r.SLO.Good), cell(r.SLO.Total)))
	case r.Record != "":
		lines = append(lines, cell(r.Value))
	}
	for _, when := range r.When {
		line := cell(fmt.Sprint(when.Value))
		if len(r.When) > 1 {
			line = fmt.Sprintf("%v: %s", when.Key, line)
		}
		lines = append(lines, line)
	}
	if r.SLO.Objective == "" {
		lines[len(lines)-1] += " in " + expr.FormatDuration(window)
	}
	if r.For != "" {
		lines[len(lines)-1] += ", for " + r.For
	}
	if r.Where != "" {
		lines = append(lines, "where "+cell(r.Where))
	}
	for _, let := range r.Let {
		lines = append(lines, fmt.Sprintf("with %s: %s", let.Key, cell(fmt.Sprint(let.Value))))
	}
	return strings.Join(lines, "<br>")
}

func (r *libraryRule) severity() string {
	if r.SLO.Objective != "" {
		return "critical, warning"
	}
	var severities []string
	for _, when := range r.When {
		severities = append(severities, fmt.Sprint(when.Key))
	}
	return strings.Join(severities, ", ")
}

func cell(text string) string {
	return "`" + strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`) + "`"
}

// shown writes a template for readers: what it fills in stands in italics by its name, of a choice its last side.
func shown(text string) string {
	for _, r := range []struct{ pattern, by string }{
		{`\{\{-? *if [^}]*\}\}.*?\{\{-? *else *-?\}\}(.*?)\{\{-? *end *-?\}\}`, "$1"},
		{`\{\{[^}]*\$(?:labels|values)\.(\w+)[^}]*\}\}`, "*$1*"},
		{`\{\{[^}]*\$(\w+)[^}]*\}\}`, "*$1*"},
		{`\|`, `\|`},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.by)
	}
	return text
}

// libraryPage writes the page of the library from its files.
func libraryPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(libraryHead)
	for _, file := range libraryFiles(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rules struct {
			Groups []struct{ Rules []libraryRule }
		}
		if err := yaml.Unmarshal(content, &rules); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := libraryName(file)
		fmt.Fprintf(&b, "\n## %s\n\n", name)
		comment := false
		for line := range bytes.Lines(content) {
			text, is := strings.CutPrefix(string(bytes.TrimRight(line, "\n")), "#")
			if !is {
				break
			}
			comment = true
			b.WriteString(strings.TrimPrefix(text, " ") + "\n")
		}
		if !comment {
			t.Errorf("%s does not begin with a comment that says what it needs", file)
		}
		fmt.Fprintf(&b, "\n[%s.yaml](%[1]s.yaml), tested by [%[1]s_test.yaml](%[1]s_test.yaml)\n", name)
		b.WriteString("\n| alert | severity | condition | what it says |\n| --- | --- | --- | --- |\n")
		set, problems := Parse(file, content)
		if set == nil {
			t.Fatal(printed(problems))
		}
		windows := map[string]time.Duration{}
		for _, r := range set.Rules {
			windows[r.Name] = r.Window
		}
		for _, group := range rules.Groups {
			for _, r := range group.Rules {
				condition := r.condition(windows[r.Alert+r.Record])
				if r.Record != "" {
					fmt.Fprintf(&b, "| record `%s` | | %s | |\n", r.Record, condition)
					continue
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Alert, r.severity(), condition, shown(r.Annotations["summary"]))
			}
		}
	}
	return b.String()
}

func TestREADMEOfLibrary(t *testing.T) {
	now := libraryPage(t)
	if *update {
		if err := os.WriteFile(libraryREADME, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(libraryREADME)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(now, string(written)); diff != "" {
		t.Errorf("the library has changed (-files +README); write %s with `go test ./rules -run README -update`:\n%s", libraryREADME, diff)
	}
}

// The library loads without a warning, every alert says what is up and where to read on.
func TestLibrary(t *testing.T) {
	sections := strings.ToLower(readme(t))
	for _, file := range libraryFiles(t) {
		set, problems, err := Load([]string{file})
		if err != nil || set == nil || len(problems) > 0 {
			t.Errorf("%s: %v\n%s", file, err, printed(problems))
			continue
		}
		for _, r := range set.Rules {
			texts := map[string]string{}
			for _, template := range append(r.Annotations, r.Labels...) {
				d := data()
				if texts[template.Name], err = template.Render(d); err != nil {
					t.Errorf("%s: %v", r.Name, err)
				}
			}
			if r.Records {
				continue
			}
			if texts["summary"] == "" || texts["severity"] == "" && !r.Graded() {
				t.Errorf("%s has no summary or no severity: %v", r.Name, texts)
			}
			_, anchor, _ := strings.Cut(texts["runbook_url"], runbooks+"README.md#")
			inREADME := anchor != "" && strings.Contains(sections, "\n### "+anchor+"\n")
			if url := texts["runbook_url"]; !inREADME && url != runbooks+"library/README.md#"+libraryName(file) {
				t.Errorf("the runbook %q of %s is no section of README.md and not the one of its file in %s", url, r.Name, libraryREADME)
			}
		}
	}
	if set, problems, err := Load([]string{"library"}); err != nil || set == nil || len(problems) > 0 {
		t.Errorf("together: %v\n%s", err, printed(problems))
	}
}
