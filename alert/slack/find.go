package slack

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// eventType marks freshet's messages and digestType its digests, so that one whose delivery is in doubt can be found
	// again. beginningType marks what stands in a thread from the beginning.
	eventType     = "freshet_notification"
	digestType    = "freshet_digest"
	beginningType = "freshet_evidence"
	// listType marks the list of a digest where that is no file.
	listType = "freshet_list"

	// maxPages bounds the search in the history of a channel.
	maxPages = 5
	pageSize = 200
	// maxThreads bounds the threads that are searched for what may have been said in them.
	maxThreads = 30
)

// ref names a message by its channel's ID and its timestamp, and says whether it is a digest, which is about many groups.
type ref struct {
	channel, timestamp string
	digest             bool
}

const digestSuffix = "/digest"

func (r ref) String() string {
	s := r.channel + "/" + r.timestamp
	if r.digest {
		s += digestSuffix
	}
	return s
}

func parseRef(text string) (ref, bool) {
	text, digest := strings.CutSuffix(text, digestSuffix)
	channel, timestamp, ok := strings.Cut(text, "/")
	return ref{channel, timestamp, digest}, ok && channel != "" && timestamp != ""
}

// aboutOne is the metadata of a message about one notification.
func aboutOne(kind, id string) about { return about{kind, map[string]any{"id": id}} }

// nameOf names the digest of some notifications, and its list.
func nameOf(ns []*alert.Notification) string {
	ids := make([]string, len(ns))
	for i, n := range ns {
		ids[i] = n.ID
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// collectReplies notes which of the notifications are told of in a thread.
func (t told) collectReplies(at ref, replies []slack.Message, d doubts) {
	for _, m := range replies {
		id, ok := m.Metadata.EventPayload["id"].(string)
		if ok && m.Timestamp != at.timestamp && m.Metadata.EventType == eventType && d.own[id] {
			t[id] = found{ref: at}
		}
	}
}

// told is what a channel holds already of notifications whose delivery is in doubt: their messages by ID.
type told map[string]found

// found is a message that was found again, and where it is a digest, its name.
type found struct {
	ref
	digestName string
}

// find looks for messages about notifications whose delivery is in doubt. It needs the channel's ID rather than its name,
// and the scope channels:history; without them a message may stand twice. An error says that looking may succeed later.
func (c *channel) find(ctx context.Context, ns []*alert.Notification) (told, error) {
	t := told{}
	d, oldest := doubtsOf(ns)
	if len(d.own) == 0 {
		return t, nil
	}
	for _, at := range d.threads() {
		// A digest after it may stand in its thread, which the history leaves out.
		replies, err := c.thread(ctx, at)
		if err != nil {
			return nil, err
		}
		t.collect(at.channel, replies, d)
	}
	id := c.id()
	if id == "" {
		return t, nil
	}
	params := &slack.GetConversationHistoryParameters{ChannelID: id, Limit: pageSize, IncludeAllMetadata: true,
		Oldest: strconv.FormatInt(oldest.Add(-time.Minute).Unix(), 10)}
	for range maxPages {
		var page *slack.GetConversationHistoryResponse
		err := c.read(ctx, "conversations.history", func(ctx context.Context) (_ time.Duration, err error) {
			page, err = c.api.GetConversationHistoryContext(ctx, params)
			return limited(err)
		})
		if err != nil {
			return t, c.unreadable(ctx, err)
		}
		t.collect(id, page.Messages, d)
		params.Cursor = page.ResponseMetaData.NextCursor
		if !page.HasMore || params.Cursor == "" {
			break
		}
	}
	return t, nil
}

// doubts are the notifications that may have been delivered.
type doubts struct {
	own      map[string]bool                  // by ID: each may have a message of its own
	inDigest map[string][]*alert.Notification // by the name of the digest that was to tell of them
}

// doubtsOf returns them, and when the oldest was decided on.
func doubtsOf(ns []*alert.Notification) (d doubts, oldest time.Time) {
	d = doubts{map[string]bool{}, map[string][]*alert.Notification{}}
	for _, n := range ns {
		if !n.Repeated {
			continue
		}
		d.own[n.ID] = true
		if n.Digest != "" {
			d.inDigest[n.Digest] = append(d.inDigest[n.Digest], n)
		}
		if oldest.IsZero() || n.Created.Before(oldest) {
			oldest = n.Created
		}
	}
	return d, oldest
}

// threads returns those in which digests may stand: of the digests that told before of all of their groups.
func (d doubts) threads() (out []ref) {
	for _, name := range slices.Sorted(maps.Keys(d.inDigest)) {
		if at, ok := sharedDigest(d.inDigest[name]); ok && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

// findReplies adds those about which a reply stands in the thread of their own message, or a note in that of the digest that told of
// their group. The oldest are looked for first: they were the first to be sent. It returns the IDs of those for which there was no room.
func (c *channel) findReplies(ctx context.Context, t told, ns []*alert.Notification) (left map[string]bool, err error) {
	d, _ := doubtsOf(ns)
	searched := map[ref]bool{}
	left = map[string]bool{}
	for _, n := range slices.SortedStableFunc(slices.Values(ns), func(a, b *alert.Notification) int { return a.Created.Compare(b.Created) }) {
		at, ok := parseRef(n.Ref)
		if _, isTold := t[n.ID]; isTold || !ok || at.digest && n.Reason != alert.NoteAdded || !n.Repeated || searched[at] {
			continue
		}
		if len(searched) == maxThreads {
			left[n.ID] = true
			continue
		}
		searched[at] = true
		replies, err := c.thread(ctx, at)
		if err != nil {
			return left, err
		}
		t.collectReplies(at, replies, d)
	}
	return left, nil
}

// id is the channel's ID, "" when it is not known yet.
func (c *channel) id() string {
	if strings.HasPrefix(c.name, "#") || strings.HasPrefix(c.name, "@") {
		return c.n.options.Limiter.idOf(c.token, c.name)
	}
	return c.name
}

// searchable says whether a message that was made here can be found again.
func (c *channel) searchable() bool {
	return c.id() != "" && !c.n.complained(partSearch) && !c.n.complained(partMetadata)
}

// unreadable passes an error on that may pass, so that nothing is said twice because of it. One that will not, such as a
// missing scope, is logged once.
func (c *channel) unreadable(ctx context.Context, err error) error {
	if o, _ := judge(err, c.token); !o.Permanent {
		return err
	}
	c.n.complain(ctx, partSearch, err)
	return nil
}

// collect notes which of the notifications some messages are about.
func (t told) collect(channel string, messages []slack.Message, d doubts) {
	for _, m := range messages {
		payload := m.Metadata.EventPayload
		at := ref{channel: channel, timestamp: m.Timestamp}
		if m.ThreadTimestamp != "" && m.ThreadTimestamp != m.Timestamp {
			// Said in a thread: of a digest, as who has a message of its own keeps that.
			at.timestamp, at.digest = m.ThreadTimestamp, true
		}
		switch m.Metadata.EventType {
		case eventType:
			if id, ok := payload["id"].(string); ok && d.own[id] {
				t[id] = found{ref: at}
			}
		case digestType:
			at.digest = true
			name, _ := payload["name"].(string)
			for _, n := range d.inDigest[name] {
				t[n.ID] = found{at, name}
			}
		}
	}
}

// said looks whether a thread holds a reply of a kind about a notification. A thread that may not be read holds none.
func (c *channel) said(ctx context.Context, at ref, kind, id string) (bool, error) {
	messages, err := c.thread(ctx, at)
	return slices.ContainsFunc(messages, func(m slack.Message) bool {
		return m.Timestamp != at.timestamp && m.Metadata.EventType == kind && m.Metadata.EventPayload["id"] == id
	}), err
}

// thread returns the messages of a thread, as far as they may be read.
func (c *channel) thread(ctx context.Context, at ref) (all []slack.Message, err error) {
	params := &slack.GetConversationRepliesParameters{ChannelID: at.channel, Timestamp: at.timestamp, Limit: pageSize, IncludeAllMetadata: true}
	for range maxPages {
		var (
			page   []slack.Message
			more   bool
			cursor string
		)
		err := c.read(ctx, "conversations.replies", func(ctx context.Context) (_ time.Duration, err error) {
			page, more, cursor, err = c.api.GetConversationRepliesContext(ctx, params)
			return limited(err)
		})
		if gone(err) {
			return all, nil // somebody deleted it
		}
		if err != nil {
			return all, c.unreadable(ctx, err)
		}
		all = append(all, page...)
		if params.Cursor = cursor; !more || cursor == "" {
			break
		}
	}
	return all, nil
}
