package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/fsnotify/fsnotify"
)

// changes reports that something happened in the watched folders. It only wakes the Tailer; what happened is found by
// looking, so lost reports cost a poll interval and nothing else.
type changes struct {
	watcher *fsnotify.Watcher
	log     *slog.Logger
	limited bool
}

func newChanges(log *slog.Logger) (*changes, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("asking the system to report changes of files: %w", err)
	}
	return &changes{watcher: w, log: log}, nil
}

// watch makes the watched folders those given. A folder that cannot be watched is polled.
func (c *changes) watch(folders map[string]bool) {
	watched := map[string]bool{} // asked anew, because the system ends the watch of a deleted folder by itself
	for _, folder := range c.watcher.WatchList() {
		watched[folder] = true
	}
	for folder := range folders {
		if watched[folder] {
			continue
		}
		if err := c.watcher.Add(folder); err != nil && !errors.Is(err, fs.ErrNotExist) && !c.limited {
			c.limited = true
			c.log.Info("a folder cannot be watched and is polled", "folder", folder, "error", err)
		}
	}
	for folder := range watched {
		if folders[folder] {
			continue
		}
		if err := c.watcher.Remove(folder); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
			c.log.Debug("a folder cannot be unwatched", "folder", folder, "error", err)
		}
	}
}

// structural says that a report is about more than a file's content.
func structural(event fsnotify.Event) bool { return event.Op&^(fsnotify.Write|fsnotify.Chmod) != 0 }

// drain takes the reports that are waiting and says whether one of them was about more than content.
func (c *changes) drain() (rescan bool) {
	for {
		select {
		case event, ok := <-c.watcher.Events:
			if !ok {
				return true
			}
			rescan = rescan || structural(event)
		case err := <-c.watcher.Errors:
			rescan = rescan || err != nil // an overflow: reports were lost
		default:
			return rescan
		}
	}
}

func (c *changes) close() { _ = c.watcher.Close() }
