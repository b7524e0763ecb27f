package ruletest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect"
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
		Topics: detect.Topics{
			ingest.Logs: {logsTopic}, ingest.Metrics: {metricsTopic}, ingest.Spans: {spansTopic}, ingest.Findings: {findingsTopic},
		},
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

func (s *stream) moment(i int, start int64) moment {
	m := moment{i: i, n: s.n, seed: s.seed}
	m.at = start + int64(s.at(m))
	return m
}

// inputs returns the topics that streams come from or rules read.
func inputs(set *rules.Set, streams []*stream) []string {
	var topics []string
	for _, s := range streams {
		topics = append(topics, s.topic)
	}
	for _, r := range set.Rules {
		switch r.From {
		case ingest.Logs:
			topics = append(topics, logsTopic)
		case ingest.Metrics:
			topics = append(topics, metricsTopic)
		case ingest.Spans, ingest.SpanEvents:
			topics = append(topics, spansTopic)
		case ingest.Findings:
			topics = append(topics, findingsTopic)
		case ingest.Events, ingest.Unknown:
		}
	}
	topics = append(topics, set.Topics()...)
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
	out = t.newStory(end, measure)
	p := pass{test: t, story: out, steps: steps, rules: &rules.Set{Version: t.rules.Version}}
	derived := p
	derived.rules = &rules.Set{Version: t.rules.Version}
	for _, r := range t.rules.Rules {
		to := p.rules
		if r.From == ingest.Findings {
			to = derived.rules
		}
		to.Rules = append(to.Rules, r)
	}
	for _, s := range t.streams {
		to := &p
		if s.signal == ingest.Findings {
			to = &derived
		}
		to.streams = append(to.streams, s)
	}
	overflowed, err = p.run(ctx)
	if err == nil && len(derived.rules.Rules) > 0 {
		// Rules on findings see those of all others, and none of their own.
		derived.streams = append(derived.streams, t.findingStream(out.findings))
		var more bool
		more, err = derived.run(ctx)
		overflowed = overflowed || more
	}
	if err != nil {
		return nil, false, fmt.Errorf("test %q: %w", t.Name, err)
	}
	out.sort()
	return out, overflowed, nil
}

// pass sends streams through a detector of some rules.
type pass struct {
	test    *Test
	story   *story
	steps   int // of the rules that are judged at once
	rules   *rules.Set
	streams []*stream
}

// run returns whether a rule had more groups than it may have.
func (p *pass) run(ctx context.Context) (overflowed bool, err error) {
	b, err := newBed(p.rules, p.test.partitions, inputs(p.rules, p.streams), p.story.measure != nil)
	if err != nil {
		return false, err
	}
	start := p.test.start.UnixNano()
	tick, lateness := rules.DefaultInterval, time.Duration(0)
	for i, r := range p.rules.Rules {
		if tick = min(tick, r.Interval); i == 0 {
			tick = r.Interval
		}
		lateness = max(lateness, r.Lateness)
	}
	tick *= time.Duration(p.steps)
	// A window is judged when all that may still count has come.
	until := start + int64(p.story.end+lateness)
	queue := newQueue(p.streams, start)
	// All is known to be empty at the start, from which on groups are expected.
	if _, err := b.advance(start); err != nil {
		return false, err
	}
	for clock := start; clock < until; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		clock = min(clock+int64(tick), until)
		for head, more := queue.next(); more && head.at < clock; head, more = queue.next() {
			s := p.streams[head.stream]
			b.add(b.topics[s.topic][s.partitionOf(head.i, p.test.partitions)], s, s.moment(head.i, start), head.at)
			queue.take()
		}
		result, err := b.advance(clock)
		if err != nil {
			return false, err
		}
		p.story.take(&result)
	}
	p.story.count(b)
	return len(b.evaluator.Stats().Overflows) > 0, nil
}
