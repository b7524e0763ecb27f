package pipeline

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/alert"
)

// deaf is a notifier that heeds no context.
type deaf struct{ until <-chan struct{} }

func (d deaf) Notify(context.Context, *alert.Notification) (alert.Outcome, error) {
	<-d.until
	return alert.Outcome{}, nil
}

// A notifier that never returns does not keep the process from ending.
func TestCloseDespiteAHangingNotifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		hang := make(chan struct{})
		i := alert.Integration{Receiver: "r", Kind: "webhook"}
		n := &notify{p: &Pipeline{log: slog.New(slog.NewTextHandler(&log, nil))}, flush: func() {}, registry: newScope(prometheus.NewRegistry())}
		n.life, n.stop = context.WithCancel(t.Context())
		n.run(alert.NewSender(alert.SenderOptions{Targets: []alert.Target{{Integration: i, Notifier: deaf{hang}}}, Done: n.delivered, Registerer: n.registry}))
		n.sender.Send([]*alert.Notification{{ID: "1", Integration: i}})
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			n.Close()
		}()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Error("Close waits for ever")
		}
		if !strings.Contains(log.String(), "does not end") {
			t.Errorf("nobody is told: %s", log.String())
		}
		close(hang)
		<-closed
	})
}

// A process that was the active alerter writes to Slack no more, also what it owes: another one writes there now.
func TestWhoWasActiveWritesNoMore(t *testing.T) {
	p := &Pipeline{log: slog.New(slog.DiscardHandler)}
	n := &notify{p: p, owned: func() bool { return true }, flush: func() {}, registry: newScope(prometheus.NewRegistry())}
	n.life, n.stop = context.WithCancel(t.Context())
	n.run(alert.NewSender(alert.SenderOptions{Done: n.delivered, Registerer: n.registry}))
	p.alerts.Store(n)
	if !p.sends() {
		t.Error("the active alerter does not write")
	}
	n.Close()
	if p.sends() {
		t.Error("it writes though it is active no more")
	}
}
