package rules

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Beside each lint-*.good.yaml stands what is printed about it, notes included; nothing of it keeps the file out.
func TestWarnings(t *testing.T) {
	t.Chdir("testdata")
	files, err := filepath.Glob("lint-*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		read, err := Read([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		set, problems := CheckFiles(read)
		if set == nil {
			t.Errorf("%s is not loaded", file)
		}
		golden(t, strings.TrimSuffix(file, "yaml")+"txt", printed(problems))
	}
}

// Who runs rules is spared the notes; who writes them is not.
func TestNotesAreForWhoWritesRules(t *testing.T) {
	files, err := Read([]string{"testdata/lint-notes.good.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	isNote := func(p Problem) bool { return p.Severity == Note }
	if _, problems := CheckFiles(files); !slices.ContainsFunc(problems, isNote) {
		t.Errorf("no note:\n%s", printed(problems))
	}
	if _, problems := ParseFiles(files); slices.ContainsFunc(problems, isNote) {
		t.Errorf("a note:\n%s", printed(problems))
	}
}
