package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/ingest/kafka/broker"
	"github.com/freshet-dev/freshet/ingest/kafka/kafkatest"
)

const inputPartitions = 6

// copier is a task whose output names every record it processed, and whose metadata is its position.
type copier struct {
	t      *testing.T
	output string
	claim  kafka.Claim
	next   int64
	done   []int64 // since the last take
	open   *atomic.Int64
}

func (c *copier) Process(m *kafka.Message) error {
	if m.Topic != c.claim.Topic || m.Partition != c.claim.Partition || m.Offset < c.next {
		c.t.Errorf("claim %s/%d at %d got the record %s/%d@%d", c.claim.Topic, c.claim.Partition, c.next, m.Topic, m.Partition, m.Offset)
	}
	id, err := strconv.ParseInt(string(m.Value), 10, 64)
	if err != nil {
		return err
	}
	c.done = append(c.done, id)
	c.next = m.Offset + 1
	return nil
}

func (c *copier) Idle(time.Time) {}

func (c *copier) Take(time.Time) (kafka.Output, error) {
	out := kafka.Output{Metadata: strconv.FormatInt(c.next, 10)}
	if len(c.done) > 0 {
		value, err := json.Marshal(c.done)
		if err != nil {
			return out, err
		}
		out.Messages = []kafka.Message{{Topic: c.output, Partition: c.claim.Partition, Value: value}}
	}
	c.done = nil
	return out, nil
}

func (c *copier) Committed() {}
func (c *copier) Close()     { c.open.Add(-1) }

// crowd runs members of a group that copy a topic, and checks what they wrote.
type crowd struct {
	t             *testing.T
	cfg           kafka.Config
	registry      *prometheus.Registry // of the last member started
	wrap          func(net.Conn) net.Conn
	group         string
	input, output string
	tasks         atomic.Int64
	fed           atomic.Int64 // records that are acknowledged
	handovers     map[string]*kafka.Handover
	onOpen        func(instance string) // nil for nothing

	mu      sync.Mutex
	members map[string]func() // stops
}

func (c *crowd) stage(instance string) kafka.Stage {
	return kafka.Stage{
		Group: c.group, Instance: instance, Topics: []string{c.input}, FlushInterval: 20 * time.Millisecond,
		Handover: c.handovers[instance],
		Open: func(_ context.Context, claim kafka.Claim) (kafka.Task, error) {
			if want := strconv.FormatInt(claim.Offset, 10); claim.Metadata != want && claim.Offset > 0 {
				c.t.Errorf("claim %d at offset %d has the metadata %q", claim.Partition, claim.Offset, claim.Metadata)
			}
			c.tasks.Add(1)
			if c.onOpen != nil {
				c.onOpen(instance)
			}
			return &copier{t: c.t, output: c.output, claim: claim, next: claim.Offset, open: &c.tasks}, nil
		},
	}
}

// start runs a member; leave says whether it leaves the group when it stops.
func (c *crowd) start(instance string, leave bool) {
	c.registry = prometheus.NewRegistry()
	client := kafkatest.NewClientWith(c.t, c.cfg, kafkatest.Logger(c.t), c.registry)
	client.Wrap(c.wrap)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s := c.stage(instance)
	s.LeaveOnStop = leave
	go func() {
		defer close(done)
		if err := client.Run(ctx, s); err != nil {
			c.t.Error(err)
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[instance] = func() { cancel(); <-done }
}

func (c *crowd) stop(instance string) {
	c.mu.Lock()
	stop := c.members[instance]
	delete(c.members, instance)
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (c *crowd) stopAll() {
	for i := range 10 {
		c.stop(strconv.Itoa(i))
	}
}

// feed writes n numbered records to the input, evenly, at a rate, and returns when all are acknowledged.
func (c *crowd) feed(ctx context.Context, client *kafka.Client, n int) {
	for i := 0; i < n; i += 50 {
		var msgs []kafka.Message
		for id := i; id < min(i+50, n); id++ {
			msgs = append(msgs, kafka.Message{Topic: c.input, Partition: int32(id % inputPartitions), Value: strconv.AppendInt(nil, int64(id), 10)})
		}
		if err := client.Produce(ctx, msgs...); err != nil {
			c.t.Errorf("feeding: %v", err)
			return
		}
		c.fed.Store(int64(i + len(msgs)))
		time.Sleep(10 * time.Millisecond) // so that the disturbances fall into the work
	}
}

// whenFed waits until so many records are fed, so that what comes next falls into the work.
func (c *crowd) whenFed(n int64) {
	c.t.Helper()
	within(c.t, 60*time.Second, fmt.Sprintf("%d records are fed", n), func() bool { return c.fed.Load() >= n })
}

// written reads the committed output: the numbers of each partition, in order.
func (c *crowd) written(client *kafka.Client) (ids [inputPartitions][]int64, total int) {
	for p := range int32(inputPartitions) {
		err := client.ReadPartition(c.t.Context(), c.output, p, func(m *kafka.Message) error {
			var some []int64
			if err := json.Unmarshal(m.Value, &some); err != nil {
				return err
			}
			ids[p] = append(ids[p], some...)
			total += len(some)
			return nil
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return ids, total
}

// check waits until all n records are in the committed output, stops the members, and compares with what must be there:
// every number of a partition once, in the order of the input.
func (c *crowd) check(client *kafka.Client, n int, limit time.Duration) {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		_, total := c.written(client)
		if total >= n {
			break
		}
		if time.Now().After(deadline) {
			c.t.Errorf("%d of %d records were counted after %s", total, n, limit)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.stopAll()
	ids, _ := c.written(client)
	for p := range ids {
		at := 0
		for id := int64(p); id < int64(n); id += inputPartitions {
			if at >= len(ids[p]) || ids[p][at] != id {
				var found []int64
				found = append(found, ids[p][at:min(at+5, len(ids[p]))]...)
				c.t.Fatalf("partition %d: expected %d after %d records, found %d", p, id, at, found)
			}
			at++
		}
		if at != len(ids[p]) {
			c.t.Fatalf("partition %d: %d records too many, from %d on", p, len(ids[p])-at, ids[p][at])
		}
	}
	if open := c.tasks.Load(); open != 0 {
		c.t.Errorf("%d tasks were not closed", open)
	}
}

func newCrowd(t *testing.T, client *kafka.Client, cluster kafkatest.Cluster) *crowd {
	return &crowd{
		t: t, group: kafkatest.Name("copy"), members: map[string]func(){},
		cfg:    kafka.Config{Brokers: cluster.Brokers, SessionTimeout: 2 * time.Second},
		input:  cluster.Topic(t, client, inputPartitions, nil),
		output: cluster.Topic(t, client, inputPartitions, nil),
	}
}

// Members come and go, some leaving the group and some not, one coming back under its name.
func TestExactlyOnceOverRebalances(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		c := newCrowd(t, client, cluster)
		var third atomic.Bool
		c.onOpen = func(instance string) {
			if instance == "3" {
				third.Store(true)
			}
		}
		const n = 15_000
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			c.feed(t.Context(), client, n)
		}()
		c.start("0", true)
		c.whenFed(1500)
		c.start("1", true)
		c.whenFed(5000)
		c.start("2", false)
		c.whenFed(8500)
		c.stop("1")
		c.whenFed(11_000)
		c.stop("2")
		c.start("2", false) // the same again, within its session
		c.whenFed(12_500)
		c.start("3", false)
		c.stop("0")
		c.whenFed(14_500)
		// The embedded broker never puts out a member that is lost while it waits for the answer to its join.
		within(t, 60*time.Second, "member 3 has partitions", third.Load)
		c.stop("3") // its partitions wait for its session to end
		<-fed
		c.check(client, n, 90*time.Second)
	})
}

// Every connection breaks again and again, so that all kinds of answers are lost, those to the ends of transactions too.
func TestExactlyOnceOverLostAnswers(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, cluster kafkatest.Cluster) {
		client := cluster.Client(t)
		c := newCrowd(t, client, cluster)
		c.cfg.SessionTimeout = 6 * time.Second
		c.wrap = func(nc net.Conn) net.Conn { return flaky{nc, 0.02} }
		const n = 10_000
		c.start("0", true)
		c.start("1", true)
		c.feed(t.Context(), client, n)
		c.check(client, n, 60*time.Second)
	})
}

// The broker refuses requests with the errors that Kafka has for the steps of a transaction.
func TestExactlyOnceOverFaults(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Embedded(t, broker.Options{})
	client := cluster.Client(t)
	c := newCrowd(t, client, cluster)
	const n = 15_000
	c.start("0", true)
	c.start("1", true)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		c.feed(t.Context(), client, n)
	}()
	faults := []kfake.Fault{
		{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn}, Err: kerr.ConcurrentTransactions},
		{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn}, Err: kerr.NotCoordinator},
		{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn}, Err: kerr.InvalidProducerEpoch},
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.output, Err: kerr.NotLeaderForPartition},
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.output, Err: kerr.OutOfOrderSequenceNumber},
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.output, Err: kerr.RequestTimedOut}, // written, and said not to be
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.output, Err: kerr.NotEnoughReplicasAfterAppend},
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.output, Err: kerr.MessageTooLarge},
		{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Err: kerr.CoordinatorLoadInProgress, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Err: kerr.ProducerFenced, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.NotCoordinator},
		{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration},
		{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.UnknownMemberID},
		{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.InvalidTxnState, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.RequestTimedOut, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ProducerFenced, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true},
		{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit},
		{Keys: []kmsg.Key{kmsg.Fetch}, Topic: c.input, Err: kerr.NotLeaderForPartition},
		{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ConcurrentTransactions, TopLevel: true},
	}
	for i, f := range faults {
		h := cluster.Embedded.Cluster().Fault(f)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := h.Wait(ctx, 1)
		cancel()
		h.Remove()
		if err != nil && f.Keys[0] != kmsg.OffsetFetch && f.Keys[0] != kmsg.InitProducerID { // only at a start or after an abort
			t.Errorf("fault %d (%v of %v) was not met", i, f.Err, f.Keys)
		}
	}
	<-fed
	c.check(client, n, 90*time.Second)
}

// A broker that answers the end of a transaction with an error though it has committed, and one that has not.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, executed := range []bool{true, false} {
		t.Run(fmt.Sprintf("committed=%t", executed), func(t *testing.T) {
			t.Parallel()
			cluster := kafkatest.Embedded(t, broker.Options{})
			client := cluster.Client(t)
			c := newCrowd(t, client, cluster)
			var refuse atomic.Bool
			c.wrap = func(nc net.Conn) net.Conn { return &endTxnLoser{Conn: nc, send: executed, lost: &refuse} }
			// The request that asks again is refused, so that only the committed offset can tell.
			cluster.Embedded.Cluster().Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.InvalidTxnState, Count: -1,
				When: func(kmsg.Request) bool { return refuse.Swap(false) },
			})
			const n = 2_000
			c.start("0", true)
			c.feed(t.Context(), client, n)
			c.check(client, n, 90*time.Second)
			if got := transactions(t, c.registry, "recovered"); got > 0 != executed {
				t.Errorf("%g transactions were found to be committed", got)
			}
			if got := transactions(t, c.registry, "aborted"); got > 0 == executed {
				t.Errorf("%g transactions were found to be aborted", got)
			}
		})
	}
}

// transactions returns the count of an outcome.
func transactions(t *testing.T, reg *prometheus.Registry, outcome string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "freshet_kafka_transactions_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" && l.GetValue() == outcome {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

// The broker is killed and started again under load, with what it had on disk.
func TestExactlyOnceOverBrokerRestarts(t *testing.T) {
	t.Parallel()
	o := broker.Options{DataDir: t.TempDir()}
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Listen = b.Addr()
	cluster := kafkatest.Cluster{Name: "embedded", Brokers: []string{b.Addr()}, Embedded: b}
	client := cluster.Client(t)
	c := newCrowd(t, client, cluster)
	const n = 8_000
	c.start("0", true)
	c.start("1", true)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		c.feed(t.Context(), client, n)
	}()
	for outage := range int64(3) {
		c.whenFed((2*outage + 1) * n / 8)
		_ = b.Close()
		time.Sleep(300 * time.Millisecond)
		if b, err = broker.Start(o); err != nil {
			t.Fatal(err)
		}
	}
	<-fed
	c.check(client, n, 90*time.Second)
	_ = client.Close()
	_ = b.Close()
}
