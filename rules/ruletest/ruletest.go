// Package ruletest runs unit tests of rules. A test says in YAML which records come when, and which alerts there are to be
// at which times. Its records go through the cores of the detector, both stages of them, in event time: what takes a day
// in production takes milliseconds here, and comes to the same.
//
// Load reads a file of tests and the rule files that it names, Test.Run runs one of them. rules/README.md describes the
// files.
package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

// Options are what tests need from outside.
type Options struct {
	// Events decodes the JSON of events as it is decoded in production. Its records are those of ingest.Events.
	Events ingest.Decoder
}

// File is a file of tests.
type File struct {
	// Name is the file's, as it was given.
	Name string
	// Rules are those of its rule files.
	Rules *rules.Set
	Tests []*Test
}

// Test is one test.
type Test struct {
	// Name is as written; Place says where it stands.
	Name  string
	Place rules.Problem

	options    Options
	rules      *rules.Set // those under test
	start      time.Time
	end        time.Duration
	partitions int32
	streams    []*stream
	expected   []expectation
	history    *history
	// named are the alerts that the test expects something of.
	named []string
}

// Find returns the files that paths stand for: files, globs, and folders, of which it takes *_test.yaml and *_test.yml.
func Find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		found, err := expand(path)
		if err != nil {
			return nil, fmt.Errorf("reading tests of rules: %w", err)
		}
		for _, name := range found {
			if !slices.Contains(files, name) {
				files = append(files, name)
			}
		}
	}
	return files, nil
}

// expand returns the files of a path, sorted.
func expand(path string) ([]string, error) {
	patterns := []string{path}
	switch info, err := os.Stat(path); {
	case err == nil && !info.IsDir():
		return patterns, nil
	case err == nil:
		patterns = []string{filepath.Join(path, "*_test.yaml"), filepath.Join(path, "*_test.yml")}
	case !strings.ContainsAny(path, "*?["):
		return nil, err
	}
	var names []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", pattern, err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no file fits %s; tests are in files named *_test.yaml", path)
	}
	slices.Sort(names)
	return names, nil
}

// Load reads a file of tests and its rule files. The file is nil when there is an error among the problems, which are
// those of both. The error is about reading the file of tests.
func Load(name string, o Options) (*File, []rules.Problem, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("reading tests of rules: %w", err)
	}
	f, problems := Parse(name, content, o, func(patterns []string) (*rules.Set, []rules.Problem, error) {
		paths := make([]string, len(patterns))
		for i, p := range patterns {
			if paths[i] = p; !filepath.IsAbs(p) {
				paths[i] = filepath.Join(filepath.Dir(name), p)
			}
		}
		return rules.Load(paths)
	})
	return f, problems, nil
}

// Untested returns the rules of files that no test of them expects anything of, in order: those of one place once.
func Untested(files []*File) []*rules.Rule {
	type key struct{ file, name string }
	tested := map[key]bool{}
	for _, f := range files {
		for _, r := range f.Rules.Rules {
			for _, t := range f.Tests {
				if slices.Contains(t.named, r.Name) {
					tested[key{r.File, r.Name}] = true
				}
			}
		}
	}
	var out []*rules.Rule
	for _, f := range files {
		for _, r := range f.Rules.Rules {
			if k := (key{r.File, r.Name}); !tested[k] {
				tested[k] = true
				out = append(out, r)
			}
		}
	}
	return out
}
