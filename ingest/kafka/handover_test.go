package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// Members go over to other tasks again and again while records come: each is counted once, in order, and who has nothing
// to do with it keeps its tasks.
func TestExactlyOnceOverHandovers(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		c := newCrowd(t, client, cluster)
		c.handovers = map[string]*kafka.Handover{"0": kafka.NewHandover(), "1": kafka.NewHandover()}
		var opened [2]atomic.Int64 // by member
		c.onOpen = func(instance string) { opened[instance[0]-'0'].Add(1) }
		const n = 10_000
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			c.feed(t.Context(), client, n)
		}()
		c.start("0", true)
		c.start("1", true)
		within(t, 30*time.Second, "both members have partitions", func() bool {
			return c.tasks.Load() == inputPartitions && opened[0].Load() > 0 && opened[1].Load() > 0
		})
		before := opened[0].Load() + opened[1].Load()
		over := func(instance string) time.Duration {
			began := time.Now()
			if err := c.handovers[instance].To(t.Context(), c.stage(instance)); err != nil {
				t.Fatal(err)
			}
			within(t, 30*time.Second, "all partitions are open again", func() bool { return c.tasks.Load() == inputPartitions })
			return time.Since(began)
		}
		var took []time.Duration
		for range 8 {
			took = append(took, over("0"), over("1"))
		}
		if got := opened[0].Load() + opened[1].Load() - before; got != 8*inputPartitions {
			t.Errorf("16 handovers of 2 members opened %d tasks, want those of each member's own partitions, %d", got, 8*inputPartitions)
		}
		slices.Sort(took)
		t.Logf("from the request until all partitions are open: median %s, longest %s", took[len(took)/2], took[len(took)-1])
		<-fed
		c.check(client, n, 30*time.Second)
	})
}

// A stage goes over to one that reads another topic, and to one that no longer reads the first.
func TestHandoverToOtherTopics(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		first, second := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 2, nil)
		var got list[string]
		handover := kafka.NewHandover()
		stage := func(name string, topics ...string) kafka.Stage {
			return kafka.Stage{
				Group: "over-" + first, Instance: "a", Topics: topics, Handover: handover,
				Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
					return &fake{process: func(m *kafka.Message) error { got.add(name + " " + string(m.Value)); return nil }}, nil
				},
			}
		}
		expect := func(want ...string) {
			t.Helper()
			within(t, 10*time.Second, fmt.Sprintf("%q", want), func() bool { return slices.Equal(got.all(), want) })
		}
		runStage(t, client, stage("one", first))
		produce(t, client, first, 0, "a")
		produce(t, client, second, 1, "b")
		expect("one a")
		if err := handover.To(t.Context(), stage("both", first, second)); err != nil {
			t.Fatal(err)
		}
		expect("one a", "both b") // a topic that is new is read from StartAt on
		produce(t, client, first, 0, "c")
		expect("one a", "both b", "both c")
		if err := handover.To(t.Context(), stage("other", second)); err != nil {
			t.Fatal(err)
		}
		produce(t, client, first, 0, "d")
		produce(t, client, second, 0, "e")
		expect("one a", "both b", "both c", "other e")
		if err := handover.To(t.Context(), stage("again", first)); err != nil {
			t.Fatal(err)
		}
		expect("one a", "both b", "both c", "other e", "again d")
	})
}

// One member goes over to another topic, alone: it gets all of it, and what both read stays as it is shared out.
func TestHandoverOfOneMember(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		both, own := cluster.Topic(t, client, 4, nil), cluster.Topic(t, client, 2, nil)
		handover := kafka.NewHandover()
		var opened list[string]
		stage := func(instance string, topics ...string) kafka.Stage {
			return kafka.Stage{
				Group: "alone-" + both, Instance: instance, Topics: topics, LeaveOnStop: true,
				Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
					opened.add(fmt.Sprintf("%s %t", instance, c.Topic == own))
					return &fake{}, nil
				},
			}
		}
		count := func(want string) (n int) {
			for _, o := range opened.all() {
				if o == want {
					n++
				}
			}
			return n
		}
		first := stage("a", both)
		first.Handover = handover
		runStage(t, client, first)
		within(t, 30*time.Second, "the first has all", func() bool { return count("a false") == 4 })
		runStage(t, client, stage("b", both))
		within(t, 30*time.Second, "the second has its share", func() bool { return count("b false") == 2 })
		before := count("a false")
		if err := handover.To(t.Context(), stage("a", both, own)); err != nil {
			t.Fatal(err)
		}
		within(t, 30*time.Second, "the other topic is read", func() bool { return count("a true") == 2 && count("a false") >= before+2 })
		if a, b := count("a false")-before, count("b false"); a != 2 || b != 2 || count("b true") != 0 {
			t.Errorf("opened %q: the share of the topic that both read changed", opened.all())
		}
	})
}

// While what the tasks have cannot be committed the next stage waits: it begins behind all that was told.
func TestHandoverWaitsForTheLastTransaction(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	in, out := cluster.Topic(t, client, 1, nil), cluster.Topic(t, client, 1, nil)
	handover := kafka.NewHandover()
	processed := make(chan struct{}, 10)
	var claims list[int64]
	stage := kafka.Stage{
		Group: "g", Instance: "a", Topics: []string{in}, Handover: handover, FlushInterval: 20 * time.Millisecond,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			claims.add(c.Offset)
			var held []kafka.Message
			return &fake{
				process: func(m *kafka.Message) error {
					held = append(held, kafka.Message{Topic: out, Value: m.Value})
					processed <- struct{}{}
					return nil
				},
				take: func() (kafka.Output, error) {
					o := kafka.Output{Messages: held}
					held = nil
					return o, nil
				},
			}, nil
		},
	}
	runStage(t, client, stage)
	produce(t, client, in, 0, "a")
	<-processed
	within(t, 10*time.Second, "the first output", func() bool { return len(read(t, client, out, 0)) == 1 })
	refused := cluster.Embedded.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: out, Err: kerr.NotEnoughReplicas, Count: -1})
	produce(t, client, in, 0, "b")
	<-processed
	over := make(chan error, 1)
	go func() { over <- handover.To(t.Context(), stage) }()
	if err := refused.Wait(t.Context(), 5); err != nil { // more than one flush was tried
		t.Fatal(err)
	}
	select {
	case err := <-over:
		t.Fatalf("handed over (%v) before the output of the tasks was committed", err)
	default:
	}
	refused.Remove()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the next task", func() bool { return len(claims.all()) == 2 })
	if got := claims.all(); !slices.Equal(got, []int64{0, 2}) {
		t.Errorf("tasks were opened at %v, want 0 and 2", got)
	}
	if got := read(t, client, out, 0); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("found %q", got)
	}
}

func TestHandoverRefusesAnIncompleteStage(t *testing.T) {
	t.Parallel()
	if err := kafka.NewHandover().To(t.Context(), kafka.Stage{Group: "g", Instance: "a"}); err == nil {
		t.Error("a stage without topics was accepted")
	}
}
