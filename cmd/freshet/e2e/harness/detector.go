package harness

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules/label"
)

// Detector stands in for freshet's: it writes findings about alerts of its own to a namespace's topic.
type Detector struct {
	t      testing.TB
	client *kafka.Client
	topic  string

	mu       sync.Mutex
	episodes map[label.Fingerprint]int64
}

// NewDetector returns a Detector for a namespace in the client's Kafka.
func NewDetector(t testing.TB, client *kafka.Client, namespace string) *Detector {
	return &Detector{t: t, client: client, topic: namespace + ".findings", episodes: map[label.Fingerprint]int64{}}
}

// Fires returns the finding that an alert with these names and values of labels begins to fire.
func (d *Detector) Fires(labels ...string) *finding.Finding {
	set := label.New(labels...)
	d.mu.Lock()
	d.episodes[set.Fingerprint()]++
	d.mu.Unlock()
	return d.finding(set, finding.Firing)
}

// Ends returns the finding that such an alert, which fires, is over.
func (d *Detector) Ends(labels ...string) *finding.Finding {
	return d.finding(label.New(labels...), finding.Resolved)
}

func (d *Detector) finding(set label.Set, state finding.State) *finding.Finding {
	d.mu.Lock()
	episode := d.episodes[set.Fingerprint()]
	d.mu.Unlock()
	now := time.Now()
	value, threshold, name := 12.0, 10.0, set.Get(label.AlertName)
	f := &finding.Finding{ID: fmt.Sprintf("%s/%d/%s", set.Fingerprint(), episode, state), Fingerprint: set.Fingerprint(), Rule: name,
		Group: "harness", State: state, Settled: true, Birth: 1, Episode: episode, Transition: 1, Labels: set, Value: &value,
		Threshold: &threshold, Condition: "count() > 10", WindowStart: now.Add(-time.Minute), WindowEnd: now, StartsAt: now}
	if state == finding.Resolved {
		f.Transition, f.EndsAt = 2, now
	}
	return f
}

// Write appends findings to the topic, in their order.
func (d *Detector) Write(findings ...*finding.Finding) {
	messages := make([]kafka.Message, 0, len(findings))
	for _, f := range findings {
		value, err := finding.Encode(f)
		if err != nil {
			d.t.Errorf("encoding a finding: %v", err)
			return
		}
		messages = append(messages, kafka.Message{Topic: d.topic, Partition: 0, Key: f.Key(), Value: value})
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	if err := d.client.Produce(ctx, messages...); err != nil && d.t.Context().Err() == nil {
		d.t.Errorf("findings cannot be written: %v", err)
	}
}

// Fire has an alert with these labels fire.
func (d *Detector) Fire(labels ...string) { d.Write(d.Fires(labels...)) }

// End has it end.
func (d *Detector) End(labels ...string) { d.Write(d.Ends(labels...)) }
