package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/ingest/kafka"
)

// ledger is what the alerter says it has sent to one integration: which notifications told of an alert's beginning and end.
type ledger struct {
	mu    sync.Mutex
	begin map[string]string // notification by the alert's name
	end   map[string]string
}

// follow reads the decisions as they are written, until the test ends.
func follow(t *testing.T, client *kafka.Client, namespace, integration string) *ledger {
	t.Helper()
	l := &ledger{begin: map[string]string{}, end: map[string]string{}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := client.Tail(ctx, namespace+".decisions", kafka.Oldest(), func(m *kafka.Message) error {
			d, err := alert.DecodeDecision(m.Value)
			if err == nil && d.Verdict == alert.Sent && d.Integration == integration {
				l.add(d)
			}
			return err
		}); err != nil {
			t.Errorf("decisions: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return l
}

func (l *ledger) add(d *alert.Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.begin
	if strings.Contains(d.Reason, "resolved") {
		at = l.end
	}
	at[d.Labels.Get("name")] = d.Notification
}

func (l *ledger) ends() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.end)
}

// telling is a message in Slack, or a reply, that tells of notifications.
type telling struct {
	ts      string
	id      string   // of the one notification that it is about
	members []string // of a digest, as its metadata has them
	count   int      // how many notifications the digest is about
}

// tellings returns what a channel holds, the oldest first.
func tellings(t *testing.T, s *slacktest.Server, channel string) []telling {
	t.Helper()
	var all []slacktest.Message
	for _, m := range s.Messages(channel) {
		all = append(all, m)
		all = append(all, s.Thread(channel, m.TS)...)
	}
	slices.SortFunc(all, func(a, b slacktest.Message) int { return strings.Compare(a.TS, b.TS) })
	var out []telling
	for _, m := range all {
		var metadata struct {
			EventType string `json:"event_type"`
			Payload   struct {
				ID, IDs string
				Count   int
			} `json:"event_payload"`
		}
		if len(m.Metadata) == 0 {
			continue
		}
		if err := json.Unmarshal(m.Metadata, &metadata); err != nil {
			t.Fatal(err)
		}
		one := telling{ts: m.TS, id: metadata.Payload.ID, count: metadata.Payload.Count}
		switch metadata.EventType {
		case "freshet_notification":
		case "freshet_digest":
			names, err := base64.RawStdEncoding.DecodeString(metadata.Payload.IDs)
			if err != nil {
				t.Fatal(err)
			}
			for name := range slices.Chunk(names, 5) {
				one.members = append(one.members, string(name))
			}
		default:
			continue // evidence
		}
		out = append(out, one)
	}
	return out
}

// heard is what people in Slack learned of the alerts.
type heard struct {
	messages, digests int
	lost              []string // alerts with what was not told
	disorder          []string // whose end was told before the beginning
	again             int      // messages that tell what another told
}

// compare holds what the ledger says was sent against what stands in Slack.
func (l *ledger) compare(t *testing.T, alerts []string, all []telling) heard {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var h heard
	first := map[string]string{} // timestamps by notification, or its name in a digest
	for _, m := range all {
		told := m.members
		if m.id != "" {
			told = []string{memberName(m.id)}
			h.messages++
		} else {
			h.digests++
			if m.count > len(m.members) {
				t.Errorf("a digest is about %d notifications and names %d: the load is too heavy to tell which were told", m.count, len(m.members))
			}
		}
		if slices.ContainsFunc(told, func(id string) bool { return first[id] != "" }) {
			h.again++
		}
		for _, id := range told {
			if first[id] == "" {
				first[id] = m.ts
			}
		}
	}
	for _, name := range alerts {
		begin, end := first[memberName(l.begin[name])], first[memberName(l.end[name])]
		switch {
		case begin == "":
			h.lost = append(h.lost, name+": its beginning")
		case end == "":
			h.lost = append(h.lost, name+": its end")
		case end < begin:
			h.disorder = append(h.disorder, name)
		}
	}
	return h
}

// memberName names a notification as the metadata of a digest does.
func memberName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:5])
}
