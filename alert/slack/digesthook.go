package slack

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/alert"
)

const (
	// maxHookMessages is how many messages the digest of an incoming webhook is at most: each takes the channel's turn.
	maxHookMessages = 10
	// entryText is how long a line about several groups is.
	entryText = 300
)

// part is one message of a digest, and the groups that are told of by it.
type part struct {
	message
	groups []*alert.Notification
}

// digestHook tells an incoming webhook, which has no threads, of groups in as few messages as hold them all.
func (c *channel) digestHook(ctx context.Context, ns []*alert.Notification, p alert.DigestProgress) {
	ns = slices.DeleteFunc(ns, func(n *alert.Notification) bool {
		if n.Stale { // nobody can look for it
			p.Done(n, alert.Outcome{}, fmt.Errorf("slack: %w", alert.ErrStale))
		}
		return n.Stale
	})
	if len(ns) == 0 {
		return
	}
	left := ns
	for _, part := range hookParts(latest(ns)) {
		var o alert.Outcome
		m, err := c.n.signed(part.message, &alert.Data{})
		if err == nil {
			o, err = c.hook(ctx, m)
		}
		if err != nil {
			err = fmt.Errorf("slack: telling of %d groups: %w", len(ns), err)
			for _, n := range left {
				p.Done(n, o, err)
			}
			return
		}
		told := map[string]bool{}
		for _, n := range part.groups {
			told[groupOf(n)] = true
		}
		var rest []*alert.Notification
		for _, n := range left {
			if told[groupOf(n)] {
				p.Done(n, o, nil)
			} else {
				rest = append(rest, n)
			}
		}
		left = rest
	}
}

// hookParts writes the messages: each group in a line when one message holds them so, else with several in a line. What is
// over is listed before what is less bad, so that only of a storm of thousands something that fires is counted, not named.
func hookParts(groups []*alert.Notification) []part {
	first := digestMessage(groups, false)
	fires, over := byState(groups)
	fires = worstFirst(fires)
	worst, less := fires[:min(len(fires), maxWorst)], fires[min(len(fires), maxWorst):]
	detailed := slices.Concat(titled("*Worst*", single(worst)), titled("*Over*", single(over)), titled("*Also firing*", single(less)))
	parts := pack(first, detailed, seeAll(groups))
	if len(parts) > 1 {
		short := slices.Concat(titled("*Worst*", single(worst)), titled("*Over*", several(over)), titled("*Also firing*", several(less)))
		parts = pack(first, short, seeAll(groups))
	}
	for i := range parts[1:] {
		text := fmt.Sprintf("… %d of %d about %d groups of alerts", i+2, len(parts), len(groups))
		parts[i+1].preview, parts[i+1].blocks = text, append(parts[i+1].blocks, header(text))
		parts[i+1].attachment.Fallback, parts[i+1].attachment.Color = text, first.attachment.Color
	}
	return parts
}

// entry is a line of a list.
type entry struct {
	text   string
	groups []*alert.Notification
}

// titled puts a title over entries, if there are any.
func titled(title string, entries []entry) []entry {
	if len(entries) == 0 {
		return nil
	}
	return append([]entry{{text: title}}, entries...)
}

// single has an entry for each group.
func single(groups []*alert.Notification) []entry {
	out := make([]entry, len(groups))
	for i, n := range groups {
		out[i] = entry{groupLine(n), []*alert.Notification{n}}
	}
	return out
}

// several has an entry for groups that are as bad and have the same name: it says what they are about.
func several(groups []*alert.Notification) []entry {
	kind := func(n *alert.Notification) string {
		sign, _, _ := strings.Cut(title(&n.Data), " ")
		return sign + " *" + escape(clip(oneLine(cmp.Or(n.Data.CommonLabels["alertname"], "several alerts")), 90)) + "* "
	}
	groups = slices.Clone(groups)
	slices.SortStableFunc(groups, func(a, b *alert.Notification) int {
		return cmp.Or(rank(color(&b.Data))-rank(color(&a.Data)), strings.Compare(kind(a), kind(b)))
	})
	var out []entry
	before := ""
	for _, n := range groups {
		at := escape(cmp.Or(where(n.Data.CommonLabels), "–"))
		if k := kind(n); k != before || units(out[len(out)-1].text)+units(at) > entryText {
			before = k
			out = append(out, entry{text: k + at})
		} else {
			out[len(out)-1].text += "; " + at
		}
		last := &out[len(out)-1]
		last.groups = append(last.groups, n)
	}
	return out
}

// pack puts entries into the first message and, as that is full, into others. In the last it says what is left out.
func pack(first message, entries []entry, link string) []part {
	const note = 500 // for what is left out
	full := maxMessage - maxPreview - note - blockCost - len(link)
	parts := []part{{message: first}}
	room := full - costs(first.attachment.Blocks.BlockSet)
	var text string
	add := func(p *part, s string) {
		p.attachment.Blocks.BlockSet = append(slices.Clip(p.attachment.Blocks.BlockSet), section(s))
	}
	flush := func() {
		if text != "" {
			add(&parts[len(parts)-1], text)
		}
		text = ""
	}
	for i, e := range entries {
		takes := textCost(e.text) + 1
		if text == "" || units(text)+1+units(e.text) > maxText {
			flush()
			takes += blockCost
		}
		if takes > room {
			flush()
			if len(parts) == maxHookMessages {
				p := &parts[len(parts)-1]
				left := leftOut(entries[i:])
				add(p, left.text)
				p.groups = append(p.groups, left.groups...)
				break
			}
			parts = append(parts, part{})
			room = full
		}
		room -= takes
		text = strings.TrimPrefix(text+"\n"+e.text, "\n")
		parts[len(parts)-1].groups = append(parts[len(parts)-1].groups, e.groups...)
	}
	flush()
	if link != "" {
		last := &parts[len(parts)-1].attachment.Blocks
		last.BlockSet = append(slices.Clip(last.BlockSet), footnote(link))
	}
	return parts
}

// leftOut counts groups by the name of their alerts, those of which there are most first.
func leftOut(entries []entry) entry {
	var out entry
	var one []alert.Alert // of each group
	for _, e := range entries {
		out.groups = append(out.groups, e.groups...)
	}
	for _, n := range out.groups {
		one = append(one, alert.Alert{Status: n.Data.Status, Labels: alert.KV{"alertname": cmp.Or(n.Data.CommonLabels["alertname"], "several alerts")}})
	}
	out.text = fmt.Sprintf("… and %d more groups: %s", len(out.groups), escape(topNames(byName(one))))
	return out
}
