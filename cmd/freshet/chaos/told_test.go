package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
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
	story map[string][]string // all that was decided, by the alert's name
}

// follow reads the decisions as they are written, until the test ends.
func follow(t *testing.T, client *kafka.Client, namespace, integration string) *ledger {
	t.Helper()
	l := &ledger{begin: map[string]string{}, end: map[string]string{}, story: map[string][]string{}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := client.Tail(ctx, namespace+".decisions", kafka.Oldest(), func(m *kafka.Message) error {
			d, err := alert.DecodeDecision(m.Value)
			if err == nil {
				l.add(d, integration)
			}
			return err
		}); err != nil {
			t.Errorf("decisions: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return l
}

func (l *ledger) add(d *alert.Decision, integration string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := d.Labels.Get("name")
	l.story[name] = append(l.story[name], fmt.Sprintf("%s %s %s %s", d.At.Format("15:04:05.000"), d.Verdict, d.Integration, d.Reason))
	switch {
	case d.Verdict != alert.Sent || d.Integration != integration:
	case strings.Contains(d.Reason, "resolved"):
		l.end[name] = d.Notification
	default:
		l.begin[name] = d.Notification
	}
}

// tell returns all that was decided about an alert.
func (l *ledger) tell(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.story[name], "\n")
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
	lines   []string // of its list
}

// tellings returns what a channel holds, the oldest first.
func tellings(t *testing.T, s *slacktest.Server, channel string) []telling {
	t.Helper()
	var out []telling
	for _, m := range s.Messages(channel) {
		digest := -1 // the one whose list comes next
		for _, m := range append([]slacktest.Message{m}, s.Thread(channel, m.TS)...) {
			one, ok := newTelling(t, &m)
			switch {
			case ok:
				if one.id == "" {
					digest = len(out)
				}
				out = append(out, one)
			case len(m.Metadata) == 0 && digest >= 0:
				out[digest].lines = append(out[digest].lines, listOf(&m)...)
			}
		}
	}
	slices.SortFunc(out, func(a, b telling) int { return strings.Compare(a.ts, b.ts) })
	return out
}

// newTelling reads the metadata of a message; ok is false when it tells nothing that was not told with another.
func newTelling(t *testing.T, m *slacktest.Message) (one telling, ok bool) {
	t.Helper()
	if len(m.Metadata) == 0 {
		return telling{}, false
	}
	var metadata struct {
		EventType string `json:"event_type"`
		Payload   struct {
			ID, IDs string
			Count   int
		} `json:"event_payload"`
	}
	if err := json.Unmarshal(m.Metadata, &metadata); err != nil {
		t.Fatal(err)
	}
	one = telling{ts: m.TS, id: metadata.Payload.ID, count: metadata.Payload.Count}
	if metadata.EventType == "freshet_digest" {
		names, err := base64.RawStdEncoding.DecodeString(metadata.Payload.IDs)
		if err != nil {
			t.Fatal(err)
		}
		for name := range slices.Chunk(names, 5) {
			one.members = append(one.members, string(name))
		}
	}
	return one, metadata.EventType == "freshet_digest" || metadata.EventType == "freshet_notification"
}

// listOf returns the lines of a digest's list, which is a file or a text.
func listOf(m *slacktest.Message) (lines []string) {
	for _, f := range m.Files {
		lines = append(lines, strings.Split(string(f.Content), "\n")...)
	}
	return append(lines, strings.Split(string(m.Blocks), `\n`)...)
}

// heard is what people in Slack learned of the alerts.
type heard struct {
	messages, digests int
	listless          int      // digests without a list, of more groups than they show themselves
	belated           int      // alerts that were told as over only
	lost              []string // alerts whose beginning or end was not told
	disorder          []string // whose end was told before the beginning
	again             int      // messages that tell what another told
}

// shownInDigest is how many groups a digest shows itself.
const shownInDigest = 8

var inLoad = regexp.MustCompile(`load-\d+`)

// compare holds what the ledger says was sent against what stands in Slack.
func (l *ledger) compare(alerts []string, all []telling) heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	var h heard
	first := map[string]string{} // timestamps by notification, or its name in a digest
	for _, m := range all {
		told := m.members
		switch {
		case m.id != "":
			told = []string{memberName(m.id)}
			h.messages++
		default:
			h.digests++
			if len(m.lines) == 0 && m.count > shownInDigest {
				h.listless++
			}
		}
		if slices.ContainsFunc(told, func(id string) bool { return first[id] != "" }) {
			h.again++
		}
		if m.count > len(m.members) {
			told = append(told, l.listed(m.lines)...)
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
		case l.begin[name] == "" && end != "":
			h.belated++ // it was over before it could be told
		case begin == "", end == "":
			h.lost = append(h.lost, name)
		case end < begin:
			h.disorder = append(h.disorder, name)
		}
	}
	return h
}

// listed returns the notifications that the lines of a list are about, as the metadata of a digest names them.
func (l *ledger) listed(lines []string) (out []string) {
	for _, line := range lines {
		name, id := inLoad.FindString(line), ""
		if id = l.begin[name]; strings.Contains(line, "RESOLVED") {
			id = l.end[name]
		}
		if id != "" {
			out = append(out, memberName(id))
		}
	}
	return out
}

// memberName names a notification as the metadata of a digest does.
func memberName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:5])
}
