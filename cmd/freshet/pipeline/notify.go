package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/detect/finding"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules/label"
)

// notify is the alerter at Kafka: it feeds findings to the pure Alerter and commits alerts, timers and intents together
// with the offset of the findings. A message is sent only after its intent is committed, so that a crash may repeat a
// send that was in flight but loses none.
type notify struct {
	p         *Pipeline
	flush     func()
	owned     func() bool
	alerter   *alert.Alerter
	partition int32
	registry  *scope
	life      context.Context // of senders
	stop      context.CancelFunc
	senders   sync.WaitGroup // that run

	sending sync.WaitGroup

	mu        sync.Mutex    // guards what follows, and alerter against readers of views
	sender    *alert.Sender // the newest; those before end what they have begun
	outcomes  []outcome
	taken     []chan struct{} // of outcomes, and names of digests, that the alerter knows
	kept      []chan struct{} // of those that the commit under way keeps
	announced bool            // that this process is the active alerter
	finishing bool            // nothing more is sent
}

// closeLimit bounds how long Close waits for attempts that were told to end.
const closeLimit = 5 * time.Second

// outcome is what became of an attempt to deliver a notification.
type outcome struct {
	id     string
	result alert.Outcome
	err    error
	at     time.Time
	kept   chan struct{}
}

// notifyStage describes the alerter to the Kafka loop. The topic of findings has one partition, so one process is
// active and the others stand by.
func (p *Pipeline) notifyStage() kafka.Stage {
	return kafka.Stage{
		Group:          p.names.Alert,
		Instance:       p.instance("alert"),
		Topics:         []string{p.names.Findings},
		Exclusive:      true,
		LeaveOnStop:    true, // another takes over at once
		SessionTimeout: sessionTimeout,
		FlushInterval:  100 * time.Millisecond, // also the resolution of group_wait and the other timers
		Open: func(ctx context.Context, c kafka.Claim) (kafka.Task, error) {
			return p.openNotify(ctx, c)
		},
		Oversized: p.trim,
	}
}

// trim makes a record smaller that its topic refuses: one that is too large must not keep all others from being written, and
// with them every notification. The topics may be an operator's, with Kafka's default of 1 MiB.
func (p *Pipeline) trim(m *kafka.Message) bool {
	if m.Topic != p.names.Notifications {
		return false
	}
	smaller, ok := alert.Change{Key: m.Key, Value: m.Value}.Trim()
	if ok {
		p.log.Warn("a record of the alerter is larger than its topic allows and is kept without its evidence; raise the topic's max.message.bytes",
			slog.String("topic", m.Topic), slog.String("key", string(m.Key)), slog.Int("bytes", len(m.Value)))
		m.Value = smaller.Value
	}
	return ok
}

func (p *Pipeline) openNotify(ctx context.Context, c kafka.Claim) (kafka.Task, error) {
	registry, configured := newScope(p.registry), p.alerting.Load()
	t := &notify{
		p: p, flush: c.Flush, owned: c.Owned, partition: c.Partition, registry: registry, alerter: alert.New(configured.options(p.externalURL(), registry)),
	}
	// Settled, because what was sent must not be older than the committed offset.
	err := p.client.ReadSettled(ctx, p.names.Notifications, c.Partition, kafka.Oldest(), func(m *kafka.Message) error {
		if err := t.alerter.Restore(m.Key, m.Value); err != nil {
			// One unreadable alert must not silence all others: it is told again at its next finding.
			p.log.Error("a saved alert cannot be read and is skipped", slog.Int64("offset", m.Offset), slog.Any("error", err))
		}
		return nil
	})
	if err != nil {
		registry.close()
		return nil, fmt.Errorf("restoring the alerts: %w", err)
	}
	t.life, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.swap.Lock()
	defer p.swap.Unlock()
	if newer := p.alerting.Load(); newer != configured { // it was reloaded meanwhile
		t.alerter.Reconfigure(newer.options(p.externalURL(), nil), time.Now())
		configured = newer
	}
	p.limiter.Rest()
	t.run(alert.NewSender(alert.SenderOptions{
		Targets: configured.targets, Done: t.delivered, Name: t.name, Registerer: registry, Log: p.log,
		// Later than this another process may have taken over and be sending the same.
		StartWithin: sessionTimeout / 2, Active: c.Owned,
	}))
	p.alerts.Store(t)
	p.log.Info("this process sends the notifications")
	if p.cfg.HTTP.ExternalURL == "" && len(p.alerting.Load().api.Receivers) > 0 {
		p.log.Info("links in messages lead to the address of this process: set http.external_url where people reach it by another",
			slog.String("links", p.externalURL()))
	}
	return t, nil
}

// sends says whether this process is known to be the active alerter. One that was has perhaps edits left to make, which are
// the new one's business.
func (p *Pipeline) sends() bool {
	t := p.alerts.Load()
	return t != nil && t.owned()
}

// run has a sender deliver what comes from now on.
func (t *notify) run(s *alert.Sender) {
	t.sender = s
	t.senders.Go(func() {
		if err := s.Run(t.life); err != nil && !errors.Is(err, context.Canceled) {
			t.p.log.Error("the sender of notifications ended", slog.Any("error", err))
		}
	})
}

// reconfigure goes over to another configuration. Attempts that have begun end as they do, and their outcome counts; those that
// wait for their turn are made by the new notifiers.
func (t *notify) reconfigure(a *alerting, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.takeOutcomes()
	t.alerter.Reconfigure(a.options(t.p.externalURL(), nil), now)
	if !t.finishing {
		t.run(t.sender.Next(a.targets))
	}
	t.flush()
}

func (t *notify) Process(m *kafka.Message) error {
	if alert.IsCommand(m.Key) {
		t.command(m)
		return nil
	}
	f, err := finding.Decode(m.Value)
	if err != nil {
		t.p.log.Error("a finding cannot be read and is skipped", slog.Int64("offset", m.Offset), slog.Any("error", err))
		t.p.metrics.deadLettered.WithLabelValues(t.p.names.Findings, "malformed").Inc()
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alerter.Receive(f, time.Now())
	if f.State != finding.Pending {
		t.flush() // a person waits for it
	}
	return nil
}

// command takes what somebody decided about alerts.
func (t *notify) command(m *kafka.Message) {
	c, err := alert.DecodeCommand(m.Value)
	if err != nil {
		t.p.log.Error("a command cannot be read and is skipped", slog.Int64("offset", m.Offset), slog.Any("error", err))
		t.p.metrics.deadLettered.WithLabelValues(t.p.names.Findings, "malformed").Inc()
		return
	}
	t.mu.Lock()
	err = t.alerter.Command(c, time.Now())
	t.mu.Unlock()
	t.p.taken.took(c.ID, err)
	t.flush() // a person waits for it
}

func (t *notify) Idle(time.Time) {}

func (t *notify) Take(now time.Time) (kafka.Output, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.takeOutcomes()
	t.alerter.Tick(now)
	t.deliver() // attempts that are due again
	changes, err := t.alerter.Changes()
	if err != nil {
		return kafka.Output{}, err
	}
	out := kafka.Output{Messages: make([]kafka.Message, 0, len(changes))}
	for _, c := range changes {
		out.Messages = append(out.Messages, kafka.Message{Topic: t.p.names.Notifications, Partition: t.partition, Key: c.Key, Value: c.Value})
	}
	if !t.announced {
		t.announced = true
		m, err := t.p.activeMessage(now)
		if err != nil {
			return kafka.Output{}, err
		}
		out.Messages = append(out.Messages, m)
	}
	idle := len(t.kept) == 0 // else a commit is still due
	t.kept, t.taken = append(t.kept, t.taken...), nil
	out.Messages, err = t.records(out.Messages)
	if idle && len(out.Messages) == 0 {
		t.keep() // there is nothing to commit
	}
	return out, err
}

func (t *notify) takeOutcomes() {
	for _, o := range t.outcomes {
		t.alerter.Delivered(o.id, o.result, o.err, o.at)
		t.taken = append(t.taken, o.kept)
	}
	t.outcomes = nil
}

// records adds what was decided since the last flush, and what was given up.
func (t *notify) records(to []kafka.Message) ([]kafka.Message, error) {
	for _, d := range t.alerter.Decisions() {
		value, err := d.Encode()
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what failed
		}
		to = append(to, kafka.Message{Topic: t.p.names.Decisions, Partition: 0, Key: []byte(d.Fingerprint.String()), Value: value})
	}
	for _, l := range t.alerter.DeadLetters() {
		value, err := l.Encode()
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what failed
		}
		to = append(to, kafka.Message{Topic: t.p.names.Undelivered, Partition: 0, Key: []byte(l.ID), Value: value})
	}
	return to, nil
}

func (t *notify) Committed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alerter.Committed()
	t.keep()
	t.deliver()
}

// keep tells senders that the outcomes which the commit had are kept.
func (t *notify) keep() {
	for _, c := range t.kept {
		close(c)
	}
	t.kept = nil
}

// deliver sends what may be sent now. The caller holds the lock, which Done, called from within Send, needs too; so the
// sender is called on a goroutine of its own.
func (t *notify) deliver() {
	if t.finishing || !t.owned() {
		return // the intents are kept: who comes next sends them, or this process once the group confirms that it is active
	}
	if due := t.alerter.Deliveries(); len(due) > 0 {
		sender := t.sender
		t.sending.Go(func() { sender.Send(due) })
	}
}

// delivered is called by the sender's goroutines; the outcome is taken in at the next Take.
func (t *notify) delivered(id string, result alert.Outcome, err error) <-chan struct{} {
	kept := make(chan struct{})
	t.mu.Lock()
	t.outcomes = append(t.outcomes, outcome{id: id, result: result, err: err, at: time.Now(), kept: kept})
	t.mu.Unlock()
	t.flush()
	return kept
}

// name is called by the sender's goroutines before a digest is made. What is drained meanwhile does not wait.
func (t *notify) name(ids []string, digest string) <-chan struct{} {
	kept := make(chan struct{})
	t.mu.Lock()
	t.alerter.Name(ids, digest)
	t.taken = append(t.taken, kept)
	t.mu.Unlock()
	t.flush()
	return kept
}

// Finish implements kafka.Finisher: a message that is on its way is answered before the process ends, and the answer is
// committed, else the next process would send it again.
func (t *notify) Finish(ctx context.Context) {
	t.mu.Lock()
	t.finishing = true
	sender := t.sender
	t.mu.Unlock()
	t.sending.Wait()
	sender.Drain()
	t.ended(ctx)
}

// ended waits for the senders within ctx and says whether all have ended.
func (t *notify) ended(ctx context.Context) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.senders.Wait()
	}()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// views returns the alerts for the page and the API.
func (t *notify) views() []alert.View {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alerter.Alerts()
}

// view, groups, silences and statistics are for them too.
func (t *notify) view(fp label.Fingerprint) (alert.View, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alerter.Alert(fp)
}

func (t *notify) groups() []alert.GroupView {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alerter.Groups()
}

func (t *notify) silences() []alert.SilenceView {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alerter.Silences(time.Now())
}

func (t *notify) statistics() []alert.Statistics {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alerter.Statistics()
}

func (t *notify) Close() {
	t.p.swap.Lock()
	t.p.alerts.CompareAndSwap(t, nil)
	t.p.swap.Unlock()
	t.stop()
	bounded, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if !t.ended(bounded) {
		t.p.log.Error("an attempt to notify does not end though it was told to: it is left behind", slog.Duration("after", closeLimit))
	}
	t.sending.Wait()
	t.registry.close()
}
