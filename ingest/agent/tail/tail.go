// Package tail reads lines from files that others write, rotate, truncate and delete.
//
// A Tailer looks for files by glob, reads what they grow by, hands lines over in batches, and moves a file's position
// only after the batch was accepted. Positions are written to a file (atomically and synced) right after that, so a
// crash between the two hands over the last batch a second time; no line is lost.
//
// A line counts when its newline is there. What a file holds after its last newline is handed over when the file was
// rotated away and has not grown for a while. One line is one Line however long it is: what exceeds the limit is dropped
// and counted. Empty lines are passed over.
//
// Rotation. A renamed file is the same file: it is read to its end under whatever name, also when it was renamed to a
// name that no glob matches or while the process was down. A truncated file is read from its start again. A copy made
// by copytruncate, if a glob matches it, goes on where the original was read to; if none does, what was written between
// the last read and the truncation is gone, which is the price of copytruncate.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// batchBytes bounds what one round reads of all files, shareBytes what it reads of one.
	batchBytes = 1 << 20
	shareBytes = 256 << 10
	// rotatedWait is how long a file that was rotated away must not grow before it is let go: its writer may hold it
	// open for some time.
	rotatedWait = 30 * time.Second
	// copyWait is how long a new file that begins like a known one must not grow before it counts as a file of its own
	// and not as a copy in the making.
	copyWait = 2 * time.Second
	// forgetAfter is how long the position of a file that cannot be found is kept: its disk may come back.
	forgetAfter = 24 * time.Hour
	// quiet gathers a burst of changes into one round.
	quiet = 10 * time.Millisecond
)

// StartAt says where a file starts that was there before its pattern was first tailed.
type StartAt int

// The places to start at.
const (
	End StartAt = iota
	Beginning
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *StartAt) UnmarshalText(text []byte) error {
	switch string(text) {
	case "end":
		*s = End
	case "beginning":
		*s = Beginning
	default:
		return fmt.Errorf("expected beginning or end, found %q", text)
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s StartAt) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns "end" or "beginning".
func (s StartAt) String() string {
	if s == Beginning {
		return "beginning"
	}
	return "end"
}

// Source is one set of files. A file that several sources match belongs to the first.
type Source struct {
	// Include and Exclude are globs of absolute paths; ** as a whole segment stands for any number of folders.
	Include, Exclude []string
	StartAt          StartAt
}

// Line is one line of a file, without its end.
type Line struct {
	// Source is the index of the source in Options.
	Source int
	// Path is where the file was when it was opened.
	Path string
	// Text is valid until Deliver returns. It is not empty and may be no UTF-8.
	Text []byte
	// Truncated says that the line was longer and Text is its first part.
	Truncated bool
}

// Options configure a Tailer.
type Options struct {
	Sources []Source
	// Positions is the path of the file that keeps how far files were read; its folder is made.
	Positions string
	// PollInterval is the time between looks for new, rotated and grown files. Changes that the system reports are read
	// at once.
	PollInterval time.Duration
	// MaxLineBytes bounds one line.
	MaxLineBytes int
	// Deliver takes lines, those of one file in order, and returns nil when they are safe. After an error the same
	// lines come again. Its ctx does not end when that of Run does, so it must bound its own time.
	Deliver func(ctx context.Context, lines []Line) error
}

func (o Options) validate() error {
	var errs []error
	if o.Positions == "" {
		errs = append(errs, errors.New("the path of the positions file is missing"))
	}
	if o.PollInterval <= 0 {
		errs = append(errs, errors.New("the poll interval must be above 0"))
	}
	if o.MaxLineBytes < 16 {
		errs = append(errs, errors.New("the limit of a line must be at least 16 bytes"))
	}
	for _, s := range o.Sources {
		for _, p := range slices.Concat(s.Include, s.Exclude) {
			if err := CheckPattern(p); err != nil {
				errs = append(errs, fmt.Errorf("pattern %q: %w", p, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Tailer tails the files of its sources. Make one with New, then call Run.
type Tailer struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics

	files   map[identity]*file
	serial  int             // of the file opened last
	turn    int             // rounds begin at changing files, so that no busy one starves the others
	retired []retired       // where truncated files were read to
	saved   []entry         // positions of an earlier run whose files were not found yet
	known   map[string]bool // patterns that an earlier run tailed
	// closedTo are the paths that could not be opened the last time.
	closedTo map[string]bool
	scanned  bool
	unsaved  bool
	saveErr  bool   // the last save failed
	chunk    []byte // what a round read, which its lines point into
	lines    []Line
}

// New reads the positions of an earlier run. A positions file that cannot be understood is an error, because to go on
// without it would lose or repeat lines.
func New(opts Options, log *slog.Logger, reg prometheus.Registerer) (*Tailer, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("configuring the tailer: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(opts.Positions), 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of the positions: %w", err)
	}
	saved, patterns, err := loadPositions(opts.Positions)
	if err != nil {
		return nil, err
	}
	t := &Tailer{
		opts: opts, log: log, metrics: newMetrics(reg),
		files: map[identity]*file{}, saved: saved, known: map[string]bool{}, closedTo: map[string]bool{},
	}
	for _, p := range patterns {
		t.known[p] = true
	}
	return t, nil
}

// Run tails until ctx ends and returns nil once the last batch is delivered and its positions are written.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.close()
	changes, err := newChanges(t.log)
	if err != nil {
		return err
	}
	defer changes.close()
	poll := time.NewTicker(t.opts.PollInterval)
	defer poll.Stop()
	backoff := time.Duration(0)
	rescan := true
	for ctx.Err() == nil {
		now := time.Now()
		if rescan {
			t.scan(now)
			changes.watch(t.folders())
			rescan = false
		}
		more, err := t.round(context.WithoutCancel(ctx), now)
		if err != nil {
			backoff = min(max(2*backoff, 250*time.Millisecond), 5*time.Second)
			pause(ctx, backoff)
			rescan = true // files may have been rotated in the meantime
			continue
		}
		backoff = 0
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
			rescan = true
		case err := <-changes.watcher.Errors:
			rescan = err != nil
		case event := <-changes.watcher.Events:
			rescan = structural(event)
			pause(ctx, quiet)
			rescan = changes.drain() || rescan
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
