package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

var errStarting = errors.New("starting")

// serveReady says whether the process does the work of its roles, or of the one of ?target=: what sends telemetry to an agent
// may go on while only the detector beside it has to wait.
func (p *Pipeline) serveReady(w http.ResponseWriter, r *http.Request) {
	targets := p.targets
	if name := r.URL.Query().Get("target"); name != "" {
		switch name {
		case "agent":
			targets = Targets{Agent: targets.Agent}
		case "detect":
			targets = Targets{Detect: targets.Detect}
		case "alert":
			targets = Targets{Alert: targets.Alert}
		}
		if targets.String() != name {
			http.Error(w, fmt.Sprintf("target=%s: this process runs %s", name, p.targets), http.StatusBadRequest)
			return
		}
	}
	if err := p.readyFor(targets); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "freshet is not ready: %v\n", err)
		return
	}
	fmt.Fprintln(w, "freshet is ready.")
}

// ready says why the process does not do its work now, or nil.
func (p *Pipeline) ready() error { return p.readyFor(p.targets) }

// readyFor says why roles do not do their work now, or nil.
func (p *Pipeline) readyFor(t Targets) error {
	if err := p.client.Ready(); err != nil {
		return err
	}
	select {
	case <-p.started:
	default:
		return errStarting
	}
	if t.Agent {
		if err := p.agent.Ready(); err != nil {
			return err //nolint:wrapcheck // it says what is waited for
		}
	}
	if t.Detect || t.Alert {
		return p.client.Overdue(time.Now())
	}
	return nil
}
