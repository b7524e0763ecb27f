package ruletest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	othersBegin = "<!-- others: begin; written by `go test ./rules/ruletest -run TestOthers -update` -->\n"
	othersEnd   = "<!-- others: end -->\n"
)

// Each rule of testdata/others says what a rule of another system says, has a test that passes, and is a row of the table in
// the README.
func TestOthers(t *testing.T) {
	names, err := Find([]string{"testdata/others"})
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	var files []*File
	for _, name := range names {
		f, problems, err := Load(name, options())
		if err != nil || f == nil {
			t.Fatalf("%s: %v\n%s", name, err, printed(problems))
		}
		files = append(files, f)
		for _, test := range f.Tests {
			r, err := test.Run(t.Context())
			if err != nil || len(r.Failures) > 0 || len(r.Warnings) > 0 {
				t.Errorf("%s: %s: %v %v\n%s", name, test.Name, err, r.Warnings, failures(r))
			}
		}
	}
	for _, r := range Untested(files) {
		t.Errorf("%s of %s has no test", r.Name, r.File)
	}
	table := othersTable(t)
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), othersBegin)
	_, after, ended := strings.Cut(rest, othersEnd)
	if !found || !ended {
		t.Fatal("README.md has no place for the table of others")
	}
	want := before + othersBegin + table + othersEnd + after
	if *update {
		if err := os.WriteFile("../README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(content) {
		t.Error("the table of others in README.md has changed; write it with -update")
	}
}

// othersTable makes a row of each rule that stands below a comment `# System | what it says`.
func othersTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n| there | here |\n| --- | --- |\n")
	said := regexp.MustCompile(`^ *# (\w+) \| (.*)$`)
	for _, file := range []string{"elastalert", "prometheus", "datadog", "sigma"} {
		content, err := os.ReadFile(filepath.Join("testdata/others", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var row []string
		end := func() {
			if len(row) > 1 {
				b.WriteString("| " + row[0] + " | `" + strings.Join(row[1:], "`<br>`") + "` |\n")
			}
			row = nil
		}
		for line := range strings.Lines(string(content)) {
			line = strings.TrimRight(line, "\n")
			words := strings.TrimSpace(line)
			if m := said.FindStringSubmatch(line); m != nil {
				end()
				row = []string{m[1] + " " + strings.ReplaceAll(m[2], "|", `\|`)}
				continue
			}
			switch {
			case words == "":
				end()
			case row == nil, strings.HasPrefix(words, "- alert:"), strings.HasPrefix(words, "- name:"), words == "rules:":
			default:
				row = append(row, strings.ReplaceAll(strings.TrimPrefix(words, "- "), "|", `\|`))
			}
		}
		end()
	}
	return b.String() + "\n"
}
