package kafka_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// The keys of requests that a breaker looks at.
const (
	heartbeatKey       = 12
	endTxnKey          = 26
	txnOffsetCommitKey = 28
)

// active is a process of an exclusive stage that copies its input.
type active struct {
	registry *prometheus.Registry
	opened   list[kafka.Claim]
	closed   atomic.Int32
	stop     func()
}

// exclusives are the processes of an exclusive stage.
type exclusives struct {
	t       *testing.T
	cluster kafkatest.Cluster
	group   string
	in, out string
	session time.Duration
	timeout time.Duration // of transactions; 0 is the default
	work    time.Duration // that a task takes to finish when its stage ends
}

// start runs a process. breaks says which of its requests break its connections.
func (e *exclusives) start(instance string, breaks func(key int16) bool) *active {
	if breaks == nil {
		return e.startOver(instance, nil)
	}
	return e.startOver(instance, func(c net.Conn) net.Conn { return breaker{c, breaks} })
}

// startOver runs a process over other connections; nil means that they are as they are.
func (e *exclusives) startOver(instance string, wrap func(net.Conn) net.Conn) *active {
	a := &active{registry: prometheus.NewRegistry()}
	client := kafkatest.NewClientWith(e.t, kafka.Config{Brokers: e.cluster.Brokers, SessionTimeout: e.session, TransactionTimeout: e.timeout},
		kafkatest.Logger(e.t).With("process", instance), a.registry)
	if wrap != nil {
		client.Wrap(wrap)
	}
	a.stop = runStage(e.t, client, kafka.Stage{
		Group: e.group, Instance: instance, Topics: []string{e.in}, Exclusive: true, LeaveOnStop: true, FlushInterval: 20 * time.Millisecond,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			a.opened.add(c)
			var mu sync.Mutex
			var held []kafka.Message
			last := ""
			f := &finishing{fake: fake{
				process: func(m *kafka.Message) error {
					mu.Lock()
					defer mu.Unlock()
					held = append(held, kafka.Message{Topic: e.out, Value: m.Value})
					return nil
				},
				take: func() (kafka.Output, error) {
					mu.Lock()
					defer mu.Unlock()
					if last != "" {
						held = append(held, kafka.Message{Topic: e.out, Value: []byte(last)})
						last = ""
					}
					o := kafka.Output{Messages: held}
					held = nil
					return o, nil
				},
				closed: func() { a.closed.Add(1) },
			}, finish: func(ctx context.Context) {
				if e.work > 0 {
					select {
					case <-time.After(e.work):
					case <-ctx.Done():
					}
					last = instance + " has finished"
				}
			}}
			return f, nil
		},
	})
	return a
}

func newExclusives(t *testing.T, client *kafka.Client, cluster kafkatest.Cluster) *exclusives {
	return &exclusives{t: t, cluster: cluster, group: kafkatest.Name("exclusive"), session: 2 * time.Second,
		in: cluster.Topic(t, client, 1, nil), out: cluster.Topic(t, client, 1, nil)}
}

// A process that dies inside a transaction holds the one that takes over no longer than its session, though the
// transaction would last for a minute. Until then the one that stands by does not disturb it.
func TestFailoverInsideATransaction(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		e := newExclusives(t, client, cluster)
		e.timeout = time.Minute
		var armed, dead atomic.Bool
		a := e.start("a", func(key int16) bool {
			if key == endTxnKey && armed.Load() {
				dead.Store(true)
			}
			return dead.Load()
		})
		within(t, 20*time.Second, "a has the partition", func() bool { return len(a.opened.all()) == 1 })
		var beats atomic.Int32
		b := e.start("b", func(key int16) bool {
			if key == heartbeatKey {
				beats.Add(1)
			}
			return false
		})
		within(t, 20*time.Second, "b stands by", func() bool { return beats.Load() > 0 })
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprint(i))
			produce(t, client, e.in, 0, want[i])
			within(t, 10*time.Second, "the output of a", func() bool { return len(read(t, client, e.out, 0)) == len(want) })
		}
		if n := transactions(t, a.registry, "aborted"); n != 0 || len(a.opened.all()) != 1 || len(b.opened.all()) != 0 {
			t.Errorf("the process that stands by disturbed the active one: %g transactions aborted, opened %d and %d times", n, len(a.opened.all()), len(b.opened.all()))
		}
		armed.Store(true)
		want = append(want, "inside")
		produce(t, client, e.in, 0, "inside")
		within(t, 10*time.Second, "a dies", dead.Load)
		died := time.Now()
		within(t, e.session+8*time.Second, "b is active", func() bool { return len(b.opened.all()) == 1 })
		within(t, 5*time.Second, "the output of b", func() bool { return len(read(t, client, e.out, 0)) == len(want) })
		t.Logf("b was active %s after a died, with a session of %s", time.Since(died).Round(10*time.Millisecond), e.session)
		if got := read(t, client, e.out, 0); !slices.Equal(got, want) {
			t.Errorf("found %q, want %q", got, want)
		}
	})
}

// A process that lives on without its session is fenced by the next, stands by, and does not take the partition back
// while the next one has it; it takes over again when that one ends.
func TestFencedStandsBy(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		e := newExclusives(t, client, cluster)
		var mute atomic.Bool
		a := e.start("a", func(key int16) bool { return key == heartbeatKey && mute.Load() })
		within(t, 20*time.Second, "a has the partition", func() bool { return len(a.opened.all()) == 1 })
		b := e.start("b", nil)
		produce(t, client, e.in, 0, "of a")
		within(t, 10*time.Second, "the output of a", func() bool { return len(read(t, client, e.out, 0)) == 1 })
		mute.Store(true) // a goes on working, and does not hear that the group gave it up
		within(t, e.session+8*time.Second, "b is active", func() bool { return len(b.opened.all()) == 1 })
		want := []string{"of a"}
		for i := range 20 {
			want = append(want, fmt.Sprint(i))
			produce(t, client, e.in, 0, want[i+1])
			within(t, 10*time.Second, "the output of b", func() bool { return len(read(t, client, e.out, 0)) >= len(want) })
		}
		within(t, 10*time.Second, "a has given up", func() bool { return a.closed.Load() == 1 })
		mute.Store(false)
		produce(t, client, e.in, 0, "last of b")
		want = append(want, "last of b")
		within(t, 10*time.Second, "the output of b", func() bool { return len(read(t, client, e.out, 0)) >= len(want) })
		if len(a.opened.all()) != 1 || len(b.opened.all()) != 1 || b.closed.Load() != 0 {
			t.Errorf("a had the partition %d times and b %d times, want once each", len(a.opened.all()), len(b.opened.all()))
		}
		b.stop()
		produce(t, client, e.in, 0, "of a again")
		want = append(want, "of a again")
		within(t, 20*time.Second, "a is active again", func() bool { return len(read(t, client, e.out, 0)) >= len(want) })
		if got := read(t, client, e.out, 0); !slices.Equal(got, want) {
			t.Errorf("found %q, want %q", got, want)
		}
	})
}

// A process that was stopped inside a transaction, for so long that another took over, stands by when it goes on: it does not take
// the place of the other one, whatever the broker would let it do.
func TestStoppedStandsBy(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		for _, key := range []int16{txnOffsetCommitKey, endTxnKey} {
			client := cluster.Client(t)
			e := newExclusives(t, client, cluster)
			e.timeout = time.Second
			var armed, reached atomic.Bool
			var stopped sync.RWMutex
			var since time.Time // guarded by reached
			a := e.startOver("a", func(c net.Conn) net.Conn {
				return &stopper{Conn: c, stopped: &stopped, stops: func(now int16) bool {
					stops := now == key && armed.CompareAndSwap(true, false)
					if stops {
						since = time.Now()
						reached.Store(true)
					}
					return stops
				}}
			})
			within(t, 20*time.Second, "a has the partition", func() bool { return len(a.opened.all()) == 1 })
			b := e.start("b", nil)
			produce(t, client, e.in, 0, "of a")
			within(t, 10*time.Second, "the output of a", func() bool { return len(read(t, client, e.out, 0)) == 1 })
			armed.Store(true)
			produce(t, client, e.in, 0, "while a stops")
			within(t, 10*time.Second, "a stops", reached.Load)
			within(t, e.session+8*time.Second, "b is active", func() bool { return len(b.opened.all()) == 1 })
			within(t, 10*time.Second, "the time for an answer is over", func() bool { return time.Since(since) > e.timeout+2500*time.Millisecond })
			stopped.Unlock()
			within(t, 10*time.Second, "a stands by", func() bool { return a.closed.Load() == 1 })
			produce(t, client, e.in, 0, "of b")
			within(t, 10*time.Second, "the output of b", func() bool { return len(read(t, client, e.out, 0)) == 3 })
			if len(a.opened.all()) != 1 || len(b.opened.all()) != 1 || b.closed.Load() != 0 {
				t.Errorf("a had the partition %d times and b %d times, want once each", len(a.opened.all()), len(b.opened.all()))
			}
			if got, want := read(t, client, e.out, 0), []string{"of a", "while a stops", "of b"}; !slices.Equal(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		}
	})
}

// A task may take longer than a session to finish what it has under way: its last flush is committed all the same, and only
// then the next process has the partition.
func TestFinishIsLongerThanTheSession(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		e := newExclusives(t, client, cluster)
		e.work = 4 * time.Second
		a := e.start("a", nil)
		within(t, 20*time.Second, "a has the partition", func() bool { return len(a.opened.all()) == 1 })
		var beats atomic.Int32
		b := e.start("b", func(key int16) bool {
			if key == heartbeatKey {
				beats.Add(1)
			}
			return false
		})
		within(t, 20*time.Second, "b stands by", func() bool { return beats.Load() > 0 })
		a.stop()
		if got := read(t, client, e.out, 0); !slices.Equal(got, []string{"a has finished"}) {
			t.Errorf("found %q", got)
		}
		within(t, 20*time.Second, "b has the partition", func() bool { return len(b.opened.all()) == 1 })
	})
}

// A process that is cut off from Kafka no longer counts as the owner of its partition before another one has it.
func TestOwned(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		e := newExclusives(t, client, cluster)
		var cut atomic.Bool
		a := e.start("a", func(int16) bool { return cut.Load() })
		within(t, 20*time.Second, "a has the partition", func() bool { return len(a.opened.all()) == 1 })
		b := e.start("b", nil)
		owned := a.opened.all()[0].Owned
		for range 300 { // three sessions
			if !owned() {
				t.Fatal("a does not own its partition while its session lasts")
			}
			time.Sleep(2 * e.session / 200)
		}
		at := time.Now()
		cut.Store(true)
		within(t, e.session/2+100*time.Millisecond, "a no longer owns the partition", func() bool { return !owned() })
		t.Logf("a knows %s after it was cut off", time.Since(at).Round(10*time.Millisecond))
		if len(b.opened.all()) > 0 {
			t.Error("b had the partition before a knew")
		}
		within(t, e.session+10*time.Second, "b has the partition", func() bool { return len(b.opened.all()) == 1 })
		if owned() || !b.opened.all()[0].Owned() {
			t.Errorf("the owner is a: %t, b: %t", owned(), b.opened.all()[0].Owned())
		}
	})
}
