package tail

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// file is one tailed file. It stays open, so that what is in it can be read whatever happens to its name.
type file struct {
	path   string // when it was opened
	now    string // the path that leads to it now
	folder string // that it stands in when now is a symbolic link
	source int
	f      *os.File
	serial int    // counts up as files are opened
	cursor cursor // what was delivered
	next   cursor // the same, once the running round is delivered
	size   int64
	grown  time.Time // when size last changed
	gone   time.Time // since when no path leads to it, zero while one does
	// fresh says that the file may turn out to be the copy of another; see copied.
	fresh bool
	// ended says that the running round reads the last of a file that is gone.
	ended bool
	// ignored is set for what is no text; such a file is not open.
	ignored bool
	failed  bool // the last read failed
}

// retired is where a file that was truncated since had been read to. A copy made before goes on there.
type retired struct {
	folder string
	cursor cursor
	at     time.Time
}

func (f *file) setPath(path string) {
	f.now, f.folder = path, filepath.Dir(path)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		f.folder = filepath.Dir(target)
	}
}

// read takes what a file has grown by into the round, at most room bytes. It says whether there is more to read.
func (t *Tailer) read(f *file, now time.Time, room int) (more bool, err error) {
	f.next, f.ended = f.cursor, false
	info, err := f.f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() != f.size {
		f.size, f.grown = info.Size(), now
	}
	if f.size < f.cursor.offset {
		t.truncated(f, now)
		return f.size > 0, nil
	}
	if f.fresh && f.size > 0 {
		if wait, err := t.copied(f, now); wait || err != nil {
			return false, err
		}
	}
	ends := !f.gone.IsZero() && now.Sub(f.gone) >= rotatedWait && now.Sub(f.grown) >= rotatedWait
	if f.size == f.cursor.offset {
		f.ended = ends
		return false, nil
	}

	// What stands before the position is read again: when it changed, the file was truncated and written anew.
	from := f.cursor.offset - int64(len(f.cursor.mark))
	buf := t.chunk[len(t.chunk):][:min(int64(room), f.size-from)]
	n, err := f.f.ReadAt(buf, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if n < len(f.cursor.mark) || !bytes.Equal(buf[:len(f.cursor.mark)], f.cursor.mark) {
		t.truncated(f, now)
		return true, nil
	}
	data := buf[len(f.cursor.mark):n]
	t.chunk = t.chunk[:len(t.chunk)+n]
	atEnd := f.cursor.offset+int64(len(data)) >= f.size
	f.ended = ends && atEnd
	f.next = f.cursor.lines(data, t.opts.MaxLineBytes, f.ended, func(text []byte, truncated bool) {
		t.lines = append(t.lines, Line{Source: f.source, Path: f.path, Text: text, Truncated: truncated})
	})
	return !atEnd && f.next.offset > f.cursor.offset, nil
}

// truncated begins a file anew and keeps where it had been read to for a copy of it.
func (t *Tailer) truncated(f *file, now time.Time) {
	t.metrics.rotations.WithLabelValues(rotationTruncate).Inc()
	t.log.Info("a tailed file was truncated and is read from its start", "path", f.now, "read", f.cursor.offset)
	t.retired = append(t.retired, retired{filepath.Dir(f.now), f.cursor, now})
	f.cursor, f.next, f.fresh = cursor{}, cursor{}, false
	t.unsaved = true
}

// copied finds out whether a new file is a copy that copytruncate made of a tailed one. The copy exists before the
// original is truncated, so a file that begins like another has to wait until that one is truncated, or until enough
// time has passed without growth to call it a file of its own.
func (t *Tailer) copied(f *file, now time.Time) (wait bool, err error) {
	folder := filepath.Dir(f.now)
	for i, r := range t.retired {
		if r.folder != folder || r.cursor.offset == 0 || f.size < r.cursor.offset {
			continue
		}
		same, err := sameContent(f.f, r.cursor, f.size)
		if err != nil {
			return false, err
		}
		if same {
			t.metrics.rotations.WithLabelValues(rotationCopy).Inc()
			t.log.Info("a new file is the copy of a truncated one and is read on from there", "path", f.now, "read", r.cursor.offset)
			t.retired = append(t.retired[:i], t.retired[i+1:]...)
			f.cursor, f.next, f.fresh = r.cursor, r.cursor, false
			t.unsaved = true
			return false, nil
		}
	}
	if now.Sub(f.grown) < copyWait {
		for _, other := range t.files {
			if other == f || other.ignored || !other.gone.IsZero() || other.cursor.offset == 0 || filepath.Dir(other.now) != folder {
				continue
			}
			if same, err := sameContent(f.f, other.cursor, f.size); same || err != nil {
				return same, err
			}
		}
	}
	f.fresh = false
	return false, nil
}

// sameContent says whether a file of that size has the content that a cursor was moved over, as far as it is long
// enough to tell.
func sameContent(f *os.File, c cursor, size int64) (bool, error) {
	if same, err := holds(f, 0, c.head[:min(int64(len(c.head)), size)]); !same || err != nil {
		return false, err
	}
	if size < c.offset {
		return true, nil
	}
	return holds(f, c.offset-int64(len(c.mark)), c.mark)
}

func holds(f *os.File, at int64, content []byte) (bool, error) {
	buf := make([]byte, len(content))
	if _, err := f.ReadAt(buf, at); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	return bytes.Equal(buf, content), nil
}

// atEnd returns the cursor at the end of a file. When the file does not end with a newline, the rest of that line is
// passed over: what was written before the start is not asked for.
func atEnd(f *os.File, size int64) (cursor, error) {
	c := cursor{offset: size, head: make([]byte, min(markBytes, size)), mark: make([]byte, min(markBytes, size))}
	if size == 0 {
		return c, nil
	}
	if _, err := f.ReadAt(c.head, 0); err != nil {
		return cursor{}, err
	}
	if _, err := f.ReadAt(c.mark, size-int64(len(c.mark))); err != nil {
		return cursor{}, err
	}
	c.skipping = c.mark[len(c.mark)-1] != '\n'
	return c, nil
}
