package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// takenWithin is how long Do waits for the active alerter to take a command that is kept: whoever asks next should see it.
const takenWithin = 2 * time.Second

// Do keeps what somebody decided about alerts. It returns when that is in Kafka, and where this process is the active
// alerter when it has taken it.
func (p *Pipeline) Do(ctx context.Context, c *alert.Command) error {
	if err := c.Validate(); err != nil {
		return err //nolint:wrapcheck // it says what is wrong
	}
	value, err := c.Encode()
	if err != nil {
		return err //nolint:wrapcheck // it says what failed
	}
	taken := p.taken.wait(c.ID)
	defer p.taken.leave(c.ID)
	if err := p.client.Produce(ctx, kafka.Message{Topic: p.names.Findings, Partition: 0, Key: c.Key(), Value: value}); err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	if p.alerts.Load() == nil {
		return nil
	}
	timer := time.NewTimer(takenWithin)
	defer timer.Stop()
	select {
	case err := <-taken:
		return err
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// Post keeps findings about alerts of others.
func (p *Pipeline) Post(ctx context.Context, findings []*finding.Finding) error {
	messages := make([]kafka.Message, 0, len(findings))
	for _, f := range findings {
		value, err := finding.Encode(f)
		if err != nil {
			return fmt.Errorf("alert %s: %w", f.Rule, err)
		}
		messages = append(messages, kafka.Message{Topic: p.names.Findings, Partition: 0, Key: f.Key(), Value: value})
	}
	return p.client.Produce(ctx, messages...) //nolint:wrapcheck // it says what was done
}

// waiting are those who wait for the active alerter to take their commands.
type waiting struct {
	mu   sync.Mutex
	byID map[string]chan error
}

func (w *waiting) wait(id string) <-chan error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID = map[string]chan error{}
	}
	c := make(chan error, 1)
	w.byID[id] = c
	return c
}

// took says that a command is taken, and what is wrong with it.
func (w *waiting) took(id string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.byID[id]; ok {
		c <- err
		delete(w.byID, id)
	}
}

func (w *waiting) leave(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byID, id)
}
