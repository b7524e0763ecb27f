package tail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is the position of one file as it is kept over restarts. The content is kept as hashes only: logs hold secrets.
type entry struct {
	Path string `json:"path"`
	identity
	Offset   int64   `json:"offset"`
	Skipping bool    `json:"skipping,omitempty"`
	Head     imprint `json:"head"`
	Mark     imprint `json:"mark"`
	// Seen is when the file was last there.
	Seen time.Time `json:"seen"`
}

type positions struct {
	Version  int      `json:"version"`
	Patterns []string `json:"patterns"`
	Files    []entry  `json:"files"`
}

const positionsVersion = 1

func loadPositions(path string) ([]entry, []string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the positions of tailed files: %w", err)
	}
	var p positions
	if err := json.Unmarshal(content, &p); err != nil {
		return nil, nil, fmt.Errorf("%s holds no positions of tailed files (delete it to start anew, which skips or repeats lines): %w", path, err)
	}
	if p.Version != positionsVersion {
		return nil, nil, fmt.Errorf("%s has version %d of the positions of tailed files, expected %d: it was written by another release of freshet", path, p.Version, positionsVersion)
	}
	return p.Files, p.Patterns, nil
}

// save replaces the file in one step, so that a crash leaves the old or the new positions, never half of them.
func (p positions) save(path string) error {
	content, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the positions of tailed files: %w", err)
	}
	next := path + ".tmp"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing the positions of tailed files: %w", err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(next, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("writing the positions of tailed files: %w", err)
	}
	return nil
}

// syncFolder makes a rename in a folder last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	// Some systems cannot sync a folder; the rename is then as safe as they make it.
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// save writes the positions of all files, and of those of earlier runs that may still come back.
func (t *Tailer) save(now time.Time) error {
	p := positions{Version: positionsVersion}
	for _, s := range t.opts.Sources {
		p.Patterns = append(p.Patterns, s.Include...)
	}
	for id, f := range t.files {
		if f.ignored {
			continue
		}
		p.Files = append(p.Files, entry{
			Path: f.path, identity: id, Offset: f.cursor.offset, Skipping: f.cursor.skipping,
			Head: imprintOf(f.cursor.head), Mark: imprintOf(f.cursor.mark), Seen: now.UTC(),
		})
	}
	for _, e := range t.saved {
		if now.Sub(e.Seen) < forgetAfter {
			p.Files = append(p.Files, e)
		}
	}
	slices.SortStableFunc(p.Files, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	return p.save(t.opts.Positions)
}

// resume returns the cursor that an entry describes if the file still has the content that was read.
func (e entry) resume(f *os.File, size int64) (cursor, bool) {
	if size < e.Offset || e.Head.Length < 0 || e.Mark.Length < 0 || e.Head.Length > markBytes || e.Mark.Length > markBytes ||
		int64(e.Mark.Length) > e.Offset {
		return cursor{}, false
	}
	c := cursor{offset: e.Offset, skipping: e.Skipping}
	c.head, c.mark = make([]byte, e.Head.Length), make([]byte, e.Mark.Length)
	if _, err := f.ReadAt(c.head, 0); err != nil {
		return cursor{}, false
	}
	if _, err := f.ReadAt(c.mark, e.Offset-int64(e.Mark.Length)); err != nil {
		return cursor{}, false
	}
	return c, imprintOf(c.head) == e.Head && imprintOf(c.mark) == e.Mark
}
