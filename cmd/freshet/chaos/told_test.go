package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/alert"
	"github.com/freshet-dev/freshet/alert/slack/slacktest"
	"github.com/freshet-dev/freshet/ingest/kafka"
	"github.com/freshet-dev/freshet/rules/label"
)

// ledger is what the alerter says it has sent to one integration: the notifications that told something new of an alert.
type ledger struct {
	mu    sync.Mutex
	sent  map[string][]string  // notifications by the alert's name: of its beginning and its end, or of its end alone
	story map[string][]string  // all that was decided, by the alert's name
	group map[string]string    // by the alert's name
	fired map[string]time.Time // when the alerter learned of it
	ended map[string]time.Time
	// digests are the notifications that each digest was to tell of, by the group.
	digests map[string]map[string][]string
}

// follow reads the decisions and the intents as they are written, until the test ends.
func follow(t *testing.T, client *kafka.Client, namespace, integration string) *ledger {
	t.Helper()
	l := &ledger{sent: map[string][]string{}, story: map[string][]string{}, group: map[string]string{},
		fired: map[string]time.Time{}, ended: map[string]time.Time{}, digests: map[string]map[string][]string{}}
	ctx, stop := context.WithCancel(t.Context())
	var tails sync.WaitGroup
	tail := func(topic string, take func(m *kafka.Message) error) {
		tails.Go(func() {
			if err := client.Tail(ctx, namespace+topic, kafka.Oldest(), take); err != nil {
				t.Errorf("%s: %v", topic, err)
			}
		})
	}
	tail(".decisions", func(m *kafka.Message) error {
		d, err := alert.DecodeDecision(m.Value)
		if err == nil {
			l.add(d, integration)
		}
		return err
	})
	tail(".notifications", func(m *kafka.Message) error { return l.intend(m.Value, integration) })
	t.Cleanup(func() { stop(); tails.Wait() })
	return l
}

// intend takes the record of what an integration is to be told of a group; others are of no interest.
func (l *ledger) intend(value []byte, integration string) error {
	var record struct {
		Integration string
		GroupLabels label.Set `json:"group_labels"`
		Intent      *struct{ ID, Digest string }
	}
	if len(value) == 0 {
		return nil
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	if record.Integration != integration || record.Intent == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	group, id, digest := record.GroupLabels.Get("group"), record.Intent.ID, record.Intent.Digest
	if digest == "" {
		return nil
	}
	if l.digests[digest] == nil {
		l.digests[digest] = map[string][]string{}
	}
	if ids := l.digests[digest][group]; !slices.Contains(ids, id) {
		l.digests[digest][group] = append(ids, id)
	}
	return nil
}

func (l *ledger) add(d *alert.Decision, integration string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := d.Labels.Get("name")
	l.story[name] = append(l.story[name], fmt.Sprintf("%s %s %s %s", d.At.Format("15:04:05.000"), d.Verdict, d.Integration, d.Reason))
	l.group[name] = d.Labels.Get("group")
	switch {
	case d.Verdict == alert.Fired:
		l.fired[name] = d.At
	case d.Verdict == alert.Ended:
		l.ended[name] = d.At
	case d.Verdict == alert.Sent && d.Integration == integration:
		l.sent[name] = append(l.sent[name], d.Notification)
	}
}

// passing says whether the alerter knew of an alert for so short a time that it may be told to nobody in a group of which
// something was told before, e.g. because it begins before a takeover and ends after it.
func (l *ledger) passing(name string) bool {
	fired, ended := l.fired[name], l.ended[name]
	return !fired.IsZero() && !ended.IsZero() && ended.Sub(fired) < groupInterval+250*time.Millisecond
}

// isPassing is passing for others than the ledger.
func (l *ledger) isPassing(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passing(name)
}

// untold counts the alerts of a group that are told to nobody, as they may be.
func (l *ledger) untold(group string, alerts int) int {
	n := 0
	for i := range alerts {
		if name := member(group, i); len(l.sent[name]) == 0 && l.passing(name) && alerts > 1 {
			n++
		}
	}
	return n
}

// of returns what told of an alert's beginning and of its end. One that was over before it could be told has no beginning.
func (l *ledger) of(name string) (begin, end string) {
	switch ids := l.sent[name]; len(ids) {
	case 0:
		return "", ""
	case 1:
		return "", ids[0]
	default:
		return ids[0], ids[len(ids)-1]
	}
}

// telling is a message in Slack, or a reply, that tells of notifications.
type telling struct {
	ts     string
	id     string // of the one notification that it is about
	digest string // the name of a digest
	count  int    // how many notifications the digest is about
	list   string // all of its groups
}

// The kinds of messages, as their metadata names them.
const (
	oneType    = "freshet_notification"
	digestType = "freshet_digest"
	listType   = "freshet_list"
)

// tellings returns what a channel holds, the oldest first.
func tellings(t *testing.T, s *slacktest.Server, channel string) []telling {
	t.Helper()
	var out []telling
	for _, m := range s.Messages(channel) {
		begin, digest := len(out), -1 // the last one
		for _, m := range append([]slacktest.Message{m}, s.Thread(channel, m.TS)...) {
			one, kind := newTelling(t, &m)
			switch {
			case kind == digestType:
				digest = len(out)
				out = append(out, one)
			case kind == oneType:
				out = append(out, one)
			case digest >= 0 && (kind == listType || len(m.Files) > 0):
				// A list of all has the name of its digest, a list of some is of the last one.
				of := slices.IndexFunc(out[begin:], func(t telling) bool {
					return t.digest != "" && (t.digest == one.digest || len(m.Files) > 0 && strings.Contains(m.Files[0].Name, t.digest))
				})
				if of += begin; of < begin {
					of = digest
				}
				out[of].list += listOf(&m)
			}
		}
	}
	slices.SortFunc(out, func(a, b telling) int { return strings.Compare(a.ts, b.ts) })
	return out
}

// newTelling reads the metadata of a message, whose kind is "" without any.
func newTelling(t *testing.T, m *slacktest.Message) (one telling, kind string) {
	t.Helper()
	if len(m.Metadata) == 0 {
		return telling{}, ""
	}
	var metadata struct {
		EventType string `json:"event_type"`
		Payload   struct {
			ID, Name string
			Count    int
		} `json:"event_payload"`
	}
	if err := json.Unmarshal(m.Metadata, &metadata); err != nil {
		t.Fatal(err)
	}
	one = telling{ts: m.TS, count: metadata.Payload.Count}
	switch metadata.EventType {
	case oneType:
		one.id = metadata.Payload.ID
	case digestType, listType:
		one.digest = metadata.Payload.Name
	}
	return one, metadata.EventType
}

// listOf returns the list of a digest, which is a file or a text.
func listOf(m *slacktest.Message) string {
	text := string(m.Blocks)
	for _, f := range m.Files {
		text += string(f.Content)
	}
	return text
}

// heard is what people in Slack learned of the alerts.
type heard struct {
	messages, digests int
	listless          int                    // digests without a list
	belated           int                    // alerts that were told as over only
	again             int                    // messages that tell what another told
	untold            int                    // alerts that were over too soon to be told
	missing           int                    // groups that are not told to the end
	said              map[string][]statement // by group, in order
	wrong             []string
}

// hear holds what stands in Slack against the groups of alerts, and what it says against what the alerter says it sent.
func (l *ledger) hear(groups map[string]int, all []telling, text func(ts string) string) heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := heard{said: map[string][]statement{}}
	first := map[string]string{} // timestamps by notification
	for _, m := range all {
		var said []statement
		told := []string{m.id}
		switch digest := l.digests[m.digest]; {
		case m.id != "":
			h.messages++
			said = statements(text(m.ts))
			for i := range said {
				said[i].id = m.id
			}
		default:
			h.digests++
			if m.list == "" {
				h.listless++
			}
			told, said = nil, statements(m.list)
			for i, s := range said {
				ids := digest[s.group]
				switch {
				case len(ids) == 0:
					h.wrong = append(h.wrong, s.group+" is in the list of a digest that was not to tell of it")
				case len(ids) > 1: // they make one line: nobody knows which of them it is
				case slices.Contains(told, ids[0]):
					h.wrong = append(h.wrong, s.group+" is in the lists of a digest twice")
				default:
					said[i].id = ids[0]
				}
				told = append(told, ids...)
			}
			if all := slices.Concat(slices.Collect(maps.Values(digest))...); len(all) != m.count {
				h.wrong = append(h.wrong, fmt.Sprintf("a digest says that it tells of %d notifications, and was to tell of %d", m.count, len(all)))
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
		for _, s := range said {
			h.said[s.group] = append(h.said[s.group], s)
		}
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		untold := l.untold(group, groups[group])
		h.untold += untold
		wrong, complete := judge(groups[group]-untold, h.said[group])
		if !complete {
			h.missing++
		}
		for _, w := range wrong {
			h.wrong = append(h.wrong, group+" was told in Slack as "+w)
		}
	}
	unknown := maps.Clone(first)
	for _, name := range slices.Sorted(maps.Keys(l.sent)) {
		for _, id := range l.sent[name] {
			delete(unknown, id)
		}
		begin, end := l.of(name)
		switch {
		case len(l.sent[name]) > 2:
			h.wrong = append(h.wrong, fmt.Sprintf("%d notifications told Slack something new of %s:\n%s", len(l.sent[name]), name, strings.Join(l.story[name], "\n")))
		case begin != "" && first[begin] == "", first[end] == "":
			h.wrong = append(h.wrong, "a notification of "+name+" that was sent does not stand in Slack:\n"+strings.Join(l.story[name], "\n"))
		case begin == "":
			h.belated++ // it was over before it could be told
		case first[end] < first[begin]:
			h.wrong = append(h.wrong, "the end of "+name+" was told first:\n"+strings.Join(l.story[name], "\n"))
		}
	}
	for _, ts := range slices.Sorted(maps.Values(unknown)) {
		h.wrong = append(h.wrong, "nothing new is known to have been told with a notification in "+text(ts)+" of "+ts)
	}
	return h
}
