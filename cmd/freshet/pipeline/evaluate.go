package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/detect"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules/label"
)

// evaluate is stage 2 at Kafka: it feeds the records of one partition of freshet.panes to the pure Evaluator, produces
// the findings and commits the changed state together with the offset.
//
// Findings are produced at once, outside the transaction, so that nobody waits for a commit to learn of them. State is
// committed only after they are acknowledged: a crash in between repeats findings, with the same ids.
type evaluate struct {
	p             *Pipeline
	loaded        *loaded
	eval          *detect.Evaluator
	partition     int32
	overflows     map[string]uint64 // panes counted so far, by rule
	late, unknown uint64            // panes that were not evaluated so far
	reports       schedule
	read          time.Time // everything written by then has been read, zero when that is not known

	sent sync.WaitGroup
	mu   sync.Mutex
	lost error

	shed     int64             // see thrift
	recorded []detect.Recorded // for the next Take
	updates  map[label.Fingerprint]*update
}

// evaluateStage describes stage 2 to the Kafka loop.
func (p *Pipeline) evaluateStage(l *loaded) kafka.Stage {
	return kafka.Stage{
		Group:         p.names.Evaluate,
		Instance:      p.instance("evaluate"),
		Topics:        []string{p.names.Panes},
		FlushInterval: p.cfg.Detect.StateInterval,
		Open: func(ctx context.Context, c kafka.Claim) (kafka.Task, error) {
			return p.openEvaluate(ctx, l, c)
		},
		Brake:    &p.thrift.brake,
		Handover: p.evaluating,
	}
}

func (p *Pipeline) openEvaluate(ctx context.Context, l *loaded, c kafka.Claim) (kafka.Task, error) {
	started := time.Now()
	eval, err := newEvaluator(l, c.Partition, c.Partitions)
	if err != nil {
		return nil, err
	}
	restored := 0
	// Settled, because the state must not be older than the committed offset.
	err = p.client.ReadSettled(ctx, p.names.State, c.Partition, kafka.Oldest(), func(m *kafka.Message) error {
		restored++
		return eval.Restore(m.Key, m.Value)
	})
	switch {
	case errors.Is(err, detect.ErrState):
		p.log.Warn("the saved state cannot be read, it was written by another version or is damaged: this partition starts clean",
			slog.Int("partition", int(c.Partition)), slog.Any("error", err))
		if eval, err = newEvaluator(l, c.Partition, c.Partitions); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("restoring the state of %s/%d: %w", p.names.Panes, c.Partition, err)
	case restored > 0:
		p.log.Info("state restored", slog.Int("partition", int(c.Partition)), slog.Int("records", restored),
			slog.Duration("took", time.Since(started).Round(time.Millisecond)))
	}
	return &evaluate{p: p, loaded: l, eval: eval, partition: c.Partition}, nil
}

// newEvaluator makes the evaluator of one of so many partitions.
func newEvaluator(l *loaded, partition, partitions int32) (*detect.Evaluator, error) {
	return detect.NewEvaluator(detect.EvaluatorOptions{ //nolint:wrapcheck // it names the rule
		Rules: l.rules, Topics: topicsBySignal(l.inputs.named), Patterns: l.inputs.evaluated(),
		Partition: partition, PanePartitions: partitions,
	})
}

func (t *evaluate) Process(m *kafka.Message) error {
	if err := t.unsent(); err != nil {
		return err
	}
	res, err := t.eval.Apply(m.Offset, m.Value)
	if err != nil {
		// Stage 1 wrote it, so this is a defect or a damaged topic; stopping here would stop every rule.
		t.p.log.Error("part of a panes record cannot be read and is skipped",
			slog.Int("partition", int(m.Partition)), slog.Int64("offset", m.Offset), slog.Any("error", err))
		t.p.metrics.deadLettered.WithLabelValues(t.p.names.Panes, "malformed").Inc()
	}
	for _, w := range res.Warnings {
		t.p.log.Warn("evaluating rules", slog.Any("warning", w))
	}
	t.p.observe(t.loaded, res.Measures)
	if err := t.tellUpdates(res.Measures); err != nil {
		return err
	}
	for _, f := range res.Findings {
		t.sayOverflow(f)
		t.p.illustrate(t.loaded, f)
		if err := t.send(f); err != nil {
			return err
		}
	}
	t.recorded = append(t.recorded, res.Recorded...)
	t.p.recorded.observe(t.partition, res.Recorded, time.Now())
	if m.Time.After(t.read) {
		t.read = m.Time
	}
	return nil
}

func (t *evaluate) send(f *finding.Finding) error {
	t.p.metrics.found(f, time.Now())
	return t.produce(f)
}

func (t *evaluate) produce(f *finding.Finding) error {
	value, err := finding.Encode(f)
	if err != nil {
		return err
	}
	t.sent.Add(1)
	t.p.client.ProduceAsync(kafka.Message{Topic: t.p.names.Findings, Partition: 0, Key: f.Key(), Value: value}, func(err error) {
		defer t.sent.Done()
		if err != nil {
			t.mu.Lock()
			t.lost = fmt.Errorf("producing finding %s: %w", f.ID, err)
			t.mu.Unlock()
		}
	})
	return nil
}

// unsent returns the error of a finding that could not be produced: the partition is then opened anew and replays it.
func (t *evaluate) unsent() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

func (t *evaluate) Idle(at time.Time) {
	if at.After(t.read) {
		t.read = at
	}
}

func (t *evaluate) Take(now time.Time) (kafka.Output, error) {
	t.sent.Wait()
	if err := t.unsent(); err != nil {
		return kafka.Output{}, err
	}
	t.report(now)
	t.eval.SetAbsent(t.p.presence.gone(t.eval.Topics()))
	changes := t.eval.Changes()
	t.letGo()
	out := kafka.Output{Messages: make([]kafka.Message, 0, len(changes))}
	for _, c := range changes {
		out.Messages = append(out.Messages, kafka.Message{Topic: t.p.names.State, Partition: t.partition, Key: c.Key, Value: c.Value})
	}
	recorded, err := recordedMessages(t.p.names.Measures, t.recorded)
	if err != nil {
		return kafka.Output{}, err
	}
	out.Messages = append(out.Messages, recorded...)
	t.recorded = nil
	if t.reports.due(now) {
		r := &health.Report{Stage: health.Evaluate, Topic: t.p.names.Panes, Partition: t.partition, Delay: -1}
		if !t.read.IsZero() {
			r.Delay = max(0, now.Sub(t.read))
		}
		m, err := t.p.reportMessage(r)
		if err != nil {
			return kafka.Output{}, err
		}
		out.Messages = append(out.Messages, m)
	}
	return out, nil
}

func (t *evaluate) Committed() {}

// report says how far the partition is.
func (t *evaluate) report(now time.Time) {
	stats := t.eval.Stats()
	m := mark{groups: stats.Groups, waiting: stats.Waiting}
	for _, w := range stats.Watermarks {
		if at := time.Unix(0, w.Time); m.watermark.IsZero() || at.Before(m.watermark) {
			m.watermark = at
		}
	}
	t.p.progress.set(t.partition, m, now)
	t.countOverflows(stats.Overflows)
	t.p.metrics.skipped.WithLabelValues(paneLate).Add(float64(stats.LatePanes - t.late))
	t.p.metrics.skipped.WithLabelValues(paneUnknown).Add(float64(stats.UnknownPanes - t.unknown))
	t.late, t.unknown = stats.LatePanes, stats.UnknownPanes
}

// Close forgets what the partition reported: it is another process's now.
func (t *evaluate) Close() {
	t.p.progress.drop(t.partition)
	t.p.recorded.drop(t.partition)
}
