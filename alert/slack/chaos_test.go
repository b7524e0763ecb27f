package slack

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
)

// alerter stands in for the core: each group fires and then ends, and what failed is sent again as in doubt.
type alerter struct {
	mu     sync.Mutex
	sender *alert.Sender
	open   map[string]*alert.Notification
	inside map[string][]string // notifications by the name of the digest that was to tell of them
	left   int
	done   chan struct{}
}

func (a *alerter) name(ids []string, digest string) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		a.open[id].Digest = digest
		if !slices.Contains(a.inside[digest], id) {
			a.inside[digest] = append(a.inside[digest], id)
		}
	}
	kept := make(chan struct{})
	close(kept)
	return kept
}

func (a *alerter) delivered(id string, o alert.Outcome, err error) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.open[id]
	if n == nil {
		return nil
	}
	delete(a.open, id)
	next := *n
	if o.Ref != "" {
		next.Ref = o.Ref
	}
	switch {
	case err != nil:
		next.Attempt, next.Repeated = n.Attempt+1, true
	case n.Reason == alert.FirstNotification:
		end := notification("end of "+id, alert.AllResolved, next.Ref, over(n.Data.Alerts[0]))
		end.Integration, end.Group, end.GroupKey = n.Integration, n.Group, n.GroupKey
		next = *end
	default:
		if a.left--; a.left == 0 {
			close(a.done)
		}
		return nil
	}
	a.open[next.ID] = &next
	go func() {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		a.sender.Send([]*alert.Notification{&next})
	}()
	return nil
}

// Whatever Slack and the network do, every beginning and every end is told once, in order, and no faster than Slack allows.
func TestChaos(t *testing.T) {
	const groups = 120
	s := slacktest.New(t)
	const interval = 2 * time.Millisecond
	s.RateLimit(interval)
	r := rand.New(rand.NewPCG(7, 7))
	s.FailBy(func(method string) *slacktest.Fault {
		switch f := (slacktest.Fault{Method: method}); r.IntN(20) {
		case 0:
			f = slacktest.Limited(method, 1)
			f.Header.Set("Retry-After", "0")
			return &f
		case 1:
			f.Status = 503
			return &f
		case 2:
			f.Cut = true
			return &f
		case 3:
			f.Cut, f.Done = true, true
			return &f
		case 4:
			f.Delay, f.Done, f.Body = 300*time.Millisecond, true, `{"ok":false,"error":"fatal_error"}`
			return &f
		default:
			return nil
		}
	})
	i := alert.Integration{Receiver: "ops", Kind: "slack"}
	n := mustNew(t, alert.SlackConfig{Token: slacktest.Token, Channel: slacktest.Channel, AppURL: s.API(), Timeout: 200 * time.Millisecond},
		Options{Limiter: NewLimiter(interval)})
	a := &alerter{open: map[string]*alert.Notification{}, inside: map[string][]string{}, left: groups, done: make(chan struct{})}
	a.sender = alert.NewSender(alert.SenderOptions{Targets: []alert.Target{{Integration: i, Notifier: n}}, Done: a.delivered, Name: a.name})
	ended := make(chan error, 1)
	go func() { ended <- a.sender.Run(t.Context()) }()
	begins := stormOf(groups)
	for k, b := range begins {
		b.Reason, b.Integration = alert.FirstNotification, i
		b.Data = notification("", b.Reason, "", fires(fmt.Sprint("service-", k))).Data
		a.open[b.ID] = b
	}
	for part := range slices.Chunk(begins, 17) {
		a.sender.Send(part)
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
	}
	select {
	case <-a.done:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%d groups are not told to the end", a.left)
	}
	a.sender.Drain()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.FailBy(nil)
	order := tellings(t, s, a.inside)
	for _, b := range begins {
		first, last := order[b.ID], order["end of "+b.ID]
		switch {
		case len(first) != 1 || len(last) != 1:
			t.Errorf("group %s: its beginning is told %d times, its end %d times", b.Group, len(first), len(last))
		case first[0] > last[0]:
			t.Errorf("group %s: its end is told before its beginning", b.Group)
		}
	}
	for _, m := range s.Messages(slacktest.Channel) {
		if strings.Contains(m.Text, "CRITICAL") && !strings.Contains(m.Text, "groups of alerts") {
			if id := idOf(t, m); len(order["end of "+id]) == 0 {
				t.Errorf("a message still says that %s fires", id)
			}
		}
	}
	clean(t, s)
}

func idOf(t *testing.T, m slacktest.Message) string {
	t.Helper()
	id, _ := metadataOf(t, m)["id"].(string)
	return id
}

func metadataOf(t *testing.T, m slacktest.Message) map[string]any {
	t.Helper()
	var metadata struct {
		EventType string         `json:"event_type"`
		Payload   map[string]any `json:"event_payload"`
	}
	if len(m.Metadata) > 0 {
		if err := json.Unmarshal(m.Metadata, &metadata); err != nil {
			t.Fatal(err)
		}
	}
	if metadata.EventType == beginningType {
		return nil
	}
	return metadata.Payload
}

// tellings returns the timestamps of all messages and replies that tell of each notification.
func tellings(t *testing.T, s *slacktest.Server, inside map[string][]string) map[string][]string {
	t.Helper()
	order := map[string][]string{}
	for _, m := range append(s.Messages(slacktest.Channel), threads(s)...) {
		payload := metadataOf(t, m)
		if id, ok := payload["id"].(string); ok {
			order[id] = append(order[id], m.TS)
		}
		if name, ok := payload["name"].(string); ok && payload["count"] != nil {
			for _, id := range inside[name] {
				order[id] = append(order[id], m.TS)
			}
		}
	}
	return order
}
