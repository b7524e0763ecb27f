package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// fake is a task made of functions; those that are nil do nothing.
type fake struct {
	process   func(*kafka.Message) error
	idle      func(time.Time)
	take      func() (kafka.Output, error)
	committed func()
	closed    func()
}

func (f *fake) Process(m *kafka.Message) error {
	if f.process == nil {
		return nil
	}
	return f.process(m)
}

func (f *fake) Idle(at time.Time) {
	if f.idle != nil {
		f.idle(at)
	}
}

func (f *fake) Take(time.Time) (kafka.Output, error) {
	if f.take == nil {
		return kafka.Output{}, nil
	}
	return f.take()
}

func (f *fake) Committed() {
	if f.committed != nil {
		f.committed()
	}
}

func (f *fake) Close() {
	if f.closed != nil {
		f.closed()
	}
}

// relay opens tasks that write what they read to another topic.
func relay(out string) func(context.Context, kafka.Claim) (kafka.Task, error) {
	return func(context.Context, kafka.Claim) (kafka.Task, error) {
		var held []kafka.Message
		return &fake{
			process: func(m *kafka.Message) error {
				held = append(held, kafka.Message{Topic: out, Value: m.Value})
				return nil
			},
			take: func() (kafka.Output, error) {
				o := kafka.Output{Messages: held}
				held = nil
				return o, nil
			},
		}, nil
	}
}

// runStage runs a stage until the returned function is called or the test ends.
func runStage(t *testing.T, client *kafka.Client, s kafka.Stage) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := client.Run(ctx, s); err != nil {
			t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// within waits until a condition holds.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// list is a slice that goroutines append to.
type list[T any] struct {
	mu    sync.Mutex
	items []T
}

func (l *list[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, v)
}

func (l *list[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.items)
}

func produce(t *testing.T, client *kafka.Client, topic string, partition int32, values ...string) {
	t.Helper()
	msgs := make([]kafka.Message, len(values))
	for i, v := range values {
		msgs[i] = kafka.Message{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	if err := client.Produce(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, client *kafka.Client, topic string, partition int32) []string {
	t.Helper()
	var values []string
	err := client.ReadPartition(t.Context(), topic, partition, func(m *kafka.Message) error {
		values = append(values, string(m.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// A task that has something to say without any input, as a timer has, asks for a transaction and gets it at once; its
// offset does not move, and its metadata is there for the next owner.
func TestOutputWithoutInput(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		in, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
		produce(t, client, in, 0, "a", "b")
		var claims list[kafka.Claim]
		var messages []kafka.Message
		var mu sync.Mutex
		var committed, closed list[int]
		seen := make(chan kafka.Claim, 10)
		stage := kafka.Stage{
			Group: kafkatest.Name("timer"), Instance: "a", Topics: []string{in}, FlushInterval: time.Hour, LeaveOnStop: true,
			Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
				claims.add(c)
				n := 0
				return &fake{
					process: func(*kafka.Message) error {
						if n++; n == 2 {
							seen <- c
						}
						return nil
					},
					take: func() (kafka.Output, error) {
						mu.Lock()
						defer mu.Unlock()
						o := kafka.Output{Messages: messages, Metadata: fmt.Sprintf("sent %d", len(messages))}
						messages = nil
						return o, nil
					},
					committed: func() { committed.add(1) },
					closed:    func() { closed.add(1) },
				}, nil
			},
		}
		stop := runStage(t, client, stage)
		claim := <-seen
		claim.Flush()
		within(t, 5*time.Second, "the input is committed", func() bool { return len(committed.all()) == 1 })
		for i := range 3 {
			mu.Lock()
			messages = []kafka.Message{{Topic: out, Partition: 0, Value: fmt.Append(nil, i)}}
			mu.Unlock()
			claim.Flush()
			within(t, 5*time.Second, "the message is committed", func() bool { return len(committed.all()) == i+2 })
		}
		stop()
		if got := read(t, client, out, 0); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Errorf("found the messages %q", got)
		}
		if len(closed.all()) != 1 {
			t.Errorf("the task was closed %d times", len(closed.all()))
		}
		runStage(t, client, stage)
		within(t, 10*time.Second, "the next owner", func() bool { return len(claims.all()) == 2 })
		if c := claims.all()[1]; c.Offset != 2 || c.Metadata != "sent 1" {
			t.Errorf("the next owner was given offset %d and metadata %q", c.Offset, c.Metadata)
		}
		if c := claims.all()[0]; c.Offset != 0 || c.Metadata != "" || c.Partitions != 1 {
			t.Errorf("the first owner was given %+v", c)
		}
	})
}

// A partition is called idle only when all that could be read has been processed: records that follow are seen before
// it is called so again. Control records at its end do not stand in the way.
func TestIdle(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		first, second := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
		// The input of the second stage is written by transactions of the first, so that it ends with a control record.
		var pending []kafka.Message
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("first"), Instance: "a", Topics: []string{first},
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				return &fake{
					process: func(m *kafka.Message) error {
						pending = append(pending, kafka.Message{Topic: second, Partition: 0, Value: m.Value})
						return nil
					},
					take: func() (kafka.Output, error) {
						o := kafka.Output{Messages: pending}
						pending = nil
						return o, nil
					},
				}, nil
			},
		})
		type event struct {
			value string
			idle  time.Time
		}
		var events list[event]
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("second"), Instance: "a", Topics: []string{second},
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				return &fake{
					process: func(m *kafka.Message) error { events.add(event{value: string(m.Value)}); return nil },
					idle:    func(at time.Time) { events.add(event{idle: at}) },
				}, nil
			},
		})
		last := func() event {
			all := events.all()
			if len(all) == 0 {
				return event{}
			}
			return all[len(all)-1]
		}
		within(t, 10*time.Second, "an empty partition is idle", func() bool { return !last().idle.IsZero() })
		for _, v := range []string{"x", "y"} {
			before := time.Now()
			produce(t, client, first, 0, v)
			within(t, 10*time.Second, "idle after "+v, func() bool {
				e := last()
				return e.idle.After(before)
			})
			idle := 0
			for _, e := range events.all() {
				if e.value == v {
					idle = -1 << 20
				}
				if e.idle.After(before) {
					idle++
				}
			}
			if idle >= 0 {
				t.Errorf("the partition was idle before %q was processed", v)
			}
		}
		var times []time.Time
		for _, e := range events.all() {
			if !e.idle.IsZero() {
				times = append(times, e.idle)
			}
		}
		for i := 1; i < len(times); i++ {
			if d := times[i].Sub(times[i-1]); d < time.Second {
				t.Errorf("idle was said again after %s", d)
			}
		}
	})
}

// A partition without a committed offset starts at the first record of StartAt or later; what is written after the
// question is read in any case.
func TestStartAt(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		topic := cluster.Topic(t, client, 3, nil)
		now := time.Now().Truncate(time.Millisecond)
		at := func(p int32, v string, ago time.Duration) kafka.Message {
			return kafka.Message{Topic: topic, Partition: p, Value: []byte(v), Time: now.Add(-ago)}
		}
		err := client.Produce(t.Context(),
			at(0, "old", time.Hour), at(0, "exact", time.Minute), at(0, "young", time.Second),
			at(1, "old", time.Hour), at(1, "old", 2*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		var got list[string]
		opened := make(chan struct{}, 3)
		runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("start"), Instance: "a", Topics: []string{topic}, StartAt: now.Add(-time.Minute),
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				opened <- struct{}{}
				return &fake{process: func(m *kafka.Message) error {
					got.add(fmt.Sprintf("%d %s", m.Partition, m.Value))
					return nil
				}}, nil
			},
		})
		for range 3 {
			<-opened
		}
		// Even a record with an older time counts when it came after the start.
		if err := client.Produce(t.Context(), at(1, "late", time.Hour), at(2, "new", 0)); err != nil {
			t.Fatal(err)
		}
		want := []string{"0 exact", "0 young", "1 late", "2 new"}
		within(t, 10*time.Second, "the records from the start on", func() bool { return len(got.all()) >= len(want) })
		all := got.all()
		slices.Sort(all)
		if !slices.Equal(all, want) {
			t.Errorf("found %q, want %q", all, want)
		}
	})
}

// Two processes with the same instance name are told so, and what they do stays right; covered is only that neither
// ends.
func TestSameInstanceTwice(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		c := newCrowd(t, client, cluster)
		c.start("0", true)
		time.Sleep(300 * time.Millisecond)
		first := c.members["0"]
		c.start("0", true)
		const n = 2000
		c.feed(t.Context(), client, n)
		first()
		c.check(client, n, 30*time.Second)
	})
}

// finishing is a fake that finishes what it has under way.
type finishing struct {
	fake
	finish func(context.Context)
}

func (f *finishing) Finish(ctx context.Context) { f.finish(ctx) }

// What a task finishes when its stage ends is part of the last flush.
func TestFinisher(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
	produce(t, client, in, 0, "x")
	processed, ended := make(chan struct{}), false
	stop := runStage(t, client, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in},
		Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
			f := &finishing{finish: func(ctx context.Context) { ended = ctx.Err() == nil }}
			f.process = func(*kafka.Message) error { close(processed); return nil }
			f.take = func() (kafka.Output, error) {
				if !ended {
					return kafka.Output{}, nil
				}
				return kafka.Output{Messages: []kafka.Message{{Topic: out, Value: []byte("sent")}}}, nil
			}
			return f, nil
		},
	})
	<-processed
	stop()
	if got := read(t, client, out, 0); !slices.Equal(got, []string{"sent"}) {
		t.Errorf("found %q", got)
	}
}

// Join sees the messages of all tasks of a flush and decides what is written.
func TestJoin(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 4, nil), cluster.Topic(t, client, 1, nil)
	for p := range int32(4) {
		produce(t, client, in, p, fmt.Sprint(p))
	}
	processed := make(chan func(), 4)
	runStage(t, client, kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in}, FlushInterval: time.Hour,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			var held []kafka.Message
			return &fake{
				process: func(m *kafka.Message) error {
					held = append(held, kafka.Message{Topic: out, Value: m.Value})
					processed <- c.Flush
					return nil
				},
				take: func() (kafka.Output, error) {
					o := kafka.Output{Messages: held}
					held = nil
					return o, nil
				},
			}, nil
		},
		Join: func(msgs []kafka.Message) []kafka.Message {
			var joined []byte
			for _, m := range msgs {
				joined = append(joined, m.Value...)
			}
			return []kafka.Message{{Topic: out, Value: joined}}
		},
	})
	var flush func()
	for range 4 {
		flush = <-processed
	}
	flush()
	within(t, 5*time.Second, "the output", func() bool { return len(read(t, client, out, 0)) > 0 })
	if got := read(t, client, out, 0); !slices.Equal(got, []string{"0123"}) {
		t.Errorf("found %q", got)
	}
}

func TestIncompleteStage(t *testing.T) {
	t.Parallel()
	client := kafkatest.NewClient(t, kafka.Config{Brokers: []string{"127.0.0.1:1"}})
	err := client.Run(t.Context(), kafka.Stage{Group: "g"})
	for _, want := range []string{"stage g", "instance", "topics", "open"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q in the error %v", want, err)
		}
	}
}
