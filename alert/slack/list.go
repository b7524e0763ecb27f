package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// listTries is how often a list is tried to be made, listPause how long is waited after the first that failed.
	listTries = 5
	listPause = time.Second
)

// list puts all groups of a digest into its thread: few as text, many as a file. It goes before what others want to say,
// as without it nobody knows which groups they are. An error says that this process has to end before it is made, and the next
// one is to make it; what Slack refuses is only logged, as the digest stands.
func (c *channel) list(ctx context.Context, at ref, name string, groups []*alert.Notification) error {
	asText := len(groups) <= maxListed
	for try := 1; ; try++ {
		err := c.tryList(ctx, at, name, groups, asText)
		o, _ := judge(err, c.token)
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, errNotActive):
			return err
		case o.Permanent && !asText:
			c.n.complain(ctx, "file", err)
			asText = true
			continue
		case o.Permanent, try == listTries:
			c.n.complain(ctx, "list of a digest", err)
			return nil
		}
		timer := time.NewTimer(max(o.RetryAfter, time.Duration(try)*listPause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		if yes, err := c.listed(ctx, at, name); yes && err == nil {
			return nil
		}
	}
}

func (c *channel) tryList(ctx context.Context, at ref, name string, groups []*alert.Notification, asText bool) error {
	if asText {
		return c.sayInThread(ctx, at, listReply(groups), about{listType, map[string]any{"name": name}}, true, &alert.Data{})
	}
	lines := make([]string, len(groups))
	for i, n := range groups {
		lines[i] = listLine(n) + "\n"
	}
	return c.tryUpload(ctx, at, file{name: listName(name), title: fmt.Sprintf("%d groups of alerts", len(groups)), snippet: "text",
		content: []byte(strings.Join(lines, "")), urgent: true})
}

// listName is the name of the file with a list.
func listName(name string) string { return "alerts-" + name + ".txt" }

// listed says whether a list of one of these names is in a thread.
func (c *channel) listed(ctx context.Context, at ref, names ...string) (bool, error) {
	messages, err := c.thread(ctx, at)
	return slices.ContainsFunc(messages, func(m slack.Message) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return m.Metadata.EventType == listType && m.Metadata.EventPayload["name"] == name ||
				slices.ContainsFunc(m.Files, func(file slack.File) bool { return file.Name == listName(name) })
		})
	}), err
}

// listFound makes the lists of digests that were found again, where freshet ended before it. A list of some of a digest's groups,
// as of those that nobody else knows to be told, has a name of its own.
func (c *channel) listFound(ctx context.Context, t told, ns []*alert.Notification) error {
	members := map[found][]*alert.Notification{}
	var digests []found
	for _, n := range ns {
		f := t[n.ID]
		if f.digestName == "" {
			continue
		}
		if members[f] == nil {
			digests = append(digests, f)
		}
		members[f] = append(members[f], n)
	}
	for _, f := range digests {
		name := nameOf(members[f])
		yes, err := c.listed(ctx, f.ref, f.digestName, name)
		if err == nil && !yes {
			err = c.list(ctx, f.ref, name, latest(members[f]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
