package bench

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The peers are programs that this test binary becomes when roleVariable is set, so that what they cost is measured as
// freshet's cost is: from outside, as processes of their own.
const roleVariable = "FRESHET_BENCH_ROLE"

// order is what a peer is asked to do, as JSON in orderVariable.
type order struct {
	Brokers  []string
	Topic    string
	Messages int   // to be read before it says that it is done
	Fetch    int32 // bytes to ask for at a time, 0 for sarama's default
}

const orderVariable = "FRESHET_BENCH_ORDER"

// report is the line that a peer writes when it is done. It goes on living until its standard input ends, so that its
// memory can be asked for.
type report struct {
	Messages int
	Took     time.Duration // since it was connected
	Alerts   []transition
}

// peer does a role and returns the exit status.
func peer(role string) int {
	if err := play(role, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		return 1
	}
	return 0
}

func play(role string, stdin io.Reader, stdout io.Writer) error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	roles := map[string]func(order) (report, error){"fetch": fetchAndDrop, "naive": naive}
	do := roles[role]
	if do == nil {
		return errors.New("unknown role, expected fetch or naive")
	}
	r, err := do(o)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(r); err != nil {
		return fmt.Errorf("reporting: %w", err)
	}
	_, err = io.Copy(io.Discard, bufio.NewReader(stdin))
	return err
}

// fetchAndDrop is the least that reading a topic with sarama costs.
func fetchAndDrop(o order) (report, error) {
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	conf.Consumer.Fetch.Default = cmp.Or(o.Fetch, conf.Consumer.Fetch.Default)
	consumer, err := sarama.NewConsumer(o.Brokers, conf)
	if err != nil {
		return report{}, fmt.Errorf("connecting: %w", err)
	}
	started := time.Now()
	counts := make(chan int)
	for p := range int32(partitions) {
		pc, err := consumer.ConsumePartition(o.Topic, p, sarama.OffsetOldest)
		if err != nil {
			return report{}, fmt.Errorf("partition %d: %w", p, err)
		}
		want := (o.Messages - int(p) + partitions - 1) / partitions
		go func() {
			n := 0
			for n < want {
				<-pc.Messages()
				n++
			}
			counts <- n
		}()
	}
	var r report
	for range partitions {
		r.Messages += <-counts
	}
	r.Took = time.Since(started)
	return r, nil
}

// counter is the naive program: what an engineer writes in an afternoon, with sarama's consumer group, the Collector's
// types and maps. It keeps no state over a restart.
type counter struct {
	want int
	done context.CancelFunc

	mu       sync.Mutex
	messages int
	reached  map[int32]time.Time          // highest event time by partition
	counts   map[time.Time]map[string]int // errors by start of the step and service
	next     time.Time                    // end of the next window to judge
	firing   map[string]bool
	alerts   []transition
}

func naive(o order) (report, error) {
	conf := sarama.NewConfig()
	conf.Version = sarama.V4_0_0_0
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(o.Brokers, o.Topic+"-naive-"+fmt.Sprint(os.Getpid()), conf)
	if err != nil {
		return report{}, fmt.Errorf("connecting: %w", err)
	}
	started := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	c := &counter{
		want: o.Messages, done: cancel,
		reached: map[int32]time.Time{}, counts: map[time.Time]map[string]int{}, firing: map[string]bool{},
	}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{o.Topic}, c); err != nil {
			return report{}, fmt.Errorf("consuming: %w", err)
		}
	}
	if err := group.Close(); err != nil {
		return report{}, fmt.Errorf("closing: %w", err)
	}
	took := time.Since(started)
	c.finish()
	return report{c.messages, took, c.alerts}, nil
}

func (c *counter) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *counter) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c *counter) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	var unmarshaler plog.ProtoUnmarshaler
	for m := range claim.Messages() {
		logs, err := unmarshaler.UnmarshalLogs(m.Value)
		if err != nil {
			return fmt.Errorf("offset %d: %w", m.Offset, err)
		}
		c.add(claim.Partition(), logs)
		session.MarkMessage(m, "")
	}
	return nil
}

func (c *counter) add(partition int32, logs plog.Logs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	high := c.reached[partition]
	for _, rl := range logs.ResourceLogs().All() {
		name, ok := rl.Resource().Attributes().Get("service.name")
		if !ok {
			continue
		}
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				at := r.Timestamp().AsTime()
				if at.After(high) {
					high = at
				}
				if r.SeverityNumber() < plog.SeverityNumberError {
					continue
				}
				start := at.Truncate(step)
				if c.counts[start] == nil {
					c.counts[start] = map[string]int{}
				}
				c.counts[start][name.Str()]++
			}
		}
	}
	c.reached[partition] = high
	if len(c.reached) == partitions {
		watermark := high
		for _, at := range c.reached {
			if at.Before(watermark) {
				watermark = at
			}
		}
		c.judge(watermark.Add(-lateness))
	}
	if c.messages++; c.messages == c.want {
		c.done()
	}
}

// judge judges the windows that end until a time.
func (c *counter) judge(until time.Time) {
	if c.next.IsZero() {
		for start := range c.counts {
			if c.next.IsZero() || start.Add(step).Before(c.next) {
				c.next = start.Add(step)
			}
		}
		if c.next.IsZero() {
			return
		}
	}
	for ; !c.next.After(until); c.next = c.next.Add(step) {
		sums := map[string]int{}
		for start, byService := range c.counts {
			switch {
			case start.Before(c.next.Add(-window)):
				delete(c.counts, start)
			case start.Before(c.next):
				for name, n := range byService {
					sums[name] += n
				}
			}
		}
		for name := range c.firing {
			if sums[name] <= threshold {
				delete(c.firing, name)
				c.alerts = append(c.alerts, transition{Service: name, At: c.next})
			}
		}
		for name, n := range sums {
			if n > threshold && !c.firing[name] {
				c.firing[name] = true
				c.alerts = append(c.alerts, transition{Service: name, Firing: true, At: c.next, Errors: n})
			}
		}
	}
}

// finish judges the windows that are still open when the input has ended.
func (c *counter) finish() {
	var last time.Time
	for start := range c.counts {
		if start.After(last) {
			last = start
		}
	}
	c.judge(last.Add(window + step))
	slices.SortFunc(c.alerts, compareTransitions)
}
