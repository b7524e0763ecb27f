package rules

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// File is the content of a rule file and the name that problems give it.
type File struct {
	Name    string
	Content []byte
	// Lists are the files of values that it names.
	Lists []ListFile
}

// Load reads and checks the files of all paths, as Read and ParseFiles do. The problems are those of all files, in order;
// with an error among them the set is nil. The error is about reading files only.
func Load(paths []string) (*Set, []Problem, error) {
	files, err := Read(paths)
	if err != nil {
		return nil, nil, err
	}
	set, problems := ParseFiles(files)
	return set, problems, nil
}

// Read reads the files of all paths: files, globs, and folders, of which it takes *.yaml and *.yml, and the files of
// values that they name. Tests of rules, which may stand beside them, are left out (IsTest). It fails on a file that cannot be read and on a glob that fits none.
func Read(paths []string) ([]File, error) {
	var names []string
	for _, path := range paths {
		found, err := expand(path)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading rules: %w", err)
		}
		if !IsTest(name, content) {
			files = append(files, File{Name: name, Content: content, Lists: readLists(name, content)})
		}
	}
	if len(files) == 0 && len(names) > 0 {
		return nil, fmt.Errorf("reading rules: there are only tests of rules, such as %s, which `freshet rules test` runs", names[0])
	}
	return files, nil
}

var testPattern = regexp.MustCompile(`(?m)^(rule_files|tests)[ \t]*:`)

// IsTest says whether a file holds tests of rules, not rules: it is named *_test.yaml or *_test.yml, and begins as tests
// do. By its name alone no file of rules is passed over.
func IsTest(name string, content []byte) bool {
	return (strings.HasSuffix(name, "_test.yaml") || strings.HasSuffix(name, "_test.yml")) && testPattern.Match(content)
}

// expand returns the files of a path, sorted.
func expand(path string) ([]string, error) {
	patterns := []string{path}
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return []string{path}, nil
		}
		patterns = []string{filepath.Join(path, "*.yaml"), filepath.Join(path, "*.yml")}
	} else if !strings.ContainsAny(path, "*?[") {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	var names []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("reading rules: %q: %w", pattern, err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("reading rules: no file fits %s", path)
	}
	slices.Sort(names)
	return names, nil
}

// Parse checks the content of one file, which is named in problems. The set is nil when there is an error among them.
func Parse(file string, content []byte) (*Set, []Problem) {
	return ParseFiles([]File{{Name: file, Content: content}})
}

// ParseFiles checks files that make one set of rules. The set is nil when there is an error among the problems. There are
// no notes among them: those are for whoever writes the rules; CheckFiles gives them too.
func ParseFiles(files []File) (*Set, []Problem) {
	set, all := CheckFiles(files)
	var problems []Problem
	for _, p := range all {
		if p.Severity != Note {
			problems = append(problems, p)
		}
	}
	return set, problems
}

// CheckFiles is ParseFiles with notes.
func CheckFiles(files []File) (*Set, []Problem) {
	var problems, ofLists []Problem
	var list []*Rule
	names := map[string]*groupDraft{}
	alerts := map[string]identity{}
	twins := map[uint64]twin{}
	for _, file := range files {
		d := newDocument(file.Name, file.Content)
		d.listFiles = file.Lists
		for _, g := range d.groups() {
			g.checkName(names)
			for i := range g.rules {
				draft := &g.rules[i]
				g.share(draft)
				g.expand(draft)
				g.checkIdentity(draft, alerts)
				if r := g.check(draft); r != nil {
					g.checkTwin(draft, r, twins)
					list = append(list, r)
				}
			}
		}
		problems = append(problems, tidy(d.problems)...)
		for _, p := range d.listProblems {
			if !slices.Contains(ofLists, p) { // several files may name one
				ofLists = append(ofLists, p)
				problems = append(problems, p)
			}
		}
	}
	if slices.ContainsFunc(problems, faulty) {
		return nil, problems
	}
	return newSet(list), problems
}

// tidy sorts the problems of a file by place and keeps one of those that several rules have from their group.
func tidy(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(problems, func(a, b Problem) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Message == b.Message
	})
}

// checkName reports a group whose name another has.
func (g *groupDraft) checkName(names map[string]*groupDraft) {
	if g.name.text == "" {
		return
	}
	if first, taken := names[g.name.text]; taken {
		g.document.fault(g.name.place, "there is another group "+quoted(g.name.text), "it stands in "+first.document.file+", line "+fmt.Sprint(first.name.place.line))
		return
	}
	names[g.name.text] = g
}

// identity is where an alert of a name and labels was first seen.
type identity struct {
	group *groupDraft
	place place
}

// checkIdentity reports an alert that has the name and labels of another: theirs would be one alert to whoever is
// notified. By expressions may still tell them apart when they stand in different groups, so that is a warning.
func (g *groupDraft) checkIdentity(draft *ruleDraft, alerts map[string]identity) {
	name, ok := draft.name()
	if !ok {
		return
	}
	labels := map[string]string{}
	for _, p := range draft.labels {
		labels[p.name] = p.value.text
	}
	key := fmt.Sprintf("%q %q", name.text, labels) // maps print in the order of their keys
	first, taken := alerts[key]
	if !taken {
		alerts[key] = identity{g, name.place}
		return
	}
	d := g.document
	d.rule = name.text
	defer func() { d.rule = "" }()
	severity, message := Error, "this group has another alert of this name with the same labels"
	if first.group.name.text != g.name.text || first.group.document != d {
		severity, message = Warning, "group "+quoted(first.group.name.text)+" has an alert of this name with the same labels"
	}
	d.add(severity, name.place, message, fmt.Sprintf("the other stands in %s, line %d; give them different names, or a label that differs", first.group.document.file, first.place.line))
}
