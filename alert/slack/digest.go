package slack

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/freshet-dev/freshet/alert"
)

// maxEdits is how many messages of single groups a digest also brings up to date at once. More would keep the channel busy for
// long, and the digest has told what they would say.
const maxEdits = 10

// Digest implements alert.Digester: it tells of many groups in one message, whose thread has the list of all. A group that
// has a message of its own keeps it; the others get one with their next news. Groups that were all told of in the same
// digest are told of in its thread.
func (n *Notifier) Digest(ctx context.Context, ns []*alert.Notification) ([]alert.Outcome, []error) {
	outcomes, errs := make([]alert.Outcome, len(ns)), make([]error, len(ns))
	for _, p := range n.byChannel(ns, outcomes, errs) {
		some := make([]*alert.Notification, len(p.members))
		for j, at := range p.members {
			some[j] = hide(ns[at])
		}
		if p.api == nil {
			untold, o, err := p.digestHook(ctx, some)
			if err != nil {
				err = fmt.Errorf("slack: telling of %d groups: %w", len(some), err)
			}
			for j, at := range p.members {
				if slices.Contains(untold, some[j]) {
					outcomes[at], errs[at] = o, err
				}
			}
			continue
		}
		refs, late, o, err := p.digest(ctx, some)
		if err != nil {
			err = fmt.Errorf("slack: telling of %d groups: %w", len(some), err)
		}
		for j, at := range p.members {
			o.Ref = refs[j]
			outcomes[at], errs[at] = o, err
			if err == nil && slices.Contains(late, some[j]) {
				errs[at] = alert.ErrTooLate
			}
		}
	}
	return outcomes, errs
}

// addressees are a channel and the notifications that go there, as indices.
type addressees struct {
	*channel
	members []int
}

// byChannel finds out where notifications go: the channel may be a template. One that names none fails alone.
func (n *Notifier) byChannel(ns []*alert.Notification, outcomes []alert.Outcome, errs []error) []*addressees {
	var places []*addressees
	known := map[string]*addressees{}
	for i, notification := range ns {
		c, err := n.channel(&notification.Data)
		if err != nil {
			outcomes[i], errs[i] = alert.Outcome{Permanent: true}, fmt.Errorf("slack: %w", err)
			continue
		}
		p := known[c.name]
		if p == nil {
			p = &addressees{channel: c}
			known[c.name], places = p, append(places, p)
		}
		p.members = append(p.members, i)
	}
	return places
}

// digest tells of notifications and returns the names of the messages in which each is told of from now on, and those for which
// there was no time.
func (c *channel) digest(ctx context.Context, ns []*alert.Notification) (refs []string, late []*alert.Notification, o alert.Outcome, err error) {
	refs = make([]string, len(ns))
	for i, n := range ns {
		refs[i] = n.Ref
	}
	found, err := c.find(ctx, ns)
	if err == nil {
		err = c.findReplies(ctx, found, ns)
	}
	if err != nil {
		o, err := judge(err, c.token)
		return refs, nil, o, err
	}
	var news, quiet, again []*alert.Notification // again are told already
	var at []int
	for i, n := range ns {
		before, known := found[n.ID]
		switch {
		case known:
			refs[i] = keep(n.Ref, before.ref)
			again = append(again, n)
		case n.Reason == alert.ContentChanged, n.Reason == alert.NoteAdded && len(n.Data.Notes) == 0:
			quiet = append(quiet, n)
		default:
			news, at = append(news, n), append(at, i)
		}
	}
	switch {
	case len(news) == 1:
		o, err := c.tell(ctx, news[0])
		if err != nil {
			return refs, nil, o, err
		}
		refs[at[0]] = o.Ref
	case len(news) > 1:
		made, err := c.postDigest(ctx, news)
		if err != nil {
			o, err := judge(err, c.token)
			return refs, nil, o, err
		}
		for j, i := range at {
			refs[i] = keep(news[j].Ref, made)
		}
	}
	c.listFound(ctx, found, ns)
	return refs, c.bringUpToDate(ctx, append(news, again...), quiet), alert.Outcome{}, nil
}

// keep returns a group's own message, if it has one, else the new one.
func keep(own string, made ref) string {
	if at, ok := parseRef(own); ok && !at.digest {
		return own
	}
	return made.String()
}

// postDigest makes the digest's message, in the thread of the one that told of all its groups before if there is one.
func (c *channel) postDigest(ctx context.Context, news []*alert.Notification) (ref, error) {
	ids := make([]string, len(news))
	for i, n := range news {
		ids[i] = n.ID
	}
	groups := latest(news)
	m, err := c.n.signed(digestMessage(groups, true), &alert.Data{})
	if err != nil {
		return ref{}, err
	}
	thread, inThread := sharedDigest(groups)
	if inThread {
		r := reply{text: m.preview, blocks: append(m.blocks, m.attachment.Blocks.BlockSet...), broadcast: slices.ContainsFunc(groups, rings)}
		err := c.sayInThread(ctx, thread, r, aboutMany(ids), true, &alert.Data{})
		if err == nil {
			c.list(ctx, thread, setOf(ids), groups)
			return thread, nil
		}
		if !gone(err) {
			return ref{}, err
		}
	}
	made, err := c.post(ctx, m, aboutMany(ids), true)
	if err != nil {
		return ref{}, err
	}
	made.digest = true
	c.list(ctx, made, setOf(ids), groups)
	return made, nil
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

// ended returns those that are over first: a message that goes on to say that something fires is worse than an old value.
func ended(ns []*alert.Notification) []*alert.Notification {
	out := slices.Clone(latest(ns))
	slices.SortStableFunc(out, func(a, b *alert.Notification) int { return strings.Compare(b.Data.Status, a.Data.Status) }) // resolved, firing
	return out
}

// bringUpToDate edits the own messages of groups: some now, those whose alerts are over some time. It returns those of quiet for
// which there is no time, as no digest tells what they would.
func (c *channel) bringUpToDate(ctx context.Context, news, quiet []*alert.Notification) (late []*alert.Notification) {
	own := func(n *alert.Notification) bool {
		at, ok := parseRef(n.Ref)
		return ok && !at.digest
	}
	var later []*alert.Notification
	edits := 0
	for i, n := range append(ended(news), quiet...) {
		switch isQuiet := i >= len(ended(news)); {
		case !own(n):
		case edits < maxEdits && ctx.Err() == nil:
			edits++
			if err := c.bringOne(ctx, n); err != nil && !gone(err) {
				edits = maxEdits
				_, err = judge(err, c.token)
				c.n.options.Log.WarnContext(ctx, "a message could not be brought up to date; the digest after it tells how things stand", "error", err)
				if n.Data.Status == "resolved" {
					later = append(later, n)
				}
			}
		case isQuiet:
			late = append(late, n)
		case n.Data.Status == "resolved":
			later = append(later, n)
		}
	}
	c.owe(later)
	return late
}

// list puts all groups of a digest into its thread: few as text, many as a file. It goes before what others want to say,
// as without it nobody knows which groups they are.
func (c *channel) list(ctx context.Context, at ref, set string, groups []*alert.Notification) {
	lines := make([]string, len(groups))
	for i, n := range groups {
		lines[i] = listLine(n)
	}
	if len(groups) > maxListed {
		content := strings.Join(lines, "\n") + "\n"
		title := fmt.Sprintf("%d groups of alerts", len(groups))
		if c.upload(ctx, at, file{name: listName(set), title: title, snippet: "text", content: []byte(content), urgent: true}) {
			return
		}
	}
	err := c.sayInThread(ctx, at, listReply(groups), about{listType, map[string]any{"all": set}}, true, &alert.Data{})
	if err != nil && ctx.Err() == nil {
		c.n.complain(ctx, "list of a digest", err)
	}
}

// listName is the name of the file with the list of a digest, by the digest's set.
func listName(set string) string {
	return "alerts-" + strings.NewReplacer("+", "-", "/", "_").Replace(set) + ".txt"
}

// listFound lists the groups of digests that were found again, where the list was not made before freshet ended.
func (c *channel) listFound(ctx context.Context, t told, ns []*alert.Notification) {
	members := map[found][]*alert.Notification{}
	var digests []found
	for _, n := range ns {
		f := t[n.ID]
		if f.set == "" {
			continue
		}
		if members[f] == nil {
			digests = append(digests, f)
		}
		members[f] = append(members[f], n)
	}
	for _, f := range digests {
		messages, err := c.thread(ctx, f.ref)
		if err != nil || slices.ContainsFunc(messages, func(m slack.Message) bool {
			return m.Metadata.EventType == listType && m.Metadata.EventPayload["all"] == f.set ||
				slices.ContainsFunc(m.Files, func(file slack.File) bool { return file.Name == listName(f.set) })
		}) {
			continue // it is there, or nobody knows
		}
		c.list(ctx, f.ref, f.set, latest(members[f]))
	}
}
