package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/alert"
)

// maxEdits is how many messages of single groups a digest also brings up to date at once. More would keep the channel busy for
// long, and the digest has told what they would say.
const maxEdits = 10

// edits bring the own messages of groups up to date that a digest tells of.
type edits struct {
	*channel
	p    alert.DigestProgress
	own  []*alert.Notification // that are told, and whose groups have messages of their own
	made int
	err  error // why no more are made
}

// told answers for a notification that a message tells of, later when the own message of its group is to be edited too: if
// freshet ends before, that is for who comes next.
func (e *edits) told(n *alert.Notification, at ref) {
	if isOwn(n.Ref) && !at.digest { // it may have taken the place of one that was deleted
		moved := *n
		moved.Ref = at.String()
		n = &moved
	}
	switch {
	case !isOwn(n.Ref):
		e.p.Done(n, alert.Outcome{Ref: at.String()}, nil)
	case n.Stale: // what is next brings it up to date
		e.p.Done(n, alert.Outcome{Ref: n.Ref}, nil)
	default:
		e.own = append(e.own, n)
	}
}

// bringUpToDate edits the own messages of groups that were told of: some now, others whose alerts are over some time.
func (e *edits) bringUpToDate(ctx context.Context) {
	all := ended(e.own)
	now := all[:min(len(all), maxEdits)]
	done := func(n *alert.Notification) { e.p.Done(n, alert.Outcome{Ref: n.Ref}, nil) }
	for _, n := range e.own {
		if !slices.Contains(now, n) {
			done(n)
		}
	}
	left := slices.Clone(all[len(now):])
	for _, n := range now {
		if !e.edit(ctx, n) {
			left = append(left, n)
		}
		done(n)
	}
	e.owe(slices.DeleteFunc(left, func(n *alert.Notification) bool { return n.Data.Status == firing }))
}

// edit says whether a message is up to date; when an edit fails no more are made for now.
func (e *edits) edit(ctx context.Context, n *alert.Notification) bool {
	if e.made >= maxEdits || e.err != nil || ctx.Err() != nil {
		return false
	}
	e.made++
	err := e.bringOne(ctx, n)
	if err == nil || gone(err) {
		return true
	}
	e.err = err
	_, err = judge(err, e.token)
	e.n.options.Log.WarnContext(ctx, "a message could not be brought up to date; the digest after it tells how things stand", "error", err)
	return false
}

// editQuiet edits the messages of groups of which a digest does not tell. Those for which there is no time are given back.
func (e *edits) editQuiet(ctx context.Context, quiet []*alert.Notification) {
	for _, n := range quiet {
		var o alert.Outcome
		var err error
		switch {
		case !isOwn(n.Ref) || e.edit(ctx, n):
		case e.err != nil:
			o, err = judge(e.err, e.token)
			err = fmt.Errorf("slack: %w", err)
		default:
			err = alert.ErrTooLate
		}
		o.Ref = n.Ref
		e.p.Done(n, o, err)
	}
}

// ended returns those that are over first: a message that goes on to say that something fires is worse than an old value.
func ended(ns []*alert.Notification) []*alert.Notification {
	out := slices.Clone(latest(ns))
	slices.SortStableFunc(out, func(a, b *alert.Notification) int { return strings.Compare(b.Data.Status, a.Data.Status) }) // resolved, firing
	return out
}
