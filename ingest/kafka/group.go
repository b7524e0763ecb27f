package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const (
	// flushBytes processed have a transaction made before the interval is over.
	flushBytes = 16 << 20
	// firstEpoch is how long the first records wait for the transaction coordinator, which a Kafka that never had a
	// transaction has to set up: what would be read meanwhile could not be committed and would pile up.
	firstEpoch = 10 * time.Second
	// watchInterval is how often new topics and partitions are looked for.
	watchInterval = 5 * time.Second
)

func (s Stage) validate() error {
	var errs []error
	if s.Group == "" {
		errs = append(errs, errors.New("group is missing"))
	}
	if !validInstance(s.Instance) {
		errs = append(errs, fmt.Errorf("instance: expected 1 to 249 letters, digits, dots, dashes and underscores, found %q", s.Instance))
	}
	if len(s.Topics) == 0 && s.Match == nil {
		errs = append(errs, errors.New("topics are missing"))
	}
	if s.Open == nil {
		errs = append(errs, errors.New("open is missing"))
	}
	return errors.Join(errs...)
}

// transactionalID is what the coordinator of transactions knows the stage's producer by.
func (s Stage) transactionalID() string {
	if s.Exclusive {
		return s.Group
	}
	return s.Group + "-" + s.Instance
}

// validInstance says whether Kafka takes a name for a static member.
func validInstance(name string) bool {
	return len(name) > 0 && len(name) <= 249 && clientID(name) == name
}

// Run takes part in a stage until ctx ends, then makes a last transaction and returns nil. Only a Stage that is not
// complete makes it return an error. Broker failures, lost generations and failed tasks are dealt with as the package
// comment says.
func (c *Client) Run(ctx context.Context, s Stage) error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("stage %s: %w", cmp.Or(s.Group, "without a name"), err)
	}
	if s.FlushInterval <= 0 {
		s.FlushInterval = 100 * time.Millisecond
	}
	r := &run{
		c: c, s: s, log: c.log.With("group", s.Group),
		workers: map[topicPartition]*worker{}, gate: newGate(), slots: newSlots(),
		flushNow: make(chan struct{}, 1), failed: make(chan struct{}, 1), nonce: rand.Text()[:10],
	}
	if s.Oversized != nil {
		c.m.leftOut.WithLabelValues(s.Group) // counted from 0 on, so that the first shows as an increase
	}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("stage %s: %w", s.Group, err)
	}
	return nil
}

// run is one Stage at work. Its goroutine joins the group, opens and closes workers, and flushes; the workers process.
type run struct {
	c   *Client
	s   Stage
	log *slog.Logger

	reader  sarama.Client // offsets and metadata
	fetcher *fetcher
	member  *member
	txn     *txn
	writing sync.Mutex // held while txn is used, where the stage is Exclusive
	workers map[topicPartition]*worker
	gate    *gate
	slots   slots
	next    *successor // nil while no other stage is to take over

	flushNow, failed chan struct{}
	uncommitted      atomic.Int64 // bytes processed since the last flush

	nonce     string // with flushes, the mark of a flush
	flushes   int64
	troubled  time.Time // when the first of the flushes failed that failed since
	complaint string    // the trouble that was said last
	retry     time.Time // no flush before
	pause     *backoff
}

// processed counts what waits to be committed.
func (r *run) processed(bytes int64) {
	if r.uncommitted.Add(bytes) >= flushBytes {
		signal(r.flushNow)
	}
}

func (r *run) run(ctx context.Context) error {
	// What the last flush needs outlives ctx for a while.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastFlush, end) })()

	clients := make([]sarama.Client, 4)
	for i, c := range []struct {
		ctx  context.Context
		read time.Duration
	}{
		{ctx, 0},                                // fetches
		{ctx, rebalanceTimeout + 5*time.Second}, // membership: joining waits for the others
		{ctx, 0},                                // offsets, metadata
		{life, r.c.cfg.TransactionTimeout + 2*time.Second}, // transactions
	} {
		cl, err := r.c.connect(c.ctx, func(conf *sarama.Config) { conf.Net.ReadTimeout = cmp.Or(c.read, conf.Net.ReadTimeout) })
		if err != nil {
			return err
		}
		defer disconnect(cl)
		clients[i] = cl
	}
	r.fetcher, r.reader = newFetcher(r.c, clients[0]), clients[2]
	r.fetcher.brake = r.s.Brake
	defer r.s.Brake.attach(r.fetcher.router.wakeAll)()
	r.member = &member{c: r.c, cl: clients[1], log: r.log, group: r.s.Group, instance: r.s.Instance, topics: r.s.Topics, match: r.s.Match,
		session: cmp.Or(r.s.SessionTimeout, r.c.cfg.SessionTimeout), generation: -1, lease: newLease()}
	r.txn = newTxn(r.c, clients[3], r.log, r.s.transactionalID(), r.s.Group)
	r.txn.exclusive, r.txn.confirm, r.txn.leased = r.s.Exclusive, r.member.confirm, r.member.leased
	r.pause = newBackoff(50*time.Millisecond, 2*time.Second)

	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.fetcher.router.run(ctx) })

	defer r.c.debts.settle(r)
	r.watch(ctx)
	if !r.s.Exclusive { // else it would fence the one that is active
		r.warm(ctx)
	}
	for stays := false; ctx.Err() == nil; stays = r.succeed(ctx) {
		kept := stays
		if !stays {
			var err error
			if kept, err = r.member.join(ctx); err != nil {
				break
			}
		}
		r.assign(ctx, kept)
		r.serve(ctx, life)
	}
	r.finish(life)
	return nil
}

// assign closes the workers of partitions that are no longer ours and opens those that are new. kept is false when the
// ones we had may have belonged to others meanwhile.
func (r *run) assign(ctx context.Context, kept bool) {
	for tp, w := range r.workers {
		if !kept || !slices.Contains(r.member.claims, tp) {
			w.close()
			delete(r.workers, tp)
		}
	}
	opened := 0
	for _, tp := range r.member.claims {
		if r.workers[tp] == nil {
			r.workers[tp] = r.open(ctx, tp, 0)
			opened++
		}
	}
	r.log.Info("partitions are assigned", "generation", r.member.generation, "owned", len(r.workers), "new", opened)
}

// lose closes all workers without a flush: their partitions belong to others.
func (r *run) lose() {
	r.closeAll()
	r.c.debts.settle(r)
	r.member.forget()
}

func (r *run) closeAll() {
	for tp, w := range r.workers {
		w.close()
		delete(r.workers, tp)
	}
}

// serve flushes until the group needs another generation, another stage takes over, or ctx ends.
func (r *run) serve(ctx, life context.Context) {
	beat, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	events := make(chan error, 1)
	id, generation := r.member.id, r.member.generation
	wg.Go(func() { r.heartbeats(beat, id, generation, events) })
	changes := make(chan map[string]int32, 1)
	wg.Go(func() { r.changes(beat, maps.Clone(r.member.counts), changes) })

	tick := time.NewTicker(r.s.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-events:
			if errors.Is(err, sarama.ErrRebalanceInProgress) {
				r.settle(life)
				return
			}
			r.lose()
			if errors.Is(err, sarama.ErrFencedInstancedId) {
				r.log.Error(sameInstance, "instance", r.s.Instance)
				sleep(ctx, r.member.session/2)
				return
			}
			r.log.Warn("the group went on without this process; its partitions are opened anew", "err", err)
			return
		case r.member.counts = <-changes:
			r.log.Info("the number of partitions changed", "topics", r.member.counts)
			r.settle(life)
			return
		case <-r.failed:
			r.reopen(ctx)
		case r.next = <-r.s.Handover.requests():
		case <-tick.C:
		case <-r.flushNow:
		}
		r.yield()
		if err := r.flushOr(ctx, life); err != nil || r.written() {
			return
		}
	}
}

// settle flushes before the group is joined again. What cannot be committed is kept for the next generation.
func (r *run) settle(life context.Context) {
	r.retry = time.Time{}
	if err := r.flush(life); errors.Is(err, errTaken) {
		r.yieldTo(err)
	}
}

// yieldTo gives up the partitions to the process that has taken over the transactional id. They are had again, and with
// them the id, only if the group says so.
func (r *run) yieldTo(err error) {
	r.log.Warn("another process has taken over, or a transaction took too long; this one stands by until it is given the partition again", "err", err)
	r.lose()
}

// flushOr flushes unless it is too early after one that failed. An error means that the group has to be joined again.
func (r *run) flushOr(ctx, life context.Context) error {
	r.reopen(ctx)
	err := r.flush(life)
	switch {
	case errors.Is(err, errTaken):
		r.yieldTo(err)
		return err
	case err == nil || classify(err) != membership:
		return nil
	}
	if errors.Is(err, sarama.ErrUnknownMemberId) || errors.Is(err, sarama.ErrFencedInstancedId) {
		r.lose()
	}
	return err
}

// heartbeats reports the first error that ends the membership.
func (r *run) heartbeats(ctx context.Context, id string, generation int32, events chan<- error) {
	for sleep(ctx, r.member.interval()) {
		err := r.member.heartbeat(r.member.cl, id, generation)
		switch {
		case err == nil:
			r.c.health.good()
		case ctx.Err() != nil:
		case r.c.failed(err) == membership:
			events <- err
			return
		default:
			_ = r.member.cl.RefreshCoordinator(r.s.Group)
		}
	}
}

// warm asks for the first epoch. What fails here fails again, and is told, when there is something to commit.
func (r *run) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstEpoch)
	defer cancel()
	_ = r.txn.begin(ctx)
}

// watch waits until the number of partitions of all topics is known.
func (r *run) watch(ctx context.Context) {
	for wait := newBackoff(100*time.Millisecond, 2*time.Second); ; {
		counts, err := r.member.look(r.reader)
		if err == nil {
			r.c.health.good()
			r.member.counts = counts
			r.missing(counts)
			return
		}
		if ctx.Err() == nil {
			r.c.failed(err)
		}
		if !wait.sleep(ctx) {
			return
		}
	}
}

// missing says which topics do not exist.
func (r *run) missing(counts map[string]int32) {
	var names []string
	for topic, n := range counts {
		if n == 0 {
			names = append(names, topic)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		r.log.Warn("topics do not exist, waiting for them", "topics", strings.Join(names, ", "))
	}
}

// changes reports when the number of partitions differs from what is known.
func (r *run) changes(ctx context.Context, known map[string]int32, changes chan<- map[string]int32) {
	c := census{known: known, missed: map[string]int{}}
	_, waiting := c.settle(known)
	for {
		interval := watchInterval
		if waiting {
			interval = time.Second
		}
		if !sleep(ctx, interval) {
			return
		}
		seen, err := r.member.look(r.reader)
		if err != nil {
			if ctx.Err() == nil {
				r.c.failed(err)
			}
			continue
		}
		var believed map[string]int32
		if believed, waiting = c.settle(seen); !maps.Equal(believed, known) {
			changes <- believed
			return
		}
	}
}
