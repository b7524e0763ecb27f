package pipeline

import (
	"log/slog"
	"sync/atomic"

	"github.com/freshet-dev/freshet/cmd/freshet/memory"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// thrift is what the parts of the process have to know when memory is short.
type thrift struct {
	// brake holds back the input of both stages; what is found is always told.
	brake kafka.Brake
	// uncharted: the page's charts are not drawn.
	uncharted atomic.Bool
	// shed is how often the tasks were asked to let go of what only saves work. Each does so when it is its turn.
	shed atomic.Int64
}

// newGuard makes the guard of the process's memory. What only people look at goes first, then what saves work. Nothing
// that a finding is made of is let go of, samples included: a replay must find the same.
func (p *Pipeline) newGuard() *memory.Guard {
	return memory.New(memory.Options{
		Limit: memory.SetLimit(int64(p.cfg.MemoryLimit), p.log),
		Sheds: []memory.Shed{
			{
				Name: "charts of the page",
				Do:   func() { p.thrift.uncharted.Store(true); p.charts.Clear() },
				Undo: func() { p.thrift.uncharted.Store(false) },
			},
			{Name: "caches of the detector", Do: func() { p.thrift.shed.Add(1) }},
		},
		Brake: &p.thrift.brake,
		Log:   p.log.With(slog.String("component", "memory")),
	}, p.registry)
}

// due says whether a task that has let go of its caches some number of times is asked to do so again.
func (t *thrift) due(done *int64) bool {
	asked := t.shed.Load()
	if *done == asked {
		return false
	}
	*done = asked
	return true
}

// letGo drops what the task keeps to save work; its output has just been taken.
func (t *accumulate) letGo() {
	if t.p.thrift.due(&t.shed) {
		t.acc.Shed()
		t.batch = ingest.Batch{}
	}
}

// letGo drops the room that groups left behind.
func (t *evaluate) letGo() {
	if t.p.thrift.due(&t.shed) {
		t.eval.Shed()
	}
}
