package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest"
)

// writeFiles writes files into a new folder and returns it.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t *testing.T, paths ...string) *Set {
	t.Helper()
	set, problems, err := Load(paths)
	if err != nil || set == nil || len(problems) > 0 {
		t.Fatalf("%v\n%s", err, printed(problems))
	}
	return set
}

const listRules = `
lists: {bad: {file: lists/bad.txt}, codes: [500, 503]}
groups:
  - name: g
    from: logs
    rules:
      - {alert: Where, where: user.name in lists.bad, when: count() > 0}
      - {alert: When, when: count(!(user.name in lists.bad)) > 5}
      - {alert: Codes, when: count(http.response.status_code in lists.codes) > 5}
      - {alert: None, when: count() > 5}
`

// A rule is another exactly when the values of a list that it asks are others.
func TestListsAreMeaning(t *testing.T) {
	dir := writeFiles(t, map[string]string{"r.yaml": listRules, "lists/bad.txt": "ann\nbob\n", "other/r.yaml": listRules, "other/lists/bad.txt": "# the same\nbob # here\n\n  ann"})
	first, same := mustLoad(t, filepath.Join(dir, "r.yaml")), mustLoad(t, filepath.Join(dir, "other", "r.yaml"))
	for i, r := range first.Rules {
		if r.ID != same.Rules[i].ID || r.Panes != same.Rules[i].Panes {
			t.Errorf("%s is another rule though the lists hold the same", r.Name)
		}
	}
	if first.Version != same.Version {
		t.Error("the version differs though the lists hold the same")
	}
	if err := os.WriteFile(filepath.Join(dir, "lists", "bad.txt"), []byte("ann\nbob\neve\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := mustLoad(t, filepath.Join(dir, "r.yaml"))
	for i, r := range first.Rules {
		asks := r.Name == "Where" || r.Name == "When"
		if other := r.ID != next.Rules[i].ID; other != asks {
			t.Errorf("%s is another rule: %v", r.Name, other)
		}
	}
	if first.Version == next.Version {
		t.Error("the version is the same")
	}
	record := func(user string) *ingest.Record {
		return &ingest.Record{Signal: ingest.Logs, Resource: &ingest.Resource{}, Scope: &ingest.Scope{}, Attributes: ingest.Attrs{{Key: "user.name", Value: ingest.StringValue(user)}}}
	}
	if first.Rules[0].Where(record("eve")) || !next.Rules[0].Where(record("eve")) || !next.Rules[0].Where(record("ann")) || next.Rules[0].Where(record("zoe")) {
		t.Error("the rule does not ask the list as it is")
	}
}

// Read brings the files of lists along, also those that are not there.
func TestReadTakesListFiles(t *testing.T) {
	dir := writeFiles(t, map[string]string{"r.yaml": listRules, "s.yaml": "lists:\n  a: [b]\n  c: {file: /no/such.txt}\ngroups: []\n", "lists/bad.txt": "ann\n"})
	files, err := Read([]string{dir})
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	got := fmt.Sprintf("%+v", files[0].Lists)
	if want := fmt.Sprintf("[{Path:lists/bad.txt Name:%s Content:%v Err:<nil>}]", filepath.Join(dir, "lists", "bad.txt"), []byte("ann\n")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if lists := files[1].Lists; len(lists) != 1 || lists[0].Name != "/no/such.txt" || lists[0].Err == nil {
		t.Errorf("%+v", lists)
	}
}

// Problems of a file that two rule files name are told once; rules without a folder name no file.
func TestListProblems(t *testing.T) {
	dir := writeFiles(t, map[string]string{"r.yaml": listRules, "s.yaml": strings.ReplaceAll(strings.ReplaceAll(listRules, "name: g", "name: h"), "alert: ", "alert: S"), "lists/bad.txt": "ann\nann\n"})
	_, problems, err := Load([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, p := range problems {
		if strings.Contains(p.Message, "stands twice") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it is told %d times:\n%s", told, printed(problems))
	}
	if set, problems := Parse("r.yaml", []byte(listRules)); set != nil || len(problems) != 1 || !strings.Contains(problems[0].Message, "no files beside these rules") {
		t.Errorf("%v\n%s", set, printed(problems))
	}
}

// Ten thousand values in a file, and many rules that ask it, are read in no time.
func TestLongListsLoadFast(t *testing.T) {
	var values, rules strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&values, "user%d\n", i)
	}
	for i := range 100 {
		fmt.Fprintf(&rules, "      - {alert: A%d, where: 'user.name in lists.bad', when: count(!(user.id in lists.bad)) > %d}\n", i, i+1)
	}
	dir := writeFiles(t, map[string]string{
		"r.yaml":        "lists: {bad: {file: lists/bad.txt}}\ngroups:\n  - name: g\n    from: logs\n    rules:\n" + rules.String(),
		"lists/bad.txt": values.String(),
	})
	begun := time.Now()
	set := mustLoad(t, filepath.Join(dir, "r.yaml"))
	took := time.Since(begun)
	t.Logf("loaded in %s", took)
	if took > 3*time.Second { // a tenth of it is usual
		t.Errorf("it took %s", took)
	}
	for _, r := range set.Rules {
		if len(r.WhereText) > 200 {
			t.Fatalf("the canonical text has %d bytes", len(r.WhereText))
		}
	}
}
