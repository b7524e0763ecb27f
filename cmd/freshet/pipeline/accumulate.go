package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/ingest/deadletter"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules"
)

// accumulate is stage 1 at Kafka: it decodes the records of one input partition, feeds the pure Accumulator and hands
// its sections to freshet.panes. A message that cannot be decoded goes to the dead-letter topic in the same transaction.
type accumulate struct {
	p         *Pipeline
	partition int32
	acc       *detect.Accumulator
	reports   *reporter
	own       bool // it reads a topic of freshet's own, whose silence is no news
	decoder   ingest.Decoder
	batch     ingest.Batch
	dead      []kafka.Message
	records   prometheus.Counter

	shed        int64 // see thrift
	reported    time.Time
	late, ahead map[string]uint64 // counted so far
}

// accumulateStage describes stage 1 to the Kafka loop.
func (p *Pipeline) accumulateStage(l *loaded) kafka.Stage {
	return kafka.Stage{
		Group:         p.names.Accumulate,
		Instance:      p.instance("accumulate"),
		Topics:        l.inputs.names(),
		Match:         l.inputs.matcher(),
		FromOldest:    []string{p.names.Findings}, // which alerts fire is known from all of it
		StartAt:       l.at.Add(-l.rules.LongestWindow() - longestLateness(l.rules)),
		FlushInterval: p.cfg.Detect.FlushInterval,
		Open: func(_ context.Context, c kafka.Claim) (kafka.Task, error) {
			return p.openAccumulate(l, c)
		},
		Join:     p.joinSections,
		Brake:    &p.thrift.brake,
		Handover: p.accumulating,
	}
}

func (p *Pipeline) openAccumulate(l *loaded, c kafka.Claim) (kafka.Task, error) {
	input, name, ok := l.inputs.of(c.Topic)
	if !ok {
		return nil, fmt.Errorf("topic %s is no input of this configuration", c.Topic)
	}
	decoder, err := input.Decoder(p.cfg)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", c.Topic, err)
	}
	acc, err := p.newAccumulator(l, name, c)
	if err != nil {
		return nil, err
	}
	if err := acc.Restore(c.Metadata); err != nil {
		// Only the knowledge of what is late is lost; the records are all read.
		p.log.Warn("the metadata of the committed offset cannot be read, lateness is judged anew",
			slog.String("topic", c.Topic), slog.Int("partition", int(c.Partition)), slog.Any("error", err))
	}
	t := &accumulate{p: p, partition: c.Partition, acc: acc, decoder: decoder, records: p.metrics.reads(c.Topic)}
	t.own = input.Signal == ingest.Findings
	t.reports = newReporter(l.rules, c.Topic, cmp.Or(name, c.Topic), input.Signal)
	return t, nil
}

// newAccumulator makes the accumulator of a claim, whose topic rules on events know by a name, if it is not "".
func (p *Pipeline) newAccumulator(l *loaded, name string, c kafka.Claim) (*detect.Accumulator, error) {
	return detect.NewAccumulator(detect.AccumulatorOptions{ //nolint:wrapcheck // it names the rule
		Rules:          l.rules,
		Source:         detect.Source{Topic: c.Topic, Partition: c.Partition},
		Input:          name,
		Partitions:     c.Partitions,
		PanePartitions: p.panePartitions,
		ClockTolerance: p.cfg.Detect.ClockTolerance.Nanoseconds(),
	})
}

func (t *accumulate) Process(m *kafka.Message) error {
	if t.own && alert.IsCommand(m.Key) {
		return nil // what people decide is for the alerter
	}
	if err := t.decoder.Decode(m.Value, &t.batch); err != nil {
		t.dead = append(t.dead, deadletter.Wrap(t.p.names.DeadLetter, m, err))
		t.p.metrics.deadLettered.WithLabelValues(m.Topic, ingest.FaultOf(err).String()).Inc()
		t.reports.failed(err)
		return nil
	}
	t.records.Add(float64(len(t.batch.Records)))
	t.p.rate.add(time.Now(), len(t.batch.Records), len(m.Value))
	t.acc.Add(&t.batch, ingest.Origin{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Time.UnixNano(),
	})
	return nil
}

func (t *accumulate) Idle(at time.Time) { t.acc.Idle(at.UnixNano()) }

func (t *accumulate) Take(now time.Time) (kafka.Output, error) {
	if now.Sub(t.reported) >= time.Second {
		t.report()
		t.reported = now
	}
	sections := t.acc.Take()
	t.letGo()
	messages := make([]kafka.Message, 0, len(sections)+len(t.dead))
	for _, s := range sections {
		messages = append(messages, kafka.Message{Topic: t.p.names.Panes, Partition: s.PanePartition, Value: s.Value})
	}
	messages = append(messages, t.dead...)
	t.dead = nil
	if !t.own && t.reports.due(now) {
		stats := t.acc.Stats()
		m, err := t.p.reportMessage(t.reports.report(t.partition, &stats, now))
		if err != nil {
			return kafka.Output{}, err
		}
		messages = append(messages, m)
	}
	return kafka.Output{Messages: messages, Metadata: t.acc.Metadata()}, nil
}

// report adds what came late or from the future since the last report to the metrics.
func (t *accumulate) report() {
	stats := t.acc.Stats()
	for service, n := range stats.Late {
		t.p.metrics.late.WithLabelValues(service).Add(float64(n - t.late[service]))
	}
	for service, n := range stats.Ahead {
		t.p.metrics.future.WithLabelValues(service).Add(float64(n - t.ahead[service]))
	}
	t.late, t.ahead = stats.Late, stats.Ahead
}

func (t *accumulate) Committed() {}

func (t *accumulate) Close() { t.report() }

// joinSections makes one message of all sections for the same pane partition.
func (p *Pipeline) joinSections(messages []kafka.Message) []kafka.Message {
	sort.SliceStable(messages, func(i, j int) bool {
		a, b := &messages[i], &messages[j]
		return a.Topic < b.Topic || a.Topic == b.Topic && a.Topic == p.names.Panes && a.Partition < b.Partition
	})
	out := messages[:0]
	for _, m := range messages {
		last := len(out) - 1
		if last >= 0 && m.Topic == p.names.Panes && out[last].Topic == p.names.Panes && out[last].Partition == m.Partition &&
			len(out[last].Value)+len(m.Value) < largestMessage/2 {
			out[last].Value = append(slices.Clip(out[last].Value), m.Value...)
			continue
		}
		out = append(out, m)
	}
	return out
}

func longestLateness(set *rules.Set) time.Duration {
	var longest time.Duration
	for _, r := range set.Rules {
		longest = max(longest, r.Lateness)
	}
	return longest
}
