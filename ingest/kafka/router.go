package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// router brings partitions to the brokers that lead them: one goroutine per broker makes requests for those of its
// partitions that have something to ask for, and one more looks for leaders that are unknown or have moved.
type router[T any] struct {
	c  *Client
	cl sarama.Client
	// ready says whether a partition has something to ask for now.
	ready func(*routed[T]) bool
	// serve makes one request for some partitions of a broker and reports those that it no longer leads with moved. all
	// says that no partition of the broker was left out. An error is one of the connection.
	serve func(ctx context.Context, b *sarama.Broker, rs []*routed[T], all bool) error

	mu    sync.Mutex
	parts map[topicPartition]*routed[T]
	wakes map[int32]chan struct{} // by broker
	seek  chan struct{}
	wg    sync.WaitGroup
}

// routed is a partition of a router.
type routed[T any] struct {
	topicPartition
	state    T
	leader   int32 // broker id, -1 while it is looked for
	epoch    int32
	failures int
}

func newRouter[T any](c *Client, cl sarama.Client) *router[T] {
	return &router[T]{
		c: c, cl: cl,
		parts: map[topicPartition]*routed[T]{},
		wakes: map[int32]chan struct{}{},
		seek:  make(chan struct{}, 1),
	}
}

// add takes a partition in.
func (r *router[T]) add(tp topicPartition, state T) *routed[T] {
	p := &routed[T]{topicPartition: tp, state: state, leader: -1}
	r.mu.Lock()
	r.parts[tp] = p
	r.mu.Unlock()
	signal(r.seek)
	return p
}

// remove forgets a partition. A request that is under way may still answer for it.
func (r *router[T]) remove(p *routed[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parts[p.topicPartition] == p {
		delete(r.parts, p.topicPartition)
	}
}

// wake tells the goroutine of a partition's leader that ready may have changed.
func (r *router[T]) wake(p *routed[T]) {
	r.mu.Lock()
	w := r.wakes[p.leader]
	r.mu.Unlock()
	if w != nil {
		signal(w)
	}
}

// wakeAll tells the goroutines of all brokers that ready may have changed.
func (r *router[T]) wakeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.wakes {
		signal(w)
	}
}

// moved has the leaders of partitions looked for anew.
func (r *router[T]) moved(rs ...*routed[T]) {
	r.mu.Lock()
	for _, p := range rs {
		p.leader = -1
		p.failures++
	}
	r.mu.Unlock()
	signal(r.seek)
}

// run works until ctx ends; then it returns when all requests have.
func (r *router[T]) run(ctx context.Context) {
	defer r.wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.seek:
		}
		pause := r.look(ctx)
		if pause > 0 {
			if !sleep(ctx, pause) {
				return
			}
			signal(r.seek)
		}
	}
}

// look finds the leaders that are unknown and returns how long to wait before the rest is tried again, 0 if none is left.
func (r *router[T]) look(ctx context.Context) time.Duration {
	r.mu.Lock()
	var lost []*routed[T]
	var topics []string
	for _, p := range r.parts {
		if p.leader >= 0 {
			continue
		}
		lost = append(lost, p)
		if !slices.Contains(topics, p.topic) {
			topics = append(topics, p.topic)
		}
	}
	r.mu.Unlock()
	if len(lost) == 0 {
		return 0
	}
	if err := r.cl.RefreshMetadata(topics...); err != nil && ctx.Err() == nil && !answered(err) {
		r.c.failed(err)
	}
	worst := 0
	for _, p := range lost {
		b, epoch, err := r.cl.LeaderAndEpoch(p.topic, p.id)
		r.mu.Lock()
		if err != nil {
			p.failures++
			worst = max(worst, p.failures)
		} else {
			p.leader, p.epoch = b.ID(), epoch
			worst = max(worst, p.failures)
			r.start(ctx, p.leader)
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	left := false
	for _, p := range r.parts {
		left = left || p.leader < 0
	}
	if !left && worst == 0 {
		return 0
	}
	// A leader that fails again at once must not be asked in a tight loop, so the pause follows success as well.
	return min(20*time.Millisecond<<min(worst, 6), time.Second)
}

// start makes the goroutine of a broker, or wakes it. r.mu is held.
func (r *router[T]) start(ctx context.Context, id int32) {
	if w := r.wakes[id]; w != nil {
		signal(w)
		return
	}
	w := make(chan struct{}, 1)
	r.wakes[id] = w
	r.wg.Go(func() { r.loop(ctx, id, w) })
}

func (r *router[T]) loop(ctx context.Context, id int32, wake <-chan struct{}) {
	for ctx.Err() == nil {
		rs, all := r.pick(id)
		if len(rs) == 0 {
			select {
			case <-ctx.Done():
			case <-wake:
			}
			continue
		}
		b, err := r.cl.Broker(id)
		if err == nil {
			err = r.serve(ctx, b, rs, all)
		}
		if err == nil {
			r.c.health.good()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		r.c.failed(err)
		if b != nil {
			_ = b.Close() // sarama dials again when it is next asked for
		}
		r.moved(rs...)
	}
}

// pick returns the partitions of a broker that are ready, and whether these are all of its partitions.
func (r *router[T]) pick(id int32) ([]*routed[T], bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var rs []*routed[T]
	all := true
	for _, p := range r.parts {
		if p.leader != id {
			continue
		}
		if r.ready(p) {
			rs = append(rs, p)
		} else {
			all = false
		}
	}
	return rs, all
}

// served says that a broker answered for a partition as its leader.
func (r *router[T]) served(p *routed[T]) {
	r.mu.Lock()
	p.failures = 0
	r.mu.Unlock()
}

// signal wakes the receiver of a channel with room for one signal.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
