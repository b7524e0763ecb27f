package kafka

import (
	"fmt"
	"sync"
	"time"
)

// overdueAfter is how long output may wait for its commit: longer than an election of partition leaders takes.
const overdueAfter = 10 * time.Second

// debts are the stages whose output waits to be committed.
type debts struct {
	mu   sync.Mutex
	owed map[*run]debt
}

// debt is since when a stage's output waits, and why the last transaction failed, nil while the first is under way.
type debt struct {
	group string
	since time.Time
	err   error
}

// owe notes that a stage has output to commit.
func (d *debts) owe(r *run, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.owed[r]; known {
		return
	}
	if d.owed == nil {
		d.owed = map[*run]debt{}
	}
	d.owed[r] = debt{group: r.s.Group, since: now}
}

// fail notes why output could not be committed.
func (d *debts) fail(r *run, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if owed, known := d.owed[r]; known {
		owed.err = err
		d.owed[r] = owed
	}
}

// settle notes that a stage has nothing to commit: it was, or is for others to do.
func (d *debts) settle(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.owed, r)
}

// Overdue says which stage's output could not be committed for some seconds by now and why, or returns nil.
func (c *Client) Overdue(now time.Time) error {
	c.debts.mu.Lock()
	defer c.debts.mu.Unlock()
	var worst debt
	for _, owed := range c.debts.owed {
		if now.Sub(owed.since) >= overdueAfter && (worst.group == "" || owed.since.Before(worst.since)) {
			worst = owed
		}
	}
	since := worst.since.UTC().Format(time.RFC3339)
	switch {
	case worst.group == "":
		return nil
	case worst.err == nil:
		return fmt.Errorf("the output of %s is being committed since %s", worst.group, since)
	default:
		return fmt.Errorf("the output of %s cannot be committed since %s: %w", worst.group, since, worst.err)
	}
}
