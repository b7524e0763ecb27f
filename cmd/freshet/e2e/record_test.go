package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/cmd/freshet/e2e/harness"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/otlp"
)

const recordRules = `
groups:
  - name: recorded
    interval: 1s
    lateness: 1s
    window: 5s
    rules:
      - record: shop:orders
        from: events
        topic: %s
        by: [country]
        value: count()
        labels: {team: shop}
`

// A rule that records gives a metric on /metrics, and every step of it once on the measures topic, whatever dies.
func TestRecordedMeasures(t *testing.T) {
	t.Parallel()
	onEachKafka(t, func(t *testing.T, k *cluster) {
		topic := k.topic("orders")
		if _, err := k.client.CreateTopics(t.Context(), []kafka.TopicSpec{{Name: topic, Partitions: 1}}); err != nil {
			t.Fatal(err)
		}
		hook := newReceiver(t)
		p := harness.Start(t, k.config(t, fmt.Sprintf(recordRules, topic), hook.URL, harness.FreeAddress(t)), "run").Running()
		begin := time.Now().Truncate(time.Second)
		order := func(i int) {
			value := fmt.Sprintf(`{"country":"NO","timestamp":%d}`, begin.Add(time.Duration(i)*200*time.Millisecond).UnixMilli())
			if err := k.client.Produce(t.Context(), kafka.Message{Topic: topic, Partition: 0, Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 25 { // five a second
			order(i)
		}
		const series = `shop:orders{country="NO",team="shop"}`
		harness.Eventually(t, time.Minute, "the metric is shown", func() bool { return p.Metrics(t.Context())[series] > 0 })
		p.Kill()
		p = harness.Start(t, k.config(t, fmt.Sprintf(recordRules, topic), hook.URL, harness.FreeAddress(t)), "run").Running()
		seen := map[int64]float64{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var batch ingest.Batch
		done := errors.New("all is there")
		err := k.client.Tail(ctx, k.namespace+".measures", kafka.Oldest(), func(m *kafka.Message) error {
			if err := new(otlp.Metrics).Decode(m.Value, &batch); err != nil {
				return err
			}
			for _, r := range batch.Records {
				x, _ := r.Point.Value.Number()
				step := (r.Time - begin.UnixNano()) / int64(time.Second)
				if _, twice := seen[step]; twice {
					t.Errorf("the step of second %d was recorded twice", step)
				}
				seen[step] = x
			}
			if _, ok := seen[9]; ok {
				return done
			}
			return nil
		})
		if !errors.Is(err, done) {
			t.Fatal(err, seen)
		}
		for step, want := range map[int64]float64{1: 5, 2: 10, 3: 15, 5: 25, 6: 20, 9: 5} {
			if seen[step] != want {
				t.Errorf("second %d: %v orders in 5 s, expected %v", step, seen[step], want)
			}
		}
		p.Stop()
	})
}
