package tail

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scan finds new files and notices which are gone.
func (t *Tailer) scan(now time.Time) {
	present := map[identity]bool{}
	var opened []*file
	starts := map[*file]found{}
	for _, x := range find(t.opts.Sources, t.known) {
		id := identityOf(x.path, x.info)
		if present[id] {
			continue
		}
		if f := t.files[id]; f != nil {
			present[id] = true
			if f.now != x.path {
				f.setPath(x.path)
				t.metrics.rotations.WithLabelValues(rotationRename).Inc()
			}
			f.gone = time.Time{}
			continue
		}
		f, id, err := t.open(x, now)
		if err != nil {
			if !t.closedTo[x.path] { // said once, not at each look
				t.failedTo(failedOpen, x.path, err)
			}
			t.closedTo[x.path] = true
			continue
		}
		delete(t.closedTo, x.path)
		if t.files[id] != nil {
			_ = f.f.Close() // it was renamed between the two looks and is known already
			present[id] = true
			continue
		}
		present[id] = true
		t.files[id] = f
		if !f.ignored {
			opened = append(opened, f)
			starts[f] = x
		}
	}
	for id, f := range t.files {
		switch {
		case present[id]:
		case f.ignored:
			delete(t.files, id)
		case f.gone.IsZero():
			f.gone = now
			t.metrics.rotations.WithLabelValues(rotationAway).Inc()
		}
	}
	for _, f := range t.resume(opened) {
		t.start(f, starts[f])
	}
	if !t.scanned {
		t.scanned = true
		t.findRenamed(now)
	}
	t.unsaved = t.unsaved || len(opened) > 0
	t.retired = slices.DeleteFunc(t.retired, func(r retired) bool { return now.Sub(r.at) > 5*time.Minute })
	t.saved = slices.DeleteFunc(t.saved, func(e entry) bool { return now.Sub(e.Seen) >= forgetAfter })
}

// open opens a found file. What is compressed is ignored: it is what a rotation made of lines that were read.
func (t *Tailer) open(x found, now time.Time) (*file, identity, error) {
	f, err := os.Open(x.path)
	if err != nil {
		return nil, identity{}, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, identity{}, err
	}
	t.serial++
	out := &file{path: x.path, source: x.source, f: f, serial: t.serial, size: info.Size(), grown: now}
	out.setPath(x.path)
	magic := make([]byte, 4)
	if n, err := f.ReadAt(magic, 0); err != nil && err != io.EOF {
		_ = f.Close()
		return nil, identity{}, err
	} else if compressed(magic[:n]) {
		_ = f.Close()
		out.ignored = true
		t.log.Info("a compressed file is not tailed", "path", x.path)
	}
	return out, identityOf(x.path, info), nil
}

func compressed(start []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh", "\xfd7zX"} {
		if strings.HasPrefix(string(start), magic) {
			return true
		}
	}
	return false
}

// resume gives files the positions of an earlier run and returns those that have none. The surest evidence goes first:
// the file itself, then its name, then its content under another name in the same folder; the content must fit always.
func (t *Tailer) resume(opened []*file) []*file {
	for _, may := range []func(e entry, f *file) bool{
		func(e entry, f *file) bool { return t.files[e.identity] == f },
		func(e entry, f *file) bool { return e.Path == f.path },
		func(e entry, f *file) bool { return e.Offset > 0 && filepath.Dir(e.Path) == filepath.Dir(f.path) },
	} {
		opened = slices.DeleteFunc(opened, func(f *file) bool {
			for i, e := range t.saved {
				if !may(e, f) {
					continue
				}
				if c, ok := e.resume(f.f, f.size); ok {
					f.cursor, f.next = c, c
					t.saved = slices.Delete(t.saved, i, i+1)
					return true
				}
			}
			return false
		})
	}
	return opened
}

// start places a file that no earlier run knew.
func (t *Tailer) start(f *file, x found) {
	if t.scanned || x.before || t.opts.Sources[x.source].StartAt == Beginning {
		f.fresh = t.scanned
		return
	}
	c, err := atEnd(f.f, f.size)
	if err != nil {
		t.failedTo(failedOpen, x.path, err)
		return
	}
	f.cursor, f.next = c, c
}

// findRenamed looks for files that were renamed, while no process was there, to names that no glob matches: what they
// hold beyond the position is still to be read.
func (t *Tailer) findRenamed(now time.Time) {
	t.saved = slices.DeleteFunc(t.saved, func(e entry) bool {
		source := slices.IndexFunc(t.opts.Sources, func(s Source) bool {
			return slices.ContainsFunc(s.Include, func(p string) bool { return match(p, e.Path) })
		})
		items, err := os.ReadDir(filepath.Dir(e.Path))
		if err != nil || source < 0 || e.identity == (identity{}) {
			return false
		}
		for _, item := range items {
			path := filepath.Join(filepath.Dir(e.Path), item.Name())
			info, err := item.Info()
			if err != nil || !info.Mode().IsRegular() || identityOf(path, info) != e.identity {
				continue
			}
			f, id, err := t.open(found{path: path, source: source}, now)
			if err != nil || f.ignored {
				return false
			}
			c, ok := e.resume(f.f, f.size)
			if !ok || id != e.identity || t.files[id] != nil {
				_ = f.f.Close()
				return false
			}
			f.path, f.cursor, f.next, f.gone = e.Path, c, c, now
			f.serial = -f.serial // older than what has its path now
			t.files[id] = f
			return true
		}
		return false
	})
}

// round reads what the files have grown by, delivers it, moves the positions and writes them. It says whether there is
// more to read at once.
func (t *Tailer) round(ctx context.Context, now time.Time) (more bool, err error) {
	share := max(shareBytes, t.opts.MaxLineBytes+1+markBytes)
	if t.chunk == nil {
		t.chunk = make([]byte, 0, max(batchBytes, share))
	}
	t.chunk, t.lines = t.chunk[:0], t.lines[:0]
	ids := t.inTurn()
	var read []identity
	for _, id := range ids {
		f := t.files[id]
		if cap(t.chunk)-len(t.chunk) < share {
			more = true
			break
		}
		again, readErr := t.read(f, now, share)
		if readErr != nil {
			if !f.failed {
				t.failedTo(failedRead, f.now, readErr)
			}
			f.failed, f.next = true, f.cursor
			continue
		}
		f.failed = false
		more = more || again
		read = append(read, id)
	}
	t.turn += len(read)
	if len(t.lines) > 0 {
		err = t.opts.Deliver(ctx, t.lines)
	}
	if err != nil {
		t.metrics.errors.WithLabelValues(failedDeliver).Inc()
		t.log.Debug("lines were not accepted and come again", "lines", len(t.lines), "error", err)
	} else {
		for _, id := range read {
			t.moved(id, t.files[id])
		}
		for _, line := range t.lines {
			if line.Truncated {
				t.metrics.truncated.Inc()
			}
		}
	}
	t.measure()
	// Also when nothing was delivered: that a file is known decides where it starts after a restart.
	t.keep(now)
	return more && err == nil, err
}

// keep writes the positions if they changed. What fails is tried again in the next round.
func (t *Tailer) keep(now time.Time) {
	if !t.unsaved {
		return
	}
	err := t.save(now)
	if err != nil {
		t.metrics.errors.WithLabelValues(failedSave).Inc()
		if !t.saveErr {
			t.log.Error("positions of tailed files are not saved; a restart would repeat lines", "error", err)
		}
	}
	t.saveErr, t.unsaved = err != nil, err != nil
}

// inTurn returns the files that are read, beginning at another one in each round. Files that had the same path come
// one after the other, the older first, so that a rotation does not mix up the order of lines.
func (t *Tailer) inTurn() []identity {
	ids := make([]identity, 0, len(t.files))
	for id, f := range t.files {
		if !f.ignored {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b identity) int {
		return cmp.Or(cmp.Compare(t.files[a].path, t.files[b].path), cmp.Compare(t.files[a].serial, t.files[b].serial))
	})
	if len(ids) == 0 {
		return nil
	}
	turn := t.turn % len(ids)
	for turn > 0 && t.files[ids[turn]].path == t.files[ids[turn-1]].path {
		turn--
	}
	return slices.Concat(ids[turn:], ids[:turn])
}

// moved takes over a file's position after its lines were delivered, and lets the file go if it has ended.
func (t *Tailer) moved(id identity, f *file) {
	if f.next.offset != f.cursor.offset || f.next.skipping != f.cursor.skipping {
		t.unsaved = true
	}
	f.cursor = f.next
	if f.ended {
		_ = f.f.Close()
		delete(t.files, id)
		t.unsaved = true
	}
}

func (t *Tailer) measure() {
	files, lag := 0, int64(0)
	for _, f := range t.files {
		if !f.ignored {
			files++
			lag += max(0, f.size-f.cursor.offset)
		}
	}
	t.metrics.files.Set(float64(files))
	t.metrics.lag.Set(float64(lag))
}

func (t *Tailer) failedTo(operation, path string, err error) {
	t.metrics.errors.WithLabelValues(operation).Inc()
	t.log.Warn("a tailed file cannot be used now and is tried again", "operation", operation, "path", path, "error", err)
}

// folders returns the folders to watch: those of the files and those in which files may appear.
func (t *Tailer) folders() map[string]bool {
	folders := map[string]bool{}
	for _, s := range t.opts.Sources {
		for _, p := range s.Include {
			folders[filepath.Clean(baseOf(p))] = true
		}
	}
	for _, f := range t.files {
		if f.gone.IsZero() {
			folders[filepath.Dir(f.now)] = true
			folders[f.folder] = true
		}
	}
	return folders
}

func (t *Tailer) close() {
	for _, f := range t.files {
		if !f.ignored {
			_ = f.f.Close()
		}
	}
}
