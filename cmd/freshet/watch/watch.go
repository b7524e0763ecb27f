// Package watch tells when files change: also when an editor puts a new file in the place of the old, when files come and
// go that a glob fits, and when a symbolic link on the way to them is set to another folder, as Kubernetes does with
// those of a ConfigMap.
//
// It does not say what changed. Reports of the system are taken as hints that it is worth looking; where there are none,
// as on file systems of a network, it is looked now and then.
package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options configure Files.
type Options struct {
	// Paths returns files, folders and globs. It is asked before and after each look, as what is read may
	// name others.
	Paths func() []string
	// Settle is how long nothing more must have happened before it is looked, by default a quarter of a second: files are
	// often written in parts, and several together. It is looked after eight times as long in any case.
	Settle time.Duration
	// Poll is the longest time between two looks, by default 30 seconds.
	Poll time.Duration
	Log  *slog.Logger
}

// Files calls look at once and then whenever the content of one of the paths may have changed, until ctx ends.
func Files(ctx context.Context, o Options, look func()) {
	if o.Settle <= 0 {
		o.Settle = 250 * time.Millisecond
	}
	if o.Poll <= 0 {
		o.Poll = 30 * time.Second
	}
	w := watcher{options: o, folders: map[string]bool{}}
	w.open()
	defer w.close()
	for {
		w.follow()
		look()
		if w.follow() && ctx.Err() == nil {
			continue // what was read named other files, which may have changed before they were watched
		}
		if !w.wait(ctx) {
			return
		}
	}
}

type watcher struct {
	options Options
	system  *fsnotify.Watcher // nil where there are no reports
	folders map[string]bool   // that are watched
	said    bool              // that some cannot be
}

func (w *watcher) open() {
	system, err := fsnotify.NewWatcher()
	if err != nil {
		w.complain("", err)
		return
	}
	w.system = system
}

func (w *watcher) close() {
	if w.system != nil {
		_ = w.system.Close()
	}
}

// complain says once that changes are not reported.
func (w *watcher) complain(folder string, err error) {
	if w.said {
		return
	}
	w.said = true
	w.options.Log.Info("the system does not report changes of files, looking for them now and then",
		slog.String("folder", folder), slog.Duration("every", w.options.Poll), slog.Any("error", err))
}

// follow watches the folders that matter now and no others. It returns whether there are others than before.
func (w *watcher) follow() (others bool) {
	if w.system == nil {
		return false
	}
	wanted := map[string]bool{}
	for _, path := range w.options.Paths() {
		addFolders(wanted, path)
	}
	// The system ends the watch of a folder that is moved or deleted by itself.
	watched := w.system.WatchList()
	for folder := range w.folders {
		if !wanted[folder] && slices.Contains(watched, folder) {
			_ = w.system.Remove(folder) // at worst it is looked once too often
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(wanted)) {
		// Added again each time: the name may be that of another folder now.
		if err := w.system.Add(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.complain(folder, err)
		}
	}
	others = !maps.Equal(wanted, w.folders)
	w.folders = wanted
	return others
}

// wait returns when it is time to look, or false when ctx has ended.
func (w *watcher) wait(ctx context.Context) bool {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.system != nil {
		events, errs = w.system.Events, w.system.Errors
	}
	poll := time.NewTimer(w.options.Poll)
	defer poll.Stop()
	var settled, limit <-chan time.Time
	happened := func() {
		settled = time.After(w.options.Settle)
		if limit == nil {
			limit = time.After(8 * w.options.Settle)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-events:
			happened()
		case err := <-errs:
			w.options.Log.Debug("reports of changed files were lost", slog.Any("error", err))
			happened()
		case <-settled:
			return true
		case <-limit:
			return true
		case <-poll.C:
			return true
		}
	}
}
