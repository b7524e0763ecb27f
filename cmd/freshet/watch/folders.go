package watch

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links one path may lead through.
const maxLinks = 40

// addFolders adds the folders in which something must change for a path to lead to other content: that of the file, those
// of the symbolic links on the way, and where something is missing, that in which it would appear. A folder stands for
// the YAML files in it.
func addFolders(to map[string]bool, path string) {
	path, err := filepath.Abs(path)
	if err != nil {
		return // the working folder is gone
	}
	root := filepath.VolumeName(path) + string(filepath.Separator)
	walk{to, 0}.down(root, strings.TrimPrefix(path, root))
}

// walk follows a path and collects folders.
type walk struct {
	to    map[string]bool
	links int
}

// down goes on from a folder by the rest of a path.
func (w walk) down(folder, rest string) {
	name, rest, more := strings.Cut(rest, string(filepath.Separator))
	if name == "" {
		if !more {
			w.whole(folder)
			return
		}
		w.down(folder, rest)
		return
	}
	at := filepath.Join(folder, name)
	info, err := os.Lstat(at)
	switch {
	case err != nil && strings.ContainsAny(name, "*?["):
		w.to[folder] = true
		found, _ := filepath.Glob(at) // a bad pattern fits nothing, and who reads the files says so
		for _, match := range found {
			w.down(folder, join(filepath.Base(match), rest))
		}
	case err != nil:
		w.to[folder] = true
	case info.Mode()&os.ModeSymlink != 0:
		w.to[folder] = true
		w.through(folder, at, rest)
	case info.IsDir():
		w.down(at, rest)
	default:
		w.to[folder] = true
	}
}

// whole adds a folder and those that links in it lead to.
func (w walk) whole(folder string) {
	w.to[folder] = true
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.Type()&os.ModeSymlink != 0 && (ext == ".yaml" || ext == ".yml") {
			w.through(folder, filepath.Join(folder, e.Name()), "")
		}
	}
}

// through goes on behind a symbolic link in a folder.
func (w walk) through(folder, link, rest string) {
	target, err := os.Readlink(link)
	if err != nil || w.links == maxLinks {
		return
	}
	w.links++
	if !filepath.IsAbs(target) {
		target = filepath.Join(folder, target)
	}
	root := filepath.VolumeName(target) + string(filepath.Separator)
	w.down(root, join(strings.TrimPrefix(filepath.Clean(target), root), rest))
}

func join(first, rest string) string {
	if rest == "" {
		return first
	}
	return first + string(filepath.Separator) + rest
}
