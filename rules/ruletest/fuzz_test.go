package ruletest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/rules"
)

// Whatever a file of tests holds, its problems have places, and what is read can be run.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*_test.yaml", "../library/*_test.yaml"} {
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
	f.Add([]byte(spike))
	f.Add([]byte("rule_files: r\ntests: {name: x, logs: &l {at: 1s..2s count: 3}, transitions: []}"))
	f.Add([]byte("rule_files: r\ntests: {name: x, events: {topic: numbers, at: 1s, json: &a {b: *a}}, transitions: []}"))
	f.Add([]byte("rule_files: r\ntests: {name: x, findings: {at: 1s, alert: A, labels: {a: '{i}'}, state: resolved}, expect: {at: 1m, recorded: []}}"))
	content, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		f.Fatal(err)
	}
	set, _ := rules.Parse("shop.yaml", content)
	f.Fuzz(func(t *testing.T, content []byte) {
		file, problems := Parse("x_test.yaml", content, options(), func([]string) (*rules.Set, []rules.Problem, error) {
			return set, nil, nil
		})
		bad := false
		for _, p := range problems {
			bad = bad || p.Severity == rules.Error
			if p.Message == "" || p.Line < 0 || p.Line > 0 && p.Column < 1 {
				t.Errorf("the problem is %+v", p)
			}
			if p.Line > 0 && p.Column > utf8.RuneCountInString(p.Source)+1 {
				t.Errorf("column %d is not within %q", p.Column, p.Source)
			}
			p.Render(true)
		}
		if (file == nil) != bad {
			t.Errorf("the file is %v with problems %v", file, problems)
		}
		if file == nil {
			return
		}
		Untested([]*File{file})
		for _, test := range file.Tests {
			runBriefly(t, test)
		}
	})
}

// runBriefly runs a test that does not take long.
func runBriefly(t *testing.T, test *Test) {
	t.Helper()
	records := 0
	for _, s := range test.streams {
		records += s.n
	}
	if records > 1000 || test.end > time.Hour {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := test.Run(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return
	}
	for _, f := range r.Failures {
		if f.Place.Line < 1 || f.String() == "" {
			t.Errorf("the failure is %+v", f)
		}
	}
}
