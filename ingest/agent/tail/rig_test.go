package tail

import (
	"context"
	"errors"
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
