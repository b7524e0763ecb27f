package kafka

import (
	"context"
	"sync"
	"time"
)

const (
	// lastFlush is how long the end of Run may wait for its last transaction.
	lastFlush = 10 * time.Second
	// lastWork is how much of that tasks may take to finish what they have under way outside of Kafka.
	lastWork = 5 * time.Second
)

// finish makes the last transaction and gives the partitions back.
func (r *run) finish(life context.Context) {
	for _, w := range r.workers {
		w.stop()
	}
	r.finishTasks(life)
	if r.member.id != "" {
		r.retry = time.Time{}
		if err := r.flush(life); err != nil {
			r.log.Warn("the last transaction was not committed; its records will be read again", "err", err)
		}
	}
	r.closeAll()
	if r.s.LeaveOnStop {
		if err := r.member.leave(r.txn.cl); err != nil {
			r.log.Debug("leaving the group", "err", err)
		}
	}
}

// finishTasks has tasks finish what they have under way, and keeps the partitions meanwhile, else the last flush would be
// refused.
func (r *run) finishTasks(life context.Context) {
	ctx, cancel := context.WithTimeout(life, lastWork)
	defer cancel()
	beat, stop := context.WithCancel(ctx)
	var beats sync.WaitGroup
	defer beats.Wait()
	defer stop()
	id, generation := r.member.id, r.member.generation
	beats.Go(func() {
		// A group that waits for its members to join does so until the flush.
		for id != "" && sleep(beat, r.member.interval()) {
			if err := r.member.heartbeat(r.txn.cl, id, generation); err != nil && classify(err) == connection {
				_ = r.txn.cl.RefreshCoordinator(r.s.Group)
			}
		}
	})
	var wg sync.WaitGroup
	for _, w := range r.workers {
		if f, ok := w.task.(Finisher); ok {
			wg.Go(func() { f.Finish(ctx) })
		}
	}
	wg.Wait()
}
