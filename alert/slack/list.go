package slack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// listTries is how often a list is tried to be made in one way, listPause how long is waited after the first that failed.
	listTries = 5
	listPause = time.Second
	// filesWithin is how long lists are tried to be made as files, filesRest how long they are text where that failed.
	filesWithin = 30 * time.Second
	filesRest   = 5 * time.Minute
)

// list puts all groups of a digest into its thread: few as text, many as a file, or as text where Slack takes no files. It goes
// before what others want to say, as without it nobody knows which groups they are. An error says that the list is not known to be
// there, and is to be made when the digest is found again; where it cannot be found, or the list is refused, that is only logged.
func (c *channel) list(ctx context.Context, at ref, name string, groups []*alert.Notification) error {
	var err error
	asText := len(groups) <= maxListed || c.n.filesRest()
	if !asText {
		bounded, cancel := context.WithTimeout(ctx, filesWithin)
		err = c.listAs(bounded, at, name, func() error { return c.listFile(bounded, at, name, groups) })
		cancel()
		if asText = err != nil && ctx.Err() == nil && !errors.Is(err, errNotActive); asText {
			c.n.complain(ctx, "file", err)
			there, unseen := c.filesFailed(ctx, err, at, name)
			if there || unseen != nil {
				err, asText = unseen, false
			}
		}
	}
	if asText {
		err = c.listAs(ctx, at, name, func() error {
			return c.sayInThread(ctx, at, listReply(groups), about{listType, map[string]any{"name": name}}, true, &alert.Data{})
		})
	}
	if o, _ := judge(err, c.token); err == nil || !o.Permanent && (c.searchable() || ends(ctx, err)) {
		return err
	}
	c.n.complain(ctx, "list of a digest", err)
	return nil
}

// filesFailed has lists be text for a while if files fail for a reason that may pass, and says whether one is there all the same.
func (c *channel) filesFailed(ctx context.Context, err error, at ref, name string) (there bool, unseen error) {
	if o, _ := judge(err, c.token); o.Permanent {
		return false, nil
	}
	c.n.noFiles.Store(time.Now().Add(filesRest).UnixNano())
	return c.listed(ctx, at, name)
}

// filesRest says whether files failed of late.
func (n *Notifier) filesRest() bool { return time.Now().UnixNano() < n.noFiles.Load() }

// ends says that whoever is active next has to go on.
func ends(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, errNotActive)
}

// listAs makes a list in one way. When it fails it looks whether the list is there all the same before it is made again; where
// that cannot be seen it is not made again.
func (c *channel) listAs(ctx context.Context, at ref, name string, say func() error) error {
	err := say()
	for try := 1; err != nil; try++ {
		o, _ := judge(err, c.token)
		if try == listTries || o.Permanent || o.RetryAfter > patience || ends(ctx, err) || !pause(ctx, max(o.RetryAfter, time.Duration(try)*listPause)) {
			return err
		}
		there, unseen := c.listed(ctx, at, name)
		switch {
		case there:
			return nil
		case unseen != nil:
			err = unseen
		case c.n.complained(partSearch):
			return err
		default:
			err = say()
		}
	}
	return nil
}

// pause waits and says whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// listFile makes a list as a file.
func (c *channel) listFile(ctx context.Context, at ref, name string, groups []*alert.Notification) error {
	lines := make([]string, len(groups))
	for i, n := range groups {
		lines[i] = listLine(n) + "\n"
	}
	return c.upload(ctx, at, file{name: listName(name), title: groupsOfAlerts(len(groups)), snippet: "text",
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
