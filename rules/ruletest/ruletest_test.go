package ruletest

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/event"
	"github.com/freshet-dev/freshet/rules"
)

var update = flag.Bool("update", false, "write the golden files anew")

const oneRule = `
groups:
  - name: shop
    rules:
      - alert: ErrorSpike
        from: logs
        by: [service.name]
        when: count(severity >= ERROR) >= 5
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.service_name }}: {{ $value }} errors in a minute'}
`

func options() Options { return Options{Events: &event.JSON{Signal: ingest.Events}} }

// tryParse reads tests of rules, which are one file whatever name the tests give it.
func tryParse(t testing.TB, ruleFile, tests string) (*File, []rules.Problem) {
	t.Helper()
	return Parse("a_test.yaml", []byte(tests), options(), func([]string) (*rules.Set, []rules.Problem, error) {
		set, problems := rules.Parse("rules.yaml", []byte(ruleFile))
		return set, problems, nil
	})
}

func parse(t testing.TB, ruleFile, tests string) *File {
	t.Helper()
	f, problems := tryParse(t, ruleFile, tests)
	if f == nil {
		t.Fatalf("the tests have faults:\n%s", printed(problems))
	}
	return f
}

func printed(problems []rules.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.Render(false) + "\n")
	}
	return b.String()
}

// run runs the only test of a file.
func run(t testing.TB, ruleFile, tests string) *Result {
	t.Helper()
	f := parse(t, ruleFile, tests)
	if len(f.Tests) != 1 {
		t.Fatalf("%d tests, want one", len(f.Tests))
	}
	r, err := f.Tests[0].Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func failures(r *Result) string {
	var b strings.Builder
	for _, f := range r.Failures {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s has changed (-file +now); after a look write it with -update:\n%s", path, diff)
	}
}

// Beside each *.bad_test.yaml stands what is printed about it.
func TestBadFiles(t *testing.T) {
	t.Chdir("testdata")
	files, err := filepath.Glob("*.bad_test.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		f, problems, err := Load(file, options())
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			t.Errorf("%s is loaded", file)
		}
		golden(t, strings.TrimSuffix(file, "_test.yaml")+".txt", printed(problems))
	}
}

// The library's rules do what their tests say, and each has one.
func TestLibrary(t *testing.T) {
	names, err := Find([]string{"../library"})
	if err != nil {
		t.Fatal(err)
	}
	ruleFiles, err := filepath.Glob("../library/*.yaml")
	if err != nil || len(names)*2 != len(ruleFiles) {
		t.Errorf("%d files of tests beside %d files, want one for each file of rules; %v", len(names), len(ruleFiles), err)
	}
	var files []*File
	for _, name := range names {
		f, problems, err := Load(name, options())
		if err != nil || f == nil || len(problems) > 0 {
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
}

func TestUntested(t *testing.T) {
	ruleFile := oneRule + `
      - {alert: Named, from: logs, when: count() > 1}
      - {alert: Chosen, from: logs, when: count() > 2}
      - {alert: Moved, from: logs, when: count() > 3}
      - {alert: Forgotten, from: logs, when: count() > 4}
`
	f := parse(t, ruleFile, `
rule_files: [r]
tests:
  - {name: a, expect: [{at: 1m, alerts: []}, {at: 1m, alert: Named, alerts: []}]}
  - {name: b, rules: [Chosen], expect: [{at: 1m, alerts: []}]}
  - {name: c, transitions: [{alert: Moved, state: firing, at: 1m}]}
`)
	var got []string
	for _, r := range Untested([]*File{f, f}) {
		got = append(got, r.Name)
	}
	if want := []string{"ErrorSpike", "Forgotten"}; !slices.Equal(got, want) {
		t.Errorf("without a test are %v, want %v", got, want)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b_test.yaml", "a_test.yml", "rules.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := func(names ...string) (paths []string) {
		for _, n := range names {
			paths = append(paths, filepath.Join(dir, n))
		}
		return paths
	}
	for _, test := range []struct{ paths, want []string }{
		{[]string{dir}, in("a_test.yml", "b_test.yaml")},
		{in("*_test.yaml"), in("b_test.yaml")},
		{in("rules.yaml"), in("rules.yaml")}, // named, so it is what was meant
		{append(in("b_test.yaml"), dir), in("b_test.yaml", "a_test.yml")},
	} {
		if got, err := Find(test.paths); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%v stands for %v, %v, want %v", test.paths, got, err, test.want)
		}
	}
	for _, path := range []string{"missing_test.yaml", "x*_test.yaml", "[_test.yaml"} {
		if got, err := Find(in(path)); err == nil {
			t.Errorf("%s stands for %v", path, got)
		}
	}
}
