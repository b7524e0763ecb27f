package tail

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

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
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
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
