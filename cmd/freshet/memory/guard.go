// Package memory keeps a process within the memory that it may use. At nine tenths of the limit it lets go of what is
// cheapest to lose, step by step: what only people look at, then what only saves work, and never anything that is
// counted. If that is not enough it takes in no more, and the input waits in Kafka, until less than eight tenths are used.
//
// What is held for windows is freed as event time goes on, and that takes reading. So a pause does not last: every few
// seconds a little is let in.
package memory

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	shortAt    = 0.9 // of the limit: memory is short from here on
	sufficesAt = 0.8 // and no longer below this
	// lookEvery is how often memory is looked at, collectEvery how often garbage is collected for it while it is short:
	// nobody else does it when nothing comes in.
	lookEvery    = 50 * time.Millisecond
	collectEvery = 2 * time.Second
	// pauseFor is how long a pause lasts before as much is let in as is processed between two looks.
	pauseFor = 2 * time.Second
)

// Shed is something that can be let go of.
type Shed struct {
	Name string // in few words, for the log and a metric
	// Do lets go of it. Undo, which may be nil, says that memory suffices again.
	Do, Undo func()
}

// Brake holds back what comes in.
type Brake interface {
	Hold()
	Release()
}

// Options configure a Guard.
type Options struct {
	// Limit is in bytes; without one nothing is done.
	Limit int64
	// Sheds are what can be let go of, the cheapest first.
	Sheds []Shed
	Brake Brake
	Log   *slog.Logger
}

// State is how a process stands.
type State struct {
	// Limit and Used are in bytes; Limit is 0 where there is none.
	Limit, Used int64
	// Short says that something was let go of and memory does not suffice yet. Paused is since when nothing is taken in,
	// zero while it is.
	Short  bool
	Paused time.Time
}

// Guard watches the memory of the process.
type Guard struct {
	o Options
	m *guardMetrics

	mu    sync.Mutex
	state State
	next  int // of the sheds
	// warned: the log knows of the pause. looked is when memory was last looked at.
	warned bool
	looked time.Time
}

// New makes a guard.
func New(o Options, reg prometheus.Registerer) *Guard {
	g := &Guard{o: o, m: newGuardMetrics(reg, o.Sheds)}
	g.state.Limit = o.Limit
	g.m.limit.Set(float64(o.Limit))
	return g
}

// State returns how the process stands. It is safe for concurrent use.
func (g *Guard) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Run watches until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	gauge := newGauge()
	var collected time.Time
	var collections uint64
	for {
		select {
		case <-ctx.Done():
			g.o.Brake.Release()
			return nil
		case now := <-tick.C:
			used, n := gauge.read()
			if n != collections {
				collections, collected = n, now
			}
			if g.look(used, now) || g.State().Short && now.Sub(collected) >= collectEvery {
				runtime.GC()
			}
		}
	}
}

// look decides what to do about the memory in use, and returns whether something was let go of.
func (g *Guard) look(used int64, now time.Time) (shed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.state
	s.Used = used
	g.m.used.Set(float64(used))
	if s.Limit <= 0 {
		return false
	}
	if !s.Paused.IsZero() {
		g.m.pausedFor.Add(now.Sub(g.looked).Seconds())
	}
	g.looked = now
	share := float64(used) / float64(s.Limit)
	switch {
	case share < sufficesAt:
		g.relax()
	case share >= shortAt && g.next < len(g.o.Sheds):
		g.shed()
		return true
	case share >= shortAt && s.Paused.IsZero():
		g.pause(now)
		return false
	}
	if !s.Paused.IsZero() && now.Sub(s.Paused) >= pauseFor {
		g.resume()
	}
	return false
}

func (g *Guard) use() []any {
	return []any{slog.Int64("used_bytes", g.state.Used), slog.Int64("limit_bytes", g.state.Limit)}
}

// shed lets go of the next.
func (g *Guard) shed() {
	s := g.o.Sheds[g.next]
	g.next++
	g.state.Short = true
	g.m.sheds.WithLabelValues(s.Name).Inc()
	g.o.Log.Warn("memory is short: something is let go of that is not counted", append(g.use(), slog.String("what", s.Name))...)
	s.Do()
}

func (g *Guard) pause(now time.Time) {
	g.state.Short, g.state.Paused = true, now
	g.m.paused.Set(1)
	g.o.Brake.Hold()
	if !g.warned {
		g.warned = true
		g.o.Log.Error("memory is short: the input waits in Kafka until it suffices. Raise memory_limit or that of the container, "+
			"lower max_groups of rules, or start another detector", g.use()...)
	}
}

// resume ends a pause, or lets a little in before the next.
func (g *Guard) resume() {
	g.state.Paused = time.Time{}
	g.m.paused.Set(0)
	g.o.Brake.Release()
}

// relax takes everything back: memory suffices.
func (g *Guard) relax() {
	if !g.state.Short {
		return
	}
	if !g.state.Paused.IsZero() {
		g.resume()
	}
	for _, s := range g.o.Sheds[:g.next] {
		if s.Undo != nil {
			s.Undo()
		}
	}
	g.next, g.warned, g.state.Short = 0, false, false
	g.o.Log.Info("memory suffices again", g.use()...)
}
