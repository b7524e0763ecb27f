package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet-dev/freshet/alert"
)

// Digest implements alert.Digester: it tells of many groups in one message, whose thread has the list of all. A group that
// has a message of its own keeps it; the others get one with their next news. Groups that were all told of in the same
// digest are told of in its thread.
func (n *Notifier) Digest(ctx context.Context, ns []*alert.Notification, p alert.DigestProgress) {
	for _, to := range n.byChannel(ns, p) {
		some := make([]*alert.Notification, len(to.members))
		for i, member := range to.members {
			some[i] = hide(member)
		}
		if to.api == nil {
			to.digestHook(ctx, some, p)
		} else {
			to.digest(ctx, some, p)
		}
	}
}

// addressees are a channel and the notifications that go there.
type addressees struct {
	*channel
	members []*alert.Notification
}

// byChannel finds out where notifications go: the channel may be a template. One that names none fails alone.
func (n *Notifier) byChannel(ns []*alert.Notification, p alert.DigestProgress) []*addressees {
	var places []*addressees
	known := map[string]*addressees{}
	for _, notification := range ns {
		c, err := n.channel(&notification.Data)
		if err != nil {
			o, err := nowhere(notification, err)
			p.Done(notification, o, err)
			continue
		}
		to := known[c.name]
		if to == nil {
			to = &addressees{channel: c}
			known[c.name], places = to, append(places, to)
		}
		to.members = append(to.members, notification)
	}
	return places
}

// digest tells of notifications. What was told before freshet ended is answered for first, so that another crash finds it done.
func (c *channel) digest(ctx context.Context, ns []*alert.Notification, p alert.DigestProgress) {
	fail := func(ns []*alert.Notification, err error) {
		var o alert.Outcome
		if !errors.Is(err, alert.ErrNotBegun) {
			o, err = judge(err, c.token)
		}
		err = fmt.Errorf("slack: telling of %d groups: %w", len(ns), err)
		for _, n := range ns {
			p.Done(n, o, err)
		}
	}
	found, err := c.find(ctx, ns)
	var left map[string]bool
	if err == nil {
		left, err = c.findReplies(ctx, found, ns)
	}
	if err == nil {
		err = c.listFound(ctx, found, ns)
	}
	if err != nil {
		fail(ns, err)
		return
	}
	var again, news, quiet []*alert.Notification
	for _, n := range ns {
		_, known := found[n.ID]
		switch {
		case known:
			again = append(again, n)
		case n.Stale && left[n.ID]:
			p.Done(n, alert.Outcome{}, fmt.Errorf("slack: %w", alert.ErrTooLate))
		case n.Stale:
			p.Done(n, alert.Outcome{}, fmt.Errorf("slack: %w", alert.ErrStale))
		case n.Reason == alert.ContentChanged, n.Reason == alert.NoteAdded && len(n.Data.Notes) == 0:
			quiet = append(quiet, n)
		default:
			news = append(news, n)
		}
	}
	e := edits{channel: c, p: p}
	for _, n := range again {
		e.told(n, found[n.ID].ref)
	}
	switch {
	case len(news) == 1:
		o, err := c.tell(ctx, news[0])
		if err != nil {
			err = fmt.Errorf("slack: %w", err)
		}
		p.Done(news[0], o, err)
	case len(news) > 1:
		made, err := c.postDigest(ctx, news, p)
		if err != nil {
			fail(append(news, quiet...), err)
			quiet = nil
			break
		}
		for _, n := range news {
			e.told(n, made)
		}
	}
	e.bringUpToDate(ctx)
	e.editQuiet(ctx, quiet)
}

// isOwn says whether a message is about one group alone.
func isOwn(text string) bool {
	at, ok := parseRef(text)
	return ok && !at.digest
}

// postDigest makes the digest's message, in the thread of the one that told of all its groups before if there is one, and its
// list. It returns an error also when only the list is not made: by its name the message is found again then.
func (c *channel) postDigest(ctx context.Context, news []*alert.Notification, p alert.DigestProgress) (ref, error) {
	groups := latest(news)
	m, err := c.n.signed(digestMessage(groups, true), &alert.Data{})
	if err != nil {
		return ref{}, err
	}
	name := nameOf(news)
	if err := p.Name(ctx, news, name); err != nil {
		return ref{}, err //nolint:wrapcheck // the sender knows its own
	}
	about := about{digestType, map[string]any{"name": name, "count": len(news)}}
	thread, inThread := sharedDigest(groups)
	if inThread {
		r := reply{text: m.preview, blocks: append(m.blocks, m.attachment.Blocks.BlockSet...), broadcast: slices.ContainsFunc(groups, rings)}
		err := c.sayInThread(ctx, thread, r, about, true, &alert.Data{})
		if err == nil {
			return thread, c.list(ctx, thread, name, groups)
		}
		if !gone(err) {
			return ref{}, err
		}
	}
	made, err := c.post(ctx, m, about, true)
	if err != nil {
		return ref{}, err
	}
	made.digest = true
	return made, c.list(ctx, made, name, groups)
}

// rings says whether somebody's phone ought to ring for a notification.
func rings(n *alert.Notification) bool {
	switch n.Reason {
	case alert.FirstNotification, alert.NewAlerts, alert.RepeatElapsed, alert.SeverityRaised:
		return true
	default:
		return false
	}
}

// sharedDigest returns the digest that told of all the groups before.
func sharedDigest(groups []*alert.Notification) (ref, bool) {
	first, ok := parseRef(groups[0].Ref)
	if !ok || !first.digest {
		return ref{}, false
	}
	for _, n := range groups[1:] {
		if n.Ref != groups[0].Ref {
			return ref{}, false
		}
	}
	return first, true
}

// latest returns the newest notification of each group, in the order in which the groups first came.
func latest(ns []*alert.Notification) []*alert.Notification {
	var out []*alert.Notification
	at := map[string]int{}
	for _, n := range ns {
		key := groupOf(n)
		if i, ok := at[key]; ok {
			out[i] = n
			continue
		}
		at[key] = len(out)
		out = append(out, n)
	}
	return out
}

// groupOf names the group that a notification is about; one that is about none is alone.
func groupOf(n *alert.Notification) string { return cmp.Or(n.About(), n.ID) }
