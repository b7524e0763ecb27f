package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

// While the brake is on nothing is read, nothing counts as idle, and the partitions stay; when it is off reading goes on
// where it was.
func TestBrake(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		in := cluster.Topic(t, client, 2, nil)
		var got list[string]
		var idle, opened atomic.Int64
		var brake kafka.Brake
		stop := runStage(t, client, kafka.Stage{
			Group: kafkatest.Name("brake"), Instance: "a", Topics: []string{in}, FlushInterval: 10 * time.Millisecond, Brake: &brake,
			Open: func(context.Context, kafka.Claim) (kafka.Task, error) {
				opened.Add(1)
				return &fake{
					process: func(m *kafka.Message) error { got.add(string(m.Value)); return nil },
					idle:    func(time.Time) { idle.Add(1) },
				}, nil
			},
		})
		defer stop()
		var want []string
		send := func() {
			for i := range 20 {
				v := fmt.Sprint(len(want), " ", i)
				want = append(want, v)
				produce(t, client, in, int32(i%2), v)
			}
		}
		all := func() bool {
			have := got.all()
			slices.Sort(have)
			slices.Sort(want)
			return slices.Equal(have, want)
		}
		send()
		within(t, 20*time.Second, "the first records", func() bool { return all() && idle.Load() > 0 })
		for range 3 {
			brake.Hold()
			// A fetch that was under way may still bring what is written within its wait.
			watch(600*time.Millisecond, func() {})
			before, quiet := len(got.all()), idle.Load()
			send()
			watch(1500*time.Millisecond, func() {
				if n := len(got.all()); n != before {
					t.Fatalf("%d records were read while the brake was on", n-before)
				}
				if n := idle.Load(); n != quiet {
					t.Fatal("a partition that is held was called idle")
				}
			})
			brake.Release()
			within(t, 5*time.Second, "the records that were held", all)
		}
		if n := opened.Load(); n != 2 {
			t.Errorf("%d tasks were opened for 2 partitions", n)
		}
	})
}

// watch calls check again and again for a time.
func watch(during time.Duration, check func()) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(during); ; {
		select {
		case <-tick.C:
			check()
		case <-end:
			return
		}
	}
}
