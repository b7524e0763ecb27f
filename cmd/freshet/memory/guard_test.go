package memory

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// diary notes what a guard does.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(text string) func() {
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lines = append(d.lines, text)
	}
}

// Hold and Release implement Brake.
func (d *diary) Hold()    { d.note("hold")() }
func (d *diary) Release() { d.note("release")() }

// read returns what was noted since the last call.
func (d *diary) read() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := strings.Join(d.lines, " ")
	d.lines = nil
	return text
}

func (d *diary) shed(name string) Shed {
	return Shed{Name: name, Do: d.note("-" + name), Undo: d.note("+" + name)}
}

func newTestGuard(d *diary, log *bytes.Buffer) (*Guard, *prometheus.Registry) {
	reg := prometheus.NewPedanticRegistry()
	return New(Options{
		Limit: 1000, Sheds: []Shed{d.shed("charts"), d.shed("caches")}, Brake: d,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, reg), reg
}

func TestGuardShedsThenPauses(t *testing.T) {
	var d diary
	var log bytes.Buffer
	g, reg := newTestGuard(&d, &log)
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		used int64
		want string
	}{
		{899, ""},
		{900, "-charts"},
		{850, ""}, // between the two marks all stays as it is
		{930, "-caches"},
		{930, "hold"},
		{999, ""},
		{850, ""},
		{800, ""},
		{799, "release +charts +caches"},
		{799, ""},
		{1200, "-charts"},
		{700, "+charts"},
	} {
		now = now.Add(lookEvery)
		g.look(step.used, now)
		if got := d.read(); got != step.want {
			t.Errorf("at %d: %q, want %q", step.used, got, step.want)
		}
		if s := g.State(); s.Used != step.used || s.Limit != 1000 {
			t.Errorf("state %+v", s)
		}
	}
	for text, want := range map[string]int{"let go of": 3, "waits in Kafka": 1, "suffices again": 2} {
		if n := strings.Count(log.String(), text); n != want {
			t.Errorf("the log says %d times %q, want %d", n, text, want)
		}
	}
	// Held from the fifth look to the ninth.
	want := `
# HELP freshet_memory_limit_bytes Memory that the process may use, 0 where there is no limit.
# TYPE freshet_memory_limit_bytes gauge
freshet_memory_limit_bytes 1000
# HELP freshet_memory_paused 1 while nothing is read because memory is short, else 0.
# TYPE freshet_memory_paused gauge
freshet_memory_paused 0
# HELP freshet_memory_paused_seconds_total Time in which nothing was read because memory was short.
# TYPE freshet_memory_paused_seconds_total counter
freshet_memory_paused_seconds_total 0.2
# HELP freshet_memory_shed_times_total How often something was let go of because memory was short.
# TYPE freshet_memory_shed_times_total counter
freshet_memory_shed_times_total{what="caches"} 1
freshet_memory_shed_times_total{what="charts"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"freshet_memory_limit_bytes", "freshet_memory_paused", "freshet_memory_paused_seconds_total", "freshet_memory_shed_times_total"); err != nil {
		t.Error(err)
	}
}

// A pause lets a little in now and then, or windows would never end; the log is told of it once.
func TestPauseLetsALittleIn(t *testing.T) {
	var d diary
	var log bytes.Buffer
	g, _ := newTestGuard(&d, &log)
	now := time.Unix(1_800_000_000, 0)
	var held, open time.Duration
	holding := false
	for range time.Minute / lookEvery {
		now = now.Add(lookEvery)
		g.look(950, now)
		for word := range strings.FieldsSeq(d.read()) {
			switch word {
			case "hold":
				holding = true
			case "release":
				holding = false
			}
		}
		if holding {
			held += lookEvery
		} else {
			open += lookEvery
		}
		if paused := !g.State().Paused.IsZero(); paused != holding {
			t.Fatal("the state does not say whether reading pauses")
		}
	}
	if held < 57*time.Second || open < 20*lookEvery {
		t.Errorf("held for %s and open for %s of a minute", held, open)
	}
	if n := strings.Count(log.String(), "waits in Kafka"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

func TestNoLimitNoGuard(t *testing.T) {
	var d diary
	g := New(Options{Sheds: []Shed{d.shed("charts")}, Brake: &d, Log: slog.New(slog.DiscardHandler)}, prometheus.NewRegistry())
	for i := range int64(10) {
		if g.look(1<<(20+3*i), time.Now()) {
			t.Error("something was let go of")
		}
	}
	if got := d.read(); got != "" {
		t.Errorf("did %q without a limit", got)
	}
}

// The guard sees memory that was let go of though nobody allocates any more.
func TestGuardMeasures(t *testing.T) {
	var held atomic.Pointer[[]byte]
	held.Store(new(make([]byte, 96<<20)))
	runtime.GC() // which finds it alive
	used, _ := newGauge().read()
	if used < 96<<20 || used > 200<<20 {
		t.Fatalf("%d bytes in use with a ballast of 96 MiB", used)
	}
	var d diary
	undone := make(chan struct{})
	g := New(Options{
		Limit: used * 100 / 95, Brake: &d, Log: slog.New(slog.DiscardHandler),
		Sheds: []Shed{{Name: "ballast", Do: func() { held.Store(nil) }, Undo: func() { close(undone) }}},
	}, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	select {
	case <-undone:
	case <-time.After(20 * time.Second):
		t.Errorf("after 20 s memory is still short: %+v", g.State())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := strings.Fields(d.read()); slices.Contains(got, "hold") || !slices.Contains(got, "release") {
		t.Errorf("the brake was told %v; it must be off at the end, and there was no need for it", got)
	}
}

func TestSetLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	log := slog.New(slog.DiscardHandler)
	if got := SetLimit(512<<20, log); got != 512<<20 || debug.SetMemoryLimit(-1) != 512<<20 {
		t.Errorf("limit %d, Go's is %d", got, debug.SetMemoryLimit(-1))
	}
	// What the person who starts the process says in Go's own way stands, unless the file says otherwise.
	t.Setenv("GOMEMLIMIT", "300MiB")
	debug.SetMemoryLimit(300 << 20) // as the runtime does at the start
	if got := SetLimit(0, log); got != 300<<20 || debug.SetMemoryLimit(-1) != 300<<20 {
		t.Errorf("limit %d, Go's is %d", got, debug.SetMemoryLimit(-1))
	}
	if got := SetLimit(400<<20, log); got != 400<<20 {
		t.Errorf("limit %d", got)
	}
	t.Setenv("GOMEMLIMIT", "off")
	debug.SetMemoryLimit(math.MaxInt64)
	if got := SetLimit(0, log); got != 0 {
		t.Errorf("limit %d, want none", got)
	}
}
