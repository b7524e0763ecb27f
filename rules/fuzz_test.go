package rules

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "library/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(files, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	f.Add([]byte("groups: [{name: g, rules: [{alert: \"A\\\n  B\", from: logs, when: count() > 1}]}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		set, problems := Parse("x.yaml", content)
		bad := false
		for _, p := range problems {
			bad = bad || p.Severity == Error
			if p.Message == "" || p.Line < 0 || p.Line > 0 && p.Column < 1 {
				t.Errorf("the problem is %+v", p)
			}
			if p.Line > 0 && p.Column > utf8.RuneCountInString(p.Source)+1 {
				t.Errorf("column %d is not within %q", p.Column, p.Source)
			}
			p.Render(true)
		}
		if (set == nil) != bad {
			t.Errorf("the set is %v with problems %v", set, problems)
		}
		if set != nil {
			set.LongestWindow()
			set.Topics()
		}
	})
}
