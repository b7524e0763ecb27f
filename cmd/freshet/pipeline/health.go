package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/detect/health"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// reportKey begins the key of a report; what the judge keeps has other keys in the same topic.
const reportKey = "report\x00"

// judge is freshet's watch over itself at Kafka: it feeds the reports of all partitions to the pure Judge, and writes its
// findings in one transaction with what it keeps, so that none is lost or told twice. The topic of reports has one
// partition, so one process judges and the others stand by.
type judge struct {
	p         *Pipeline
	flush     func()
	judge     *health.Judge
	partition int32
	findings  []*finding.Finding
}

// healthStage describes the judge to the Kafka loop.
func (p *Pipeline) healthStage() kafka.Stage {
	return kafka.Stage{
		Group:         p.names.Judge,
		Instance:      p.instance("health"),
		Topics:        []string{p.names.Health},
		FlushInterval: time.Second,
		LeaveOnStop:   true, // another takes over at once
		Open: func(ctx context.Context, c kafka.Claim) (kafka.Task, error) {
			return p.openJudge(ctx, c)
		},
	}
}

func (p *Pipeline) openJudge(ctx context.Context, c kafka.Claim) (kafka.Task, error) {
	t := &judge{p: p, flush: c.Flush, judge: health.New(p.cfg.Health.Limits()), partition: c.Partition}
	err := p.client.ReadSettled(ctx, p.names.Health, c.Partition, kafka.Oldest(), func(m *kafka.Message) error {
		if bytes.HasPrefix(m.Key, []byte(reportKey)) {
			return nil // those from the committed offset on are read again
		}
		if string(m.Key) == activeKey {
			return nil
		}
		if err := t.judge.Restore(m.Key, m.Value); err != nil {
			p.log.Error("something that is known of freshet's own health cannot be read and is skipped",
				slog.Int64("offset", m.Offset), slog.Any("error", err))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("restoring what is known of freshet's own health: %w", err)
	}
	return t, nil
}

func (t *judge) Process(m *kafka.Message) error {
	if !bytes.HasPrefix(m.Key, []byte(reportKey)) || len(m.Value) == 0 {
		return nil
	}
	r, err := health.DecodeReport(m.Value)
	if err != nil {
		t.p.log.Error("a report on freshet's own health cannot be read and is skipped", slog.Int64("offset", m.Offset), slog.Any("error", err))
		t.p.metrics.deadLettered.WithLabelValues(t.p.names.Health, "malformed").Inc()
		return nil
	}
	t.judge.Receive(r, time.Now())
	return nil
}

// Idle judges: everything that was reported by then has been taken in.
func (t *judge) Idle(at time.Time) {
	counts, known := t.p.presence.counts()
	if !known {
		return
	}
	t.judge.Topics(counts, at)
	if found := t.judge.Tick(at); len(found) > 0 {
		t.findings = append(t.findings, found...)
		t.flush()
	}
}

func (t *judge) Take(now time.Time) (kafka.Output, error) {
	var out kafka.Output
	for _, f := range t.findings {
		value, err := finding.Encode(f)
		if err != nil {
			return out, err
		}
		out.Messages = append(out.Messages, kafka.Message{Topic: t.p.names.Findings, Partition: 0, Key: f.Key(), Value: value})
		t.p.metrics.findings.WithLabelValues(string(f.State)).Inc()
		t.p.log.Warn("freshet's own health", slog.String("alert", f.Rule), slog.String("state", string(f.State)),
			slog.String("labels", f.Labels.String()), slog.String("summary", f.Annotations["summary"]))
	}
	t.findings = nil
	changes, err := t.judge.Changes(now)
	if err != nil {
		return out, err
	}
	for _, c := range changes {
		out.Messages = append(out.Messages, kafka.Message{Topic: t.p.names.Health, Partition: t.partition, Key: c.Key, Value: c.Value})
	}
	return out, nil
}

func (t *judge) Committed() {}

func (t *judge) Close() {}
