package ruletest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest"
	"github.com/freshet-dev/freshet/rules"
)

const (
	// clockTolerance is how far a record's time may lie after its arrival, as by default in production. In a test it never
	// does, but for events of spans.
	clockTolerance = int64(time.Minute)
	// manySteps is how many steps of the rules are judged at once: what is settled does not depend on it, and to look
	// after each step at what is not yet settled takes most of the time.
	manySteps = 64
	// measuredGroups is how many groups of a rule give measures.
	measuredGroups = 1000
)

// partition is one partition of an input topic.
type partition struct {
	topic  string
	number int32
	acc    *detect.Accumulator
	offset int64 // of the next message
}

// bed is a whole detector: stage 1 for each partition of each topic, and stage 2.
type bed struct {
	partitions []*partition
	topics     map[string][]*partition
	evaluator  *detect.Evaluator
	offset     int64 // of the next record of panes
	panes      []byte
	batch      ingest.Batch
}

// newBed returns a detector of rules whose topics have so many partitions each; measures says whether it tells them.
func newBed(set *rules.Set, partitions int32, topics []string, measures bool) (*bed, error) {
	b := &bed{topics: map[string][]*partition{}}
	for _, topic := range topics {
		for n := range partitions {
			acc, err := detect.NewAccumulator(detect.AccumulatorOptions{
				Rules: set, Source: detect.Source{Topic: topic, Partition: n}, Partitions: partitions, PanePartitions: 1,
				ClockTolerance: clockTolerance,
			})
			if err != nil {
				return nil, err
			}
			p := &partition{topic: topic, number: n, acc: acc}
			b.partitions, b.topics[topic] = append(b.partitions, p), append(b.topics[topic], p)
		}
	}
	groups := -1
	if measures {
		groups = measuredGroups
	}
	var err error
	b.evaluator, err = detect.NewEvaluator(detect.EvaluatorOptions{
		Rules: set, PanePartitions: 1, MeasureGroups: groups,
		Topics: detect.Topics{ingest.Logs: {logsTopic}, ingest.Metrics: {metricsTopic}, ingest.Spans: {spansTopic}},
	})
	return b, err
}

// add gives a partition a record of a stream, which arrives at a time. Until then the partition was read to its end.
func (b *bed) add(p *partition, s *stream, m moment, at int64) {
	p.acc.Idle(at)
	if !s.message(&b.batch, m) {
		return
	}
	p.acc.Add(&b.batch, ingest.Origin{Topic: p.topic, Partition: p.number, Offset: p.offset, Timestamp: at})
	p.offset++
}

// advance says that at a time everything has been read, and returns what that leads to.
func (b *bed) advance(at int64) (detect.Result, error) {
	b.panes = b.panes[:0]
	for _, p := range b.partitions {
		p.acc.Idle(at)
		for _, section := range p.acc.Take() {
			b.panes = append(b.panes, section.Value...)
		}
	}
	if len(b.panes) == 0 {
		return detect.Result{}, nil
	}
	b.offset++
	return b.evaluator.Apply(b.offset, b.panes)
}

// story is what came of a test's records.
type story struct {
	// findings are the settled ones up to the test's end, in order of time.
	findings []*finding.Finding
	warnings []string
	rules    map[uint64]detect.RuleStats
	signals  map[ingest.Signal]uint64
	records  int
}

func (s *stream) moment(i int, start int64) moment {
	m := moment{i: i, n: s.n, seed: s.seed}
	m.at = start + int64(s.at(m))
	return m
}

// inputs returns the topics that the test's records come from or its rules read.
func (t *Test) inputs() []string {
	var topics []string
	for _, s := range t.streams {
		topics = append(topics, s.topic)
	}
	for _, r := range t.rules.Rules {
		switch r.From {
		case ingest.Logs:
			topics = append(topics, logsTopic)
		case ingest.Metrics:
			topics = append(topics, metricsTopic)
		case ingest.Spans, ingest.SpanEvents:
			topics = append(topics, spansTopic)
		case ingest.Events, ingest.Unknown, ingest.Findings: // nothing gives findings to a test
		}
	}
	topics = append(topics, t.rules.Topics()...)
	slices.Sort(topics)
	return slices.Compact(topics)
}

// replay sends the test's records through a detector.
func (t *Test) replay(ctx context.Context) (*story, error) {
	out, overflowed, err := t.replayIn(ctx, manySteps, t.end, nil)
	if overflowed {
		// Which groups find a place depends on when others leave theirs: with each step, as in production.
		out, _, err = t.replayIn(ctx, 1, t.end, nil)
	}
	return out, err
}

// replayIn replays so many steps of the rules at once, until an end. measure, if not nil, is given the rules' measures.
// overflowed says that a rule had more groups than it may have.
func (t *Test) replayIn(ctx context.Context, steps int, end time.Duration, measure func(detect.Measure)) (out *story, overflowed bool, err error) {
	b, err := newBed(t.rules, t.partitions, t.inputs(), measure != nil)
	if err != nil {
		return nil, false, fmt.Errorf("test %q: %w", t.Name, err)
	}
	start := t.start.UnixNano()
	tick, lateness := rules.DefaultInterval, time.Duration(0)
	for i, r := range t.rules.Rules {
		if tick = min(tick, r.Interval); i == 0 {
			tick = r.Interval
		}
		lateness = max(lateness, r.Lateness)
	}
	tick *= time.Duration(steps)
	// A window is judged when all that may still count has come.
	until := start + int64(end+lateness)
	out = &story{rules: map[uint64]detect.RuleStats{}, signals: map[ingest.Signal]uint64{}}
	queue := newQueue(t.streams, start)
	for clock := start; clock < until; {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		clock = min(clock+int64(tick), until)
		for head, more := queue.next(); more && head.at < clock; head, more = queue.next() {
			s := t.streams[head.stream]
			b.add(b.topics[s.topic][s.partitionOf(head.i, t.partitions)], s, s.moment(head.i, start), head.at)
			queue.take()
		}
		if err := out.take(b, clock, start+int64(end), measure); err != nil {
			return nil, false, fmt.Errorf("test %q: %w", t.Name, err)
		}
	}
	slices.SortStableFunc(out.findings, func(a, b *finding.Finding) int {
		return cmp.Or(a.WindowEnd.Compare(b.WindowEnd), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Labels.String(), b.Labels.String()))
	})
	out.count(b)
	return out, len(b.evaluator.Stats().Overflows) > 0, nil
}

// take moves the detector to a time and keeps what it finds up to the end.
func (o *story) take(b *bed, clock, end int64, measure func(detect.Measure)) error {
	result, err := b.advance(clock)
	if err != nil {
		return err
	}
	for _, f := range result.Findings {
		if f.Settled && f.WindowEnd.UnixNano() <= end {
			o.findings = append(o.findings, f)
		}
	}
	for _, w := range result.Warnings {
		if text := w.Error(); !slices.Contains(o.warnings, text) {
			o.warnings = append(o.warnings, text)
		}
	}
	if measure != nil {
		for _, m := range result.Measures {
			measure(m)
		}
	}
	return nil
}

// count sums up what the rules made of the records.
func (o *story) count(b *bed) {
	for _, p := range b.partitions {
		stats := p.acc.Stats()
		o.records += int(stats.Records)
		for signal, n := range stats.Signals {
			o.signals[signal] += n
		}
		for _, r := range stats.Rules {
			sum := o.rules[r.ID]
			sum.Selected += r.Selected
			sum.Matched += r.Matched
			sum.Unmatched += r.Unmatched
			sum.Late += r.Late
			o.rules[r.ID] = sum
		}
	}
}
