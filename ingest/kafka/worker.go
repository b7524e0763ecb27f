package kafka

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// worker is a partition that this process owns: a goroutine that opens its task and feeds it, and what the task handed
// over for the next transaction.
type worker struct {
	r      *run
	tp     topicPartition
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	err    error         // why it ended by itself; valid after done

	mu   sync.Mutex // the task and its position: the goroutine processes, the flush takes
	task Task
	next int64 // the position: what is committed when the output so far is
	work bool  // records were processed since the last take

	// What was taken and is not committed yet, older first. Only the run's goroutine uses these.
	out      []Message
	offset   int64
	metadata string
	due      bool // there is something to commit
	failures int  // times that the partition was opened anew since its last commit
}

// open starts a worker after a pause.
func (r *run) open(ctx context.Context, tp topicPartition, failures int) *worker {
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{r: r, tp: tp, cancel: cancel, done: make(chan struct{}), failures: failures}
	go func() {
		defer close(w.done)
		if failures > 0 && !sleep(ctx, min(time.Second<<min(failures-1, 5), 30*time.Second)) {
			return
		}
		if err := w.run(ctx); err != nil && ctx.Err() == nil {
			w.err = err
			signal(r.failed)
		}
	}()
	return w
}

// stop ends the goroutine; the task stays for a last flush.
func (w *worker) stop() {
	w.cancel()
	<-w.done
}

// close ends the worker and its task.
func (w *worker) close() {
	w.stop()
	if w.task != nil {
		w.task.Close()
	}
	w.r.c.m.lag.DeleteLabelValues(w.tp.topic, strconv.Itoa(int(w.tp.id)))
}

func (w *worker) run(ctx context.Context) error {
	if err := w.r.takeOver(ctx); err != nil {
		return err
	}
	claim, err := w.r.claim(ctx, w.tp)
	if err != nil {
		return err
	}
	task, err := w.r.s.Open(ctx, claim)
	if err != nil {
		return fmt.Errorf("opening the task: %w", err)
	}
	w.mu.Lock()
	w.task, w.next = task, claim.Offset
	w.mu.Unlock()
	src := w.r.fetcher.add(w.tp, claim.Offset)
	defer w.r.fetcher.router.remove(src)
	lag := w.r.c.m.lag.WithLabelValues(w.tp.topic, strconv.Itoa(int(w.tp.id)))
	var idle time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-src.state.answers:
			if a.err != nil {
				return a.err
			}
			if !w.r.gate.wait(ctx) {
				return nil
			}
			err := w.process(ctx, &a)
			w.r.fetcher.took(src, &a)
			if err != nil {
				return err
			}
			lag.Set(float64(max(a.stable-a.next, 0)))
			// What is written but not committed yet may hold any event time, so the end is that of all that is written.
			if a.next >= max(a.stable, a.end) && a.asked.Sub(idle) >= time.Second && w.r.c.health.settled(a.asked) && ctx.Err() == nil {
				idle = a.asked
				w.mu.Lock()
				task.Idle(a.asked)
				w.mu.Unlock()
			}
		}
	}
}

// process gives the records of an answer to the task.
func (w *worker) process(ctx context.Context, a *fetched) error {
	records := 0
	if !w.r.slots.take(ctx) {
		return nil
	}
	defer w.r.slots.give()
	err := a.each(w.tp, 0, func(m *Message) error {
		if records%turn == turn-1 {
			w.r.slots.give()
			w.r.slots <- struct{}{} // not for long, and the lock is not held
		}
		if w.r.s.Brake.held() {
			w.r.slots.give()
			goOn := w.r.s.Brake.wait(ctx)
			w.r.slots <- struct{}{}
			if !goOn {
				return ctx.Err()
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.Offset < w.next {
			return nil
		}
		if err := w.task.Process(m); err != nil {
			return fmt.Errorf("processing the record at offset %d: %w", m.Offset, err)
		}
		w.next, w.work = m.Offset+1, true
		records++
		return nil
	})
	if records > 0 {
		w.r.c.m.consumedRecords.WithLabelValues(w.tp.topic).Add(float64(records))
		w.r.c.m.consumedBytes.WithLabelValues(w.tp.topic).Add(float64(a.bytes))
		w.r.processed(a.bytes)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.next = max(w.next, a.next)
	w.mu.Unlock()
	return nil
}

// take asks the task for what it has and adds it to what is due.
func (w *worker) take(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.task == nil {
		return nil
	}
	out, err := w.task.Take(now)
	if err != nil {
		return fmt.Errorf("taking the output: %w", err)
	}
	if !w.work && len(out.Messages) == 0 {
		return nil
	}
	w.out = append(w.out, out.Messages...)
	w.offset, w.metadata = w.next, out.Metadata
	w.work, w.due = false, true
	return nil
}

// committed tells the task and forgets what was due.
func (w *worker) committed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.task.Committed()
	clear(w.out)
	w.out, w.due, w.failures = w.out[:0], false, 0
}

// takeOver fences the process that had the partitions of an exclusive stage before. It comes before the committed offset is
// asked for, which waits for the end of open transactions.
func (r *run) takeOver(ctx context.Context) error {
	if !r.s.Exclusive {
		return nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.txn.takeOver(ctx)
}

// claim finds where a partition goes on.
func (r *run) claim(ctx context.Context, tp topicPartition) (Claim, error) {
	c := Claim{Topic: tp.topic, Partition: tp.id, Flush: func() { signal(r.flushNow) },
		Owned: func() bool { return r.member.lease.within(r.member.session / 2) }}
	at, err := r.c.committed(ctx, r.reader, r.s.Group, tp)
	if err != nil {
		return c, err
	}
	c.Offset, c.Metadata = at.offset, withoutMark(at.metadata)
	if c.Offset >= 0 {
		if err := r.inside(ctx, tp, &c); err != nil {
			return c, err
		}
	}
	if c.Offset < 0 {
		start := r.s.StartAt
		if slices.Contains(r.s.FromOldest, tp.topic) {
			start = time.Time{}
		}
		if c.Offset, err = r.c.startOffset(ctx, r.reader, tp, start); err != nil {
			return c, err
		}
	}
	for wait := newBackoff(50*time.Millisecond, time.Second); ; {
		c.Partitions, err = partitions(r.reader, tp.topic)
		if err == nil && c.Partitions > 0 {
			return c, nil
		}
		if err != nil && ctx.Err() == nil {
			r.c.failed(err)
		}
		if !wait.sleep(ctx) {
			return c, ctx.Err()
		}
	}
}

// inside checks that the committed offset of a claim is in the partition, and says so when it is not.
func (r *run) inside(ctx context.Context, tp topicPartition, c *Claim) error {
	first, err := r.c.offset(ctx, r.reader, tp, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	end, err := r.c.offset(ctx, r.reader, tp, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	switch {
	case c.Offset < first:
		r.log.Warn("records were deleted before they were read: retention is shorter than the outage",
			"topic", tp.topic, "partition", tp.id, "committed", c.Offset, "oldest", first, "lost", first-c.Offset)
		c.Offset = first
	case c.Offset > end:
		r.log.Warn("the committed offset is after the end of the partition: the topic was made anew or lost data; reading it as if nothing had been committed",
			"topic", tp.topic, "partition", tp.id, "committed", c.Offset, "end", end)
		c.Offset, c.Metadata = -1, ""
	}
	return nil
}

// slots are how many workers process at the same time. More than there are processors would only be preempted inside
// their tasks, and a flush would have to wait for each of them to come round again.
type slots chan struct{}

// turn is after how many records a worker lets others have its slot.
const turn = 64

func newSlots() slots { return make(slots, max(4, runtime.GOMAXPROCS(0))) }

// take returns false if ctx ended before there was a slot.
func (s slots) take(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s slots) give() { <-s }

// gate holds the workers while output cannot be committed, so that it does not pile up.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

// wait returns false if ctx ended before the gate was open.
func (g *gate) wait(ctx context.Context) bool {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
		}
	default:
		if open {
			close(g.open)
		}
	}
}

// reopen handles workers that ended by themselves: nothing of them since their last commit may be committed, and their
// partitions are opened anew.
func (r *run) reopen(ctx context.Context) {
	for tp, w := range r.workers {
		select {
		case <-w.done:
		default:
			continue
		}
		if w.err == nil {
			continue
		}
		r.renew(ctx, tp, w, w.err)
	}
}

func (r *run) renew(ctx context.Context, tp topicPartition, w *worker, why error) {
	w.close()
	if !errors.Is(why, errPosition) { // else opening it anew finds the right position and says what was wrong
		r.c.m.failed(task)
		r.log.Error("a partition cannot go on, opening it anew from its committed offset", "topic", tp.topic, "partition", tp.id, "err", why)
	}
	r.workers[tp] = r.open(ctx, tp, w.failures+1)
}
