package rules

import "errors"

// Load reads and checks all files of the given paths and globs. The problems are those of all files, in order; with an
// error among them the set is nil. The error is about reading files only.
func Load(paths []string) (*Set, []Problem, error) {
	return nil, nil, errors.New("no rules")
}

// Parse checks the content of one file, which is named in problems.
func Parse(file string, content []byte) (*Set, []Problem) {
	return nil, nil
}
