package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// ErrFenced is wrapped by the error of a Transactor when another one of the same name has begun since.
var ErrFenced = errors.New("another process works under the same name")

// ErrUnknownOutcome is wrapped by the error of Commit when the transaction may or may not have been committed: what is
// read after another Transactor of the same name has begun tells.
var ErrUnknownOutcome = errors.New("the broker did not say whether it was written")

// Transactor writes messages to several topics at once, all or none of them. At most one of a name is at work: a new one
// ends the transaction that an older one left open and keeps it from making another. So a program that first begins,
// then reads what was done before, and writes down what it does in the same transaction as doing it, does it once.
// It is used by one goroutine.
type Transactor struct {
	cl  sarama.Client
	txn *txn
	err error // of a commit that failed: nothing more can be written
}

// Transactor begins under a transactional id.
func (c *Client) Transactor(ctx context.Context, id string) (*Transactor, error) {
	cl, err := c.connect(c.ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("beginning transactions as %s: %w", id, err)
	}
	t := &Transactor{cl: cl, txn: newTxn(c, cl, c.log, id, "")}
	if err := t.txn.begin(ctx); err != nil {
		disconnect(cl)
		return nil, fmt.Errorf("beginning transactions as %s: %w", id, err)
	}
	return t, nil
}

// Commit writes messages in one transaction, which should take less than the transaction timeout: a few MiB. After an
// error the Transactor writes nothing more.
func (t *Transactor) Commit(ctx context.Context, msgs ...Message) error {
	if t.err != nil || len(msgs) == 0 {
		return t.err
	}
	result, err := t.txn.commit(ctx, ownership{}, msgs, nil)
	if errors.Is(err, errSmaller) {
		if err = t.txn.begin(ctx); err == nil {
			return t.Commit(ctx, msgs...) // the limit for a batch was lowered
		}
	}
	switch {
	case result == committed:
		t.txn.count()
		return nil
	case result == unknown:
		t.err = fmt.Errorf("writing a transaction: %w: %w", ErrUnknownOutcome, err)
	case classify(err) == fenced || errors.Is(err, sarama.ErrInvalidProducerIDMapping):
		t.err = fmt.Errorf("writing a transaction: %w: %w", ErrFenced, err)
	default:
		t.err = fmt.Errorf("writing a transaction, nothing of it was written: %w", err)
		_ = t.txn.begin(ctx) // aborts it now rather than at its timeout
	}
	return t.err
}

// Close ends the connections.
func (t *Transactor) Close() { disconnect(t.cl) }
