package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const anyFolders = "**"

// CheckPattern returns what is wrong with a glob, nil when nothing is.
func CheckPattern(pattern string) error {
	for segment := range strings.SplitSeq(filepath.ToSlash(pattern), "/") {
		if segment == anyFolders {
			continue
		}
		if strings.Contains(segment, anyFolders) {
			return errors.New("** must be a whole segment, as in /var/log/**/*.log")
		}
		if _, err := filepath.Match(segment, ""); err != nil {
			return errors.New("a [ or a \\ is not closed")
		}
	}
	return nil
}

// match says whether a path fits a pattern that CheckPattern accepts.
func match(pattern, path string) bool {
	return matchSegments(strings.Split(filepath.ToSlash(pattern), "/"), strings.Split(filepath.ToSlash(path), "/"))
}

func matchSegments(pattern, path []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == anyFolders {
			for i := range len(path) + 1 {
				if matchSegments(pattern[1:], path[i:]) {
					return true
				}
			}
			return false
		}
		if len(path) == 0 {
			return false
		}
		if ok, err := filepath.Match(pattern[0], path[0]); err != nil || !ok {
			return false
		}
		pattern, path = pattern[1:], path[1:]
	}
	return len(path) == 0
}

// baseOf returns the folder of a pattern above its first wildcard.
func baseOf(pattern string) string {
	segments := strings.Split(filepath.ToSlash(pattern), "/")
	n := len(segments) - 1
	if i := slices.IndexFunc(segments, func(s string) bool { return strings.ContainsAny(s, `*?[\`) }); i >= 0 {
		n = min(n, i)
	}
	return filepath.FromSlash(strings.Join(segments[:n], "/") + "/")
}

// expand returns the paths that fit a pattern. Folders that cannot be read are passed over: they may belong to others.
func expand(pattern string) []string {
	if !slices.Contains(strings.Split(filepath.ToSlash(pattern), "/"), anyFolders) {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil
		}
		return paths
	}
	var paths []string
	_ = filepath.WalkDir(filepath.Clean(baseOf(pattern)), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // see above
		}
		if match(pattern, path) {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

// found is a path that a source matches.
type found struct {
	path   string
	source int
	// before says that an earlier run tailed the pattern, so that what is there and not known is new.
	before bool
	info   os.FileInfo
}

// find returns the regular files of all sources, each once.
func find(sources []Source, known map[string]bool) []found {
	var out []found
	seen := map[string]bool{}
	for i, source := range sources {
		for _, pattern := range source.Include {
			for _, path := range expand(pattern) {
				if seen[path] || slices.ContainsFunc(source.Exclude, func(x string) bool { return match(x, path) }) {
					continue
				}
				info, err := os.Stat(path)
				if err != nil || !info.Mode().IsRegular() {
					continue
				}
				seen[path] = true
				out = append(out, found{path: path, source: i, before: known[pattern], info: info})
			}
		}
	}
	return out
}
