package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/alert"
)

// Remediation is what the body says to a webhook that mends, beside the alerts. Such a webhook is called once for each
// incident: when it is not known what came of a call, Notify returns alert.ErrUnknownOutcome, and nobody calls again but a
// person.
type Remediation struct {
	// ID is that of the call, the same for all attempts, and the header Idempotency-Key.
	ID string `json:"id"`
	// Incidents names what the alerts are about: the alert's fingerprint and when it began to fire, in seconds since 1970.
	Incidents []string `json:"incidents"`
	// Attempt counts from 1. There is a second one only if the first surely did not reach the server.
	Attempt int `json:"attempt"`
}

func newRemediation(n *alert.Notification) *Remediation {
	r := &Remediation{ID: n.ID, Incidents: make([]string, 0, len(n.Data.Alerts)), Attempt: max(n.Attempt, 1)}
	for _, a := range n.Data.Alerts {
		r.Incidents = append(r.Incidents, fmt.Sprintf("%s-%d", a.Fingerprint, a.StartsAt.Unix()))
	}
	return r
}

// mend makes the call and says what came of it in a note.
func (n *Notifier) mend(ctx context.Context, r alert.Request) (alert.Outcome, error) {
	call := method(r) + " " + host(r)
	if n.config.Remediation.DryRun {
		return alert.Outcome{Dry: true, Note: fmt.Sprintf("dry run: %s would be called with %d bytes", call, len(r.Body))}, nil
	}
	start := time.Now()
	answer, outcome, err := alert.Do(ctx, n.client, n.config.HTTPConfig, r)
	took := time.Since(start).Round(time.Millisecond)
	switch {
	case answer.Code != 0:
		outcome.Note = fmt.Sprintf("%s answered in %s: %s", call, took, answer.Line())
	case errors.Is(err, alert.ErrUnknownOutcome):
		outcome.Note = fmt.Sprintf("%s gave no answer in %s: it is not known whether it was carried out", call, took)
	default:
		outcome.Note = fmt.Sprintf("%s was not called: %v", call, err)
	}
	if err != nil && errors.Is(err, alert.ErrUnknownOutcome) && answer.Code != 0 {
		outcome.Note += " (it is not known whether it was carried out)"
	}
	return outcome, err //nolint:wrapcheck // Notify does
}
