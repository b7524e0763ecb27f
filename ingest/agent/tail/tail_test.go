package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// rig drives a Tailer by hand: it has the clock, the files and what was delivered.
type rig struct {
	t       *testing.T
	dir     string
	source  Source
	limit   int
	tailer  *Tailer
	now     time.Time
	got     []string
	failing bool
}

func newRig(t *testing.T, include ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), limit: 1000, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, p := range include {
		r.source.Include = append(r.source.Include, filepath.Join(r.dir, p))
	}
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) start() {
	r.t.Helper()
	var err error
	r.tailer, err = New(Options{
		Sources: []Source{r.source}, Positions: filepath.Join(r.dir, "data", "positions.json"),
		PollInterval: time.Second, MaxLineBytes: r.limit, Deliver: r.deliver,
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		r.t.Fatal(err)
	}
	r.tick(0)
}

func (r *rig) deliver(_ context.Context, lines []Line) error {
	if r.failing {
		return errors.New("no broker")
	}
	for _, l := range lines {
		r.got = append(r.got, string(l.Text))
	}
	return nil
}

// tick lets time pass and the tailer do all there is to do.
func (r *rig) tick(d time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(d)
	r.tailer.scan(r.now)
	for range 1000 {
		more, err := r.tailer.round(r.t.Context(), r.now)
		if err != nil && !r.failing {
			r.t.Fatal(err)
		}
		if !more {
			return
		}
	}
	r.t.Fatal("the tailer reads without end")
}

func (r *rig) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	r.do(err)
	_, err = f.WriteString(text)
	r.do(errors.Join(err, f.Close()))
}

// play runs a story: one step a line.
func (r *rig) play(story string) {
	r.t.Helper()
	for line := range strings.Lines(story) {
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		switch w[0] {
		case "start":
			r.start()
		case "stop":
			r.tailer.close()
		case "tick":
			d, err := time.ParseDuration(w[1])
			r.do(err)
			r.tick(d)
		case "write": // whole lines
			r.write(w[1], strings.Join(w[2:], "\n")+"\n")
		case "part": // without newline
			r.write(w[1], w[2])
		case "rename":
			r.do(os.Rename(r.path(w[1]), r.path(w[2])))
		case "copy":
			content, err := os.ReadFile(r.path(w[1]))
			r.do(err)
			r.do(os.WriteFile(r.path(w[2]), content, 0o600))
		case "truncate":
			r.do(os.Truncate(r.path(w[1]), 0))
		case "remove":
			r.do(os.Remove(r.path(w[1])))
		case "mkdir":
			r.do(os.Mkdir(r.path(w[1]), 0o700))
		case "kafka":
			r.failing = w[1] == "away"
		case "want":
			if !slices.Equal(r.got, w[1:]) {
				r.t.Errorf("after the step %q the lines are %q", strings.TrimSpace(line), r.got)
			}
			r.got = nil
		default:
			r.t.Fatalf("unknown step %q", w[0])
		}
	}
	r.tailer.close()
}

func TestStories(t *testing.T) {
	for name, s := range map[string]struct {
		include   []string
		exclude   string
		beginning bool
		story     string
	}{
		"starts at the end": {story: `
			write app.log old
			start
			want
			write app.log new
			tick 1s
			want new`},
		"starts at the beginning": {beginning: true, story: `
			write app.log a b
			start
			want a b`},
		"start at the end passes over the rest of an unfinished line": {story: `
			write app.log old
			part app.log beg
			start
			write app.log un next
			tick 1s
			want next`},
		"a file that appears later is read whole": {story: `
			start
			write app.log a b
			tick 1s
			want a b`},
		"a line counts when its newline is there": {story: `
			start
			part app.log hel
			tick 1s
			want
			part app.log lo
			tick 60s
			want
			write app.log !
			tick 1s
			want hello!`},
		"goes on after a restart": {story: `
			start
			write app.log a
			tick 1s
			stop
			write app.log b c
			start
			want a b c
			stop
			start
			want`},
		"a file that appeared while no process was there is read whole": {story: `
			write app.log old
			start
			stop
			write other.log x y
			start
			want x y`},
		"renamed": {story: `
			start
			write app.log a
			tick 1s
			write app.log b
			rename app.log app.log.1
			write app.log c
			write app.log.1 late
			tick 1s
			want a b late c
			write app.log d
			write app.log.1 later
			tick 1s
			want later d`},
		"renamed within the glob": {include: []string{"app*"}, story: `
			start
			write app.log a
			tick 1s
			rename app.log app.log.1
			write app.log.1 b
			write app.log c
			tick 1s
			want a b c
			rename app.log.1 app.log.2
			rename app.log app.log.1
			write app.log d
			tick 1s
			want d
			stop
			start
			want`},
		"the last line of a file that was rotated away may lack its newline": {story: `
			start
			write app.log a
			part app.log end
			tick 1s
			rename app.log app.log.1
			tick 1s
			want a
			tick 20s
			want
			tick 20s
			want end
			tick 40s
			stop
			start
			want`},
		"deleted": {story: `
			start
			write app.log a
			tick 1s
			write app.log b
			remove app.log
			tick 1s
			want a b
			write app.log c
			tick 1s
			want c`},
		"renamed while no process was there": {story: `
			start
			write app.log a
			tick 1s
			stop
			write app.log b
			rename app.log app.log.1
			write app.log c
			start
			want a b c`},
		"truncated": {story: `
			start
			write app.log a b
			tick 1s
			truncate app.log
			write app.log c
			tick 1s
			want a b c`},
		"truncated and grown beyond between two looks": {story: `
			start
			write app.log a b
			tick 1s
			want a b
			truncate app.log
			write app.log c d e f g
			tick 1s
			want c d e f g`},
		"truncated while no process was there": {story: `
			start
			write app.log a b
			tick 1s
			stop
			truncate app.log
			write app.log c d e f g
			start
			want a b c d e f g`},
		"copied and truncated, the copy outside of the glob": {story: `
			start
			write app.log a b
			tick 1s
			copy app.log app.log.1
			truncate app.log
			write app.log c
			tick 1s
			want a b c`},
		"copied and truncated, the copy inside of the glob": {include: []string{"app*"}, story: `
			start
			write app.log a b
			tick 1s
			want a b
			write app.log rest
			copy app.log app.log.1
			truncate app.log
			write app.log c
			tick 1s
			want rest c
			stop
			start
			want`},
		"a copy that is seen before the truncation waits for it": {include: []string{"app*"}, story: `
			start
			write app.log a b
			tick 1s
			copy app.log app-1.log
			tick 1s
			want a b
			truncate app.log
			tick 1s
			tick 1s
			want
			tick 10s
			want`},
		"copied and truncated while no process was there": {include: []string{"app*"}, story: `
			start
			write app.log a b
			tick 1s
			stop
			write app.log rest
			copy app.log app.log.1
			truncate app.log
			write app.log c
			start
			want a b c rest`},
		"a file that begins like another and is none of its copies": {include: []string{"*.log"}, story: `
			start
			write a.log boot
			tick 1s
			want boot
			write b.log boot
			tick 1s
			want
			tick 2s
			want boot
			write b.log x
			tick 1s
			want x`},
		"lines come again after an outage, in order and once": {story: `
			start
			write app.log a
			tick 1s
			kafka away
			write app.log b
			tick 1s
			rename app.log app.log.1
			write app.log c
			tick 1s
			want a
			kafka back
			tick 1s
			want b c`},
		"an outage over a restart": {story: `
			start
			kafka away
			write app.log a b
			tick 1s
			stop
			kafka back
			start
			want a b`},
		"an outage longer than a rotated file is kept for": {story: `
			start
			write app.log a
			tick 1s
			kafka away
			write app.log b
			rename app.log app.log.1
			tick 1s
			tick 100s
			tick 100s
			want a
			kafka back
			tick 1s
			want b`},
		"excluded": {include: []string{"*.log"}, exclude: "debug*", story: `
			start
			write debug.log a
			write app.log b
			tick 1s
			want b`},
		"folders at any depth": {include: []string{"**/*.log"}, story: `
			start
			mkdir x
			mkdir x/y
			write top.log a
			write x/y/deep.log b
			tick 1s
			want a b`},
		"empty lines and carriage returns": {story: `
			start
			part app.log a` + "\r" + `
			write app.log
			write app.log
			write app.log b
			tick 1s
			want a b`},
	} {
		t.Run(name, func(t *testing.T) {
			if s.include == nil {
				s.include = []string{"*.log"}
			}
			r := newRig(t, s.include...)
			if s.beginning {
				r.source.StartAt = Beginning
			}
			if s.exclude != "" {
				r.source.Exclude = []string{r.path(s.exclude)}
			}
			r.play(s.story)
		})
	}
}

// TestCrashBeforePositions ends a process between delivery and the write of positions: the batch comes once more,
// nothing is lost.
func TestCrashBeforePositions(t *testing.T) {
	r := newRig(t, "*.log")
	r.start()
	r.write("app.log", "a\n")
	r.tick(time.Second)
	before, err := os.ReadFile(r.tailer.opts.Positions)
	r.do(err)
	r.write("app.log", "b\nc\n")
	r.tick(time.Second)
	r.tailer.close()
	r.do(os.WriteFile(r.tailer.opts.Positions, before, 0o600))
	r.start()
	if want := []string{"a", "b", "c", "b", "c"}; !slices.Equal(r.got, want) {
		t.Errorf("delivered %q, want %q", r.got, want)
	}
}

func TestPositionsHoldNoContent(t *testing.T) {
	r := newRig(t, "*.log")
	r.start()
	r.write("app.log", "password=hunter2\n")
	r.tick(time.Second)
	content, err := os.ReadFile(r.tailer.opts.Positions)
	r.do(err)
	if bytes.Contains(content, []byte("hunter2")) || bytes.Contains(content, []byte("password")) {
		t.Errorf("the positions file holds what was logged: %s", content)
	}
}

func TestPositionsThatAreNone(t *testing.T) {
	for _, content := range []string{"", "x", `{"version": 7}`} {
		r := newRig(t, "*.log")
		path := filepath.Join(r.dir, "positions.json")
		r.do(os.WriteFile(path, []byte(content), 0o600))
		_, err := New(Options{Positions: path, PollInterval: 1, MaxLineBytes: 16}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("positions %q: the error is %v", content, err)
		}
	}
}

func TestCompressedIsIgnored(t *testing.T) {
	r := newRig(t, "app*")
	r.start()
	r.write("app.log.1.gz", "\x1f\x8b\x08\x00some\ncompressed\n")
	r.tick(time.Second)
	r.tick(time.Minute)
	if len(r.got) > 0 {
		t.Errorf("lines of a compressed file: %q", r.got)
	}
}

func TestBacklogLargerThanARound(t *testing.T) {
	r := newRig(t, "*.log")
	r.start()
	var want []string
	for i := range 3 {
		var b strings.Builder
		for j := range 20_000 {
			fmt.Fprintf(&b, "line %d of file %d %s\n", j, i, strings.Repeat("x", j%100))
			want = append(want, fmt.Sprintf("line %d of file %d %s", j, i, strings.Repeat("x", j%100)))
		}
		r.write(fmt.Sprintf("app-%d.log", i), b.String())
	}
	r.tick(time.Second)
	got := map[string]int{}
	last := map[string]int{}
	for _, line := range r.got {
		got[line]++
		var j int
		var file string
		if _, err := fmt.Sscanf(line, "line %d of file %s", &j, &file); err != nil || last[file] > j {
			t.Fatalf("line %q is out of order", line)
		}
		last[file] = j
	}
	if len(r.got) != len(want) {
		t.Fatalf("%d lines, want %d", len(r.got), len(want))
	}
	for _, line := range want {
		if got[line] != 1 {
			t.Fatalf("line %q came %d times", line, got[line])
		}
	}
}

// TestRun is the loop with the real clock and the system's reports: a line arrives long before the next poll.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	lines := make(chan string, 100)
	tailer, err := New(Options{
		Sources:   []Source{{Include: []string{filepath.Join(dir, "*.log")}}},
		Positions: filepath.Join(dir, "data", "positions.json"), PollInterval: 10 * time.Minute, MaxLineBytes: 1000,
		Deliver: func(_ context.Context, batch []Line) error {
			for _, l := range batch {
				lines <- string(l.Text)
			}
			return nil
		},
	}, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "early.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tailer.Run(ctx) }()
	expect := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-lines:
				if got == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("line %q did not come", want)
			}
		}
	}
	// Before its first look the tailer would take "early" for old, so write until one has come.
	first := make(chan struct{})
	go func() {
		defer close(first)
		for i := 0; len(lines) == 0 && i < 2000; i++ {
			_, _ = f.WriteString("early\n")
			time.Sleep(10 * time.Millisecond)
		}
	}()
	<-first
	expect("early")
	if err := os.WriteFile(filepath.Join(dir, "new.log"), []byte("created\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("created")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(tailer.opts.Positions); err != nil || !bytes.Contains(content, []byte("new.log")) {
		t.Errorf("positions after the end: %s, %v", content, err)
	}
}
